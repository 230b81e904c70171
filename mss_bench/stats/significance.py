"""Tests of whether methods differ, on a matrix tracks x methods of scores.

Friedman's test asks whether any methods differ at all; post hoc tests say which pairs do. All but the one named
``conover_iman`` are paired by track, as the design is: every method separates the same tracks. Only the order of the
scores matters (Wilcoxon: the order of their differences), so perfect estimates (inf) take part like any other.

References
----------
.. [1] M. Friedman, "The use of ranks to avoid the assumption of normality implicit in the analysis of variance",
   J. Am. Stat. Assoc. 32, 1937.
.. [2] M. G. Kendall, B. Babington Smith, "The problem of m rankings", Ann. Math. Stat. 10, 1939.
.. [3] R. L. Iman, J. M. Davenport, "Approximations of the critical region of the Friedman statistic",
   Comm. Stat. A 9, 1980.
.. [4] W. J. Conover, R. L. Iman, "On multiple-comparisons procedures", Los Alamos LA-7677-MS, 1979.
.. [5] W. J. Conover, Practical Nonparametric Statistics, 3rd ed., Wiley 1999, 5.2 and 5.8.
.. [6] P. Nemenyi, Distribution-free multiple comparisons, PhD thesis, Princeton 1963.
.. [7] J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006.
.. [8] S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6, 1979.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.stats.choices import POSTHOC
from mss_bench.stats.matrix import ScoreMatrix, check_matrix
from mss_bench.stats.signed_rank import wilcoxon
from mss_bench.stats.units import difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CORRECTIONS", "POSTHOC", "FriedmanResult", "correct", "friedman", "posthoc", "rank_variance"]

CORRECTIONS = ("holm", "bonferroni", "none")
"""Corrections for the number of pairs."""


@dataclass(frozen=True)
class FriedmanResult:
    """Friedman's test with its effect size.

    Where every track ties all methods there is no evidence of any difference: statistic 0, p 1, W 0.
    """

    statistic: float  # chi-square, corrected for ties
    df: int
    p: float
    w: float  # Kendall's W: 0 no agreement of the tracks on the order of methods, 1 full agreement
    f: float  # Iman and Davenport's F, less conservative than chi-square; inf at full agreement
    f_df: tuple[int, int]
    f_p: float
    n_tracks: int
    n_separators: int


def friedman(matrix: pd.DataFrame | ScoreMatrix) -> FriedmanResult:
    """Run Friedman's test [1]_ of whether any of three or more methods differ, with Kendall's W [2]_.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Scores, index tracks, columns methods; no NaN.

    Returns
    -------
    FriedmanResult
        Chi-square is an approximation that needs about ten tracks; with fewer, `f_p` [3]_ is the better p.

    Raises
    ------
    RunError
        Fewer than 3 methods or 3 tracks, or a malformed matrix.

    Examples
    --------
    >>> import pandas as pd
    >>> test = friedman(pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 3, 4, 5], "c": [3, 4, 5, 6]}))
    >>> test.statistic, test.w
    (8.0, 1.0)
    """
    values, _ = check_matrix(matrix, "the Friedman test", min_separators=3)
    n, k = values.shape
    statistic = 0.0
    if (values != values[:, :1]).any():
        statistic = float(scipy.stats.friedmanchisquare(*values.T).statistic)
    w = min(statistic / (n * (k - 1)), 1.0)
    f_df = (k - 1, (k - 1) * (n - 1))
    # 1 - w is rounding error where all tracks agree
    f = (n - 1) * w / (1.0 - w) if 1.0 - w > 1e-12 else math.inf
    p, f_p = float(scipy.stats.chi2.sf(statistic, k - 1)), float(scipy.stats.f.sf(f, *f_df))
    return FriedmanResult(statistic, k - 1, p, w, f, f_df, f_p, n, k)


def posthoc(matrix: pd.DataFrame | ScoreMatrix, method: str = "conover", correction: str | None = None) -> pd.DataFrame:
    """Return the p values of all pairs of methods.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Scores, index tracks, columns methods; no NaN. The correction is for all pairs of the matrix, so leave out the
        methods that the question is not about.
    method : {"conover", "nemenyi", "wilcoxon", "conover_iman"}
        - ``conover``: t test on rank sums after Friedman's test [5]_; the default, the most powerful;
        - ``nemenyi``: studentised range on mean ranks [6]_ [7]_; its p depend on how many methods there are, and it
          holds for the family of pairs by itself;
        - ``wilcoxon``: signed ranks of the differences of each pair alone, as `mss_bench.stats.signed_rank.wilcoxon`
          has them; its p do not depend on the other methods;
        - ``conover_iman``: t test on ranks over all tracks and methods, *not* paired [4]_. It throws away that the
          tracks are the same; what SiSEC 2018 published.
    correction : {"holm", "bonferroni", "none"}, optional
        For the number of pairs. By default Holm's [8]_, and none where the test has it built in (Nemenyi) or the
        publication had none (``conover_iman``).

    Returns
    -------
    DataFrame
        Symmetric, index and columns methods in the order of the matrix, diagonal 1. Two methods that tie on every
        track have p 1.

    Raises
    ------
    UnknownNameError
        The test or correction is not known.
    ConfigError
        A correction on top of Nemenyi's own.
    RunError
        Fewer than 2 methods or 3 tracks, or a malformed matrix.
    """
    import pandas as pd

    if method not in POSTHOC:
        raise UnknownNameError("post hoc test", method, POSTHOC)
    if correction is None:
        correction = "none" if method in ("nemenyi", "conover_iman") else "holm"
    if correction not in CORRECTIONS:
        raise UnknownNameError("correction", correction, CORRECTIONS)
    if method == "nemenyi" and correction != "none":
        raise ConfigError(
            f"Nemenyi's test holds for all pairs by itself, got correction {correction!r}; use 'none', or 'conover'"
        )
    values, names = check_matrix(matrix, f"{POSTHOC[method].split(',')[0]}")
    i, j = np.triu_indices(len(names), 1)
    p = np.ones((len(names), len(names)))
    p[i, j] = p[j, i] = correct(_TESTS[method](values)[i, j], correction)
    return pd.DataFrame(p, index=pd.Index(names), columns=pd.Index(names))


def correct(p: Floats, correction: str = "holm") -> Floats:
    """Return the p values of a family of tests, corrected for their number.

    Parameters
    ----------
    p : ndarray (tests,)
        In [0, 1].
    correction : {"holm", "bonferroni", "none"}
        Holm's [8]_ holds wherever Bonferroni's does and rejects at least as much.

    Returns
    -------
    ndarray (tests,)
        In the order of `p`.

    Raises
    ------
    UnknownNameError
        The correction is not known.
    """
    if correction not in CORRECTIONS:
        raise UnknownNameError("correction", correction, CORRECTIONS)
    if correction == "none":
        return p
    if correction == "bonferroni":
        return np.asarray(np.minimum(p * p.size, 1.0))
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def rank_variance(ranks: Floats) -> tuple[float, int]:
    """Return the variance of a difference of two rank sums in Conover's test, and its degrees of freedom.

    Parameters
    ----------
    ranks : ndarray (tracks, methods)
        Ranks within each track.

    Returns
    -------
    variance : float
        0 where all tracks agree on the order of the methods, or all methods tie.
    df : int
    """
    n, k = ranks.shape
    df = (n - 1) * (k - 1)
    within = float((ranks**2).sum()) - float((ranks.sum(axis=0) ** 2).sum()) / n
    variance = 2.0 * n * within / df
    return (variance if variance > 1e-9 * n else 0.0), df


def _rank_sums_apart(ranks: Floats) -> Floats:
    sums = ranks.sum(axis=0)
    return np.asarray(np.abs(sums[:, None] - sums))


def _ratio(apart: Floats, scale: float | Floats) -> Floats:
    """``apart / scale``: 0 where nothing is apart, inf where something is and its scale is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(apart == 0, 0.0, apart / scale))


def _conover(values: Floats) -> Floats:
    ranks = scipy.stats.rankdata(values, axis=1)
    variance, df = rank_variance(ranks)
    return np.asarray(2.0 * scipy.stats.t.sf(_ratio(_rank_sums_apart(ranks), math.sqrt(variance)), df))


def _nemenyi(values: Floats) -> Floats:
    n, k = values.shape
    apart = _rank_sums_apart(scipy.stats.rankdata(values, axis=1)) / n
    i, j = np.triu_indices(k, 1)
    p = np.ones((k, k))
    p[i, j] = scipy.stats.studentized_range.sf(apart[i, j] / math.sqrt(k * (k + 1) / (12.0 * n)), k, np.inf)
    return np.minimum(p, 1.0)


def _wilcoxon(values: Floats) -> Floats:
    i, j = np.triu_indices(values.shape[1], 1)
    p = np.ones((values.shape[1], values.shape[1]))
    p[i, j] = wilcoxon(difference(values[:, i], values[:, j]))
    return p


def _conover_iman(values: Floats) -> Floats:
    n, k = values.shape
    total = n * k
    ranks = scipy.stats.rankdata(values).reshape(n, k)
    variance = float(((ranks - (total + 1) / 2) ** 2).sum()) / (total - 1)
    between = n * float(((ranks.mean(axis=0) - (total + 1) / 2) ** 2).sum())
    within = max(variance * (total - 1) - between, 0.0) / (total - k)
    apart = _rank_sums_apart(ranks) / n
    return np.asarray(2.0 * scipy.stats.t.sf(_ratio(apart, math.sqrt(2.0 * within / n)), total - k))


_TESTS: dict[str, Callable[[Floats], Floats]] = {
    "conover": _conover,
    "nemenyi": _nemenyi,
    "wilcoxon": _wilcoxon,
    "conover_iman": _conover_iman,
}
