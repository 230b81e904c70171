"""The table at the end of a run, as text for a terminal."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mss_bench.report.arrangement import blocks
from mss_bench.report.failures import Failures, group_failures
from mss_bench.report.layout import Block, Quantities, Row, lower_is_better, number, trained_on, wrap_name
from mss_bench.stats.aggregate import AGGREGATIONS, aggregate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["summary"]

_ASCII = str.maketrans({"–": "-", "∞": "inf", "─": "-", "†": "^", "‡": "+", "×": "x", "…": "...", "§": "$"})
_GAP = "  "
_SHOWN_TRACKS = 3


def summary(
    tracks: pd.DataFrame,
    failures: pd.DataFrame | None = None,
    *,
    width: int = 80,
    aggregation: str = "median_of_medians",
    quantities: Quantities = (),
    separators: Sequence[Mapping[str, Any]] = (),
    encoding: str | None = None,
) -> str:
    """The result of a run in a screen or two of text.

    One block a target group: methods sorted by their mean over the targets in the first metric (SDR where there is
    one), the mean improvement over the floor, each target, then the means of further metrics as far as the width
    allows. Oracles stand below a rule. Failures follow, counted by reason.

    Parameters
    ----------
    tracks : DataFrame
        The track table.
    failures : DataFrame, optional
        The failure table; without it, failures are read off the track table.
    width : int
        Columns of the terminal; at least 40 are used.
    aggregation : {"median_of_medians", "mean_of_medians", "mean_of_means"}
        How tracks are aggregated.
    quantities : sequence of mapping
        Units and directions of metrics.
    separators : sequence of mapping
        Facts of methods, as in ``run.json``: a method trained on what is evaluated is marked.
    encoding : str, optional
        Of the terminal, by default that of ``sys.stdout``. Where it lacks a character, ASCII stands for it.

    Returns
    -------
    str
        Lines without a final newline.
    """
    width = max(width, 40)
    plain = not _encodable(encoding or getattr(sys.stdout, "encoding", None) or "ascii")
    if plain:
        tracks, failures = _ascii(tracks), None if failures is None else _ascii(failures)
    aggregated = aggregate(tracks, aggregation=aggregation, lower_is_better=lower_is_better(quantities))
    lines: list[str] = []
    arranged = blocks(aggregated, quantities, training=trained_on(separators))
    for _, found in groupby(arranged, key=lambda b: (b.dataset, b.subset, b.group)):
        lines += [*_group(list(found), width, plain), ""]
    if aggregated.empty:
        lines += ["No scores: the track table is empty.", ""]
    else:
        lines += [*_fill(f"Values: {AGGREGATIONS[aggregation]}; mean: over the targets.", width)]
        lines += [*_fill("gain: improvement over the floor (the scaled mixture), paired by track.", width), ""]
    lines += _failures(group_failures(tracks, failures), width)
    text = "\n".join(line.rstrip() for line in lines).rstrip()
    return text.translate(_ASCII) if plain else text


@dataclass(frozen=True)
class _Column:
    """One column of numbers: a heading and a text for every method."""

    heading: str
    texts: dict[str, str]

    def plain(self) -> _Column:
        """The column in ASCII, before widths are measured."""
        return _Column(self.heading, {method: text.translate(_ASCII) for method, text in self.texts.items()})

    @property
    def width(self) -> int:
        return max(len(self.heading), *(len(t) for t in self.texts.values()))


def _group(found: list[Block], width: int, plain: bool) -> list[str]:
    """The block of a target group: the first metric in full, the others as means."""
    first = found[0]
    essential = _columns(first)
    further = [_Column(b.label, {r.method: number(r.mean) + r.marks for r in b.rows}) for b in found[1:]]
    if plain:
        essential, further = [c.plain() for c in essential], [c.plain() for c in further]
    name_width = _name_width(first.rows, width, [*essential, *further])
    panels = _panels(essential, width - name_width)
    room = width - name_width - sum(len(_GAP) + c.width for c in panels[-1])
    shown = _panels(further, room)[0] if further and further[0].width + len(_GAP) <= room else []
    panels[-1] += shown
    means = ", ".join(c.heading for c in shown)
    lines = _fill(first.title + (f"; {means}: means" if means and len(first.targets) > 1 else ""), width)
    for panel in panels:
        lines += _panel(first, name_width, panel)
    for note in first.notes:
        lines += _fill(note, width, hanging=2)
    if len(shown) < len(further):
        hidden = ", ".join(c.heading for c in further[len(shown) :])
        lines += _fill(f"Not shown for want of width: {hidden}.", width, hanging=2)
    return lines


def _panels(columns: list[_Column], room: int) -> list[list[_Column]]:
    """The columns in runs that fit beside the names, at least one in each."""
    panels: list[list[_Column]] = [[]]
    for column in columns:
        if panels[-1] and sum(len(_GAP) + c.width for c in [*panels[-1], column]) > room:
            panels.append([])
        panels[-1].append(column)
    return panels


def _panel(block: Block, name_width: int, columns: list[_Column]) -> list[str]:
    """Rules, headings and rows of some columns; oracles below a rule of their own."""
    rule = "─" * (name_width + sum(len(_GAP) + c.width for c in columns))
    lines = [rule, " " * name_width + "".join(_GAP + c.heading.rjust(c.width) for c in columns)]
    for row in block.methods:
        lines += _line(row, name_width, columns)
    if block.oracles:
        lines.append(rule)
        for row in block.oracles:
            lines += _line(row, name_width, columns)
    return [*lines, rule]


def _columns(block: Block) -> list[_Column]:
    """Mean, improvement, every target, and failures where there are any."""
    rows = block.rows
    columns: list[_Column] = []
    if len(block.targets) > 1:
        columns.append(_Column("mean", {r.method: number(r.mean) + r.marks for r in rows}))
    columns.append(_Column("gain", {r.method: number(r.improvement, signed=True) for r in rows}))
    columns += [_Column(t, {r.method: _cell(r, t) for r in rows}) for t in block.targets]
    if any(r.n_failed for r in rows):
        columns.append(_Column("failed", {r.method: str(r.n_failed or "") for r in rows}))
    return columns


def _cell(row: Row, target: str) -> str:
    cell = row.cells.get(target)
    if cell is None:
        return "–"
    return "failed" if math.isnan(cell.value) and cell.n_failed else number(cell.value) + cell.marks


def _name_width(rows: list[Row], width: int, columns: Sequence[_Column]) -> int:
    """Room for names: all of the longest where the numbers leave it, at least a quarter of the width, wrapped."""
    longest = max(len(_name(r)) for r in rows)
    spare = width - sum(len(_GAP) + c.width for c in columns)
    return min(longest, max(spare, width // 4))


def _name(row: Row) -> str:
    return f"{row.name} (floor)" if row.floor else row.name


def _line(row: Row, name_width: int, columns: list[_Column]) -> list[str]:
    name, *more = wrap_name(_name(row), name_width)
    cells = "".join(_GAP + c.texts.get(row.method, "–").rjust(c.width) for c in columns)
    return [name.ljust(name_width) + cells, *("  " + part for part in more)]


def _fill(text: str, width: int, hanging: int = 0) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=" " * hanging, break_long_words=True) or [""]


def _failures(found: Failures, width: int) -> list[str]:
    if not found.groups:
        return [f"Failures: none in {found.n_cells} cells."]
    skipped = f", {found.n_skipped} skipped" if found.n_skipped else ""
    lines = [f"Failures: {found.n_failed} of {found.n_cells} cells{skipped}."]
    for group in found.groups:
        names = ", ".join(group.tracks[:_SHOWN_TRACKS])
        more = len(group.tracks) - _SHOWN_TRACKS
        where = names + (f" and {more} more" if more > 0 else "")
        reason = f": {group.reason}" if group.reason else ""
        lines += _fill(f"  {group.count}× {group.method}, {group.status}{reason} ({where})", width, hanging=6)
    return lines


def _ascii(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every name in ASCII, so that widths are those that are printed."""
    text = table.select_dtypes(include=["string", "object"]).columns
    return table.assign(**{c: table[c].map(_escaped, na_action="ignore") for c in text})


def _escaped(value: object) -> str:
    return str(value).encode("ascii", "backslashreplace").decode("ascii")


def _encodable(encoding: str) -> bool:
    """Whether the terminal has the signs that the tables use."""
    try:
        "".join(map(chr, _ASCII)).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
