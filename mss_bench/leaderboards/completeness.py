"""Which entries have all that a board asks for: these are compared with each other; the others stand apart.

What an entry lacks is its own affair: it changes no other entry's number. A song counts for a target unless most
entries that ran on it have no value there, as where the reference is silent. An entry is complete in a target where it
has a value on every song that counts, over at least as many frames as most entries have: an estimate that is silent in
its hard frames turns them off, and would have a better median for it. Oracles are not ranked, and keep their place
without such frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.schema import Status
from mss_bench.leaderboards.board import Board, Entry, track_table
from mss_bench.report.table import Column, Table, TableRow, number
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.signed_rank import FEWEST, signed_rank
from mss_bench.stats.significance import correct
from mss_bench.stats.units import difference
from mss_bench.stats.verdicts import family, signed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Completeness", "apart", "completeness", "lacks", "ranking_scores"]

_CELL = ["track", "target", "metric"]
_ALPHA = 0.05


@dataclass(frozen=True)
class Completeness:
    """What of a board's entries is compared, and what each lacks."""

    compared: pd.DataFrame  # track table of entries where they are complete, on the songs that count
    own: pd.DataFrame  # the same of all entries, on the songs on which they have all frames
    counting: dict[str, int]  # songs that count, by target of the ranking metric
    missing: dict[tuple[str, str], tuple[int, int]]  # by method and target: songs without a value, and without frames

    def ranked(self, board: Board) -> pd.DataFrame:
        """Return what is compared, of the entries that have all that the board ranks by."""
        lacking = [method for method, _ in self.missing if self.unranked(board, method)]
        return self.compared[~self.compared["separator"].isin(lacking)]

    def unranked(self, board: Board, method: str) -> bool:
        """Return whether an entry lacks something of what the board ranks by."""
        targets = board.targets if board.rank_target == "mean" else (board.rank_target,)
        return any((method, target) in self.missing for target in targets)


def completeness(board: Board, entries: Sequence[Entry]) -> Completeness:
    """Return what of the entries is compared.

    Parameters
    ----------
    board : Board
    entries : sequence of Entry
        One at least.
    """
    import pandas as pd

    table = track_table(board, entries)
    table = table[table["status"] != str(Status.SKIPPED)]
    if (table["group"] == "").any():  # entries from elsewhere do not say in which group a target was scored
        table = table.assign(group="")
    songs = board.ranked_on or board.tracks
    table = table[table["track"].isin(songs)]
    ran = table["status"] == str(Status.OK)
    valid = table["n_valid"].where(ran & table["value"].notna(), 0)
    expected = valid[ran].groupby([table.loc[ran, name] for name in _CELL]).quantile(0.5, interpolation="higher")
    usual = pd.MultiIndex.from_frame(table[_CELL])
    frames = expected.reindex(usual).fillna(1).to_numpy()  # where all failed the song counts
    undefined = expected[expected == 0].reset_index().groupby(["target", "metric"])["track"].nunique()
    valued = table["value"].notna() & ran
    full = valued & ((valid >= frames) | table["oracle"])
    table = table.assign(valued=valued & (frames > 0), full=full & (frames > 0))[frames > 0]
    tally = table.groupby(["separator", "target", "metric"])[["valued", "full"]].sum().reset_index()
    pairs = pd.MultiIndex.from_frame(tally[["target", "metric"]])
    tally["needed"] = len(songs) - undefined.reindex(pairs).fillna(0).astype(int).to_numpy()
    ranking = tally[tally["metric"] == board.rank_metric]
    whole = tally[tally["full"] == tally["needed"]]
    keys = ["separator", "target", "metric"]
    complete = pd.MultiIndex.from_frame(table[keys]).isin(pd.MultiIndex.from_frame(whole[keys]))
    counts = ranking[["needed", "valued", "full"]].to_numpy(dtype=int).tolist()
    of = zip(ranking["separator"].map(str), ranking["target"].map(str), strict=True)
    missing = {
        key: (needed - valued, valued - full)
        for key, (needed, valued, full) in zip(of, counts, strict=True)
        if full < needed
    }
    counting = {
        target: len(songs) - int(undefined.get((target, board.rank_metric), 0)) for target in board.targets
    }  # fmt: skip
    known = {*table.loc[complete, "separator"], *(method for method, _ in missing)}
    first = board.targets[0] if board.rank_target == "mean" else board.rank_target
    missing |= {(e.method, first): (counting[first], 0) for e in entries if e.method not in known}
    extra = ["valued", "full"]
    return Completeness(
        table[complete].drop(columns=extra), table[table["full"]].drop(columns=extra), counting, missing
    )


def apart(board: Board, entries: Sequence[Entry], state: Completeness, ranked: Sequence[str]) -> Table | None:
    """Return the table of the entries that lack something, each compared with the ranked ones on its own songs alone.

    Parameters
    ----------
    board : Board
    entries : sequence of Entry
    state : Completeness
    ranked : sequence of str
        Methods that have a rank, the best first.

    Returns
    -------
    Table or None
        None where all entries are complete.
    """
    lacking = [e for e in entries if any((e.method, target) in state.missing for target in board.targets)]
    if not lacking:
        return None
    scores = ranking_scores(board, state.own)
    better = board.rank_metric not in board.lower_is_better
    rows: list[TableRow] = []
    order = sorted(lacking, key=lambda e: e.method.lower())
    for entry in order:
        cells = [_own_number(entry, target, board.rank_metric) for target in board.targets]
        own = scores[entry.method].dropna().index if entry.method in scores else scores.index[:0]
        rivals = [name for name in ranked if name in scores and name != entry.method]
        against = _against(scores.loc[own, [entry.method, *rivals]], better) if len(own) and rivals else ["–"] * 3
        rows.append([entry.method, *cells, lacks(board, entry, state), *against])
    best = f"against {ranked[0]}" if ranked else "against the best"
    columns: list[Column | str] = [
        "entry", *(Column(target, "right") for target in board.targets), "lacks", best, "behind", "ahead of",
    ]  # fmt: skip
    notes = [
        f"Numbers are {board.rank_metric} over the songs that each entry has, and compare with no other number of the "
        "board; no entry here changes one above.",
        "Comparisons are paired, on the songs that both have; behind and ahead of: ranked entries that are told apart "
        f"(Wilcoxon, Holm over the ranked entries, {_ALPHA:.0%}).",
    ]
    return Table("Incomplete entries", columns, [rows], notes)


def lacks(board: Board, entry: Entry, state: Completeness) -> str:
    """Return what an entry lacks in words, targets that lack alike together."""
    alike: dict[str, list[str]] = {}
    for target in board.targets:
        songs, frames = state.missing.get((entry.method, target), (0, 0))
        said = [f"{songs} song{'s'[: songs != 1]}"] if songs else []
        said += [f"frames of {frames} song{'s'[: frames != 1]}"] if frames else []
        if said:
            alike.setdefault(" and ".join(said), []).append(target)
    return "; ".join(f"{said} ({', '.join(targets)})" for said, targets in alike.items())


def _own_number(entry: Entry, target: str, metric: str) -> str:
    value = entry.aggregates.get(target, {}).get(metric)
    if value is None:
        return "–"
    rows = entry.table[(entry.table["target"] == target) & (entry.table["metric"] == metric)]
    return f"{number(value)} ({int(rows['value'].notna().sum())})"


def ranking_scores(board: Board, own: pd.DataFrame) -> pd.DataFrame:
    """Return what entries are ranked by on each song, songs x methods; NaN where one lacks a target."""
    targets = board.targets if board.rank_target == "mean" else (board.rank_target,)
    rows = own[(own["metric"] == board.rank_metric) & own["target"].isin(targets)]
    grouped = rows.groupby(["track", "separator"])["value"]
    return grouped.mean().where(grouped.size() == len(targets)).unstack("separator")


def _against(scores: pd.DataFrame, higher_is_better: bool) -> list[str]:
    """Return how the first method stands to the second, behind how many of the others it is, and ahead of how many."""
    scores = scores.dropna(axis="columns")
    if scores.shape[1] < 2:
        return ["–"] * 3
    first, *others = map(str, scores.columns)
    pair = family(ScoreMatrix.of(scores[[first, others[0]]])).pair(first, others[0])
    wins = pair.wins if higher_is_better else pair.losses
    to_best = f"{signed(pair.difference)}, better on {wins} of {pair.n_tracks}"
    if 2.0 ** (1 - len(scores)) * len(others) >= _ALPHA or len(scores) < FEWEST:  # the least p that there can be
        return [to_best, *["too few songs"] * 2]
    values = scores.to_numpy(dtype=np.float64) * (1 if higher_is_better else -1)
    p, lean = signed_rank(difference(values[:, :1], values[:, 1:]))
    apart_from = correct(p, "holm") < _ALPHA
    return [to_best, *(f"{int((apart_from & side).sum())} of {len(others)}" for side in (lean < 0, lean > 0))]
