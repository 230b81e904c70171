"""What a paper calls its methods: ``nmf_supervised=NMF``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from mss_bench.errors import ConfigError, UnknownNameError

__all__ = ["Labels", "renamed"]

_EXPECTED = "NAME=TEXT of a method, as in nmf_supervised=NMF,irm:exponent=2=Oracle, or a mapping of names to texts"


@dataclass(frozen=True)
class Labels:
    """Names of methods in tables and figures, by the names that they have in a run.

    Names hold commas and equals signs where they have parameters, so that a text can only be read beside the names
    that there are: `of` does that.
    """

    by_name: Mapping[str, str] = field(default_factory=dict)
    written: str = ""  # as the command line has it

    @classmethod
    def from_parameter(cls, value: object) -> Self:
        """Read a mapping, or the texts of a command line.

        Raises
        ------
        ConfigError
            It is neither.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping) and all(isinstance(each, str) for pair in value.items() for each in pair):
            return cls(dict(value))
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, Sequence) and all(isinstance(text, str) and "=" in text for text in texts):
            return cls(written=",".join(texts))
        raise ConfigError(f"labels is {value!r}, expected {_EXPECTED}")

    def of(self, methods: Iterable[str]) -> dict[str, str]:
        """Return the labels by the full names of methods.

        Parameters
        ----------
        methods : iterable of str
            Names as in tables, with their parameters. A separator's name alone means its only variant.

        Raises
        ------
        UnknownNameError
            There is no such method.
        ConfigError
            A separator has several variants, a text is empty, or two methods would be called alike.
        """
        known: dict[str, list[str]] = {}
        for method in dict.fromkeys(methods):
            for name in {method, method.partition(":")[0]}:
                known.setdefault(name, []).append(method)
        named: dict[str, str] = {}
        for name, text in (dict(self.by_name) | _read(self.written, known)).items():
            if name not in known:
                raise UnknownNameError("separator", name, {method for each in known.values() for method in each})
            if len(known[name]) > 1 and name not in known[name]:
                raise ConfigError(f"the label of {name!r} is of {len(known[name])} methods: {', '.join(known[name])}")
            if not text.strip():
                raise ConfigError(f"the label of {name!r} is empty, expected {_EXPECTED}")
            named[name if name in known[name] else known[name][0]] = text.strip()
        shown = {method: named.get(method, method) for each in known.values() for method in each}
        for method, text in named.items():
            twins = [other for other, called in shown.items() if called == text and other != method]
            if twins:
                raise ConfigError(f"{method} and {twins[0]} would both be called {text!r}; expected different labels")
        return named


def _read(written: str, known: Iterable[str]) -> dict[str, str]:
    """Return the pairs of a text: a name that there is begins each, the next one ends it."""
    if not written:
        return {}
    names = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))  # irm:exponent=1 before irm
    begun = list(re.finditer(f"(?:^|,)\\s*({names})=", written)) if names else []
    if not begun or begun[0].start():
        return {written.partition("=")[0].strip(): "?"}  # which `Labels.of` refuses as unknown
    pairs = {}
    for match, following in zip(begun, [*begun[1:], None], strict=True):
        text = written[match.end() : following.start() if following else len(written)]
        if other := re.search(",([^,=]+)=", text):  # a text with a comma and an equals sign is a name mistyped
            return {other[1].strip(): "?"}
        pairs[match[1]] = text
    return pairs


def renamed(text: str, labels: Mapping[str, str]) -> str:
    """Return a text in which methods have their labels."""
    if not labels:
        return text
    names = "|".join(map(re.escape, sorted(labels, key=len, reverse=True)))
    return re.sub(rf"(?<![\w:])({names})(?![\w:])", lambda match: labels[match[1]], text)
