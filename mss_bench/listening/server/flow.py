"""What comes after what for a listener, and what a listener is told of a trial."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from mss_bench.errors import ConfigError
from mss_bench.listening.pack_format import Pack, PackTask, Step, Trial, read_pack, trial_seconds
from mss_bench.listening.server.answers import QUESTIONS, RequestError, heard_seconds
from mss_bench.listening.server.store import Listener

__all__ = ["CONSENT", "MAX_SIGNALS", "Options", "Sitting", "Stage"]

MAX_SIGNALS = 12
"""Signals of a trial, its open reference included: BS.1534-3."""

CONSENT = (
    "You listen to short pieces of music and grade what you hear. You may take a break whenever you like, and stop at "
    "any time without giving a reason. Your grades, the time they took and your answers to a few questions at the end "
    "are stored under a code and used for research on sound."
)


class Stage(StrEnum):
    """Where a listener is."""

    CONSENT = "consent"
    LEVEL = "level"
    HEADPHONES = "headphones"
    TRAINING = "training"
    TRIALS = "trials"
    QUESTIONNAIRE = "questionnaire"
    DONE = "done"
    REFUSED = "refused"
    """The headphone check was failed twice."""


@dataclass(frozen=True)
class Options:
    """What the experimenter chose.

    Parameters
    ----------
    completion_url : str
        Where a listener is sent at the end, or empty.
    headphone_check : bool
    open_places : int
        Listeners who may come by the join link; 0 closes it.
    participant_parameter : str
        The join link's parameter with the participant id of a panel.
    ask_name : bool
    consent : str
        What a listener agrees to.
    """

    completion_url: str = ""
    headphone_check: bool = False
    open_places: int = 0
    participant_parameter: str = "PROLIFIC_PID"
    ask_name: bool = False
    consent: str = CONSENT


@dataclass(frozen=True)
class Sitting:
    """A pack with the choices of its experimenter.

    Parameters
    ----------
    folder : Path
        The pack.
    options : Options

    Raises
    ------
    ConfigError
        No pack, a damaged one, or a trial with more than `MAX_SIGNALS` signals.
    """

    folder: Path
    options: Options = field(default_factory=Options)
    pack: Pack = field(init=False)
    checksum: str = field(init=False)

    def __post_init__(self) -> None:
        pack = read_pack(self.folder)
        for trial in pack.trials:
            signals = len(trial.stimuli) + bool(trial.reference)
            if signals > MAX_SIGNALS:
                raise ConfigError(
                    f"{self.folder}: trial {trial.id} has {signals} signals, a listener can compare {MAX_SIGNALS} at "
                    "most (BS.1534-3); make the pack with fewer systems or anchors"
                )
        for file in pack.files():
            self._inside(file)
        object.__setattr__(self, "pack", pack)
        object.__setattr__(self, "checksum", hashlib.sha256((self.folder / "pack.json").read_bytes()).hexdigest())

    def _inside(self, file: str) -> Path:
        path = (self.folder / file).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise ConfigError(f"{self.folder / file} leads out of the pack to {path}; only files in it are served")
        return path

    @property
    def stages(self) -> list[Stage]:
        """In order."""
        return [
            Stage.CONSENT,
            *([Stage.LEVEL] if self.pack.level else []),
            *([Stage.HEADPHONES] if self.options.headphone_check else []),
            *([Stage.TRAINING] if self.pack.training else []),
            Stage.TRIALS, Stage.QUESTIONNAIRE, Stage.DONE,
        ]  # fmt: skip

    def after(self, stage: str) -> Stage:
        """The next stage."""
        stages = self.stages
        return stages[stages.index(Stage(stage)) + 1]

    def steps(self, listener: Listener) -> int:
        """Trials that a listener is asked."""
        return len(self._order(listener.number))

    def _order(self, number: int) -> list[Step]:
        return self.pack.configurations[number % len(self.pack.configurations)]

    def trial(self, listener: Listener, step: int) -> tuple[Trial, PackTask]:
        """A trial of a listener, with its stimuli in the order in which they are shown.

        Parameters
        ----------
        listener : Listener
        step : int
            From 0; -1 is the training page.
        """
        if step < 0:
            found = self.pack.trial(self.pack.training)
        else:
            at = self._order(listener.number)[step]
            plain = self.pack.trial(at.trial)
            shown = [plain.stimuli[k] for k in at.stimuli]
            found = Trial(**vars(plain) | {"stimuli": shown})
        return found, next(t for t in self.pack.tasks if t.name == found.task)

    def audio(self, listener: Listener, step: int, place: str) -> Path:
        """The file of a signal of the trial where a listener is, or of the next one.

        Raises
        ------
        RequestError
            There is none, or it is not the listener's turn.
        """
        training = listener.stage == Stage.TRAINING and step in (-1, 0)
        if not training and (listener.stage != Stage.TRIALS or step - listener.done not in (0, 1)):
            raise RequestError("not the trial where you are", 404)
        if not -1 <= step < self.steps(listener):
            raise RequestError("no such trial", 404)
        trial, _ = self.trial(listener, step)
        files = {"reference": trial.reference, "mixture": trial.mixture}
        files |= {str(number): file for number, file in enumerate(trial.stimuli)}
        if not files.get(place):
            raise RequestError("no such signal", 404)
        return self._inside(files[place])

    def level_file(self) -> Path:
        """What is played while the level is set.

        Raises
        ------
        RequestError
            The pack has none.
        """
        if not self.pack.level:
            raise RequestError("no such signal", 404)
        return self._inside(self.pack.level)

    def state(self, listener: Listener) -> dict[str, Any]:
        """What the browser needs to show the page where a listener is, and nothing more."""
        stage = Stage(listener.stage)
        steps = self.steps(listener)
        told: dict[str, Any] = {
            "title": self.pack.title, "stage": stage, "steps": steps, "step": listener.done,
            "level_db": listener.level_db, "sample_rate": self.pack.sample_rate,
        }  # fmt: skip
        match stage:
            case Stage.CONSENT:
                told |= {
                    "instructions": self.pack.instructions, "consent": self.options.consent,
                    "ask_name": self.options.ask_name, "minutes": self.minutes(listener.number),
                    "headphones": self.options.headphone_check,
                }  # fmt: skip
            case Stage.HEADPHONES:
                told |= {"attempts": listener.attempts}
            case Stage.TRAINING:
                told |= {"trial": self._describe(listener, -1), "next": self._describe(listener, 0)}
            case Stage.TRIALS:
                last = listener.done + 1 >= steps
                told |= {"trial": self._describe(listener, listener.done)}
                told |= {"next": None if last else self._describe(listener, listener.done + 1)}
            case Stage.QUESTIONNAIRE:
                told |= {
                    "questions": [
                        {"name": n, "question": text, "choices": list(choices)}
                        for n, (text, choices) in QUESTIONS.items()
                    ]
                }
            case Stage.DONE:
                told |= {"completion_url": self.options.completion_url}
            case Stage.LEVEL | Stage.REFUSED:
                pass
        return told

    def minutes(self, number: int = 0) -> int:
        """About how long it takes the listener of a number, and three minutes around it."""
        trials = [self.pack.trial(step.trial) for step in self._order(number)]
        return 3 + round(sum(trial_seconds(t.seconds, len(t.stimuli) + bool(t.reference)) for t in trials) / 60)

    def _describe(self, listener: Listener, step: int) -> dict[str, Any]:
        # without the trial's title: an item's number that comes again would tell a replicate
        trial, task = self.trial(listener, step)
        return {
            "step": step, "kind": trial.kind, "seconds": trial.seconds,
            "question": task.question, "low": task.low, "high": task.high, "labels": task.labels,
            "signals": len(trial.stimuli), "reference": bool(trial.reference), "mixture": bool(trial.mixture),
            "heard": heard_seconds(trial),
        }  # fmt: skip
