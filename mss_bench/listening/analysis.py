"""What the ratings of one question say: centres with intervals, tests of systems, pairs of systems, ABX answers.

Medians and quartiles are over all ratings, replicates included, as publications give them. Means, tests and effect
sizes start from each listener's mean over items and replicates, so that a listener counts once however much they rated:
ratings of one listener are not independent, and a test over all of them finds too much. Bootstrap intervals resample
listeners and songs alike; excerpts and remixes of one song go together.

References
----------
.. [1] ITU-R BS.1534-3, 2015, 9 and Annex 4.
.. [2] C. Mendonça, S. Delikaris-Manias, "Statistical tests with MUSHRA data", AES Convention 144, 2018.
.. [3] C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
   Biometrika 26, 1934.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.listening.bootstrap import LEVEL, Places, TwoWay, percentile_interval
from mss_bench.listening.ratings import Role, song_of
from mss_bench.listening.sheets import RatingsError
from mss_bench.stats.effect import paired
from mss_bench.stats.matrix import MIN_TRACKS
from mss_bench.stats.resample import check_bootstrap
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
"""Of each signal: quartiles of all ratings, mean of the listeners' means, its t interval over listeners, and two-way
bootstrap intervals of median and mean."""

PAIR_COLUMNS = (
    "a", "b", "difference", "low", "high", "rank_biserial", "wins", "ties", "losses", "p_conover", "p_wilcoxon",
    "p_permutation", "p_nemenyi",
)  # fmt: skip
"""Of each pair of systems: mean difference *a - b* with its two-way bootstrap interval, effect size and wins over
listeners, p values after Holm (Nemenyi's has its own correction)."""

ABX_COLUMNS = ("n", "right", "share", "low", "high", "p")
"""Answers, right ones, their share with its exact interval [3]_, p of a one-sided binomial test of guessing (Holm)."""

_EXACT = 13  # listeners up to which all patterns of swaps are gone through: 8192, no more than the usual draws
_AT_ONCE = 1000  # patterns in memory


@dataclass(frozen=True)
class SystemTests:
    """Whether systems differ, and which.

    Parameters
    ----------
    friedman : FriedmanResult or None
        With Kendall's W, listeners as blocks; None of fewer than three systems.
    pairs : DataFrame
        Columns `PAIR_COLUMNS`.
    conover : DataFrame
        p values of Conover's test after Holm, systems x systems.
    listeners : int
    """

    friedman: FriedmanResult | None
    pairs: pd.DataFrame
    conover: pd.DataFrame
    listeners: int


def questions(ratings: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield task, target and ratings of each question of a test, in the order of first appearance."""
    for (task, target), rows in ratings.groupby(["task", "target"], sort=False):
        yield str(task), str(target), rows


def summarise(ratings: pd.DataFrame, *, level: float = LEVEL, draws: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Summarise the scores of every signal of one question.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target.
    level : float
        Of the intervals.
    draws, seed : int
        Of the bootstrap over listeners and songs.

    Returns
    -------
    DataFrame
        Index system, the highest median first, columns `SUMMARY_COLUMNS`. t intervals of one listener are NaN.
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
        # Replicates first, then items: a listener counts once, however much they rated.
        means = own.groupby(["listener", "item"])["score"].mean().groupby("listener").mean().to_numpy()
        half = math.nan
        if means.size > 1:  # the bootstrap's intervals beside it take songs as a sample, too
            half = stats.t.ppf((1 + level) / 2, means.size - 1) * means.std(ddof=1) / math.sqrt(means.size)
        drawn = (scores, listener[places], song[places])
        rows[str(system)] = (
            own["role"].iloc[0], len(own), means.size, own["item"].nunique(), float(np.median(scores)),
            *np.quantile(scores, [0.25, 0.75]), *percentile_interval(two_way.medians(*drawn), level), means.mean(),
            means.mean() - half, means.mean() + half, *percentile_interval(two_way.means(*drawn), level),
        )  # fmt: skip
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(SUMMARY_COLUMNS)).rename_axis("system")
    return table.sort_values(["median", "mean"], ascending=False, kind="stable")


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
        Fewer than 2 systems, or than 3 listeners who rated all systems on some item.
    """
    import pandas as pd

    table = cells(ratings)
    scores = table.groupby("listener").mean()
    if scores.shape[1] < 2 or scores.shape[0] < MIN_TRACKS:
        raise RatingsError(
            f"tests of systems need at least 2 systems and {MIN_TRACKS} listeners who rated all of them on some item, "
            f"got {scores.shape[1]} and {scores.shape[0]}"
        )
    names = list(map(str, scores.columns))
    # Every pair of the question is the family that p values are corrected over, whichever pair is read later.
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    # Ranks and effects take one value a listener; the interval resamples single ratings of listeners and songs.
    effects = paired(scores, pairs)
    conover, wilcoxon, nemenyi = (posthoc(scores, test) for test in ("conover", "wilcoxon", "nemenyi"))
    listener = pd.factorize(table.index.get_level_values("listener"))[0]
    song, songs = pd.factorize(table.index.get_level_values("item").map(song_of))
    values = {name: table[name].to_numpy(dtype=np.float64) for name in names}
    two_way = TwoWay(len(scores), len(songs), draws=draws, seed=seed)
    drawn = {name: two_way.means(values[name], listener, song) for name in names}
    rows = []
    for (_, effect), (a, b) in zip(effects.iterrows(), pairs, strict=True):
        apart = scores[a].to_numpy() - scores[b].to_numpy()
        rows.append(
            (a, b, apart.mean(), *percentile_interval(drawn[a] - drawn[b]), effect["rank_biserial"], effect["wins"],
             effect["ties"], effect["losses"], conover.loc[a, b], wilcoxon.loc[a, b],
             permutation(values[a], values[b], listener, draws=draws, seed=seed), nemenyi.loc[a, b])
        )  # fmt: skip
    tested = pd.DataFrame(rows, columns=list(PAIR_COLUMNS))
    tested["p_permutation"] = correct(tested["p_permutation"].to_numpy(dtype=np.float64))
    return SystemTests(friedman(scores) if len(names) > 2 else None, tested, conover, len(scores))


def permutation(a: Floats, b: Floats, listener: Places, *, draws: int = 10_000, seed: int = 0) -> float:
    """Return the two-sided p of the difference of two systems' medians, under swaps of their names within listeners.

    Were two systems alike, a listener might as well have given either the other's scores: all of a listener's scores
    keep or change sides together. All patterns are gone through up to 13 listeners, else `draws` random ones, the
    observed among them.

    Parameters
    ----------
    a, b : (n,) arrays
        Scores of the two systems by the same listeners of the same items.
    listener : (n,) array
        Whose scores they are, from 0.
    draws, seed : int

    Returns
    -------
    float
    """
    n = int(listener.max()) + 1
    if n <= _EXACT:
        swaps = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(bool)
    else:
        swaps = np.random.default_rng(seed).integers(0, 2, size=(draws, n)).astype(bool)
        swaps[0] = False  # the observed pattern, without which p could be 0
    # Sides are kept or changed by whole listeners, since their ratings hang together.
    observed = abs(float(np.median(a)) - float(np.median(b)))
    extreme = 0
    for first in range(0, len(swaps), _AT_ONCE):
        swapped = swaps[first : first + _AT_ONCE][:, listener]
        apart = np.median(np.where(swapped, b, a), axis=1) - np.median(np.where(swapped, a, b), axis=1)
        extreme += int((np.abs(apart) >= observed - 1e-9).sum())  # rounding must not lose a tie
    return extreme / len(swaps)


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
        interval = stats.binomtest(right, n).proportion_ci(LEVEL)
        p = stats.binomtest(right, n, 0.5, alternative="greater").pvalue
        rows[str(system)] = (n, right, right / n, interval.low, interval.high, p)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(ABX_COLUMNS)).rename_axis("system")
    table["p"] = correct(table["p"].to_numpy(dtype=np.float64))
    return table.sort_values("share", ascending=False, kind="stable")
