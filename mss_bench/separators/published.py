"""What methods reach by default and as published, measured on the built-in songs by ``reports/separators/make.py``."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["PUBLISHED", "PUBLISHED_COLUMNS", "published_lines"]

PUBLISHED = Path(__file__).with_name("published.csv")
PUBLISHED_COLUMNS = ("separator", "params", "target", "value", "spread", "improvement", "n_tracks", "n_replicates")
"""Of `mss_bench.stats.aggregate.aggregate`; the values are uSDR in dB."""


def published_lines(name: str) -> list[tuple[str, str]]:
    """Return what `separators show` says of a method's scores by default and under ``preset=paper``.

    Returns
    -------
    list of tuple of str
        Heading and text of each, one for both where the defaults are the paper's; empty for a method without a paper.
    """
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["separator"] == name]
    lines = []
    alike = not any(row["params"] for row in rows)
    for params, how in (("", "by default, preset=paper" if alike else "by default"), ("preset=paper", "preset=paper")):
        own = [row for row in rows if row["params"] == params]
        if own:
            seeds = f", {own[0]['n_replicates']} seeds" if own[0]["n_replicates"] != "1" else ""
            told = ", ".join(f"{row['target']} {_decibels(row)}" for row in own)
            songs = "the first song" if own[0]["n_tracks"] == "1" else f"{own[0]['n_tracks']} songs"
            lines.append((how, f"uSDR {told} dB ({songs} of demo{seeds})"))
    return lines


def _decibels(row: dict[str, str]) -> str:
    return f"{float(row['value']):.1f}" + (f" ±{float(row['spread']):.1f}" if row["spread"] else "")
