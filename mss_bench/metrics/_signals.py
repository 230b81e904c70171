"""Views of arrays as float64 samples, a piece at a time, so that a song is never copied whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Reader", "Samples", "difference", "reader", "spans", "stacked"]

Floats = NDArray[np.float64]

Samples = NDArray[np.floating]
"""Float samples ``(channels, samples)`` of any precision."""

Reader = Callable[[int, int], Floats]
"""Gives samples ``[start, stop)`` of some signals, ``(n, stop - start)``, in float64."""

_PIECE = 1 << 16


def reader(array: Samples) -> Reader:
    """Samples of an array."""
    return lambda start, stop: array[:, start:stop].astype(np.float64)


def difference(left: Samples, right: Samples) -> Reader:
    """Samples of ``left - right``."""
    return lambda start, stop: np.subtract(left[:, start:stop], right[:, start:stop], dtype=np.float64)


def stacked(readers: list[Reader]) -> Reader:
    """The channels of several signals one after the other."""
    return lambda start, stop: np.concatenate([read(start, stop) for read in readers])


def spans(n_samples: int) -> Iterator[tuple[int, int]]:
    """Pieces of a signal that stay in the processor's cache."""
    for start in range(0, n_samples, _PIECE):
        yield start, min(start + _PIECE, n_samples)
