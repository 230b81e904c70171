"""What a chooser asks of an entry beside its scores: kind, size, speed, date, licence, training data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from mss_bench.leaderboards.board import Entry
from mss_bench.report.table import Column, Table, TableCell

__all__ = ["facts_table", "filter_facts", "filters"]

_TEXTS = {"kind": "family", "released": "released", "licence": "licence"}
"""Columns that are texts, and the keys of an entry that they show."""


def facts_table(entries: Sequence[Entry], standings: Table) -> Table | None:
    """Return what entries declare beside their scores, in the order of the standings; None where none does.

    Columns of which no entry has anything are left out.
    """
    order = [row[0].text for row in standings.rows]
    named = {entry.method: entry for entry in entries}
    own = [named[name] for name in order] + [e for e in entries if e.method not in order]
    columns: list[tuple[Column | str, Callable[[Entry], TableCell]]] = [
        ("kind", lambda e: TableCell(e.family)),
        (Column("parameters", "right"), lambda e: TableCell(_count(e.parameters), e.parameters)),
        (Column("x real time", "right"), lambda e: _measured(e.speed)),
        (Column("memory", "right", unit="MB"), lambda e: _measured(e.memory)),
        ("released", lambda e: TableCell(e.released)),
        ("licence", lambda e: TableCell(e.licence)),
        ("trained on", lambda e: TableCell(", ".join(e.trained_on))),
    ]
    cells = [[make(entry) for entry in own] for _, make in columns]
    kept = [i for i, column in enumerate(cells) if any(cell.text for cell in column)]
    if not kept:
        return None
    rows = [[TableCell(entry.method), *(cells[i][k] for i in kept)] for k, entry in enumerate(own)]
    machines = sorted({entry.measured_on for entry in own} - {""})
    notes = [f"Speed and memory were measured on: {'; '.join(machines)}."] if machines else []
    return Table("What is known of the entries", ["entry", *(columns[i][0] for i in kept)], [rows], notes)


def _count(n: int | None) -> str:
    """Return a number of parameters as people say it."""
    if n is None:
        return ""
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g} {name}"
    return str(n)


def _measured(value: float | None) -> TableCell:
    if value is None:
        return TableCell("", math.nan)
    return TableCell(f"{value:.0f}" if value >= 10 else f"{value:.2g}", value)


def filter_facts(entry: Entry) -> dict[str, Any]:
    """Return what the page filters entries by; training data are a list, a date is its year."""
    facts: dict[str, Any] = {name: getattr(entry, key) for name, key in _TEXTS.items()}
    facts["released"] = entry.released[:4]
    facts["trained on"] = list(entry.trained_on)
    return {name: value for name, value in facts.items() if value}


def filters(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the filters of a page: those by which its entries differ, with their choices.

    Returns
    -------
    list of dict
        ``name`` and ``choices``; ``since`` where a choice means itself and what is later.
    """
    known = [filter_facts(entry) for entry in entries]
    found = []
    for name in (*_TEXTS, "trained on"):
        texts = [value if isinstance(value, list) else [value] for facts in known if (value := facts.get(name))]
        choices = sorted({text for own in texts for text in own})
        lacking = len(texts) < len(known)
        if len(choices) + lacking > 1:
            found.append({"name": name, "choices": choices} | ({"since": True} if name == "released" else {}))
    return found
