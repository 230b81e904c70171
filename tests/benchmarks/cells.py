"""20,000 cells: what planning, tables, resuming and reading them costs, this version of the code and another in turns.

    python tests/benchmarks/cells.py
    python tests/benchmarks/cells.py --against COMMIT

5,000 songs of a tenth of a second and 4 methods of this package, whose cells are filled with random scores of BSS Eval
(4 targets, 4 quantities, 240 frames), as another machine would have left them. Each step runs in a process of its own
and counts its CPU time with that of all it starts: that of one core, whatever else the machine does. Read the ratios.
Prints a Markdown table; the committed one stands in tests/benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bss_eval import THREADS

from mss_bench.api import load
from mss_bench.core import audio
from mss_bench.metrics import Score, metrics
from mss_bench.report.table import Table
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare, start
from mss_bench.running.status import run_status
from mss_bench.running.store import Cell, ScoreSet, write_cell
from mss_bench.running.tables import build_tables

ROOT = Path(__file__).parents[2]
METHODS = ("centre", "karaoke", "bandsplit")  # beside the floor
FRAMES = 240
STEMS = ("vocals", "drums", "bass", "other")


def data_set(folder: Path, tracks: int) -> None:
    """Write a catalog with the data set ``synthetic``: so many short songs."""
    rng = np.random.default_rng(0)
    for i in range(tracks):
        song = folder / "data" / f"Song {i:04}"
        stems = {s: 0.1 * rng.standard_normal((2, 800)) for s in STEMS}
        for name, array in ({"mixture": sum(stems.values())} | stems).items():
            audio.write(song / f"{name}.wav", array, 8000)
    (folder / "catalog.yaml").write_text(
        f"synthetic:\n  layout: stems\n  root: {folder / 'data'}\n  sample_rate: 8000\n  stems: [{', '.join(STEMS)}]\n"
    )


def options(folder: Path, run: Path) -> RunOptions:
    """Return the options of the run."""
    return RunOptions(
        dataset="synthetic", separators=METHODS, metrics=("bss_eval",), catalogs=(folder / "catalog.yaml",), out=run
    )


def fill(folder: Path, run: Path) -> None:
    """Write finished cells with random scores, without a disk flush each."""
    rng = np.random.default_rng(0)
    quantities = [q.name for q in metrics.load("bss_eval").quantities]
    flush, os.fsync = os.fsync, lambda descriptor: None
    for planned in prepare(options(folder, run)).plan.cells:
        sets = {}
        for score in planned.scores:
            values = iter(rng.normal(5, 3, (len(score.expected) * len(quantities), FRAMES)))
            rows = [
                Score(target, name, next(values), "frame", 1.0, 1.0) for target in score.expected for name in quantities
            ]
            sets[score.key] = ScoreSet(score.group.name, "bss_eval", score.preset, "ok", "", rows, score.preimage)
        cell = Cell(
            planned.estimate_key, vars(planned.track.id), planned.separator, planned.params, "ok",
            preimage=planned.preimage, scores=sets,
            costs={"audio_seconds": 240.0, "separate_seconds": 10.0, "separate_cpu_seconds": 10.0},
        )  # fmt: skip
        write_cell(run, cell)
    os.fsync = flush


STEPS: dict[str, Callable[[Path, Path], object]] = {
    "fill": fill,
    "first": lambda folder, run: start(prepare(options(folder, run)), quiet=True),
    "plan": lambda folder, run: prepare(options(folder, run)),
    "tables": lambda folder, run: build_tables(run),
    "resume": lambda folder, run: start(prepare(options(folder, run)), quiet=True),
    "status": lambda folder, run: run_status(run),
    "report": lambda folder, run: load(run).report(),
}
TOLD = {
    "plan": "plan (`run --dry-run`)",
    "tables": "tables from cells (`results rebuild`)",
    "resume": "`run` with nothing left to do, its plan included",
    "status": "`status`",
    "report": "`report`, every format",
}
"""What is measured, in the words of the table."""


def measured(step: str, folder: Path, run: Path) -> dict[str, float]:
    """Do a step in this process; return CPU seconds with those of its children, and the peak memory in GB."""
    before, began = _cpu(), time.perf_counter()
    STEPS[step](folder, run)
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"cpu": _cpu() - before, "wall": time.perf_counter() - began, "memory": memory / 2**20}


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def in_child(step: str, tree: Path, folder: Path, run: Path) -> dict[str, float]:
    """Do a step in a process of its own, with the code of a tree."""
    environment = os.environ | THREADS | {"PYTHONPATH": str(tree), "MSS_BENCH_CACHE": str(folder / "cache")}
    words = [sys.executable, __file__, "--step", step, str(folder), str(run)]
    result: dict[str, float] = json.loads(
        subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True).stdout
    )
    print(f"{step} {tree.name}: {result}", file=sys.stderr, flush=True)
    return result


def compare(trees: dict[str, Path], folder: Path, tracks: int, steps: list[str], repeats: int) -> None:
    """Measure every step with every tree, in turns, and print the table."""
    data_set(folder, tracks)
    best: dict[tuple[str, str], dict[str, float]] = {}
    for step in ["fill", "first", *(steps * repeats)]:
        for name, tree in trees.items():
            result = in_child(step, tree, folder, folder / f"run-{name}")
            best[step, name] = min(result, best.get((step, name), result), key=lambda one: one["cpu"])
    rows = []
    for step in steps:
        ours = best[step, "this"]
        row = [TOLD[step], f"{ours['cpu']:.1f}", f"{ours['memory']:.2f}"]
        if before := best.get((step, "other")):
            row += [f"{before['cpu']:.1f}", f"{before['cpu'] / ours['cpu']:.1f}"]
        rows.append(row)
    head = ("step", "CPU s", "peak GB", "before, CPU s", "ratio")[: len(rows[0])]
    print(Table(f"{4 * tracks:,} cells", head, [rows]).markdown())


def main() -> None:
    """Measure, or do one step in a child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=5000)
    parser.add_argument("--against", metavar="COMMIT", help="another version of the code")
    parser.add_argument("--steps", nargs="+", choices=tuple(TOLD), default=list(TOLD))
    parser.add_argument("--repeats", type=int, default=2, help="measurements of each; the fastest counts")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        step, folder, run = arguments.step
        json.dump(measured(step, Path(folder), Path(run)), sys.stdout)
        return
    with tempfile.TemporaryDirectory() as name:
        trees = {"this": ROOT}
        if arguments.against:
            trees["other"] = Path(name) / "other"
            subprocess.run(
                ["git", "-C", ROOT, "worktree", "add", "--detach", trees["other"], arguments.against], check=True
            )
        try:
            compare(trees, Path(name), arguments.tracks, arguments.steps, arguments.repeats)
        finally:
            if arguments.against:
                subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", trees["other"]], check=True)


if __name__ == "__main__":
    main()
