"""Constructed degradations: what a metric reacts to can only be told from estimates whose fault is known.

Each `Ladder` spoils a target in one way, in steps of a stated unit from mild to strong. They are made to be pure: what
belongs to another ladder is left as it is. The noise of a ladder comes from its seed alone, so that its steps differ in
strength and in nothing else.

Signals are ``(channels, samples)``; the result is float64 of the same shape.

Examples
--------
>>> import numpy as np
>>> from mss_bench.metrics.perceptual.degradations import LADDERS
>>> target, others = np.random.default_rng(0).standard_normal((2, 2, 44100))
>>> estimate = LADDERS["bleed"].apply(target, -12.0, 44100, others=others)
>>> round(10 * float(np.log10(np.sum((estimate - target) ** 2) / np.sum(target**2))), 6)
-12.0
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.dsp.stft import STFT
from mss_bench.errors import AudioError, ConfigError

__all__ = ["LADDERS", "Ladder"]


@dataclass(frozen=True)
class Ladder:
    """One way to spoil a target, in steps.

    Parameters
    ----------
    name : str
    unit : str
        Of the levels.
    levels : tuple of float
        From mild to strong.
    definition : str
        What is done, in a line.
    function : callable
        ``function(target, level, sample_rate, others, rng)``.
    stereo : bool
        Whether it takes two channels.
    """

    name: str
    unit: str
    levels: tuple[float, ...]
    definition: str
    function: Callable[[Floats, float, int, Floats, np.random.Generator], Floats]
    stereo: bool = False

    def apply(
        self, target: Samples, level: float, sample_rate: int, *, others: Samples | None = None, seed: int = 0
    ) -> Floats:
        """Spoil a target.

        Parameters
        ----------
        target : (channels, samples) float array
        level : float
            In the ladder's unit; any, not only one of `levels`.
        sample_rate : int
            Hz.
        others : (channels, samples) float array, optional
            The rest of the mixture, for bleed; silence by default.
        seed : int

        Returns
        -------
        (channels, samples) float64

        Raises
        ------
        AudioError
            A target that is not ``(channels, samples)``, others of another shape, or not stereo where that is needed.
        ConfigError
            A level that is not a finite number.
        """
        if target.ndim != 2 or 0 in target.shape:
            raise AudioError(f"{self.name}: the target has shape {target.shape}, expected (channels, samples)")
        if others is not None and others.shape != target.shape:
            raise AudioError(f"{self.name}: the others have shape {others.shape}, expected the target's {target.shape}")
        if self.stereo and len(target) != 2:
            raise AudioError(f"{self.name} moves the stereo image: found {len(target)} channels, expected 2")
        if not np.isfinite(level):
            raise ConfigError(f"{self.name}: level is {level}, expected a number of {self.unit}")
        rest = np.zeros(target.shape) if others is None else others.astype(np.float64)
        return self.function(target.astype(np.float64), level, sample_rate, rest, np.random.default_rng(seed))


def _at_level(part: Floats, target: Floats, level: float) -> Floats:
    """Scale a part to a level in dB below the target's energy."""
    energy = np.sum(part**2)
    gain = np.sqrt(np.sum(target**2) / energy * 10 ** (level / 10)) if energy > 0 else 0.0
    return part * gain


def _bleed(target: Floats, level: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    return target + _at_level(others, target, level)


def _gain(target: Floats, level: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    return target * 10 ** (level / 20)


def _filtered(signal: Floats, response: Callable[[Floats], NDArray[Any]], rate: int, reach: int) -> Floats:
    """Filter by a response to frequencies in Hz, whose impulse response lasts `reach` samples to both sides."""
    from scipy import fft

    n = fft.next_fast_len(signal.shape[1] + 2 * reach, real=True)
    spectrum = fft.rfft(signal, n, axis=1) * response(np.asarray(np.fft.rfftfreq(n, 1 / rate), dtype=np.float64))
    filtered: Floats = fft.irfft(spectrum, n, axis=1)[:, : signal.shape[1]]
    return filtered


def _low_pass(target: Floats, cutoff: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    def response(frequency: Floats) -> Floats:
        return np.asarray(np.cos(np.pi / 2 * np.clip((frequency / cutoff - 1) / 0.1, 0, 1)) ** 2)

    return _filtered(target, response, rate, rate)


def _delayed(signal: Floats, seconds: float, rate: int) -> Floats:
    """Delay by any fraction of a sample."""
    return _filtered(signal, lambda frequency: np.exp(-2j * np.pi * frequency * seconds), rate, rate)


def _delay(target: Floats, milliseconds: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    return _delayed(target, milliseconds / 1000, rate)


def _clipping(target: Floats, level: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    limit = np.abs(target).max() * 10 ** (level / 20)
    return np.clip(target, -limit, limit)


def _dropouts(target: Floats, per_second: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    gap, edge = round(0.02 * rate), max(1, round(0.002 * rate))
    shape = np.concatenate([np.ones(edge), np.zeros(gap), np.ones(edge)])
    shape[:edge] = np.cos(np.pi / 2 * np.arange(1, edge + 1) / (edge + 1)) ** 2
    shape[-edge:] = shape[edge - 1 :: -1]
    room = target.shape[1] - len(shape)
    if room < 0:
        return np.zeros_like(target)
    kept = np.ones(target.shape[1])
    # One list of starts for every rate, of which a higher rate takes more: its dropouts include those of a lower one.
    starts = rng.integers(0, room + 1, 100 * max(1, target.shape[1] // rate))
    for start in starts[: max(1, round(per_second * target.shape[1] / rate))]:
        kept[start : start + len(shape)] = np.minimum(kept[start : start + len(shape)], shape)
    return target * kept


_MUSICAL_SHARE = 0.01  # of the bins of the spectrogram, drawn one by one: isolated ones are what musical noise is


def _musical_noise(target: Floats, level: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    stft = STFT(2048, 512)
    spectrogram = stft.forward(target)
    isolated = rng.random(spectrogram.shape[1:]) < _MUSICAL_SHARE
    return target + _at_level(stft.inverse(spectrogram * isolated, target.shape[1]), target, level)


def _reverb(target: Floats, level: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    from scipy.signal import oaconvolve

    seconds = np.arange(round(0.5 * rate)) / rate
    response = rng.standard_normal((len(target), len(seconds))) * 10 ** (-3 * seconds / 0.5)
    response[:, : round(0.002 * rate)] = 0
    tail = oaconvolve(target, response, axes=1)[:, : target.shape[1]]
    return target + _at_level(tail, target, level)


def _phase(target: Floats, radians: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    from scipy.ndimage import gaussian_filter

    stft = STFT(2048, 512)
    spectrogram = stft.forward(target)
    # about 100 ms and 200 Hz: neighbours keep their relation, so that transients and tones stay what they are
    # (a Gaussian has fallen to a half 1.2 standard deviations from its middle)
    width = (0.1 * rate / stft.hop / 1.2, 200.0 * stft.n_fft / rate / 1.2)
    wander = gaussian_filter(rng.standard_normal(spectrogram.shape[1:]), width, mode="wrap")
    wander *= radians / np.sqrt(np.mean(wander**2))
    return np.asarray(stft.inverse(spectrogram * np.exp(1j * wander), target.shape[1]))


def _smear(target: Floats, milliseconds: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    from scipy import fft

    n = fft.next_fast_len(target.shape[1] + rate, real=True)
    time = np.arange(1, n // 2) / rate * 1000
    # Noise whose power falls as a Gaussian with a standard deviation of `milliseconds`.
    burst = np.zeros(n)
    burst[1 : n // 2] = rng.standard_normal(len(time)) * np.exp(-0.25 * (time / milliseconds) ** 2)
    # The real part of a spectrum is that of the burst's even half: as much comes early as late, in every band.
    response = np.where(fft.rfft(burst).real >= 0, 1.0, -1.0)
    smeared: Floats = fft.irfft(fft.rfft(target, n, axis=1) * response, n, axis=1)[:, : target.shape[1]]
    return smeared


def _pan(target: Floats, decibels: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    return target * 10 ** (np.array([[decibels], [-decibels]]) / 40)


def _channel_delay(target: Floats, microseconds: float, rate: int, others: Floats, rng: np.random.Generator) -> Floats:
    return np.stack([target[0], _delayed(target[1:], microseconds / 1e6, rate)[0]])


_ALL = (
    Ladder("bleed", "dB", (-30, -24, -18, -12, -6), "the other sources at a level relative to the target", _bleed),
    Ladder(
        "low_pass", "Hz", (14000, 11000, 8000, 5600, 4000),
        "low-pass filter without phase, from 0 dB at the cutoff to silence a tenth above it", _low_pass,
    ),
    Ladder(
        "musical_noise", "dB", (-24, -18, -12, -6, 0),
        "a random 1 % of the bins of a spectrogram raised, at a level relative to the target", _musical_noise,
    ),
    Ladder(
        "reverb", "dB", (-30, -24, -18, -12, -6),
        "diffuse reverberation of 0.5 s, of its own in each channel, at a level relative to the target", _reverb,
    ),
    Ladder("gain", "dB", (-1, -3, -6, -9, -12), "a gain", _gain),
    Ladder("delay", "ms", (0.5, 1, 2, 5, 10), "a delay of all channels", _delay),
    Ladder("clipping", "dB", (-3, -6, -9, -12, -15), "clipping at a level below the peak", _clipping),
    Ladder("dropouts", "1/s", (0.5, 1, 2, 3, 4), "silent gaps of 20 ms", _dropouts),
    Ladder(
        "phase", "rad", (0.25, 0.5, 1, 1.5, 2),
        "phases of a spectrogram that wander by so much (RMS) within 0.1 s and 200 Hz, alike in all channels", _phase,
    ),
    Ladder(
        "smear", "ms", (1, 2, 3, 5, 8),
        "an all-pass filter whose energy is spread by so much (RMS) to both sides in time", _smear,
    ),
    Ladder("pan", "dB", (1, 2, 4, 8, 12), "a level difference of the channels, left over right", _pan, True),
    Ladder("channel_delay", "µs", (50, 100, 200, 400, 600), "a delay of the right channel", _channel_delay, True),
)  # fmt: skip

LADDERS: dict[str, Ladder] = {ladder.name: ladder for ladder in _ALL}
"""Every ladder by its name."""
