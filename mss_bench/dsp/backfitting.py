"""Backfitting: tell sources apart by what each looks like to its own smoother, and by where it comes from.

The sources of a mixture are Gaussian with covariances ``f_j(t, f) R_j(f)`` (see `mss_bench.dsp.wiener`). Nothing is
known of f_j but a smoother that leaves it as it is and blurs the others. In turn the sources are filtered out of the
mixture by what is known of all, and each is smoothed [1]_.

References
----------
.. [1] A. Liutkus, D. FitzGerald, Z. Rafii, B. Pardo and L. Daudet, "Kernel additive models for source separation",
   IEEE Trans. Signal Processing 62(16), 2014.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.stft import Spectrogram
from mss_bench.dsp.wiener import bin_blocks, filter_bins, frames_last, rough_covariance

__all__ = ["Smoother", "backfit", "wiener_blocks"]

Smoother = Callable[[NDArray[Any]], NDArray[Any]]
"""From powers ``(bins, frames)`` to smooth ones."""


def backfit(
    mixture: Spectrogram, powers: Sequence[NDArray[np.float32]], smoothers: Sequence[Smoother], iterations: int
) -> list[NDArray[np.complex128]]:
    """Fit the sources' powers and spatial covariances.

    Parameters
    ----------
    mixture : (channels, frames, bins) complex
    powers : sequence of (bins, frames) float32
        First guesses, one for each source; they become the fitted powers. Zeros stay zero until they are smoothed.
    smoothers : sequence of callable
        One for each source.
    iterations : int

    Returns
    -------
    list of (bins, channels, channels) complex128
        The spatial covariance of each source; the identity before the first iteration.
    """
    channels, _, bins = mixture.shape
    covariances = [np.tile(np.eye(channels, dtype=np.complex128), (bins, 1, 1)) for _ in powers]
    for _ in range(iterations):
        # All but the smoothing is done for each frequency alone: no whole spectrogram need be in float64.
        for part in bin_blocks(mixture.shape):
            known = [power[part] for power in powers], [spatial[part] for spatial in covariances]
            estimates = filter_bins(frames_last(mixture[..., part]), *known)
            for power, spatial, estimate in zip(*known, estimates, strict=True):
                power[:], spatial[:] = rough_covariance(estimate)
        for power, smooth in zip(powers, smoothers, strict=True):
            power[:] = smooth(power)
    return covariances


def wiener_blocks(
    mixture: Spectrogram, powers: Sequence[NDArray[np.float32]], covariances: Sequence[NDArray[np.complex128]]
) -> Iterator[tuple[tuple[slice, slice, slice], list[Spectrogram]]]:
    """Yield the sources of a fitted mixture, some frequencies at a time, as `mss_bench.dsp.filters.filter_blocks`."""
    for columns in bin_blocks(mixture.shape):
        part = (slice(None), slice(None), columns)
        known = [power[columns] for power in powers], [spatial[columns] for spatial in covariances]
        estimates = filter_bins(frames_last(mixture[part]), *known)
        yield part, [estimate.transpose(1, 2, 0) for estimate in estimates]
