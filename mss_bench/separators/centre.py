"""Methods that take the voice from a place between the channels of a stereo mixture."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import check, param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.dsp.crossover import low_pass_gain
from mss_bench.dsp.stft import STFT, Spectrogram
from mss_bench.separators.base import Separator, as_published
from mss_bench.separators.templates import VOICE_AND_REST, MaskSeparator, SpectrogramSeparator

__all__ = ["Centre", "Karaoke", "PannedVoice"]


class PannedVoice(MaskSeparator, SpectrogramSeparator):
    """Take the voice from where it is panned, within a band of frequencies; the rest is accompaniment.

    A subclass implements `magnitudes`.
    """

    family = "position"
    target_sets = VOICE_AND_REST
    channels = (2,)

    low: float = param(
        100.0, above=0, unit="Hz", doc="Lower end of the band that may be voice; the slopes have 48 dB an octave."
    )
    high: float = param(8000.0, above=0, unit="Hz", doc="Upper end of the band that may be voice, above `low`.")

    @check("high", "low")
    def _check_band(self) -> None:
        if self.high <= self.low:
            self.refuse("high", f"a number above low={self.low:g} (in Hz)")

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        frequencies = self.stft.frequencies(sample_rate)
        band = low_pass_gain(frequencies, self.high) * (1 - low_pass_gain(frequencies, self.low))
        x, samples = self.stft.forward(mixture), mixture.shape[-1]
        vocals, _rest = self.estimates(self.stft, x, samples, lambda block, _: self.magnitudes(block, band))
        return {"vocals": vocals, "accompaniment": mixture - vocals}

    @abstractmethod
    def magnitudes(self, x: Spectrogram, band: NDArray[np.float32]) -> list[NDArray[Any]]:
        """Return the magnitudes of vocals and accompaniment.

        Parameters
        ----------
        x : (2, frames, bins) complex
        band : (bins,)
            Gain on the vocals, 0 outside of their band.

        Returns
        -------
        list of two (1, frames, bins) arrays
        """


class Centre(PannedVoice):
    """Extract the centre by the similarity of the channels.

    In each bin the similarity psi of the channels says how far from the centre the sound is panned, to either side;
    what is near is taken, by a Gaussian window:

        psi = 2 Re(L R*) / (|L|^2 + |R|^2),  M = exp(-(1 - psi)^2 / (2 width^2)).

    The vocals are the mixture under M between `low` and `high`, the accompaniment is the rest: this is ``mask="soft"``,
    the method as published; the other filters take M and 1 - M as the magnitudes of the two. The real part of L R*
    stands where [1]_ has the modulus: that is the same for panned sources, but does not take sound in opposite phase (a
    widened synthesiser, reverberation) for the centre.

    References
    ----------
    .. [1] C. Avendano, "Frequency-domain source identification and manipulation in stereo mixes for enhancement,
       suppression and re-panning applications", Proc. WASPAA, 2003.
    """

    name = "centre"
    citation = "C. Avendano, Frequency-domain source identification and manipulation in stereo mixes, WASPAA 2003"
    presets = as_published()
    unlike_paper = "The similarity has the real part of L R*, not its modulus; the voice has a band, from low to high"
    assumption = "The voice, and nothing else between low and high, is panned to the centre without delay."

    width: float = param(
        0.1,
        above=0,
        doc="Standard deviation of the Gaussian window over 1 - psi. A sound panned by a level difference of D dB has "
        "1 - psi = 1 - 1/cosh(0.115 D): 0.06 at 3 dB, 0.2 at 6 dB.",
    )

    def magnitudes(self, x: Spectrogram, band: NDArray[np.float32]) -> list[NDArray[Any]]:
        left, right = x
        power = left.real**2 + left.imag**2 + right.real**2 + right.imag**2
        similarity = 2 * (left.real * right.real + left.imag * right.imag)
        similarity = np.divide(similarity, power, out=np.ones_like(power), where=power > np.finfo(power.dtype).tiny)
        central = np.exp(-((1 - similarity) ** 2) / (2 * self.width**2)) * band
        return [central[None], (1 - central)[None]]


class Karaoke(Separator):
    """Take the difference of the channels, which holds no voice in the centre: the karaoke trick.

    What is equal in both channels, the mid, is taken for the voice, and what differs, the side, for everything else:

        vocals = ((L + R)/2, (L + R)/2),  accompaniment = ((L - R)/2, (R - L)/2).

    What the mid holds below `bass_cutoff` (bass and bass drum are in the centre, too) goes back to the accompaniment.

    References
    ----------
    .. [1] D. FitzGerald, "Stereo vocal extraction using ADRess and nearest neighbours median filtering", Proc. DAFx,
       2013.
    """

    name = "karaoke"
    family = "position"
    target_sets = VOICE_AND_REST
    channels = (2,)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "Mid/side subtraction, folklore; as a baseline in D. FitzGerald, Stereo vocal extraction, DAFx 2013"
    presets = as_published(bass_cutoff=0.0)
    assumption = "The voice is the same in both channels, and everything else above bass_cutoff is not."

    bass_cutoff: float = param(
        120.0,
        at_least=0,
        unit="Hz",
        doc="Crossover below which all is accompaniment, with 48 dB an octave; 0 leaves the bass with the vocals.",
    )

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        mid = mixture.mean(axis=0, keepdims=True)
        if self.bass_cutoff > 0:
            stft = STFT(4096, 2048)
            x = stft.forward(mid) * (1 - low_pass_gain(stft.frequencies(sample_rate), self.bass_cutoff))
            mid = stft.inverse(x, mid.shape[-1])
        return {"vocals": np.repeat(mid, 2, axis=0), "accompaniment": mixture - mid}
