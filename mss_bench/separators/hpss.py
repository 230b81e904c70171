"""Harmonic-percussive separation by median filters, and the voice from two passes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.dsp.crossover import audible_gain, low_pass
from mss_bench.dsp.filters import channel_groups, filter_blocks
from mss_bench.dsp.median import running_median
from mss_bench.dsp.stft import STFT
from mss_bench.separators.assignment import BAND_STEMS
from mss_bench.separators.base import as_published
from mss_bench.separators.templates import MaskSeparator, SpectrogramSeparator

__all__ = ["HPSS", "HPSSVocals", "TwoResolutions", "harmonic_percussive", "percussive_harmonic"]


class _MedianFilter(MaskSeparator):
    """Tell notes from strokes by medians along time and along frequency."""

    family = "kernel"

    kernel_size: int = param(17, at_least=1, odd=True, doc="Length of both medians, in frames and bins.")
    mask = "soft"
    power = 2.0
    bass_cutoff: float = param(250.0, above=0, unit="Hz", doc="Crossover below which the harmonic part is bass.")

    def split(self, mixture: Audio, stft: STFT, gain: NDArray[np.float32]) -> tuple[Audio, Audio]:
        """Return the percussive part, and the harmonic part under a gain on its lowest bins, which lacks the others."""
        drums, low = np.empty_like(mixture), np.empty_like(mixture)
        samples = mixture.shape[-1]
        for part in channel_groups(len(mixture), self.mask):
            x = stft.forward(mixture[part])
            models = percussive_harmonic(np.abs(x), self.kernel_size)
            # Of the harmonic part only the lowest bins are held: above them the gain is nothing.
            deep = np.empty((*x.shape[:2], gain.size), dtype=x.dtype)
            for block, (percussive, harmonic) in filter_blocks(x, models, self.mask, self.power):
                x[block] = percussive
                columns = slice(*block[-1].indices(gain.size))
                deep[(*block[:2], columns)] = harmonic[..., : max(0, columns.stop - columns.start)] * gain[columns]
            drums[part], low[part] = stft.inverse(x, samples), stft.inverse(deep, samples)
        return drums, low

    def percussive(self, signal: Audio, stft: STFT) -> Audio:
        """Return the percussive part alone."""
        return self.first_estimate(stft, signal, lambda v: percussive_harmonic(v, self.kernel_size))


class HPSS(_MedianFilter, SpectrogramSeparator):
    """Separate harmonic from percussive sounds by median filtering.

    A sustained note is a ridge along time and a drum stroke a ridge along frequency; a median along one of them removes
    the other. From the magnitude V of each channel's spectrogram:

        H = median of V over kernel_size frames,  P = median of V over kernel_size bins,
        M_H = H^power / (H^power + P^power),      M_P = 1 - M_H.

    H and P are models of the two magnitudes, and `mask` may choose another filter than these shares.

    Drums are what M_P keeps; bass is what M_H keeps below `bass_cutoff`, by a crossover of 48 dB an octave; other is
    all the rest. The method has no model of a voice and delivers none: the voice stays in `other` (its consonants in
    the drums), and the three estimates add up to the whole mixture. `HPSSVocals` delivers a voice.

    References
    ----------
    .. [1] D. FitzGerald, "Harmonic/percussive separation using median filtering", Proc. DAFx, 2010.
    """

    name = "hpss"
    target_sets = (("drums", "bass", "other"),)
    citation = "D. FitzGerald, Harmonic/percussive separation using median filtering, DAFx 2010"
    presets = as_published()
    unlike_paper = "Bass is the harmonic part below a crossover, other the rest of it: the paper has two parts"
    assumption = "Notes are steady in pitch over some frames, drums are broad in frequency and short in time."

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        gain = audible_gain(self.stft.frequencies(sample_rate), self.bass_cutoff)
        drums, bass = self.split(mixture, self.stft, gain)
        return {"drums": drums, "bass": bass, "other": mixture - drums - bass}


class TwoResolutions(MaskSeparator):
    """Look at the mixture with long frames, which show notes, and at what is left with short ones, which show strokes.

    Attributes
    ----------
    long, short : STFT
    """

    family = "kernel"
    target_sets = (BAND_STEMS,)

    vocals_cutoff: float = param(100.0, above=0, unit="Hz", doc="Crossover below which what is left is bass.")
    bass_cutoff: float = param(250.0, above=0, unit="Hz", doc="Crossover below which the harmonic part is bass.")
    n_fft_long: int = param(4096, at_least=2, unit="samples", doc="Length of the long frames, even.")
    hop_long: int = param(1024, at_least=1, unit="samples", doc="Step of the long frames.")
    n_fft_short: int = param(256, at_least=2, unit="samples", doc="Length of the short frames, even.")
    hop_short: int = param(64, at_least=1, unit="samples", doc="Step of the short frames.")

    def setup(self) -> None:
        super().setup()
        self.long, self.short = STFT(self.n_fft_long, self.hop_long), STFT(self.n_fft_short, self.hop_short)


class HPSSVocals(TwoResolutions, _MedianFilter):
    """Separate the voice by two passes of harmonic-percussive separation.

    A voice glides and wavers. To long frames (`n_fft_long`, 0.37 s) it is no steady ridge and goes with the percussive
    part; to short ones (`n_fft_short`, 23 ms) it is smooth and harmonic, while the drums remain percussive:

        mixture = H_1 + P_1 (long frames),  P_1 = H_2 + P_2 (short frames).

    Vocals are H_2 above `vocals_cutoff`, drums P_2, bass is H_1 below `bass_cutoff` with H_2 below `vocals_cutoff`, and
    other the rest of H_1. Both crossovers have 48 dB an octave. The four add up to the mixture.

    References
    ----------
    .. [1] D. FitzGerald and M. Gainza, "Single channel vocal separation using median filtering and factorisation
       techniques", ISAST Trans. Electronic and Signal Processing 4(1), 2010.
    """

    name = "hpss_vocals"
    citation = "D. FitzGerald and M. Gainza, Single channel vocal separation using median filtering, ISAST 2010"
    presets = as_published()
    unlike_paper = "Crossovers make bass of what is low; the paper goes on to refine the voice by factorisation"
    assumption = "Instruments hold their pitch over a third of a second, voices do not; drums are shorter than both."

    kernel_size = 17
    mask = "soft"
    power = 2.0
    vocals_cutoff = 100.0
    bass_cutoff = 250.0
    n_fft_long = 16384
    hop_long = 2048
    n_fft_short = 1024
    hop_short = 256

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        bass_gain = audible_gain(self.long.frequencies(sample_rate), self.bass_cutoff)
        rest, low = self.split(mixture, self.long, bass_gain)
        drums = self.percussive(rest, self.short)
        rest -= drums
        # On the long frames: a bin of the short ones is 43 Hz wide.
        deep = low_pass(rest, sample_rate, self.vocals_cutoff, self.long)
        vocals, bass = rest - deep, low + deep
        return {"vocals": vocals, "drums": drums, "bass": bass, "other": mixture - vocals - drums - bass}


def harmonic_percussive(magnitude: NDArray[Any], frames: int, bins: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Model the magnitudes of what is steady in time and of what is broad in frequency.

    Parameters
    ----------
    magnitude : (channels, frames, bins)
    frames, bins : int
        Lengths of the medians along time and along frequency; odd.

    Returns
    -------
    harmonic, percussive : (channels, frames, bins)
    """
    return running_median(magnitude, frames, axis=-2), running_median(magnitude, bins, axis=-1)


def percussive_harmonic(magnitude: NDArray[Any], kernel_size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Model as `harmonic_percussive` with medians of one length, the percussive part first."""
    harmonic, percussive = harmonic_percussive(magnitude, kernel_size, kernel_size)
    return percussive, harmonic
