"""What it costs that separation and scoring are processes of their own: one checkout against another.

::

    git worktree add ../before COMMIT
    python tests/benchmarks/isolation.py ../before . [--tracks 2] [--seconds 240]

Both checkouts compute the default run of the demo, and one long song of noise, with one job, in turns. Printed are CPU
seconds of all processes and the peak of their memory (shares of pages that several hold, as the kernel counts them).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import soundfile

STEMS = ("vocals", "drums", "bass", "other")
LOOK_SECONDS = 0.1


def measure(checkout: Path, words: list[str], out: Path) -> tuple[float, float]:
    """Return the CPU seconds and the peak memory in MiB of a run."""
    command = [sys.executable, "-m", "mss_bench", "run", "-q", "--jobs", "1", *words, "-o", str(out)]
    before = os.times()
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(checkout)}) as process:
        peak = 0.0
        while process.poll() is None:
            total = 0
            with contextlib.suppress(psutil.Error):
                for member in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                    with contextlib.suppress(psutil.Error):
                        total += member.memory_full_info().pss
            peak = max(peak, total / 2**20)
            time.sleep(LOOK_SECONDS)
    if process.returncode:
        sys.exit(f"{checkout}: {' '.join(command)} ended with {process.returncode}")
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system, peak


def write_long_song(folder: Path, seconds: float) -> Path:
    """Write a data set of one stereo song of noise; return its catalog."""
    rng, rate = np.random.default_rng(0), 44100
    song = folder / "long" / "Song"
    song.mkdir(parents=True)
    total = np.zeros((int(seconds * rate), 2), dtype=np.float32)
    for name in STEMS:
        stem = (0.05 * rng.standard_normal(total.shape)).astype(np.float32)
        soundfile.write(song / f"{name}.wav", stem, rate, subtype="FLOAT")
        total += stem
    soundfile.write(song / "mixture.wav", total, rate, subtype="FLOAT")
    catalog = folder / "catalog.yaml"
    catalog.write_text(
        f"long: {{layout: stems, root: {folder / 'long'}, sample_rate: 44100, stems: [{', '.join(STEMS)}]}}\n"
    )
    return catalog


def main() -> None:
    """Run both checkouts in turns and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--tracks", type=int, default=6, help="Songs of the demo.")
    parser.add_argument("--seconds", type=float, default=240.0, help="Length of the long song.")
    parser.add_argument("--rounds", type=int, default=1, help="How often; the least of each is printed.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalog = str(write_long_song(folder, args.seconds))
        cases = {
            f"default run, {args.tracks} demo songs": ["--max-tracks", str(args.tracks)],
            f"one song of {args.seconds:g} s, centre": ["--catalog", catalog, "--dataset", "long", "-s", "centre"],
        }
        print("| case | CPU s before | after | ratio | peak MiB before | after |\n|:--|--:|--:|--:|--:|--:|")
        for case, words in cases.items():
            results: dict[str, list[tuple[float, float]]] = {"before": [], "after": []}
            for i in range(args.rounds):
                for which, checkout in (("before", args.before), ("after", args.after)):
                    results[which].append(measure(checkout.resolve(), words, folder / f"{which}{i}{len(words)}"))
            (cpu0, memory0), (cpu1, memory1) = (tuple(map(min, zip(*r, strict=True))) for r in results.values())
            print(f"| {case} | {cpu0:.0f} | {cpu1:.0f} | {cpu1 / cpu0:.2f} | {memory0:.0f} | {memory1:.0f} |")


if __name__ == "__main__":
    main()
