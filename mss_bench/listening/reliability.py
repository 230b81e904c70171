"""How far listeners agree: with each other, and with themselves.

References
----------
.. [1] K. Krippendorff, "Computing Krippendorff's alpha-reliability", University of Pennsylvania, 2011.
.. [2] P. E. Shrout, J. L. Fleiss, "Intraclass correlations: uses in assessing rater reliability", Psychological
   Bulletin 86(2), 1979.
.. [3] K. O. McGraw, S. P. Wong, "Forming inferences about some intraclass correlation coefficients", Psychological
   Methods 1(1), 1996.
.. [4] L. I-K. Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45, 1989; corrected
   in Biometrics 56, 2000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.errors import UnknownNameError
from mss_bench.listening.bootstrap import LEVEL
from mss_bench.listening.ratings import SAME_SIGNAL, Role, song_of
from mss_bench.listening.sheets import RatingsError
from mss_bench.stats.units import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "LEVELS", "Agreement", "alpha_of_songs", "concordance", "consistency_of_listeners", "icc", "krippendorff_alpha",
    "rating_units", "replicate_pairs",
]  # fmt: skip

LEVELS = ("nominal", "ordinal", "interval", "ratio")
"""Levels of measurement that differences of scores are taken at; alphas of different levels do not compare."""


@dataclass(frozen=True)
class Agreement:
    """A coefficient with its interval and how many it was taken over."""

    value: float
    low: float
    high: float
    n: int


def rating_units(ratings: pd.DataFrame, *, everything: bool = False) -> pd.DataFrame:
    """Return what was rated by whom: index item and system, columns listeners, replicates averaged, NaN for gaps.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target.
    everything : bool
        Hidden references and anchors too; they are easy to agree on, and raise every coefficient.
    """
    own = ratings if everything else ratings[ratings["role"] == Role.TEST]
    return own.groupby(["item", "system", "listener"])["score"].mean().unstack("listener")


def krippendorff_alpha(units: Floats, level: str = "interval") -> float:
    """Compute Krippendorff's alpha [1]_, ``1 - D_o / D_e``.

    Parameters
    ----------
    units : (units, observers) array
        NaN where an observer did not rate. Units with one rating do not count.
    level : {"nominal", "ordinal", "interval", "ratio"}
        What a difference of two values is.

    Returns
    -------
    float
        1 at full agreement, 0 where observers agree as by chance; NaN where all values are alike.

    Raises
    ------
    UnknownNameError
        The level is not known.
    RatingsError
        No unit has two ratings, or a ratio level meets negative values.
    """
    if level not in LEVELS:
        raise UnknownNameError("level of measurement", level, LEVELS)
    counted = units[(~np.isnan(units)).sum(axis=1) >= 2]
    if not len(counted):
        raise RatingsError("Krippendorff's alpha needs something that two listeners rated")
    values, codes = np.unique(counted[~np.isnan(counted)], return_inverse=True)
    if level == "ratio" and values[0] < 0:
        raise RatingsError(f"the ratio level needs a scale from 0 up, got {values[0]:g}")
    # Units by distinct values, how often each was given: [1]_'s table, in which pairs of ratings are products.
    counts = np.zeros((len(counted), values.size))
    np.add.at(counts, (np.nonzero(~np.isnan(counted))[0], codes), 1)
    apart = _differences(values, counts.sum(axis=0), level)
    # A unit of m ratings has m (m - 1) pairs, and counts as m values: hence the m - 1 below.
    pairable = counts.sum(axis=1)
    observed = float((((counts @ apart) * counts).sum(axis=1) / (pairable - 1)).sum())
    totals = counts.sum(axis=0)
    expected = float(totals @ apart @ totals) / (float(totals.sum()) - 1)
    return 1 - observed / expected if expected > 0 else math.nan


def alpha_of_songs(ratings: pd.DataFrame) -> pd.DataFrame:
    """Compute Krippendorff's alpha on each song: a low one is of a song on which listeners do not agree.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target; references and anchors take no part.

    Returns
    -------
    DataFrame
        Index song, the lowest alpha first; ``alpha``, ``n`` signals that two listeners rated or more, ``listeners``.
        NaN of fewer than two signals: one alone has nothing to differ from.
    """
    import pandas as pd

    units = rating_units(ratings)
    rows = {}
    for song, own in units.groupby(units.index.get_level_values("item").map(song_of)):
        values = own.to_numpy(dtype=np.float64)
        n = int(((~np.isnan(values)).sum(axis=1) >= 2).sum())
        alpha = krippendorff_alpha(values) if n >= 2 else math.nan
        rows[str(song)] = (alpha, n, int((~np.isnan(values)).any(axis=0).sum()))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["alpha", "n", "listeners"]).rename_axis("song")
    return table.sort_values("alpha", kind="stable")


def _differences(values: Floats, totals: Floats, level: str) -> Floats:
    """Squared differences of values, at a level of measurement."""
    if level == "nominal":
        return 1.0 - np.eye(values.size)
    if level == "ordinal":
        # Of ordinal values nothing counts but how many ratings lie between them.
        middle = np.cumsum(totals) - totals / 2
        return np.asarray((middle[:, None] - middle) ** 2)
    apart = values[:, None] - values
    if level == "ratio":
        whole = values[:, None] + values
        apart = np.divide(apart, whole, out=np.zeros_like(apart), where=whole != 0)
    return np.asarray(apart**2)


def icc(units: Floats, *, average: bool = False) -> Agreement:
    """Compute the intraclass correlation of two-way random effects, absolute agreement [2]_.

    Parameters
    ----------
    units : (units, raters) array
        Complete.
    average : bool
        ICC(2,k), how reliable the mean of all raters is; else ICC(2,1), a single rater. Interval after [3]_.

    Raises
    ------
    RatingsError
        Missing values, or fewer than 2 units or raters.
    """
    from scipy import stats

    n, k = units.shape
    if n < 2 or k < 2 or np.isnan(units).any():
        raise RatingsError(f"an intraclass correlation needs a complete table of at least 2 x 2, got {n} x {k} with "
                           f"{int(np.isnan(units).sum())} gaps")  # fmt: skip
    grand = units.mean()
    between = k * float(((units.mean(axis=1) - grand) ** 2).sum()) / (n - 1)
    raters = n * float(((units.mean(axis=0) - grand) ** 2).sum()) / (k - 1)
    error = (float(((units - grand) ** 2).sum()) - (n - 1) * between - (k - 1) * raters) / ((n - 1) * (k - 1))
    single = (between - error) / (between + (k - 1) * error + k * (raters - error) / n)
    if error <= 0:  # raters differ by constants alone: the interval's formulas divide by the error
        return Agreement(single, math.nan, math.nan, n)
    a, b = k * single / (n * (1 - single)), 1 + k * single * (n - 1) / (n * (1 - single))
    freedom = (a * raters + b * error) ** 2 / ((a * raters) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1)))
    # Satterthwaite's degrees of freedom, for the interval is of a ratio of sums of mean squares.
    below, above = stats.f.ppf((1 + LEVEL) / 2, n - 1, freedom), stats.f.ppf((1 + LEVEL) / 2, freedom, n - 1)
    rest = k * raters + (k * n - k - n) * error
    low = n * (between - below * error) / (below * rest + n * between)
    high = n * (above * between - error) / (rest + n * above * between)
    if not average:
        return Agreement(single, float(low), float(high), n)
    value = (between - error) / (between + (raters - error) / n)
    low, high = (k * end / (1 + (k - 1) * end) for end in (low, high))
    return Agreement(value, float(low), float(high), n)


def replicate_pairs(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return each replicate beside its original: ``listener``, ``item``, ``system``, ``role``, ``first``, ``again``."""
    scores = ratings[[*SAME_SIGNAL, "score"]]
    first = scores[~ratings["replicate"]].rename(columns={"score": "first"})
    again = scores[ratings["replicate"]].rename(columns={"score": "again"})
    return first.merge(again, on=SAME_SIGNAL)[["listener", "item", "system", "role", "first", "again"]]


def concordance(first: Floats, again: Floats) -> Agreement:
    """Compute Lin's concordance correlation [4]_: how near pairs lie to the line of equality.

    Parameters
    ----------
    first, again : (n,) arrays

    Returns
    -------
    Agreement
        With an interval by Fisher's z; NaN of fewer than 3 pairs or where nothing spreads.
    """
    from scipy import stats

    n = first.size
    spread = first.var() + again.var() + (first.mean() - again.mean()) ** 2
    if n < 3 or first.var() == 0 or again.var() == 0:
        return Agreement(math.nan, math.nan, math.nan, n)
    value = 2 * float(((first - first.mean()) * (again - again.mean())).mean()) / float(spread)
    r = float(np.corrcoef(first, again)[0, 1])
    if abs(value) >= 1 - 1e-12 or abs(r) < 1e-12:  # Fisher's z or the variance below has no finite value
        end = value if abs(r) > 1e-12 else math.nan
        return Agreement(value, end, end, n)
    shift = float((first.mean() - again.mean()) / math.sqrt(first.std() * again.std()))
    variance = (
        (1 - r**2) * value**2 / ((1 - value**2) * r**2)
        + 2 * value**3 * (1 - value) * shift**2 / (r * (1 - value**2) ** 2)
        - value**4 * shift**4 / (2 * r**2 * (1 - value**2) ** 2)
    ) / (n - 2)
    half = stats.norm.ppf((1 + LEVEL) / 2) * math.sqrt(max(variance, 0.0))
    return Agreement(value, math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half), n)


def consistency_of_listeners(ratings: pd.DataFrame) -> pd.DataFrame:
    """Compute the concordance of each listener's scores in trials that came again.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target; references and anchors, which are easy to rate alike, take no part.

    Returns
    -------
    DataFrame
        Index listener, the least consistent first; ``ccc``, ``low``, ``high`` as `concordance` gives them, and ``n``
        pairs. Empty where nothing came again.
    """
    import pandas as pd

    pairs = replicate_pairs(ratings[ratings["role"] == Role.TEST])
    rows = {}
    for listener, own in pairs.groupby("listener"):
        found = concordance(*(own[name].to_numpy(dtype=np.float64) for name in ("first", "again")))
        rows[str(listener)] = (found.value, found.low, found.high, found.n)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["ccc", "low", "high", "n"]).rename_axis("listener")
    return table.sort_values("ccc", kind="stable")
