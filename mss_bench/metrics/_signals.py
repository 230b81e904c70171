"""Arrays read as float64 samples, a piece at a time, so that a song is never copied whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Samples", "Signals", "pieces"]

Floats = NDArray[np.float64]

Samples = NDArray[np.floating]
"""Float samples ``(channels, samples)`` of any precision."""

_PIECE = 1 << 16


class Signals:
    """The channels of several arrays, or of their differences from others, as one set of signals.

    Parameters
    ----------
    arrays : sequence of (channels, samples) float array
    minus : sequence of (channels, samples) float array, optional
        What to subtract from each array.
    """

    def __init__(self, arrays: Sequence[Samples], minus: Sequence[Samples] | None = None) -> None:
        self._arrays, self._minus = arrays, minus
        self.n = sum(len(array) for array in arrays)
        self.n_samples: int = arrays[0].shape[1]

    def read(self, start: int, stop: int, out: Floats | None = None) -> Floats:
        """Samples ``[start, stop)`` as ``(n, stop - start)``, into `out` if given."""
        out = np.empty((self.n, stop - start)) if out is None else out
        first = 0
        for index, array in enumerate(self._arrays):
            rows = out[first : first + len(array)]
            rows[...] = array[:, start:stop]
            if self._minus is not None:
                rows -= self._minus[index][:, start:stop].astype(np.float64)
            first += len(array)
        return out


def pieces(n_samples: int) -> Iterator[tuple[int, int]]:
    """Spans that cover a signal and stay in the processor's cache."""
    for start in range(0, n_samples, _PIECE):
        yield start, min(start + _PIECE, n_samples)
