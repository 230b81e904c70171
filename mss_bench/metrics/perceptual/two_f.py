"""The 2f-model: overall quality as listeners grade it in a MUSHRA test, from two output variables of PEAQ.

    2f = 56.1345 / (1 + (-0.0282 AvgModDiff1B - 0.8628)^2) - 27.1451 ADBB + 86.3515, limited to 0 .. 100,

with the average modulation difference and the average distorted block of PEAQ's basic version
(`mss_bench.metrics.perceptual.peaq`). It was fitted to ratings of separated sources and is among the metrics that
follow listeners best on them [2]_. It grades the whole: it does not tell interference from artifacts.

It falls along the ladders of bleed, low-pass, musical noise, reverb, gain, delay, clipping, smearing and panning of
`mss_bench.metrics.perceptual.degradations`: level and timing must be right. It must not be trusted on phases, on the
delay between channels, or on how many dropouts there are.

- *Rates.* The ear model is defined at 48 kHz; other audio is resampled with soxr, and its rows carry the flag
  ``resampled:48000``.
- *Channels.* Mono or stereo. The modulation difference is the mean over channels; a distortion counts in the channel in
  which it is heard best.
- *Level.* Full scale is heard at 92 dB, so the number depends on the level of the audio; the level is not adjusted.
- *Silence.* A reference without sound has no value: there is nothing that an estimate could be compared with.
- *Length.* At least half a second and a frame: the filters of the modulation need that long to settle.

References
----------
.. [1] T. Kastner, J. Herre: An efficient model for estimating subjective quality of separated audio source signals.
   WASPAA 2019.
.. [2] M. Torcoli, T. Kastner, J. Herre: Objective measures of perceptual audio quality reviewed: an evaluation of their
   application domain dependence. IEEE/ACM Trans. Audio, Speech, Lang. Process. 29 (2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import AudioError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._resample import at_rate
from mss_bench.metrics._signals import Floats, Samples
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.perceptual.peaq import bounds as limits
from mss_bench.metrics.perceptual.peaq import detection, ear
from mss_bench.metrics.perceptual.peaq import modulation as modulations

__all__ = ["TwoF", "TwoFState", "two_f_score"]


def two_f_score(modulation_difference: float, distorted_block: float) -> float:
    """The 2f-model's grade, 0 to 100, of AvgModDiff1B and ADBB.

    Examples
    --------
    >>> two_f_score(0.0, 0.0)
    100.0
    >>> round(two_f_score(40.0, 2.0), 2)
    43.37
    """
    grade = 56.1345 / (1 + (-0.0282 * modulation_difference - 0.8628) ** 2) - 27.1451 * distorted_block + 86.3515
    return float(np.clip(grade, 0.0, 100.0))


@dataclass(frozen=True)
class _Ear:
    """What the ear model makes of a reference, in the frames that count."""

    bounds: limits.Bounds
    level: Floats
    depth: Floats
    weight: Floats


@dataclass(frozen=True)
class TwoFState:
    """References of a track, and what the ear makes of each, or why nothing."""

    references: dict[str, Samples]
    sample_rate: int
    heard: dict[str, _Ear | str]


class TwoF(Metric):
    """The 2f-model of overall quality, and the two variables of PEAQ that it is made of.

    It takes no parameters: the model was fitted with those of the standard. In stereo and on one core it runs at 75
    (44.1 kHz) to 105 times real time (48 kHz), for a further estimate of the same reference at 170 to 260 times.

    Parameters
    ----------
    """

    name = "2f"
    version = "1"
    quantities = (
        Quantity(
            "2f",
            "",
            True,
            "56.1345 / (1 + (-0.0282 AvgModDiff1B - 0.8628)^2) - 27.1451 ADBB + 86.3515, 0 to 100",
            least=0,
            most=100,
        ),
        Quantity(
            "AvgModDiff1B",
            "",
            False,
            "PEAQ basic: weighted mean of 100/N sum |M_y - M_s| / (1 + M_s), in percent",
            least=0,
        ),
        Quantity(
            "ADBB",
            "",
            False,
            "PEAQ basic: log10 of the mean number of noticeable steps in distorted frames",
            least=-0.5,
        ),
    )
    citation = "T. Kastner, J. Herre: An efficient model for estimating subjective quality, WASPAA 2019"
    caution = (
        "An overall grade that does not tell interference from artifacts (correlation with listeners on the latter "
        ".39); it depends on the level of the audio. It must not be trusted on phases, on the delay between channels, "
        "or on how many dropouts there are."
    )

    def prepare(self, track: TrackAudio, group: TargetGroup) -> TwoFState:
        """The ear model's patterns of every reference.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored, or of more than two channels.
        """
        references = checked_references(track, group)
        channels = next(iter(references.values())).shape[0]
        if channels > 2:
            raise AudioError(
                f"the 2f-model is defined for mono and stereo, found {channels} channels; score a downmix instead"
            )
        heard = {target: _heard(at_rate(s, track.sample_rate, ear.RATE)) for target, s in references.items()}
        return TwoFState(references, track.sample_rate, heard)

    def score(self, state: TwoFState, estimates: Stems) -> list[Score]:
        """Grade and variables of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN, silent references and signals that are too short give NaN
            with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        flags = () if state.sample_rate == ear.RATE else (f"resampled:{ear.RATE}",)
        scores = []
        for target in (t for t in state.references if t in estimates):
            reference, reason = state.heard[target], spoiled.get(target, "")
            if isinstance(reference, str):
                reason = reason or reference
            if reason or isinstance(reference, str):
                values = (np.nan,) * len(self.quantities)
            else:
                values = _compare(reference, at_rate(estimates[target], state.sample_rate, ear.RATE))
            scores += [
                Score(target, quantity.name, np.array([value]), flags=flags, reason=reason)
                for quantity, value in zip(self.quantities, values, strict=True)
            ]
        return scores


def _heard(reference: Samples) -> _Ear | str:
    """A reference at 48 kHz as the ear takes it, or why there is nothing to compare."""
    found = limits.bounds(reference)
    if found is None:
        return "the reference is silent"
    if found.stop <= found.settled:
        least = (found.settled + 1) * ear.HOP / ear.RATE
        return f"{reference.shape[1]} samples at 48 kHz are too few: the 2f-model expects sound up to {least:.2f} s"
    patterns = ear.excitation(reference, found.stop)
    moving = modulations.modulation(patterns)
    return _Ear(
        found,
        detection.decibels(ear.smear(patterns)[:, :, found.first :]),
        moving.depth[:, :, found.settled :].copy(),
        moving.weight[:, found.settled :].copy(),
    )


def _compare(reference: _Ear, estimate: Samples) -> tuple[float, ...]:
    """Grade, AvgModDiff1B and ADBB of an estimate at 48 kHz."""
    first, settled = reference.bounds.first, reference.bounds.settled
    patterns = ear.excitation(estimate, reference.bounds.stop)
    depth = modulations.modulation(patterns).depth[:, :, settled:]
    difference = modulations.average_difference(reference.depth, reference.weight, depth)
    level = detection.decibels(ear.smear(patterns)[:, :, first:])
    distorted = detection.average_distorted_block(*detection.detection(reference.level, level))
    return two_f_score(difference, distorted), difference, distorted
