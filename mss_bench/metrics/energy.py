"""Plain energy ratios of songs and frames: uSDR and cSDR.

uSDR is the score of the Music Demixing Challenge 2021 and the Sound Demixing Challenge 2023 (there "SDR"; "nSDR" in
some papers): the energy of the reference over that of the error, summed over all samples and channels of a song,

    uSDR = 10 log10((sum s^2 + delta) / (sum (s - y)^2 + delta)).

`delta` keeps silent stems finite, and tools differ in it: 1e-7 in the challenges and Demucs, 1e-8 in ZFTurbo's
training code. A song's score is the mean over its stems, a system's the mean over songs. Sums are in float64, as in
Demucs; the challenge's kit casts all audio to float32 and sums in it, in the order of its files (sample by sample), and
so does ``precision="float32"``: the same to about 1e-6 dB, unless an error is so small that the cast drowns it.

cSDR is the SDR of BSS Eval v4: the same ratio without a constant, in frames of a second, with the median over frames as
a song's score and the median over songs as a system's. The distortion filters of BSS Eval cancel in its SDR, so that it
needs none of the projections of `mss_bench.metrics.bss_eval`, whose SDR is the same number at many times the cost.

References
----------
Y. Mitsufuji et al.: Music Demixing Challenge 2021. Frontiers in Signal Processing 1, 2022.
F.-R. Stöter, A. Liutkus, N. Ito: The 2018 Signal Separation Evaluation Campaign. LVA/ICA 2018.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._frames import Frames
from mss_bench.metrics._levels import DOUBLE_DB, level, louder, shifted, unusual
from mss_bench.metrics._signals import Floats, Samples, Signals, pieces
from mss_bench.metrics._silence_policy import Mask, SilencePolicy
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.presets import resolve

__all__ = ["CSDR", "USDR", "CSDRState", "USDRState"]


@dataclass(frozen=True)
class USDRState:
    """References of a track, as given, the binary exponents of their levels (None where silent), and their energies."""

    references: dict[str, Samples]
    levels: dict[str, int | None]
    energies: dict[str, np.floating]


class USDR(Metric):
    """SDR of a whole song, as the Music Demixing Challenge defines it.

    Parameters
    ----------
    preset : {"default", "mdx21", "demucs", "zfturbo"}, optional
        ``"default"`` is the formula of the challenge in float64, which is also what Demucs has.
    delta : float, optional
        Added to both energies; at least 0. Default 1e-7.
    precision : {"float64", "float32"}, optional
        What samples are cast to and energies are summed in. ``"float32"``, as the challenge's kit does it, copies each
        stem. Default ``"float64"``.

    Raises
    ------
    ConfigError
        A negative `delta`, another precision, or an unknown preset.
    """

    name = "usdr"
    version = "2"
    quantities = (Quantity("uSDR", "dB", True, "10 log10((sum s^2 + d) / (sum (s - y)^2 + d)) over the whole song"),)
    citation = "Y. Mitsufuji et al.: Music Demixing Challenge 2021, Frontiers in Signal Processing 1, 2022"
    caution = (
        "Energies are summed over the song before the ratio, so that loud passages decide and pauses hardly count; "
        "the value of a silent stem is decided by delta. A delay of a millisecond that nobody hears costs all, and on "
        "generative systems energy ratios hardly follow listeners."
    )

    def __init__(
        self,
        *,
        preset: str | None = None,
        delta: float | None = None,
        precision: Literal["float64", "float32"] | None = None,
    ) -> None:
        values, self.preset = resolve(self.name, preset, {"delta": delta, "precision": precision})
        self.delta: float = values["delta"]
        self.precision: Literal["float64", "float32"] = values["precision"]
        if not 0 <= self.delta < np.inf:
            raise ConfigError(f"usdr: delta is {self.delta!r}, expected a number of at least 0")
        if self.precision not in ("float64", "float32"):
            raise ConfigError(f"usdr: precision is {self.precision!r}, expected 'float64' or 'float32'")

    def prepare(self, track: TrackAudio, group: TargetGroup) -> USDRState:
        """Levels and energies of the references.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored.
        """
        references = checked_references(track, group)
        levels = {target: level(array) for target, array in references.items()}
        energies = {t: self._energy(array, None, self._shift(levels[t])) for t, array in references.items()}
        return USDRState(references, levels, energies)

    def score(self, state: USDRState, estimates: Stems) -> list[Score]:
        """USDR of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN gives NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        return [
            self._score(state, target, estimates[target], spoiled.get(target, ""))
            for target in state.references
            if target in estimates
        ]

    def _score(self, state: USDRState, target: str, estimate: Samples, reason: str) -> Score:
        value = np.nan
        if not reason:
            reference = state.levels[target]
            own, common = self._shift(reference), self._shift(louder(reference, level(estimate)))
            with np.errstate(divide="ignore", invalid="ignore"):
                signal = state.energies[target] + self._constant(own)
                error = self._energy(estimate, state.references[target], common) + self._constant(common)
                value = float(signal.dtype.type(10) * np.log10(signal / error)) + DOUBLE_DB * (own - common)
            reason = self._why_undefined(signal, error) if np.isnan(value) else ""
        return Score(target, "uSDR", np.array([value]), reason=reason)

    def _why_undefined(self, signal: np.floating, error: np.floating) -> str:
        if signal == error == 0:
            return "reference and estimate are silent, and delta is 0"
        return "the energies are beyond what float32 holds"

    def _shift(self, exponent: int | None) -> int:
        """The power of two by which signals of a level are divided: none where delta, or float32, has the last word."""
        if self.precision == "float32":
            return 0
        return max(unusual(exponent), 0) if self.delta else unusual(exponent)

    def _constant(self, shift: int) -> np.floating:
        return np.dtype(self.precision).type(math.ldexp(self.delta, -2 * shift))

    def _energy(self, array: Samples, minus: Samples | None, shift: int) -> np.floating:
        """Energy of an array, or of its difference from another, once they are divided by ``2**shift``."""
        if self.precision == "float32":
            return _float32_energy(array, minus)
        return np.float64(_energy(Signals([array], None if minus is None else [shifted(minus, shift)], [shift])))


@dataclass(frozen=True)
class CSDRState:
    """References of a track, as given, the binary exponents of their levels (None where silent), their energies
    ``(n_frames,)`` once usual levels are made of these, and the silence policy's masks."""

    references: dict[str, Samples]
    frames: Frames
    levels: dict[str, int | None]
    energies: dict[str, Floats]
    silent: dict[str, Mask]


class CSDR(Metric):
    """SDR of BSS Eval v4 without its projections.

    Parameters
    ----------
    preset : {"museval"}, optional
    window, hop : float, optional
        Seconds. Default 1.
    silence : {"joint", "per_source"}, optional
        Which frames count; as in `mss_bench.metrics.bss_eval.BSSEval`. Default ``"joint"``.

    Raises
    ------
    ConfigError
        A parameter out of its range.
    """

    name = "csdr"
    version = "1"
    quantities = (Quantity("cSDR", "dB", True, "10 log10(|s|^2 / |y - s|^2) in each frame: SDR of BSS Eval v4"),)
    citation = "F.-R. Stöter, A. Liutkus, N. Ito: The 2018 Signal Separation Evaluation Campaign, LVA/ICA 2018"
    caution = (
        "Frames in which any source is silent count for none, so that leakage into pauses costs nothing; a delay of a "
        "millisecond that nobody hears costs all. On generative systems it hardly follows listeners (Spearman .18)."
    )

    def __init__(
        self,
        *,
        preset: str | None = None,
        window: float | None = None,
        hop: float | None = None,
        silence: Literal["joint", "per_source"] | None = None,
    ) -> None:
        values, self.preset = resolve(self.name, preset, {"window": window, "hop": hop, "silence": silence})
        for key in ("window", "hop"):
            if not values[key] > 0:
                raise ConfigError(f"csdr: {key} is {values[key]!r}, expected a positive number of seconds")
        if values["silence"] not in ("joint", "per_source"):
            raise ConfigError(f"csdr: silence is {values['silence']!r}, expected 'joint' or 'per_source'")
        self.window: float = values["window"]
        self.hop: float = values["hop"]
        self.silence: Literal["joint", "per_source"] = values["silence"]

    def prepare(self, track: TrackAudio, group: TargetGroup) -> CSDRState:
        """Energies and silence of the references in each frame.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored.
        """
        references = checked_references(track, group)
        frames = Frames.of_seconds(next(iter(references.values())).shape[1], self.window, self.hop, track.sample_rate)
        levels = {t: level(array) for t, array in references.items()}
        energies = {t: _frame_energies(array, None, unusual(levels[t]), frames) for t, array in references.items()}
        policy = SilencePolicy(self.silence)
        silent = {t: policy.silent(array, frames.spans) for t, array in references.items()}
        return CSDRState(references, frames, levels, energies, silent)

    def score(self, state: CSDRState, estimates: Stems) -> list[Score]:
        """Frame by frame, the SDR of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored. Silent ones, and those with NaN, give rows of NaN with the reason.
        """
        usable, spoiled = scorable_estimates(state.references, estimates)
        policy = SilencePolicy(self.silence)
        silent = {t: policy.silent(estimates[t], state.frames.spans) for t in usable}
        scores = []
        for target in (t for t in state.references if t in estimates):
            values, reason = np.full(len(state.frames.spans), np.nan), spoiled.get(target, "")
            if not reason:
                ratio = self._ratios(state, target, estimates[target])
                values = np.where(policy.valid(target, target, state.silent, silent), ratio, np.nan)
                reason = policy.why(target, state.silent, silent) if np.isnan(values).all() else ""
            scores.append(Score(target, "cSDR", values, "frame", self.window, self.hop, (), reason))
        return scores

    def _ratios(self, state: CSDRState, target: str, estimate: Samples) -> Floats:
        own, common = unusual(state.levels[target]), unusual(louder(state.levels[target], level(estimate)))
        error = _frame_energies(estimate, state.references[target], common, state.frames)
        with np.errstate(divide="ignore", invalid="ignore"):
            values: Floats = 10 * np.log10(state.energies[target] / error) + DOUBLE_DB * (own - common)
        return values


def _frame_energies(array: Samples, minus: Samples | None, shift: int, frames: Frames) -> Floats:
    """Energy of an array, or of its difference from another, in every frame, once divided by ``2**shift``."""
    signals = Signals([array], None if minus is None else [shifted(minus, shift)], [shift])
    return np.array([np.vdot(frame, frame) for frame in (signals.read(*span) for span in frames.spans)])


def _energy(signals: Signals) -> float:
    total, piece = 0.0, None
    for start, stop in pieces(signals.n_samples):
        # in one buffer, all but the last: fresh memory for every piece costs more than the sums
        reusable = piece is not None and piece.shape[1] == stop - start
        piece = signals.read(start, stop, piece if reusable else None)
        total += float(np.vdot(piece, piece))
    return total


def _float32_energy(array: Samples, minus: Samples | None) -> np.floating:
    """The sum of the challenge's kit: float32, sample by sample with the channels of each side by side."""
    with np.errstate(over="ignore", invalid="ignore"):
        samples = np.ascontiguousarray(array.T, dtype=np.float32)
        if minus is not None:
            samples = samples - minus.T.astype(np.float32, copy=False)
        energy: np.floating = np.sum(np.square(samples))
    return energy
