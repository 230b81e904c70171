"""How good the ranked entries of a board are, and how sure that is: ratings and the ranks that each may have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mss_bench.core.schema import is_floor
from mss_bench.errors import UnknownNameError
from mss_bench.leaderboards.board import Board, Entry
from mss_bench.leaderboards.completeness import Completeness, ranking_scores
from mss_bench.report.table import Column, Table, TableCell
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.rating import RATING_COLUMNS, Ratings, rate
from mss_bench.stats.verdicts import Family, family

__all__ = ["RATINGS", "rating_picture", "rating_table"]

RATINGS = "How good, how sure"
"""Title of the table of ratings."""


def rating_table(
    board: Board, entries: Sequence[Entry], state: Completeness, places: Mapping[str, int], verdicts: Family | None
) -> Table | None:
    """Return the ratings of the ranked entries, with oracles and the floor placed among them.

    Parameters
    ----------
    board : Board
    entries : sequence of Entry
    state : Completeness
    places : mapping of str to int
        Rank of each ranked entry, the best first.
    verdicts : Family or None
        Of the target that the board is ranked by; None where that is the mean over targets.

    Returns
    -------
    Table or None
        None where fewer than two entries are ranked.

    Raises
    ------
    UnknownNameError
        The board's ratings are calibrated to an entry that is not there, or lacks songs.
    """
    if len(places) < 2:
        return None
    scores = ranking_scores(board, state.ranked(board)).dropna(axis="columns")
    if board.rank_metric in board.lower_is_better:
        scores = -scores
    if board.anchor and board.anchor not in scores:
        raise UnknownNameError(
            "entry with every song for ratings to be calibrated to", board.anchor, [*map(str, scores)]
        )
    ranked = [name for name in places if name in scores]
    ratings = rate(scores, ranked, anchor=board.anchor, at=board.anchored_at)
    if verdicts is None:
        verdicts = family(ScoreMatrix.of(scores), "mean", unranked={*scores} - {*ranked})
    within = verdicts.rank_intervals
    rows = [_row(name, places[name], within.get(name), ratings) for name in ranked]
    oracles = {entry.method for entry in entries if entry.oracle}
    down = sorted(ratings.beside, key=lambda name: -ratings.beside[name])
    beside = [_beside(name, ratings.beside[name], name in oracles, board.floor) for name in down]
    columns: list[Column | str] = ["entry", *(Column(c, "right") for c in ("rank", "95 % of ranks", "rating", "won"))]
    return Table(RATINGS, columns, [rows, *([beside] if beside else [])], _notes(board, ratings, verdicts))


def _row(name: str, rank: int, within: tuple[int, int] | None, ratings: Ratings) -> list[TableCell | str | int]:
    rating, low, high, won = (float(ratings.table[column][name]) for column in RATING_COLUMNS)
    first, last = within or (rank, rank)
    interval = None if math.isnan(low) else (f"{low:.0f}", f"{high:.0f}")
    ranks = TableCell(f"{first} to {last}" if first < last else str(first), first)
    return [
        TableCell(name), rank, ranks, _rated(rating, interval), TableCell(f"{100 * won:.0f} %", won),
    ]  # fmt: skip


def _rated(rating: float, interval: tuple[str, str] | None = None) -> TableCell:
    # The last digits are the linear algebra's, and not the same on every machine.
    return TableCell(f"{rating:.0f}", round(rating, 2), interval=interval)


def _beside(name: str, rating: float, oracle: bool, floor: str) -> list[TableCell | str | int]:
    tag = "oracle" if oracle else "floor" if name == floor or is_floor(name) else "not ranked"
    return [TableCell(name, tag=tag), "", "", _rated(rating), ""]


def _notes(board: Board, ratings: Ratings, verdicts: Family) -> list[str]:
    target = "the mean over targets" if board.rank_target == "mean" else board.rank_target
    pairs = len(verdicts.ranked) * (len(verdicts.ranked) - 1) // 2
    songs = f"{ratings.n_tracks} song{'s'[: ratings.n_tracks != 1]}"
    calibrated = f"{ratings.anchor} is" if ratings.anchor else "The mean of the ranked entries is"
    notes = [
        f"The family: all {pairs} pairs of the {len(verdicts.ranked)} ranked entries in {board.rank_metric} of "
        f"{target}, {verdicts.how}. By these tests a rank lies behind the entries that are surely ahead and before "
        "those that are surely behind: the 95 % hold for all entries at once.",
        f"Rating: Bradley and Terry's, on Elo's scale. Each of {songs} is a comparison of every two ranked entries, "
        f"ties half. {calibrated} at {board.anchored_at:g}; 400 more are odds of ten to one to be better on a song, "
        "however small the difference. It depends on who is ranked, and decides no rank. The interval, of the "
        f"distance to that, is from {ratings.draws} resamples of songs (Student's t at 95 %; in "
        "simulations with SiSEC's songs it held in 92 to 96 %).",
        "Won: of all comparisons with ranked entries. What else is on the scale was placed there and changes nothing.",
    ]
    if not ratings.finite:
        notes.append(
            "Some entries win, or lose, every song against all others: their distance would be infinite. Each entry is "
            "given a tenth of a win and of a loss, so that it is large."
        )
    if not verdicts.enough:
        notes.insert(
            1, f"{songs} are too few to tell any pair apart (it takes {verdicts.n_min}): every rank is possible."
        )
    return notes


def rating_picture(table: Table) -> dict[str, Any]:
    """Return the table of ratings with its places on one scale, in percent, for the page."""
    ranked, *others = table.groups
    beside = others[0] if others else []
    ends = [_ends(row) for row in ranked]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    lines = [row for row in beside if row[0].tag == "floor"][:1] + [row for row in beside if row[0].tag == "oracle"][:1]
    values = [low, high, *(_rating(row) for row in lines)]
    low, high = min(values), max(values)
    pad = 0.03 * ((high - low) or 1)

    def at(value: float) -> str:
        return f"{100 * (value - low + pad) / (high - low + 2 * pad):.2f}%"

    return {
        "table": table,
        "rows": [(row, at(_rating(row)), *(map(at, _ends(row)))) for row in ranked],
        "beside": [(row, at(min(max(_rating(row), low), high))) for row in beside],
        "lines": [(row[0].tag, row[0].text, at(_rating(row))) for row in lines],
    }


def _rating(row: Sequence[TableCell]) -> float:
    return float(row[3].value or 0.0)


def _ends(row: Sequence[TableCell]) -> tuple[float, float]:
    low, high = (float(end.replace("−", "-")) for end in row[3].interval or (row[3].text, row[3].text))
    return low, high
