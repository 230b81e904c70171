"""A filterbank of gammatone-shaped filters that gives back the signal to rounding.

Filters are windows of the spectrum of the whole signal, each sampled as densely as it is wide; see
`mss_bench.metrics.perceptual.decomposition`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats

__all__ = ["Band", "Complex", "erb", "filterbank"]

Complex = NDArray[np.complexfloating[Any, Any]]

_ORDER = 4
_FLOOR = 10 ** (-40 / 20)
"""Where a filter is cut off, relative to its peak."""
_LOWEST = 50.0


def erb(frequency: float) -> float:
    """Return the equivalent rectangular bandwidth of the ear at a frequency, both in Hz."""
    return 24.7 + frequency / 9.265


@dataclass(frozen=True)
class Band:
    """One filter.

    Parameters
    ----------
    bins : slice
        Of the spectrum of the whole signal.
    analysis, synthesis : (bins,) float64
        Its response, and that of its counterpart.
    rate : float
        Samples a second of its output.
    width : float
        Equivalent bandwidth in Hz: how many numbers a second it can tell apart.
    """

    bins: slice
    analysis: Floats
    synthesis: Floats
    rate: float
    width: float

    def analyse(self, spectra: Complex) -> Complex:
        """Return subband signals ``(signals, n)`` of spectra ``(signals, bins)``."""
        from scipy import fft

        return np.asarray(fft.ifft(spectra[:, self.bins] * self.analysis, axis=1))

    def synthesise(self, signal: Complex) -> Complex:
        """Return what a subband signal ``(n,)`` adds to the spectrum at `bins`."""
        from scipy import fft

        return np.asarray(fft.fft(signal) * self.synthesis)


@lru_cache(maxsize=2)
def filterbank(n: int, sample_rate: int) -> tuple[Band, ...]:
    """Make filters for the real FFT of `n` samples, one every ERB from 50 Hz to half of the sample rate.

    The lowest takes all that is below it, the highest all above, so that no bin is left out.
    """
    frequency = np.fft.rfftfreq(n, 1 / sample_rate)
    # 21.4 log10(1 + 0.00437 f) counts ERBs
    last = np.log10(1 + 0.00437 * sample_rate / 2)
    steps = np.arange(np.log10(1 + 0.00437 * min(_LOWEST, sample_rate / 4)), last + 1 / 21.4, 1 / 21.4)
    centres = (10**steps - 1) / 0.00437
    responses, spans = [], []
    for index, centre in enumerate(centres):
        # of a gammatone of order 4: |H| = (1 + ((f - fc) / b)^2)^-2 with b = 1.019 ERB
        response = (1 + ((frequency - centre) / (1.019 * erb(centre))) ** 2) ** (-_ORDER / 2) - _FLOOR
        if index == 0:
            response[frequency < centre] = 1 - _FLOOR
        if index == len(centres) - 1:
            response[frequency > centre] = 1 - _FLOOR
        inside = np.flatnonzero(response > 0)
        if len(inside):
            spans.append(slice(int(inside[0]), int(inside[-1]) + 1))
            responses.append(response[spans[-1]])
    total = np.zeros(len(frequency))
    for span, response in zip(spans, responses, strict=True):
        total[span] += response**2
    bands = []
    for span, response in zip(spans, responses, strict=True):
        width = float(np.sum(response**2) / np.max(response**2)) * sample_rate / n
        rate = len(response) * sample_rate / n
        bands.append(Band(span, response, response / total[span], rate, width))
    return tuple(bands)
