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

import numpy as np

from mss_bench.core.arrays import Samples
from mss_bench.core.tracks import TrackAudio
from mss_bench.errors import AudioError
from mss_bench.metrics._checks import too_short
from mss_bench.metrics.base import Metric, Outcome, Prepared, Quantity

__all__ = ["PEASS"]

_SHORTEST = 0.5  # seconds: a stretch of its decomposition


class PEASS(Metric):
    """Overall, target-related, interference-related and artifact-related perceptual scores.

    It takes no parameters: the mapping was trained with those of the toolbox. Very slow, to be asked for by name.
    """

    name = "peass"
    version = "1"
    extra = "peass"
    module = "peass"
    package = "python-peass (GPL-3)"
    works_at = 16000
    slow = True
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
        "Trained on listening tests of systems of its time (2011): it is not to be trusted on generative ones. APS is "
        "the one to trust on artifacts of singing. It is for short excerpts at 16 kHz: nothing above 8 kHz counts."
    )

    def derive(self, track: TrackAudio) -> None:
        channels = len(next(iter(track.references.values())))
        if channels > 2:
            raise AudioError(f"PEASS was made for mono and stereo, found {channels} channels; score a downmix instead")

    def measure(self, track: Prepared[None], target: str, estimate: Samples) -> Outcome:
        if reason := too_short(track.samples, round(_SHORTEST * track.sample_rate), "for PEASS"):
            return reason
        if not estimate.any():
            return "the estimate is silent"
        others = [s for name, s in track.references.items() if name != target and s.any()]
        if not others:
            return "no other source sounds: there is no interference to grade"
        values = _predict([track.references[target], *others], estimate, track.sample_rate)
        return tuple("python-peass gave no number" if np.isnan(value) else value for value in values)


def _predict(sources: list[Samples], estimate: Samples, sample_rate: int) -> tuple[float, float, float, float]:
    from peass import predict_perceptual_evaluation_scores

    found = predict_perceptual_evaluation_scores(
        [np.asarray(s.T, dtype=np.float64) for s in sources],
        np.asarray(estimate.T, dtype=np.float64),
        sampling_frequency_hz=float(sample_rate),
    )
    return (
        float(found.overall_perceptual_score),
        float(found.target_perceptual_score),
        float(found.interference_perceptual_score),
        float(found.artifact_perceptual_score),
    )
