"""REPET: what repeats is accompaniment."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.dsp.filters import MASKS, channel_groups, filter_blocks
from mss_bench.dsp.masks import ratio
from mss_bench.dsp.median import median_of_rows
from mss_bench.dsp.stft import STFT, Spectrogram
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_choice, require_number

__all__ = ["REPET", "RepeatingBackground", "beat_spectrum", "frame_of_40_ms", "keep_background", "repeating_period"]


class RepeatingBackground(Separator):
    """The base of the REPET family: a model of the background's magnitude, and the mixture shared by it.

    A subclass implements `model`. With V the magnitude of the mixture, the background has ``W = min(model, V)`` and the
    foreground ``V - W``.

    Parameters
    ----------
    mask : str
        The filter, see `mss_bench.dsp.filters`: binary, soft, wiener or multichannel.
    power : float
        Exponent of ``soft``, above 0; with 1 the mask is W / V.
    high_pass : float
        Hz; below it all is background, 0 for none.
    """

    family: ClassVar[str] = "kernel"
    target_sets = (("vocals", "accompaniment"),)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"

    def __init__(self, mask: str, power: float, high_pass: float) -> None:
        require_choice(self, "mask", mask, MASKS)
        require_number(self, "power", power, above=0)
        require_number(self, "high_pass", high_pass, low=0, unit="Hz")
        self.mask, self.power, self.high_pass = mask, power, high_pass

    @abstractmethod
    def model(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[Any]:
        """Magnitude of what repeats; it may exceed that of the mixture.

        Parameters
        ----------
        magnitude : (channels, frames, bins)
        frame_rate : float
            Frames a second.

        Returns
        -------
        (channels, frames, bins) array of its own
        """

    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
    ) -> Stems:
        stft = frame_of_40_ms(sample_rate)
        x = stft.forward(mixture)
        magnitude = np.abs(x)
        model = self.model(magnitude, sample_rate / stft.hop)
        voiced = stft.frequencies(sample_rate) > self.high_pass
        for part in channel_groups(len(mixture), self.mask):
            keep_background(x[part], magnitude[part], model[part], voiced, self.mask, self.power)
        accompaniment = stft.inverse(x, mixture.shape[-1])
        return {"vocals": mixture - accompaniment, "accompaniment": accompaniment}


class REPET(RepeatingBackground):
    """Repeating pattern extraction technique.

    The accompaniment repeats with a period p, the voice does not. The period is the lag of the greatest peak of the
    beat spectrum, the autocorrelation along time of the power spectrogram, averaged over channels and frequencies. The
    repeating part of the magnitude V is the median over the repetitions,

        W(t, f) = min(V(t, f), median_k V(t mod p + k p, f)),  M = W / V,

    and the accompaniment is the mixture under M. Below `high_pass` all is accompaniment. Frames have 40 ms, rounded up
    to a power of two, with half overlap. W and V - W are models of two magnitudes, and `mask` may choose another filter
    than these shares.

    The period is sought up to a third of the song. In a song too short for three periods of `min_period`, a third of
    it is taken for the period, and the result means little.

    Parameters
    ----------
    min_period, max_period : float
        Range of the period in seconds; above 0, ``min_period <= max_period``.
    mask : str
        The filter, see `mss_bench.dsp.filters`: binary, soft, wiener or multichannel.
    power : float
        Exponent of ``soft``, above 0; with 1 the mask is W / V.
    high_pass : float
        Hz; 0 for none.

    References
    ----------
    .. [1] Z. Rafii and B. Pardo, "REpeating Pattern Extraction Technique (REPET): a simple method for music/voice
       separation", IEEE Trans. Audio, Speech, and Language Processing 21(1), 2013.
    """

    name = "repet"
    citation = "Z. Rafii and B. Pardo, REpeating Pattern Extraction Technique (REPET), TASLP 2013"
    assumption = "The accompaniment repeats with one period through the song, the voice is sparse and does not repeat."

    def __init__(
        self,
        min_period: float = 1.0,
        max_period: float = 10.0,
        mask: str = "soft",
        power: float = 1.0,
        high_pass: float = 100.0,
    ) -> None:
        super().__init__(mask, power, high_pass)
        require_number(self, "min_period", min_period, above=0, unit="s")
        require_number(self, "max_period", max_period, low=min_period, unit="s")
        self.min_period, self.max_period = min_period, max_period

    def model(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[Any]:
        spectrum = beat_spectrum(magnitude)
        period = repeating_period(spectrum, frame_rate, self.min_period, self.max_period)
        return np.stack([_repeating(v, period) for v in magnitude])


def frame_of_40_ms(sample_rate: int) -> STFT:
    """The transform of the REPET family: 40 ms rounded up to a power of two, half overlap."""
    n_fft = 1 << max(2, int(np.ceil(np.log2(0.04 * sample_rate))))
    return STFT(n_fft, n_fft // 2)


def beat_spectrum(magnitude: NDArray[Any]) -> NDArray[np.float64]:
    """Unbiased autocorrelation of the power along time, averaged over channels and frequencies.

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
    return np.asarray(correlation / np.arange(frames, 0, -1))


def repeating_period(spectrum: NDArray[np.float64], frame_rate: float, least: float, most: float) -> int:
    """The lag of the greatest value of a beat spectrum, in frames.

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
    first = min(max(1, round(least * frame_rate)), last)
    return int(first + np.argmax(spectrum[first : last + 1]))


def keep_background(
    spectrogram: Spectrogram,
    magnitude: NDArray[Any],
    model: NDArray[Any],
    voiced: NDArray[np.bool_],
    mask: str,
    power: float,
) -> None:
    """Make a spectrogram that of its background, in place.

    Parameters
    ----------
    spectrogram : (channels, frames, bins) complex
        Of the mixture; the background's afterwards.
    magnitude, model : (channels, frames, bins)
        Magnitude of the mixture and of what repeats; both are overwritten.
    voiced : (bins,) bool
        Elsewhere all is background.
    mask, power
        As for `mss_bench.dsp.filters.filter_sources`.
    """
    np.minimum(model, magnitude, out=model)
    model[..., ~voiced] = magnitude[..., ~voiced]
    foreground = np.subtract(magnitude, model, out=magnitude)
    for part, (background, _) in filter_blocks(spectrogram, [model, foreground], mask, power):
        spectrogram[part] = background


def _repeating(magnitude: NDArray[Any], period: int) -> NDArray[Any]:
    """Median over the repetitions, laid out again over the frames; the last repetition may be a part of one."""
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
