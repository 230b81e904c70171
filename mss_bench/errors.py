"""Errors of mss_bench.

Every message says what was given, what was expected and what to do. The command line prints the message of an
`MssBenchError` alone; anything else is a defect and keeps its traceback.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = [
    "AudioError",
    "ConfigError",
    "DatasetError",
    "InvalidOutputError",
    "MissingDependencyError",
    "MssBenchError",
    "RunError",
    "SeparatorCrashError",
    "SeparatorError",
    "SeparatorTimeoutError",
    "UnknownNameError",
    "nearest",
]


class MssBenchError(Exception):
    """Base class of errors that the user can fix."""


class ConfigError(MssBenchError):
    """A configuration file, command-line value or parameter is wrong."""


class UnknownNameError(ConfigError):
    """A name that is not registered; the message lists what is near.

    Parameters
    ----------
    kind : str
        What was looked up, in the singular: "separator", "metric", "data set".
    name : str
        The name as given.
    known : iterable of str
        The names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(set(known))
        near = nearest(name, self.known)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(self.known) or 'none'}"
        super().__init__(f"{unknown(kind, name)}; {hint}")


def unknown(kind: str, name: str) -> str:
    """Say that a name is not known: ``unknown metric 'x'``, but ``separator hpss has no parameter 'x'``."""
    part, _, owner = kind.partition(" of ")
    return f"{owner} has no {part} {name!r}" if part in ("key", "option", "parameter") else f"unknown {kind} {name!r}"


def nearest(name: str, known: Iterable[str], cutoff: float = 0.65) -> list[str]:
    """Return the names that a mistyped one may have meant, the nearest first; none where nothing is much like it."""
    spelt = {each.lower(): each for each in sorted(known, reverse=True)}
    scored = [(_likeness(name.lower(), each), each) for each in spelt]
    best = max(scored, default=(0.0, ""))[0]
    # What is much less alike than the best match only distracts from it.
    return [spelt[each] for score, each in sorted(scored, reverse=True) if score >= max(cutoff, best - 0.1)][:3]


def _likeness(typed: str, known: str) -> float:
    """Return how alike two names are, from 0 to 1."""
    typed, known = typed.lstrip("-"), known.lstrip("-")  # dashes are in every option, and say nothing
    ratio = difflib.SequenceMatcher(None, known, typed).ratio()
    swapped = sorted(re.split("[-_ ]", typed)) == sorted(re.split("[-_ ]", known))
    shortened = len(typed) > 2 and known.startswith(typed)
    return max(ratio, 0.9 * swapped, 0.7 * shortened)


class AudioError(MssBenchError):
    """An audio file or array is missing, damaged or not what was declared."""


class DatasetError(MssBenchError):
    """A data set cannot be found or read as declared."""


class InvalidOutputError(MssBenchError):
    """A separator returned something that breaks its contract."""


class MissingDependencyError(MssBenchError):
    """An optional package or program is needed and absent.

    Parameters
    ----------
    what : str
        The missing package or program.
    needed_for : str
        What asked for it.
    install : str
        How to get it, e.g. ``pip install 'mss-bench[onnx]'``.
    """

    def __init__(self, what: str, needed_for: str, install: str) -> None:
        super().__init__(f"{needed_for} needs {what}, which is not installed; install it with: {install}")


class SeparatorError(MssBenchError):
    """What a separator has in another process, an interpreter or a program, has failed."""


class SeparatorCrashError(SeparatorError):
    """The other process has died.

    Parameters
    ----------
    what : str
        Which process it was.
    cause : str
        How it ended: "was killed by SIGSEGV".
    """

    def __init__(self, what: str, cause: str) -> None:
        self.cause = cause
        super().__init__(f"{what} {cause}")


class SeparatorTimeoutError(SeparatorError):
    """The other process took too long and was killed."""


class RunError(MssBenchError):
    """A run cannot be planned, resumed or read."""
