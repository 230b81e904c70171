"""Sinusoids plus residual: the voice as the partials of the melody, or notes against strokes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.dsp.crossover import low_pass
from mss_bench.dsp.f0 import power_of_two
from mss_bench.dsp.peaks import Peaks, find_peaks, link_peaks
from mss_bench.dsp.stft import STFT
from mss_bench.separators.base import Separator, as_published
from mss_bench.separators.harmonic_mask import MelodySeparator

__all__ = ["Sinusoids", "SinusoidsResidual"]

_FRAME = 0.046  # seconds, for f0 from the next number on
_USUAL_LOW = 80.0  # Hz
_FLOOR = 60.0  # decibels
_REACH = 2  # bins of the main lobe to either side


class Sinusoids(MelodySeparator):
    """Separate the voice by tracking spectral peaks: sinusoids plus residual.

    Every partial of a sung vowel is a sinusoid of slowly changing frequency and amplitude: a track of spectral peaks.
    The tracks that are harmonics of the melody are built up again as sinusoids and are the vocals; what is left of the
    mixture when they are subtracted, noise, drums and everybody else's sinusoids, is the accompaniment.

        peaks f_i of each frame -> tracks: f_i goes on in its nearest neighbour of the next frame, within 3 %,
        f_i is a harmonic of f0 where |f_i - h f0| < deviation f0 + 0.01 f_i and no peak is nearer to h f0,
        Y(t, k) = sum_i A_i W(k - f_i N / sample_rate),  A_i = <W_i, X> / <W_i, W_i>,

    with the window's transform W and sums over the bins of the main lobe: amplitude and phase A_i are fitted in each
    channel, and ``accompaniment = mixture - vocals``. A track belongs to the voice where at least half of its peaks are
    harmonics; tracks shorter than `shortest` are dropped. There are no magnitudes of two sources here and so no
    filter to choose: the estimate of the voice is a waveform.

    References
    ----------
    .. [1] R. McAulay and T. Quatieri, "Speech analysis/synthesis based on a sinusoidal representation", IEEE Trans.
       Acoustics, Speech, and Signal Processing 34(4), 1986.
    .. [2] X. Serra, "Musical sound modeling with sinusoids plus noise", in C. Roads et al. (eds.), Musical Signal
       Processing, Swets & Zeitlinger, 1997.
    """

    name = "sinusoids"
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "X. Serra, Musical sound modeling with sinusoids plus noise, Musical Signal Processing 1997"
    presets = as_published()
    unlike_paper = (
        "The tracks that are harmonics of a melody are kept as one source; the residual stays a waveform, without "
        "a model of noise"
    )
    assumption = "One voice of steady or slowly gliding partials carries the melody; the partials stand out as peaks."

    f0 = "salience"
    low = 80.0
    high = 800.0
    partials = 40
    target = "vocals"
    deviation: float = param(
        1 / 3,
        above=0,
        at_most=0.5,
        doc="Deviation of a partial from its harmonic, as a share of f0; 1/3 is usual for a lone instrument.",
    )
    shortest: float = param(0.02, at_least=0, unit="s", doc="Length below which tracks are dropped.")

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        mid = mixture.mean(axis=0)
        track = self.melody(mid, sample_rate)
        # Partials as near each other as those of a bass are told apart by longer frames alone.
        n_fft = power_of_two(_FRAME * max(1.0, _USUAL_LOW / self.low), sample_rate)
        stft = STFT(n_fft, max(1, n_fft // 4))
        frames, first = stft.frames(mid.size), stft.hop - n_fft // 2
        # The last partial may lie above its harmonic.
        highest = min(sample_rate / 2, self.partials * float(track.hertz.max(initial=0.0)) * 1.05)
        peaks = find_peaks(
            mid, sample_rate, n_fft=n_fft, hop=stft.hop, frames=frames, first=first, highest=highest, floor=_FLOOR
        )
        f0 = track.at((np.arange(frames) * stft.hop + first) / sample_rate)
        chosen = self._voice(peaks, f0, stft.hop / sample_rate)
        return self.named(_resynthesised(mixture, peaks, chosen, stft, sample_rate), mixture)

    def _voice(self, peaks: Peaks, f0: NDArray[np.float64], hop: float) -> NDArray[np.bool_]:
        """Return which peaks are of the voice."""
        melody = f0[peaks.frame]
        number = np.round(np.divide(peaks.hertz, melody, out=np.zeros_like(melody), where=melody > 0))
        distance = np.abs(peaks.hertz - number * melody)
        fits = (number >= 1) & (number <= self.partials) & (distance < self.deviation * melody + 0.01 * peaks.hertz)
        tracks = link_peaks(peaks)
        length = np.bincount(tracks)
        harmonic = np.bincount(tracks, fits)
        # A track belongs to the voice as a whole or not at all: half of its peaks decide.
        lasting = (length * hop >= self.shortest) & (2 * harmonic >= length)
        fits &= lasting[tracks]
        return fits & _first_of(peaks.frame * (self.partials + 1) + number.astype(np.int64), distance, fits)


class SinusoidsResidual(Separator):
    """Separate notes from strokes by tracking spectral peaks: all sinusoids against the residual.

    A note is a bundle of sinusoids that last, a stroke is short and noisy and has none. The peaks of the spectrum are
    linked to tracks; those that last are built up again as sinusoids, and what is left of the mixture is drums:

        peaks f_i of each frame -> tracks: f_i goes on in its nearest neighbour of the next frame, within 3 %,
        Y(t, k) = sum_i A_i W(k - f_i N / sample_rate) over tracks of at least `shortest`,  A_i as for `Sinusoids`,
        drums = X - Y,   bass = Y below bass_cutoff,   other = Y - bass.

    Breath, consonants, bow noise and reverberation are no sinusoids and go with the drums; drums that ring go with the
    notes. There is no voice: it stays in `other`.

    References
    ----------
    .. [1] X. Serra and J. O. Smith, "Spectral modeling synthesis: a sound analysis/synthesis system based on a
       deterministic plus stochastic decomposition", Computer Music Journal 14(4), 1990.
    """

    name = "sinusoids_residual"
    family = "sinusoidal"
    target_sets = (("drums", "bass", "other"),)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "X. Serra and J. O. Smith, Spectral modeling synthesis, Computer Music Journal 14(4) 1990"
    presets = as_published()
    unlike_paper = (
        "The residual stays a waveform, without a model of noise; a crossover makes bass of the low sinusoids"
    )
    assumption = "Notes are steady or slowly gliding sinusoids; what is not sinusoidal is drums."

    shortest: float = param(0.1, at_least=0, unit="s", doc="Length below which tracks are residual.")
    bass_cutoff: float = param(250.0, above=0, unit="Hz", doc="Crossover below which the sinusoids are bass.")

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        mid = mixture.mean(axis=0)
        n_fft = power_of_two(2 * _FRAME, sample_rate)  # twice as long as for one voice: chords have near neighbours
        stft = STFT(n_fft, max(1, n_fft // 8))
        frames, first = stft.frames(mid.size), stft.hop - n_fft // 2
        peaks = find_peaks(
            mid, sample_rate, n_fft=n_fft, hop=stft.hop, frames=frames, first=first, highest=sample_rate / 2,
            floor=_FLOOR,
        )  # fmt: skip
        tracks = link_peaks(peaks)
        lasting = (np.bincount(tracks) * stft.hop >= self.shortest * sample_rate)[tracks]
        notes = _resynthesised(mixture, peaks, lasting, stft, sample_rate)
        bass = low_pass(notes, sample_rate, self.bass_cutoff, STFT(n_fft, n_fft // 2))
        return {"drums": mixture - notes, "bass": bass, "other": notes - bass}


def _resynthesised(mixture: Audio, peaks: Peaks, chosen: NDArray[np.bool_], stft: STFT, sample_rate: int) -> Audio:
    """Return the sinusoids at some of the peaks, fitted to each channel of the mixture."""
    frame, position = peaks.frame[chosen], peaks.hertz[chosen] * (stft.n_fft / sample_rate)
    out = np.empty_like(mixture)
    for channel in range(len(mixture)):
        part = slice(channel, channel + 1)
        x = stft.forward(mixture[part])
        out[part] = stft.inverse(_sinusoids(x[0], frame, position, stft)[None], mixture.shape[-1])
    return out


def _first_of(group: NDArray[np.int64], distance: NDArray[np.float64], among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of some members of each group has the least distance."""
    index = np.flatnonzero(among)
    order = index[np.lexsort((distance[index], group[index]))]
    _, first = np.unique(group[order], return_index=True)
    chosen = np.zeros(group.size, dtype=np.bool_)
    chosen[order[first]] = True
    return chosen


def _sinusoids(x: NDArray[Any], frame: NDArray[np.int64], position: NDArray[np.float64], stft: STFT) -> NDArray[Any]:
    """Return the spectrogram ``(frames, bins)`` of sinusoids at given places in bins, fitted to the mixture's."""
    offset = np.arange(-_REACH, _REACH + 1)
    bins = np.round(position).astype(np.int64)[:, None] + offset
    inside = (bins >= 0) & (bins < stft.bins)
    bins = np.clip(bins, 0, stft.bins - 1)
    lobe = np.where(inside, _window_transform(bins - position[:, None], stft.n_fft), 0.0)
    energy = np.sum(np.abs(lobe) ** 2, axis=1)
    fitted = np.sum(lobe.conj() * x[frame[:, None], bins], axis=1) / energy
    out = np.zeros_like(x)
    # Lobes overlap: `out[...] +=` would add only the last of those that share a bin.
    np.add.at(out, (frame[:, None], bins), (fitted[:, None] * lobe).astype(x.dtype))
    return out


def _window_transform(bins: NDArray[np.float64], n_fft: int) -> NDArray[np.complex128]:
    """Return the transform of the window sin(pi n / N) some bins away from a sinusoid's frequency."""

    def rectangle(at: NDArray[np.float64]) -> NDArray[np.complex128]:
        return np.asarray(np.exp(-1j * np.pi * at * (n_fft - 1) / n_fft) * (np.sinc(at) / np.sinc(at / n_fft)))

    return (rectangle(bins - 0.5) - rectangle(bins + 0.5)) / 2j
