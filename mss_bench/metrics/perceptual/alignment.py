"""The delay of an estimate against its reference.

The measures of artifacts are not to take a delay for a fault. Where the waveforms agree, their cross-correlation tells
the delay to the sample; where phases are lost or spread, the envelopes of a few bands do to a millisecond.
"""

from __future__ import annotations

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.metrics.perceptual.spectra import bin_frequencies, octave_bands, stft, transform_length

__all__ = ["delayed_by"]

_REACH = 0.05
"""Seconds to both sides."""
_COHERENT = 0.5
"""Correlation from which on waveforms agree."""
_DOUBT = 1.0
"""How much better the envelopes must agree at the far end of the reach than without a shift."""
_EMPHASIS = 2000.0
"""Frequency in Hz up to which the spectrum is tilted."""
_LONGEST = 60.0
"""Seconds from the middle of a track that are looked at."""


def delayed_by(reference: Samples, estimate: Samples, sample_rate: int) -> int:
    """Return by how many samples an estimate ``(channels, samples)`` is late, up to 50 ms; negative if early."""
    from scipy import fft

    length = min(reference.shape[1], round(_LONGEST * sample_rate))
    first = (reference.shape[1] - length) // 2
    s, y = (np.asarray(x[:, first : first + length], dtype=np.float64) for x in (reference, estimate))
    reach = min(round(_REACH * sample_rate), length - 1)
    n = fft.next_fast_len(length + reach, real=True)
    # without this, bass alone would decide, whose correlation is high half a period off, too
    emphasis = np.minimum(np.fft.rfftfreq(n, 1 / sample_rate) / _EMPHASIS, 1.0)
    s_spectrum, y_spectrum = (fft.rfft(x, n, axis=1) * emphasis for x in (s, y))
    energies = [float(np.mean(np.abs(spectrum) ** 2)) for spectrum in (s_spectrum, y_spectrum)]
    if min(energies) == 0:
        return 0
    product = np.mean(y_spectrum * s_spectrum.conj(), axis=0)
    correlation = np.abs(_around_zero(fft.irfft(product, n), reach))
    best = int(np.argmax(correlation))
    if correlation[best] > _COHERENT * np.sqrt(energies[0] * energies[1]):
        return best - int(reach)
    return _by_envelope(s, y, sample_rate)


def _around_zero(correlation: Floats, reach: int) -> Floats:
    """Return lags from ``-reach`` to ``reach`` of a circular correlation."""
    return np.concatenate([correlation[len(correlation) - reach :], correlation[: reach + 1]])


def _by_envelope(reference: Floats, estimate: Floats, sample_rate: int) -> int:
    from scipy import fft

    n_fft = transform_length(0.006, sample_rate)
    s, y = (_envelopes(x, n_fft, sample_rate) for x in (reference, estimate))
    n = fft.next_fast_len(2 * s.shape[1], real=True)
    product = fft.rfft(y, n, axis=1) * fft.rfft(s, n, axis=1).conj()
    reach = min(round(_REACH * sample_rate / (n_fft // 4)), s.shape[1] - 1)
    likely = 1 - _DOUBT * np.abs(np.arange(-reach, reach + 1)) / max(reach, 1)
    best = int(np.argmax(_around_zero(fft.irfft(product.sum(axis=0), n), reach) * likely))
    return (best - int(reach)) * int(n_fft // 4)


def _envelopes(signal: Floats, n_fft: int, sample_rate: int) -> Floats:
    """Return compressed envelopes ``(bands, frames)`` of bands of an octave, without their means."""
    magnitude = np.sqrt(np.abs(stft(signal, n_fft)).sum(axis=0))
    bands = octave_bands(bin_frequencies(n_fft, sample_rate), 250.0, 16000.0, 1)
    envelopes = np.stack([magnitude[:, bins].mean(axis=1) for bins in bands])
    return np.asarray(envelopes - envelopes.mean(axis=1, keepdims=True), dtype=np.float64)
