"""Energies of filtered signals within frames, from lag correlations alone.

For filters h_i[l] and signals x_i that are zero outside a frame, the energy of ``sum_i h_i * x_i`` (tail included) is
``sum_ij sum_k a_ij[k] c_ij[k]`` with the correlations ``a_ij[k] = sum_l h_i[l + k] h_j[l]`` of the filters: no signal
is filtered. One matrix product gives the energies of all frames and all filters.

A small energy of large filters loses digits in that sum. `quadratic_forms` returns a bound on the rounding error
beside each energy; where it is too large, `filtered` gives the signal itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft

from mss_bench.metrics._lags import Floats

__all__ = ["filtered", "linear_forms", "quadratic_forms"]

_EPS = float(np.finfo(np.float64).eps)


def quadratic_forms(lags: Floats, filters: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Energies of ``sum_i h_i * x_i``, summed over the channels of the filters, in every frame.

    Parameters
    ----------
    lags : (n_frames, n_lags, n, n)
        Correlations of the signals x with each other.
    filters : sequence of (n_lags, n, channels)

    Returns
    -------
    energies, errors : (n_frames, len(filters))
        `errors` bounds the rounding error.
    """
    n_frames, n_lags, n, _ = lags.shape
    weights = np.full((n_lags, 1, 1), 2.0)
    weights[0] = 1.0
    forms = np.empty((len(filters), n_lags, n, n))
    for form, taps in zip(forms, filters, strict=True):
        n_fft = scipy.fft.next_fast_len(2 * n_lags - 1, real=True)
        spectra = scipy.fft.rfft(taps, n=n_fft, axis=0, workers=1)
        product = np.matmul(spectra, spectra.conj().transpose(0, 2, 1))
        np.multiply(scipy.fft.irfft(product, n=n_fft, axis=0, workers=1)[:n_lags], weights, out=form)
    energies = lags.reshape(n_frames, -1) @ forms.reshape(len(filters), -1).T
    amplitudes = _amplitudes(lags)
    sizes = np.abs(forms).sum(axis=1)
    return energies, _EPS * np.einsum("fi,qij,fj->fq", amplitudes, sizes, amplitudes)


def linear_forms(lags: Floats, cross: Floats, energy: Floats, taps: Floats) -> tuple[Floats, Floats]:
    """Products ``<sum_i h_i * x_i, y>``, summed over channels, in every frame.

    Parameters
    ----------
    lags : (n_frames, n_lags, n, n)
        As of `quadratic_forms`.
    cross : (n_frames, n_lags, n, channels)
        Correlations of the signals x with the channels of y.
    energy : (n_frames,)
        Of y.
    taps : (n_lags, n, channels)

    Returns
    -------
    products, errors : (n_frames,)
    """
    products = np.tensordot(cross, taps, axes=3)
    sizes = np.abs(taps).sum(axis=(0, 2))
    return products, _EPS * (_amplitudes(lags) @ sizes) * np.sqrt(energy)


def filtered(signals: Floats, taps: Floats) -> Floats:
    """``sum_i h_i * x_i`` with its tail: ``(channels, samples + n_lags - 1)`` from ``(n, samples)``."""
    length = signals.shape[1] + len(taps) - 1
    n_fft = scipy.fft.next_fast_len(length, real=True)
    spectra = scipy.fft.rfft(signals, n=n_fft, axis=1, workers=1)
    responses = scipy.fft.rfft(np.ascontiguousarray(taps.transpose(2, 1, 0)), n=n_fft, axis=2, workers=1)
    sums = np.einsum("nf,cnf->cf", spectra, responses)
    out: Floats = scipy.fft.irfft(sums, n=n_fft, axis=1, workers=1)[:, :length]
    return out


def _amplitudes(lags: Floats) -> Floats:
    """Norms ``(n_frames, n)`` of the signals in every frame."""
    return np.sqrt(np.maximum(np.diagonal(lags[:, 0], axis1=1, axis2=2), 0.0))
