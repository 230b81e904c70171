"""Whether an entry's scores of the songs look like those of a separator beside a board's other entries.

Nothing here proves anything: every rule holds an entry against what the entries of the board do among themselves, and a
finding is a place to look at. On the boards that are shipped, of the entries taken out one at a time, the rules name
about one target in twenty.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.schema import does_nothing
from mss_bench.core.text import percent
from mss_bench.leaderboards.board import Board, Entry

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["implausible", "same_numbers", "unjudged"]

_FEWEST_SONGS = 8  # with which a correlation over songs, or a neighbour, says something
_FEWEST_ENTRIES = 6
_NEIGHBOURS = 5
_TIMES = 2.0  # what the largest deviation may be of the largest that the neighbours show
_SURE = 2.326  # standard errors of Fisher's z: 99 % on one side
_ABOVE_ORACLE = 0.25  # share of the songs; of the entries shipped none has more than 0.16
_ROUNDED = 0.0051  # two values that are the same to two decimals
_SHARED = 0.1  # of the values; of the pairs shipped only those share more of which one was made from the other
_FOLLOWED = 0.05  # dB from a line through another's songs; of the pairs shipped two fine-tuned models are as near
_VARIED = 0.5  # deviation over songs, below which any two lie near a line
_NAMED = 3


def implausible(board: Board, entry: Entry, others: Sequence[Entry]) -> Iterator[str]:
    """Yield what is unusual about an entry's scores in the board's ranking metric.

    Parameters
    ----------
    board : Board
    entry : Entry
    others : sequence of Entry
        Those of the board under other names.
    """
    better = -1.0 if board.rank_metric in board.lower_is_better else 1.0
    for target in board.targets:
        own = better * _values(board, entry, target)
        if len(own) < _FEWEST_SONGS or own.nunique() == 1:
            if len(own) >= _FEWEST_SONGS:
                yield f"{target}: all {len(own)} songs have the same value"
            continue
        oracles = [better * _values(board, other, target) for other in others if other.oracle]
        if not entry.oracle:
            yield from _above(target, board.rank_metric, own, [values for values in oracles if len(values)])
        field = _field(board, target, others)
        if len(field) >= _FEWEST_ENTRIES and not entry.oracle:
            yield from _unlike(target, own, field)
            yield from _beyond(target, board.rank_metric, own, field, better)


def unjudged(board: Board, entry: Entry, others: Sequence[Entry]) -> str:
    """Return why no target of an entry could be held against the other entries, in words; empty where one was.

    Parameters
    ----------
    board : Board
    entry : Entry
    others : sequence of Entry
        Those of the board under other names.
    """
    songs = max(len(_values(board, entry, target)) for target in board.targets)
    if songs < _FEWEST_SONGS:
        return f"it has {songs} songs, expected at least {_FEWEST_SONGS}"
    if entry.oracle:
        return "it says that it is an oracle"
    rivals = max(len(_field(board, target, others)) for target in board.targets)
    if rivals < _FEWEST_ENTRIES:
        return f"the board has {rivals} other methods with {_FEWEST_SONGS} songs, expected at least {_FEWEST_ENTRIES}"
    return ""


def _field(board: Board, target: str, others: Sequence[Entry]) -> dict[str, pd.Series]:
    """Return the values, more being better, of the entries that estimate, have songs enough, and not all alike."""
    better = -1.0 if board.rank_metric in board.lower_is_better else 1.0
    return {
        other.method: better * values
        for other in others
        if not (other.oracle or other.does_nothing or does_nothing(other.method) or other.method == board.floor)
        if len(values := _values(board, other, target)) >= _FEWEST_SONGS and values.nunique() > 1
    }


def same_numbers(board: Board, entry: Entry, others: Sequence[Entry]) -> Iterator[tuple[bool, str]]:
    """Yield the entries that have an entry's numbers, and whether to the last decimal that is printed.

    Parameters
    ----------
    board : Board
    entry : Entry
    others : sequence of Entry
        Those of the board under other names.
    """
    cell = ["track", "target", "metric"]
    own = entry.table.dropna(subset=["value"]).drop_duplicates(cell).set_index(cell)["value"]
    for other in others:
        theirs = other.table.dropna(subset=["value"]).drop_duplicates(cell).set_index(cell)["value"]
        difference = (own - theirs).dropna()
        if len(difference) < min(_FEWEST_SONGS, len(own)) or not len(difference):
            continue
        same = int((difference.abs() <= _ROUNDED).sum())
        if same == len(difference):
            yield True, f"has the numbers of {other.method!r}: {same} values, the same to two decimals"
        elif same > _SHARED * len(difference):
            yield False, f"has {same} of {len(difference)} values of {other.method!r}, the same to two decimals"
        elif near := [target for target in board.targets if _follows(board, entry, other, target)]:
            yield False, f"{', '.join(near)}: follows {other.method!r} on every song within about {_FOLLOWED} dB"


def _follows(board: Board, entry: Entry, other: Entry, target: str) -> bool:
    """Return whether an entry's songs are those of another one, shifted or scaled, but for some hundredths of a dB."""
    import pandas as pd

    both = pd.concat([_values(board, entry, target), _values(board, other, target)], axis=1, join="inner").to_numpy()
    if len(both) < _FEWEST_SONGS or both.std(axis=0).min() <= _VARIED or (entry.oracle and other.oracle):
        return False
    line = np.polyfit(both[:, 1], both[:, 0], 1)
    return bool(np.std(both[:, 0] - np.polyval(line, both[:, 1])) <= _FOLLOWED)


def _values(board: Board, entry: Entry, target: str) -> pd.Series:
    """Return an entry's values of a target in the ranking metric, by song."""
    table = entry.table
    rows = table[(table["target"] == target) & (table["metric"] == board.rank_metric) & table["value"].notna()]
    return rows.drop_duplicates("track").set_index("track")["value"]


def _above(target: str, metric: str, own: pd.Series, oracles: Sequence[pd.Series]) -> Iterator[str]:
    """Yield that an entry is above the best oracle of its songs."""
    import pandas as pd

    if not oracles:
        return
    best = pd.concat(oracles, axis=1).max(axis=1).reindex(own.index).dropna()
    above = own[best.index] > best
    if len(best) and (share := float(above.mean())) > _ABOVE_ORACLE:
        yield (
            f"{target}: better than every oracle on {int(above.sum())} of {len(best)} songs "
            f"({percent(round(share, 2))}); oracles of masks are no bound of {metric}, and few methods are beyond them"
        )


def _unlike(target: str, own: pd.Series, field: dict[str, pd.Series]) -> Iterator[str]:
    """Yield that an entry does not find the songs hard that all others find hard."""
    rho = {name: _agreement(values, {n: v for n, v in field.items() if n != name}) for name, values in field.items()}
    known = {name: value for name, value in rho.items() if not math.isnan(value)}
    mine = _agreement(own, field)
    if math.isnan(mine) or len(known) < _FEWEST_ENTRIES:
        return
    least = min(known, key=lambda name: known[name])
    # Fisher's z: what the correlation may be over other songs
    upper = math.tanh(math.atanh(min(mine, 0.999)) + _SURE / math.sqrt(len(own) - 3))
    if mine < known[least] and upper < float(np.median([*known.values()])):
        yield (
            f"{target}: which songs are hard for it is not what it is for others: rank correlation {mine:.2f} over "
            f"{len(own)} songs, where the least of the board's is {known[least]:.2f} ({least}); were songs exchanged?"
        )


def _agreement(own: pd.Series, field: dict[str, pd.Series]) -> float:
    """Return the rank correlation of an entry with the songs' difficulty for others."""
    import pandas as pd

    rest = pd.DataFrame(field).reindex(own.index)
    difficulty = (rest - rest.median()).median(axis=1).dropna()
    if len(difficulty) < _FEWEST_SONGS:
        return math.nan
    ranks = own[difficulty.index].rank().to_numpy(), difficulty.rank().to_numpy()
    return float(np.corrcoef(*ranks)[0, 1]) if all(each.std() > 0 for each in ranks) else math.nan


def _beyond(target: str, metric: str, own: pd.Series, field: dict[str, pd.Series], better: float) -> Iterator[str]:
    """Yield the songs on which an entry is far from what methods as good as it have there."""
    near, deviations = _deviations(own, field)
    usual = max(
        float(_deviations(field[name], {n: v for n, v in field.items() if n != name})[1].abs().max()) for name in near
    )
    far = deviations[deviations.abs() > _TIMES * usual].sort_values(key=np.abs, ascending=False)
    if len(far):
        songs = ", ".join(f"{song} ({better * value:+.1f})" for song, value in far.head(_NAMED).items())
        more = f" and {len(far) - _NAMED} more" if len(far) > _NAMED else ""
        yield (
            f"{target}: {metric} of {songs}{more} is far from what its neighbours lead to expect, which are at most "
            f"{usual:.1f} from it themselves ({', '.join(near)})"
        )


def _deviations(own: pd.Series, field: dict[str, pd.Series]) -> tuple[list[str], pd.Series]:
    """Return the entries nearest in quality, and by how much a song differs from what they lead to expect."""
    import pandas as pd

    middle = float(own.median())
    near = sorted(field, key=lambda name: abs(float(field[name].median()) - middle))[:_NEIGHBOURS]
    rest = pd.DataFrame({name: field[name] for name in near}).reindex(own.index)
    difference = own - (rest - rest.median()).median(axis=1)
    return near, (difference - difference.median()).dropna()
