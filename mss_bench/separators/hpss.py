"""Harmonic-percussive separation by median filters, and the voice from two passes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.dsp.crossover import audible_gain, low_pass
from mss_bench.dsp.filters import MASKS, channel_groups, filter_blocks
from mss_bench.dsp.median import running_median
from mss_bench.dsp.stft import STFT, Spectrogram
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_choice, require_number, require_whole

__all__ = ["HPSS", "HPSSVocals", "harmonic_percussive", "split_percussive"]


class HPSS(Separator):
    """Harmonic-percussive source separation by median filtering.

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
    family = "kernel"
    target_sets = (("drums", "bass", "other"),)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "D. FitzGerald, Harmonic/percussive separation using median filtering, DAFx 2010"
    assumption = "Notes are steady in pitch over some frames, drums are broad in frequency and short in time."

    kernel_size: int = param(17, at_least=1, odd=True, unit="frames", doc="Length of both medians, in frames and bins.")
    mask: str = param("soft", choices=MASKS, doc="Filter from magnitudes to estimates, see `dsp.filters`.")
    power: float = param(2.0, above=0, doc="Exponent of ``soft``: 2 shares by power, a large one is binary.")
    bass_cutoff: float = param(250.0, above=0, unit="Hz", doc="Crossover below which the harmonic part is bass.")
    n_fft: int = param(4096, at_least=2, unit="samples", doc="Length of the frames.")
    hop: int = param(1024, at_least=1, unit="samples", doc="Step from frame to frame.")

    def setup(self) -> None:
        self._stft = STFT(self.n_fft, self.hop)

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        gain = audible_gain(self._stft.frequencies(sample_rate), self.bass_cutoff)
        drums, bass = np.empty_like(mixture), np.empty_like(mixture)
        for part in channel_groups(len(mixture), self.mask):
            drums[part], bass[part] = split_percussive(
                mixture[part], self._stft, self.kernel_size, self.mask, self.power, gain
            )
        return {"drums": drums, "bass": bass, "other": mixture - drums - bass}


class HPSSVocals(Separator):
    """Voice by two passes of harmonic-percussive separation.

    A voice glides and wavers. To long frames (`n_fft_long`, 0.37 s) it is no steady ridge and goes with the percussive
    part; to short ones (`n_fft_short`, 23 ms) it is smooth and harmonic, while the drums remain percussive:

        mixture = H_1 + P_1 (long frames),  P_1 = H_2 + P_2 (short frames).

    Vocals are H_2 above `vocals_cutoff`, drums P_2, bass is H_1 below `bass_cutoff` with H_2 below `vocals_cutoff`, and
    other the rest of H_1. Both crossovers have 48 dB an octave. The four add up to the mixture.

    Parameters
    ----------
    kernel_size : int
        Frames and bins of the medians; odd.
    mask : str
        The filter of both passes, see `mss_bench.dsp.filters`: binary, soft, wiener or multichannel.
    power : float
        Exponent of ``soft``; above 0.
    vocals_cutoff, bass_cutoff : float
        Hz, above 0.
    n_fft_long, hop_long, n_fft_short, hop_short : int
        Samples.

    References
    ----------
    .. [1] D. FitzGerald and M. Gainza, "Single channel vocal separation using median filtering and factorisation
       techniques", ISAST Trans. Electronic and Signal Processing 4(1), 2010.
    """

    name = "hpss_vocals"
    family = "kernel"
    target_sets = (("vocals", "drums", "bass", "other"),)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "D. FitzGerald and M. Gainza, Single channel vocal separation using median filtering, ISAST 2010"
    assumption = "Instruments hold their pitch over a third of a second, voices do not; drums are shorter than both."

    def __init__(
        self,
        kernel_size: int = 17,
        mask: str = "soft",
        power: float = 2.0,
        vocals_cutoff: float = 100.0,
        bass_cutoff: float = 250.0,
        n_fft_long: int = 16384,
        hop_long: int = 2048,
        n_fft_short: int = 1024,
        hop_short: int = 256,
    ) -> None:
        require_whole(self, "kernel_size", kernel_size, low=1, odd=True)
        require_choice(self, "mask", mask, MASKS)
        require_number(self, "power", power, above=0)
        require_number(self, "vocals_cutoff", vocals_cutoff, above=0, unit="Hz")
        require_number(self, "bass_cutoff", bass_cutoff, above=0, unit="Hz")
        lengths = {"n_fft_long": n_fft_long, "hop_long": hop_long, "n_fft_short": n_fft_short, "hop_short": hop_short}
        for parameter, value in lengths.items():
            require_whole(self, parameter, value, low=1)
        self.kernel_size, self.mask, self.power = kernel_size, mask, power
        self.vocals_cutoff, self.bass_cutoff = vocals_cutoff, bass_cutoff
        self.n_fft_long, self.hop_long, self.n_fft_short, self.hop_short = n_fft_long, hop_long, n_fft_short, hop_short
        self._long, self._short = STFT(n_fft_long, hop_long), STFT(n_fft_short, hop_short)

    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
    ) -> Stems:
        bass_gain = audible_gain(self._long.frequencies(sample_rate), self.bass_cutoff)
        nothing = bass_gain[:0]
        vocals, drums, bass = (np.empty_like(mixture) for _ in range(3))
        for part in channel_groups(len(mixture), self.mask):
            first, low = split_percussive(mixture[part], self._long, self.kernel_size, self.mask, self.power, bass_gain)
            drums[part], _ = split_percussive(first, self._short, self.kernel_size, self.mask, self.power, nothing)
            first -= drums[part]
            # On the long frames: a bin of the short ones is 43 Hz wide.
            deep = low_pass(first, sample_rate, self.vocals_cutoff, self._long)
            vocals[part], bass[part] = first - deep, low + deep
        return {"vocals": vocals, "drums": drums, "bass": bass, "other": mixture - vocals - drums - bass}


def harmonic_percussive(spectrogram: Spectrogram, frames: int, bins: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Magnitudes of what is steady in time and of what is broad in frequency.

    Parameters
    ----------
    spectrogram : (channels, frames, bins) complex
    frames, bins : int
        Lengths of the medians along time and along frequency; odd.

    Returns
    -------
    harmonic, percussive : (channels, frames, bins)
    """
    magnitude = np.abs(spectrogram)
    return running_median(magnitude, frames, axis=-2), running_median(magnitude, bins, axis=-1)


def split_percussive(
    signal: Audio, stft: STFT, kernel_size: int, mask: str, power: float, gain: NDArray[np.float32]
) -> tuple[Audio, Audio]:
    """The percussive part of a signal, and the harmonic part under a gain on its lowest bins.

    Parameters
    ----------
    signal : (channels, samples)
    stft : STFT
    kernel_size : int
        Frames and bins of the medians; odd.
    mask, power
        As for `mss_bench.dsp.filters.filter_sources`.
    gain : (count,) float32
        Of the lowest bins; elsewhere it is zero.

    Returns
    -------
    percussive, low : (channels, samples)
    """
    samples, x = signal.shape[-1], stft.forward(signal)
    harmonic, percussive = harmonic_percussive(x, kernel_size, kernel_size)
    low = np.empty((*x.shape[:2], gain.size), dtype=x.dtype)
    for part, (estimate, rest) in filter_blocks(x, [percussive, harmonic], mask, power):
        x[part] = estimate
        columns = slice(*part[-1].indices(gain.size))
        low[(*part[:2], columns)] = rest[..., : max(0, columns.stop - columns.start)] * gain[columns]
    return stft.inverse(x, samples), stft.inverse(low, samples) if gain.size else np.zeros_like(signal)
