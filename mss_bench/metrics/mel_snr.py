"""Multi-Mel-SNR: a signal-to-noise ratio of mel spectrograms, of the Music Source Restoration Challenge.

For each channel at 48 kHz the estimate is scaled to the reference, ``y <- (s.y) / (y.y + 1e-8) y``, so that a gain is
forgiven. With M the power mel spectrogram of the reference and M' that of the estimate,

    10 log10(sum M^2 / (sum (M - M')^2 + 1e-8)),

and the value is the mean over three resolutions, then over channels: FFTs of 512, 1024 and 2048 samples, a hop of half
of them, 80, 128 and 192 bands of HTK's scale from 0 to 24 kHz, periodic Hann windows, centred, padded by reflection.

References
----------
Y. Zang et al.: Summary of the Inaugural Music Source Restoration Challenge. arXiv:2601.04343, 2026.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.tracks import TrackAudio
from mss_bench.metrics._magnitudes import Magnitudes, hann
from mss_bench.metrics._mel import htk_weights
from mss_bench.metrics._signals import at_rate
from mss_bench.metrics.base import Metric, Prepared, Quantity, Value

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["MultiMelSNR"]

_RATE = 48000
_EPS = 1e-8
_BANDS = {512: 80, 1024: 128, 2048: 192}
"""Mel bands by length of the FFT."""


class MultiMelSNR(Metric):
    """Signal-to-noise ratio of power mel spectrograms, the mean of three resolutions.

    It takes no parameters.
    """

    name = "multi_mel_snr"
    works_at = _RATE
    quantities = (
        Quantity(
            "Multi-Mel-SNR", "dB", True, "10 log10(sum M^2 / sum (M - M')^2) of power mel spectrograms, mean of three"
        ),
    )
    citation = "Y. Zang et al.: Summary of the Inaugural Music Source Restoration Challenge, arXiv:2601.04343, 2026"
    caution = (
        "Powers are squared, so that the loudest moments decide all; phases and the stereo image do not count, nor "
        "does a gain on a channel."
    )

    def setup(self) -> None:
        self._resolutions = [Magnitudes(n, n // 2, hann(n, n)) for n in _BANDS]

    def derive(self, track: TrackAudio) -> dict[str, Floats]:
        """Return the references at 48 kHz."""
        return {t: self._at_rate(s, track.sample_rate) for t, s in track.references.items()}

    def measure(self, track: Prepared[dict[str, Floats]], target: str, estimate: Samples) -> Value:
        reference = track.derived[target]
        resampled = self._at_rate(estimate, track.sample_rate)
        for magnitudes in self._resolutions:
            if reason := magnitudes.too_short(reference.shape[1]):
                return reason
        sounding = [(s, y) for s, y in zip(reference, resampled, strict=True) if s.any()]
        return float(np.mean([self._ratio(m, s, y) for s, y in sounding for m in self._resolutions]))

    def _at_rate(self, array: Samples, sample_rate: int) -> Floats:
        return np.asarray(at_rate(array.astype(np.float64), sample_rate, _RATE), dtype=np.float64)

    def _ratio(self, magnitudes: Magnitudes, s: Floats, y: Floats) -> float:
        weights = _weights(magnitudes.n_fft)
        scale = np.vdot(s, y) / (np.vdot(y, y) + _EPS)
        signal = error = 0.0
        for a, b in zip(magnitudes.blocks(s), magnitudes.blocks(y), strict=True):
            of_reference, of_estimate = weights @ (a**2).T, weights @ (b**2).T
            signal += float(np.sum(of_reference**2))
            error += float(np.sum((of_reference - scale**2 * of_estimate) ** 2))
        return float(10 * np.log10(signal / (error + _EPS)))


@lru_cache(maxsize=len(_BANDS))
def _weights(n_fft: int) -> csr_array:
    return htk_weights(_RATE, n_fft, _BANDS[n_fft])
