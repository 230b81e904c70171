"""Onsets of the drums, as peaks of the onset strength.

The transcriber is librosa's onset detection: peaks of the spectral flux of a mel spectrogram [1]_, on frames of 46 ms
every 12 ms, half of its defaults, with which onsets come out up to 50 ms late. The score is mir_eval's F-measure with a
tolerance of 50 ms; each onset of one side matches one at most of the other.

References
----------
.. [1] S. Böck, G. Widmer: Maximum filter vibrato suppression for onset detection. DAFx 2013.
"""

from __future__ import annotations

import numpy as np

from mss_bench.core.annotations import Annotations
from mss_bench.core.arrays import Floats, Samples
from mss_bench.metrics.base import Quantity
from mss_bench.metrics.tasks.transcription import RATE, Transcript, Transcription

__all__ = ["DrumOnsets", "onsets"]


class DrumOnsets(Transcription):
    """F-measure of onsets against the reference's, or against the strokes that were played.

    On one core it runs 800 times as fast as real time. Strokes that were played less than 30 ms apart count as one.
    """

    name = "drum_onsets"
    version = "2"
    what = "onsets"
    quantities = (
        Quantity("Onset-F", "", True, "F-measure of onsets within 50 ms, mir_eval", least=0, most=1),
        Quantity("Onset-gap", "", True, "share of the gap in Onset-F from mixture to reference that is closed"),
    )
    citation = (
        "S. Böck, G. Widmer: Maximum filter vibrato suppression, DAFx 2013; C. Raffel et al.: mir_eval, ISMIR 2014"
    )
    caution = (
        "The truth is what the detector finds in the reference, with its mistakes, unless against=played, and not "
        "which drum it was; a mixture in which the drums are loud scores high, so that the gap can be small or "
        "undefined."
    )

    _TOGETHER = 0.03

    target = "drums"

    def transcribe(self, signal: Samples) -> Transcript:
        """Find the peaks of the onset strength."""
        return Transcript(onsets(signal))

    def played(self, annotations: Annotations) -> Transcript | None:
        """Return the annotated strokes."""
        onsets = annotations.onsets(self.target)
        if onsets is None:
            return None
        kept: list[float] = []
        for onset in onsets.tolist():
            if not kept or onset - kept[-1] >= self._TOGETHER:
                kept.append(onset)
        return Transcript(np.array(kept))

    def compare(self, truth: Transcript, found: Transcript) -> tuple[float, ...]:
        """Return the F-measure."""
        from mir_eval import onset

        return (onset.f_measure(truth.times, found.times)[0],)


def onsets(signal: Samples) -> Floats:
    """Return the times ``(n,)`` of the onsets of a signal at 22.05 kHz."""
    from librosa.onset import onset_detect, onset_strength

    envelope = onset_strength(y=signal, sr=RATE, n_fft=1024, hop_length=256)
    return np.asarray(onset_detect(onset_envelope=envelope, sr=RATE, hop_length=256, units="time"), dtype=np.float64)
