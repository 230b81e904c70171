"""Tables of scores: which rows, columns and numbers of blocks are printed, and what must stand beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from mss_bench.report.blocks import Block, MethodRow, MethodScore, track_count
from mss_bench.report.options import Style
from mss_bench.report.table import Cell, Column, Note, Table, number
from mss_bench.stats.choices import AGGREGATIONS, MISSING, POSTHOC
from mss_bench.stats.matrix import OVER_TARGETS

__all__ = ["default_columns", "explanations", "name_cell", "score_table", "score_tables"]

_SHOWN_FLAGS = {"failed", "imputed", "no_value", "no_floor"}  # flags that the tables show otherwise


def score_tables(blocks: Sequence[Block], style: Style) -> list[Table]:
    """Return the tables of a report.

    Parameters
    ----------
    blocks : sequence of Block
        From `mss_bench.report.blocks.blocks`.
    style : Style

    Returns
    -------
    list of Table
        One a block; or, by target, one a data set, subset, group and target, whose rows are those of its first metric.
    """
    if style.by == "metric":
        return [score_table([block], style) for block in blocks]
    singles = [(b.name, t, b.of_target(t)) for b in blocks for t in b.targets]
    order = list(dict.fromkeys((name, target) for name, target, _ in singles))
    singles.sort(key=lambda single: order.index(single[:2]))
    return [score_table([block for _, _, block in group], style) for _, group in groupby(singles, key=lambda s: s[:2])]


@dataclass(frozen=True)
class _Values:
    """A column of scores: those of a target (or of the mean over targets) in a block."""

    heading: Column
    block: Block
    target: str
    scores: dict[str, MethodScore]  # by method


def score_table(blocks: Sequence[Block], style: Style, further: Sequence[Block] = ()) -> Table:
    """Return one table.

    Parameters
    ----------
    blocks : sequence of Block
        One metric with its targets as columns; or several metrics of one target, as columns. The first decides on the
        rows, their order, and the gain.
    style : Style
    further : sequence of Block
        Metrics of which the mean over targets follows, where there is room for it.
    """
    first = blocks[0]
    by_target = style.by == "target"
    # The rows are those of the first block in its order, then what only others have.
    rows: dict[str, MethodRow] = {}
    for row in (row for block in blocks for row in block.rows):
        rows.setdefault(row.method, row)
    values = [
        _values(block, target, Column(block.label, unit=block.unit) if by_target else Column(target))
        for block in blocks
        for target in block.targets
    ]
    means = [_values(first, OVER_TARGETS, Column("mean"))] if first.has_mean and not by_target else []
    others = [
        _values(block, OVER_TARGETS if block.has_mean else block.targets[0], Column(block.label, optional=True))
        for block in further
    ]
    columns: list[tuple[Column, dict[str, Cell]]] = []
    for name in style.columns or default_columns(first):
        if name in ("mean", "targets"):
            columns += [(v.heading, _score_cells(v, style)) for v in (means if name == "mean" else values)]
        else:
            heading = f"{name} ({first.label})" if by_target and name in ("gain", "gap") else name
            column = Column(heading, "left" if name == "flags" else "right")
            columns.append((column, {m: _other(row, name, style) for m, row in rows.items()}))
    columns += [(v.heading, _score_cells(v, style)) for v in others]
    absent = Cell("–", math.nan, hint="not delivered")
    lines = {m: [name_cell(row), *(cells.get(m, absent) for _, cells in columns)] for m, row in rows.items()}
    place = f"{first.name}: {first.targets[0]}"
    title = f"{place}, {track_count(n for b in blocks for n in b.n_tracks.values())}" if by_target else first.title
    return Table(
        title,
        ["method", *(column for column, _ in columns)],
        [[lines[m] for m, row in rows.items() if row.oracle == oracle] for oracle in (False, True)],
        _notes(list(rows.values()), values, others, blocks),
        name=f"{first.name} {first.targets[0] if by_target else first.label}",
    )


def default_columns(block: Block) -> tuple[str, ...]:
    """Return the columns of a table that names none."""
    has_gap = any(not math.isnan(row.mean.gap) for row in block.rows)
    return ("mean", "gain", "gap", "targets") if has_gap else ("mean", "gain", "targets")


def _values(block: Block, target: str, heading: Column) -> _Values:
    return _Values(heading, block, target, {r.method: s for r in block.rows if (s := r.score(target)) is not None})


def name_cell(row: MethodRow) -> Cell:
    """Return the cell that names a row."""
    return Cell(row.method, tag="" if row.kind == "method" else row.kind)


def _score_cells(values: _Values, style: Style) -> dict[str, Cell]:
    return {method: score_cell(score, style) for method, score in values.scores.items()}


def score_cell(score: MethodScore, style: Style) -> Cell:
    """Return the cell of a score, with what stands behind it as a hint."""
    if math.isnan(score.value):
        return Cell("failed" if score.n_failed else "undefined", math.nan)
    hints = [track_count([score.n_tracks]), f"gain {number(score.improvement, style.digits, signed=True)}"]
    hints += [f"the floor stands in on {score.n_imputed}"] if score.n_imputed else []
    hints += [f"infinite on {score.n_inf}"] if score.n_inf else []
    interval = None
    if not math.isnan(score.low):
        interval = number(score.low, style.digits), number(score.high, style.digits)
        hints.append(f"interval {interval[0]} to {interval[1]}")
    text = number(score.value, style.digits)
    shown = interval if style.intervals else None
    return Cell(text, score.value, score.marks, score.bold, shown, hint=", ".join(hints))


def _other(row: MethodRow, column: str, style: Style) -> Cell:
    if column == "tracks":
        counts = [score.n_tracks for score in row.scores.values()]
        return Cell(track_count(counts).partition(" ")[0], max(counts))
    if column == "failed":
        return Cell(str(row.mean.n_failed), row.mean.n_failed)
    if column == "flags":
        return Cell(", ".join(flag for flag in row.flags if flag not in _SHOWN_FLAGS))
    value = row.mean.improvement if column == "gain" else row.mean.gap
    return Cell.number(value, style.digits, signed=True)


def _notes(
    rows: Sequence[MethodRow], values: Sequence[_Values], others: Sequence[_Values], blocks: Sequence[Block]
) -> list[Note]:
    """Return the footnotes of a table: leakage, stand-ins, infinite values, flags, tracks left out."""
    stood_in: dict[str, str] = {}
    infinite: dict[str, str] = {}
    for row in rows:
        own = {v.heading.heading: v.scores[row.method] for v in (*values, *others) if row.method in v.scores}
        imputed = {heading: score for heading, score in own.items() if score.n_imputed}
        if imputed:
            worst = max(imputed.values(), key=lambda score: score.n_imputed)
            where = "" if len(imputed) == len(own) else f": {', '.join(imputed)}"
            stood_in[row.method] = f"{worst.n_imputed} of {track_count([worst.n_tracks])}{where}"
        if any(score.n_inf for score in own.values()):
            infinite[row.method] = ", ".join(f"{heading} {s.n_inf}" for heading, s in own.items() if s.n_inf)
    flagged: dict[str, list[str]] = {}
    for row in rows:
        for kind in sorted({flag.strip().partition(":")[0] for flag in row.flags} - _SHOWN_FLAGS):
            flagged.setdefault(kind, []).append(row.method)
    left_out = {
        v.heading.heading: f"{n} of {track_count([n + v.block.n_tracks[v.target]])}"
        for v in values
        if (n := v.block.n_left_out[v.target])
    }
    notes = [
        Note(
            "trained on what is evaluated here: the numbers compare with no other's and take no first place", "§",
            {row.method: ", ".join(row.leaks) for row in rows if row.leaks},
        ),
        Note("the floor, or the method's own worst where that is worse, stands in", "*", stood_in),
        Note("infinite on single tracks", "†", infinite),
        *(Note(f"{kind} on some tracks (see flags in the track table)", "‡", of) for kind, of in flagged.items()),
        Note("No value on any track", of=[r.method for r in rows if _is_empty(r)]),
        Note("Left out for all methods, undefined (a silent reference) or without a floor", of=left_out),
    ]  # fmt: skip
    notes = [note for note in notes if note.of]
    if not any(block.has_floor for block in blocks):
        no_floor = "No floor (mixture) in this table: no improvements, and only tracks that every method has count."
        notes.append(Note(no_floor))
    return notes


def _is_empty(row: MethodRow) -> bool:
    return all(math.isnan(score.value) for score in row.scores.values())


def explanations(blocks: Sequence[Block], style: Style) -> str:
    """Return how the values came about and what is bold, in sentences."""
    if not blocks:
        return ""
    first = blocks[0]
    several = any(len(b.targets) > 1 for b in blocks) and style.by == "metric"
    of = ", mean over the targets" if several else ""
    meanings = {
        "mean": "mean: over the targets." if several else "",
        "gain": f"gain: improvement over the floor (the scaled mixture), paired by track{of}.",
        "gap": f"gap: how much better the oracle is, paired by track{of}.",
        "failed": "failed: tracks with a failed cell.",
    }
    shown = [f"Values: {AGGREGATIONS[first.aggregation]}."]
    shown += [meanings[c] for c in style.columns or default_columns(first) if meanings.get(c)]
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
    return " ".join(shown)
