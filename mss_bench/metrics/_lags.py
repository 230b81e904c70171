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
import scipy.fft
from numpy.typing import NDArray

from mss_bench.metrics._frames import Frames, Span
from mss_bench.metrics._signals import Floats, Reader

__all__ = ["LagCorrelations", "correlate"]

_BATCH_SAMPLES = 1 << 16
"""Samples a channel that are transformed at once: what keeps a batch in the processor's cache."""


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


def correlate(x: Reader, y: Reader, n: int, m: int, frames: Frames) -> LagCorrelations:
    """Lag correlations of n signals x with m signals y at lags 0 to ``frames.reach``."""
    n_lags = frames.reach + 1
    per_frame, segments, spans = frames.segments_per_frame, frames.segments, frames.spans
    out, energy = np.zeros((len(spans), n_lags, n, m)), np.zeros((len(spans), m))
    total = np.zeros((n_lags, n, m))
    if per_frame == 0:
        for f, span in enumerate(spans):
            out[f], energy[f] = _correlate_span(x, y, n, m, span, n_lags)
    for s, span in enumerate(segments):
        part, part_energy = _correlate_span(x, y, n, m, span, n_lags)
        total += part
        members = range(max(0, s - per_frame + 1), min(s + 1, len(spans)))  # none where per_frame is 0
        for f in members:
            out[f] += part
            energy[f] += part_energy
        if s > 0:
            seam = _correlate_seam(x, y, span[0], frames.n_samples, n_lags)
            total += seam
            for f in members:
                if f < s:  # the seam lies inside the frame
                    out[f] += seam
    return LagCorrelations(out, total, energy)


def _correlate_span(x: Reader, y: Reader, n: int, m: int, span: Span, n_lags: int) -> tuple[Floats, Floats]:
    """Correlations ``(n_lags, n, m)`` within a span, outside of which the signals count as zero, and energies of y."""
    start, stop = span
    n_fft = _fft_size(stop - start, n_lags, n, m)
    block, reach = n_fft - n_lags + 1, n_lags - 1
    step = block * max(1, _BATCH_SAMPLES // block)
    spectrum = np.zeros((n_fft // 2 + 1, n, m), dtype=np.complex128)
    energy = np.zeros(m)
    for a in range(start, stop, step):
        b = min(a + step, stop)
        count = -(-(b - a) // block)
        past = min(reach, a - start)
        x_padded = np.zeros((n, reach + count * block))
        x_padded[:, reach - past : reach + b - a] = x(a - past, b)
        y_padded = np.zeros((m, count * block))
        y_padded[:, : b - a] = y(a, b)
        energy += np.einsum("mt,mt->m", y_padded, y_padded)
        x_blocks = np.lib.stride_tricks.sliding_window_view(x_padded, n_fft, axis=1)[:, ::block]
        y_blocks = np.zeros((m, count, n_fft))
        y_blocks[:, :, reach:] = y_padded.reshape(m, count, block)
        spectrum += _cross_spectrum(x_blocks, y_blocks)
    return _lags(spectrum, n_fft, n_lags), energy


def _correlate_seam(x: Reader, y: Reader, at: int, n_samples: int, n_lags: int) -> Floats:
    """What x before a seam gives with y after it, ``(n_lags, n, m)``."""
    reach = n_lags - 1
    past, future = min(reach, at), min(reach, n_samples - at)
    n_fft = _power_of_two(max(2 * reach, 2))
    before, after = x(at - past, at), y(at, at + future)
    x_block = np.zeros((len(before), 1, n_fft))
    x_block[:, 0, reach - past : reach] = before
    y_block = np.zeros((len(after), 1, n_fft))
    y_block[:, 0, reach : reach + future] = after
    return _lags(_cross_spectrum(x_block, y_block), n_fft, n_lags)


def _cross_spectrum(x_blocks: Floats, y_blocks: Floats) -> NDArray[np.complex128]:
    """``sum_b conj(X_b) Y_b`` as ``(bins, n, m)`` from blocks ``(n or m, b, n_fft)``."""
    x_spectra = scipy.fft.rfft(x_blocks, axis=-1, workers=1)
    y_spectra = scipy.fft.rfft(y_blocks, axis=-1, workers=1)
    np.conj(x_spectra, out=x_spectra)
    # a contiguous copy with the frequency first lets BLAS take each product as it lies
    left = np.ascontiguousarray(x_spectra.transpose(2, 0, 1))
    right = np.ascontiguousarray(y_spectra.transpose(2, 1, 0))
    product: NDArray[np.complex128] = np.matmul(left, right)
    return product


def _lags(spectrum: NDArray[np.complex128], n_fft: int, n_lags: int) -> Floats:
    pairs = np.ascontiguousarray(spectrum.reshape(len(spectrum), -1).T)
    correlation = scipy.fft.irfft(pairs, n=n_fft, axis=-1, workers=1)[:, :n_lags]
    return np.ascontiguousarray(correlation.T).reshape(n_lags, *spectrum.shape[1:])


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
