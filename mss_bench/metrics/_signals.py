"""Arrays read as float64 samples, a piece at a time, so that a song is never copied whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy

import numpy as np

from mss_bench.core.arrays import Floats, Samples

__all__ = ["Signals", "at_rate", "pieces"]

_PIECE = 1 << 16


class Signals:
    """The channels of several arrays, or of their differences from others, as one set of signals.

    Parameters
    ----------
    arrays : sequence of (channels, samples) float array
    minus : sequence of (channels, samples) float array, optional
        What to subtract from each array.
    shifts : sequence of int, optional
        Each array is divided by two to the power of its shift, before anything is subtracted.
    """

    def __init__(
        self, arrays: Sequence[Samples], minus: Sequence[Samples] | None = None, shifts: Sequence[int] | None = None
    ) -> None:
        self._channels = [channel for array in arrays for channel in array]
        self._shifts = np.repeat(shifts or [0] * len(arrays), [len(array) for array in arrays]).tolist()
        self._minus = None if minus is None else [channel for array in minus for channel in array]
        self.n = len(self._channels)
        self.n_samples: int = arrays[0].shape[1]

    def part(self, first: int, stop: int) -> Signals:
        """Return the channels ``[first, stop)``."""
        part = copy(self)
        part._channels, part._shifts = self._channels[first:stop], self._shifts[first:stop]
        part._minus = None if self._minus is None else self._minus[first:stop]
        part.n = len(part._channels)
        return part

    def read(self, start: int, stop: int, out: Floats | None = None) -> Floats:
        """Return samples ``[start, stop)`` as ``(n, stop - start)``, in `out` if given."""
        out = np.empty((self.n, stop - start)) if out is None else out
        for channel, row in enumerate(out):
            self.read_channel(channel, start, stop, row)
        return out

    def read_channel(self, channel: int, start: int, stop: int, out: Floats) -> None:
        """Read samples ``[start, stop)`` of one channel into `out`."""
        samples = self._channels[channel][start:stop]
        if shift := self._shifts[channel]:
            samples = np.ldexp(samples.astype(np.float64), -shift)
        if self._minus is None:
            out[...] = samples
        else:
            np.subtract(samples, self._minus[channel][start:stop], out=out, dtype=np.float64)


def pieces(n_samples: int) -> Iterator[tuple[int, int]]:
    """Yield spans that cover a signal and stay in the processor's cache."""
    for start in range(0, n_samples, _PIECE):
        yield start, min(start + _PIECE, n_samples)


def at_rate(array: Samples, from_rate: int, to_rate: int) -> Samples:
    """Return an array ``(channels, samples)`` resampled with soxr at high quality, of at least one sample.

    It keeps its precision. The quality is that of the tools whose numbers are to be met;
    `mss_bench.core.audio.resample` makes float32.
    """
    if from_rate == to_rate:
        return array
    import soxr

    resampled: Samples = soxr.resample(array.T, from_rate, to_rate, quality="HQ").T
    return resampled if resampled.shape[1] else resampled.dtype.type(0) * array[:, :1]
