"""What a report costs: of SiSEC 2018 (31 methods, 5 targets, 4 metrics) and of a run of 20,000 cells.

Run: python tests/benchmarks/report.py [sisec] [cells]   (both by default)

Each is made in a process of its own, so that its peak memory is that of the report; 10,000 bootstrap draws, every
format. Prints a Markdown table; the committed one stands in tests/benchmarks/README.md.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from mss_bench.core.schema import TRACK_COLUMNS
from mss_bench.report.report import write_report

BOARD = Path(__file__).parents[2] / "leaderboards" / "sisec18"


def sisec() -> pd.DataFrame:
    """Return the track table of the board's entries."""
    from mss_bench.leaderboards.board import entry_names, read_board, read_entry, track_table

    board = read_board(BOARD)
    entries = [read_entry(board, name) for name in entry_names(board)]
    next(entry for entry in entries if entry.method == "MIX").method = "mixture"
    return whole(track_table(board, entries))


def whole(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with every column of a track table."""
    plain = {
        name: {"string": "", "int64": 240, "bool": False}.get(kind, math.nan) for name, kind in TRACK_COLUMNS.items()
    }
    filled = table.assign(**{name: value for name, value in plain.items() if name not in table})
    return filled[list(TRACK_COLUMNS)].astype(TRACK_COLUMNS)


def cells() -> pd.DataFrame:
    """500 tracks x 40 methods, 4 targets, 4 metrics: 320,000 values."""
    rng = np.random.default_rng(0)
    methods = ["mixture", *(f"method {i:02}" for i in range(39))]
    targets, metrics = ("vocals", "drums", "bass", "other"), ("SDR", "SIR", "ISR", "SAR")
    index = pd.MultiIndex.from_product(
        [methods, [f"Song {i:03}" for i in range(500)], targets, metrics],
        names=["separator", "track", "target", "metric"],
    )
    table = index.to_frame(index=False)
    quality = {name: 0.2 * i for i, name in enumerate(methods)}
    table["value"] = table["separator"].map(quality) + rng.normal(0, 3, len(table))
    facts = {"dataset": "synthetic", "subset": "test", "group": "4stem", "preset": "v4", "status": "ok", "n_inf": 0}
    return whole(table.assign(**facts))


PARTS = {"sisec": sisec, "cells": cells}


def measure(name: str) -> tuple[float, float, float, int]:
    """CPU and wall seconds, peak GB and files of one report."""
    tracks = PARTS[name]()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        began, wall = time.process_time(), time.perf_counter()
        files = write_report(Path(folder), tracks)
        seconds = time.process_time() - began, time.perf_counter() - wall
    return *seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, len(files)


def main() -> None:
    """Measure the chosen parts."""
    chosen = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        raise SystemExit(f"part is {unknown[0]!r}, expected some of {', '.join(PARTS)}")
    print("| report of | CPU s | s | peak GB | files |\n|---|--:|--:|--:|--:|")
    for name in chosen:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            cpu, wall, memory, files = pool.apply(measure, (name,))
        print(f"| {name} | {cpu:.1f} | {wall:.1f} | {memory:.2f} | {files} |", flush=True)


if __name__ == "__main__":
    main()
