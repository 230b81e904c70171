"""From spectrograms to the signals of many sources, a block of frames at a time.

The spectrograms of all sources of a song do not fit in memory together: six of them, of five minutes of stereo, take
2.5 GB. What a mask does to a frame does not depend on other frames, and the inverse transform is a sum over frames;
so sources are estimated, transformed and added up block by block, and only their signals are held whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.filters import filter_sources
from mss_bench.dsp.stft import STFT, Spectrogram
from mss_bench.dsp.wiener import rough_spatial_model, wiener_filter

__all__ = ["BLOCK", "Magnitudes", "blocks", "filter_in_blocks", "inverse_in_blocks"]

Magnitudes = Callable[[Spectrogram, slice], Sequence[NDArray[Any]]]
"""From a block of the mixture and its frames to the magnitudes of all sources there, as `filter_sources` takes them."""

BLOCK = 1 << 20
"""Frames times bins of a block."""


def blocks(spectrogram: Spectrogram, size: int = BLOCK) -> Iterator[slice]:
    """Return slices that together hold all frames, each of about `size` bins and of one frame at least."""
    _, frames, bins = spectrogram.shape
    step = max(1, size // bins)
    return (slice(first, min(first + step, frames)) for first in range(0, frames, step))


def inverse_in_blocks(
    stft: STFT,
    mixture: Spectrogram,
    samples: int,
    estimate: Callable[[Spectrogram, slice], Sequence[Spectrogram]],
    size: int = BLOCK,
) -> list[NDArray[Any]]:
    """Estimate the signals of sources a block of frames at a time.

    Parameters
    ----------
    stft : STFT
        The transform of `mixture`.
    mixture : (channels, frames, bins) complex
    samples : int
        Length of the mixture's signal.
    estimate : callable
        From a block (channels, frames of the block, bins) of the mixture and the slice of its frames to that block of
        each source.
    size : int
        Frames times bins of a block.

    Returns
    -------
    list of (channels, samples) arrays
        What `STFT.inverse` gives for the whole spectrograms, up to rounding.
    """
    # Silent frames before each block take the place of the padding that the inverse transform cuts off.
    lead = -(-stft.n_fft // stft.hop) - 1
    signals: list[NDArray[Any]] = []
    for part in blocks(mixture, size):
        first, last = (part.start - lead) * stft.hop, min(part.stop * stft.hop, samples)
        for index, source in enumerate(estimate(mixture[:, part], part)):
            padded = np.pad(source, ((0, 0), (lead, 0), (0, 0)))
            signal = stft.inverse(padded, (lead + part.stop - part.start) * stft.hop)
            if index == len(signals):
                signals.append(np.zeros((len(signal), samples), dtype=signal.dtype))
            signals[index][:, max(first, 0) : last] += signal[:, max(-first, 0) : last - first]
    return signals


def filter_in_blocks(
    stft: STFT,
    mixture: Spectrogram,
    samples: int,
    magnitudes: Magnitudes,
    mask: str,
    power: float = 1.0,
    size: int = BLOCK,
) -> list[NDArray[Any]]:
    """Estimate the signals of all sources by a filter of `mss_bench.dsp.filters`; they add up to the mixture.

    Parameters
    ----------
    stft, mixture, samples, size
        As for `inverse_in_blocks`.
    magnitudes : callable
        From a block of the mixture, and the slice of its frames, to the magnitudes of the sources there.
        ``multichannel`` asks for each block twice: once for the spatial covariances, which are of the whole song, and
        once for the estimates.
    mask : str
        One of `mss_bench.dsp.filters.MASKS`.
    power : float
        The exponent of ``soft``.

    Returns
    -------
    list of (channels, samples) arrays
        What `filter_sources` and `STFT.inverse` give for the whole spectrograms, up to rounding.
    """
    if mask != "multichannel" or len(mixture) == 1:
        return inverse_in_blocks(
            stft, mixture, samples, lambda x, part: filter_sources(x, magnitudes(x, part), mask, power), size
        )
    covariances = _spatial_covariances(mixture, magnitudes, size)

    def estimate(x: Spectrogram, part: slice) -> list[Spectrogram]:
        rough = filter_sources(x, magnitudes(x, part), "wiener")
        powers = [np.asarray(np.mean(np.abs(y) ** 2, axis=0, dtype=np.float64)) for y in rough]
        return wiener_filter(x, list(zip(powers, covariances, strict=True)))

    return inverse_in_blocks(stft, mixture, samples, estimate, size)


def _spatial_covariances(mixture: Spectrogram, magnitudes: Magnitudes, size: int) -> list[NDArray[np.complex128]]:
    """Return the covariance of each source, (bins, channels, channels), as `rough_spatial_model` of all blocks."""
    sums: list[NDArray[np.complex128]] = []
    weights: list[NDArray[np.float64]] = []
    for part in blocks(mixture, size):
        x = mixture[:, part]
        for index, estimate in enumerate(filter_sources(x, magnitudes(x, part), "wiener")):
            power, covariance = rough_spatial_model(estimate)
            weight = power.sum(axis=0)[:, None, None]
            if index == len(sums):
                sums.append(np.zeros_like(covariance))
                weights.append(np.zeros_like(weight))
            sums[index] += weight * covariance
            weights[index] += weight
    identity = np.eye(len(mixture))
    return [np.where(w > 0, s / np.where(w > 0, w, 1.0), identity) for s, w in zip(sums, weights, strict=True)]
