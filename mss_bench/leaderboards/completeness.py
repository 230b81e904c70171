"""Which entries have all that a board asks for: these are compared with each other; the others stand apart.

What an entry lacks is its own affair: it changes no other entry's number, and `changed_by` tells where it would. A song
counts for a target unless most entries that ran on it have no value there, as where the reference is silent. An entry
is complete in a target where it has a value on every song that counts, over at least as many frames as most entries
have: an estimate that is silent in its hard frames turns them off, and would have a better median for it. A table with
one value a song does not say which frames are in it: it is compared all the same, and named. Oracles are not ranked,
and keep their place without such frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.schema import Status
from mss_bench.leaderboards.board import Board, Entry, track_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Completeness", "changed_by", "completeness", "lacks", "ranking_scores"]

_CELL = ["track", "target", "metric"]


@dataclass(frozen=True)
class Completeness:
    """What of a board's entries is compared, and what each lacks."""

    compared: pd.DataFrame  # track table of entries where they are complete, on the songs that count
    own: pd.DataFrame  # the same of all entries, on the songs on which they have all frames
    counting: dict[str, int]  # songs that count, by target of the ranking metric
    missing: dict[tuple[str, str], tuple[int, int]]  # by method and target: songs without a value, and without frames
    frames_untold: frozenset[str]  # methods with one value of songs that others have frames of, in the ranking metric

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
    of_frames = valid[table["n_frames"] > 1]
    usual = of_frames[of_frames > 0].groupby([table.loc[of_frames.index, name] for name in _CELL]).median()
    frames_of_others = usual.reindex(pd.MultiIndex.from_frame(table[_CELL])).set_axis(table.index)
    untold = (table["n_frames"] == 1) & (valid > 0) & frames_of_others.notna() & (table["estimate_key"] != "run")
    valid = valid.mask(untold, np.ceil(frames_of_others))
    expected = valid[ran].groupby([table.loc[ran, name] for name in _CELL]).quantile(0.5, interpolation="higher")
    frames = expected.reindex(pd.MultiIndex.from_frame(table[_CELL])).fillna(1).to_numpy()  # if all failed it counts
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
        table[complete].drop(columns=extra), table[table["full"]].drop(columns=extra), counting, missing,
        frozenset(table.loc[untold.reindex(table.index) & (table["metric"] == board.rank_metric), "separator"]),
    )  # fmt: skip


def changed_by(board: Board, added: Sequence[Entry], present: Sequence[Entry]) -> str:
    """Return what added entries change of those that are there, in words; empty where they change nothing.

    What most entries have is what a board asks for: enough entries with fewer values or more frames could change it for
    all others.
    """
    kept = [entry for entry in present if entry.method not in {new.method for new in added}]
    if not kept:
        return ""
    before, after = completeness(board, present), completeness(board, [*kept, *added])
    for target, n in before.counting.items():
        if n != after.counting[target]:
            return f"{target} would be compared on {after.counting[target]} songs instead of {n}"
    for entry in kept:
        was, now = lacks(board, entry, before), lacks(board, entry, after)
        if now != was:
            return f"{entry.method} lacks {was or 'nothing'} now and would lack {now or 'nothing'}"
    return ""


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


def ranking_scores(board: Board, own: pd.DataFrame) -> pd.DataFrame:
    """Return what entries are ranked by on each song, songs x methods; NaN where one lacks a target."""
    targets = board.targets if board.rank_target == "mean" else (board.rank_target,)
    rows = own[(own["metric"] == board.rank_metric) & own["target"].isin(targets)]
    grouped = rows.groupby(["track", "separator"])["value"]
    return grouped.mean().where(grouped.size() == len(targets)).unstack("separator")
