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

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.tracks import TrackAudio
from mss_bench.errors import AudioError
from mss_bench.metrics._signals import at_rate
from mss_bench.metrics.base import Metric, Outcome, Prepared, Quantity
from mss_bench.metrics.perceptual.peaq import bounds as limits
from mss_bench.metrics.perceptual.peaq import detection, ear
from mss_bench.metrics.perceptual.peaq import modulation as modulations

__all__ = ["TwoF", "two_f_score"]


def two_f_score(modulation_difference: float, distorted_block: float) -> float:
    """Return the 2f-model's grade, 0 to 100, of AvgModDiff1B and ADBB.

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


class TwoF(Metric):
    """The 2f-model of overall quality, and the two variables of PEAQ that it is made of.

    It takes no parameters: the model was fitted with those of the standard. In stereo and on one core it runs at 75
    (44.1 kHz) to 105 times real time (48 kHz), for a further estimate of the same reference at 170 to 260 times.
    """

    name = "2f"
    version = "1"
    works_at = ear.RATE
    quantities = (
        Quantity(
            "2f", "", True, "56.1345 / (1 + (-0.0282 AvgModDiff1B - 0.8628)^2) - 27.1451 ADBB + 86.3515, 0 to 100",
            least=0, most=100,
        ),
        Quantity(
            "AvgModDiff1B", "", False, "PEAQ basic: weighted mean of 100/N sum |M_y - M_s| / (1 + M_s), in percent",
            least=0,
        ),
        Quantity(
            "ADBB", "", False, "PEAQ basic: log10 of the mean number of noticeable steps in distorted frames",
            least=-0.5,
        ),
    )  # fmt: skip
    citation = "T. Kastner, J. Herre: An efficient model for estimating subjective quality, WASPAA 2019"
    caution = (
        "An overall grade that does not tell interference from artifacts; it depends on the level of the audio. It "
        "must not be trusted on phases, on the delay between channels, or on how many dropouts there are."
    )

    def derive(self, track: TrackAudio) -> dict[str, _Ear | str]:
        channels = len(next(iter(track.references.values())))
        if channels > 2:
            raise AudioError(
                f"the 2f-model is defined for mono and stereo, found {channels} channels; score a downmix instead"
            )
        return {target: _heard(at_rate(s, track.sample_rate, ear.RATE)) for target, s in track.references.items()}

    def measure(self, track: Prepared[dict[str, _Ear | str]], target: str, estimate: Samples) -> Outcome:
        reference = track.derived[target]
        if isinstance(reference, str):
            return reference
        return _compare(reference, at_rate(estimate, track.sample_rate, ear.RATE))


def _heard(reference: Samples) -> _Ear | str:
    """Return a reference at 48 kHz as the ear takes it, or why there is nothing to compare."""
    within = limits.bounds(reference)
    if within is None:
        return "the reference is silent"
    if within.stop <= within.settled:
        least = (within.settled + 1) * ear.HOP / ear.RATE
        return f"{reference.shape[1]} samples at 48 kHz are too few: the 2f-model expects sound up to {least:.2f} s"
    patterns = ear.excitation(reference, within.stop)
    moving = modulations.modulation(patterns)
    return _Ear(
        within,
        detection.decibels(ear.smear(patterns)[:, :, within.first :]),
        moving.depth[:, :, within.settled :].copy(),
        moving.weight[:, within.settled :].copy(),
    )


def _compare(reference: _Ear, estimate: Samples) -> tuple[float, ...]:
    """Return grade, AvgModDiff1B and ADBB of an estimate at 48 kHz."""
    first, settled = reference.bounds.first, reference.bounds.settled
    patterns = ear.excitation(estimate, reference.bounds.stop)
    depth = modulations.modulation(patterns).depth[:, :, settled:]
    difference = modulations.average_difference(reference.depth, reference.weight, depth)
    level = detection.decibels(ear.smear(patterns)[:, :, first:])
    distorted = detection.average_distorted_block(*detection.detection(reference.level, level))
    return two_f_score(difference, distorted), difference, distorted
