"""Every text that listeners read, by key and language.

``languages/en.yaml`` has all keys; a file in its form translates them. Placeholders such as ``{count}`` are filled in
by `Catalogue.text`, or by the player in the browser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mss_bench.core.config import ConfigMap, load_yaml
from mss_bench.core.parameters import MappingError, RefusedError
from mss_bench.errors import UnknownNameError

__all__ = ["DIRECTIONS", "LANGUAGES", "Catalogue", "Texts", "read_catalogue"]

Texts = dict[str, str | list[str]]
"""Texts by key, e.g. ``"trial.heading"``; scales and choices are lists."""

_FOLDER = Path(__file__).parent / "languages"
LANGUAGES = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))
"""The languages that come with the package."""
DIRECTIONS = ("ltr", "rtl")
_TAG = re.compile("[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # of BCP 47, near enough for a browser to take it
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Catalogue:
    """The texts of a language.

    Parameters
    ----------
    language : str
        A tag of BCP 47.
    direction : str
        ``"ltr"`` or ``"rtl"``.
    own : dict
        The texts in that language; what it lacks is English.
    """

    language: str = "en"
    direction: str = "ltr"
    own: Texts = field(default_factory=dict)

    @property
    def texts(self) -> Texts:
        """Return all texts."""
        return _english() | self.own

    @property
    def missing(self) -> list[str]:
        """Return the keys that are shown in English though the language is another."""
        return [] if self.language == "en" else [key for key in _english() if key not in self.own]

    @property
    def in_english(self) -> str:
        """Say what is shown in English though the language is another; empty where nothing is."""
        missing = self.missing
        return f"{len(missing)} texts have no translation and stay in English: {', '.join(missing)}" if missing else ""

    def text(self, key: str, **values: object) -> str:
        """Return a text with its placeholders filled in."""
        text = self.own.get(key) or _english()[key]
        assert isinstance(text, str)
        return _PLACE.sub(lambda place: str(values[place[1]]), text) if values else text

    def words(self, key: str) -> list[str]:
        """Return a list, e.g. the labels of a scale."""
        words = self.own.get(key) or _english()[key]
        assert isinstance(words, list)
        return words


@cache
def _english() -> Texts:
    return {key: value for key, value, _ in _flat(load_yaml(_FOLDER / "en.yaml"))}


def _flat(written: ConfigMap, before: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield key, value and place in the file of everything in a mapping of mappings, but its head."""
    for key, value in written.items():
        if isinstance(value, ConfigMap):
            yield from _flat(value, f"{before}{key}.")
        elif before or key not in ("language", "direction"):
            text = value.strip() if isinstance(value, str) else value
            yield f"{before}{key}", text, f"{written.source}:{written.lines[key]}"


def read_catalogue(language: str) -> Catalogue:
    """Read the texts of a language.

    Parameters
    ----------
    language : str
        One of `LANGUAGES`, or the path of a YAML file.

    Raises
    ------
    ConfigError
        No such file, or something wrong in it: an unknown key, an empty text, other placeholders than the English
        text's, a list of another length; everything with file and line.
    """
    path = _FOLDER / f"{language}.yaml" if language in LANGUAGES else Path(language)
    if not path.is_file():
        raise RefusedError(
            "language",
            f"language is {language!r}, expected {', '.join(LANGUAGES)} or a YAML file with the texts of another",
        )
    written = load_yaml(path)
    problems = [
        f"{path}:{written.lines.get(name, 1)}: {name} is {written.get(name, '')!r}, expected {expected}"
        for name, right, expected in (
            ("language", _TAG.fullmatch(str(written.get("language", ""))), "a tag of BCP 47, e.g. fr or pt-BR"),
            ("direction", written.get("direction", "ltr") in DIRECTIONS, " or ".join(DIRECTIONS)),
        )
        if not right
    ]
    own: Texts = {}
    for key, value, where in _flat(written):
        problem = _problem(key, value)
        if problem:
            problems.append(f"{where}: {problem}")
        own[key] = value
    if problems:
        raise MappingError(problems)
    tag = str(written["language"])
    return Catalogue(tag, str(written.get("direction", "ltr")), {} if path == _FOLDER / "en.yaml" else own)


def _problem(key: str, value: Any) -> str:
    """Say what is wrong with a text."""
    english = _english()
    if key not in english:
        return str(UnknownNameError("key of the catalogue", key, english))
    model = english[key]
    if isinstance(model, list):
        plain = isinstance(value, list) and len(value) == len(model) and all(isinstance(v, str) and v for v in value)
        return "" if plain else f"{key} is {value!r}, expected a list of {len(model)} texts"
    if not isinstance(value, str) or not value:
        return f"{key} is {value!r}, expected text"
    if set(_PLACE.findall(value)) != set(_PLACE.findall(model)):
        places = ", ".join(f"{{{name}}}" for name in dict.fromkeys(_PLACE.findall(model))) or "none"
        return f"{key}: the words in braces must be those of the English text: {places}"
    return ""
