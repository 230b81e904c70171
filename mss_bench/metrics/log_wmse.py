"""log-WMSE: the logarithm of a mean squared error, weighted by how well each frequency is heard.

For each channel, with F the weighting filter and m the mixture,

    log-WMSE = -4 ln(mean d^2 + 1e-8),    d = F(y - s) / r,    r = sqrt(mean F(m)^2),

where samples of d below the gate of -68 dB count as 0: nobody hears them. The value of a song is the mean over its
channels. Because the error is measured against the mixture, it is defined for silent references and silent estimates
alike; 73.68 is its ceiling, and that of a channel in which the mixture is silent.

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
from dataclasses import dataclass
from functools import cache

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics._checks import checked_references, first_bad_sample, scorable_estimates
from mss_bench.metrics._resample import at_rate
from mss_bench.metrics._signals import Floats, Samples
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.presets import resolve

__all__ = ["LogWMSE", "LogWMSEState", "weighting_filter"]

RATE = 44100
_FLOOR = 1e-8
_SCALE = -4.0
_GRID = 4096
_TAPS = 4000
_N_FFT = 1 << 15


@dataclass(frozen=True)
class LogWMSEState:
    """References of a track, as given, with the weighted level ``(channels,)`` of its mixture."""

    references: dict[str, Samples]
    sample_rate: int
    level: Floats


class LogWMSE(Metric):
    """Frequency-weighted mean squared error in a logarithmic measure, of a whole song.

    Parameters
    ----------
    preset : {"nomono"}, optional
        The definition's own package. Its port to PyTorch, torch-log-wmse, has no gate from version 1 on, counts the
        filter's tails, and resamples the filter instead of the audio: its numbers differ.
    gate : float, optional
        Level in dB, relative to the mixture, below which samples of the error count as 0; ``-inf`` for none.
        Default -68.

    Raises
    ------
    ConfigError
        An unknown preset, or a gate that is NaN.
    """

    name = "log_wmse"
    version = "1"
    quantities = (
        Quantity("log-WMSE", "", True, "-4 ln(mean d^2 + 1e-8), d = F(y - s) / rms F(mixture), gated", most=73.69),
    )
    citation = "I. Jordal: log-wmse-audio-quality, Nomono, 2023"
    caution = (
        "Errors are measured against the mixture: a soft stem scores high whatever is wrong with it, and numbers of "
        "different stems are not to be compared. Its weighting is of the ear at one level, without masking, and was "
        "not checked against listening tests of separation."
    )

    def __init__(self, *, preset: str | None = None, gate: float | None = None) -> None:
        values, self.preset = resolve(self.name, preset, {"gate": gate})
        self.gate: float = values["gate"]
        if np.isnan(self.gate):
            raise ConfigError("log_wmse: gate is nan, expected a level in dB")

    def prepare(self, track: TrackAudio, group: TargetGroup) -> LogWMSEState:
        """Weighted level of the mixture.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored, or a mixture that is missing, not of their shape, or not of finite
            samples.
        """
        references = checked_references(track, group)
        shape = next(iter(references.values())).shape
        mixture = track.mixture
        found = "none" if mixture is None else f"one of shape {mixture.shape}"
        if mixture is None or mixture.shape != shape:
            raise AudioError(f"log-WMSE is relative to the mixture: found {found}, expected one of shape {shape}")
        if (problem := first_bad_sample(mixture)) is not None:
            raise AudioError(f"the mixture holds {problem}; expected numbers")
        level = np.array([_mean_square(channel) for channel in at_rate(mixture, track.sample_rate, RATE)])
        return LogWMSEState(references, track.sample_rate, np.sqrt(level))

    def score(self, state: LogWMSEState, estimates: Stems) -> list[Score]:
        """Log-WMSE of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN gives NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        scores = []
        for target in (t for t in state.references if t in estimates):
            value = np.nan
            if target not in spoiled:
                value = self._value(state, np.subtract(estimates[target], state.references[target], dtype=np.float64))
            scores.append(Score(target, "log-WMSE", np.array([value]), reason=spoiled.get(target, "")))
        return scores

    def _value(self, state: LogWMSEState, difference: Floats) -> float:
        gate = 10 ** (self.gate / 20)
        resampled = at_rate(difference, state.sample_rate, RATE)
        errors = [
            _mean_square(channel, gate * level) / level**2 if level > 0 else 0.0
            for channel, level in zip(resampled, state.level, strict=True)
        ]
        return float(np.mean(_SCALE * np.log(np.array(errors) + _FLOOR)))


@cache
def weighting_filter() -> Floats:
    """Taps ``(4000,)`` of the weighting filter at 44.1 kHz; the one of lag 0 has index 1999."""
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
    """Second-order section of the Audio EQ Cookbook."""
    a, cosine, alpha = _cookbook(frequency, gain_db, q)
    root = 2 * np.sqrt(a) * alpha
    above, below = (a + 1) + (a - 1) * cosine, (a + 1) - (a - 1) * cosine
    numerator = [a * (above + root), -2 * a * ((a - 1) + (a + 1) * cosine), a * (above - root)]
    return numerator, [below + root, 2 * ((a - 1) - (a + 1) * cosine), below - root]


def _peak(frequency: float, gain_db: float, q: float) -> tuple[list[float], list[float]]:
    """Second-order section of the Audio EQ Cookbook."""
    a, cosine, alpha = _cookbook(frequency, gain_db, q)
    return [1 + alpha * a, -2 * cosine, 1 - alpha * a], [1 + alpha / a, -2 * cosine, 1 - alpha / a]


def _cookbook(frequency: float, gain_db: float, q: float) -> tuple[float, float, float]:
    omega = 2 * np.pi * frequency / RATE
    return 10 ** (gain_db / 40), float(np.cos(omega)), float(np.sin(omega)) / (2 * q)


def _mean_square(channel: Samples, gate: float = 0.0) -> float:
    """Mean square of a channel once weighted; samples below the gate count as 0."""
    total = 0.0
    for piece in _weighted(channel):
        if gate > 0:
            piece[np.abs(piece) < gate] = 0.0
        total += float(np.dot(piece, piece))
    return total / len(channel)


def _weighted(channel: Samples) -> Iterator[Floats]:
    """A channel through the weighting filter, of the same length and without delay, a piece at a time."""
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
