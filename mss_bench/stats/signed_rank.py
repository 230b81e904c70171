"""Wilcoxon's signed-rank test and the Hodges-Lehmann difference that belongs to it, on many pairs of methods at once.

The test [1]_ asks whether the differences of two methods lie around 0. Up to `EXACT` tracks its p value is exact given
the ties and zeros that scores have (zeros keep their ranks [2]_): SciPy's exact distribution holds without ties, and
its permutation test takes seconds a pair, while the distribution given the ties is a polynomial of a few thousand terms
[3]_. Above, it is normal with the variance given the ties and a correction for continuity.

What it tests is the pseudomedian, the *typical difference*: `hodges_lehmann` estimates it, and its interval [4]_ holds
those values that the test does not reject. Differences are rounded to `DIGITS` decimals first, for rounding errors of
scores break ties (p 0.09 instead of 0.38 in one of our cases).

References
----------
.. [1] F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bull. 1, 1945.
.. [2] J. W. Pratt, "Remarks on zeros and ties in the Wilcoxon signed rank procedures", J. Am. Stat. Assoc. 54, 1959.
.. [3] B. Streitberg, J. Röhmel, "Exact distributions for permutation and rank tests", Stat. Software Newsl. 12, 1986.
.. [4] J. L. Hodges, E. L. Lehmann, "Estimates of location based on rank tests", Ann. Math. Stat. 34, 1963.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy

from mss_bench.core.arrays import Floats

__all__ = ["DIGITS", "EXACT", "FEWEST", "hodges_lehmann", "signed_rank", "walsh_rank", "wilcoxon"]

EXACT = 50
"""Tracks up to which p values are exact."""

DIGITS = 9
"""Decimals to which differences are rounded."""

FEWEST = 6
"""Tracks with which a two-sided test can reach 0.05; below, no statistics are made of differences."""

_AT_ONCE = 1024  # pairs whose ranks are in memory (and in the cache of the processor) at a time
_EXACT_NULL = 500  # tracks up to which the distribution without ties is computed: a tenth of a second


def wilcoxon(differences: Floats) -> Floats:
    """Return two-sided p values of Wilcoxon's signed-rank test, one a column.

    Parameters
    ----------
    differences : ndarray (tracks, pairs)
        May hold infinities, no NaN.

    Returns
    -------
    ndarray (pairs,)
        1 for a column of zeros.
    """
    return signed_rank(differences)[0]


def signed_rank(differences: Floats) -> tuple[Floats, Floats]:
    """Return two-sided p values and to which side the differences lean, one a column.

    Parameters
    ----------
    differences : ndarray (tracks, pairs)
        May hold infinities, no NaN.

    Returns
    -------
    p : ndarray (pairs,)
        1 for a column of zeros.
    lean : ndarray (pairs,)
        Ranks of positive differences less those of negative ones, over their sum: -1 to 1. The one-sided p of its side
        is half of `p`.
    """
    differences = np.round(differences, DIGITS)
    p, lean = np.ones(differences.shape[1]), np.zeros(differences.shape[1])
    for first in range(0, differences.shape[1], _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        p[part], lean[part] = _signed_rank(differences[:, part])
    return p, lean


def _signed_rank(differences: Floats) -> tuple[Floats, Floats]:
    n = differences.shape[0]
    sizes = np.abs(differences)
    order = np.argsort(sizes, axis=0)
    ordered = np.take_along_axis(sizes, order, axis=0)
    tied = (ordered[:1] == 0).any(axis=0) | (ordered[1:] == ordered[:-1]).any(axis=0)
    # Twice the ranks: mean ranks of ties are halves, and sums of them stay whole numbers.
    doubled = 2.0 * np.arange(1, n + 1)
    positive = doubled @ np.take_along_axis(differences > 0, order, axis=0)
    total, squares = (np.full(positive.shape, of.sum()) for of in (doubled, doubled**2))
    ranks = 2.0 * scipy.stats.rankdata(sizes[:, tied], axis=0) * (differences[:, tied] != 0)
    positive[tied] = (ranks * (differences[:, tied] > 0)).sum(axis=0)
    total[tied], squares[tied] = ranks.sum(axis=0), (ranks**2).sum(axis=0)
    nearer = np.minimum(positive, total - positive)
    if n > EXACT:
        spread = np.sqrt(squares) / 2  # given ties and zeros: each rank counts or not
        apart = np.maximum(total / 2 - nearer - 1.0, 0.0)  # 1.0 is the correction for continuity of doubled ranks
        p = 2.0 * scipy.stats.norm.sf(np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0))
    else:
        p = 2.0 * _null(n)[(nearer / 2).astype(np.intp)]
        for column, own in zip(np.flatnonzero(tied), ranks.T, strict=True):
            p[column] = 2.0 * _given_ties(own.astype(np.intp), int(nearer[column]))
    lean = np.divide(2 * positive - total, total, out=np.zeros_like(total), where=total > 0)
    return np.minimum(p, 1.0), lean


@lru_cache(maxsize=64)
def _null(n: int) -> Floats:
    """Return the chance that the ranks of positive differences, without ties, sum up to at most 0, 1, 2, ..."""
    share = np.zeros(n * (n + 1) // 2 + 1)
    share[0] = 1.0
    for rank in range(1, n + 1):  # each rank is positive or negative with probability one half
        share[rank:] = 0.5 * (share[rank:] + share[:-rank])
        share[:rank] *= 0.5
    share = share.cumsum()
    share.flags.writeable = False
    return share


def _given_ties(doubled: np.ndarray[tuple[int, ...], np.dtype[np.intp]], limit: int) -> float:
    """Return the chance of a sum of positive ranks of at most `limit`, by Streitberg and Röhmel's shifts."""
    ways = np.zeros(limit + 1)  # counts of at most 2**50 are exact
    ways[0] = 1.0
    ranks = doubled[doubled > 0]
    for rank in ranks[ranks <= limit]:
        ways[rank:] += ways[: limit + 1 - rank]
    return float(ways.sum()) * 0.5**ranks.size


def walsh_rank(n: int, level: float) -> int:
    """Return which of the sorted averages of two differences ends the interval: 1 the smallest, 0 where none does."""
    tail = (1.0 - level) / 2
    if n <= _EXACT_NULL:
        return int(np.searchsorted(_null(n), tail, side="right"))
    spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return int(n * (n + 1) / 4 - scipy.stats.norm.isf(tail) * spread + 0.5)


def hodges_lehmann(differences: Floats, level: float = 0.95) -> Floats:
    """Return the typical difference of each column with its interval.

    Parameters
    ----------
    differences : ndarray (tracks, pairs)
        May hold infinities, no NaN. An infinite one lies beyond all others; two of opposite sign average to 0.
    level : float
        Of confidence, in (0, 1).

    Returns
    -------
    ndarray (3, pairs)
        The median of the averages of all pairs of tracks (each with itself, too), and the ends of the interval, NaN
        where the tracks are too few for the level.
    """
    n = differences.shape[0]
    differences = np.round(differences, DIGITS)
    averages = np.empty(n * (n + 1) // 2)  # the one large array: 5,000 tracks have 100 MB of averages
    starts = np.cumsum([0, *range(n, 1, -1)]).tolist()  # of those with the first difference, the second ...
    k = walsh_rank(n, level)
    middle = averages.size // 2
    places = sorted({middle, (averages.size - 1) // 2, *([k - 1, averages.size - k] if k else [])})
    found = np.full((3, differences.shape[1]), np.nan)
    finite = np.abs(differences, where=np.isfinite(differences), out=np.zeros(differences.shape))
    far = 8.0 * max(float(finite.max(initial=0.0)), 1.0)  # stands for infinity: its averages exceed all others
    for column, own in enumerate(np.clip(differences, -far, far).T):
        for i, start in enumerate(starts):
            np.add(own[i:], own[i], out=averages[start : start + n - i])
        averages /= 2
        averages.partition(places)
        ends = (averages[k - 1], averages[-k]) if k else (np.nan, np.nan)
        found[:, column] = (averages[(averages.size - 1) // 2] + averages[middle]) / 2, *ends
    return np.where(np.abs(found) > far / 4, np.copysign(np.inf, found), found)
