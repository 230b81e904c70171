"""PEASS' perceptual scores, through the optional package ``python-peass``.

OPS, TPS, IPS and APS grade an estimate as a whole, the preservation of the target, the suppression of other sources and
the absence of artificial noise, each from 0 to 100. The mapping from signals to scores exists only in code under the
GPL, which is therefore called where a user has installed it and never part of this package:
``pip install 'mss-bench[peass]'``.

The package works at 16 kHz and takes 11 to 126 s for 7 s of one channel: score excerpts (``--duration``). It resamples
by itself; rows of audio of other rates carry the flag ``resampled:16000``. A stereo signal is one problem of two
channels.

- *Silence.* A silent reference or estimate has no scores. Silent other sources are left out; with none left there is no
  interference to grade and no scores.
- *Length.* At least half a second, a stretch of its decomposition.

References
----------
.. [1] V. Emiya, E. Vincent, N. Harlander, V. Hohmann: Subjective and objective quality assessment of audio source
   separation. IEEE Trans. Audio, Speech, Lang. Process. 19 (2011).
.. [2] E. Vincent: Improved perceptual metrics for the evaluation of audio source separation. LVA/ICA 2012.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import AudioError, MissingDependencyError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._signals import Samples
from mss_bench.metrics.base import Metric, Quantity, Score

__all__ = ["PEASS", "PEASSState"]

_RATE = 16000
_SHORTEST = 0.5


@dataclass(frozen=True)
class PEASSState:
    """References of a track, as given."""

    references: dict[str, Samples]
    sample_rate: int


class PEASS(Metric):
    """Overall, target-related, interference-related and artifact-related perceptual scores.

    It takes no parameters: the mapping was trained with those of the toolbox. Very slow, to be asked for by name.

    Parameters
    ----------
    """

    name = "peass"
    version = "1"
    extra: ClassVar[str] = "peass"
    slow: ClassVar[bool] = True
    quantities = (
        Quantity("OPS", "", True, "overall perceptual score of PEASS v2, 0 to 100", least=0, most=100),
        Quantity("TPS", "", True, "target-related perceptual score of PEASS v2, 0 to 100", least=0, most=100),
        Quantity("IPS", "", True, "interference-related perceptual score of PEASS v2, 0 to 100", least=0, most=100),
        Quantity("APS", "", True, "artifact-related perceptual score of PEASS v2, 0 to 100", least=0, most=100),
    )
    citation = (
        "V. Emiya, E. Vincent, N. Harlander, V. Hohmann: Quality assessment of source separation, IEEE TASLP 2011"
    )
    caution = (
        "Trained on listening tests of systems of its time (2011): OPS follows listeners on systems that mask "
        "(Spearman .53), not on generative ones (-.07). APS is the one to trust on artifacts of singing; short "
        "excerpts at 16 kHz only: nothing above 8 kHz counts."
    )

    @classmethod
    def available(cls) -> bool:
        """Whether python-peass is installed."""
        return find_spec("peass") is not None

    def prepare(self, track: TrackAudio, group: TargetGroup) -> PEASSState:
        """The references, checked.

        Raises
        ------
        MissingDependencyError
            python-peass is not installed.
        ConfigError, AudioError
            References that cannot be scored, or of more than two channels.
        """
        if not self.available():
            raise MissingDependencyError("python-peass (GPL-3)", "the metric peass", "pip install 'mss-bench[peass]'")
        references = checked_references(track, group)
        channels = len(next(iter(references.values())))
        if channels > 2:
            raise AudioError(f"PEASS was made for mono and stereo, found {channels} channels; score a downmix instead")
        return PEASSState(references, track.sample_rate)

    def score(self, state: PEASSState, estimates: Stems) -> list[Score]:
        """Four scores of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN gives NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        flags = () if state.sample_rate == _RATE else (f"resampled:{_RATE}",)
        scores = []
        for target in (t for t in state.references if t in estimates):
            reason = spoiled.get(target) or _why_undefined(state, target, estimates[target])
            values = (np.nan,) * len(self.quantities) if reason else _predict(state, target, estimates[target])
            for quantity, value in zip(self.quantities, values, strict=True):
                why = (reason or "python-peass gave no number") if np.isnan(value) else ""
                scores.append(Score(target, quantity.name, np.array([value]), flags=flags, reason=why))
        return scores


def _why_undefined(state: PEASSState, target: str, estimate: Samples) -> str:
    least = round(_SHORTEST * state.sample_rate)
    if estimate.shape[1] < least:
        return f"{estimate.shape[1]} samples are too few for PEASS: expected at least {least}"
    if not state.references[target].any():
        return "the reference is silent"
    if not estimate.any():
        return "the estimate is silent"
    if not any(s.any() for name, s in state.references.items() if name != target):
        return "no other source sounds: there is no interference to grade"
    return ""


def _predict(state: PEASSState, target: str, estimate: Samples) -> tuple[float, float, float, float]:
    from peass import predict_perceptual_evaluation_scores

    others = [s for name, s in state.references.items() if name != target and s.any()]
    sources = [np.asarray(s.T, dtype=np.float64) for s in (state.references[target], *others)]
    found = predict_perceptual_evaluation_scores(
        sources, np.asarray(estimate.T, dtype=np.float64), sampling_frequency_hz=float(state.sample_rate)
    )
    return (
        float(found.overall_perceptual_score),
        float(found.target_perceptual_score),
        float(found.interference_perceptual_score),
        float(found.artifact_perceptual_score),
    )
