"""Single artifacts, each by a measure of its own: what is wrong with an estimate, not only how much.

Musical noise, smeared transients, lost treble, a moved stereo image and inconsistent phases, without trained weights.
Each measure reacts to its own fault at least five times as strongly as to any other of
`mss_bench.metrics.perceptual.degradations`, each at the strongest step of its ladder. On the seven stems
on which the measures were made that holds in 41 of 42 cases, on eleven others in 58 of 65 (``reports/metrics``). There
the phase error reacts only 2.4 to 4.1 times as strongly as to smearing or a low-pass (two voices, a layer of harmony),
the log kurtosis ratio 4.0 and 4.9 times as to smearing, the level difference of a voice 4.9 times as to clipping, the
smearing of a layer of harmony 1.7 times as to clipping. One target in stereo runs at some 20 times real time.

Every measure is 0 for the reference itself, lower is better, and looks only at places where the reference dominates its
mixture by 10 dB: leakage is no artifact. A delay of up to 50 ms of the whole estimate is made up for; a gain has no
effect.

- *Rates.* Any; frames are set in seconds. High-frequency loss needs a rate above twice its lowest frequency.
- *Channels.* Any number; the stereo image needs two.
- *Silence.* A silent reference or estimate has no values, and so has a target that never dominates its mixture.
- *Length.* At least half a second.

References
----------
.. [1] Y. Uemura, Y. Takahashi, H. Saruwatari, K. Shikano, K. Kondo: Automatic optimization scheme of spectral
   subtraction based on musical noise assessment via higher-order statistics. IWAENC 2008 (log kurtosis ratio).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._signals import Samples
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.perceptual.alignment import delayed_by
from mss_bench.metrics.perceptual.artifact_measures import (
    HighFrequencyLoss,
    ImageShift,
    MusicalNoise,
    PhaseInconsistency,
)
from mss_bench.metrics.perceptual.spectra import Piece, spectra
from mss_bench.metrics.perceptual.transients import TransientSmearing
from mss_bench.metrics.presets import preset_name

__all__ = ["Artifacts", "ArtifactsState"]

_PIECE = 20.0
_SHORTEST = 0.5
_NO_PLACE = "the reference dominates its mixture nowhere"


@dataclass(frozen=True)
class ArtifactsState:
    """References of a track, as given."""

    references: dict[str, Samples]
    sample_rate: int


class Artifacts(Metric):
    """Six numbers that tell single artifacts apart.

    Parameters
    ----------
    treble : float
        Frequency in Hz from which on loss counts as a loss of high frequencies, up to two octaves above it.

    dominance : float
        dB by which the reference is to dominate its mixture where it is looked at; ``-inf`` looks everywhere.

    Raises
    ------
    ConfigError
        A frequency that is not positive, or a dominance that is no number.
    """

    name = "artifacts"
    version = "1"
    quantities = (
        Quantity(
            "LKR", "", False, "log kurtosis ratio: median of ln(kurt |Y| / kurt |S|) over patches, at least 0", least=0
        ),
        Quantity(
            "Smearing", "ms", False, "envelope of attacks that comes before its time, times how much before", least=0
        ),
        Quantity(
            "HF-loss", "dB", False, "mean loss of level in the treble beyond that of the middle", least=0, most=60
        ),
        Quantity("ILD-error", "dB", False, "|median change of the channels' level difference|", least=0),
        Quantity("ITD-error", "µs", False, "|change of the channels' time difference|", least=0, most=1000),
        Quantity(
            "Phase-error",
            "",
            False,
            "1 - |mean of e^(i (arg Y - arg S))| in two seconds, weighted by |S|^2",
            least=0,
            most=1,
        ),
    )
    citation = "Y. Uemura et al.: Automatic optimization scheme of spectral subtraction, IWAENC 2008 (LKR)"
    caution = (
        "Made to tell single constructed faults apart, not checked against listeners, and not for adding up. Only "
        "places where the reference dominates its mixture count. On some voices and layers of harmony clipping looks "
        "like smearing and smearing like unsteady phases, about half as strong as the fault that is meant."
    )

    def __init__(self, *, treble: float = 4000.0, dominance: float = 10.0) -> None:
        if not 0 < treble < np.inf:
            raise ConfigError(f"artifacts: treble is {treble!r}, expected a frequency in Hz above 0")
        if np.isnan(dominance):
            raise ConfigError("artifacts: dominance is nan, expected a level in dB")
        self.treble, self.dominance = treble, dominance
        self.preset = preset_name(
            "default", {"treble": treble, "dominance": dominance}, {"treble": 4000.0, "dominance": 10.0}
        )

    def prepare(self, track: TrackAudio, group: TargetGroup) -> ArtifactsState:
        """The references, checked.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored.
        """
        return ArtifactsState(checked_references(track, group), track.sample_rate)

    def score(self, state: ArtifactsState, estimates: Stems) -> list[Score]:
        """Six measures of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN gives NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        scores = []
        for target in (t for t in state.references if t in estimates):
            reason = spoiled.get(target) or _why_undefined(state, target, estimates[target])
            values = (np.nan,) * len(self.quantities) if reason else self._measure(state, target, estimates[target])
            for quantity, value in zip(self.quantities, values, strict=True):
                why = (reason or self._why_missing(quantity.name, state, target)) if np.isnan(value) else ""
                scores.append(Score(target, quantity.name, np.array([value]), reason=why))
        return scores

    def _measure(self, state: ArtifactsState, target: str, estimate: Samples) -> tuple[float, ...]:
        musical, smearing, treble = MusicalNoise(), TransientSmearing(), HighFrequencyLoss(self.treble)
        image, phase = ImageShift(), PhaseInconsistency()
        for piece in _pieces(state, target, estimate, 10 ** (self.dominance / 10)):
            smearing.add(piece)
            musical.add(spectra(piece, 0.046))
            wide = spectra(piece, 0.186)
            treble.add(wide)
            phase.add(wide)
            if len(estimate) == 2:
                image.add(wide)
        return musical.value, smearing.value, treble.value, image.level, image.time, phase.value

    def _why_missing(self, quantity: str, state: ArtifactsState, target: str) -> str:
        channels = len(state.references[target])
        if quantity in ("ILD-error", "ITD-error") and channels != 2:
            return f"a stereo image has two channels, found {channels}"
        if quantity == "HF-loss" and state.sample_rate <= 2 * self.treble:
            return f"there is nothing above {self.treble:g} Hz at {state.sample_rate} Hz"
        if quantity == "Smearing":
            return "the reference has no attacks of its own in bands that the estimate has kept"
        return _NO_PLACE


def _why_undefined(state: ArtifactsState, target: str, estimate: Samples) -> str:
    reference = state.references[target]
    least = round(_SHORTEST * state.sample_rate)
    if reference.shape[1] < least:
        return f"{reference.shape[1]} samples are too few for artifacts: expected at least {least}"
    if not reference.any():
        return "the reference is silent"
    return "" if estimate.any() else "the estimate is silent"


def _pieces(state: ArtifactsState, target: str, estimate: Samples, dominance: float) -> Iterator[Piece]:
    """The track in pieces of 20 s, the last of them up to 40 s, with the estimate's delay taken out."""
    reference = state.references[target]
    late = delayed_by(reference, estimate, state.sample_rate)
    length, samples = round(_PIECE * state.sample_rate), reference.shape[1]
    count = max(1, samples // length)
    for index in range(count):
        start, stop = index * length, samples if index == count - 1 else (index + 1) * length
        first, last = max(0, start + late), max(0, min(samples, stop + late))
        part = np.zeros((len(reference), stop - start))
        offset = max(0, -(start + late))
        part[:, offset : offset + last - first] = estimate[:, first:last]
        others = np.zeros(part.shape)
        for other, array in state.references.items():
            if other != target:
                others += array[:, start:stop]
        yield Piece(reference[:, start:stop].astype(np.float64), part, others, state.sample_rate, dominance)
