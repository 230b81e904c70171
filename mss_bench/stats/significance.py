"""Tests of whether methods differ, on a matrix tracks x methods of scores.

Which pairs differ is asked of the paired scores of each pair alone, by Wilcoxon's test. Tests on ranks pooled over all
methods (Conover, Nemenyi) are there by name, to reproduce publications: whether two methods differ depends on the
others in them, and two equal methods beside clearly different ones are called different in 19 to 73 % of draws at a
nominal 5 % (Conover, 3 to 30 methods). Friedman's test says how much the tracks agree on the order of the methods
(Kendall's W); it is no permission to look at pairs, for it protects none of them.

All tests but the one named ``conover_iman`` are paired by track, as the design is: every method separates the same
tracks. Only the order of the scores matters (Wilcoxon: the order of their differences), so perfect estimates (inf) take
part like any other; ``maxt`` alone takes the numbers themselves.

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
.. [9] Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57, 1995.
.. [10] P. H. Westfall, S. S. Young, Resampling-Based Multiple Testing, Wiley 1993.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.stats.choices import CORRECTIONS, POSTHOC
from mss_bench.stats.matrix import ScoreMatrix, check_matrix
from mss_bench.stats.signed_rank import DIGITS, wilcoxon
from mss_bench.stats.units import difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BUILT_IN", "CORRECTIONS", "POSTHOC", "FriedmanResult", "correct", "friedman", "posthoc", "rank_variance", "usual",
]  # fmt: skip

BUILT_IN = ("maxt", "nemenyi")
"""Tests that hold for all pairs by themselves."""

_FLIPS = 10_000  # random sign flips, where all patterns would be more: up to 13 tracks they are fewer
_ENUMERATED = 14
_AT_ONCE = 4_000_000  # statistics in memory at a time


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


def usual(method: str) -> str:
    """Return the correction that a test has by default: Holm's, or none where it is built in or was never published."""
    return "none" if method in (*BUILT_IN, "conover_iman") else "holm"


def posthoc(
    matrix: pd.DataFrame | ScoreMatrix, method: str = "wilcoxon", correction: str | None = None
) -> pd.DataFrame:
    """Return the p values of all pairs of methods.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Scores, index tracks, columns methods; no NaN. The correction is for all pairs of the matrix, so leave out the
        methods that the question is not about.
    method : {"wilcoxon", "maxt", "conover", "nemenyi", "conover_iman"}
        - ``wilcoxon``: signed ranks of the differences of each pair alone, as `mss_bench.stats.signed_rank` has them:
          the default; its p (uncorrected) do not depend on the other methods;
        - ``maxt``: the largest of all pairs' t statistics where the differences of whole tracks change their signs at
          random, step by step [10]_. It holds for the family by itself, and is the one with power at 6 to 8 tracks;
          scores must be finite;
        - ``conover``: t test on rank sums after Friedman's test [5]_;
        - ``nemenyi``: studentised range on mean ranks [6]_ [7]_; it holds for the family by itself;
        - ``conover_iman``: t test on ranks over all tracks and methods, *not* paired [4]_. It throws away that the
          tracks are the same; what SiSEC 2018 published.
    correction : {"holm", "bonferroni", "bh", "none"}, optional
        For the number of pairs. By default Holm's [8]_, and none where the test has it built in (``maxt``, ``nemenyi``)
        or the publication had none (``conover_iman``).

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
        A correction on top of a test's own.
    RunError
        Fewer than 2 methods or 3 tracks, a malformed matrix, or infinite scores for ``maxt``.
    """
    import pandas as pd

    if method not in POSTHOC:
        raise UnknownNameError("post hoc test", method, POSTHOC)
    correction = usual(method) if correction is None else correction
    if correction not in CORRECTIONS:
        raise UnknownNameError("correction", correction, CORRECTIONS)
    if method in BUILT_IN and correction != "none":
        raise ConfigError(
            f"the test {method!r} holds for all pairs by itself, got correction {correction!r}; use 'none'"
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
    correction : {"holm", "bonferroni", "bh", "none"}
        Holm's [8]_ holds wherever Bonferroni's does and rejects at least as much. ``bh`` [9]_ bounds the share of false
        ones among the rejected, not the chance that there is any.

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
    if correction == "bh":
        stepped = np.minimum.accumulate((p[order] * p.size / np.arange(1, p.size + 1))[::-1])[::-1]
    else:
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


def _maxt(values: Floats) -> Floats:
    if not np.isfinite(values).all():
        raise RunError("the test 'maxt' needs finite scores; use 'wilcoxon'")
    n, k = values.shape
    i, j = np.triu_indices(k, 1)
    apart = np.round(values[:, i] - values[:, j], DIGITS)
    scale = np.sqrt((apart**2).sum(axis=0))
    apart = np.divide(apart, scale, out=np.zeros_like(apart), where=scale > 0)  # t grows with the sum of these
    observed = np.abs(apart.sum(axis=0))
    if n < _ENUMERATED:  # half of the patterns: the others are their negatives
        signs = 1.0 - 2 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (_FLIPS, n))
        signs[0] = 1.0  # the observed pattern, without which p could be 0
    order = np.argsort(observed)
    reached = np.zeros(observed.size)
    step = max(_AT_ONCE // max(observed.size, 1), 1)
    for first in range(0, len(signs), step):
        flipped = np.abs(signs[first : first + step] @ apart[:, order])
        # A pair is held against all that are no further apart than it.
        reached += (np.maximum.accumulate(flipped, axis=1) >= observed[order] - 1e-9).sum(axis=0)
    p = np.ones((k, k))
    p[i[order], j[order]] = np.maximum.accumulate((reached / len(signs))[::-1])[::-1]
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
    "wilcoxon": _wilcoxon,
    "maxt": _maxt,
    "conover": _conover,
    "nemenyi": _nemenyi,
    "conover_iman": _conover_iman,
}
