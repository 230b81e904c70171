"""Which seconds of a track are worth hearing: where the methods are best, where worst, where they disagree most.

Decided from the scores of frames, for each target by itself. A method's score of an excerpt is the median of its valid
frames in it; an excerpt counts where at least half of its frames have a score. Then

``best``, ``worst``
    the excerpts with the highest and the lowest median over the methods,
``disagreeing``
    the one with the greatest interquartile range over the methods.

Methods are those that are neither oracle nor floor; where there is none of them, the oracles. Excerpts of one target
share at most half of their seconds, taken in this order; of equal ones the first is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "Excerpt", "choose"]

KINDS = ("best", "worst", "disagreeing")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Excerpt:
    """A part of a track.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    first, frames : int
        Frames that it is made of.
    value : float
        The criterion, in the metric's unit: median over methods, or their interquartile range.
    scores : ndarray (methods,)
        Median over the valid frames, NaN where there is none.
    """

    kind: str
    first: int
    frames: int
    value: float
    scores: Floats


def choose(values: Floats, decide: Sequence[int], frames: int, *, higher_is_better: bool = True) -> list[Excerpt]:
    """The excerpts of one target of one track.

    Parameters
    ----------
    values : ndarray (methods, frames)
        NaN where a frame has no score.
    decide : sequence of int
        The methods that decide.
    frames : int
        Of an excerpt; the whole track where it is shorter.
    higher_is_better : bool
        Of the metric.

    Returns
    -------
    list of Excerpt
        At most one of each kind, in the order of `KINDS`; none where no excerpt counts. One method alone does not
        disagree with itself.
    """
    length = min(frames, values.shape[1])
    if not length or not len(decide):
        return []
    windows = np.lib.stride_tricks.sliding_window_view(_finite(values), length, axis=1)
    valid = ~np.isnan(windows)
    scores = np.full(windows.shape[:2], np.nan)
    some = valid.any(axis=2)
    scores[some] = np.nanmedian(windows[some], axis=1)
    own = scores[list(decide)]
    counts = (valid[list(decide)].mean(axis=2) >= 0.5).all(axis=0)
    middle = np.where(counts, np.median(np.nan_to_num(own), axis=0), np.nan)
    spread = np.subtract(*np.percentile(np.nan_to_num(own), [75, 25], axis=0))
    sign = 1.0 if higher_is_better else -1.0
    criteria = {"best": (sign * middle, middle), "worst": (-sign * middle, middle)}
    if len(decide) > 1:
        criteria["disagreeing"] = (np.where(counts, spread, np.nan), spread)
    found: list[Excerpt] = []
    for kind, (criterion, shown) in criteria.items():
        free = criterion.copy()
        for other in found:
            free[np.abs(np.arange(free.size) - other.first) * 2 < length] = np.nan
        if np.isnan(free).all():
            continue
        first = int(np.nanargmax(free))
        found.append(Excerpt(kind, first, length, float(shown[first]), scores[:, first]))
    return found


def _finite(values: Floats) -> Floats:
    """Perfect frames as the best of the others, so that no infinity meets another."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return np.clip(values, low, high)
