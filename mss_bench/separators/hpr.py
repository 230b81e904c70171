"""Harmonic-percussive-residual separation: what is clearly neither has a place of its own."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.dsp.crossover import low_pass
from mss_bench.dsp.stft import STFT
from mss_bench.separators.base import as_published
from mss_bench.separators.hpss import TwoResolutions, harmonic_percussive

__all__ = ["HPR"]


class HPR(TwoResolutions):
    """Separate what is clearly harmonic, what is clearly percussive and what is neither.

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

    References
    ----------
    .. [1] J. Driedger, M. Müller and S. Disch, "Extending harmonic-percussive separation of audio signals", Proc.
       ISMIR, 2014.
    .. [2] J. Driedger and M. Müller, "Extracting singing voice from music recordings by cascading audio decomposition
       techniques", Proc. ICASSP, 2015.
    """

    name = "hpr"
    citation = "J. Driedger et al., Extending harmonic-percussive separation of audio signals, ISMIR 2014"
    presets = as_published()
    unlike_paper = (
        "The three parts are named: bass is the low end of the harmonic one, vocals are the residual above a crossover"
    )
    assumption = "Notes are clearly steady and drums clearly broad; voices and noise are neither."

    margin: float = param(2.0, at_least=1, doc="Ratio of H and P at which a sound is clearly the one or the other.")
    time_length: float = param(
        0.2, above=0, unit="s", doc="Length of the medians along time, rounded to an odd number of frames."
    )
    frequency_length: float = param(
        500.0, above=0, unit="Hz", doc="Length of the medians along frequency, likewise in bins."
    )
    mask = "binary"
    power = 2.0

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        harmonic = self._clear(mixture, sample_rate, self.long, steady=True)
        rest = mixture - harmonic
        drums = self._clear(rest, sample_rate, self.short, steady=False)
        rest -= drums
        deep = low_pass(rest, sample_rate, self.vocals_cutoff, self.long)
        vocals = rest - deep
        bass = low_pass(harmonic, sample_rate, self.bass_cutoff, self.long) + deep
        return {"vocals": vocals, "drums": drums, "bass": bass, "other": mixture - vocals - drums - bass}

    def _clear(self, signal: Audio, sample_rate: int, stft: STFT, *, steady: bool) -> Audio:
        """Return what is steady, or else what is broad, by the margin."""
        frames, bins = self.time_length * sample_rate / stft.hop, self.frequency_length * stft.n_fft / sample_rate

        def model(magnitude: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
            harmonic, percussive = harmonic_percussive(magnitude, _odd(frames), _odd(bins))
            wanted, other = (harmonic, percussive) if steady else (percussive, harmonic)
            other *= other.dtype.type(self.margin)
            return wanted, other

        return self.first_estimate(stft, signal, model)


def _odd(length: float) -> int:
    """Return the nearest odd whole number, at least 1."""
    return 2 * max(0, round((length - 1) / 2)) + 1
