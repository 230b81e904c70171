"""The multichannel Wiener filter.

Source j is modelled in every bin as a Gaussian vector over the channels with the covariance ``P_j(t, f) R_j(f)``: a
power that moves and a spatial covariance that stays [1]_, [2]_. Its estimate from the mixture x is

    y_j = P_j R_j (sum_k P_k R_k)^-1 x.

References
----------
.. [1] N. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source separation using a full-rank
   spatial covariance model", IEEE Trans. Audio, Speech, and Language Processing 18(7), 2010.
.. [2] A. Liutkus et al., "The 2016 Signal Separation Evaluation Campaign", Proc. LVA/ICA, 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.stft import Spectrogram

__all__ = ["rough_spatial_model", "spatial_model", "wiener_filter"]

_REGULARISATION = 1e-7
"""Added to each spatial covariance, whose trace is the number of channels. It makes a source that is the same in all
channels (a covariance without an inverse) lose nothing, and is far below what any recording holds."""


def spatial_model(source: Spectrogram) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Power and spatial covariance of a source that is known.

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
    y_fct = np.ascontiguousarray(source.transpose(2, 0, 1), dtype=np.complex128)
    channels = y_fct.shape[1]
    power = np.mean(y_fct.real**2 + y_fct.imag**2, axis=1)
    weight = np.divide(1.0, power, out=np.zeros_like(power), where=power > np.finfo(np.float64).tiny)
    covariance = (y_fct * weight[:, None]) @ y_fct.conj().swapaxes(1, 2)
    trace = np.trace(covariance, axis1=1, axis2=2).real[:, None, None]
    identity = np.eye(channels)
    covariance = np.where(trace > 0, covariance * (channels / np.where(trace > 0, trace, 1.0)), identity)
    covariance += _REGULARISATION * identity
    power = np.einsum("fct,fct->ft", y_fct.conj(), np.linalg.solve(covariance, y_fct)).real / channels
    return np.maximum(power, 0.0).T, covariance


def rough_spatial_model(estimate: Spectrogram) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Power and spatial covariance of a source that is known only through a first estimate.

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
    y_fct = np.ascontiguousarray(estimate.transpose(2, 0, 1), dtype=np.complex128)
    identity = np.eye(y_fct.shape[1])
    power = np.mean(y_fct.real**2 + y_fct.imag**2, axis=1)
    total = power.sum(axis=-1)[:, None, None]
    audible = total > np.finfo(np.float64).tiny
    covariance: NDArray[np.complex128] = np.where(
        audible, (y_fct @ y_fct.conj().swapaxes(1, 2)) / np.where(audible, total, 1.0), identity
    )
    covariance += _REGULARISATION * identity
    return power.T, covariance


def wiener_filter(
    mixture: Spectrogram, models: Sequence[tuple[NDArray[np.float64], NDArray[np.complex128]]]
) -> list[Spectrogram]:
    """Estimates of all sources, which add up to the mixture.

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
    x_ftc = mixture.transpose(2, 1, 0).astype(np.complex128)
    powers = [power.T[..., None] for power, _ in models]
    total: NDArray[np.float64] = np.sum(powers, axis=0)
    # Only the ratios of the powers matter; with their sum made 1 nothing depends on the level of the mixture.
    shares = [
        np.divide(p, total, out=np.full_like(p, 1.0 / len(models)), where=total > np.finfo(np.float64).tiny)
        for p in powers
    ]
    covariance: NDArray[Any] = np.zeros((*x_ftc.shape, x_ftc.shape[-1]), dtype=np.complex128)
    for share, (_, spatial) in zip(shares, models, strict=True):
        covariance += share[..., None] * spatial[:, None]
    whitened = _solve(covariance, x_ftc)
    return [
        (share * (whitened @ spatial.swapaxes(1, 2))).transpose(2, 1, 0).astype(mixture.dtype)
        for share, (_, spatial) in zip(shares, models, strict=True)
    ]


def _solve(matrices: NDArray[Any], vectors: NDArray[Any]) -> NDArray[Any]:
    """``matrices^-1 vectors`` for Hermitian ``(..., n, n)`` and ``(..., n)``; one and two channels in closed form."""
    channels = vectors.shape[-1]
    if channels == 1:
        return np.asarray(vectors / matrices[..., 0])
    if channels == 2:
        a, b, d = matrices[..., 0, 0].real, matrices[..., 0, 1], matrices[..., 1, 1].real
        x, y = vectors[..., 0], vectors[..., 1]
        determinant = a * d - (b.real**2 + b.imag**2)
        return np.stack([(d * x - b * y) / determinant, (a * y - b.conj() * x) / determinant], axis=-1)
    return np.asarray(np.linalg.solve(matrices, vectors[..., None])[..., 0])
