"""REPET: what repeats is accompaniment."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from mss_bench.core.parameters import check, param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.dsp.filters import filter_blocks
from mss_bench.dsp.masks import ratio
from mss_bench.dsp.median import median_of_rows
from mss_bench.dsp.segments import crossfaded
from mss_bench.dsp.stft import STFT
from mss_bench.separators.base import Separator, as_published
from mss_bench.separators.templates import VOICE_AND_REST, MaskSeparator

__all__ = [
    "REPET", "PeriodRange", "RepeatingBackground", "SegmentedBackground", "beat_spectrum", "frame_of_40_ms",
    "repeating_period",
]  # fmt: skip


class RepeatingBackground(MaskSeparator):
    """Model the magnitude of the background, which repeats, and share the mixture by that.

    A subclass implements `model`. With V the magnitude of the mixture, the background has ``W = min(model, V)`` and the
    foreground, the voice, ``V - W``.
    """

    family = "kernel"
    target_sets = VOICE_AND_REST

    mask = "soft"
    power = 1.0
    high_pass: float = param(
        100.0, at_least=0, unit="Hz", doc="Frequency up to which all is accompaniment; 0 for none."
    )

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        accompaniment = self.background(mixture, sample_rate)
        return {"vocals": mixture - accompaniment, "accompaniment": accompaniment}

    def background(self, mixture: Audio, sample_rate: int) -> Audio:
        """Estimate the background of a mixture ``(channels, samples)``."""
        stft = self.frames(sample_rate)
        x = stft.forward(mixture)
        magnitude = np.abs(x)
        model = self.model(magnitude, sample_rate / stft.hop)
        np.minimum(model, magnitude, out=model)
        deep = stft.frequencies(sample_rate) <= self.high_pass
        model[..., deep] = magnitude[..., deep]
        foreground = np.subtract(magnitude, model, out=magnitude)
        for part, (background, _) in filter_blocks(x, [model, foreground], self.mask, self.power):
            x[part] = background
        return stft.inverse(x, mixture.shape[-1])

    def frames(self, sample_rate: int) -> STFT:
        """Return the transform."""
        return frame_of_40_ms(sample_rate)

    @abstractmethod
    def model(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[Any]:
        """Return the magnitude of what repeats, in an array of its own; it may exceed that of the mixture.

        Parameters
        ----------
        magnitude : (channels, frames, bins)
        frame_rate : float
            Frames a second.
        """


class PeriodRange(Separator):
    """Look for a period of the song within a range."""

    min_period: float = param(1.0, above=0, unit="s", doc="Least period.")
    max_period: float = param(10.0, above=0, unit="s", doc="Greatest period, at least `min_period`.")

    @check("max_period", "min_period")
    def _check_periods(self) -> None:
        if self.max_period < self.min_period:
            self.refuse("max_period", f"a number of at least min_period={self.min_period:g} (in s)")


class SegmentedBackground(RepeatingBackground):
    """Treat overlapping segments of a song as if each were a song, and cross-fade their backgrounds."""

    length: float = param(
        10.0, above=0, unit="s", doc="Length of a segment; the last one may be longer by less than a step."
    )
    step: float = param(
        5.0, above=0, unit="s", doc="Step from segment to segment, from half of the length to the length."
    )

    @check("step", "length")
    def _check_segments(self) -> None:
        if not self.length / 2 <= self.step <= self.length:
            self.refuse("step", f"a number from {self.length / 2:g} to {self.length:g} (in s)")

    def background(self, mixture: Audio, sample_rate: int) -> Audio:
        # Rounded to samples, the step might be a little less than half of the length, or more than it.
        length = max(2, round(self.length * sample_rate))
        step = min(length, max(-(-length // 2), round(self.step * sample_rate)))
        whole = super().background
        return crossfaded(mixture, length, step, lambda segment: whole(segment, sample_rate))


class REPET(PeriodRange, RepeatingBackground):
    """Take what repeats with one period for the accompaniment: repeating pattern extraction technique.

    The accompaniment repeats with a period p, the voice does not. The period is the lag of the greatest peak of the
    beat spectrum, the autocorrelation along time of the power spectrogram, averaged over channels and frequencies. The
    repeating part of the magnitude V is the median over the repetitions,

        W(t, f) = min(V(t, f), median_k V(t mod p + k p, f)),  M = W / V,

    and the accompaniment is the mixture under M. Below `high_pass` all is accompaniment. Frames have 40 ms, rounded up
    to a power of two, with half overlap. W and V - W are models of two magnitudes, and `mask` may choose another filter
    than these shares.

    The period is sought up to a third of the song. In a song too short for three periods of `min_period`, a third of
    it is taken for the period, and the result means little.

    References
    ----------
    .. [1] Z. Rafii and B. Pardo, "REpeating Pattern Extraction Technique (REPET): a simple method for music/voice
       separation", IEEE Trans. Audio, Speech, and Language Processing 21(1), 2013.
    """

    name = "repet"
    citation = "Z. Rafii and B. Pardo, REpeating Pattern Extraction Technique (REPET), TASLP 2013"
    presets = as_published()
    unlike_paper = (
        "The period is the lag of the greatest value of the beat spectrum; the paper weighs each lag with its multiples"
    )
    assumption = "The accompaniment repeats with one period through the song, the voice is sparse and does not repeat."

    def model(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[Any]:
        spectrum = beat_spectrum(magnitude)
        period = repeating_period(spectrum, frame_rate, self.min_period, self.max_period)
        return np.stack([_repeating(v, period) for v in magnitude])


def frame_of_40_ms(sample_rate: int) -> STFT:
    """Return the transform of the REPET family: 40 ms rounded up to a power of two, half overlap."""
    n_fft = 1 << max(2, int(np.ceil(np.log2(0.04 * sample_rate))))
    return STFT(n_fft, n_fft // 2)


def beat_spectrum(magnitude: NDArray[Any]) -> NDArray[np.float64]:
    """Return the unbiased autocorrelation of the power along time, averaged over channels and frequencies.

    Parameters
    ----------
    magnitude : (channels, frames, bins)

    Returns
    -------
    (frames,)
        One value a lag, lag 0 first, up to a factor that does not depend on the lag.
    """
    frames, bins = magnitude.shape[1:]
    largest = magnitude.max(initial=0.0)
    length = fft.next_fast_len(2 * frames, real=True)
    spectrum = np.zeros(length // 2 + 1)
    for first in range(0, bins, 64):  # the transforms of all bins at once would double the memory
        part = ratio(magnitude[..., first : first + 64], largest)
        power = np.ascontiguousarray(np.mean(np.square(part), axis=0).T)
        transform = fft.rfft(power, n=length, axis=-1)
        spectrum += np.sum(transform.real**2 + transform.imag**2, axis=0)
    correlation = fft.irfft(spectrum, n=length)[:frames]
    # A lag of k frames has k products fewer than lag 0.
    return np.asarray(correlation / np.arange(frames, 0, -1))


def repeating_period(spectrum: NDArray[np.float64], frame_rate: float, least: float, most: float) -> int:
    """Return the lag of the greatest value of a beat spectrum, in frames.

    Parameters
    ----------
    spectrum : (frames,)
        As `beat_spectrum` returns it.
    frame_rate : float
        Frames a second.
    least, most : float
        Range of the period in seconds. It ends at a third of the frames, so that there are three repetitions.
    """
    last = max(1, min(round(most * frame_rate), len(spectrum) // 3))
    # In a song too short for the range its end, a third of the song, is all that is left.
    first = min(max(1, round(least * frame_rate)), last)
    return int(first + np.argmax(spectrum[first : last + 1]))


def _repeating(magnitude: NDArray[Any], period: int) -> NDArray[Any]:
    """Return the median over the repetitions, laid out over the frames; the last repetition may be incomplete."""
    frames, bins = magnitude.shape
    full, rest = divmod(frames, period)
    whole = magnitude[: full * period].reshape(full, period, bins)
    pattern = np.empty((period, bins), dtype=magnitude.dtype)
    if rest < period:
        pattern[rest:] = median_of_rows(whole[:, rest:])
    if rest:
        last = magnitude[full * period :]
        pattern[:rest] = median_of_rows(np.concatenate([whole[:, :rest], last[None]]))
    return np.resize(pattern, (full + 1, period, bins)).reshape(-1, bins)[:frames]
