"""The entries that stand apart: what each lacks, and how it compares with others on the songs that both have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mss_bench.core.text import counted, percent
from mss_bench.leaderboards.board import Board, Entry
from mss_bench.leaderboards.completeness import Completeness, lacks, ranking_scores
from mss_bench.report.table import Column, Table, TableCell, TableRow, number
from mss_bench.stats.common_tracks import compare_on_common_tracks
from mss_bench.stats.verdicts import Verdict, signed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PAIRWISE", "incomplete_tables"]

PAIRWISE = "Incomplete entries, pair by pair"
"""Title of the matrix of comparisons."""

_ALPHA = 0.05
_MARKS = {1: "▲", -1: "▼", 0: "≈"}


def incomplete_tables(
    board: Board, entries: Sequence[Entry], state: Completeness, ranked: Sequence[str]
) -> list[Table]:
    """Return the table of the entries that lack something, and the matrix of their comparisons with others.

    Parameters
    ----------
    board : Board
    entries : sequence of Entry
    state : Completeness
    ranked : sequence of str
        Methods that have a rank, the best first.

    Returns
    -------
    list of Table
        Empty where all entries are complete; the matrix is left out where there is nothing to compare.
    """
    lacking = [e for e in entries if any((e.method, target) in state.missing for target in board.targets)]
    if not lacking:
        return []
    lacking.sort(key=lambda e: e.method.lower())
    scores = ranking_scores(board, state.own)
    rivals = [name for name in ranked if name in scores]
    better = board.rank_metric not in board.lower_is_better
    against = {
        e.method: compare_on_common_tracks(
            scores, [(e.method, name) for name in rivals if name != e.method], higher_is_better=better, alpha=_ALPHA
        )
        for e in lacking
        if e.method in scores
    }
    unranked = [e.method for e in lacking if e.method in against and e.method not in rivals]
    pairs = [(a, b) for i, a in enumerate(unranked) for b in unranked[i + 1 :]]
    among = compare_on_common_tracks(scores, pairs, higher_is_better=better, alpha=_ALPHA)
    tables = [_apart(board, lacking, state, ranked, against)]
    if unranked and (rivals or pairs):
        tables.append(_matrix(board, unranked, rivals, against, among))
    return tables


def _apart(
    board: Board, lacking: Sequence[Entry], state: Completeness, ranked: Sequence[str],
    against: dict[str, pd.DataFrame],
) -> Table:  # fmt: skip
    rows: list[TableRow] = []
    for entry in lacking:
        cells = [_own_number(entry, target, board.rank_metric) for target in board.targets]
        rows.append([entry.method, *cells, lacks(board, entry, state), *_stands(against.get(entry.method), ranked)])
    best = f"against {ranked[0]}" if ranked else "against the best"
    columns: list[Column | str] = [
        "entry", *(Column(target, "right") for target in board.targets), "lacks", best, "behind", "ahead of",
    ]  # fmt: skip
    notes = [
        f"Numbers are {board.rank_metric} over the songs that each entry has, and compare with no other number of the "
        "board; no entry here changes one above.",
        "Comparisons are paired, on the songs that both have; behind and ahead of: ranked entries that are told apart "
        f"(Wilcoxon, Holm over the ranked entries, {percent(_ALPHA)}).",
    ]
    return Table("Incomplete entries", columns, [rows], notes)


def _own_number(entry: Entry, target: str, metric: str) -> str:
    value = entry.aggregates.get(target, {}).get(metric)
    if value is None:
        return "–"
    rows = entry.table[(entry.table["target"] == target) & (entry.table["metric"] == metric)]
    return f"{number(value)} ({int(rows['value'].notna().sum())})"


def _stands(against: pd.DataFrame | None, ranked: Sequence[str]) -> list[str]:
    """Return how an entry stands to the best, behind how many of the ranked it is, and ahead of how many."""
    if against is None or against.empty or not against["n_tracks"].any():
        return ["–"] * 3
    first = against.iloc[0]
    to_best = "–"
    if first["b"] == ranked[0] and first["n_tracks"]:
        to_best = f"{signed(first['difference'])}, better on {first['wins']} of {first['n_tracks']}"
    if (against["verdict"] == Verdict.TOO_FEW).all():
        return [to_best, *["too few songs"] * 2]
    told = against["verdict"] == Verdict.TOLD_APART
    sides = (against["lean"] < 0, against["lean"] > 0)
    return [to_best, *(f"{int((told & side).sum())} of {len(against)}" for side in sides)]


def _matrix(
    board: Board, unranked: Sequence[str], rivals: Sequence[str], against: dict[str, pd.DataFrame], among: pd.DataFrame
) -> Table:  # fmt: skip
    """Return the comparisons of incomplete entries, the columns, with ranked entries and each other, the rows."""
    cells: dict[tuple[str, str], TableCell] = {}
    for a, b, n, typical, low, high, lean, verdict in _plain([*(against[name] for name in unranked), among]):
        side = (lean > 0) - (lean < 0) if verdict == Verdict.TOLD_APART else 0
        cells[a, b] = _cell(n, typical, low, high, side, verdict)
        cells[b, a] = _cell(n, -typical, -high, -low, -side, verdict)
    groups: list[list[TableRow]] = [
        [[other, *(cells.get((name, other), TableCell("")) for name in unranked)] for other in names]
        for names in (rivals, unranked if len(unranked) > 1 else [])
    ]
    columns: list[Column | str] = ["against", *(Column(name, "right") for name in unranked)]
    direction = "less is better" if board.rank_metric in board.lower_is_better else "more is better"
    target = "the mean over targets" if board.rank_target == "mean" else board.rank_target
    families = [f"its {counted(len(rivals), 'ranked rival')}"] if rivals else []
    families += [f"the {counted(len(among), 'pair')} of incomplete entries"] if len(among) else []
    notes = [
        f"Typical difference (Hodges and Lehmann) in {board.rank_metric} of {target}, {direction}: the entry of the "
        "column minus that of the row, with the number of songs that both have, and the interval (95 %, of the pair "
        "alone).",
        f"▲ ▼: the entry of the column is told apart from that of the row, and better or worse; ≈: it is not "
        f"(Wilcoxon, {percent(_ALPHA)}, Holm over {', and over '.join(families)}). Without a mark: too few songs.",
        "Ranked entries stand above in the order of their ranks, incomplete ones below; an entry is compared on its "
        "own songs with all of them, and its place among them holds for those songs alone.",
    ]
    return Table(PAIRWISE, columns, groups, notes)


def _plain(tables: Sequence[pd.DataFrame]) -> list[tuple[str, str, int, float, float, float, float, str]]:
    names = ["a", "b", "n_tracks", "difference", "low", "high", "lean", "verdict"]
    return [row for table in tables for row in table[names].itertuples(index=False, name=None)]


def _cell(n: int, typical: float, low: float, high: float, side: int, verdict: str) -> TableCell:
    if not n:
        return TableCell("–", math.nan, hint="no song in common")
    mark = "" if verdict == Verdict.TOO_FEW else _MARKS[side]
    interval = None if math.isnan(low) else (number(low, signed=True), number(high, signed=True))
    return TableCell(number(typical, signed=True), typical, mark, interval=interval, tag=str(n))
