"""What the ratings of one question say: centres with intervals, tests of systems, pairs of systems, ABX answers.

Medians and quartiles are over all ratings, replicates included, as publications give them; means are mean opinion
scores, of each item over its listeners and then over items. Ratings of one listener are not independent, and neither
are those of one song: a test over all of them finds too much. Where all listeners rated the same, pairs of systems are
tested by the crossed t test of `mss_bench.stats.crossed`, which takes listeners and songs for samples of many; where
they rated parts, each song's mean opinion scores are paired, and tested by Wilcoxon's test. Tests on listeners' means,
which hold for these songs alone, stand beside by name. A few listeners who missed something take no part in tests of
complete tables, and are named. Bootstrap intervals resample listeners and songs alike; excerpts
and remixes of one song go together.

References
----------
.. [1] ITU-R BS.1534-3, 2015, 9 and Annex 4.
.. [2] C. Mendonça, S. Delikaris-Manias, "Statistical tests with MUSHRA data", AES Convention 144, 2018.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.listening.bootstrap import LEVEL, TwoWay, percentile_interval
from mss_bench.listening.ratings import Role, song_of
from mss_bench.listening.sheets import RatingsError
from mss_bench.listening.votes import share_interval
from mss_bench.stats.crossed import crossed_t
from mss_bench.stats.effect import paired
from mss_bench.stats.matrix import MIN_TRACKS
from mss_bench.stats.resample import check_bootstrap
from mss_bench.stats.signed_rank import wilcoxon
from mss_bench.stats.significance import FriedmanResult, correct, friedman, posthoc
from mss_bench.stats.units import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ABX_COLUMNS", "PAIR_COLUMNS", "SUMMARY_COLUMNS", "SystemTests", "abx", "cells", "compare_systems", "permutation",
    "questions", "summarise",
]  # fmt: skip

SUMMARY_COLUMNS = (
    "role", "n", "n_listeners", "n_items", "median", "q1", "q3", "median_low", "median_high", "mean", "t_low", "t_high",
    "mean_low", "mean_high",
)  # fmt: skip
"""Of each signal: quartiles of all ratings, the mean opinion score (over items, of the mean over listeners) with a t
interval over listeners where all rated all items, and two-way bootstrap intervals of median and mean."""

PAIR_COLUMNS = (
    "a", "b", "difference", "low", "high", "df", "p_alone", "p", "rank_biserial", "wins", "ties", "losses",
    "p_wilcoxon", "p_permutation", "p_conover", "p_nemenyi",
)  # fmt: skip
"""Of each pair of systems: mean difference *a - b* with its interval, degrees of freedom of the crossed t, its p alone
and after Holm over all pairs; effect size and wins over listeners (over songs, where listeners rated parts); then p
values of tests on listeners' means after Holm (Nemenyi's has its own correction), NaN where listeners rated parts."""

ABX_COLUMNS = ("n", "right", "share", "low", "high", "listeners", "p", "p_answers")
"""Answers, right ones, their share with its interval over listeners, listeners, p of guessing: one-sided, with
listeners as units, and by the binomial test of all answers as if they were independent; both after Holm."""

COMPLETE = 2 / 3
"""Share of the listeners that must have rated everything for a test of complete tables; the others take no part."""

FEWEST_SONGS = 6  # of fewer every exact paired test keeps its p above 5 %
_EXACT = 13  # listeners up to which all patterns of signs are gone through: 8192, no more than the usual draws


@dataclass(frozen=True)
class SystemTests:
    """Whether systems differ, and which.

    Parameters
    ----------
    test : {"crossed t", "songs"}
        What pairs were tested by: the crossed t test, or Wilcoxon's of songs' mean opinion scores.
    friedman : FriedmanResult or None
        With Kendall's W, listeners as blocks; None of fewer than three systems, and where listeners rated parts.
    pairs : DataFrame
        Columns `PAIR_COLUMNS`.
    p : DataFrame
        p values after Holm, systems x systems.
    listeners, songs : int
        That took part.
    left_out : list of str
        Listeners who did not rate everything and took no part in a test of complete tables.
    """

    test: str
    friedman: FriedmanResult | None
    pairs: pd.DataFrame
    p: pd.DataFrame
    listeners: int
    songs: int
    left_out: list[str] = field(default_factory=list)


def questions(ratings: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield task, target and ratings of each question of a test, in the order of first appearance."""
    for (task, target), rows in ratings.groupby(["task", "target"], sort=False):
        yield str(task), str(target), rows


def summarise(
    ratings: pd.DataFrame, *, centre: str = "median", level: float = LEVEL, draws: int = 10_000, seed: int = 0
) -> pd.DataFrame:
    """Summarise the scores of every signal of one question.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target.
    centre : {"median", "mean"}
        What the signals are sorted by.
    level : float
        Of the intervals.
    draws, seed : int
        Of the bootstrap over listeners and songs.

    Returns
    -------
    DataFrame
        Index system, the highest centre first, columns `SUMMARY_COLUMNS`. t intervals of one listener are NaN.
    """
    import pandas as pd
    from scipy import stats

    check_bootstrap("median", level, draws)
    listener, listeners = pd.factorize(ratings["listener"])
    song, songs = pd.factorize(ratings["item"].map(song_of))
    two_way = TwoWay(len(listeners), len(songs), draws=draws, seed=seed)
    rows = {}
    for system, places in ratings.groupby("system").indices.items():
        own = ratings.iloc[places]
        scores = own["score"].to_numpy(dtype=np.float64)
        # Replicates first: a listener counts once for an item, however often they rated it.
        single = own.groupby(["listener", "item"])["score"].mean()
        mean, means = single.groupby("item").mean().mean(), single.groupby("listener").mean().to_numpy()
        half = math.nan
        # The bootstrap's intervals beside it take songs as a sample, too. Means over other items do not compare.
        if means.size > 1 and single.size == means.size * own["item"].nunique():
            half = stats.t.ppf((1 + level) / 2, means.size - 1) * means.std(ddof=1) / math.sqrt(means.size)
        drawn = (scores, listener[places], song[places])
        rows[str(system)] = (
            own["role"].iloc[0], len(own), own["listener"].nunique(), own["item"].nunique(), float(np.median(scores)),
            *np.quantile(scores, [0.25, 0.75]), *percentile_interval(two_way.medians(*drawn), level), mean,
            mean - half, mean + half, *percentile_interval(two_way.means(*drawn), level),
        )  # fmt: skip
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(SUMMARY_COLUMNS)).rename_axis("system")
    return table.sort_values([centre, "median", "mean"], ascending=False, kind="stable")


def cells(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of the systems (columns) by each listener of each item (index), replicates averaged.

    Only items on which a listener rated every system count for them: an easy item must not favour one system.
    """
    tested = ratings[ratings["role"] == Role.TEST]
    scores = tested.groupby(["listener", "item", "system"])["score"].mean().unstack("system").dropna()
    return scores.rename_axis(columns=None)


def compare_systems(ratings: pd.DataFrame, *, draws: int = 10_000, seed: int = 0) -> SystemTests:
    """Test whether the systems of one question differ, and which pairs.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target; references and anchors take no part.
    draws, seed
        As for `summarise`.

    Returns
    -------
    SystemTests

    Raises
    ------
    RatingsError
        Fewer than 2 systems; of a complete table fewer than 3 listeners or 2 songs, else fewer than 6 songs.
    """
    tested = ratings[ratings["role"] == Role.TEST]
    if tested["system"].nunique() < 2:
        raise RatingsError(f"tests of systems need at least 2 systems, got {tested['system'].nunique()}")
    single = tested.groupby(["listener", "item", "system"])["score"].mean().unstack("system").rename_axis(columns=None)
    items = single.index.get_level_values("item").nunique()
    rated = single.dropna().groupby("listener").size().reindex(sorted(set(tested["listener"])), fill_value=0)
    whole = rated.index[rated == items]
    # Of listeners who rated parts, those who happen to have rated both systems are too few, and chosen by chance.
    if len(whole) >= COMPLETE * len(rated):
        chosen = single[single.index.get_level_values("listener").isin(whole)]
        return _compare_complete(chosen, [str(name) for name in rated.index[rated < items]], draws, seed)
    return _compare_songs(tested, draws, seed)


def _compare_complete(table: pd.DataFrame, left_out: list[str], draws: int, seed: int) -> SystemTests:
    """Test a complete table, listeners and items x systems."""
    import pandas as pd

    scores = table.groupby("listener").mean()
    songs = table.groupby(["listener", table.index.get_level_values("item").map(song_of).rename("song")]).mean()
    n_songs = songs.index.get_level_values("song").nunique()
    if len(scores) < MIN_TRACKS:
        raise RatingsError(
            f"tests of systems need at least 2 systems and {MIN_TRACKS} listeners who rated all of them on some item, "
            f"got {scores.shape[1]} and {len(scores)}"
        )
    if n_songs < 2:
        raise RatingsError(
            f"tests of systems need at least 2 songs, got {n_songs}: what differs there is about that one"
        )
    pairs = _pairs(scores)
    # Every pair of the question is the family that p values are corrected over, whichever pair is read later.
    crossed = [crossed_t((songs[a] - songs[b]).unstack("song").to_numpy(dtype=np.float64), LEVEL) for a, b in pairs]
    effects = paired(scores, pairs)
    by_name = {name: posthoc(scores, name) for name in ("wilcoxon", "conover", "nemenyi")}
    means = {name: scores[name].to_numpy(dtype=np.float64) for name in scores}
    swapped = correct(np.array([permutation(means[a] - means[b], draws=draws, seed=seed) for a, b in pairs]))
    frame = pd.DataFrame(pairs, columns=["a", "b"]).assign(
        difference=[t.mean for t in crossed], low=[t.low for t in crossed], high=[t.high for t in crossed],
        df=[t.df for t in crossed], p_alone=[t.p for t in crossed], p=correct(np.array([t.p for t in crossed])),
        p_permutation=swapped,
        **{name: effects[name].to_numpy() for name in ("rank_biserial", "wins", "ties", "losses")},
        **{f"p_{name}": np.array([p.loc[a, b] for a, b in pairs]) for name, p in by_name.items()},
    )[list(PAIR_COLUMNS)]  # fmt: skip
    agreed = friedman(scores) if scores.shape[1] > 2 else None
    return SystemTests("crossed t", agreed, frame, _matrix(frame), len(scores), n_songs, left_out)


def _compare_songs(tested: pd.DataFrame, draws: int, seed: int) -> SystemTests:
    """Test the mean opinion scores of songs, paired by song, where listeners rated parts."""
    import pandas as pd

    single = tested.groupby(["item", "system", "listener"])["score"].mean()
    opinion = single.groupby(["item", "system"]).mean().unstack("system").dropna().rename_axis(columns=None)
    scores = opinion.groupby(opinion.index.map(song_of)).mean()
    if len(scores) < FEWEST_SONGS:
        raise RatingsError(
            f"listeners rated parts of the test, and {len(scores)} songs have ratings of every system; tests over "
            f"songs need at least {FEWEST_SONGS}"
        )
    pairs = _pairs(scores)
    effects = paired(scores, pairs)
    differences = np.stack([(scores[a] - scores[b]).to_numpy(dtype=np.float64) for a, b in pairs], axis=1)
    p = wilcoxon(differences)
    listener, listeners = pd.factorize(tested["listener"])
    song, songs = pd.factorize(tested["item"].map(song_of))
    two_way = TwoWay(len(listeners), len(songs), draws=draws, seed=seed)
    values = tested["score"].to_numpy(dtype=np.float64)
    own = {name: np.flatnonzero(tested["system"] == name) for name in scores}
    drawn = {name: two_way.means(values[at], listener[at], song[at]) for name, at in own.items()}
    intervals = [percentile_interval(drawn[a] - drawn[b]) for a, b in pairs]
    frame = pd.DataFrame(pairs, columns=["a", "b"]).assign(
        difference=differences.mean(axis=0), low=[low for low, _ in intervals], high=[high for _, high in intervals],
        df=math.nan, p_alone=p, p=correct(p), p_wilcoxon=math.nan, p_permutation=math.nan, p_conover=math.nan,
        p_nemenyi=math.nan, **{name: effects[name].to_numpy() for name in ("rank_biserial", "wins", "ties", "losses")},
    )[list(PAIR_COLUMNS)]  # fmt: skip
    return SystemTests("songs", None, frame, _matrix(frame), len(listeners), len(scores))


def _pairs(scores: pd.DataFrame) -> list[tuple[str, str]]:
    return list(combinations(map(str, scores.columns), 2))


def _matrix(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the corrected p values as a table of systems x systems."""
    import pandas as pd

    names = list(dict.fromkeys([*pairs["a"], *pairs["b"]]))
    p = pd.DataFrame(1.0, index=names, columns=names)
    for a, b, value in zip(pairs["a"], pairs["b"], pairs["p"], strict=True):
        p.loc[a, b] = p.loc[b, a] = value
    return p


def permutation(differences: Floats, *, draws: int = 10_000, seed: int = 0, sides: int = 2) -> float:
    """Return the p of a mean of listeners' differences, under changes of their signs.

    Were two systems alike, a listener might as well have given either the other's scores: their mean difference might
    as well have the other sign. All patterns are gone through up to 13 listeners, else `draws` random ones, the
    observed among them.

    Parameters
    ----------
    differences : (listeners,) array
        Of listeners' means.
    draws, seed : int
    sides : {1, 2}
        One, where only a positive mean counts.

    Returns
    -------
    float
    """
    n = differences.size
    if n <= _EXACT:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(draws, n))
        signs[0] = 1.0  # the observed pattern, without which p could be 0
    means = signs @ differences
    observed = float(differences.sum())
    if sides == 2:
        means, observed = np.abs(means), abs(observed)
    slack = 1e-9 * max(1.0, float(np.abs(differences).sum()))  # rounding must not lose a tie
    return float((means >= observed - slack).mean())


def abx(ratings: pd.DataFrame) -> pd.DataFrame:
    """Count the right answers of each system in an ABX test: whether listeners hear a difference at all.

    Parameters
    ----------
    ratings : DataFrame
        Of an ABX task: score 1 where the answer was right, else 0.

    Returns
    -------
    DataFrame
        Index system, columns `ABX_COLUMNS`, the best heard first.
    """
    import pandas as pd
    from scipy import stats

    rows = {}
    for system, own in ratings[ratings["role"] == Role.TEST].groupby("system"):
        n, right = len(own), int(own["score"].sum())
        p = stats.binomtest(right, n, 0.5, alternative="greater").pvalue
        # Answers of one listener hang together: who hears a difference in one song hears it in the next.
        counts = own.groupby("listener")["score"].agg(["sum", "size"]).to_numpy(dtype=np.int64)
        low, high = share_interval(counts[:, 0], counts[:, 1])
        by_listener = permutation(counts[:, 0] / counts[:, 1] - 0.5, sides=1)
        rows[str(system)] = (n, right, right / n, low, high, len(counts), by_listener, p)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(ABX_COLUMNS)).rename_axis("system")
    for name in ("p", "p_answers"):
        table[name] = correct(table[name].to_numpy(dtype=np.float64))
    return table.sort_values("share", ascending=False, kind="stable")
