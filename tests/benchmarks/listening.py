"""What a listening test costs to prepare: a pack of 15 items and 9 conditions from a finished run.

Run: python tests/benchmarks/listening.py [FOLDER]

15 songs of three minutes and the estimates of six methods are made first, in FOLDER (a temporary one unless told; about
8 GB), by a run like any other. Then the pack is made by the command, in a process of its own: excerpts chosen in the
whole songs, a hidden reference and two low-pass anchors beside the six methods, everything verified. Prints a Markdown
table; the committed one stands in tests/benchmarks/README.md.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.signal import lfilter
from threadpoolctl import threadpool_limits

import mss_bench
from mss_bench.core import audio

SONGS, SECONDS, RATE = 15, 180, 44100
METHODS = 6

# Arithmetic alone, so that preparing the run takes little: the voice with a share of the mixture in it.
PLUGIN = '''
from mss_bench.separators.base import Separator


class Leaky(Separator):
    """The middle of the mixture, with a share of the whole mixture in it."""

    name = "leaky"
    target_sets = (("vocals",),)
    channels = (2,)

    def __init__(self, leak: float = 0.1) -> None:
        self.leak = leak

    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        return {"vocals": 0.8 * mixture.mean(axis=0, keepdims=True).repeat(2, axis=0) + self.leak * mixture}
'''


def songs(folder: Path) -> Path:
    """Songs of noise: a voice that comes and goes in the middle, three stems beside it."""
    for number in range(SONGS):
        rng = np.random.default_rng(number)
        time_s = np.arange(SECONDS * RATE) / RATE
        voice = rng.standard_normal(time_s.size) * (np.sin(2 * np.pi * time_s / 23 + number) > -0.3)
        beside = {name: rng.standard_normal((2, time_s.size)) for name in ("drums", "bass", "other")}
        for name, stem in {"vocals": np.stack([voice, voice]), **beside}.items():
            tilted = lfilter([0.02], [1, -0.95], stem, axis=-1)  # more bass than treble, as music
            audio.write(folder / f"Song {number:02d}" / f"{name}.wav", tilted, RATE, "PCM_16")
    return folder


def finished_run(folder: Path) -> Path:
    """Make the run for the pack."""
    if not (folder / "run" / "run.json").exists():
        (folder / "leaky.py").write_text(PLUGIN)
        mss_bench.run(
            f"references:dir={songs(folder / 'songs')}", [{"name": "leaky", "leak": 0.05 * k} for k in range(METHODS)],
            ["usdr"], plugins=[str(folder / "leaky.py")], out=folder / "run", save_estimates=True, jobs=2, quiet=True,
        )  # fmt: skip
    return folder / "run"


def measure(folder: Path) -> tuple[float, float, int, float]:
    """Seconds of CPU, seconds, files and megabytes of a pack."""
    run = finished_run(folder)
    (folder / "test.yaml").write_text(
        f"name: pack\nprotocol: mushra\nrun: {run}\ntarget: vocals\nexcerpts: {{count: {SONGS}, seconds: 10}}\n"
    )
    words = ["-m", "mss_bench.cli.main", "listen", "pack", "test.yaml", "--out", f"packs/{time.time_ns()}"]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, cwd=folder)
    took, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    files = list((folder / words[-1] / "pack" / "audio").iterdir())
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return cpu, took, len(files), sum(f.stat().st_size for f in files) / 1e6


def main(folder: Path) -> None:
    """Print the table."""
    with threadpool_limits(1):
        cpu, took, files, size = measure(folder)
    print("| items | conditions | files | MB | CPU s | s |\n|--:|--:|--:|--:|--:|--:|")
    print(f"| {SONGS} | {METHODS + 3} | {files} | {size:.0f} | {cpu:.1f} | {took:.1f} |")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).absolute())
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
