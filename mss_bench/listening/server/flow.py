"""The stages of a session, in order, and what a listener's browser is told of a trial.

Before the trials a listener may have to pass the headphone check [1]_: which of three tones is the quietest? One of
three 200 Hz tones is 6 dB softer, and another has its right channel inverted. Over loudspeakers that one nearly cancels
and seems the quietest; over headphones it does not. The server chooses the order and marks the answers.

References
----------
.. [1] K. J. P. Woods, M. H. Siegel, J. Traer and J. H. McDermott, "Headphone screening to facilitate web-based auditory
   experiments", Attention, Perception, & Psychophysics 79, 2017.
"""

from __future__ import annotations

import hashlib
import io
import wave
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from mss_bench.core.parameters import Parameterized, param
from mss_bench.errors import ConfigError
from mss_bench.listening.pack_format import PackTask, Step, Trial, read_pack, trial_seconds
from mss_bench.listening.protocols import MAX_SIGNALS
from mss_bench.listening.server.answers import RequestError, heard_seconds
from mss_bench.listening.server.store import Listener

__all__ = ["ServeOptions", "Sitting", "Stage", "passes_headphones", "tone_orders", "tones"]

ROUNDS = 6  # of the headphone check
NEEDED = 5  # right answers; by chance 1.8 % of listeners have as many
ATTEMPTS = 2
_TONE_RATE = 44100
_TONES = {"same": (1.0, 1.0), "antiphase": (1.0, -1.0), "quiet": (0.5, 0.5)}  # gains of the two channels


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


class ServeOptions(Parameterized):
    """How a pack is served."""

    host: str = param("127.0.0.1", doc="Address to listen on; 0.0.0.0 opens it to the network.")
    port: int = param(8765, at_least=0, at_most=65535, doc="Port to listen on; 0 takes a free one.")
    url: str = param(
        "", doc="What links begin with, where a proxy stands before the server (default: the host and port)."
    )
    links: Path | None = param(
        None, metavar="FILE", doc="Write the links there, readable by you alone, and not to the terminal or its log "
        "(default: print them).",
    )  # fmt: skip
    listeners: int | None = param(None, at_least=0, doc="Links of their own (default: as many as the pack has orders).")
    open_places: int | None = param(
        None,
        at_least=1,
        flag="--open",
        bare=500,
        doc="A join link, too, by which so many new listeners may come; 500 without a number (default: no join link).",
    )
    participant_parameter: str = param(
        "PROLIFIC_PID", metavar="NAME", doc="The join link's parameter with a panel's participant id."
    )
    panel_parameters: tuple[str, ...] = param(
        ("STUDY_ID", "SESSION_ID"),
        metavar="NAME,...",
        doc="Further ids of the join link, which are kept with a listener.",
    )
    completion_url: str = param("", metavar="URL", doc="Where listeners are sent at the end (default: nowhere).")
    screen_out_url: str = param(
        "", metavar="URL", doc="Where listeners are sent whom the headphone check refused (default: nowhere)."
    )
    headphone_check: bool = param(False, doc="Check for headphones by antiphase loudness, before the training.")
    consent: Path | None = param(
        None,
        metavar="TEXT",
        doc="A file with the text that listeners agree to (default: a short text in the test's language).",
    )
    waveform: bool = param(
        True, doc="Draw the waveform of the reference, or of a single sound; with --no-waveform none is drawn."
    )
    ask_name: bool = param(False, doc="Ask for listeners' names and store them.")

    def setup(self) -> None:
        for name in ("url", "completion_url", "screen_out_url"):
            parts = urlsplit(getattr(self, name))
            if getattr(self, name) and (parts.scheme not in ("http", "https") or not parts.netloc):
                self.refuse(name, "an address, e.g. https://example.org/path")
        self.consent_text = ""
        if self.consent is not None:
            try:
                self.consent_text = self.consent.read_text(encoding="utf-8").strip()
            except UnicodeDecodeError:
                raise ConfigError(f"--consent {self.consent} is not UTF-8; expected a file of text") from None
            except OSError as error:
                raise ConfigError(
                    f"--consent {self.consent} cannot be read: {error.strerror}; expected a file of text"
                ) from error


class Sitting:
    """A pack with the choices of its experimenter.

    Parameters
    ----------
    folder : Path
        The pack.
    options : ServeOptions, optional

    Raises
    ------
    ConfigError
        No pack, a damaged one, or a trial with more than `MAX_SIGNALS` signals.
    """

    def __init__(self, folder: Path, options: ServeOptions | None = None) -> None:
        self.folder, self.options = folder, options or ServeOptions()
        self.pack = read_pack(folder)
        for trial in self.pack.trials:
            if trial.signals > MAX_SIGNALS:
                raise ConfigError(
                    f"{folder}: trial {trial.id} has {trial.signals} signals, a listener can compare {MAX_SIGNALS} at "
                    "most (BS.1534-3); make the pack with fewer systems or anchors"
                )
        for file in self.pack.files():
            self._inside(file)
        self.checksum = hashlib.sha256((folder / "pack.json").read_bytes()).hexdigest()
        stages = {
            Stage.CONSENT: True, Stage.LEVEL: self.pack.level, Stage.HEADPHONES: self.options.headphone_check,
            Stage.TRAINING: self.pack.training, Stage.TRIALS: True, Stage.QUESTIONNAIRE: self.pack.questions,
            Stage.DONE: True,
        }  # fmt: skip
        self.stages = [stage for stage, there in stages.items() if there]

    def _inside(self, file: str) -> Path:
        path = (self.folder / file).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise ConfigError(f"{self.folder / file} leads out of the pack to {path}; only files in it are served")
        return path

    def after(self, stage: str) -> Stage:
        """Return the next stage."""
        return self.stages[self.stages.index(Stage(stage)) + 1]

    def steps(self, listener: Listener) -> int:
        """Return the number of trials that a listener is asked."""
        return len(self.pack.order(listener.number))

    def trial(self, listener: Listener, step: int) -> tuple[Trial, PackTask]:
        """Return a trial of a listener, with its stimuli in the order in which they are shown.

        Parameters
        ----------
        listener : Listener
        step : int
            From 0; the training pages are before, -1 the last of them.
        """
        if step < 0:
            trial = self.pack.trial(self._training(listener)[step])
        else:
            at: Step = self.pack.order(listener.number)[step]
            plain = self.pack.trial(at.trial)
            trial = Trial(**vars(plain) | {"stimuli": [plain.stimuli[k] for k in at.stimuli]})
        return trial, self.pack.task(trial.task)

    def _training(self, listener: Listener) -> list[str]:
        """Return the training pages in the order in which a listener meets the tasks."""
        met = [self.pack.trial(step.trial).task for step in self.pack.order(listener.number)]

        def first(name: str) -> int:
            task = self.pack.trial(name).task
            return met.index(task) if task in met else len(met)

        return sorted(self.pack.training, key=first)

    def step(self, listener: Listener) -> int:
        """Return the trial where a listener is; see `trial`."""
        training = listener.stage == Stage.TRAINING
        return listener.trained - len(self.pack.training) if training else listener.done

    def audio(self, listener: Listener, step: int, place: str) -> Path:
        """Return the file of a signal of the trial where a listener is, or of the next one.

        Raises
        ------
        RequestError
            There is none, or it is not the listener's turn.
        """
        if listener.stage not in (Stage.TRAINING, Stage.TRIALS) or step - self.step(listener) not in (0, 1):
            raise RequestError("not the trial where you are", 404)
        if step >= self.steps(listener):
            raise RequestError("no such trial", 404)
        trial, _ = self.trial(listener, step)
        files = {"reference": trial.reference, "mixture": trial.mixture}
        files |= {str(number): file for number, file in enumerate(trial.stimuli)}
        if not files.get(place):
            raise RequestError("no such signal", 404)
        return self._inside(files[place])

    def level_file(self) -> Path:
        """Return the file that is played while the level is set.

        Raises
        ------
        RequestError
            The pack has none.
        """
        if not self.pack.level:
            raise RequestError("no such signal", 404)
        return self._inside(self.pack.level)

    def state(self, listener: Listener) -> dict[str, Any]:
        """Return what the browser needs to show the page where a listener is, and nothing more."""
        stage, texts = Stage(listener.stage), self.pack.catalogue
        steps = self.steps(listener)
        told: dict[str, Any] = {
            "title": self.pack.title, "stage": stage, "steps": steps, "step": self.step(listener),
            "level_db": listener.level_db, "sample_rate": self.pack.sample_rate, "waveform": self.options.waveform,
        }  # fmt: skip
        match stage:
            case Stage.CONSENT:
                told |= {
                    "instructions": self.pack.instructions,
                    "consent": self.options.consent_text or self.pack.consent or texts.text("consent.text"),
                    "ask_name": self.options.ask_name, "minutes": self.minutes(listener.number),
                    "headphones": self.options.headphone_check,
                }  # fmt: skip
            case Stage.HEADPHONES:
                told |= {"attempts": listener.attempts}
            case Stage.TRAINING | Stage.TRIALS:
                at = self.step(listener)
                told |= {"trial": self._describe(listener, at)}
                told |= {"trainings": len(self.pack.training)}
                told |= {"next": None if at + 1 >= steps else self._describe(listener, at + 1)}
            case Stage.QUESTIONNAIRE:
                told |= {"questions": [vars(question) for question in self.pack.questions]}
            case Stage.DONE:
                told |= {"completion_url": self.options.completion_url}
            case Stage.REFUSED:
                told |= {"screen_out_url": self.options.screen_out_url}
            case Stage.LEVEL:
                pass
        return told

    def minutes(self, number: int = 0) -> int:
        """Estimate how long it takes the listener of a number, and three minutes around it."""
        return 3 + round(sum(trial_seconds(self.pack.trial(step.trial)) for step in self.pack.order(number)) / 60)

    def _changes(self, listener: Listener, step: int) -> bool:
        """Return whether the trial asks another question than the one before, the training page included."""
        if step == -len(self.pack.training):
            return False
        return self.trial(listener, step)[1].name != self.trial(listener, step - 1)[1].name

    def _describe(self, listener: Listener, step: int) -> dict[str, Any]:
        # without the trial's title: an item's number that comes again would tell a replicate
        trial, task = self.trial(listener, step)
        return {
            "step": step, "kind": trial.kind, "seconds": trial.seconds,
            "question": task.question, "low": task.low, "high": task.high, "labels": task.labels,
            "signals": len(trial.stimuli), "reference": bool(trial.reference), "mixture": bool(trial.mixture),
            "heard": heard_seconds(trial), "changed": self._changes(listener, step),
        }  # fmt: skip


def tone_orders(listener: Listener) -> list[list[str]]:
    """Return what stands where in each round of the headphone check, keys of `_TONES`; new for each attempt."""
    seed = hashlib.sha256(f"{listener.token}|{listener.attempts}".encode()).digest()
    rng = np.random.default_rng(np.frombuffer(seed, dtype=np.uint32))
    return [[list(_TONES)[k] for k in rng.permutation(3)] for _ in range(ROUNDS)]


def passes_headphones(listener: Listener, answers: Any) -> bool:
    """Return whether the places that were named are those of the quiet tones.

    Raises
    ------
    RequestError
        Not one place from 0 to 2 for each round.
    """
    plain = isinstance(answers, list) and all(type(a) is int and 0 <= a <= 2 for a in answers)
    if not plain or len(answers) != ROUNDS:
        raise RequestError(f"answers must be {ROUNDS} numbers from 0 to 2")
    right = sum(order[place] == "quiet" for order, place in zip(tone_orders(listener), answers, strict=True))
    return bool(right >= NEEDED)


def tones(order: list[str]) -> bytes:
    """Make a WAV file, 16 bit stereo: three tones of one second with raised-cosine ramps, half a second apart."""
    time = np.arange(_TONE_RATE) / _TONE_RATE
    ramp = np.minimum(1.0, np.minimum(time, time[-1] - time) / 0.1)
    tone = 0.2 * np.sin(2 * np.pi * 200 * time) * 0.5 * (1 - np.cos(np.pi * ramp))
    pause = np.zeros((_TONE_RATE // 2, 2))
    parts = [part for kind in order for part in (tone[:, None] * _TONES[kind], pause)]
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(_TONE_RATE)
        file.writeframes(np.rint(32767 * np.concatenate(parts[:-1])).astype("<i2").tobytes())
    return out.getvalue()
