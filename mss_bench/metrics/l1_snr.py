"""L1-SNR: ratios of mean absolute values, in time and in spectra, with a term for the level.

It is the loss that ZFTurbo's training code takes as the metric ``l1_snr``, with the package torch-l1-snr [1]_ [2]_,
turned round so that higher is better. For a signal x and its estimate y

    D(y; x) = 10 log10((mean|y - x| + eps) / (mean|x| + eps)),
    value   = -1/2 [D(y; s) + lambda |L(y) - L(s)|] - 1/2 mean over resolutions of [D(Re Y; Re S) + D(Im Y; Im S)],

with means over all channels and samples (or bins), the level L(x) = 10 log10(mean x^2 + 1e-8), and

    lambda = 0.1 + 0.9 eta min(1, |L(y) - L(s)| / (L(s) + 60)),   eta = 1 where L(s) > max(L(y), -60), else 0.

Spectra are of centred periodic Hann windows of unit energy, 512, 1024 and 2048 samples long with a hop of a quarter,
padded by reflection. `eps` bounds the value: about 1 / eps times the level is the best that can be had.

References
----------
.. [1] K. Watcharasupat et al.: A generalized bandsplit neural network for cinematic audio source separation. IEEE OJSP
   5, 2024.
.. [2] K. Watcharasupat, A. Lerch: Separate this, and all of these things around it. arXiv:2501.16171, 2025.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mss_bench.core.arrays import Samples
from mss_bench.core.parameters import param
from mss_bench.metrics._magnitudes import Magnitudes, hann
from mss_bench.metrics.base import Prepared, Quantity, SilentReferences, Value

__all__ = ["L1SNR"]

_SIZES = (512, 1024, 2048)
_LEAST_LEVEL = -60.0  # dB: a softer reference is taken for silence by the term of the level
_LEVEL_EPS = 1e-8


class L1SNR(SilentReferences):
    """Ratio of mean absolute values of reference and error, in time and in spectra of three resolutions."""

    name = "l1_snr"
    quantities = (Quantity("L1-SNR", "dB", True, "-(D of samples + a term of the level + mean D of spectra) / 2"),)
    citation = (
        "K. Watcharasupat et al.: A generalized bandsplit neural network for cinematic audio source separation, 2024"
    )
    caution = (
        "The constant decides for soft signals, so that values depend on the level of the audio; they are 10 log10 of "
        "a ratio of amplitudes and not of energies, about half of what the dB of an SDR are. An inaudible delay ruins "
        "them."
    )
    presets: ClassVar = {"default": {}, "zfturbo": {"silent_reference": "scored"}}

    eps: float = param(1e-3, above=0, doc="Added to both mean absolute values.")

    def setup(self) -> None:
        windows = {size: hann(size, size) for size in _SIZES}
        self._spectra = [Magnitudes(n, n // 4, w / np.sqrt(np.sum(w**2))) for n, w in windows.items()]

    def measure(self, track: Prepared[None], target: str, estimate: Samples) -> Value:
        for magnitudes in self._spectra:
            if reason := magnitudes.too_short(track.samples):
                return reason
        reference = track.references[target].astype(np.float64)
        estimate = estimate.astype(np.float64)
        time = self._ratio(np.abs(estimate - reference).mean(), np.abs(reference).mean())
        spectral = np.mean([self._spectral(m, reference, estimate) for m in self._spectra])
        return -(time + _level_term(reference, estimate)) / 2 - float(spectral) / 2

    def _ratio(self, error: float, signal: float) -> float:
        return float(10 * np.log10((error + self.eps) / (signal + self.eps)))

    def _spectral(self, magnitudes: Magnitudes, reference: Samples, estimate: Samples) -> float:
        """Return D of the real parts plus D of the imaginary ones."""
        sums, count = np.zeros((2, 2)), 0  # error and signal, real and imaginary
        for s, y in zip(reference, estimate, strict=True):
            for a, b in zip(magnitudes.spectra(s), magnitudes.spectra(y), strict=True):
                for row, part in enumerate((b - a, a)):
                    sums[row] += np.abs(part.real).sum(), np.abs(part.imag).sum()
                count += a.size
        return sum(self._ratio(error, signal) for error, signal in (sums / count).T)


def _level_term(reference: Samples, estimate: Samples) -> float:
    true, found = (float(10 * np.log10(np.mean(x**2) + _LEVEL_EPS)) for x in (reference, estimate))
    apart = abs(found - true)
    lacking = true > max(found, _LEAST_LEVEL)
    weight = 0.1 + 0.9 * lacking * min(1.0, apart / max(true - _LEAST_LEVEL, 1e-6))
    return weight * apart
