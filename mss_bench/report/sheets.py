"""Tables as they are printed, before a format turns them into text: which rows, which columns, which numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mss_bench.errors import UnknownNameError
from mss_bench.report.layout import Block, Cell, Row, number
from mss_bench.stats.aggregate import AGGREGATIONS
from mss_bench.stats.significance import POSTHOC
from mss_bench.stats.units import MISSING

__all__ = ["COLUMNS", "Entry", "Line", "Sheet", "Style", "by_target", "explanations", "sheets"]

COLUMNS = ("mean", "gain", "gap", "targets", "tracks", "failed")
"""Columns that a table can have: the mean over the targets, the improvement over the floor and the gap to an oracle
(both means over the targets too), the targets, the tracks that the values are over, and the failed ones."""


@dataclass(frozen=True)
class Style:
    """What of a table is shown, and how."""

    columns: tuple[str, ...] = ("mean", "gain", "targets")
    by: str = "metric"  # a table a metric with targets as columns, or a table a "target" with metrics as columns
    digits: int = 2
    intervals: bool = False

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in COLUMNS:
                raise UnknownNameError("column", name, COLUMNS)
        if self.by not in ("metric", "target"):
            raise UnknownNameError("kind of table", self.by, ("metric", "target"))


@dataclass(frozen=True)
class Entry:
    """A number with what stands beside it."""

    text: str
    marks: str = ""
    bold: bool = False
    interval: tuple[str, str] | None = None


@dataclass(frozen=True)
class Line:
    """A row."""

    row: Row
    entries: list[Entry]


@dataclass(frozen=True)
class Sheet:
    """A table."""

    title: str
    name: str  # to make a label or a file's name of
    headings: list[str]
    methods: list[Line]
    oracles: list[Line]
    notes: list[str]

    @property
    def lines(self) -> list[Line]:
        """Methods, then oracles."""
        return [*self.methods, *self.oracles]


def by_target(blocks: Sequence[Block]) -> list[Block]:
    """Each block taken apart into one a target; for tables of one target."""
    found = []
    for block in blocks:
        for target in block.targets:
            rows = [_only(row, target) for row in block.rows if target in row.cells]
            about = tuple(f"{t}:" for t in block.targets if t != target)
            found.append(
                replace(
                    block,
                    targets=[target],
                    methods=[row for row in rows if not row.oracle],
                    oracles=[row for row in rows if row.oracle],
                    n_tracks={target: block.n_tracks[target]},
                    n_left_out={target: block.n_left_out[target]},
                    over_targets=None,
                    notes=[note for note in block.notes if not note.startswith(about)] if about else block.notes,
                )
            )
    return found


def _only(row: Row, target: str) -> Row:
    cell = row.cells[target]
    return replace(row, cells={target: cell}, mean=cell.value, improvement=cell.improvement, gap=cell.gap, over=None)


def sheets(blocks: Sequence[Block], style: Style) -> list[Sheet]:
    """The tables of a report.

    Parameters
    ----------
    blocks : sequence of Block
        From `mss_bench.report.arrangement.blocks`.
    style : Style

    Returns
    -------
    list of Sheet
        One a block; or, by target, one a data set, subset, group and target, whose rows are those of its first metric.
    """
    if style.by == "metric":
        return [_of_metric(block, style) for block in blocks]
    places = list(dict.fromkeys((b.name, t) for b in blocks for t in b.targets))
    singles = sorted(by_target(blocks), key=lambda b: places.index((b.name, b.targets[0])))
    return [_of_target(list(found), style) for _, found in groupby(singles, key=lambda b: (b.name, b.targets[0]))]


def _of_metric(block: Block, style: Style) -> Sheet:
    several = len(block.targets) > 1
    columns = [c for c in style.columns if several or c != "mean"]
    headings = [h for c in columns for h in (block.targets if c == "targets" else [c])]

    def line(row: Row) -> Line:
        entries = []
        for column in columns:
            if column == "targets":
                entries += [_value(row.cells.get(t), style) for t in block.targets]
            else:
                entries.append(_other(row, column, style))
        return Line(row, entries)

    methods, oracles = ([line(row) for row in rows] for rows in (block.methods, block.oracles))
    return Sheet(block.title, f"{block.name} {block.label}", headings, methods, oracles, block.notes)


def _of_target(blocks: list[Block], style: Style) -> Sheet:
    """Metrics as columns; the improvement is that of the first."""
    first = blocks[0]
    known = {(b.label, row.method): row for b in blocks for row in b.rows}
    every = {row.method: row for b in reversed(blocks) for row in b.rows}
    order = list(dict.fromkeys(row.method for b in blocks for row in b.rows))
    headings: list[str] = []
    for column in style.columns:
        if column == "targets":
            headings += [b.label + (f" ({b.unit})" if b.unit else "") for b in blocks]
        elif column != "mean":
            headings.append(f"{column} ({first.label})" if column in ("gain", "gap") else column)

    def line(method: str) -> Line:
        entries: list[Entry] = []
        for column in style.columns:
            if column == "targets":
                rows = [known.get((b.label, method)) for b in blocks]
                entries += [_value(row.cells.get(first.targets[0]) if row else None, style) for row in rows]
            elif column != "mean":
                entries.append(_other(every[method], column, style))
        return Line(every[method], entries)

    lines = [line(method) for method in order]
    counts = sorted({n for b in blocks for n in b.n_tracks.values()})
    tracks = "-".join(map(str, dict.fromkeys([counts[0], counts[-1]])))
    return Sheet(
        title=f"{first.name}: {first.targets[0]}, {tracks} track{'' if tracks == '1' else 's'}",
        name=f"{first.name} {first.targets[0]}",
        headings=headings,
        methods=[x for x in lines if not x.row.oracle],
        oracles=[x for x in lines if x.row.oracle],
        notes=list(dict.fromkeys(note for b in blocks for note in b.notes)),
    )


def _value(cell: Cell | None, style: Style) -> Entry:
    if cell is None:
        return Entry("–")
    if math.isnan(cell.value):
        return Entry("failed" if cell.n_failed else "undefined")
    ends = (number(cell.low, style.digits), number(cell.high, style.digits))
    shown = style.intervals and not math.isnan(cell.low)
    return Entry(number(cell.value, style.digits), cell.marks, cell.bold, ends if shown else None)


def _other(row: Row, column: str, style: Style) -> Entry:
    if column == "mean":
        return _value(row.over, style) if row.over is not None else Entry(number(row.mean, style.digits), row.marks)
    if column == "tracks":
        counts = sorted({cell.n_tracks for cell in row.cells.values()})
        return Entry("-".join(map(str, dict.fromkeys([counts[0], counts[-1]]))))
    if column == "failed":
        return Entry(str(row.n_failed))
    return Entry(number(row.improvement if column == "gain" else row.gap, style.digits, signed=True))


def explanations(blocks: Sequence[Block], style: Style) -> list[str]:
    """How the values came about and what is bold, in sentences."""
    if not blocks:
        return []
    first = blocks[0]
    shown = [f"Values: {AGGREGATIONS[first.aggregation]}."]
    several = any(len(b.targets) > 1 for b in blocks) and style.by == "metric"
    of = ", mean over the targets" if several else ""
    meanings = {
        "mean": "mean: over the targets." if several else "",
        "gain": f"gain: improvement over the floor (the scaled mixture), paired by track{of}.",
        "gap": f"gap: how much better the oracle is, paired by track{of}.",
        "failed": "failed: tracks with a failed cell.",
    }
    shown += [meanings[c] for c in style.columns if meanings.get(c)]
    shown.append(f"Tracks: {MISSING[first.missing]}.")
    finding = next((f for b in blocks for f in b.findings.values()), None)
    tested = any(f.p is not None for b in blocks for f in b.findings.values())
    out = "oracles, values with stand-ins and methods trained on what is evaluated are left out"
    if finding is None or not tested:
        shown.append(f"Bold: the best of a column; {out}.")
    else:
        test = finding.how
        corrected = "" if test.posthoc in ("nemenyi", "conover_iman") else ", Holm's correction"
        how = f"{POSTHOC[test.posthoc]}{corrected}, p at least {test.alpha:g}"
        shown.append(f"Bold: the best of a column and what does not differ from it ({how}); {out}.")
    if style.intervals and finding is not None:
        test = finding.how
        kind = "percentile" if finding.statistic == "median" else "BCa"
        drawn = f"{test.draws} draws of tracks, seed {test.seed}"
        shown.append(f"In brackets: {test.level:.0%} confidence intervals, {kind} bootstrap ({drawn}).")
    return shown
