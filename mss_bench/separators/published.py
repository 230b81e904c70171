"""What methods reach by default and as published: on built-in songs (``reports/separators/make.py``) and a record."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["EXCERPT", "PUBLISHED", "PUBLISHED_COLUMNS", "excerpt_line", "published_lines"]

PUBLISHED = Path(__file__).with_name("published.csv")
PUBLISHED_COLUMNS = ("separator", "params", "target", "value", "spread", "improvement", "n_tracks", "n_replicates")
"""Of `mss_bench.stats.aggregate.aggregate`; the values are uSDR in dB."""

EXCERPT = Path(__file__).with_name("published_excerpt.csv")
"""The same of methods that ``preset=paper`` changes, on 6.8 s of a record: "Music Delta - 80s Rock" of MUSDB18."""

_HOWS = {"": "by default", "preset=paper": "preset=paper"}


def published_lines(name: str) -> list[tuple[str, str]]:
    """Return what `separators show` says of a method's scores by default and under ``preset=paper``.

    Returns
    -------
    list of tuple of str
        Heading and text of each, one for both where the defaults are the paper's; empty for a method without a paper.
    """
    rows, excerpt = _rows(PUBLISHED, name), _rows(EXCERPT, name)
    lines = []
    for params, own in rows.items():
        how = _HOWS[params] if len(rows) > 1 else "by default, preset=paper"
        seeds = f", {own[0]['n_replicates']} seeds" if own[0]["n_replicates"] != "1" else ""
        songs = "the first song" if own[0]["n_tracks"] == "1" else f"{own[0]['n_tracks']} songs"
        record = f"; {_told(excerpt[params])} dB on an excerpt of a record" if params in excerpt else ""
        lines.append((how, f"uSDR {_told(own)} dB ({songs} of demo{seeds}){record}"))
    return lines


def excerpt_line(name: str) -> str:
    """Return what a method reaches on the excerpt by default and under ``preset=paper``; empty where both are alike."""
    told = [f"{_HOWS[params]} {_told(own)}" for params, own in _rows(EXCERPT, name).items()]
    return f"{'; '.join(told)} dB" if told else ""


def _rows(path: Path, name: str) -> dict[str, list[dict[str, str]]]:
    """Return a method's rows by its parameters, the defaults first."""
    found: dict[str, list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["separator"] == name:
                found.setdefault(row["params"], []).append(row)
    return found


def _told(rows: list[dict[str, str]]) -> str:
    return ", ".join(f"{row['target']} {_decibels(row)}" for row in rows)


def _decibels(row: dict[str, str]) -> str:
    return f"{round(float(row['value']), 1) + 0.0:.1f}" + (f" ±{float(row['spread']):.1f}" if row["spread"] else "")
