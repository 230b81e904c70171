"""What building and verifying a large board costs: 200 entries x 150 songs x 5 targets.

Run: python tests/benchmarks/leaderboard.py [METRICS ...]   (1 and 4 by default)

Entries are made up; one in ten lacks songs, and 5 are oracles. Each command is a process of its own; CPU seconds and
the peak of its memory are the kernel's. Prints a Markdown table; the committed one stands in the README.md beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from mss_bench.leaderboards.board import Entry, read_board, write_entry

TARGETS = ("vocals", "accompaniment", "drums", "bass", "other")
METRICS = ("SDR", "ISR", "SIR", "SAR")
SONGS = [f"Song {i:03}" for i in range(150)]


def make(folder: Path, n_metrics: int, n_entries: int = 200) -> None:
    """Write a board of entries that lie close to each other, as those of a campaign do."""
    metrics = METRICS[:n_metrics]
    folder.mkdir()
    (folder / "board.yaml").write_text(
        f"dataset: made up\npreset: museval\nmetrics: [{', '.join(metrics)}]\ntargets: [{', '.join(TARGETS)}]\n"
        "rank_metric: SDR\nrank_target: vocals\ntracks:\n" + "".join(f"  - {song}\n" for song in SONGS)
    )
    board = read_board(folder)
    rng = np.random.default_rng(0)
    cells = pd.MultiIndex.from_product([SONGS, TARGETS, metrics], names=["track", "target", "metric"])
    hardness = rng.normal(6, 2, len(cells))
    for k in range(n_entries):
        entry = Entry(method=f"method {k:03}", origin="table", oracle=k < 5, family=f"kind {k % 7}", speed=1.0 + k)
        table = cells.to_frame(index=False)
        table["value"] = hardness - 0.02 * k + rng.normal(0, 0.7, len(cells)) + 4 * entry.oracle
        entry.table = table.assign(group="", n_frames=240, n_valid=240, n_inf=0, status="ok")
        if k % 10 == 9:
            entry.table = entry.table[entry.table["track"].isin(SONGS[: 60 + k % 80])]
        write_entry(board, entry)


def measure(action: str, folder: Path) -> tuple[float, float]:
    """Return CPU seconds and peak GB of a command."""
    child = subprocess.Popen([sys.executable, "-m", "mss_bench", "leaderboard", action, str(folder)])
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9


def main() -> None:
    print("| values | command | CPU s | peak GB |\n|--:|:--|--:|--:|")
    with tempfile.TemporaryDirectory() as scratch:
        for n_metrics in [int(n) for n in sys.argv[1:]] or [1, 4]:
            folder = Path(scratch) / str(n_metrics)
            make(folder, n_metrics)
            values = 200 * len(SONGS) * len(TARGETS) * n_metrics
            for action in ("verify", "build"):
                cpu, peak = measure(action, folder)
                print(f"| {values:,} | `leaderboard {action}` | {cpu:.1f} | {peak:.2f} |", flush=True)


if __name__ == "__main__":
    main()
