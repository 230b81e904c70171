"""Blocks of scores as tables: which columns, decimals, marks and notes.

First places
    One value of a column is bold, the best; more only where they are exactly the same. ``≈`` stands at what is not told
    apart from it, ``°`` at what may be the best, each where the tracks suffice for such a verdict. They go to ranked
    separators alone: not to oracles, the floor and others that do nothing, nor to what was trained on what is evaluated
    or lacks tracks; and values with stand-ins or infinite ones are not named the best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from mss_bench.report.blocks import Block, ScoreRow, SeparatorRow, song_count
from mss_bench.report.idle import MEANINGLESS, NO_ARTEFACTS
from mss_bench.report.options import Style
from mss_bench.report.table import Column, Note, Table, TableCell, number
from mss_bench.stats.matrix import OVER_TARGETS

__all__ = ["by_table", "default_columns", "name_cell", "score_table", "score_tables"]

_SHOWN_FLAGS = {"failed", "imputed", "incomplete", MEANINGLESS, "no_value", "no_floor"}  # shown otherwise


def score_tables(blocks: Sequence[Block], style: Style) -> list[Table]:
    """Return the tables of a report: one a block; or, by target, one a data set, subset, group and target."""
    return [score_table(of_table, style) for of_table in by_table(blocks, style)]


def by_table(blocks: Sequence[Block], style: Style) -> list[list[Block]]:
    """Return the blocks of each table of a report."""
    if style.by == "metric":
        return [[block] for block in blocks]
    singles = [(b.name, t, b.of_target(t)) for b in blocks for t in b.targets]
    order = list(dict.fromkeys((name, target) for name, target, _ in singles))
    singles.sort(key=lambda single: order.index(single[:2]))
    return [[block for _, _, block in group] for _, group in groupby(singles, key=lambda s: s[:2])]


class _Values(NamedTuple):
    """A column of scores: those of a target (or of the mean over targets) in a block."""

    heading: Column
    block: Block
    target: str

    @property
    def scores(self) -> dict[str, ScoreRow]:
        """Return the scores by separator."""
        return {r.separator: s for r in self.block.rows if (s := r.score(self.target)) is not None}

    def cells(self, style: Style) -> dict[str, TableCell]:
        """Return the cells by separator."""
        return {separator: _score_cell(score, style) for separator, score in self.scores.items()}


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
    rows: dict[str, SeparatorRow] = {}
    for row in (row for block in blocks for row in block.rows):
        rows.setdefault(row.separator, row)
    values = [
        _Values(Column(block.label, unit=block.unit) if by_target else Column(target), block, target)
        for block in blocks
        for target in block.targets
    ]
    means = [_Values(Column("mean"), first, OVER_TARGETS)] if first.has_mean and not by_target else []
    others = [_Values(Column(b.label, optional=True), b, OVER_TARGETS if b.has_mean else b.targets[0]) for b in further]
    columns: list[tuple[Column, dict[str, TableCell]]] = []
    for name in style.columns or default_columns(first):
        if name in ("mean", "targets"):
            columns += [(v.heading, v.cells(style)) for v in (means if name == "mean" else values)]
        else:
            heading = f"{name} ({first.label})" if by_target and name in ("gain", "gap") else name
            column = Column(heading, "left" if name == "flags" else "right")
            columns.append((column, {separator: _other(row, name, style) for separator, row in rows.items()}))
    columns += [(v.heading, v.cells(style)) for v in others]
    absent = TableCell("–", math.nan, hint="not delivered")
    lines = {
        separator: [name_cell(row), *(cells.get(separator, absent) for _, cells in columns)]
        for separator, row in rows.items()
    }
    title = f"{first.name}: {first.caption}"
    if by_target:
        songs = song_count(b.n_tracks[b.targets[0]] for b in blocks)
        title = f"{first.name}: {first.targets[0]}, {songs}{first.averaged}"
    return Table(
        title,
        ["separator", *(column for column, _ in columns)],
        [[lines[name] for name, row in rows.items() if row.oracle == oracle] for oracle in (False, True)],
        _notes(list(rows.values()), values, others, blocks),
        name=f"{first.name} {first.targets[0] if by_target else first.label}",
        labels=style.labels.by_name,
    )


def default_columns(block: Block) -> tuple[str, ...]:
    """Return the columns of a table that names none."""
    has_gap = any(not math.isnan(row.mean["gap"]) for row in block.rows)
    return ("mean", *(["gain"] if block.has_floor else []), *(["gap"] if has_gap else []), "targets")


def name_cell(row: SeparatorRow) -> TableCell:
    """Return the cell that names a row."""
    return TableCell(row.separator, tag="" if row.kind == "method" else row.kind)


def _score_cell(score: ScoreRow, style: Style) -> TableCell:
    """Return the cell of a score, with what stands behind it as a hint."""
    if MEANINGLESS in score.get("flags", "").split(","):
        return TableCell("–", math.nan, hint=NO_ARTEFACTS)
    if math.isnan(score["value"]):
        return TableCell("failed" if score["n_failed"] else "undefined", math.nan)
    n_imputed, n_inf = score["n_imputed"], score["n_inf"]
    hints = [song_count([score["n_tracks"]]), f"gain {number(score['improvement'], style.digits, signed=True)}"]
    hints += [f"the floor stands in on {n_imputed}"] if n_imputed else []
    hints += [f"infinite on {n_inf}"] if n_inf else []
    hints += [f"never computed on {score['n_lacking']} further"] if score["n_lacking"] else []
    interval = None
    if not math.isnan(score["low"]):
        interval = number(score["low"], style.digits), number(score["high"], style.digits)
        hints.append(f"interval {interval[0]} to {interval[1]}")
    text = number(score["value"], style.digits)
    if not math.isnan(score.get("spread", math.nan)):
        text += f" ±{number(score['spread'], style.digits)}"
        hints.append(f"mean and standard deviation over {score['n_replicates']} seeds")
    marks = "≈" * score["tied"] + "°" * (score["may_be_best"] and not score["best"])
    marks += "*" * bool(n_imputed) + "†" * bool(n_inf) + "¶" * bool(score["n_lacking"])
    shown = interval if style.intervals else None
    bold = score["best"] or (style.bold == "tied" and score["tied"])
    return TableCell(text, score["value"], marks, bold, shown, hint=", ".join(hints))


def _other(row: SeparatorRow, column: str, style: Style) -> TableCell:
    """Return the cell of a column that is not a target or their mean."""
    if column == "tracks":
        counts = [score["n_tracks"] for score in row.scores.values()]
        return TableCell(song_count(counts).partition(" ")[0], max(counts))
    if column == "failed":
        return TableCell(str(row.mean["n_failed"]), row.mean["n_failed"])
    if column == "flags":
        return TableCell(", ".join(flag for flag in row.flags if flag not in _SHOWN_FLAGS))
    return TableCell.number(row.mean["improvement" if column == "gain" else "gap"], style.digits, signed=True)


def _notes(
    rows: Sequence[SeparatorRow], values: Sequence[_Values], others: Sequence[_Values], blocks: Sequence[Block]
) -> list[Note]:
    """Return the footnotes of a table: leakage, stand-ins, infinite values, flags, tracks left out."""
    stood_in: dict[str, str] = {}
    infinite: dict[str, str] = {}
    lacking: dict[str, str] = {}
    flagged: dict[str, list[str]] = {}
    scores = {v.heading.heading: v.scores for v in (*values, *others)}
    flags: dict[str, set[str]] = {}  # of every metric in the table
    for any_row in (any_row for v in (*values, *others) for any_row in v.block.rows):
        flags.setdefault(any_row.separator, set()).update(flag.strip().partition(":")[0] for flag in any_row.flags)
    for row in rows:
        own = {heading: of[row.separator] for heading, of in scores.items() if row.separator in of}
        imputed = {heading: score for heading, score in own.items() if score["n_imputed"]}
        if imputed:
            worst = max(imputed.values(), key=lambda score: int(score["n_imputed"]))
            where = "" if len(imputed) == len(own) else f": {', '.join(imputed)}"
            stood_in[row.separator] = f"{worst['n_imputed']} of {song_count([worst['n_tracks']])}{where}"
        if any(score["n_inf"] for score in own.values()):
            infinite[row.separator] = ", ".join(f"{heading} {s['n_inf']}" for heading, s in own.items() if s["n_inf"])
        if any(score["n_lacking"] for score in own.values()):
            least = max(own.values(), key=lambda score: int(score["n_lacking"]))
            lacking[row.separator] = f"{least['n_tracks']} of {song_count([least['n_tracks'] + least['n_lacking']])}"
        for kind in sorted(flags[row.separator] - _SHOWN_FLAGS):
            flagged.setdefault(kind, []).append(row.separator)
    counted = {
        v.heading.heading: f"{v.block.n_tracks[v.target]} of {song_count([n + v.block.n_tracks[v.target]])}"
        for v in values
        if (n := v.block.n_left_out[v.target])
    }
    by_all = blocks[0].missing == "complete" or not blocks[0].has_floor
    times = {row.separator: [int(s.get("n_replicates", 1)) for s in row.scores.values()] for row in rows}
    empty = [row.separator for row in rows if all(math.isnan(score["value"]) for score in row.scores.values())]
    imitating = [row.separator for row in rows if row.imitates]
    blank = [row.separator for row in rows if row.kind == "method" and MEANINGLESS in flags[row.separator]]
    notes = [
        Note("Does nothing: has the scores of the floor on every song, at its level or another", of=imitating),
        Note(
            "trained on what is evaluated here: the numbers compare with no other's and take no first place", "§",
            {row.separator: ", ".join(row.leaks) for row in rows if row.leaks},
        ),
        Note("the floor, or the method's own worst where that is worse, stands in", "*", stood_in),
        Note("infinite on single songs", "†", infinite),
        Note("incomplete: never computed on the other songs; the numbers compare with no other's", "¶", lacking),
        *(Note(f"{kind} on some songs (see flags in the track table)", "‡", of) for kind, of in flagged.items()),
        Note(
            "± is the standard deviation over the seeds (or checkpoints) whose mean the number is",
            of={name: str(max(counts)) for name, counts in times.items() if max(counts, default=1) > 1},
        ),
        Note("No value on any song", of=[name for name in empty if MEANINGLESS not in flags[name]]),
        Note(NO_ARTEFACTS, of=blank),
        Note(
            "Songs that count (those on which every method has a score)" if by_all else
            "Songs that count (the others lack the stem, have it silent, or have no floor, e.g. for a refused file)",
            of=counted,
        ),
    ]  # fmt: skip
    notes = [note for note in notes if note.of]
    if not any(block.has_floor for block in blocks):
        no_floor = "No floor (mixture) in this table: no improvements, and only songs that every method has count."
        notes.append(Note(no_floor))
    return notes
