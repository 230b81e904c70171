"""Correlations of many signals with many others at lags 0 to L - 1, frame by frame and for the whole track.

For signals x_i and y_j the lag correlation is ``c[l, i, j] = sum_t y_j[t] x_i[t - l]``. That of a frame takes both
signals as zero outside it. Blocks of the frame are transformed with short FFTs, their cross-spectra are summed over
the blocks (a batch of matrix products, one a frequency) and one inverse FFT a pair gives all lags.

The correlations of the whole track are the sum of those of its segments plus, at every boundary between two (a seam),
what the L - 1 samples before it give with those after it.

The spectra of x may be kept for the next correlation of the same x (`KeptSpectra`): most of the transforms, where the
estimates of many methods are correlated with one set of references.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats
from mss_bench.metrics._frames import Frames, Span
from mss_bench.metrics._room import Room
from mss_bench.metrics._signals import Signals

__all__ = ["KeptSpectra", "LagCorrelations", "correlate"]

_BATCH_SAMPLES = 1 << 16
"""Samples a channel that are transformed at once, at most."""

_REGISTERS = np.zeros(32)
"""Anything for a vectorised loop to run over; see `_Spectra.lags`."""


@dataclass(frozen=True)
class LagCorrelations:
    """Lag correlations ``(lags, n, m)`` of n signals x with m signals y.

    Parameters
    ----------
    frames : (n_frames, n_lags, n, m)
        Signals taken as zero outside the frame.
    total : (n_lags, n, m)
        Of the whole track.
    energy : (n_frames, m)
        Of the signals y in each frame.
    """

    frames: Floats
    total: Floats
    energy: Floats


class KeptSpectra:
    """Spectra of signals x, kept from one correlation to the next as far as there is room.

    Parameters
    ----------
    room : Room
        Shared with others that keep something; what does not fit is transformed anew each time.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._spectra: dict[tuple[int, ...], NDArray[np.complex128]] = {}
        self._refused: set[tuple[int, ...]] = set()

    def find(self, key: tuple[int, ...]) -> NDArray[np.complex128] | None:
        """Return the spectra that are kept of some samples."""
        return self._spectra.get(key)

    def begin(self, key: tuple[int, ...], like: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return the array that is to be filled with spectra: one that is kept, or `like` where there is no room."""
        if key in self._refused or not self._room.take(like.nbytes):
            self._refused.add(key)
            return like
        self._spectra[key] = np.empty_like(like)
        return self._spectra[key]


def correlate(x: Signals, y: Signals, frames: Frames, kept: KeptSpectra | None = None) -> LagCorrelations:
    """Correlate n signals x with m signals y at lags 0 to ``frames.reach``; `kept` is of earlier correlations of x."""
    n_lags = frames.reach + 1
    per_frame, spans = frames.segments_per_frame, frames.spans
    correlator = _Correlator(x, y, n_lags, kept or KeptSpectra(Room(0)))
    out, energy = np.zeros((len(spans), n_lags, x.n, y.n)), np.zeros((len(spans), y.n))
    total = correlator.seams([start for start, _ in frames.segments[1:]])
    if per_frame == 0:
        for f, span in enumerate(spans):
            out[f], energy[f] = correlator.span(span)
    for s, (start, stop) in enumerate(frames.segments):
        part, part_energy = correlator.span((start, stop))
        total += part
        members = range(max(0, s - per_frame + 1), min(s + 1, len(spans)))  # none where per_frame is 0
        for f in members:
            out[f] += part
            energy[f] += part_energy
        inside = [f for f in members if f < s]  # frames that the seam before this segment lies in
        if inside:
            seam = correlator.seams([start])
            for f in inside:
                out[f] += seam
    return LagCorrelations(out, total, energy)


class _Correlator:
    """Correlates parts of two sets of signals; keeps its buffers, since fresh memory costs more than the arithmetic."""

    def __init__(self, x: Signals, y: Signals, n_lags: int, kept: KeptSpectra) -> None:
        self._x, self._y, self._reach, self._kept = x, y, n_lags - 1, kept
        self._spectra: dict[tuple[int, int], _Spectra] = {}

    def span(self, span: Span) -> tuple[Floats, Floats]:
        """Return correlations ``(n_lags, n, m)`` within a span, outside of which signals are zero, and energies of y.

        The correlations are overwritten by the next call.
        """
        (start, stop), reach = span, self._reach
        n_fft = _fft_size(stop - start, reach + 1, self._x.n, self._y.n)
        block = n_fft - reach
        count = min(max(1, _BATCH_SAMPLES // block), -(-(stop - start) // block))
        spectra = self._of_size(n_fft, count)
        samples, energy = np.zeros(reach + count * block), np.zeros(self._y.n)
        blocks = samples[reach:].reshape(count, block)
        with_past = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::block]
        for a in range(start, stop, count * block):
            b = min(a + count * block, stop)
            past = min(reach, a - start)
            samples[: reach - past] = 0
            samples[reach + b - a :] = 0
            key = (start, a, b, n_fft)
            known = self._kept.find(key)
            spectra.take_x(self._kept.begin(key, spectra.own_x) if known is None else known)
            for i in range(self._x.n if known is None or self._y is self._x else 0):
                self._x.read_channel(i, a - past, b, samples[reach - past : reach + b - a])
                if known is None:
                    spectra.set_x(i, with_past)
                if self._y is self._x:
                    energy[i] += np.vdot(blocks, blocks)
                    spectra.set_y(i, blocks)
            for j in range(0 if self._y is self._x else self._y.n):
                self._y.read_channel(j, a, b, samples[reach : reach + b - a])
                energy[j] += np.vdot(blocks, blocks)
                spectra.set_y(j, blocks)
            spectra.accumulate()
        return spectra.lags(), energy

    def seams(self, boundaries: Sequence[int]) -> Floats:
        """Return what x before boundaries gives with y after them, summed over the boundaries, ``(n_lags, n, m)``."""
        reach = self._reach
        if reach == 0 or not boundaries:
            return np.zeros((reach + 1, self._x.n, self._y.n))
        n_fft = _fast_size(2 * reach)
        spectra = self._of_size(n_fft, min(len(boundaries), max(1, _BATCH_SAMPLES // n_fft)))
        for first in range(0, len(boundaries), spectra.count):
            some = boundaries[first : first + spectra.count]
            spectra.take_x(spectra.own_x)
            before, after = np.zeros((spectra.count, n_fft)), np.zeros((spectra.count, n_fft - reach))
            for i in range(self._x.n):
                for row, at in zip(before, some, strict=False):
                    past = min(reach, at)
                    self._x.read_channel(i, at - past, at, row[reach - past : reach])
                spectra.set_x(i, before)
            for j in range(self._y.n):
                for row, at in zip(after, some, strict=False):
                    future = min(reach, self._y.n_samples - at)
                    self._y.read_channel(j, at, at + future, row[:future])
                spectra.set_y(j, after)
            spectra.accumulate()
        return spectra.lags().copy()

    def _of_size(self, n_fft: int, count: int) -> _Spectra:
        if (n_fft, count) not in self._spectra:
            self._spectra[n_fft, count] = _Spectra(self._x.n, self._y.n, count, n_fft, self._reach)
        return self._spectra[n_fft, count]


class _Spectra:
    """Spectra of ``count`` blocks of n signals x and m signals y, and the sum of their cross-spectra.

    A block has ``n_fft`` samples, `reach` of which are history; that of y is zero there.
    """

    def __init__(self, n: int, m: int, count: int, n_fft: int, reach: int) -> None:
        bins = n_fft // 2 + 1
        self._n_fft, self._reach = n_fft, reach
        self._padded = np.zeros((count, n_fft))
        # with the blocks last BLAS takes the products as they lie
        self.own_x, self._y = np.split(np.empty((n + m, bins, count), dtype=np.complex128), [n])
        self._x = self.own_x
        self._sum, self._product = np.empty((2, bins, n, m), dtype=np.complex128)
        self._empty = True
        self._correlations = np.empty((n_fft, n, m))

    @property
    def count(self) -> int:
        """Return how many blocks are transformed at once."""
        return len(self._padded)

    def take_x(self, spectra: NDArray[np.complex128]) -> None:
        """Use an array ``(n, bins, count)`` for the spectra of x: `own_x`, or one that is kept, filled or to be."""
        self._x = spectra

    def set_x(self, channel: int, blocks: Floats) -> None:
        """Transform blocks ``(count, n_fft)`` of a signal x."""
        spectra = self._x[channel]
        np.fft.rfft(blocks, out=spectra.T)
        np.conjugate(spectra, out=spectra)

    def set_y(self, channel: int, blocks: Floats) -> None:
        """Transform blocks ``(count, n_fft - reach)`` of a signal y."""
        self._padded[:, self._reach :] = blocks
        np.fft.rfft(self._padded, out=self._y[channel].T)

    def accumulate(self) -> None:
        """Add the cross-spectra of the blocks."""
        out = self._sum if self._empty else self._product
        np.matmul(self._x.transpose(1, 0, 2), self._y.transpose(1, 2, 0), out=out)
        if not self._empty:
            self._sum += out
        self._empty = False

    def lags(self) -> Floats:
        """Return correlations ``(n_lags, n, m)`` as a view, and begin the sum anew."""
        # Some processors' BLAS leaves the vector registers in a state in which NumPy's FFT runs at half its speed; any
        # vectorised loop of NumPy's own clears it.
        np.add(_REGISTERS, 1.0, out=_REGISTERS)
        np.fft.irfft(self._sum, n=self._n_fft, axis=0, out=self._correlations)
        self._empty = True
        return self._correlations[: self._reach + 1]


def _fft_size(length: int, n_lags: int, n: int, m: int) -> int:
    """Return the size that costs least for a span: short ones waste the overlap, long ones the inverse transforms."""
    sizes = [_fast_size(min(2 * n_lags, length + n_lags - 1))]
    while sizes[-1] < length + n_lags - 1:
        sizes.append(_fast_size(sizes[-1] + 1))

    def cost(n_fft: int) -> float:
        blocks = -(-length // (n_fft - n_lags + 1))
        # the inverse ones run across the pairs, which costs more
        transforms = (blocks * (n + m) + 1.5 * n * m) * n_fft * math.log2(n_fft)
        return transforms + blocks * n_fft / 2 * n * m

    return min(sizes, key=cost)


def _fast_size(at_least: int) -> int:
    """Return the smallest 3, 5 or 15 times a power of two; powers of two lose time to conflicts in the cache."""
    return min(odd << max(0, (-(-at_least // odd) - 1).bit_length()) for odd in (3, 5, 15))
