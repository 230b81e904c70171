"""log-WMSE: the logarithm of a mean squared error, weighted by how well each frequency is heard.

For each channel, with F the weighting filter and m the mixture,

    log-WMSE = -4 ln(mean d^2 + 1e-8),    d = F(y - s) / r,    r = sqrt(mean F(m)^2),

where samples of d below the gate of -68 dB count as 0: nobody hears them. The value of a song is the mean over its
channels. Because the error is measured against the mixture, the formula has a value for silent references and silent
estimates alike; 73.68 is its ceiling, and that of a channel in which the mixture is silent. By default a reference that
is silent for the whole song is undefined, as in every family; the preset ``"nomono"`` scores it, as the package does.

F is of zero phase and has 4000 taps at 44.1 kHz. Its magnitude is that of a high shelf (+5 dB at 1500 Hz,
Q = 1/sqrt 2), a Butterworth high-pass filter of second order at 120 Hz, a peak (+2.5 dB at 500 Hz, Q = 1.5/sqrt 2) and
a Butterworth low-pass filter of first order at 10 kHz, run forwards and backwards: -16, 1.3, 4.2 and -11.8 dB at 50 Hz,
1, 3 and 16 kHz. Audio of another rate is resampled to 44.1 kHz.

References
----------
I. Jordal (Nomono): log-wmse-audio-quality, https://github.com/nomonosound/log-wmse-audio-quality, 2023.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import ClassVar

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.parameters import param
from mss_bench.core.tracks import TrackAudio
from mss_bench.metrics._checks import check_mixture
from mss_bench.metrics._signals import at_rate
from mss_bench.metrics.base import Prepared, Quantity, SilentReferences

__all__ = ["LogWMSE", "weighting_filter"]

RATE = 44100
_FLOOR = 1e-8
_SCALE = -4.0
_GRID = 4096
_TAPS = 4000
_N_FFT = 1 << 15


class LogWMSE(SilentReferences):
    """Frequency-weighted mean squared error in a logarithmic measure, of a whole song.

    The preset ``"nomono"`` is the definition's own package, silent references included. Its port to PyTorch,
    torch-log-wmse, has no gate from version 1 on, counts the filter's tails, and resamples the filter instead of the
    audio: its numbers differ.
    """

    name = "log_wmse"
    version = "2"
    quantities = (
        Quantity("log-WMSE", "", True, "-4 ln(mean d^2 + 1e-8), d = F(y - s) / rms F(mixture), gated", most=73.69),
    )
    citation = "I. Jordal: log-wmse-audio-quality, Nomono, 2023"
    caution = (
        "Errors are measured against the mixture: a soft stem scores high whatever is wrong with it, and numbers of "
        "different stems are not to be compared. Its weighting is of the ear at one level, without masking, and was "
        "not checked against listening tests of separation."
    )
    presets: ClassVar = {"default": {}, "nomono": {"silent_reference": "scored"}}

    gate: float = param(
        -68.0,
        infinite=True,
        unit="dB",
        doc="Level relative to the mixture below which samples of the error count as 0; ``-inf`` for none.",
    )

    def derive(self, track: TrackAudio) -> Floats:
        """Return the weighted level ``(channels,)`` of the mixture."""
        check_mixture(track.mixture, next(iter(track.references.values())).shape, "log-WMSE")
        return np.sqrt([_mean_square(channel) for channel in at_rate(track.mixture, track.sample_rate, RATE)])

    def measure(self, track: Prepared[Floats], target: str, estimate: Samples) -> float:
        gate = 10 ** (self.gate / 20)
        difference = np.subtract(estimate, track.references[target], dtype=np.float64)
        errors = [
            _mean_square(channel, gate * level) / level**2 if level > 0 else 0.0
            for channel, level in zip(at_rate(difference, track.sample_rate, RATE), track.derived, strict=True)
        ]
        return float(np.mean(_SCALE * np.log(np.array(errors) + _FLOOR)))


@cache
def weighting_filter() -> Floats:
    """Return the taps ``(4000,)`` of the weighting filter at 44.1 kHz; the one of lag 0 has index 1999."""
    from scipy.signal import butter

    # The definition samples the response at multiples of pi/4097 and transforms it as if of pi/4096.
    grid = np.exp(1j * np.pi * np.arange(_GRID + 1) / (_GRID + 1))
    shelf, peak = _high_shelf(1500.0, 5.0, 1 / np.sqrt(2)), _peak(500.0, 2.5, 1.5 / np.sqrt(2))
    high_pass, low_pass = butter(2, 120.0, "high", fs=RATE), butter(1, 10e3, "low", fs=RATE)
    magnitude = np.ones(_GRID + 1)
    for numerator, denominator in (shelf, high_pass, peak, low_pass, low_pass):
        magnitude *= np.abs(np.polyval(numerator, grid) / np.polyval(denominator, grid))
    response = np.fft.fftshift(np.fft.irfft(magnitude, 2 * _GRID))
    first = _GRID + 1 - _TAPS // 2
    taps: Floats = response[first : first + _TAPS]
    taps.flags.writeable = False
    return taps


def _high_shelf(frequency: float, gain_db: float, q: float) -> tuple[list[float], list[float]]:
    """Return a second-order section of the Audio EQ Cookbook."""
    a, cosine, alpha = _cookbook(frequency, gain_db, q)
    root = 2 * np.sqrt(a) * alpha
    above, below = (a + 1) + (a - 1) * cosine, (a + 1) - (a - 1) * cosine
    numerator = [a * (above + root), -2 * a * ((a - 1) + (a + 1) * cosine), a * (above - root)]
    return numerator, [below + root, 2 * ((a - 1) - (a + 1) * cosine), below - root]


def _peak(frequency: float, gain_db: float, q: float) -> tuple[list[float], list[float]]:
    """Return a second-order section of the Audio EQ Cookbook."""
    a, cosine, alpha = _cookbook(frequency, gain_db, q)
    return [1 + alpha * a, -2 * cosine, 1 - alpha * a], [1 + alpha / a, -2 * cosine, 1 - alpha / a]


def _cookbook(frequency: float, gain_db: float, q: float) -> tuple[float, float, float]:
    omega = 2 * np.pi * frequency / RATE
    return 10 ** (gain_db / 40), float(np.cos(omega)), float(np.sin(omega)) / (2 * q)


def _mean_square(channel: Samples, gate: float = 0.0) -> float:
    """Return the mean square of a channel once weighted; samples below the gate count as 0."""
    total = 0.0
    for piece in _weighted(channel):
        if gate > 0:
            piece[np.abs(piece) < gate] = 0.0
        total += float(np.dot(piece, piece))
    return total / len(channel)


def _weighted(channel: Samples) -> Iterator[Floats]:
    """Yield a channel through the weighting filter, of the same length and without delay, a piece at a time."""
    from scipy import fft

    taps = weighting_filter()
    response = fft.rfft(taps, _N_FFT)
    before, step = _TAPS // 2, _N_FFT - _TAPS + 1
    for start in range(0, len(channel), step):
        stop = min(start + step, len(channel))
        # overlap-save: the samples that the outputs [start, stop) depend on
        first, last = start - before, stop + _TAPS - 1 - before
        block = np.zeros(_N_FFT)
        block[max(0, -first) : min(last, len(channel)) - first] = channel[max(0, first) : min(last, len(channel))]
        yield fft.irfft(fft.rfft(block) * response, _N_FFT)[_TAPS - 1 : _TAPS - 1 + stop - start]
