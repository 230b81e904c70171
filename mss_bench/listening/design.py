"""The design of a test: one YAML file.

.. code-block:: yaml

    name: demo_vocals             # names the pack
    protocol: mushra              # mushra, peass, two_attributes, remix, preference, votes, abx, acr, dcr
    run: runs/demo                # the finished run that the systems come from
    target: vocals
    systems: [repet_sim, hpss_vocals, irm]      # labels as in the run's tables; default: all that deliver the target
    excerpts:
      count: 6                    # items
      seconds: 8
      rule: active                # all sources active, or: disagree (metrics disagree most), given
      given: {"Song A": 31.5}     # start in seconds, for rule: given
    anchors: [lowpass_3500]       # default: those of the protocol's tasks
    remix_db: [6, -6]             # gains of the target, for protocol: remix
    loudness:
      lufs: -24                   # of every reference
      mode: match                 # match: each signal to its reference's loudness; preserve: the reference's gain
    listeners: 24                 # configurations that are prepared
    trials: 30                    # most that one listener is asked; balanced incomplete blocks beyond that
    replicates: 1                 # trials repeated for each listener
    seed: 0
    language: de                  # of the listeners' pages: en, de, or a YAML file with the texts of another
    title: Stimmen                # and instructions, consent (texts), contact (an address, or a sentence)
    tasks:                        # questions and the words of their scales, lowest first, in place of the protocol's
      quality:
        question: How similar is each sound to the reference?
        labels: [not at all, slightly, moderately, very, identical]
    questionnaire:                # default: device, room, experience, hearing, remarks; [] asks nothing
      - device
      - {name: age, question: "How old are you?", kind: number, low: 18, high: 120}
      - {name: choir, question: "Do you sing in a choir?", kind: choice, choices: ["yes", "no"]}
      - {name: tired, question: "How tired are you?", kind: scale, points: 5, labels: [not at all, very]}
      - {name: remarks, question: "Anything else?", required: false}
    appearance:
      logo: lab.svg               # PNG, JPEG or SVG of at most 100 kB
      laboratory: Audio Lab       # what the logo says
      light: {accent: "#7a1f5c"}  # text, background, accent; a contrast below 4.5 is refused
      dark: {accent: "#e79bcb"}
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mss_bench.core.config import load_yaml, plain_name
from mss_bench.core.parameters import Parameterized, RefusedError, check, param
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.listening.appearance import Appearance
from mss_bench.listening.catalogue import LANGUAGES, read_catalogue
from mss_bench.listening.protocols import PROTOCOLS, Kind, Task
from mss_bench.listening.questionnaire import Item, Question
from mss_bench.listening.stimuli import ANCHORS

__all__ = ["Excerpts", "Loudness", "TestDesign", "Wording", "read_design"]

_MOST_BANDS = 10  # of a continuous scale: more words than that nobody reads


class Excerpts(Parameterized):
    """Which parts of which tracks are listened to; the rules are explained in `mss_bench.listening.excerpts`."""

    count: int = param(6, at_least=1, at_most=1000, doc="Items; with ``rule: given`` as many as are given.")
    seconds: float = param(8.0, at_least=1, unit="s", doc="Length of an excerpt; a protocol has a longest one.")
    rule: Literal["active", "disagree", "given"] = param("active", doc="How excerpts are chosen.")
    given: dict[str, float] = param({}, doc="Track to the start of its excerpt in seconds, for ``rule: given``.")

    @check("given")
    def _starts(self) -> None:
        for track, start in self.given.items():
            if start < 0:
                raise ConfigError(f"given: {track} starts at {start:g} s; expected 0 or more")

    @check("rule", "given")
    def _given_by_rule(self) -> None:
        if (self.rule == "given") != bool(self.given):
            raise ConfigError("rule: given and the mapping given: {track: start} belong together")

    def setup(self) -> None:
        self.count = len(self.given) or self.count


class Loudness(Parameterized):
    """How loud signals are made."""

    lufs: float = param(-24.0, at_least=-60, at_most=-10, unit="LUFS", doc="Loudness of every reference, BS.1770-4.")
    mode: Literal["match", "preserve"] = param(
        "match", doc="``match`` gives each signal its reference's loudness, ``preserve`` the reference's gain."
    )


class Wording(Parameterized):
    """A question in words of one's own, and those of its scale, which must fit it."""

    question: str = param(doc="What listeners are asked.")
    labels: tuple[str, ...] = param((), doc="Words of its scale, from the lowest up; none where a sound is chosen.")


class TestDesign(Parameterized):
    """A test as its file describes it."""

    __test__ = False  # not a test of pytest's
    _REMIX_DB = (6.0, 12.0, -6.0, -12.0)

    name: str = param(doc="Names the pack.")
    protocol: str = param(choices=tuple(PROTOCOLS), doc="How listeners are asked.")
    run: Path = param(doc="The finished run that the systems come from, relative to the test's file.")
    target: str = param(doc="The target that is listened to.")
    systems: tuple[str, ...] = param((), doc="Separators as the run's tables name them; all by default.")
    excerpts: Excerpts = param(Excerpts(), doc="Which parts of which tracks.")
    anchors: tuple[str, ...] | None = param(
        None, choices=tuple(ANCHORS), doc="Anchors; by default those of the protocol's tasks."
    )
    remix_db: tuple[float, ...] = param(
        _REMIX_DB, at_least=-40, at_most=40, unit="dB", doc="Gains of the target in the protocol ``remix``."
    )
    loudness: Loudness = param(Loudness(), doc="How loud signals are made.")
    listeners: int = param(24, at_least=1, at_most=10_000, doc="Configurations that are prepared.")
    trials: int = param(30, at_least=1, at_most=1000, doc="Most that one listener is asked, replicates aside.")
    replicates: int = param(
        1, at_least=0, at_most=100, doc="Trials repeated for each listener (default: 1 of sliders, else 0)."
    )
    seed: int = param(0, at_least=0, at_most=2**63, doc="Of excerpts, anchors, and which listener hears which items.")
    language: str = param("en", doc="Of the listeners' pages: en, de, or a YAML file with the texts of another.")
    title: str = param("", doc="What listeners read on top of each page.")
    instructions: str = param("", doc="What listeners read at the beginning; by default the protocol is explained.")
    consent: str = param("", doc="What listeners agree to; by default a short text in their language.")
    contact: str = param("", doc="Whom listeners may write to, e.g. an address; shown where something went wrong, too.")
    tasks: dict[str, Wording] = param({}, doc="Questions and scales in place of the protocol's, by task.")
    # None first, as kinds are tried in order: a name alone stands for a list of one, and nothing is no name.
    questionnaire: None | tuple[Item, ...] = param(  # noqa: RUF036
        None, doc="Questions at the end, in place of the usual ones."
    )
    appearance: Appearance = param(Appearance(), doc="Logo and colours of the listeners' pages.")

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what every parameter is where it is left out: pairs and single grades are not repeated."""
        sliders = "protocol" not in given or PROTOCOLS[given["protocol"]].kind is Kind.MULTI
        return super().defaults(given) | {"replicates": int(sliders)}

    @check("name")
    def _name_of_a_folder(self) -> None:
        try:
            plain_name(self.name, "listening test")
        except ConfigError as error:
            raise ConfigError(f"name: {error}") from None

    @check("target")
    def _target(self) -> None:
        if not self.target.strip():
            self.refuse("target", "the name of a target")

    @check("systems")
    def _different_systems(self) -> None:
        if len(set(self.systems)) < len(self.systems):
            self.refuse("systems", "each name once")

    @check("anchors")
    def _different_anchors(self) -> None:
        if self.anchors and len(set(self.anchors)) < len(self.anchors):
            self.refuse("anchors", "each name once")

    @check("anchors", "protocol")
    def _anchors_of_sliders(self) -> None:
        if self.anchors and PROTOCOLS[self.protocol].kind is not Kind.MULTI:
            raise ConfigError(f"anchors stand among sliders, and the protocol {self.protocol} has none")

    @check("remix_db", "protocol")
    def _remix(self) -> None:
        if not self.remix_db:
            self.refuse("remix_db", "at least one gain")
        if self.remix_db != self._REMIX_DB and self.protocol != "remix":
            raise ConfigError(f"remix_db belongs to the protocol remix, this is {self.protocol}")

    @check("tasks", "protocol")
    def _wordings(self) -> None:
        known = {task.name: task for task in PROTOCOLS[self.protocol].tasks}
        for name, wording in self.tasks.items():
            if name not in known:
                raise RefusedError("tasks", str(UnknownNameError(f"task of {self.protocol}", name, known)))
            task = known[name]
            grades = round(task.high - task.low) + 1
            graded = PROTOCOLS[self.protocol].kind is not Kind.MULTI
            fits = len(wording.labels) == grades if graded else 2 <= len(wording.labels) <= _MOST_BANDS
            if not (fits if task.scale else not wording.labels):
                expected = f"{grades} labels" if graded else f"2 to {_MOST_BANDS} labels"
                raise RefusedError(
                    "tasks", f"{name} has a question of its own and {len(wording.labels)} labels; expected "
                    f"{expected if task.scale else 'none'}, so that the words of the scale fit the question",
                )  # fmt: skip

    @check("questionnaire")
    def _different_questions(self) -> None:
        names = [item.name for item in self.questionnaire or ()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise RefusedError("questionnaire", f"two questions are called {twice}; expected each name once")

    @check("excerpts", "protocol")
    def _length(self) -> None:
        seconds, chosen = self.excerpts.seconds, PROTOCOLS[self.protocol]
        if seconds > chosen.seconds:
            raise ConfigError(f"seconds of excerpts is {seconds:g}; {chosen.title} takes 1 to {chosen.seconds:g} s")

    def setup(self) -> None:
        self.procedure = PROTOCOLS[self.protocol]
        self.catalogue = read_catalogue(self.language)
        self.look = self.appearance.look()

    def asked(self, task: Task) -> tuple[str, list[str]]:
        """Return what listeners are asked, and the words of the scale."""
        if own := self.tasks.get(task.name):
            return own.question, list(own.labels)
        words = self.catalogue.words(f"scales.{task.scale}") if task.scale else []
        return self.catalogue.text(f"questions.{self.protocol}.{task.name}"), words

    def questions(self) -> list[Question] | None:
        """Return what is asked at the end; None for what is asked anyway."""
        return None if self.questionnaire is None else [item.written(self.catalogue) for item in self.questionnaire]

    def described(self) -> dict[str, Any]:
        """Return the design as plain data, for a pack's manifest."""
        parts = {"excerpts": self.excerpts.values(), "loudness": self.loudness.values()}
        # What listeners read is in the pack itself.
        pages = ("title", "instructions", "consent", "contact", "tasks", "questionnaire", "appearance")
        plain = {name: value for name, value in self.values().items() if name not in pages}
        return plain | parts | {"run": self.run.name, "language": self.catalogue.language}


def read_design(path: str | Path) -> TestDesign:
    """Read the file of a test.

    Raises
    ------
    ConfigError
        Unknown keys, wrong types, values out of range; with file and line.
    """
    written = load_yaml(path)
    for name, kept in (("run", ()), ("language", LANGUAGES)):
        if isinstance(written.get(name), str) and written[name] not in kept:
            written[name] = str(Path(path).parent / written[name])
    look = written.get("appearance")
    if isinstance(look, dict) and isinstance(look.get("logo"), str) and look["logo"]:
        look["logo"] = str(Path(path).parent / look["logo"])
    return TestDesign.from_mapping(written, "a listening test")
