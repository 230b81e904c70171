"""Methods that take the voice from the middle of a stereo mixture."""

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

__all__ = ["Centre", "Karaoke"]


class Centre(Separator):
    """Centre extraction by inter-channel similarity.

    In each bin the similarity psi of the channels says how far from the centre the sound is panned, to either side;
    what is near is taken, by a Gaussian window:

        psi = 2 Re(L R*) / (|L|^2 + |R|^2),  M = exp(-(1 - psi)^2 / (2 width^2)).

    The vocals are the mixture under M between `low` and `high`, the accompaniment is the rest: with ``mask="soft"``, as
    the method is known; for the other filters M and 1 - M are the magnitudes of the two. The real part of L R*
    stands where [1]_ has the modulus: the same for panned sources, but sound in opposite phase (a widened synthesiser,
    reverberation) is then not taken for the centre.

    Parameters
    ----------
    width : float
        Standard deviation of the Gaussian window over 1 - psi; above 0. A sound panned by a level difference of D dB
        has 1 - psi = 1 - 1/cosh(0.115 D): 0.06 at 3 dB, 0.2 at 6 dB.
    low, high : float
        The band of the voice in Hz, with slopes of 48 dB an octave; outside all is accompaniment. ``low < high``.
    mask : str
        ``binary``, ``soft``, ``wiener`` or ``multichannel``; see `mss_bench.dsp.filters`.
    power : float
        Exponent of ``soft``; above 0.
    n_fft, hop : int
        Samples.

    References
    ----------
    .. [1] C. Avendano, "Frequency-domain source identification and manipulation in stereo mixes for enhancement,
       suppression and re-panning applications", Proc. WASPAA, 2003.
    """

    name = "centre"
    family = "position"
    target_sets = (("vocals", "accompaniment"),)
    channels = (2,)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "C. Avendano, Frequency-domain source identification and manipulation in stereo mixes, WASPAA 2003"
    assumption = "The voice, and nothing else between low and high, is panned to the centre without delay."

    def __init__(
        self,
        width: float = 0.1,
        low: float = 100.0,
        high: float = 8000.0,
        mask: str = "soft",
        power: float = 1.0,
        n_fft: int = 4096,
        hop: int = 1024,
    ) -> None:
        require_number(self, "width", width, above=0)
        require_number(self, "low", low, above=0, unit="Hz")
        require_number(self, "high", high, above=low, unit="Hz")
        require_choice(self, "mask", mask, MASKS)
        require_number(self, "power", power, above=0)
        require_whole(self, "n_fft", n_fft, low=2)
        require_whole(self, "hop", hop, low=1)
        self.width, self.low, self.high, self.mask, self.power = width, low, high, mask, power
        self.n_fft, self.hop = n_fft, hop
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

        def shares(x: Spectrogram, _: slice) -> list[NDArray[Any]]:
            left, right = x
            power = left.real**2 + left.imag**2 + right.real**2 + right.imag**2
            similarity = 2 * (left.real * right.real + left.imag * right.imag)
            similarity = np.divide(similarity, power, out=np.ones_like(power), where=power > np.finfo(power.dtype).tiny)
            central = np.exp(-((1 - similarity) ** 2) / (2 * self.width**2)) * band
            return [central[None], (1 - central)[None]]

        spectrogram, samples = self._stft.forward(mixture), mixture.shape[-1]
        vocals, _ = filter_in_blocks(self._stft, spectrogram, samples, shares, self.mask, self.power)
        return {"vocals": vocals, "accompaniment": mixture - vocals}


class Karaoke(Separator):
    """The karaoke trick: the difference of the channels holds no voice.

    What is equal in both channels, the mid, is taken for the voice, and what differs, the side, for everything else:

        vocals = ((L + R)/2, (L + R)/2),  accompaniment = ((L - R)/2, (R - L)/2).

    What the mid holds below `bass_cutoff` (bass and bass drum are in the centre, too) goes back to the accompaniment.

    Parameters
    ----------
    bass_cutoff : float
        Hz, with a slope of 48 dB an octave; 0 leaves the bass with the vocals.

    References
    ----------
    .. [1] D. FitzGerald, "Stereo vocal extraction using ADRess and nearest neighbours median filtering", Proc. DAFx,
       2013.
    """

    name = "karaoke"
    family = "position"
    target_sets = (("vocals", "accompaniment"),)
    channels = (2,)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "Mid/side subtraction, folklore; as a baseline in D. FitzGerald, Stereo vocal extraction, DAFx 2013"
    assumption = "The voice is the same in both channels, and everything else above bass_cutoff is not."

    def __init__(self, bass_cutoff: float = 120.0) -> None:
        require_number(self, "bass_cutoff", bass_cutoff, low=0, unit="Hz")
        self.bass_cutoff = bass_cutoff
        self._stft = STFT(4096, 2048)

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
        mid = mixture.mean(axis=0, keepdims=True)
        if self.bass_cutoff > 0:
            spectrogram = self._stft.forward(mid)
            spectrogram *= 1 - low_pass_gain(self._stft.frequencies(sample_rate), self.bass_cutoff)
            mid = self._stft.inverse(spectrogram, mid.shape[-1])
        return {"vocals": np.repeat(mid, 2, axis=0), "accompaniment": mixture - mid}
