"""The melody of the vocals, as pYIN hears it.

The transcriber is probabilistic YIN [1]_ as librosa implements it, on frames of 93 ms every 12 ms, from 80 to 1000 Hz.
Scores are mir_eval's for melodies [2]_, with a tolerance of half a semitone. An estimate without any voiced frame
scores 0 in all of them.

References
----------
.. [1] M. Mauch, S. Dixon: pYIN: a fundamental frequency estimator using probabilistic threshold distributions.
   ICASSP 2014.
.. [2] J. Salamon, E. Gomez, D. Ellis, G. Richard: Melody extraction from polyphonic music signals: approaches,
   applications and challenges. IEEE Signal Process. Mag. 31 (2014).
"""

from __future__ import annotations

from mss_bench.core.annotations import Annotations
from mss_bench.core.arrays import Samples
from mss_bench.dsp.f0 import pyin_f0
from mss_bench.metrics.base import Quantity
from mss_bench.metrics.tasks.transcription import RATE, Transcript, Transcription

__all__ = ["Melody"]

_LOW, _HIGH = 80.0, 1000.0


class Melody(Transcription):
    """Voicing and pitch of a sung melody against the reference's, or against what was sung.

    On one core it runs 6 to 10 times as fast as real time, for the first estimate of a track at a third of that.
    Slow, to be asked for by name.
    """

    name = "melody"
    version = "2"
    slow = True
    what = "voiced frames"
    quantities = (
        Quantity(
            "Melody-VR",
            "",
            True,
            "voicing recall: share of voiced frames that are voiced in the estimate, mir_eval",
            least=0,
            most=1,
        ),
        Quantity(
            "Melody-RPA",
            "",
            True,
            "raw pitch accuracy: share of voiced frames within half a semitone, mir_eval",
            least=0,
            most=1,
        ),
        Quantity(
            "Melody-OA",
            "",
            True,
            "overall accuracy: share of frames right in voicing and pitch, mir_eval",
            least=0,
            most=1,
        ),
        Quantity(
            "Melody-gap", "", True, "share of the gap in overall accuracy from mixture to reference that is closed"
        ),
    )  # fmt: skip
    citation = "M. Mauch, S. Dixon: pYIN, ICASSP 2014; C. Raffel et al.: mir_eval, ISMIR 2014"
    caution = (
        "The truth is what pYIN hears in the reference, with its mistakes, unless against=played: backing voices "
        "and reverberation make it doubtful. The pitch survives most faults; the voicing does not, and with it "
        "overall accuracy: a low-pass that leaves every pitch alone costs a fifth."
    )

    target = "vocals"

    def transcribe(self, signal: Samples) -> Transcript:
        """Return the f0 every 12 ms."""
        track = pyin_f0(signal, RATE, _LOW, _HIGH)
        return Transcript(track.times, track.hertz)

    def played(self, annotations: Annotations) -> Transcript | None:
        """Return the annotated f0."""
        f0 = annotations.f0(self.target)
        return None if f0 is None else Transcript(*f0)

    def heard(self, transcript: Transcript) -> bool:
        """Return whether any frame is voiced."""
        return bool((transcript.hertz > 0).any())

    def compare(self, truth: Transcript, found: Transcript) -> tuple[float, ...]:
        """Return voicing recall, raw pitch accuracy and overall accuracy."""
        from mir_eval import melody

        scores = melody.evaluate(truth.times, truth.hertz, found.times, found.hertz)
        return scores["Voicing Recall"], scores["Raw Pitch Accuracy"], scores["Overall Accuracy"]
