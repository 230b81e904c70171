"""Harmonic-percussive-residual separation: what is clearly neither has a place of its own."""

from __future__ import annotations

import numpy as np

from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.dsp.crossover import low_pass
from mss_bench.dsp.filters import MASKS, channel_groups, filter_blocks
from mss_bench.dsp.stft import STFT
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_choice, require_number, require_whole
from mss_bench.separators.hpss import harmonic_percussive

__all__ = ["HPR"]


class HPR(Separator):
    """Harmonic-percussive-residual separation.

    `HPSS` must call every sound a note or a stroke; here a sound must be clearly the one or the other, by a margin,
    and what is neither (voices, noise, reverberation) stays as a residual. With the medians H along time and P along
    frequency of a magnitude, first on long frames, which show notes, and then of what is left on short ones, which show
    strokes:

        long frames:   harmonic = X (H > margin P),            rest = X - harmonic,
        short frames:  percussive = rest (P > margin H),       residual = rest - percussive.

    Drums are the percussive part; bass is the harmonic part below `bass_cutoff` and other above; vocals are the
    residual above `vocals_cutoff`, what lies below goes to the bass. A voice that holds its pitch is not residual, and
    not all residual is voice: as vocals it is a first approximation, which [2]_ refines. Each pass compares two
    magnitudes, H against margin P and P against margin H, and `mask` may choose another filter for them than this, the
    paper's binary one. The four estimates add up to the mixture.

    Parameters
    ----------
    margin : float
        At least 1, where only what is neither by a lack of contrast between the two frames is left.
    time_length, frequency_length : float
        Lengths of the medians in s and Hz, rounded to odd numbers of frames and bins; above 0.
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
    .. [1] J. Driedger, M. Müller and S. Disch, "Extending harmonic-percussive separation of audio signals", Proc.
       ISMIR, 2014.
    .. [2] J. Driedger and M. Müller, "Extracting singing voice from music recordings by cascading audio decomposition
       techniques", Proc. ICASSP, 2015.
    """

    name = "hpr"
    family = "kernel"
    target_sets = (("vocals", "drums", "bass", "other"),)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "J. Driedger et al., Extending harmonic-percussive separation of audio signals, ISMIR 2014"
    assumption = "Notes are clearly steady and drums clearly broad; voices and noise are neither."

    def __init__(
        self,
        margin: float = 2.0,
        time_length: float = 0.2,
        frequency_length: float = 500.0,
        mask: str = "binary",
        power: float = 2.0,
        vocals_cutoff: float = 100.0,
        bass_cutoff: float = 250.0,
        n_fft_long: int = 4096,
        hop_long: int = 1024,
        n_fft_short: int = 256,
        hop_short: int = 64,
    ) -> None:
        require_number(self, "margin", margin, low=1)
        require_number(self, "time_length", time_length, above=0, unit="s")
        require_number(self, "frequency_length", frequency_length, above=0, unit="Hz")
        require_choice(self, "mask", mask, MASKS)
        require_number(self, "power", power, above=0)
        require_number(self, "vocals_cutoff", vocals_cutoff, above=0, unit="Hz")
        require_number(self, "bass_cutoff", bass_cutoff, above=0, unit="Hz")
        lengths = {"n_fft_long": n_fft_long, "hop_long": hop_long, "n_fft_short": n_fft_short, "hop_short": hop_short}
        for parameter, value in lengths.items():
            require_whole(self, parameter, value, low=1)
        self.margin, self.time_length, self.frequency_length = margin, time_length, frequency_length
        self.mask, self.power, self.vocals_cutoff, self.bass_cutoff = mask, power, vocals_cutoff, bass_cutoff
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
        vocals, drums, bass = (np.empty_like(mixture) for _ in range(3))
        for part in channel_groups(len(mixture), self.mask):
            harmonic = self._clear(mixture[part], sample_rate, self._long, steady=True)
            rest = mixture[part] - harmonic
            drums[part] = self._clear(rest, sample_rate, self._short, steady=False)
            rest -= drums[part]
            deep = low_pass(rest, sample_rate, self.vocals_cutoff, self._long)
            vocals[part] = rest - deep
            bass[part] = low_pass(harmonic, sample_rate, self.bass_cutoff, self._long) + deep
        return {"vocals": vocals, "drums": drums, "bass": bass, "other": mixture - vocals - drums - bass}

    def _clear(self, signal: Audio, sample_rate: int, stft: STFT, *, steady: bool) -> Audio:
        """What is steady, or else what is broad, by the margin."""
        x = stft.forward(signal)
        frames = _odd(self.time_length * sample_rate / stft.hop)
        harmonic, percussive = harmonic_percussive(x, frames, _odd(self.frequency_length * stft.n_fft / sample_rate))
        wanted, other = (harmonic, percussive) if steady else (percussive, harmonic)
        other *= other.dtype.type(self.margin)
        for part, (estimate, _) in filter_blocks(x, [wanted, other], self.mask, self.power):
            x[part] = estimate
        return stft.inverse(x, signal.shape[-1])


def _odd(length: float) -> int:
    """The nearest odd whole number, at least 1."""
    return 2 * max(0, round((length - 1) / 2)) + 1
