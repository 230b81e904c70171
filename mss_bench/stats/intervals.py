"""Confidence intervals over tracks: of a method's median or mean, and of differences of two methods.

=====================  ===============================================================================================
median over tracks     order statistics: the k-th smallest and largest track, k from the binomial distribution; it holds
                       for any distribution
mean over tracks       Student's t. A single track far off widens it and moves the mean: `INTERVAL_COLUMNS` names it
median of several      the mean over targets of each one's median has no such interval; percentile bootstrap [1]_, all
targets                targets resampled alike, from `FEWEST_DRAWN` tracks
typical difference     Hodges and Lehmann's, from Wilcoxon's test inverted (`mss_bench.stats.signed_rank`)
=====================  ===============================================================================================

The percentile bootstrap is also there by name. Below `FEWEST` tracks there is no interval: those of the bootstrap miss
in 5 to 31 % there. On real scores (95 %, 6 to 100 tracks) order statistics cover 96 to 98 %, Hodges and Lehmann's 94 to
97 %, t 78 to 91 % (two songs at -40 and -19 dB; 92 to 95 % without them), and the BCa bootstrap of means 64 to 91 %,
which is why it is gone.

The intervals say how far the number may be off for *other tracks of the same kind*. They know nothing of the noise of
training a method anew.

References
----------
.. [1] B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, Chapman & Hall 1993, 13.3.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.errors import UnknownNameError
from mss_bench.stats.matrix import ScoreMatrix, check_level, check_matrix, check_pairs
from mss_bench.stats.resample import STATISTICS, check_bootstrap, parts_of, quantiles, resampled, statistic_of
from mss_bench.stats.signed_rank import FEWEST, hodges_lehmann
from mss_bench.stats.units import difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEWEST_DRAWN", "INTERVAL_COLUMNS", "KINDS", "differences", "intervals", "mean_depends_on", "usual_kind"]

INTERVAL_COLUMNS = ("value", "low", "high", "interval", "level", "statistic", "n_tracks", "depends_on")
"""Columns of a table of intervals; ``interval`` is a key of `KINDS`, ``depends_on`` what `mean_depends_on` names."""

KINDS = {
    "order": "order statistics",
    "t": "Student's t",
    "bootstrap": "percentile bootstrap",
    "wilcoxon": "Wilcoxon's test inverted",
}
"""Kinds of intervals, in words."""

FEWEST_DRAWN = 20
"""Tracks that a percentile bootstrap needs."""


def usual_kind(statistic: str, n_targets: int = 1) -> str:
    """Return the kind of interval that a statistic has by default, a key of `KINDS`."""
    if statistic == "typical":
        return "wilcoxon"
    return "t" if statistic == "mean" else "order" if n_targets == 1 else "bootstrap"


def intervals(
    matrix: pd.DataFrame | ScoreMatrix,
    statistic: str = "median",
    *,
    level: float = 0.95,
    kind: str = "",
    draws: int = 10_000,
    seed: int = 0,
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
    kind : {"", "bootstrap"}
        By default what the module's table says.
    draws, seed : int
        Of the bootstrap: resamples, at least 100. The same seed gives the same intervals, whatever the other methods.

    Returns
    -------
    DataFrame
        Index methods in the order of the matrix, columns `INTERVAL_COLUMNS`. Ends are NaN where there is no interval:
        the mean over targets of medians with fewer than `FEWEST_DRAWN` tracks, or an infinite mean.

    Raises
    ------
    RunError
        Fewer than 6 tracks (20 for the bootstrap by name), no method, or a malformed matrix.
    UnknownNameError, ConfigError
        The statistic or kind is not known; level or draws are out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> table = intervals(pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0, 5.0, 9.0]}))
    >>> table.loc["a", ["value", "low", "high"]].tolist()
    [3.5, 1.0, 9.0]
    """
    import pandas as pd

    check_bootstrap(statistic, level, draws)
    if kind not in ("", "bootstrap"):
        raise UnknownNameError("kind of interval", kind, ("bootstrap",))
    what = "a percentile bootstrap" if kind else "a confidence interval"
    values, methods = check_matrix(
        matrix, what, min_tracks=FEWEST_DRAWN if kind else FEWEST, min_separators=1
    )  # fmt: skip
    parts = parts_of(matrix, values)
    kind = kind or usual_kind(statistic, len(parts))
    value = statistic_of(parts, statistic)
    depends_on: object = ""
    if kind == "bootstrap":
        low, high = np.full((2, value.size), np.nan)
        if len(values) >= FEWEST_DRAWN:
            levels = np.repeat([[(1 - level) / 2], [(1 + level) / 2]], value.size, axis=1)
            low, high = quantiles(resampled(parts, statistic, draws=draws, seed=seed), levels)
    elif kind == "t":
        low, high = _t_interval(values, level)
        index = matrix.values.index if isinstance(matrix, ScoreMatrix) else matrix.index
        depends_on = [str(index[at]) if at >= 0 else "" for at in mean_depends_on(values, level)]
    else:
        low, high = _order_interval(values, level)
    columns = (value, low, high, kind, level, statistic, len(values), depends_on)
    table = dict(zip(INTERVAL_COLUMNS, columns, strict=True))
    return pd.DataFrame(table, index=pd.Index(methods, name="separator"))


def differences(
    matrix: pd.DataFrame | ScoreMatrix,
    statistic: str = "typical",
    *,
    pairs: Collection[tuple[str, str]] | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return confidence intervals of the differences *a - b*, each pair by itself (uncorrected).

    Parameters
    ----------
    matrix, level
        As for `intervals`.
    statistic : {"typical", "median", "mean"}
        The typical difference is Hodges and Lehmann's; the median of the differences is not the difference of the
        medians; of means the two are one.
    pairs : collection of (a, b), optional
        Names of methods; by default every pair once, which takes a while with hundreds of methods. Improvements over
        the floor are ``[(m, "mixture") for m in methods]``.

    Returns
    -------
    DataFrame
        Columns ``a``, ``b`` and `INTERVAL_COLUMNS`, one row a pair. Two equal infinities differ by 0.

    Raises
    ------
    RunError, UnknownNameError, ConfigError
        As for `intervals`, and where a pair names a method that is not there.
    """
    import pandas as pd

    check_level("level", level)
    if statistic not in ("typical", *STATISTICS):
        raise UnknownNameError("statistic", statistic, ("typical", *STATISTICS))
    values, methods = check_matrix(matrix, "a confidence interval of a difference", min_tracks=FEWEST)
    chosen = check_pairs(pairs, methods)
    named = [(methods[a], methods[b]) for a, b in chosen]
    table = pd.DataFrame(named, columns=["a", "b"], dtype=object)
    if not chosen:
        return table.reindex(columns=["a", "b", *INTERVAL_COLUMNS])
    a, b = np.array(chosen).T
    apart = difference(values[:, a], values[:, b])
    if statistic == "typical":
        ends = pd.DataFrame(hodges_lehmann(apart, level).T, columns=["value", "low", "high"])
        ends = ends.assign(interval="wilcoxon", level=level, statistic=statistic, n_tracks=len(values), depends_on="")
    else:
        index = matrix.values.index if isinstance(matrix, ScoreMatrix) else matrix.index
        ends = intervals(pd.DataFrame(apart, index=index), statistic, level=level).reset_index(drop=True)
    return pd.concat([table, ends], axis=1)


def _order_interval(values: Floats, level: float) -> Floats:
    """Return ends from the sorted tracks; NaN where the tracks are too few for the level."""
    n = len(values)
    k = int(scipy.stats.binom.ppf((1 - level) / 2, n, 0.5))
    # The quantile may reach the tail exactly, and then that many tracks lie outside.
    k += int(scipy.stats.binom.cdf(k, n, 0.5) <= (1 - level) / 2)
    if k < 1:
        return np.full((2, values.shape[1]), np.nan)
    ordered = np.sort(values, axis=0)
    return np.stack([ordered[k - 1], ordered[n - k]])


def _t_interval(values: Floats, level: float) -> Floats:
    n = len(values)
    finite = np.isfinite(values).all(axis=0)
    known = np.where(finite, values, 0.0)
    half = scipy.stats.t.ppf((1 + level) / 2, n - 1) * known.std(axis=0, ddof=1) / np.sqrt(n)
    mean = known.mean(axis=0)
    return np.where(finite, np.stack([mean - half, mean + half]), np.nan)


def mean_depends_on(values: Floats, level: float = 0.95) -> list[int]:
    """Return the track of each column that moves the mean by more than half the interval, -1 where none does.

    Parameters
    ----------
    values : ndarray (tracks, columns)
    level : float
        Of the t interval over the *other* tracks: with the track in it, the interval is wide enough to hide what it
        does.

    Returns
    -------
    list of int
        The mean over all tracks lies outside the interval of the mean over all but this one. -1 with infinite values.
    """
    n = len(values)
    if n < FEWEST or not values.shape[1]:
        return [-1] * values.shape[1]
    finite = np.isfinite(values).all(axis=0)
    known = np.where(finite, values, 0.0)
    furthest = np.abs(known - known.mean(axis=0)).argmax(axis=0)
    others = np.ones(known.shape, dtype=bool)
    others[furthest, np.arange(known.shape[1])] = False
    rest = known.T[others.T].reshape(known.shape[1], n - 1).T
    half = scipy.stats.t.ppf((1 + level) / 2, n - 2) * rest.std(axis=0, ddof=1) / np.sqrt(n - 1)
    moved = np.abs(known.mean(axis=0) - rest.mean(axis=0))
    # Rounding of tracks that are all alike moves nothing.
    alone = finite & (moved > half + 1e-9 * np.abs(known).max(axis=0))
    return [int(at) if is_alone else -1 for at, is_alone in zip(furthest, alone, strict=True)]
