"""Bootstrap confidence intervals over tracks, paired: of medians, means and differences.

Tracks are resampled, the same for every method, so that what is easy in a track is easy for all. Means have BCa
intervals (bias-corrected and accelerated [1]_), which are right for skewed scores. Medians have percentile intervals:
the bootstrap distribution of a median is a few tied values, on which BCa's corrections break.

The intervals say how far the number may be off for *other tracks of the same kind*. They know nothing of the noise of
training a method anew.

References
----------
.. [1] B. Efron, "Better bootstrap confidence intervals", J. Am. Stat. Assoc. 82, 1987.
.. [2] B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, Chapman & Hall 1993, 13.3 and 14.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.stats.matrix import ScoreMatrix, check_matrix, check_pairs
from mss_bench.stats.resample import check_bootstrap, parts_of, quantiles, resampled, statistic_of
from mss_bench.stats.units import Bools, difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["INTERVAL_COLUMNS", "bootstrap", "differences"]

INTERVAL_COLUMNS = ("value", "low", "high", "interval", "level", "statistic", "n_tracks", "draws", "seed")
"""Columns of a table of intervals; ``interval`` says which kind it is, ``bca`` or ``percentile``."""

_PAIRS_AT_ONCE = 256  # 10,000 draws of them are 20 MB


def bootstrap(
    matrix: pd.DataFrame | ScoreMatrix,
    statistic: str = "median",
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    drawn: Floats | None = None,
) -> pd.DataFrame:
    """Return confidence intervals of each method's median or mean over tracks.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Scores, index tracks, columns methods; no NaN.
    statistic : {"median", "mean"}
        What the aggregate is.
    level : float
        Of confidence, in (0, 1).
    draws : int
        Resamples, at least 100.
    seed : int
        The same seed gives the same intervals, whatever the other methods and their order.
    drawn : ndarray (draws, methods), optional
        The statistic on these resamples, where it is known already.

    Returns
    -------
    DataFrame
        Index methods in the order of the matrix, columns `INTERVAL_COLUMNS`. ``interval`` is ``bca`` for means and
        ``percentile`` for medians, as well as for means of scores that are all alike, on one side of all draws, or
        infinite, where BCa is not defined.

    Raises
    ------
    RunError
        Fewer than 3 tracks, no method, or a malformed matrix.
    UnknownNameError, ConfigError
        The statistic is not known; level or draws are out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> table = bootstrap(pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0, 9.0]}), "mean", draws=1000)
    >>> bool(table.loc["a", "low"] < table.loc["a", "value"] < table.loc["a", "high"])
    True
    """
    import pandas as pd

    check_bootstrap(statistic, level, draws)
    values, methods = check_matrix(matrix, "a confidence interval", min_separators=1)
    columns = _intervals(values, statistic, level, draws, seed, parts_of(matrix, values), drawn)
    return pd.DataFrame(columns, index=pd.Index(methods, name="separator"))


def differences(
    matrix: pd.DataFrame | ScoreMatrix,
    statistic: str = "median",
    *,
    pairs: Collection[tuple[str, str]] | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return confidence intervals of the median or mean over tracks of the differences *a - b*.

    The median of the differences is not the difference of the medians; of means the two are one.

    Parameters
    ----------
    matrix, statistic, level, draws, seed
        As for `bootstrap`.
    pairs : collection of (a, b), optional
        Names of methods; by default every pair once. Improvements over the floor are
        ``[(m, "mixture") for m in methods]``.

    Returns
    -------
    DataFrame
        Columns ``a``, ``b`` and `INTERVAL_COLUMNS`, one row a pair. Two equal infinities differ by 0.

    Raises
    ------
    RunError, UnknownNameError, ConfigError
        As for `bootstrap`, and where a pair names a method that is not there.
    """
    import pandas as pd

    check_bootstrap(statistic, level, draws)
    values, methods = check_matrix(matrix, "a confidence interval of a difference")
    chosen = check_pairs(pairs, methods)
    names = pd.DataFrame([(methods[a], methods[b]) for a, b in chosen], columns=["a", "b"])
    parts = []
    for first in range(0, len(chosen), _PAIRS_AT_ONCE):
        a, b = np.array(chosen[first : first + _PAIRS_AT_ONCE]).T
        apart = difference(values[:, a], values[:, b])
        parts.append(pd.DataFrame(_intervals(apart, statistic, level, draws, seed)))
    intervals = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(INTERVAL_COLUMNS))
    return pd.concat([names, intervals], axis=1)


def _intervals(
    values: Floats, statistic: str, level: float, draws: int, seed: int,
    parts: Floats | None = None, drawn: Floats | None = None,
) -> dict[str, object]:  # fmt: skip
    parts = values if parts is None else parts
    value = statistic_of(parts, statistic)
    drawn = resampled(parts, statistic, draws=draws, seed=seed) if drawn is None else drawn
    levels = np.repeat([[(1 - level) / 2], [(1 + level) / 2]], value.size, axis=1)
    corrected = np.zeros(value.size, dtype=bool)
    if statistic == "mean":
        levels, corrected = _bca_levels(values, value, drawn, levels)
    low, high = quantiles(drawn, levels)
    facts = (level, statistic, values.shape[0], draws, seed)
    kind = np.where(corrected, "bca", "percentile").astype(object)
    return dict(zip(INTERVAL_COLUMNS, (value, low, high, kind, *facts), strict=True))


def _bca_levels(values: Floats, mean: Floats, drawn: Floats, levels: Floats) -> tuple[Floats, Bools]:
    """Return BCa's levels of the draws of a mean, and where they are defined; elsewhere the levels as given."""
    finite = np.isfinite(mean)
    centre = np.where(finite, mean, 0.0)
    # A draw of every track once has the mean but for rounding, and counts half to either side.
    near = 1e-12 * np.where(finite, np.abs(values).max(axis=0), 0.0)
    share = ((drawn < centre - near).sum(axis=0) + (drawn <= centre + near).sum(axis=0)) / (2 * drawn.shape[0])
    defined = np.isfinite(values).all(axis=0) & (values != values[:1]).any(axis=0) & (share > 0) & (share < 1)
    centred = np.where(defined, values, 0.0) - np.where(defined, centre, 0.0)
    squares = np.where(defined, (centred**2).sum(axis=0), 1.0)
    acceleration = (centred**3).sum(axis=0) / (6.0 * squares**1.5)  # the jackknife's, which a mean has in closed form
    bias = scipy.special.ndtri(np.where(defined, share, 0.5))
    shifted = bias + scipy.special.ndtri(levels)
    return np.where(defined, scipy.special.ndtr(bias + shifted / (1.0 - acceleration * shifted)), levels), defined
