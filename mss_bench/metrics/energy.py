"""Plain energy ratios of songs and frames: uSDR and cSDR.

uSDR is the score of the Music Demixing Challenge 2021 and the Sound Demixing Challenge 2023 (there "SDR"; "nSDR" in
some papers): the energy of the reference over that of the error, summed over all samples and channels of a song,

    uSDR = 10 log10((sum s^2 + delta) / (sum (s - y)^2 + delta)).

`delta` keeps the ratio of a perfect estimate finite, and tools differ in it: 1e-7 in the challenges and Demucs, 1e-8 in
ZFTurbo's training code. The reference of a stem that is silent for the whole song has no ratio; the tools apply the
formula all the same, so that `delta` alone sets the number (0 dB for silence, some -90 for what leaks), and so do the
presets that name them. A song's score is the mean over its stems, a system's the mean over songs. Sums are in float64,
as in Demucs; the challenge's kit casts all audio to float32 and sums in it, in the order of its files (sample by
sample), and so does ``precision="float32"``: the same to about 1e-6 dB, unless an error is so small that the cast
drowns it.

cSDR is the SDR of BSS Eval v4: the same ratio without a constant, in frames of a second, with the median over frames as
a song's score and the median over songs as a system's; the preset ``"museval"`` leaves out the frames that museval
leaves out. The distortion filters of BSS Eval cancel in its SDR, so that it
needs none of the projections of `mss_bench.metrics.bss_eval`, whose SDR is the same number at many times the cost.

References
----------
Y. Mitsufuji et al.: Music Demixing Challenge 2021. Frontiers in Signal Processing 1, 2022.
F.-R. Stöter, A. Liutkus, N. Ito: The 2018 Signal Separation Evaluation Campaign. LVA/ICA 2018.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.parameters import param
from mss_bench.core.tracks import TrackAudio
from mss_bench.metrics._frames import SilenceRule
from mss_bench.metrics._levels import DOUBLE_DB, level, louder, scaled, scaling_exponent
from mss_bench.metrics._signals import Signals, pieces
from mss_bench.metrics.base import Framewise, Prepared, Quantity, SilentReferences, Value

__all__ = ["CSDR", "KSDR", "USDR"]


class _Energy(NamedTuple):
    """Binary exponent of the level of a reference (None where silent), and its energy at a usual level."""

    level: int | None
    energy: np.floating


class USDR(SilentReferences):
    """SDR of a whole song, as the Music Demixing Challenge defines it.

    The preset ``"default"`` is the formula of the challenge in float64, which is also what Demucs has, for stems that
    sound.
    """

    name = "usdr"
    version = "3"
    quantities = (Quantity("uSDR", "dB", True, "10 log10((sum s^2 + d) / (sum (s - y)^2 + d)) over the whole song"),)
    citation = "Y. Mitsufuji et al.: Music Demixing Challenge 2021, Frontiers in Signal Processing 1, 2022"
    caution = (
        "Energies are summed over the song before the ratio, so that loud passages decide and pauses hardly count. "
        "An inaudible delay of a millisecond ruins the value, and energy does not say how an error sounds, least of "
        "all on generative systems."
    )
    presets: ClassVar = {
        "default": {},
        "mdx21": {"precision": "float32", "silent_reference": "scored"},
        "demucs": {"silent_reference": "scored"},
        "zfturbo": {"delta": 1e-8, "silent_reference": "scored"},
    }

    delta: float = param(1e-7, at_least=0, doc="Added to both energies.")
    precision: Literal["float64", "float32"] = param(
        "float64", doc="What samples are cast to and energies are summed in; float32 copies each stem."
    )

    def derive(self, track: TrackAudio) -> dict[str, _Energy]:
        levels = {target: level(array) for target, array in track.references.items()}
        return {
            t: _Energy(levels[t], self._energy(s, None, self._shift(levels[t]))) for t, s in track.references.items()
        }

    def measure(self, track: Prepared[dict[str, _Energy]], target: str, estimate: Samples) -> Value:
        reference = track.derived[target]
        own, common = self._shift(reference.level), self._shift(louder(reference.level, level(estimate)))
        with np.errstate(divide="ignore", invalid="ignore"):
            signal = reference.energy + self._constant(own)
            error = self._energy(estimate, track.references[target], common) + self._constant(common)
            value = float(signal.dtype.type(10) * np.log10(signal / error)) + DOUBLE_DB * (own - common)
        if not np.isnan(value):
            return value
        if signal == error == 0:
            return "reference and estimate are silent, and delta is 0"
        return "the energies are beyond what float32 holds"

    def _shift(self, exponent: int | None) -> int:
        """Return the power of two by which signals are divided: 0 where delta or float32 would change the value."""
        if self.precision == "float32":
            return 0
        return max(scaling_exponent(exponent), 0) if self.delta else scaling_exponent(exponent)

    def _constant(self, shift: int) -> np.floating:
        return np.dtype(self.precision).type(math.ldexp(self.delta, -2 * shift))

    def _energy(self, array: Samples, minus: Samples | None, shift: int) -> np.floating:
        """Return the energy of an array, or of its difference from another, once divided by ``2**shift``."""
        if self.precision == "float32":
            return _float32_energy(array, minus)
        return np.float64(_energy(Signals([array], None if minus is None else [scaled(minus, shift)], [shift])))


class KSDR(USDR):
    """SDR of a whole song on a scale from 0 to 100, as ZFTurbo's training code maps it."""

    name = "k_sdr"
    version = "1"
    quantities = (
        Quantity("k-SDR", "", True, "100 ln(1 + s + K) / ln(1 + 2 K), s the uSDR held to -K to K", least=0, most=100),
    )
    citation = "R. Solovyev: Music-Source-Separation-Training, https://github.com/ZFTurbo, 2023"
    caution = (
        "Nothing above the limit of K dB counts, and the scale is steep just above -K: differences of two values mean "
        "another thing at each place. What is said of uSDR holds."
    )
    presets: ClassVar = {"default": {}, "zfturbo": {"silent_reference": "scored"}}

    delta: float = param(1e-8, at_least=0, doc="Added to both energies.")
    limit: float = param(10.0, above=0, unit="dB", doc="K, beyond which no SDR counts.")

    def measure(self, track: Prepared[dict[str, _Energy]], target: str, estimate: Samples) -> Value:
        value = super().measure(track, target, estimate)
        if isinstance(value, str):
            return value
        held = max(min(float(value), self.limit), -self.limit + 1e-6)
        return 100 * math.log1p(held + self.limit) / math.log1p(2 * self.limit)


class _FrameEnergies(NamedTuple):
    """Level of a reference, and its energy ``(frames,)`` at a usual level."""

    level: int | None
    energies: Floats


class CSDR(Framewise):
    """SDR of BSS Eval v4 without its projections."""

    name = "csdr"
    version = "2"
    quantities = (Quantity("cSDR", "dB", True, "10 log10(|s|^2 / |y - s|^2) in each frame: SDR of BSS Eval v4"),)
    citation = "F.-R. Stöter, A. Liutkus, N. Ito: The 2018 Signal Separation Evaluation Campaign, LVA/ICA 2018"
    caution = (
        "Frames in which any source is silent are left out for every source, so that leakage into pauses costs "
        "nothing; an inaudible delay of a millisecond ruins the value. Energy does not say how an error sounds, least "
        "of all on generative systems."
    )
    presets: ClassVar = {"v4": {}, "museval": {"silence": "channel_sum"}}

    silence: SilenceRule = param("joint", doc="Which frames count, as in `bss_eval`.")

    def derive(self, track: TrackAudio) -> dict[str, _FrameEnergies]:
        derived = {}
        for target, array in track.references.items():
            frames, exponent = self.frames(array.shape[1], track.sample_rate), level(array)
            energies = frames.energies(Signals([array], shifts=[scaling_exponent(exponent)]))
            derived[target] = _FrameEnergies(exponent, energies)
        return derived

    def measure(self, track: Prepared[dict[str, _FrameEnergies]], target: str, estimate: Samples) -> Value:
        reference = track.derived[target]
        own, common = scaling_exponent(reference.level), scaling_exponent(louder(reference.level, level(estimate)))
        frames = self.frames(track.samples, track.sample_rate)
        error = frames.energies(Signals([estimate], [scaled(track.references[target], common)], [common]))
        with np.errstate(divide="ignore", invalid="ignore"):
            values: Floats = 10 * np.log10(reference.energies / error) + DOUBLE_DB * (own - common)
        return values


def _energy(signals: Signals) -> float:
    total, piece = 0.0, None
    for start, stop in pieces(signals.n_samples):
        # in one buffer, all but the last: fresh memory for every piece costs more than the sums
        reusable = piece is not None and piece.shape[1] == stop - start
        piece = signals.read(start, stop, piece if reusable else None)
        total += float(np.vdot(piece, piece))
    return total


def _float32_energy(array: Samples, minus: Samples | None) -> np.floating:
    """Return the sum of the challenge's kit: float32, sample by sample with the channels of each side by side."""
    with np.errstate(over="ignore", invalid="ignore"):
        samples = np.ascontiguousarray(array.T, dtype=np.float32)
        if minus is not None:
            samples = samples - minus.T.astype(np.float32, copy=False)
        energy: np.floating = np.sum(np.square(samples))
    return energy
