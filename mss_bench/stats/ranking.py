"""Ranks of methods with their uncertainty, and the bars of a critical-difference diagram.

References
----------
.. [1] J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006.
.. [2] P. Hall, H. Miller, "Using the bootstrap to quantify the authority of an empirical ranking", Ann. Stat. 37, 2009.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.matrix import ScoreMatrix, check_level, check_matrix
from mss_bench.stats.resample import STATISTICS, check_bootstrap, parts_of, resampled, statistic_of
from mss_bench.stats.significance import rank_variance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RANK_COLUMNS", "critical_difference", "groups", "mean_ranks", "ranks"]

RANK_COLUMNS = ("value", "rank", "rank_low", "rank_high", "first", "mean_rank", "statistic", "level", "n_tracks")
"""Columns of a table of ranks."""


def mean_ranks(matrix: pd.DataFrame | ScoreMatrix, *, higher_is_better: bool = True) -> pd.Series[float]:
    """Return each method's rank within a track, 1 the best and ties shared, as a mean over tracks.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Scores, index tracks, columns methods; no NaN.
    higher_is_better : bool
        Of the metric; a `ScoreMatrix` knows and is not asked.

    Returns
    -------
    Series
        Sorted, the best first; methods that tie in the order of the matrix.

    Raises
    ------
    RunError
        Fewer than 3 tracks or 2 methods, or a malformed matrix.
    """
    import pandas as pd

    values, methods = check_matrix(matrix, "a ranking")
    means = scipy.stats.rankdata(-_better(matrix, values, higher_is_better), axis=1).mean(axis=0)
    return pd.Series(means, index=pd.Index(methods, name="separator")).sort_values(kind="stable")


def ranks(
    matrix: pd.DataFrame | ScoreMatrix,
    statistic: str = "median",
    *,
    higher_is_better: bool = True,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return ranks of the methods and between which ranks they lie for other tracks of the same kind [2]_.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Scores, index tracks, columns methods; no NaN.
    statistic : {"median", "mean", "mean_rank"}
        What methods are ranked by, over tracks.
    higher_is_better : bool
        Of the metric; a `ScoreMatrix` knows and is not asked.
    level, draws, seed
        As for `mss_bench.stats.intervals.intervals`.

    Returns
    -------
    DataFrame
        Index methods, the best first; columns `RANK_COLUMNS`. ``rank`` is 1 for the best, and methods that tie share
        the mean of their ranks: where all tie, nobody is first. ``rank_low`` to ``rank_high`` is the bootstrap's
        percentile interval, a tie counting as its lowest and highest rank. ``first`` is the share of draws in which
        the method is the best, ties divided.

    Raises
    ------
    RunError
        Fewer than 3 tracks or 2 methods, or a malformed matrix.
    UnknownNameError, ConfigError
        The statistic is not known; level or draws are out of range.
    """
    import pandas as pd

    if statistic not in (*STATISTICS, "mean_rank"):
        raise UnknownNameError("statistic", statistic, (*STATISTICS, "mean_rank"))
    over = "mean" if statistic == "mean_rank" else statistic
    check_bootstrap(over, level, draws)
    values, methods = check_matrix(matrix, "a ranking")
    better = _better(matrix, values, higher_is_better)
    within = scipy.stats.rankdata(-better, axis=1)
    sign = 1.0 if better is values else -1.0
    ranked_by = -within[None] if statistic == "mean_rank" else sign * parts_of(matrix, values)
    central = statistic_of(ranked_by, over)
    drawn = resampled(ranked_by, over, draws=draws, seed=seed)
    ordered = -np.round(drawn, 9)  # rounding of means must not break ties
    lowest, highest = (scipy.stats.rankdata(ordered, method=method, axis=1) for method in ("min", "max"))
    first = (lowest == 1) / (highest - lowest + 1)
    columns = (
        central * (-1 if statistic == "mean_rank" or better is not values else 1),
        scipy.stats.rankdata(-np.round(central, 9)),
        np.quantile(lowest, (1 - level) / 2, axis=0, method="lower").astype(np.int64),
        np.quantile(highest, (1 + level) / 2, axis=0, method="higher").astype(np.int64),
        first.mean(axis=0),
        within.mean(axis=0),
        statistic,
        level,
        values.shape[0],
    )
    table = pd.DataFrame(dict(zip(RANK_COLUMNS, columns, strict=True)), index=pd.Index(methods, name="separator"))
    return table.sort_values("rank", kind="stable")


def groups(p: pd.DataFrame, order: Sequence[str], alpha: float = 0.05) -> list[list[str]]:
    """Return the groups of methods that are statistically tied: the bars of a critical-difference diagram [1]_.

    Parameters
    ----------
    p : DataFrame
        From `mss_bench.stats.significance.posthoc`.
    order : sequence of str
        Methods from best to worst, e.g. the index of `mean_ranks`.
    alpha : float
        Level of the test, in (0, 1).

    Returns
    -------
    list of list of str
        The longest runs of two or more neighbours in `order` of which no pair differs (p >= alpha); they may overlap. A
        method in none of them differs from both its neighbours. Right for Nemenyi's test alone, where what lies between
        two methods that do not differ does not differ from them either: elsewhere runs lose pairs, and
        `mss_bench.stats.verdicts.cliques` has all groups.

    Raises
    ------
    UnknownNameError
        `order` names a method without p values.
    RunError
        P values are missing.
    ConfigError
        `alpha` is out of range.
    """
    tied = _tied(p, order, alpha)
    tied_groups: list[list[str]] = []
    reached = 0
    for first in range(len(order)):
        end = first + 1
        while end < len(order) and tied[end, first:end].all():
            end += 1
        if end > reached and end - first > 1:
            tied_groups.append(list(order[first:end]))
        reached = max(reached, end)
    return tied_groups


def critical_difference(matrix: pd.DataFrame | ScoreMatrix, test: str = "nemenyi", alpha: float = 0.05) -> float:
    """Return the least difference of mean ranks at which two methods differ.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Scores, index tracks, columns methods; no NaN.
    test : {"nemenyi", "conover"}
        Nemenyi's holds for all pairs; Conover's for one pair, uncorrected.
    alpha : float
        Level of the test, in (0, 1).

    Returns
    -------
    float
        In ranks. 0 by Conover's test where all tracks agree on the order of the methods.

    Raises
    ------
    RunError
        Fewer than 3 tracks or 2 methods, or a malformed matrix.
    UnknownNameError, ConfigError
        The test is not known; `alpha` is out of range.
    """
    check_level("alpha", alpha)
    values, _ = check_matrix(matrix, "a critical difference")
    n, k = values.shape
    if test == "nemenyi":
        return float(scipy.stats.studentized_range.ppf(1 - alpha, k, np.inf) * math.sqrt(k * (k + 1) / (12.0 * n)))
    if test == "conover":
        variance, df = rank_variance(scipy.stats.rankdata(values, axis=1))
        return float(scipy.stats.t.isf(alpha / 2, df) * math.sqrt(variance) / n)
    raise UnknownNameError("test with a critical difference", test, ("conover", "nemenyi"))


def _better(matrix: pd.DataFrame | ScoreMatrix, values: Floats, higher_is_better: bool) -> Floats:
    """Return the values, negated where lower is better."""
    higher = matrix.higher_is_better if isinstance(matrix, ScoreMatrix) else higher_is_better
    return values if higher else -values


def _tied(p: pd.DataFrame, order: Sequence[str], alpha: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which pairs do not differ, in the order given."""
    check_level("alpha", alpha)
    for name in order:
        if name not in p.index or name not in p.columns:
            raise UnknownNameError("separator", name, map(str, p.index))
    values = p.loc[list(order), list(order)].to_numpy(dtype=np.float64)
    if np.isnan(values).any():
        raise RunError("the table of p values holds NaN; make it with posthoc, which never does")
    return values >= alpha
