"""A pack with a trial of every kind, a real server, and simulated listeners."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.listening.catalogue import Catalogue, read_catalogue
from mss_bench.listening.pack_format import Pack, PackTask, Signal, Step, Trial, key_folder, read_pack, results_folder
from mss_bench.listening.protocols import CHOICES
from mss_bench.listening.questionnaire import STANDARD, Item, standard

pytest.importorskip("flask", reason="pip install 'mss-bench[listen]'")
pytest.importorskip("waitress", reason="pip install 'mss-bench[listen]'")

SECONDS = 0.6
RATE = 48000

TASKS = [
    PackTask("quality", "How similar is each?", 0.0, 100.0, ["bad", "poor", "fair", "good", "excellent"]),
    PackTask("preference", "Which do you prefer?", 0.0, 1.0, []),
    PackTask("best", "Which is the best?", 0.0, 1.0, []),
    PackTask("identity", "Is X A or B?", 0.0, 1.0, []),
    PackTask("grade", "How good is it?", 1.0, 5.0, ["bad", "poor", "fair", "good", "excellent"]),
]
# kind, task, systems in the pack's order ("reference" is the hidden one), open reference and mixture
TRIALS = {
    "multi": ("multi", "quality", ["one", "reference", "lowpass_3500"], True, True),
    "preference": ("preference", "preference", ["one", "two"], False, False),
    "abx": ("abx", "identity", ["one", "reference", "one"], False, False),
    "single": ("single", "grade", ["two"], False, False),
    "degradation": ("degradation", "grade", ["one"], True, False),
}
VOTES = {"votes": ("votes", "best", ["one", "two", "three"], False, False)}  # in tests of their own
ROLES = {"reference": "reference", "lowpass_3500": "anchor"}


def write_pack(
    folder: Path, order: list[str], *, listeners: int = 2, training: bool = True, level: bool = True,
    seconds: float = SECONDS,
) -> Path:  # fmt: skip
    """A pack with trials after `TRIALS` or `VOTES` in this order; a name that comes again is a replicate."""
    key: dict[str, Signal] = {}
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE)) / RATE

    def file(trial: str, kind: str, task: str, system: str, role: str) -> str:
        path = f"audio/{len(key) + 0xA00000000000:012x}.wav"
        tone = 0.2 * np.sin(2 * np.pi * rng.uniform(200, 800) * time)
        audio.write(folder / path, np.stack([tone, tone]), RATE, "PCM_24")
        key[path] = Signal(trial, f"Song {kind} @0.0", "vocals", task, system, role)
        return path

    def trial(number: int, name: str) -> Trial:
        kind, task, systems, reference, mixture = (TRIALS | VOTES)[name]
        own = f"{number:012x}"
        return Trial(
            own, kind, task, f"Item {number}", seconds,
            [file(own, kind, task, s, ROLES.get(s, "test")) for s in systems],
            file(own, kind, task, "reference", "") if reference else "",
            file(own, kind, task, "mixture", "") if mixture else "",
        )  # fmt: skip

    trials = {name: trial(number, name) for number, name in enumerate(dict.fromkeys(order))}
    extra = [trial(99, "multi")] if training else []
    configurations = []
    for listener in range(listeners):
        steps = []
        for place, name in enumerate(order):
            count = len(trials[name].stimuli)
            shown = [(k + listener + place) % count for k in range(count)] if name != "abx" else [1, 0, 2]
            steps.append(Step(trials[name].id, shown, name in order[:place]))
        configurations.append(steps)
    made = Pack(
        folder.name, "Voices <b>&", "Listen well.\n\nGrade <i>fairly</i>.", "mushra", RATE, TASKS,
        [*trials.values(), *extra], configurations, training=[t.id for t in extra],
        level=next(iter(key)) if level else "",
    )  # fmt: skip
    made.write(folder)
    key_folder(folder).mkdir()
    (key_folder(folder) / "key.json").write_text(json.dumps({p: asdict(s) for p, s in key.items()}))
    return folder


def in_german(folder: Path, *questions: Item) -> None:
    """Make the pages of a pack German, with questions of one's own at the end."""
    german = read_catalogue("de")
    raw = json.loads((folder / "pack.json").read_text())
    raw |= {"catalogue": asdict(german), "questionnaire": [asdict(item.written(german)) for item in questions]}
    raw["tasks"][0]["labels"] = german.words("scales.quality")
    (folder / "pack.json").write_text(json.dumps(raw))


@pytest.fixture
def pack(tmp_path) -> Path:
    """One trial of each kind and a replicate, for two listeners."""
    return write_pack(tmp_path / "voices", [*TRIALS, "multi"])


USUAL_ANSWERS = {
    question.name: question.values[0] if question.values else ""
    for question in (standard(name, Catalogue()) for name in STANDARD)
}
"""To the questions at the end that are always asked."""


def valid_answer(trial: Trial, submission: str = "0123456789abcdef") -> dict:
    """An answer that fits a trial."""
    heard = [1.0] * (len(trial.stimuli) + bool(trial.reference))
    shared = {"id": submission, "ms": 5000, "heard": heard}
    if trial.kind in CHOICES:
        return shared | {"choice": 0}
    count = len(trial.stimuli)
    return shared | {"scores": [20.0 * k for k in range(count)] if count > 1 else [3], "moved": [True] * count}


@dataclass
class Running:
    """A real server process."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = 0
    files: int = 0  # the limit of open files; 0 for the usual one
    process: subprocess.Popen = field(init=False)
    links: dict[str, str] = field(init=False)
    said: list[str] = field(init=False)

    def start(self) -> Running:
        words = [sys.executable, "-m", "mss_bench.cli.main", "listen", "serve", str(self.folder), "--port"]
        if self.files:
            words = ["sh", "-c", f'ulimit -n {self.files} && exec "$@"', "sh", *words]
        self.process = subprocess.Popen([*words, str(self.port), *self.options], stdout=subprocess.PIPE, text=True)
        self.links, self.said = {}, []
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("stop with"):
                break
        told = self.said
        if "--links" in self.options:
            told = Path(self.options[self.options.index("--links") + 1]).read_text().splitlines()
        for line in told:
            found = re.fullmatch(r"\s*(\S+).*\s(https?://\S+)\s*", line)
            if found:
                self.links[found[1].rstrip(":")] = found[2]
        assert self.links, self.process.wait()
        self.port = self.port or int(re.search(r":(\d+)/", self.links["experimenter"])[1])
        return self

    @property
    def listeners(self) -> list[str]:
        """Paths of the listeners' pages."""
        return [link.partition(f":{self.port}")[2] for name, link in self.links.items() if name.startswith("L")]

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(60)
        self.process.stdout.close()

    @property
    def database(self) -> Path:
        return results_folder(self.folder) / "ratings.sqlite"


@pytest.fixture
def serve():
    """Starts servers; they are stopped in the end."""
    running: list[Running] = []

    def start(folder: Path, *options: str, port: int = 0, files: int = 0) -> Running:
        running.append(Running(folder, options, port, files))
        return running[-1].start()

    yield start
    for one in running:
        if one.process.poll() is None:
            one.stop()


def read_trials(folder: Path) -> dict[str, Trial]:
    """The trials of a pack by kind, without the training page."""
    read = read_pack(folder)
    return {t.kind: t for t in read.rated}
