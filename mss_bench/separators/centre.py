"""Methods that take the voice from the middle of a stereo mixture."""

from __future__ import annotations

import numpy as np

from mss_bench.dsp.masks import low_pass_gain
from mss_bench.dsp.stft import STFT
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_channels, require_number, require_whole
from mss_bench.tracks import Audio, Stems, Targets

__all__ = ["Centre", "Karaoke"]


class Centre(Separator):
    """Centre extraction by inter-channel similarity.

    In each bin the similarity psi of the channels says how far from the centre the sound is panned, to either side;
    what is near is taken, by a Gaussian window:

        psi = 2 Re(L R*) / (|L|^2 + |R|^2),  M = exp(-(1 - psi)^2 / (2 width^2)).

    The vocals are the mixture under M between `low` and `high`, the accompaniment is the rest. The real part of L R*
    stands where [1]_ has the modulus: the same for panned sources, but sound in opposite phase (a widened synthesiser,
    reverberation) is then not taken for the centre.

    Parameters
    ----------
    width : float
        Standard deviation of the Gaussian window over 1 - psi; above 0. A sound panned by a level difference of D dB
        has 1 - psi = 1 - 1/cosh(0.115 D): 0.06 at 3 dB, 0.2 at 6 dB.
    low, high : float
        The band of the voice in Hz, with slopes of 48 dB an octave; outside all is accompaniment. ``low < high``.
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
        self, width: float = 0.1, low: float = 100.0, high: float = 8000.0, n_fft: int = 4096, hop: int = 1024
    ) -> None:
        require_number(self, "width", width, above=0)
        require_number(self, "low", low, above=0, unit="Hz")
        require_number(self, "high", high, above=low, unit="Hz")
        require_whole(self, "n_fft", n_fft, low=2)
        require_whole(self, "hop", hop, low=1)
        self.width, self.low, self.high, self.n_fft, self.hop = width, low, high, n_fft, hop
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
        spectrogram = self._stft.forward(mixture)
        left, right = spectrogram
        power = left.real**2 + left.imag**2 + right.real**2 + right.imag**2
        similarity = 2 * (left.real * right.real + left.imag * right.imag)
        similarity = np.divide(similarity, power, out=np.ones_like(power), where=power > np.finfo(power.dtype).tiny)
        mask = np.exp(-((1 - similarity) ** 2) / (2 * self.width**2))
        frequencies = self._stft.frequencies(sample_rate)
        mask *= low_pass_gain(frequencies, self.high) * (1 - low_pass_gain(frequencies, self.low))
        vocals = self._stft.inverse(spectrogram * mask, mixture.shape[-1])
        return {"vocals": vocals, "accompaniment": mixture - vocals}


class Karaoke(Separator):
    """The karaoke trick: the difference of the channels holds no voice.

    Mid and side of the mixture, ``vocals = ((L + R)/2, (L + R)/2)`` and ``accompaniment = ((L - R)/2, (R - L)/2)``;
    what the mid holds below `bass_cutoff` (bass and bass drum are in the centre, too) goes back to the accompaniment.

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
