"""What the metrics have in common that transcribe: is the estimate written down as the reference is?

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

They need librosa: ``pip install 'mss-bench[pitch]'``.

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
from importlib.util import find_spec
from typing import ClassVar, Literal

import numpy as np

from mss_bench.core.annotations import Annotations
from mss_bench.core.audio import resample
from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError, MissingDependencyError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._signals import Floats, Samples
from mss_bench.metrics.base import Metric, Score
from mss_bench.metrics.presets import preset_name

__all__ = ["RATE", "Against", "Transcript", "Transcription", "TranscriptionState"]

RATE = 22050
"""Hz, of what is transcribed."""

_KEPT = 16
"""Transcripts that are remembered: a stem can be in several target groups, and the floor is the mixture."""

_SHORTEST = 0.5
_LEAST_GAP = 0.1


@dataclass(frozen=True)
class Transcript:
    """What was written down.

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
class TranscriptionState:
    """References of a track, as given, and what its scores are measured by.

    Parameters
    ----------
    truth : Transcript
        What an estimate's transcript is compared with.
    floor, best : float
        What the transcripts of mixture and reference score.
    undefined : str
        Why there is no truth.
    """

    references: dict[str, Samples]
    sample_rate: int
    truth: Transcript
    floor: float = np.nan
    best: float = np.nan
    undefined: str = ""


_known: OrderedDict[tuple[str, str], Transcript] = OrderedDict()


class Transcription(Metric):
    """Base of the metrics that transcribe; the last but one quantity is the one whose gap is the last."""

    extra: ClassVar[str] = "pitch"
    what: ClassVar[str] = ""
    """What is written down, in the plural."""

    def __init__(self, target: str, usual: str, against: str) -> None:
        if against not in ("reference", "played"):
            raise ConfigError(f"{self.name}: against is {against!r}, expected reference or played")
        self.target, self.against = target, against
        self.targets = (target,)
        self.needs_annotations = against == "played"
        standard = "played" if self.needs_annotations else "default"
        self.preset = preset_name(standard, {"target": target}, {"target": usual})

    @classmethod
    def available(cls) -> bool:
        """Whether librosa is installed."""
        return find_spec("librosa") is not None

    @abstractmethod
    def transcribe(self, signal: Samples) -> Transcript:
        """Write down a signal ``(samples,)`` at 22.05 kHz with a peak of 1."""

    @abstractmethod
    def played(self, annotations: Annotations) -> Transcript | None:
        """What was played; None where that is not known."""

    @abstractmethod
    def compare(self, truth: Transcript, found: Transcript) -> tuple[float, ...]:
        """mir_eval's scores, in the order of the quantities, without the gap. Neither transcript is empty."""

    def heard(self, transcript: Transcript) -> bool:
        """Whether there is anything in a transcript."""
        return transcript.times.size > 0

    def prepare(self, track: TrackAudio, group: TargetGroup) -> TranscriptionState:
        """Transcripts of the reference and the mixture.

        Raises
        ------
        MissingDependencyError
            librosa is not installed.
        ConfigError, AudioError, DatasetError
            The target is none of the group's, references cannot be scored, annotations cannot be read.
        """
        if not self.available():
            raise MissingDependencyError("librosa", f"the metric {self.name}", "pip install 'mss-bench[pitch]'")
        references = checked_references(track, group)
        if self.target not in references:
            raise ConfigError(
                f"{self.name} scores the target {self.target!r}, found {', '.join(references)}; name another one: "
                f"{self.name}:target=NAME"
            )
        reference, least = references[self.target], round(_SHORTEST * track.sample_rate)
        if reference.shape[1] < least:
            why = f"{reference.shape[1]} samples are too few to be transcribed: expected at least {least}"
            return TranscriptionState(references, track.sample_rate, Transcript(np.zeros(0)), undefined=why)
        known = self._transcript(reference, track.sample_rate)
        truth, why = known, f"no {self.what} are found in the reference"
        if self.needs_annotations:
            given = self.played(track.annotations) if track.annotations is not None else None
            if given is None:
                why = f"nothing says what {self.what} of {self.target!r} were played: expected annotations.json"
            else:
                why = f"no {self.what} of {self.target!r} were played"
            truth = given or Transcript(np.zeros(0))
        if not self.heard(truth):
            return TranscriptionState(references, track.sample_rate, truth, undefined=why)
        floor = self._scores(truth, self._transcript(track.mixture, track.sample_rate))[-1]
        return TranscriptionState(references, track.sample_rate, truth, floor, self._scores(truth, known)[-1])

    def score(self, state: TranscriptionState, estimates: Stems) -> list[Score]:
        """Scores of the target, where it was delivered.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN gives NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        if self.target not in estimates:
            return []
        reason = spoiled.get(self.target) or state.undefined
        values = [np.nan] * len(self.quantities)
        no_gap = reason
        if not reason:
            scores = self._scores(state.truth, self._transcript(estimates[self.target], state.sample_rate))
            gap = state.best - state.floor
            values = [*scores, (scores[-1] - state.floor) / gap if gap >= _LEAST_GAP else np.nan]
            no_gap = (
                f"the mixture scores {state.floor:.2f} and the reference {state.best:.2f}: there is no gap to be closed"
            )
        flags = () if state.sample_rate == RATE else (f"resampled:{RATE}",)
        return [
            Score(
                self.target, quantity.name, np.array([value]), flags=flags,
                reason=(no_gap if index == len(values) - 1 else reason) if np.isnan(value) else "",
            )
            for index, (quantity, value) in enumerate(zip(self.quantities, values, strict=True))
        ]  # fmt: skip

    def _transcript(self, array: Samples, sample_rate: int) -> Transcript:
        mono = resample(array.mean(axis=0, keepdims=True), sample_rate, RATE)[0]
        peak = float(np.max(np.abs(mono), initial=0.0))
        if peak <= 1e-8:  # rounding of channels that cancel each other
            return Transcript(np.zeros(0))
        signal = mono / peak
        key = (self.name, hashlib.sha256(signal.tobytes()).hexdigest())
        if key not in _known:
            _known[key] = self.transcribe(signal)
            if len(_known) > _KEPT:
                _known.popitem(last=False)
        return _known[key]

    def _scores(self, truth: Transcript, found: Transcript) -> tuple[float, ...]:
        if not self.heard(found):
            return (0.0,) * (len(self.quantities) - 1)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"mir_eval\.", category=UserWarning)
            return tuple(float(value) for value in self.compare(truth, found))


Against = Literal["reference", "played"]
