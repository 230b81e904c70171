"""The voice by a mask on the harmonics of its melody."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from mss_bench.core.config import plain_name
from mss_bench.core.parameters import check, param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.dsp.f0 import F0_METHODS, F0Track, power_of_two, require_pyin, track_f0
from mss_bench.dsp.nmf import DIVERGENCES, factorise, normalised, random_factors
from mss_bench.dsp.stft import STFT
from mss_bench.separators.base import Separator, as_published
from mss_bench.separators.templates import VOICE_AND_REST, MaskSeparator

__all__ = ["HarmonicMask", "MelodySeparator"]


class MelodySeparator(Separator):
    """Track the melody, and take its partials for the voice, or for an instrument; the rest is accompaniment."""

    family = "sinusoidal"
    target_sets: tuple[tuple[str, ...], ...] = VOICE_AND_REST

    f0: str = param(
        "salience",
        choices=F0_METHODS,
        doc="Tracker: ``salience`` works in mixtures and needs nothing further; ``pyin`` is librosa's, for a voice "
        "that is louder than all else (``pip install 'mss-bench[pitch]'``).",
    )
    low: float = param(80.0, above=0, unit="Hz", doc="Least f0.")
    high: float = param(800.0, above=0, unit="Hz", doc="Greatest f0, above `low`.")
    partials: int = param(40, at_least=1, doc="Number of partials; those above half of the sample rate are left out.")
    target: str = param(
        "vocals",
        doc="Stem that carries the melody between `low` and `high`: ``bass`` with ``low=30,high=300``, a ``flute``. "
        "Another than vocals is delivered alone.",
    )

    def setup(self) -> None:
        super().setup()
        plain_name(self.target, "target")
        if self.target != "vocals":
            self.target_sets, self.adds_up = ((self.target,),), False

    def named(self, melody: Audio, mixture: Audio) -> Stems:
        """Return the stems by their names."""
        return {self.target: melody} | ({"accompaniment": mixture - melody} if self.target == "vocals" else {})

    @check("high", "low")
    def _check_range(self) -> None:
        if self.high <= self.low:
            self.refuse("high", f"a number above low={self.low:g} (in Hz)")

    def load(self, device: str = "cpu") -> None:
        if self.f0 == "pyin":
            require_pyin()

    def melody(self, signal: NDArray[np.float32], sample_rate: int) -> F0Track:
        """Track the f0 of a signal ``(samples,)``."""
        return track_f0(signal, sample_rate, self.f0, self.low, self.high)


class HarmonicMask(MelodySeparator, MaskSeparator):
    """Separate the voice by a mask on the harmonics of its melody.

    A sung vowel has all its energy at multiples of its f0, so that knowing the melody is knowing where to look. What
    the accompaniment has at those places is read off the gaps between them, and the voice is what stands out above it.
    With the spectrogram's magnitude V, the melody f0(t) and its partials h = 1 ... `partials`,

        C(t, f) = 1 where |f - h f0(t)| < min(width / 2 + h |f0'(t)| T / 8, f0(t) / 4) for some h, else 0,
        A^2 = mean over 200 Hz to either side of V^2 where C = 0,
        V_voice^2 = C max(V^2 - A^2, 0),  V_accompaniment^2 = V^2 - V_voice^2,

    and a filter (`mask`) turns the two magnitudes into estimates. With ``accompaniment=nmf``, as in [1]_, A is not read
    off the gaps but predicted from all that the song has elsewhere: V is factorised into `components` spectra and their
    activations by Kullback-Leibler divergence over the bins where C = 0, and A is the model where C = 1,

        V_voice = C max(V - A, 0),  V_accompaniment = V - V_voice.

    The melody is sought in the sum of the channels
    (`mss_bench.dsp.f0`), and where it is unvoiced all is accompaniment: consonants and breath stay there. The term with
    f0' widens the lobes of partials that move within a frame of T seconds; f0 / 4 leaves gaps between them. Frames
    have 93 ms, rounded to a power of two, with three quarters overlap.

    References
    ----------
    .. [1] T. Virtanen, A. Mesaros and M. Ryynänen, "Combining pitch-based inference and non-negative spectrogram
       factorization in separating vocals from polyphonic music", Proc. SAPA, 2008.
    """

    name = "harmonic_mask"
    citation = "T. Virtanen et al., Combining pitch-based inference and NMF in separating vocals, SAPA 2008"
    presets = as_published(width=50.0, mask="soft", accompaniment="nmf")
    unlike_paper = (
        "Partials that move within a frame are wider, and none is wider than half of f0; windows of 93 ms; the melody "
        "is tracked by salience. The preset is better on the demo and on an excerpt of a record, and takes twenty "
        "times as long, so that it is not the default"
    )
    assumption = "One harmonic voice carries the melody; at its partials it is louder than the accompaniment."

    f0 = "salience"
    low = 80.0
    high = 800.0
    partials = 40
    target = "vocals"
    width: float = param(40.0, above=0, unit="Hz", doc="Width of a partial that does not move: the window's main lobe.")
    subtract: bool = param(True, doc="Whether A is taken off; without it all within the lobes is voice, ``C V``.")
    accompaniment: str = param(
        "gaps",
        choices=("gaps", "nmf"),
        doc="What A is: the mean of the gaps beside a partial, or what a factorisation of the song outside the "
        "partials predicts within them.",
    )
    components: int = param(20, at_least=1, doc="Number of spectra of ``nmf``.")
    iterations: int = param(50, at_least=1, doc="Number of updates of ``nmf``.")
    mask = "wiener"
    power = 1.0

    def setup(self) -> None:
        super().setup()
        self.random = self.subtract and self.accompaniment == "nmf"  # the factors start anywhere

    def separate(self, mixture: Audio, sample_rate: int, *, rng: np.random.Generator, **_: Any) -> Stems:
        track = self.melody(mixture.mean(axis=0), sample_rate)
        n_fft = power_of_two(0.093, sample_rate)
        stft = STFT(n_fft, max(1, n_fft // 4))
        vocals = self.first_estimate(stft, mixture, lambda v: self._magnitudes(v, track, stft, sample_rate, rng))
        return self.named(vocals, mixture)

    def _magnitudes(
        self, magnitude: NDArray[Any], track: F0Track, stft: STFT, sample_rate: int, rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the magnitudes of voice and accompaniment, the first of them in the memory of the mixture's."""
        frequencies = stft.frequencies(sample_rate).astype(np.float32)
        f0, slope = _at_frames(track, stft, magnitude.shape[1], sample_rate)
        smear = slope * stft.n_fft / sample_rate / 8
        reach = max(1, round(200.0 * stft.n_fft / sample_rate))
        accompaniment = magnitude.copy()
        # Some frames at a time: the comb is as large as a channel of the spectrogram.
        parts = [slice(first, first + 256) for first in range(0, f0.size, 256)]
        combs = (self._comb(frequencies, f0[part, None], smear[part, None]) for part in parts)
        if self.random:
            known = ~np.concatenate([*combs])
            # Every channel that is filtered alone has the same draw: which is the first of them plays no part.
            predicted = self._predicted(magnitude, known, copy.deepcopy(rng))
            np.minimum(magnitude, predicted, out=accompaniment, where=~known)
            magnitude -= accompaniment
            return magnitude, accompaniment
        for part, comb in zip(parts, combs, strict=True):
            v = magnitude[:, part]
            power = np.square(v)
            kept = _gaps(power, comb, reach) if self.subtract else np.zeros_like(power)
            kept = np.where(comb, np.minimum(kept, power), power)
            accompaniment[:, part] = np.sqrt(kept)
            magnitude[:, part] = np.sqrt(power - kept)
        return magnitude, accompaniment

    def _predicted(
        self, magnitude: NDArray[Any], known: NDArray[np.bool_], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return what a factorisation of the bins that are known makes of all, ``(channels, frames, bins)``."""
        beta = DIVERGENCES["kl"]
        v = normalised(magnitude, beta)
        factors = random_factors(v, self.components, rng)
        factorise(v, factors, beta, self.iterations, known=np.broadcast_to(known, v.shape))
        return factors.model() * np.float32(magnitude.mean())

    def _comb(self, frequencies: NDArray[Any], f0: NDArray[Any], smear: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where partials are, ``(frames, bins)``."""
        number = np.round(frequencies / np.where(f0 > 0, f0, 1.0))
        reach = np.minimum(self.width / 2 + number * smear, f0 / 4)
        near = np.abs(frequencies - number * f0) < reach
        return np.asarray(near & (number >= 1) & (number <= self.partials))


def _at_frames(track: F0Track, stft: STFT, frames: int, sample_rate: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return f0 at the centres of the frames, and how fast it moves there, in Hz a second."""
    times = (np.arange(frames) * stft.hop + stft.hop - stft.n_fft / 2) / sample_rate
    f0 = track.at(times)
    half = stft.n_fft / sample_rate / 4
    before, after = track.at(times - half), track.at(times + half)
    slope = np.where((before > 0) & (after > 0), np.abs(after - before) / (2 * half), 0.0)
    # A leap from note to note is no glide.
    slope[slope * half > 0.1 * np.maximum(f0, 1.0)] = 0.0
    return f0.astype(np.float32), slope.astype(np.float32)


def _gaps(power: NDArray[Any], comb: NDArray[np.bool_], reach: int) -> NDArray[Any]:
    """Return the mean power between the partials within `reach` bins to either side."""
    size = 2 * reach + 1
    gap = (~comb).astype(power.dtype)
    total = uniform_filter1d(power * gap, size, axis=-1, mode="nearest")
    count = uniform_filter1d(gap, size, axis=-1, mode="nearest")
    # A running mean leaves rounding errors where there is no gap at all, far below one bin.
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0.5 / size)
