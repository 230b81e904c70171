"""The melody of the vocals, as pYIN or SwiftF0 hears it.

The transcriber is probabilistic YIN [1]_ as librosa implements it, on frames of 93 ms every 12 ms, or the network
SwiftF0 [3]_, on frames of 16 ms; both from 80 to 1000 Hz. Each has its own truth, floor and ceiling, and its name is
the preset of the rows: scores of one say nothing about those of the other. Scores are mir_eval's for melodies [2]_,
with a tolerance of half a semitone. An estimate without any voiced frame scores 0 in all of them.

References
----------
.. [1] M. Mauch, S. Dixon: pYIN: a fundamental frequency estimator using probabilistic threshold distributions.
   ICASSP 2014.
.. [2] J. Salamon, E. Gomez, D. Ellis, G. Richard: Melody extraction from polyphonic music signals: approaches,
   applications and challenges. IEEE Signal Process. Mag. 31 (2014).
.. [3] L. Nieradzik: SwiftF0: fast and accurate monophonic pitch detection. arXiv:2508.18440, 2025.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from mss_bench.core.annotations import Annotations
from mss_bench.core.arrays import Samples
from mss_bench.core.audio import resample
from mss_bench.core.parameters import param
from mss_bench.dsp.f0 import pyin_f0
from mss_bench.errors import MissingDependencyError
from mss_bench.metrics.base import Quantity
from mss_bench.metrics.tasks.transcription import RATE, Transcript, Transcription

__all__ = ["Melody"]

_LOW, _HIGH = 80.0, 1000.0
_SWIFT_RATE = 16000  # Hz, of what SwiftF0 was trained on


class Melody(Transcription):
    """Voicing and pitch of a sung melody against the reference's, or against what was sung.

    Of the six songs of the demo, against what was sung and as means, pYIN heard the voice alone with a raw pitch
    accuracy of 0.953 and an overall accuracy of 0.806 (0.362 in the mixture), SwiftF0 with 0.988 and 0.847 (0.574). On
    one core pYIN runs 8 times as fast as real time, SwiftF0 150 times; the first estimate of a track takes three times
    as long, as reference and mixture are transcribed, too. Slow, to be asked for by name.
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
    citation = (
        "M. Mauch, S. Dixon: pYIN, ICASSP 2014; L. Nieradzik: SwiftF0, arXiv:2508.18440; C. Raffel et al.: mir_eval, "
        "ISMIR 2014"
    )
    caution = (
        "The truth is what the transcriber hears in the reference, with its mistakes, unless against=played: backing "
        "voices and reverberation make it doubtful. The pitch survives most faults; the voicing does not, and with it "
        "overall accuracy: a low-pass that leaves every pitch alone costs a fifth (of pYIN)."
    )

    target = "vocals"
    transcriber: str = param(
        "pyin", choices=("pyin", "swift_f0"), doc="Who writes the melody down: pYIN, or the network SwiftF0."
    )

    def setup(self) -> None:
        super().setup()
        self.preset = self.preset.replace("default", self.transcriber).replace("played", f"{self.transcriber} played")
        if self.transcriber == "swift_f0" and find_spec("swift_f0") is None:
            what = "melody:transcriber=swift_f0"
            raise MissingDependencyError("the package swift_f0", what, "pip install 'mss-bench[pitch]'")

    def transcribe(self, signal: Samples) -> Transcript:
        """Return the f0 every 12 or 16 ms."""
        if self.transcriber == "swift_f0":
            heard = _swift_f0().detect(resample(signal[None], RATE, _SWIFT_RATE)[0], _SWIFT_RATE, _LOW, _HIGH)
            return Transcript(heard.timestamps, np.where(heard.confidence >= 0.5, heard.pitch_hz, 0.0))
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


@cache
def _swift_f0() -> Any:
    """Return the network, with one thread as all metrics have."""
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1)
