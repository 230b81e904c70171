"""The multichannel Wiener filter.

Source j is modelled in every bin as a Gaussian vector over the channels with the covariance ``P_j(t, f) R_j(f)``: a
power that moves and a spatial covariance that stays [1]_, [2]_. Its estimate from the mixture x is

    y_j = P_j R_j (sum_k P_k R_k)^-1 x.

Every formula holds for each frequency alone. The work is done on a few of them at a time, in double precision, so that
the covariances of a whole song are never held.

Why this is here although norbert has it: norbert 0.2.1, its last version, of 2019, works on whole songs, overwrites
what it is given and knows no spatial covariances but those of its own iterations; the same filter (four sources, 30 s
of stereo, one thread) takes 2.7 to 2.9 times the CPU time there.

References
----------
.. [1] N. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source separation using a full-rank
   spatial covariance model", IEEE Trans. Audio, Speech, and Language Processing 18(7), 2010.
.. [2] A. Liutkus et al., "The 2016 Signal Separation Evaluation Campaign", Proc. LVA/ICA, 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.stft import Spectrogram

__all__ = [
    "bin_blocks",
    "filter_bins",
    "frames_last",
    "rough_covariance",
    "rough_spatial_model",
    "spatial_model",
    "wiener_filter",
]

# Added to each spatial covariance, whose trace is the number of channels. It makes a source that is the same in all
# channels (a covariance without an inverse) lose nothing, and is far below what any recording holds.
_REGULARISATION = 1e-7

# Values of a block of frequencies: some megabytes in double precision.
_BLOCK = 1 << 18


def bin_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Return slices of the last axis of ``(channels, frames, bins)`` that bound the memory of the work on each."""
    channels, frames, bins = shape
    width = max(1, _BLOCK // max(1, channels * frames))
    return (slice(first, min(first + width, bins)) for first in range(0, bins, width))


def spatial_model(source: Spectrogram) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Model a source that is known by its power and spatial covariance.

    ``P = mean_c |y_c|^2`` first, then ``R = mean_t(y y^H / P)`` with its trace made the number of channels I, and with
    it the power again, as the maximum of the likelihood: ``P = y^H R^-1 y / I``.

    Parameters
    ----------
    source : (channels, frames, bins) complex

    Returns
    -------
    power : (frames, bins) float64
    covariance : (bins, channels, channels) complex128
        The identity where the source is silent.
    """
    channels, frames, bins = source.shape
    power = np.empty((frames, bins))
    covariance = np.empty((bins, channels, channels), dtype=np.complex128)
    for part in bin_blocks(source.shape):
        y_fct = frames_last(source[..., part])
        rough = _mean_power(y_fct)
        weight = np.divide(1.0, rough, out=np.zeros_like(rough), where=rough > np.finfo(np.float64).tiny)
        spatial = (y_fct * weight[:, None]) @ y_fct.conj().swapaxes(1, 2)
        covariance[part] = _normalised(spatial, np.trace(spatial, axis1=1, axis2=2).real / channels)
        whitened = np.linalg.solve(covariance[part], y_fct)
        again = np.sum(y_fct.real * whitened.real + y_fct.imag * whitened.imag, axis=1) / channels
        power[:, part] = np.maximum(again, 0.0).T
    return power, covariance


def rough_spatial_model(estimate: Spectrogram) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Model a source that is known only through a first estimate by its power and spatial covariance.

    ``P = mean_c |y_c|^2`` and ``R = sum_t y y^H / sum_t P``: strong frames, where an estimate is best, count most. The
    power is not estimated again as in `spatial_model`: what leaked in from other directions would be blown up.

    Parameters
    ----------
    estimate : (channels, frames, bins) complex

    Returns
    -------
    power : (frames, bins) float64
    covariance : (bins, channels, channels) complex128
        Of trace `channels`; the identity where the estimate is silent.
    """
    channels, frames, bins = estimate.shape
    power = np.empty((frames, bins))
    covariance = np.empty((bins, channels, channels), dtype=np.complex128)
    for part in bin_blocks(estimate.shape):
        power_ft, covariance[part] = rough_covariance(frames_last(estimate[..., part]))
        power[:, part] = power_ft.T
    return power, covariance


def rough_covariance(y_fct: NDArray[np.complex128]) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Model as `rough_spatial_model` on some frequencies, with frames along the last axis.

    Parameters
    ----------
    y_fct : (bins, channels, frames) complex128

    Returns
    -------
    power : (bins, frames) float64
    covariance : (bins, channels, channels) complex128
    """
    power = _mean_power(y_fct)
    return power, _normalised(y_fct @ y_fct.conj().swapaxes(1, 2), power.sum(axis=-1))


def wiener_filter(
    mixture: Spectrogram, models: Sequence[tuple[NDArray[np.float64], NDArray[np.complex128]]]
) -> list[Spectrogram]:
    """Estimate all sources by their models; the estimates add up to the mixture.

    Parameters
    ----------
    mixture : (channels, frames, bins) complex
    models : sequence of (power, covariance)
        One for each source, as `spatial_model` returns them.

    Returns
    -------
    list of (channels, frames, bins) arrays of the type of `mixture`
        Where no source has power the mixture is shared equally.
    """
    out = [np.empty_like(mixture) for _ in models]
    for part in bin_blocks(mixture.shape):
        powers = [np.asarray(power[:, part].T, dtype=np.float64) for power, _ in models]
        estimates = filter_bins(frames_last(mixture[..., part]), powers, [spatial[part] for _, spatial in models])
        for whole, estimate in zip(out, estimates, strict=True):
            whole[..., part] = estimate.transpose(1, 2, 0)
    return out


def filter_bins(
    x_fct: NDArray[np.complex128],
    powers: Sequence[NDArray[np.floating[Any]]],
    covariances: Sequence[NDArray[np.complex128]],
) -> list[NDArray[np.complex128]]:
    """Apply the multichannel Wiener filter to some frequencies, with frames along the last axis.

    Parameters
    ----------
    x_fct : (bins, channels, frames) complex128
    powers : sequence of (bins, frames) arrays
        One a source; not negative.
    covariances : sequence of (bins, channels, channels) complex128

    Returns
    -------
    list of (bins, channels, frames) complex128
    """
    total: NDArray[np.float64] = np.sum(powers, axis=0, dtype=np.float64)
    # Only the ratios of the powers matter; with their sum made 1 nothing depends on the level of the mixture.
    audible = total > np.finfo(np.float64).tiny
    shares = [
        np.divide(power, total, out=np.full(total.shape, 1.0 / len(powers)), where=audible, dtype=np.float64)
        for power in powers
    ]
    whitened = _whitened(x_fct, shares, covariances)
    return [share[:, None] * (spatial @ whitened) for share, spatial in zip(shares, covariances, strict=True)]


def frames_last(spectrogram: Spectrogram) -> NDArray[np.complex128]:
    """Turn ``(channels, frames, bins)`` to ``(bins, channels, frames)`` in double precision."""
    return np.ascontiguousarray(spectrogram.transpose(2, 0, 1), dtype=np.complex128)


def _whitened(
    x_fct: NDArray[np.complex128], shares: Sequence[NDArray[np.float64]], covariances: Sequence[NDArray[np.complex128]]
) -> NDArray[np.complex128]:
    """Return ``(sum_k P_k R_k)^-1 x``; one and two channels in closed form, which is much faster."""

    def entry(i: int, j: int) -> NDArray[Any]:
        weights = [spatial[:, i, j, None] if i != j else spatial[:, i, j, None].real for spatial in covariances]
        return np.asarray(sum(share * weight for share, weight in zip(shares, weights, strict=True)))

    channels = x_fct.shape[1]
    # The shares sum to 1 and every covariance is regularised, so that nothing here divides by zero.
    if channels == 1:
        return np.asarray(x_fct / entry(0, 0)[:, None])
    if channels == 2:
        a, b, d = entry(0, 0), entry(0, 1), entry(1, 1)
        x, y = x_fct[:, 0], x_fct[:, 1]
        inverse = 1.0 / (a * d - (b.real**2 + b.imag**2))
        return np.stack([(d * x - b * y) * inverse, (a * y - b.conj() * x) * inverse], axis=1)
    matrices = np.stack([np.stack([entry(i, j) for j in range(channels)], axis=-1) for i in range(channels)], axis=-2)
    return np.ascontiguousarray(np.linalg.solve(matrices, x_fct.swapaxes(1, 2)[..., None])[..., 0].swapaxes(1, 2))


def _mean_power(y_fct: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.asarray(np.mean(y_fct.real**2 + y_fct.imag**2, axis=1))


def _normalised(spatial: NDArray[np.complex128], scale: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Divide by a scale for each frequency and make invertible; return the identity where the scale is zero."""
    identity = np.eye(spatial.shape[-1])
    scale = scale[:, None, None]
    audible = scale > np.finfo(np.float64).tiny
    return np.asarray(np.where(audible, spatial / np.where(audible, scale, 1.0), identity) + _REGULARISATION * identity)
