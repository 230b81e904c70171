"""The pack: a folder with everything that a player needs, and nothing that tells what is what.

::

    demo_vocals/            served
        pack.json           this module: trials, their questions and blinded files, an order for each listener
        audio/3f9c....wav   48 kHz, 24 bit, stereo
    demo_vocals.key/        never served, readable by its owner alone
        secret              what blinded names and orders derive from
        key.json            what each file is: see `Signal`
        manifest.json       checksums, sources, offsets, gains, loudness, true peaks, anchors, versions, seeds
        verification.md     what was measured on the written files, and the BS.1534 checklist
    demo_vocals.results/    made by the server: ratings.sqlite and exports

File names, and the orders of files, trials and listeners, derive from the secret (see `mss_bench.listening.blinding`),
so that neither says anything. What `pack.json` holds may be read by every listener.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mss_bench.core import files
from mss_bench.core.records import built
from mss_bench.errors import ConfigError
from mss_bench.listening.appearance import Look
from mss_bench.listening.catalogue import Catalogue
from mss_bench.listening.protocols import Kind
from mss_bench.listening.questionnaire import STANDARD, Question, standard
from mss_bench.listening.ratings import Role

__all__ = [
    "HEARD", "Pack", "PackTask", "Signal", "Step", "Trial", "key_folder", "read_json", "read_key", "read_pack",
    "results_folder", "trial_seconds", "write_json",
]  # fmt: skip

VERSION = 1  # of pack.json; packs are served for months, so that a change of format must be refused by name
HEARD = 2.5
"""How often a listener hears each signal of a trial, on average."""
_BESIDE = 10.0  # seconds of a trial beside listening: reading, grading, going on
_FILE = re.compile(r"audio/[0-9a-z]{12,13}\.wav")  # 12 in packs that were made before names began with a letter


@dataclass(frozen=True)
class PackTask:
    """A question as the player shows it; as `mss_bench.listening.protocols.Task`, without what would unblind."""

    name: str
    question: str
    low: float
    high: float
    labels: list[str]


@dataclass(frozen=True)
class Trial:
    """One page.

    Parameters
    ----------
    id : str
        Opaque: letters and digits.
    kind : str
        A `Kind`.
    task : str
        Name of a `PackTask`.
    title : str
        What the listener may know, e.g. ``"Item 3"``.
    seconds : float
    stimuli : list of str
        The files to rate: for pairs two, for ABX A, B and X (which is a file of its own, equal to one of the two).
    reference, mixture : str
        Files that may be listened to beside, or empty.
    """

    id: str
    kind: str
    task: str
    title: str
    seconds: float
    stimuli: list[str]
    reference: str = ""
    mixture: str = ""

    @property
    def signals(self) -> int:
        """Return how many signals a listener compares, the open reference included."""
        return len(self.stimuli) + bool(self.reference)

    @property
    def files(self) -> list[str]:
        """Return every audio file of the trial."""
        return [f for f in [*self.stimuli, self.reference, self.mixture] if f]


@dataclass(frozen=True)
class Step:
    """One trial in a listener's order: the order of its stimuli, and whether it repeats an earlier one."""

    trial: str
    stimuli: list[int]
    replicate: bool = False


@dataclass(frozen=True)
class Pack:
    """A test as it is served.

    Parameters
    ----------
    name, title, instructions, protocol : str
    sample_rate : int
        Hz, of all files.
    tasks : list of PackTask
    trials : list of Trial
    training : list of str
        Ids of trials that are training pages, one of each task; their grades are thrown away.
    level : str
        File for setting the level, or empty.
    configurations : list of list of Step
        Listener n gets the n-th, counted round.
    catalogue : Catalogue
        What the pages say, in the listeners' language.
    questionnaire : list of Question or None
        Asked at the end; None for those that are asked anyway.
    look : Look
    consent, contact : str
        What listeners agree to, and whom they may write to; empty for the catalogue's text, and nobody.
    """

    name: str
    title: str
    instructions: str
    protocol: str
    sample_rate: int
    tasks: list[PackTask]
    trials: list[Trial]
    configurations: list[list[Step]]
    training: list[str] = field(default_factory=list)
    level: str = ""
    catalogue: Catalogue = field(default_factory=Catalogue)
    questionnaire: list[Question] | None = None
    look: Look = field(default_factory=Look)
    consent: str = ""
    contact: str = ""
    version: int = VERSION

    def trial(self, name: str) -> Trial:
        """Return a trial by its id; KeyError where there is none."""
        return {t.id: t for t in self.trials}[name]

    def task(self, name: str) -> PackTask:
        """Return a task by its name; KeyError where there is none."""
        return {t.name: t for t in self.tasks}[name]

    @property
    def rated(self) -> list[Trial]:
        """Return the trials that are not for training."""
        return [trial for trial in self.trials if trial.id not in self.training]

    @property
    def questions(self) -> list[Question]:
        """Return what is asked at the end."""
        anyway = [standard(name, self.catalogue) for name in STANDARD]
        return anyway if self.questionnaire is None else self.questionnaire

    def order(self, listener: int) -> list[Step]:
        """Return the steps of the listener of a number."""
        return self.configurations[listener % len(self.configurations)]

    def scales(self) -> dict[str, tuple[float, float]]:
        """Return the ends of the scale of each task."""
        return {task.name: (task.low, task.high) for task in self.tasks}

    def files(self) -> set[str]:
        """Return every audio file that the pack names."""
        return {f for trial in self.trials for f in trial.files} | ({self.level} if self.level else set())

    def write(self, folder: Path) -> None:
        """Write ``pack.json``."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        (folder / "pack.json").write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Signal:
    """What a blinded file is; a line of ``key.json``, which maps the file to it.

    Parameters
    ----------
    trial, item, target, task : str
        `item` is the track with its offset, e.g. ``"Song A @31.5"``.
    system : str
        The method's label, ``"reference"``, ``"mixture"`` or the anchor's name; of an ABX's X the one it equals.
    role : str
        A `Role`; empty for files that nobody rates (open reference, mixture).
    details : dict
        Anything more, e.g. the remix gain.
    """

    trial: str
    item: str
    target: str
    task: str
    system: str
    role: str
    details: dict[str, Any] = field(default_factory=dict)


def trial_seconds(trial: Trial) -> float:
    """Estimate how long a listener takes for a trial."""
    return _BESIDE + HEARD * trial.signals * trial.seconds


def key_folder(pack: Path) -> Path:
    """Return where the key of a pack lies: beside it."""
    return _beside(pack, ".key")


def results_folder(pack: Path) -> Path:
    """Return where the server keeps ratings: beside the pack."""
    return _beside(pack, ".results")


def _beside(pack: Path, ending: str) -> Path:
    whole = pack if pack.name not in ("", "..") else pack.resolve()  # "." has no name
    return whole.with_name(whole.name + ending)


def read_json(path: Path, missing: str) -> Any:
    """Read a file of a pack; `missing` is what to tell where it is not there.

    Raises
    ------
    ConfigError
    """
    try:
        return files.read_json(path)
    except FileNotFoundError:
        raise ConfigError(missing) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a file of a key folder, the same bytes for the same value."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_pack(folder: str | Path) -> Pack:
    """Read and check ``pack.json``.

    Raises
    ------
    ConfigError
        No pack, another version, a file outside ``audio/`` or missing, an order that names no trial.
    """
    folder = Path(folder)
    where = folder / "pack.json"
    raw = read_json(
        where, f"{folder} is not a pack: it has no pack.json; make one with: mss-bench listen pack TEST.yaml"
    )
    version = raw.get("version") if isinstance(raw, dict) else None
    if version != VERSION:
        raise ConfigError(f"{where}: version {version}, this mss_bench reads {VERSION}")
    if isinstance(raw.get("training"), str):  # of packs that were made when there was one page
        raw["training"] = [raw["training"]] if raw["training"] else []
    try:
        pack = built(Pack, raw)
    except ValueError as error:
        raise ConfigError(f"{where} is not as this mss_bench writes it: {error}") from error
    _check(pack, folder)
    return pack


def read_key(folder: str | Path) -> dict[str, Signal]:
    """Read the key of a pack: audio file to what it is.

    Raises
    ------
    ConfigError
        Where it is missing, damaged or another pack's.
    """
    path = key_folder(Path(folder)) / "key.json"
    raw = read_json(path, f"{path} is missing: without the key nobody knows what the files of {folder} are")
    try:
        key = built(dict[str, Signal], raw)
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    for file, signal in key.items():
        if signal.role not in ("", *Role):
            raise ConfigError(f"{path}: {file} has the role {signal.role!r}, expected {', '.join(Role)} or none")
    if missing := [f for trial in read_pack(folder).trials for f in trial.stimuli if f not in key]:
        raise ConfigError(f"the key of {folder} lacks {missing[0]}: it belongs to another pack")
    return key


def _check(pack: Pack, folder: Path) -> None:
    where, trials, tasks = folder / "pack.json", {t.id: t for t in pack.trials}, {t.name for t in pack.tasks}
    for file in pack.files():
        if not _FILE.fullmatch(file):
            raise ConfigError(f"{where}: {file!r} is no file of a pack; expected audio/ and 13 letters and digits")
        if not (folder / file).is_file():
            raise ConfigError(f"{folder / file} is missing; make the pack again")
    for trial in pack.trials:
        if trial.kind not in list(Kind) or trial.task not in tasks or not trial.stimuli:
            raise ConfigError(f"{where}: trial {trial.id} has kind {trial.kind!r} and task {trial.task!r}")
    for number, steps in enumerate(pack.configurations):
        for step in steps:
            known = trials.get(step.trial)
            if known is None or sorted(step.stimuli) != list(range(len(known.stimuli))):
                raise ConfigError(f"{where}: configuration {number} does not fit trial {step.trial}")
    if not pack.configurations or not trials.keys() >= set(pack.training):
        raise ConfigError(f"{where}: has no configuration, or a training page that is no trial")
