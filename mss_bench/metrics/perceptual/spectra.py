"""Spectrograms of a piece of reference, estimate and interference, as the measures of artifacts look at them.

Bins count only where the reference dominates its mixture: there an artifact is one, and not leakage of another source.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.metrics._magnitudes import hann

__all__ = [
    "Mask",
    "Piece",
    "Spectra",
    "bin_frequencies",
    "bin_gains",
    "octave_bands",
    "spectra",
    "transform_length",
]

Mask = NDArray[np.bool_]
Complex = NDArray[np.complexfloating[Any, Any]]

_LEAST = 1e-6
"""Power of a bin that counts, relative to the strongest."""


@dataclass(frozen=True)
class Piece:
    """A piece of the signals, aligned; each ``(channels, samples)`` float64.

    A bin is the reference's where it has `dominance` times the power of all other sources.
    """

    reference: Floats
    estimate: Floats
    others: Floats
    sample_rate: int
    dominance: float


@dataclass(frozen=True)
class Spectra:
    """Spectrograms of a piece.

    Parameters
    ----------
    reference, estimate : (channels, frames, bins) complex
    dominant : (frames, bins) bool
    frequency : (bins,) float64
        Hz.
    hop : float
        Seconds.
    """

    reference: Complex
    estimate: Complex
    dominant: Mask
    frequency: Floats
    hop: float


def transform_length(seconds: float, sample_rate: int) -> int:
    """Return the power of 2 of samples that is nearest to a duration."""
    return int(2 ** max(4, round(np.log2(seconds * sample_rate))))


def spectra(piece: Piece, seconds: float) -> Spectra:
    """Return spectrograms with a Hann window of about that length and a quarter of it as hop."""
    n_fft = transform_length(seconds, piece.sample_rate)
    reference, estimate, others = (stft(x, n_fft) for x in (piece.reference, piece.estimate, piece.others))
    power, rest = (np.sum(x.real**2 + x.imag**2, axis=0, dtype=np.float64) for x in (reference, others))
    dominant = (power > piece.dominance * rest) & (power > _LEAST * power.max(initial=0.0))
    return Spectra(
        reference, estimate, dominant, bin_frequencies(n_fft, piece.sample_rate), n_fft / 4 / piece.sample_rate
    )


def bin_frequencies(n_fft: int, sample_rate: int) -> Floats:
    """Return the frequency of every bin in Hz."""
    return np.arange(n_fft // 2 + 1) * np.float64(sample_rate / n_fft)


def stft(signal: Samples, n_fft: int) -> Complex:
    """Return ``(channels, frames, bins)`` complex64: single precision is far finer than any artifact that is heard.

    Frames are centred and every quarter of the window; zeros lie around the signal.
    """
    from scipy import fft

    padded = np.pad(signal.astype(np.float32), ((0, 0), (n_fft // 2, n_fft)))
    framed = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=1)[:, :: n_fft // 4]
    return np.asarray(fft.rfft(framed * hann(n_fft, n_fft).astype(np.float32), axis=2))


def octave_bands(frequency: Floats, lowest: float, highest: float, per_octave: int) -> list[NDArray[np.intp]]:
    """Return the bins of neighbouring bands of an equal part of an octave; those without a bin are left out."""
    edges = lowest * 2.0 ** (np.arange(round(per_octave * np.log2(highest / lowest)) + 1) / per_octave)
    bands = [np.flatnonzero((frequency >= a) & (frequency < b)) for a, b in pairwise(edges)]
    return [bins for bins in bands if len(bins)]


def bin_gains(before: Floats, after: Floats, counts: Mask, least: float) -> tuple[Floats, Mask]:
    """Return the gain of the power of every bin, and which bins were not lost.

    Parameters
    ----------
    before, after : (frames, bins)
        Power of reference and estimate.
    counts : (frames, bins) bool
    least : float
        Gain, relative to that of all bins together, from which on a bin is not lost.
    """
    reference, estimate = (before * counts).sum(axis=0), (after * counts).sum(axis=0)
    gain = np.divide(estimate, reference, out=np.zeros_like(reference), where=reference > 0)
    whole = estimate.sum() / reference.sum() if reference.sum() > 0 else 0.0
    return gain, (gain > least * whole) & (gain > 0)
