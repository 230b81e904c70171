"""Scoring finished estimates by the command, with and without spectra kept of the references, beside museval.

    python tests/benchmarks/scoring.py --seconds 60

Four stereo sources of 16-bit coloured noise and several sets of estimates as WAV files; ``mss-bench run`` scores the
sets one after another in one worker by BSS Eval v4, once with ``--reference-memory 0`` and once with 256, in turns. A
set's CPU seconds are those that its cell notes, the mean over all but the first; the floor comes first and has what is
prepared of the references beside its own. The whole command has starting, reading files and writing tables as well.
museval is given the arrays of one set in a process of its own; it prepares nothing. Read the ratios.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from bss_eval import RATE, THREADS, Case, _audio, _in_child

from mss_bench.core import audio
from mss_bench.report.table import Table
from mss_bench.running.store import read_cell, read_plan


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[15.0, 60.0], help="lengths of the track")
    parser.add_argument("--sets", type=int, default=4, help="sets of estimates")
    parser.add_argument("--repeats", type=int, default=2, help="measurements of each")
    parser.add_argument("--alone", action="store_true", help="without museval")
    arguments = parser.parse_args()
    rows = [row for s in arguments.seconds for row in measured(s, arguments.sets, arguments.repeats, arguments.alone)]
    head = (
        "audio, s",
        "scored by",
        "floor, all prepared",
        "a set, CPU s",
        "ratio to 0 MiB",
        "ratio to museval",
        "whole command",
    )
    print(Table("Scoring finished estimates", head, [rows]).markdown())


def measured(seconds: float, sets: int, repeats: int, alone: bool) -> list[list[str]]:
    """Return the rows of one length."""
    museval = np.nan if alone else min(_in_child("museval", Case("v4", seconds, 4, 1)).cpu for _ in range(repeats))
    rows = [] if alone else [[f"{seconds:g}", "museval", f"{museval:.2f}", f"{museval:.2f}", "", "1", ""]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, seconds, sets)
        runs = [(kept, *scored(folder, sets, kept, number)) for number in range(repeats) for kept in (0, 256)]
    best = {kept: np.min([costs for k, *costs in runs if k == kept], axis=0) for kept in (0, 256)}
    for kept, (first, further, whole) in best.items():
        gain = f"{best[0][1] / further:.2f}"
        rows.append(
            [f"{seconds:g}", f"run --reference-memory {kept}", f"{first:.2f}", f"{further:.2f}", gain,
             "" if alone else f"{museval / further:.0f}", f"{whole:.1f}"]
        )  # fmt: skip
    return rows


def write(folder: Path, seconds: float, sets: int) -> None:
    """Write a song, and sets of estimates of it."""
    references, estimates = _audio(Case("v4", seconds, 4, sets))
    names = dict(zip(references, ("vocals", "drums", "bass", "other"), strict=True))
    song = folder / "data" / "Song"
    audio.write(song / "mixture.wav", np.sum(list(references.values()), axis=0), RATE)
    for source, stem in names.items():
        audio.write(song / f"{stem}.wav", references[source], RATE)
        for number, arrays in enumerate(estimates):
            audio.write(folder / f"set{number}" / "Song" / f"{stem}.wav", arrays[source], RATE)
    (folder / "catalog.yaml").write_text(
        f"noise:\n  layout: stems\n  root: {folder / 'data'}\n  sample_rate: {RATE}\n"
        "  stems: [vocals, drums, bass, other]\n"
    )


def scored(folder: Path, sets: int, kept: int, number: int) -> tuple[float, float, float]:
    """Run the command; return CPU seconds of the floor with what is prepared, of a set, and of all processes."""
    run = folder / f"run-{kept}-{number}"
    words = [
        sys.executable, "-m", "mss_bench", "run", "--dataset", "noise", "--catalog", folder / "catalog.yaml", "-m",
        "bss_eval", "-o", run, "-q", "-j", "1", "--no-doctor", "--reference-memory", kept,
        *(word for i in range(sets) for word in ("-s", f"estimates:dir={folder / f'set{i}'},as=set{i}")),
    ]  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(word) for word in words], check=True, env=os.environ | THREADS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    costs = {}
    for planned in read_plan(run)["cells"]:
        cell = read_cell(run, planned["estimate_key"])
        costs[planned["separator"]] = cell.score_cpu_seconds(cell.scores) if cell else np.nan
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return costs["mixture"], float(np.mean([costs[f"set{i}"] for i in range(1, sets)])), whole


if __name__ == "__main__":
    main()
