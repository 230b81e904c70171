"""2DFT: what repeats makes peaks in the two-dimensional Fourier transform of the spectrogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.dsp.filters import MASKS, channel_groups
from mss_bench.dsp.segments import crossfaded
from mss_bench.dsp.stft import STFT
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_choice, require_number, require_whole
from mss_bench.separators.repet import keep_background

__all__ = ["TwoDFT", "periodic_part"]


class TwoDFT(Separator):
    """Music and voice by the two-dimensional Fourier transform.

    In the 2DFT of a magnitude spectrogram V each point is a pattern of ripples along time and frequency. What repeats
    has its energy at the multiples of its repetition rate, peaks beside the rates around them; a voice is spread over
    all rates:

        F = 2DFT(V),  peaks = {|F(s, r)| = max_{|d| <= neighbourhood / 2} |F(s, r + d)|},
        W = min(V, |2DFT^-1(F on the peaks, else 0)|),  M = W^power / (W^power + (V - W)^power),

    for the scale s (along frequency) and the rate r (along time). The accompaniment is the mixture under M; below
    `high_pass` all is accompaniment. W and V - W are models of two magnitudes, and `mask` may choose another filter for
    them: the paper's is binary, which gains more on a loop under glides and less on songs, and in which the rounding
    of the samples decides single bins.

    Two peaks are told apart where they are more than half a neighbourhood apart, so a song should hold some twelve
    repetitions, and the rate should be the same in all of them. Long songs are done in blocks of `length`, which
    begin every `step` and are cross-faded; the last one may be longer by less than a step.

    Parameters
    ----------
    neighbourhood : int
        Rates among which a peak is the greatest; odd. One rate is 1 / duration in Hz.
    length, step : float
        Of the blocks in seconds; above 0, the step from half of the length to the length.
    mask : str
        The filter, see `mss_bench.dsp.filters`: binary, soft, wiener or multichannel.
    power : float
        Exponent of ``soft``, above 0: 2 shares by power.
    high_pass : float
        Hz; 0 for none.
    n_fft, hop : int
        Samples.

    References
    ----------
    .. [1] P. Seetharaman, F. Pishdadian and B. Pardo, "Music/voice separation using the 2D Fourier transform", Proc.
       WASPAA, 2017.
    """

    name = "twodft"
    family = "kernel"
    target_sets = (("vocals", "accompaniment"),)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "P. Seetharaman et al., Music/voice separation using the 2D Fourier transform, WASPAA 2017"
    assumption = "The accompaniment repeats at one rate, some twelve times at least; the voice varies all the time."

    def __init__(
        self,
        neighbourhood: int = 25,
        length: float = 30.0,
        step: float = 25.0,
        mask: str = "soft",
        power: float = 2.0,
        high_pass: float = 100.0,
        n_fft: int = 2048,
        hop: int = 512,
    ) -> None:
        require_whole(self, "neighbourhood", neighbourhood, low=1, odd=True)
        require_number(self, "length", length, above=0, unit="s")
        require_number(self, "step", step, low=length / 2, high=length, unit="s")
        require_choice(self, "mask", mask, MASKS)
        require_number(self, "power", power, above=0)
        require_number(self, "high_pass", high_pass, low=0, unit="Hz")
        require_whole(self, "n_fft", n_fft, low=2)
        require_whole(self, "hop", hop, low=1)
        self.neighbourhood, self.length, self.step = neighbourhood, length, step
        self.mask, self.power, self.high_pass, self.n_fft, self.hop = mask, power, high_pass, n_fft, hop
        self._stft = STFT(n_fft, hop)

    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
    ) -> Stems:
        length = max(2, round(self.length * sample_rate))
        step = min(length, max(-(-length // 2), round(self.step * sample_rate)))
        voiced = self._stft.frequencies(sample_rate) > self.high_pass
        accompaniment = crossfaded(mixture, length, step, lambda block: self._background(block, voiced))
        return {"vocals": mixture - accompaniment, "accompaniment": accompaniment}

    def _background(self, block: Audio, voiced: NDArray[np.bool_]) -> Audio:
        out = np.empty_like(block)
        for part in channel_groups(len(block), self.mask):
            x = self._stft.forward(block[part])
            magnitude = np.abs(x)
            model = np.stack([np.abs(periodic_part(v, self.neighbourhood)) for v in magnitude])
            keep_background(x, magnitude, model, voiced, self.mask, self.power)
            out[part] = self._stft.inverse(x, block.shape[-1])
        return out


def periodic_part(magnitude: NDArray[Any], neighbourhood: int) -> NDArray[Any]:
    """What the peaks of the two-dimensional Fourier transform make up.

    Parameters
    ----------
    magnitude : (frames, bins)
    neighbourhood : int
        Rates among which a peak is the greatest; odd.

    Returns
    -------
    (frames, bins) array of the type of `magnitude`
        It may be negative.
    """
    from scipy.ndimage import maximum_filter1d

    # In double precision: beside the constant part most of the transform is so weak that rounding would choose peaks.
    transform = fft.fft(fft.rfft(magnitude.astype(np.float64), axis=-1), axis=-2, overwrite_x=True)
    strength = np.abs(transform)
    transform[strength < maximum_filter1d(strength, neighbourhood, axis=-2, mode="wrap")] = 0.0
    periodic = fft.irfft(fft.ifft(transform, axis=-2, overwrite_x=True), n=magnitude.shape[-1], axis=-1)
    return np.asarray(periodic, dtype=magnitude.dtype)
