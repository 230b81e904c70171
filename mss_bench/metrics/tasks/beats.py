"""Beats, as they are tracked in the drums.

The transcriber is librosa's beat tracker with its defaults: dynamic programming on the onset strength [1]_. Scores are
mir_eval's for beats [2]_; unlike its ``evaluate`` they count the first five seconds, too, as the tracker knows the
whole track from the start.

References
----------
.. [1] D. Ellis: Beat tracking by dynamic programming. J. New Music Res. 36 (2007).
.. [2] M. Davies, N. Degara, M. Plumbley: Evaluation methods for musical audio beat tracking algorithms. Queen Mary
   University of London, Tech. Rep. C4DM-TR-09-06, 2009.
"""

from __future__ import annotations

import numpy as np

from mss_bench.core.annotations import Annotations
from mss_bench.core.arrays import Samples
from mss_bench.metrics.base import Quantity
from mss_bench.metrics.tasks.transcription import RATE, Transcript, Transcription

__all__ = ["Beats"]


class Beats(Transcription):
    """F-measure and continuity of beats against the reference's, or against the annotated ones.

    On one core it runs 500 times as fast as real time.
    """

    name = "beats"
    version = "2"
    what = "beats"
    quantities = (
        Quantity(
            "Beat-AMLt",
            "",
            True,
            "share of beats right in tempo and phase, at half or double tempo too, mir_eval",
            least=0,
            most=1,
        ),
        Quantity("Beat-F", "", True, "F-measure of beats within 70 ms, mir_eval", least=0, most=1),
        Quantity("Beat-gap", "", True, "share of the gap in Beat-F from mixture to reference that is closed"),
    )  # fmt: skip
    citation = "D. Ellis: Beat tracking by dynamic programming, JNMR 2007; C. Raffel et al.: mir_eval, ISMIR 2014"
    caution = (
        "The tracker finds a tempo in nearly anything: scores jump between right and wrong by a whole level, a few "
        "seconds decide nothing, and songs without drums on the beat fail in the reference already."
    )

    target = "drums"

    def transcribe(self, signal: Samples) -> Transcript:
        """Track the beats."""
        from librosa.beat import beat_track

        return Transcript(np.asarray(beat_track(y=signal, sr=RATE, units="time")[1], dtype=np.float64))

    def played(self, annotations: Annotations) -> Transcript | None:
        """Return the annotated beats."""
        beats = annotations.beats()
        return None if beats is None else Transcript(beats)

    def compare(self, truth: Transcript, found: Transcript) -> tuple[float, ...]:
        """Return AMLt and the F-measure."""
        from mir_eval import beat

        return beat.continuity(truth.times, found.times)[3], beat.f_measure(truth.times, found.times)
