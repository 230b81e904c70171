"""Which frames count: those between the first and the last place where the reference is more than silence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mss_bench.core.arrays import Samples
from mss_bench.metrics._signals import pieces
from mss_bench.metrics.perceptual.peaq.ear import FRAME_RATE, FULL_SCALE, HOP

__all__ = ["Bounds", "bounds"]

_SAMPLES = 5
_THRESHOLD = 200 / FULL_SCALE
_UNSETTLED = int(np.ceil(0.5 * FRAME_RATE))
"""Frames of the first half second, in which the filters of the modulation settle."""


class Bounds(NamedTuple):
    """Frames, counted from the first sample of the signal, where the filters start.

    Parameters
    ----------
    first, stop : int
        The frames that count, and for the modulation difference those from `settled` on.
    """

    first: int
    stop: int

    @property
    def settled(self) -> int:
        """Return the first frame for the modulation difference."""
        return max(self.first, _UNSETTLED)


def bounds(reference: Samples) -> Bounds | None:
    """Return which frames of a reference ``(channels, samples)`` at 48 kHz count; None where it is silent.

    Bounds are where the absolute values of five consecutive samples of any channel sum to more than 200 units of 16-bit
    audio. The last frame holds at least half a frame of samples within them.
    """
    first: int | None = None
    last = 0
    for start, stop in pieces(reference.shape[1]):
        part = np.abs(reference[:, start : stop + _SAMPLES - 1], dtype=np.float64)
        if part.shape[1] < _SAMPLES:
            break
        sums = np.lib.stride_tricks.sliding_window_view(part, _SAMPLES, axis=1).sum(axis=2)
        loud = np.flatnonzero((sums > _THRESHOLD).any(axis=0))
        if len(loud):
            first = start + int(loud[0]) if first is None else first
            last = start + int(loud[-1]) + _SAMPLES - 1
    if first is None:
        return None
    beginning = first // HOP
    return Bounds(beginning, max(beginning, (last + 1 - HOP) // HOP) + 1)
