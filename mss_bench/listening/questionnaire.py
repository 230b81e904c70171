"""The questions at the end of a session: those that are always asked, and a test's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from mss_bench.core.parameters import Parameterized, check, param
from mss_bench.errors import ConfigError
from mss_bench.listening.catalogue import Catalogue

__all__ = ["STANDARD", "Item", "Question", "QuestionKind", "standard"]

QuestionKind = Literal["text", "choice", "number", "scale"]
STANDARD: dict[str, QuestionKind] = {
    "device": "choice", "room": "choice", "experience": "choice", "hearing": "choice", "remarks": "text",
}  # fmt: skip
"""The questions that are asked where a test names none of its own; their texts are the catalogue's."""

_NAME = re.compile("[a-z][a-z0-9_]{0,39}")
_TAKEN = (
    "listener", "way", "stage", "trials", "asked", "complete", "excluded", "started", "finished", "level_db",
    "failed_headphone_checks", "name",
)  # columns of the table of listeners  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A question as a pack has it.

    Parameters
    ----------
    name : str
        Column in the table of listeners.
    kind : str
        ``"text"``, ``"choice"``, ``"number"`` or ``"scale"``.
    question : str
    required : bool
    choices, values : list of str
        What can be chosen, as it is shown and as it is stored.
    low, high : float, optional
        Bounds of a number.
    """

    name: str
    kind: QuestionKind
    question: str
    required: bool
    choices: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    low: float | None = None
    high: float | None = None


class Item(Parameterized):
    """A question of a test's own, or, by its name alone, one of those that are asked anyway."""

    name: str = param(doc="Column in the table of listeners.")
    question: str = param("", doc="What is asked; nothing for device, room, experience, hearing and remarks.")
    kind: QuestionKind = param("text", doc="How it is answered.")
    choices: tuple[str, ...] = param((), doc="Answers of a ``choice``.")
    points: int = param(5, at_least=2, at_most=11, doc="Points of a ``scale``, stored as 1, 2, ...")
    labels: tuple[str, ...] = param((), doc="Words at both ends of a ``scale``, or at each point of it.")
    low: float | None = param(None, doc="Least ``number`` that is taken.")
    high: float | None = param(None, doc="Largest ``number`` that is taken.")
    required: bool = param(True, doc="Whether it must be answered; not those of kind ``text`` that are asked anyway.")

    @classmethod
    def from_parameter(cls, value: Any) -> Self:
        """Make a question of a mapping, or of the name of one that is asked anyway."""
        if isinstance(value, Mapping):
            return cls.from_mapping(value, "a question")
        return value if isinstance(value, cls) else cls(name=value)

    @check("name")
    def _named(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in _TAKEN:
            self.refuse("name", f"small letters, digits and _, none of {', '.join(_TAKEN)}")

    @check("name", "question")
    def _asked(self) -> None:
        if not self.question and self.name not in STANDARD:
            raise ConfigError(f"{self.name} has no question; only {', '.join(STANDARD)} come with one")

    @check("kind", "choices", "labels", "low", "high", "points")
    def _fits_its_kind(self) -> None:
        if self.kind == "choice" and len(set(self.choices)) < max(2, len(self.choices)):
            self.refuse("choices", "two or more different answers, as kind is choice")
        if self.kind == "scale" and len(self.labels) not in (2, self.points):
            self.refuse("labels", f"2 or {self.points} words, for the ends or the points of a scale")
        if self.low is not None and self.high is not None and self.low >= self.high:
            self.refuse("low", "less than high")
        own = {"choices": "choice", "labels": "scale", "low": "number", "high": "number"}
        for name, kind in own.items():
            if getattr(self, name) not in ((), None) and self.kind != kind:
                raise ConfigError(f"{name} belongs to kind: {kind}, this is {self.kind}")

    def written(self, catalogue: Catalogue) -> Question:
        """Return the question as a pack has it."""
        if not self.question:
            return standard(self.name, catalogue)
        shown, values = list(self.choices), list(self.choices)
        if self.kind == "scale":
            values = [str(point + 1) for point in range(self.points)]
            shown = list(self.labels)
            if len(shown) < self.points:
                shown = [shown[0], *values[1:-1], shown[1]]
        return Question(self.name, self.kind, self.question, self.required, shown, values, self.low, self.high)


def standard(name: str, catalogue: Catalogue) -> Question:
    """Return a question that is asked anyway; what is stored of it is English in every language."""
    kind, key = STANDARD[name], f"questionnaire.{name}"
    if kind == "text":
        return Question(name, kind, catalogue.text(key), required=False)
    shown, stored = catalogue.words(f"{key}_choices"), Catalogue().words(f"{key}_choices")
    return Question(name, kind, catalogue.text(key), required=True, choices=shown, values=stored)
