"""Bootstrap resamples of tracks, shared between methods.

A resample is kept as how often each track was drawn, and every method is evaluated on the same ones: what is computed
of two methods is then paired by track, and costs a cumulative sum (median) or a product (mean) instead of a gather.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.stats.matrix import ScoreMatrix, check_level, mean_of
from mss_bench.stats.units import centre

__all__ = ["STATISTICS", "check_bootstrap", "parts_of", "quantiles", "resampled", "statistic_of"]

Counts = NDArray[np.unsignedinteger[Any]]

STATISTICS = ("median", "mean")
"""What a bootstrap can be of, over tracks."""

_AT_ONCE = 2_000_000  # drawn tracks in memory at a time


def check_bootstrap(statistic: str, level: float, draws: int) -> None:
    """Raise `UnknownNameError` or `ConfigError` where the options of a bootstrap are no good."""
    if statistic not in STATISTICS:
        raise UnknownNameError("statistic", statistic, STATISTICS)
    check_level("level", level)
    if draws < 100:
        raise ConfigError(f"draws must be at least 100, got {draws!r}; 10000 is usual")


def parts_of(matrix: object, values: Floats) -> Floats:
    """Return the values of each target, (targets, tracks, methods); one target where the matrix is not a mean."""
    if isinstance(matrix, ScoreMatrix) and matrix.parts:
        return np.stack([part.to_numpy(dtype=np.float64) for part in matrix.parts])
    return values[None]


def statistic_of(values: Floats, statistic: str) -> Floats:
    """Return the median or mean of each column, infinities as in aggregates; for several targets their mean."""
    if values.ndim == 3:
        return mean_of(np.stack([statistic_of(part, statistic) for part in values]))
    return np.array([centre(column, statistic) for column in values.T])


def resampled(values: Floats, statistic: str, *, draws: int, seed: int) -> Floats:
    """Return the statistic of every column on every resample.

    Parameters
    ----------
    values : ndarray (tracks, series) or (targets, tracks, series)
        May hold infinities, no NaN. Of several targets the mean over them, each resampled alike.
    statistic : {"median", "mean"}
    draws, seed : int
        Resamples of as many tracks as there are, with replacement. The same number of tracks, draws and seed give the
        same resamples, whatever the series: those of ``numpy.random.default_rng(seed).integers``.

    Returns
    -------
    ndarray (draws, series)
    """
    if values.ndim == 3:
        if len(values) == 1:
            return resampled(values[0], statistic, draws=draws, seed=seed)
        return mean_of(np.stack([resampled(part, statistic, draws=draws, seed=seed) for part in values]))
    prepare = _median if statistic == "median" else _mean
    evaluate = prepare(values)
    statistics = np.empty((draws, values.shape[1]))
    first = 0
    for counts in _resamples(values.shape[0], draws, seed):
        statistics[first : first + counts.shape[1]] = evaluate(counts)
        first += counts.shape[1]
    return statistics


def quantiles(draws: Floats, levels: Floats) -> Floats:
    """Return quantiles of each column, each at its own levels, interpolated; between infinities the outer one.

    Parameters
    ----------
    draws : ndarray (draws, series)
    levels : ndarray (2, series)
        A low and a high level.

    Returns
    -------
    ndarray (2, series)
    """
    last = draws.shape[0] - 1
    position = np.clip(levels, 0.0, 1.0) * last
    below, above = np.floor(position).astype(np.int64), np.ceil(position).astype(np.int64)
    ordered = np.sort(draws, axis=0)
    low, high = np.take_along_axis(ordered, below, axis=0), np.take_along_axis(ordered, above, axis=0)
    with np.errstate(invalid="ignore"):
        between = low + (high - low) * (position - below)
    outer = np.stack([low[0], high[1]])
    return np.asarray(np.where(low == high, low, np.where(np.isfinite(low) & np.isfinite(high), between, outer)))


def _resamples(n_tracks: int, draws: int, seed: int) -> Iterator[Counts]:
    """Yield how often each track was drawn, ``(tracks, draws)``, in parts."""
    rng = np.random.default_rng(seed)
    kind = np.min_scalar_type(n_tracks)  # small counts are fast to add and compare
    step = max(_AT_ONCE // n_tracks, 1)
    for first in range(0, draws, step):
        size = min(step, draws - first)
        drawn = rng.integers(0, n_tracks, (size, n_tracks))
        drawn += np.arange(size)[:, None] * n_tracks
        counts = np.bincount(drawn.ravel(), minlength=size * n_tracks).reshape(size, n_tracks)
        yield np.ascontiguousarray(counts.T, dtype=kind)


def _median(values: Floats) -> Callable[[Counts], Floats]:
    n = values.shape[0]
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    middle = sorted({(n - 1) // 2, n // 2})
    # The median of a resample is nearly always one of the tracks within six standard deviations of the middle.
    reach = math.ceil(3 * math.sqrt(n))
    near = slice(max(middle[0] - reach, 0), min(middle[-1] + reach + 1, n))
    lower = np.zeros(values.shape, dtype=np.float32)
    np.put_along_axis(lower, order[: near.start], 1.0, axis=0)

    def evaluate(counts: Counts) -> Floats:
        medians = np.empty((counts.shape[1], values.shape[1]))
        below = (lower.T @ counts.astype(np.float32)).astype(counts.dtype)  # drawn tracks below those near the middle
        for column in range(values.shape[1]):
            drawn = _cumulated(counts[order[near, column]], below[column])
            first = near.start
            if (below[column] > middle[0]).any() or (drawn[-1] <= middle[-1]).any():
                drawn, first = _cumulated(counts[order[:, column]], None), 0
            # The first track, in order, that with those before it was drawn more often than the middle's position.
            places = [first + (drawn <= p).sum(axis=0, dtype=counts.dtype).astype(np.intp) for p in middle]
            ends = [ordered[place, column] for place in places]
            with np.errstate(invalid="ignore"):
                centred = ends[0] if len(ends) == 1 else (ends[0] + ends[1]) / 2
            medians[:, column] = np.where(np.isneginf(ends[0]), -np.inf, centred)
        return medians

    return evaluate


def _cumulated(counts: Counts, below: Counts | None) -> Counts:
    """Make running totals over tracks, in place."""
    if below is not None:
        counts[0] += below
    return np.cumsum(counts, axis=0, dtype=counts.dtype, out=counts)


def _mean(values: Floats) -> Callable[[Counts], Floats]:
    finite = np.where(np.isfinite(values), values, 0.0)
    infinite = [(sign * np.inf, values == sign * np.inf) for sign in (1, -1)]  # -inf last, as it prevails

    def evaluate(counts: Counts) -> Floats:
        weights = counts.T.astype(np.float64)
        means = weights @ finite / values.shape[0]
        for infinity, where in infinite:
            if where.any():
                means[(weights @ where.astype(np.float64)) > 0] = infinity
        return np.asarray(means)

    return evaluate
