"""ADRess: a source panned by level disappears from one channel less a share of the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.dsp.blocks import filter_in_blocks
from mss_bench.dsp.filters import MASKS
from mss_bench.dsp.masks import low_pass_gain
from mss_bench.dsp.stft import STFT, Spectrogram
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_channels, require_choice, require_number, require_whole

__all__ = ["ADRess"]


class ADRess(Separator):
    """Azimuth discrimination and resynthesis: what cancels at an azimuth came from there.

    One channel scaled by a gain g and taken from the other cancels the source whose channels have that ratio. The gain
    at which a bin is least tells its azimuth, and how far it falls there tells how much of the bin is the source. For
    bins that are stronger at the left, g from 0 to 1:

        Az(g) = |R - g L|,  g_0 = argmin Az,  V = max Az - Az(g_0),  azimuth = g_0 - 1,

    and with the channels exchanged, and the azimuth's sign, for those that are stronger at the right: -1 is left, 0 the
    centre, 1 right. Vocals have the magnitude V in the bins whose azimuth is within ``width / 2`` of `azimuth`, and
    there the accompaniment has what is left of max Az; in all other bins, below `low` and above `high` the vocals have
    none. A filter makes the estimates of these magnitudes.

    The paper tries beta = 100 gains. Az(g)^2 = |R|^2 - 2 g Re(L R*) + g^2 |L|^2 is a parabola, so that its least value
    is known, g_0 = Re(L R*) / |L|^2 held within 0 and 1, and its greatest is at g = 0 or 1: the azimuths are as fine as
    can be, for a hundredth of the work. The paper gives V the phase of the stronger channel and so returns a mono
    source; here the share ``V / max Az`` is a mask on both channels, so that the estimates add up to the mixture.

    Parameters
    ----------
    azimuth : float
        Where the voice is, from -1 (left) to 1 (right).
    width : float
        Of the azimuths around it that are taken; above 0. The paper's H is ``100 width``.
    low, high : float
        The band of the voice in Hz, with slopes of 48 dB an octave. ``low < high``.
    mask : str
        ``binary``, ``soft``, ``wiener`` or ``multichannel``; see `mss_bench.dsp.filters`.
    power : float
        Exponent of ``soft``; above 0.
    n_fft, hop : int
        Samples.

    References
    ----------
    .. [1] D. Barry, R. Lawlor and E. Coyle, "Sound source separation: azimuth discrimination and resynthesis", Proc.
       DAFx, 2004.
    """

    name = "adress"
    family = "position"
    target_sets = (("vocals", "accompaniment"),)
    channels = (2,)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "D. Barry, R. Lawlor and E. Coyle, Sound source separation: azimuth discrimination, DAFx 2004"
    assumption = "Sources are panned by level alone, and none but the voice is at its azimuth between low and high."

    def __init__(
        self,
        azimuth: float = 0.0,
        width: float = 0.3,
        low: float = 100.0,
        high: float = 8000.0,
        mask: str = "soft",
        power: float = 1.0,
        n_fft: int = 4096,
        hop: int = 1024,
    ) -> None:
        require_number(self, "azimuth", azimuth, low=-1, high=1)
        require_number(self, "width", width, above=0)
        require_number(self, "low", low, above=0, unit="Hz")
        require_number(self, "high", high, above=low, unit="Hz")
        require_choice(self, "mask", mask, MASKS)
        require_number(self, "power", power, above=0)
        require_whole(self, "n_fft", n_fft, low=2)
        require_whole(self, "hop", hop, low=1)
        self.azimuth, self.width, self.low, self.high = azimuth, width, low, high
        self.channel_equivariant = azimuth == 0  # elsewhere, swapped channels put the voice on the other side
        self.mask, self.power, self.n_fft, self.hop = mask, power, n_fft, hop
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
        require_channels(self, mixture)
        frequencies = self._stft.frequencies(sample_rate)
        band = low_pass_gain(frequencies, self.high) * (1 - low_pass_gain(frequencies, self.low))

        def magnitudes(x: Spectrogram, _: slice) -> list[NDArray[Any]]:
            azimuth, cancelled, greatest = azimuths(x)
            vocals = np.where(np.abs(azimuth - self.azimuth) <= self.width / 2, cancelled, 0) * band
            return [vocals[None], (greatest - vocals)[None]]

        spectrogram = self._stft.forward(mixture)
        samples = mixture.shape[-1]
        vocals, accompaniment = filter_in_blocks(self._stft, spectrogram, samples, magnitudes, self.mask, self.power)
        return {"vocals": vocals, "accompaniment": accompaniment}


def azimuths(mixture: Spectrogram) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Where each bin comes from, and how much of it.

    Parameters
    ----------
    mixture : (2, frames, bins) complex

    Returns
    -------
    azimuth : (frames, bins)
        From -1, left, to 1, right.
    cancelled : (frames, bins)
        ``max Az - min Az``.
    greatest : (frames, bins)
        ``max Az``.
    """
    power = np.square(mixture.real) + np.square(mixture.imag)
    cross = mixture[0].real * mixture[1].real + mixture[0].imag * mixture[1].imag
    strong, weak = np.maximum(power[0], power[1]), np.minimum(power[0], power[1])
    gain = np.clip(np.divide(cross, strong, out=np.zeros_like(cross), where=strong > 0), 0, 1)
    least = np.sqrt(np.maximum(weak - gain * (2 * cross - gain * strong), 0))
    greatest = np.sqrt(np.maximum(weak, np.maximum(weak - 2 * cross + strong, 0)))
    side = np.where(power[0] > power[1], gain - 1, 1 - gain)
    return side, np.maximum(greatest - least, 0), greatest
