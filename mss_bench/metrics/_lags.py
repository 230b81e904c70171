"""Correlations of many signals with many others at lags 0 to L - 1, frame by frame and for the whole track.

For signals x_i and y_j the lag correlation is ``c[l, i, j] = sum_t y_j[t] x_i[t - l]``. That of a frame takes both
signals as zero outside it. Blocks of the frame are transformed with short FFTs, their cross-spectra are summed over
the blocks (a batch of matrix products, one a frequency) and one inverse FFT a pair gives all lags.

The correlations of the whole track are the sum of those of its segments plus, at every boundary between two, what the
L - 1 samples before it give with those after it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mss_bench.metrics._frames import Frames, Span
from mss_bench.metrics._signals import Floats, Signals

__all__ = ["LagCorrelations", "correlate"]

Complex = NDArray[np.complex128]

_BATCH_SAMPLES = 1 << 16
"""Samples a channel that are transformed at once, at most."""


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


def correlate(x: Signals, y: Signals, frames: Frames) -> LagCorrelations:
    """Lag correlations of n signals x with m signals y at lags 0 to ``frames.reach``."""
    n_lags = frames.reach + 1
    per_frame, spans = frames.segments_per_frame, frames.spans
    correlator = _Correlator(x, y, n_lags)
    out, energy = np.zeros((len(spans), n_lags, x.n, y.n)), np.zeros((len(spans), y.n))
    total = np.zeros((n_lags, x.n, y.n))
    if per_frame == 0:
        for f, span in enumerate(spans):
            out[f], energy[f] = correlator.span(span)
    for s, span in enumerate(frames.segments):
        part, part_energy = correlator.span(span)
        total += part
        members = range(max(0, s - per_frame + 1), min(s + 1, len(spans)))  # none where per_frame is 0
        for f in members:
            out[f] += part
            energy[f] += part_energy
        if s > 0:
            seam = correlator.seam(span[0])
            total += seam
            for f in members:
                if f < s:  # the seam lies inside the frame
                    out[f] += seam
    return LagCorrelations(out, total, energy)


class _Correlator:
    """Correlates parts of two sets of signals; keeps its buffers, since fresh memory costs more than the arithmetic."""

    def __init__(self, x: Signals, y: Signals, n_lags: int) -> None:
        self._x, self._y, self._reach = x, y, n_lags - 1
        self._buffers: dict[tuple[int, int], _Buffers] = {}

    def span(self, span: Span) -> tuple[Floats, Floats]:
        """Correlations ``(n_lags, n, m)`` within a span, outside of which the signals are zero, and energies of y."""
        (start, stop), reach = span, self._reach
        n_fft = _fft_size(stop - start, reach + 1, self._x.n, self._y.n)
        block = n_fft - reach
        step = block * min(max(1, _BATCH_SAMPLES // block), -(-(stop - start) // block))
        buffers = self._of_size(n_fft, step // block)
        spectrum = np.zeros_like(buffers.product)
        energy = np.zeros(self._y.n)
        for a in range(start, stop, step):
            b = min(a + step, stop)
            past = min(reach, a - start)
            buffers.x[:, : reach - past] = 0
            self._x.read(a - past, b, buffers.x[:, reach - past : reach + b - a])
            buffers.x[:, reach + b - a :] = 0
            if self._y is self._x:
                buffers.y[:, : b - a] = buffers.x[:, reach : reach + b - a]
            else:
                self._y.read(a, b, buffers.y[:, : b - a])
            buffers.y[:, b - a :] = 0
            energy += np.einsum("mt,mt->m", buffers.y, buffers.y)
            spectrum += buffers.cross_spectrum()
        return buffers.lags(spectrum, reach + 1), energy

    def seam(self, at: int) -> Floats:
        """What x before a boundary gives with y after it, ``(n_lags, n, m)``."""
        reach = self._reach
        past, future = min(reach, at), min(reach, self._y.n_samples - at)
        n_fft = _power_of_two(2 * reach)
        buffers = self._of_size(n_fft, 1)
        buffers.x[...] = 0
        buffers.y[...] = 0
        self._x.read(at - past, at, buffers.x[:, reach - past : reach])
        self._y.read(at, at + future, buffers.y[:, :future])
        return buffers.lags(buffers.cross_spectrum(), reach + 1)

    def _of_size(self, n_fft: int, count: int) -> _Buffers:
        if (n_fft, count) not in self._buffers:
            self._buffers[n_fft, count] = _Buffers(self._x.n, self._y.n, count, n_fft, self._reach)
        return self._buffers[n_fft, count]


class _Buffers:
    """Memory for ``count`` overlapping blocks of ``n_fft`` samples, and the transforms on it.

    Attributes
    ----------
    x : (n, reach + count * block)
        Samples of x with `reach` samples of history; a block is ``n_fft - reach`` samples.
    y : (m, count * block)
    """

    def __init__(self, n: int, m: int, count: int, n_fft: int, reach: int) -> None:
        bins, block = n_fft // 2 + 1, n_fft - reach
        self.n_fft, self._reach = n_fft, reach
        self.x, self.y = np.zeros((n, reach + count * block)), np.zeros((m, count * block))
        self._x_blocks = np.lib.stride_tricks.sliding_window_view(self.x, n_fft, axis=1)[:, ::block]
        self._y_blocks = np.zeros((count, n_fft))
        self._spectra = np.empty((count, bins), dtype=np.complex128)
        self._left = np.empty((n, bins, count), dtype=np.complex128)
        self._right = np.empty((m, bins, count), dtype=np.complex128)
        self.product = np.empty((bins, n, m), dtype=np.complex128)
        self._pairs = np.empty((n * m, bins), dtype=np.complex128)
        self._correlations = np.empty((n * m, n_fft))

    def cross_spectrum(self) -> Complex:
        """``sum_b conj(X_b) Y_b`` over the blocks, ``(bins, n, m)``; overwritten by the next call."""
        # one channel at a time stays in cache; with the blocks last BLAS takes the products as they lie
        for blocks, left in zip(self._x_blocks, self._left, strict=True):
            np.fft.rfft(blocks, out=self._spectra)
            np.conjugate(self._spectra, out=self._spectra)
            np.copyto(left, self._spectra.T)
        for samples, right in zip(self.y, self._right, strict=True):
            self._y_blocks[:, self._reach :] = samples.reshape(len(self._y_blocks), -1)
            np.fft.rfft(self._y_blocks, out=self._spectra)
            np.copyto(right, self._spectra.T)
        return np.matmul(self._left.transpose(1, 0, 2), self._right.transpose(1, 2, 0), out=self.product)

    def lags(self, spectrum: Complex, n_lags: int) -> Floats:
        """Correlations ``(n_lags, n, m)`` from a cross-spectrum."""
        np.copyto(self._pairs, spectrum.reshape(len(spectrum), -1).T)
        np.fft.irfft(self._pairs, n=self.n_fft, out=self._correlations)
        return np.ascontiguousarray(self._correlations[:, :n_lags].T).reshape(n_lags, *spectrum.shape[1:])


def _fft_size(length: int, n_lags: int, n: int, m: int) -> int:
    """The power of two that costs least for a span: short ones waste the overlap, long ones the inverse transforms."""
    whole = _power_of_two(length + n_lags - 1)
    smallest = min(_power_of_two(2 * n_lags), whole)

    def cost(n_fft: int) -> float:
        blocks = -(-length // (n_fft - n_lags + 1))
        transforms = (blocks * (n + m) + n * m) * n_fft * math.log2(n_fft)
        return transforms + blocks * n_fft / 2 * n * m

    return min((smallest << i for i in range((whole // smallest).bit_length())), key=cost)


def _power_of_two(at_least: int) -> int:
    return 1 << max(1, (at_least - 1).bit_length())
