"""What the metrics that transcribe have in common: the estimate is to be written down as the reference is.

A fixed, published transcriber writes down the reference stem, the estimate and the mixture. The scores are those of
mir_eval [1]_, with the reference's transcript as the truth (``against=reference``), or with what was really played
where that is known (``against=played``; `mss_bench.core.annotations`). The last quantity says how much simpler the
separation makes it: the share of the gap between mixture and reference that it closes,

    gap = (x_estimate - x_mixture) / (x_reference - x_mixture),

1 for the reference itself, 0 for the mixture, negative for an estimate from which less is heard than from the mixture.
It is undefined where there is hardly a gap, below 0.1.

- *Targets.* Each metric is for one target, the parameter `target`.
- *Channels.* Their mean is transcribed, of any number of channels.
- *Rates.* Transcribers work at 22.05 kHz; other audio is resampled with soxr, and its rows carry the flag
  ``resampled:22050``.
- *Level.* Signals are brought to a peak of 1 first; a gain does not change the scores.
- *Silence.* An estimate in which nothing is found scores 0. Where nothing is there to be found, there is no score.
- *Length.* From half a second on.

They need librosa, and `melody` with ``transcriber=swift_f0`` swift-f0: ``pip install 'mss-bench[pitch]'`` brings both.

References
----------
.. [1] C. Raffel et al.: mir_eval: a transparent implementation of common MIR metrics. ISMIR 2014.
"""

from __future__ import annotations

import hashlib
import warnings
from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from mss_bench.core.annotations import Annotations
from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.audio import resample
from mss_bench.core.parameters import param
from mss_bench.core.tracks import TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import too_short
from mss_bench.metrics.base import Metric, Outcome, Prepared

__all__ = ["RATE", "Transcript", "Transcription"]

RATE = 22050
"""Hz, of what is transcribed."""

_KEPT = 16
"""Transcripts that are remembered: a stem can be in several target groups, and the floor is the mixture."""

_SHORTEST = 0.5
_LEAST_GAP = 0.1


@dataclass(frozen=True)
class Transcript:
    """The outcome of a transcription.

    Parameters
    ----------
    times : (n,)
        Seconds: of frames for a melody, else of onsets or beats.
    hertz : (n,)
        Frequencies, where there are any; of a melody 0 where it pauses.
    offsets : (n,)
        Ends of notes, where there are any.
    """

    times: Floats
    hertz: Floats = field(default_factory=lambda: np.zeros(0))
    offsets: Floats = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Truth:
    """What estimates of a track are measured by.

    Parameters
    ----------
    transcript : Transcript
        What an estimate's transcript is compared with.
    floor, best : float
        What the transcripts of mixture and reference score.
    """

    transcript: Transcript
    floor: float
    best: float


_known: OrderedDict[tuple[str, str], Transcript] = OrderedDict()


class Transcription(Metric):
    """Base of the metrics that transcribe; the last but one quantity is the one whose gap is the last."""

    extra = "pitch"
    module = "librosa"
    works_at = RATE
    what: ClassVar[str] = ""
    """What is written down, in the plural."""

    target: str = param(doc="Whose stem is transcribed.")
    against: Literal["reference", "played"] = param(
        "reference", doc="What counts as right: the transcript of the reference, or the track's annotations."
    )

    def setup(self) -> None:
        self.targets = (self.target,)
        self.needs_annotations = self.against == "played"
        standard = "played" if self.needs_annotations else "default"
        usual = self.target == self.defaults({})["target"]
        self.preset = standard if usual else f"{standard} target={self.target}"

    @abstractmethod
    def transcribe(self, signal: Samples) -> Transcript:
        """Write down a signal ``(samples,)`` at 22.05 kHz with a peak of 1."""

    @abstractmethod
    def played(self, annotations: Annotations) -> Transcript | None:
        """Return what was played; None where that is not known."""

    @abstractmethod
    def compare(self, truth: Transcript, found: Transcript) -> tuple[float, ...]:
        """Return mir_eval's scores, in the order of the quantities, without the gap. Neither transcript is empty."""

    def heard(self, transcript: Transcript) -> bool:
        """Return whether there is anything in a transcript."""
        return transcript.times.size > 0

    def derive(self, track: TrackAudio) -> Truth | str:
        """Transcribe the reference and the mixture; or say why there is no truth.

        Raises
        ------
        ConfigError, DatasetError
            The target is none of the group's, or annotations cannot be read.
        """
        if self.target not in track.references:
            raise ConfigError(
                f"{self.name} scores the target {self.target!r}, found {', '.join(track.references)}; name another "
                f"one: {self.name}:target=NAME"
            )
        reference = track.references[self.target]
        if why := too_short(reference.shape[1], round(_SHORTEST * track.sample_rate), "to be transcribed"):
            return why
        heard = self._transcript(reference, track.sample_rate)
        truth, why = heard, f"no {self.what} are found in the reference"
        if self.needs_annotations:
            played = self.played(track.annotations) if track.annotations is not None else None
            if played is None:
                return f"nothing says what {self.what} of {self.target!r} were played: expected annotations.json"
            truth, why = played, f"no {self.what} of {self.target!r} were played"
        if not self.heard(truth):
            return why
        floor = self._scores(truth, self._transcript(track.mixture, track.sample_rate))[-1]
        return Truth(truth, floor, self._scores(truth, heard)[-1])

    def measure(self, track: Prepared[Truth | str], target: str, estimate: Samples) -> Outcome:
        truth = track.derived
        if isinstance(truth, str):
            return truth
        scores = self._scores(truth.transcript, self._transcript(estimate, track.sample_rate))
        gap = truth.best - truth.floor
        if gap >= _LEAST_GAP:
            return (*scores, (scores[-1] - truth.floor) / gap)
        none = f"the mixture scores {truth.floor:.2f} and the reference {truth.best:.2f}: there is no gap to be closed"
        return (*scores, none)

    def _transcript(self, array: Samples, sample_rate: int) -> Transcript:
        mono = resample(array.mean(axis=0, keepdims=True), sample_rate, RATE)[0]
        peak = float(np.max(np.abs(mono), initial=0.0))
        if peak <= 1e-8:  # rounding of channels that cancel each other
            return Transcript(np.zeros(0))
        signal = mono / peak
        # By content: the same stem is asked for in several target groups, the mixture as the floor of every stem.
        key = (f"{self.name} {self.preset}", hashlib.sha256(signal.tobytes()).hexdigest())
        if key not in _known:
            _known[key] = self.transcribe(signal)
            if len(_known) > _KEPT:
                _known.popitem(last=False)
        return _known[key]

    def _scores(self, truth: Transcript, found: Transcript) -> tuple[float, ...]:
        if not self.heard(found):
            return (0.0,) * (len(self.quantities) - 1)
        with warnings.catch_warnings():
            # It warns of empty and of unusual transcripts, which are no surprise here.
            warnings.filterwarnings("ignore", module=r"mir_eval\.", category=UserWarning)
            return tuple(float(value) for value in self.compare(truth, found))
