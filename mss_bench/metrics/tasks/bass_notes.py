"""Notes of the bass: its fundamental frequency by pYIN, cut into notes.

The transcriber is probabilistic YIN [1]_ as librosa implements it, on frames of 93 ms every 12 ms, from 30 to 400 Hz;
a median over nine frames takes out single errors. A note is a run of voiced frames on one semitone, of 60 ms at least,
and ends where the onset detection of `mss_bench.metrics.tasks.drum_onsets` hears a new stroke; its frequency is the
median over its frames.

The score is mir_eval's F-measure of notes: onset within 50 ms and pitch within half a semitone, whatever the offset
[2]_.

References
----------
.. [1] M. Mauch, S. Dixon: pYIN: a fundamental frequency estimator using probabilistic threshold distributions.
   ICASSP 2014.
.. [2] J. Salamon: Melody extraction from polyphonic music signals. PhD thesis, Universitat Pompeu Fabra, 2013.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mss_bench.core.annotations import Annotations
from mss_bench.core.arrays import Floats, Samples
from mss_bench.dsp.f0 import F0Track, pyin_f0
from mss_bench.metrics.base import Quantity
from mss_bench.metrics.tasks.drum_onsets import onsets
from mss_bench.metrics.tasks.transcription import RATE, Transcript, Transcription

__all__ = ["BassNotes", "notes_of"]

_LOW, _HIGH = 30.0, 400.0
_SHORTEST = 0.06
_MEDIAN = 9


class BassNotes(Transcription):
    """F-measure of notes against the reference's, or against those that were played.

    On one core it runs 5 to 9 times as fast as real time, for the first estimate of a track at a third of that.
    Slow, to be asked for by name.
    """

    name = "bass_notes"
    version = "2"
    slow = True
    what = "notes"
    quantities = (
        Quantity(
            "Note-F",
            "",
            True,
            "F-measure of notes: onset within 50 ms, pitch within half a semitone, mir_eval",
            least=0,
            most=1,
        ),
        Quantity("Note-gap", "", True, "share of the gap in Note-F from mixture to reference that is closed"),
    )  # fmt: skip
    citation = "M. Mauch, S. Dixon: pYIN, ICASSP 2014; C. Raffel et al.: mir_eval, ISMIR 2014"
    caution = (
        "The truth is what pYIN and an onset detector make of the reference, unless against=played: slides, ghost "
        "notes and two notes at a time are beyond them. One missed onset merges two notes and costs both."
    )

    target = "bass"

    def transcribe(self, signal: Samples) -> Transcript:
        """Return onsets, offsets and frequencies of notes."""
        return notes_of(pyin_f0(signal, RATE, _LOW, _HIGH), onsets(signal))

    def played(self, annotations: Annotations) -> Transcript | None:
        """Return the annotated notes that have a length."""
        notes = annotations.notes(self.target)
        if notes is None:
            return None
        begins, ends, hertz = notes
        kept = ends > begins
        return Transcript(begins[kept], hertz[kept], ends[kept])

    def compare(self, truth: Transcript, found: Transcript) -> tuple[float, ...]:
        """Return the F-measure."""
        from mir_eval import transcription

        intervals = [np.stack([notes.times, notes.offsets], axis=1) for notes in (truth, found)]
        precision_recall_f = transcription.precision_recall_f1_overlap(
            intervals[0], truth.hertz, intervals[1], found.hertz, offset_ratio=None
        )
        return (precision_recall_f[2],)


def notes_of(track: F0Track, strokes: Floats) -> Transcript:
    """Cut a fundamental frequency into notes.

    Parameters
    ----------
    track : F0Track
    strokes : (n,)
        Seconds at which a note ends and another may begin.
    """
    from scipy.ndimage import median_filter

    voiced = track.hertz > 0
    midi = np.zeros(len(voiced))
    midi[voiced] = median_filter(69 + 12 * np.log2(track.hertz[voiced] / 440), _MEDIAN)
    semitone = np.where(voiced, np.round(midi), -1)
    edges = {0, len(voiced), *(np.flatnonzero(np.diff(semitone)) + 1).tolist()}
    edges |= {min(round(stroke / track.hop), len(voiced)) for stroke in strokes.tolist()}
    spans = [(a, b) for a, b in pairwise(sorted(edges)) if voiced[a] and (b - a) * track.hop >= _SHORTEST]
    hertz = [float(440 * 2 ** ((np.median(midi[a:b]) - 69) / 12)) for a, b in spans]
    times = np.array(spans, dtype=np.float64).reshape(-1, 2) * track.hop
    return Transcript(times[:, 0], np.array(hertz), times[:, 1])
