"""Energies of filtered signals within frames, from lag correlations alone.

For filters h_i[l] and signals x_i that are zero outside a frame, the energy of ``sum_i h_i * x_i`` (tail included) is
``sum_ij sum_k a_ij[k] c_ij[k]`` with the correlations ``a_ij[k] = sum_l h_i[l + k] h_j[l]`` of the filters: no signal
is filtered. One matrix product gives the energies of all frames and all filters.

A small energy of large filters loses digits in that sum, so each energy comes with a bound on its rounding error;
where that is too large, a `FilterBank` gives the signal itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.fft

from mss_bench.core.arrays import Floats
from mss_bench.metrics._frames import Span
from mss_bench.metrics._signals import Signals

__all__ = ["FilterBank", "linear_form", "quadratic_forms"]

_EPS = float(np.finfo(np.float64).eps)

_CHUNK = 16
"""Length of the transforms of a `FilterBank`, in filter lengths."""


def quadratic_forms(lags: Floats, filters: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return energies of ``sum_i h_i * x_i``, summed over the channels of the filters, in every frame.

    Parameters
    ----------
    lags : (n_frames, n_lags, n, n)
        Correlations of the signals x with each other.
    filters : sequence of (n_lags, n, channels)

    Returns
    -------
    energies, errors : (len(filters), n_frames)
        `errors` bounds the rounding error.
    """
    n_frames, n_lags, n, _ = lags.shape
    weights = np.full((n_lags, 1, 1), 2.0)  # lag -k of (i, j) is lag k of (j, i)
    weights[0] = 1.0
    n_fft = scipy.fft.next_fast_len(2 * n_lags - 1, real=True)
    forms = np.empty((len(filters), n_lags, n, n))
    for form, taps in zip(forms, filters, strict=True):
        spectra = scipy.fft.rfft(taps, n=n_fft, axis=0, workers=1)
        products = np.matmul(spectra, spectra.conj().transpose(0, 2, 1))
        np.multiply(scipy.fft.irfft(products, n=n_fft, axis=0, workers=1)[:n_lags], weights, out=form)
    energies = forms.reshape(len(filters), -1) @ lags.reshape(n_frames, -1).T
    amplitudes, sizes = _amplitudes(lags), np.abs(forms).sum(axis=1)
    errors = np.stack([((amplitudes @ size) * amplitudes).sum(axis=1) for size in sizes])
    return energies, _EPS * errors


def linear_form(lags: Floats, cross: Floats, energy: Floats, taps: Floats) -> tuple[Floats, Floats]:
    """Return products ``<sum_i h_i * x_i, y>``, summed over channels, in every frame.

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
    products: Floats = np.tensordot(cross, taps, axes=3)
    sizes = np.abs(taps).sum(axis=(0, 2))
    return products, _EPS * (_amplitudes(lags) @ sizes) * np.sqrt(energy)


class FilterBank:
    """Filters signals by overlap-save.

    Parameters
    ----------
    filters : sequence of (n_lags, n, channels)
        From n signals x_i to ``sum_i h_i * x_i``.
    """

    def __init__(self, filters: Sequence[Floats]) -> None:
        self._reach = len(filters[0]) - 1
        self._n_fft = 1 << (_CHUNK * len(filters[0])).bit_length()
        taps = (np.ascontiguousarray(h.transpose(2, 1, 0)) for h in filters)
        self._spectra = [scipy.fft.rfft(h, n=self._n_fft, workers=1) for h in taps]

    def apply(self, signals: Signals, span: Span) -> Iterator[tuple[Span, list[Floats]]]:
        """Yield the filtered signals of a frame with their tail, chunk by chunk.

        Parameters
        ----------
        signals : Signals
            The n signals x, which count as zero outside the span.

        Yields
        ------
        span : (int, int)
            Samples of the chunk; the last one reaches ``n_lags - 1`` beyond the frame.
        chunks : list of (channels, samples)
            One for each filter.
        """
        (start, stop), reach = span, self._reach
        padded = np.empty((signals.n, self._n_fft))
        for a in range(start, stop + reach, self._n_fft - reach):
            b = min(a + self._n_fft - reach, stop + reach)
            first, last = max(start, a - reach), min(b, stop)
            padded[:] = 0
            signals.read(first, last, padded[:, first - a + reach : last - a + reach])
            spectrum = scipy.fft.rfft(padded, workers=1)
            sums = (np.einsum("cnf,nf->cf", h, spectrum) for h in self._spectra)
            chunks = [scipy.fft.irfft(total, n=self._n_fft, workers=1) for total in sums]
            yield (a, b), [chunk[:, reach : reach + b - a] for chunk in chunks]


def _amplitudes(lags: Floats) -> Floats:
    """Return the norms ``(n_frames, n)`` of the signals in every frame."""
    return np.sqrt(np.maximum(np.diagonal(lags[:, 0], axis1=1, axis2=2), 0.0))
