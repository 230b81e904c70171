"""REPET: what repeats is accompaniment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from mss_bench.dsp.masks import ratio
from mss_bench.dsp.median import median_of_rows
from mss_bench.dsp.stft import STFT
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_number
from mss_bench.tracks import Audio, Stems, Targets

__all__ = ["REPET", "background_mask", "beat_spectrum", "frame_of_40_ms"]


class REPET(Separator):
    """Repeating pattern extraction technique.

    The accompaniment repeats with a period p, the voice does not. The period is the lag of the greatest peak of the
    beat spectrum, the autocorrelation along time of the power spectrogram, averaged over channels and frequencies. The
    repeating part of the magnitude V is the median over the repetitions,

        W(t, f) = min(V(t, f), median_k V(t mod p + k p, f)),  M = W / V,

    and the accompaniment is the mixture under M. Below `high_pass` all is accompaniment. Frames have 40 ms, rounded up
    to a power of two, with half overlap.

    The period is sought up to a third of the song. In a song too short for three periods of `min_period`, a third of
    it is taken for the period, and the result means little.

    Parameters
    ----------
    min_period, max_period : float
        Range of the period in seconds; above 0, ``min_period <= max_period``.
    high_pass : float
        Hz; 0 for none.

    References
    ----------
    .. [1] Z. Rafii and B. Pardo, "REpeating Pattern Extraction Technique (REPET): a simple method for music/voice
       separation", IEEE Trans. Audio, Speech, and Language Processing 21(1), 2013.
    """

    name = "repet"
    target_sets = (("vocals", "accompaniment"),)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "Z. Rafii and B. Pardo, REpeating Pattern Extraction Technique (REPET), TASLP 2013"
    assumption = "The accompaniment repeats with one period through the song, the voice is sparse and does not repeat."

    def __init__(self, min_period: float = 1.0, max_period: float = 10.0, high_pass: float = 100.0) -> None:
        require_number(self, "min_period", min_period, above=0, unit="s")
        require_number(self, "max_period", max_period, low=min_period, unit="s")
        require_number(self, "high_pass", high_pass, low=0, unit="Hz")
        self.min_period, self.max_period, self.high_pass = min_period, max_period, high_pass

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
        period = self._period(magnitude, sample_rate / stft.hop)
        voiced = stft.frequencies(sample_rate) > self.high_pass
        for channel, v in enumerate(magnitude):
            x[channel] *= background_mask(v, _repeating(v, period), voiced)
        accompaniment = stft.inverse(x, mixture.shape[-1])
        return {"vocals": mixture - accompaniment, "accompaniment": accompaniment}

    def _period(self, magnitude: NDArray[Any], frame_rate: float) -> int:
        """The repeating period in frames."""
        most = max(1, min(round(self.max_period * frame_rate), magnitude.shape[1] // 3))
        least = min(max(1, round(self.min_period * frame_rate)), most)
        return int(least + np.argmax(beat_spectrum(magnitude)[least : most + 1]))


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


def background_mask(magnitude: NDArray[Any], model: NDArray[Any], voiced: NDArray[np.bool_]) -> NDArray[Any]:
    """``min(model, magnitude) / magnitude``, and 1 in bins that no voice reaches.

    Parameters
    ----------
    magnitude, model : (frames, bins)
    voiced : (bins,) bool
    """
    mask = ratio(np.minimum(model, magnitude), magnitude)
    mask[:, ~voiced] = 1.0
    return mask


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
