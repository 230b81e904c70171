"""Resamples of listeners and of items: how a number would fall with other listeners, other items, or both.

A resample is kept as how often each listener and each item was drawn; a rating counts as often as its listener times
its item [1]_. Resamples of tracks alone are those of `mss_bench.stats.resample`.

References
----------
.. [1] A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mss_bench.stats.units import Floats

__all__ = ["FEWEST", "LEVEL", "Places", "TwoWay", "cluster_weights", "draw_counts", "percentile_interval"]

Places = NDArray[np.intp]
"""Numbers, from 0, of what each score belongs to."""

LEVEL = 0.95
"""Of the intervals of a listening test."""

FEWEST = 6
"""Songs or systems from which on a bootstrap over them may call something sure: that fewer all lie on one side happens
by chance more often than once in thirty times."""

_AT_ONCE = 4_000_000  # weights in memory at a time: 16 MB


def draw_counts(n: int, draws: int, rng: np.random.Generator) -> Floats:
    """Return how often each of `n` was drawn in `draws` resamples with replacement: (draws, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)


def cluster_weights(clusters: Places, draws: int, seed: int) -> Floats:
    """Resample whole clusters (songs, systems) and return how often each point counts: (draws, n)."""
    return draw_counts(int(clusters.max()) + 1, draws, np.random.default_rng(seed))[:, clusters]


def percentile_interval(draws: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Return the ends of the middle share `level` of the draws, those that are NaN left out; NaN where all are."""
    finite = draws[np.isfinite(draws)]
    if not finite.size:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


class TwoWay:
    """Resamples of listeners and items, the same for every signal, so that differences of signals are paired.

    Parameters
    ----------
    listeners, items : int
    draws, seed : int
    """

    def __init__(self, listeners: int, items: int, *, draws: int = 10_000, seed: int = 0) -> None:
        # Both ways are resampled, for conclusions are to hold for other listeners and other songs; the pigeonhole
        # bootstrap is known to give intervals a little too wide rather than too narrow.
        rng = np.random.default_rng(seed)
        self.draws = draws
        # Counts are small whole numbers: single precision holds them, and halves the memory.
        self._listeners = draw_counts(listeners, draws, rng).astype(np.float32)
        self._items = draw_counts(items, draws, rng).astype(np.float32)

    def means(self, scores: Floats, listener: Places, item: Places) -> Floats:
        """Return the mean score of every resample: (draws,); NaN where none was drawn.

        Parameters
        ----------
        scores : (n,) array
        listener, item : (n,) arrays
            Of each score.
        """
        return self._each(scores, listener, item, _weighted_means)

    def medians(self, scores: Floats, listener: Places, item: Places) -> Floats:
        """Return the median score of every resample, as `means`."""
        order = np.argsort(scores, kind="stable")
        return self._each(scores[order], listener[order], item[order], _weighted_medians)

    def _each(
        self, scores: Floats, listener: Places, item: Places, statistic: Callable[[Floats, NDArray[np.float32]], Floats]
    ) -> Floats:
        # In parts: all draws of all ratings at once would not fit into memory.
        values = np.empty(self.draws)
        step = max(1, _AT_ONCE // max(1, scores.size))
        for first in range(0, self.draws, step):
            rows = slice(first, first + step)
            values[rows] = statistic(scores, self._listeners[rows][:, listener] * self._items[rows][:, item])
        return values


def _weighted_means(scores: Floats, weights: NDArray[np.float32]) -> Floats:
    total = weights.sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(weights.astype(np.float64) @ scores / total)


def _weighted_medians(scores: Floats, weights: NDArray[np.float32]) -> Floats:
    """Return medians of sorted scores, each counted as often as its weight says."""
    drawn = np.cumsum(weights, axis=1)  # whole numbers below 2^24: exact
    total = drawn[:, -1]
    last = scores.size - 1
    lower = (drawn < np.floor((total + 1) / 2)[:, None]).sum(axis=1).clip(max=last)
    upper = (drawn < np.floor(total / 2 + 1)[:, None]).sum(axis=1).clip(max=last)
    return np.where(total > 0, (scores[lower] + scores[upper]) / 2, np.nan)
