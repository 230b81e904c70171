"""Paths of audio files read as track and target: folder layouts of the tools, patterns, and spellings of targets.

A pattern describes a file's path below the folder of estimates or references, with ``/`` between folders:

- ``{track}``, ``{target}``, ``{subset}``, ``{model}``: the track's name, a target (any spelling of it), the track's
  subset, anything that names a model. A placeholder used twice stands for the same text.
- ``{target:vocals|drums}``: only these texts. ``{wav|flac}``: one of these texts.
- ``*``, ``?``, ``[...]`` within a name and ``**`` for any number of folders, as in a shell.
- Without the extension of an audio file at its end, any of them is taken (`mss_bench.core.names.EXTENSIONS`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from mss_bench.core.names import EXTENSIONS, MIXTURES, NUMBER, POSSIBLE, SYNONYMS, nfc, spelling_key, unnumbered
from mss_bench.core.tracks import Targets
from mss_bench.errors import ConfigError

__all__ = [
    "LAYOUTS", "SUBSETS", "Layout", "TargetNames", "any_spelling", "further_stems", "translate", "user_layout",
]  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """A named pattern."""

    name: str
    pattern: str


_NUMBERS = ("", "[0-9]_", "[0-9][0-9]_", "[0-9][0-9][0-9]_")  # UVR numbers the files of a batch
_FLAT = (
    *(f"{number}{{track}}{end}" for number in _NUMBERS for end in (" ({target})", "_({target})", "_({target})_*")),
    "{track} ({target})_*",
    "{track}({target})",
    *(f"{{track}}{between}{{target}}" for between in (" - ", "_", ".", "-", "__", " ")),
    *(f"{{track}}{between}[{{target}}]" for between in (" ", "_", "")),
    *(f"{{target}}{between}{{track}}" for between in (" - ", "_", ".", "-", " ")),
    "({target}) {track}",
    "[{target}] {track}",
)
_BY_TOOL = {
    "museval": ("{subset}/{track}/{target}", "{track}/{target}"),
    "Demucs": ("{model}/{track}/{target}", "{model}/{subset}/{track}/{target}", "{subset}/{model}/{track}/{target}"),
    "Open-Unmix": ("{track}_{umx|umxhq|umxl|umxse}/{target}",),
    "flat": (
        *(folder + name for folder in ("", "{subset}/", "{model}/", "{track}/") for name in _FLAT),
        "{track}/*({target})*",
    ),
    "stem folders": (
        "{target}/{track}",
        "{subset}/{target}/{track}",
        "{target}/{subset}/{track}",
        "{model}/{target}/{track}",
    ),
}
LAYOUTS = tuple(Layout(tool, pattern) for tool, patterns in _BY_TOOL.items() for pattern in patterns)
"""The recognised layouts in the order in which they are tried; a file belongs to the first that fits."""

SUBSETS = ("train", "test", "valid", "validation", "dev")
"""A folder of this name is a part of a data set, never a model."""

_TOKEN = re.compile(r"\{(?P<brace>[^{}]*)\}|(?P<deep>\*\*/?)|(?P<star>\*)|(?P<any>\?)|(?P<set>\[!?[^\]/{}]+\])")
_PLACEHOLDERS = ("track", "target", "subset", "model")


class TargetNames:
    """Which target of a data set a text in a file's name means.

    Parameters
    ----------
    targets : Targets
    further : sequence of str
        Stems that are meant, too, though the data set does not have them. Nothing else ever is.
    """

    def __init__(self, targets: Targets, further: Sequence[str] = ()) -> None:
        words = [*MIXTURES, *(word for word, meaning in POSSIBLE.items() if meaning == "mixture")]
        self._meaning: dict[str, str | None] = {spelling_key(word): None for word in words}
        known: dict[str, str] = {}
        for synonyms in SYNONYMS.values():
            keys = [spelling_key(s) for s in synonyms]
            if meant := next((t for t in (*targets, *further) if spelling_key(t) in keys), None):
                known |= dict.fromkeys(keys, meant)
                words += synonyms
        known |= {spelling_key(name): name for name in (*targets, *further)}
        # Of the data set's own names any two letters may stand apart: a target leadvocals, a file lead_vocals.
        words += [" ".join(spelling_key(name)) for name in (*targets, *further)]
        # "no_vocals" is the target that sums every other stem; where the data set has none it is no estimate of it.
        for key, target in known.items():
            rest = set(targets.stems) - set(targets.get(target, targets.stems))
            self._meaning["no" + key] = next((t for t in targets if set(targets[t]) == rest), None)
        self._meaning.update(known)
        self._words = [*words, *(f"no {word}" for word in words)]

    def resolve(self, text: str) -> str | None:
        """Return the target, or None where the text does not name one."""
        return self._meaning.get(self._key(text))

    def knows(self, text: str) -> bool:
        """Return whether a text names a target, or what tools write beside the estimates, e.g. the mixture."""
        return self._key(text) in self._meaning

    def _key(self, text: str) -> str:
        key = spelling_key(text)
        return key if key in self._meaning else spelling_key(unnumbered(text))

    def expression(self) -> str:
        """Return a regular expression of every known spelling."""
        return any_spelling(self._words)


def any_spelling(words: Iterable[str]) -> str:
    """Return a regular expression of words, any capitals, and any of hyphen, space and underscore or none between."""
    parts = {tuple(re.split(r"[-_\s]+", nfc(word))) for word in words}
    longest_first = sorted(parts, key=lambda own: (-len("".join(own)), own))
    return "(?i:" + "|".join(r"[-_ ]*".join(map(re.escape, own)) for own in longest_first) + ")"


def further_stems(targets: Targets, sources: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the usual stems that a data set does not have, after further names that are looked for."""
    named = [name for name in sources if name not in targets]
    taken = {spelling_key(name) for name in (*targets, *named)}
    usual = [name for name, words in SYNONYMS.items() if not taken & {*map(spelling_key, words)}]
    return tuple(dict.fromkeys([*named, *usual]))


def user_layout(pattern: str) -> Layout:
    """Return the layout of a pattern that a user gave.

    Raises
    ------
    ConfigError
        When the pattern leaves its folder, or does not tell tracks or targets apart, or has an unknown placeholder.
    """
    path = PurePosixPath(pattern)
    if path.is_absolute() or ".." in path.parts or "\\" in pattern:
        raise ConfigError(
            f"pattern {pattern!r} leaves the folder of the estimates; expected a path below it, with / between folders"
        )
    for needed in ("track", "target"):
        if not re.search(rf"\{{{needed}[:}}]", pattern):
            raise ConfigError(f"pattern {pattern!r} has no {{{needed}}}; expected one like {{track}}/{{target}}.wav")
    translate(pattern)
    return Layout(f"pattern {pattern}", str(path))


@lru_cache(maxsize=1024)
def translate(
    pattern: str,
    tracks: tuple[str, ...] | None = None,
    subsets: tuple[str, ...] | None = None,
    target: str | None = None,
) -> re.Pattern[str]:
    """Return a pattern as a regular expression over relative paths in composed form.

    Parameters
    ----------
    pattern : str
    tracks, subsets : tuple of str, optional
        The names that ``{track}`` and ``{subset}`` can be; without them, any. With them the split of
        ``A_B_vocals.wav`` into track and target has one answer.
    target : str, optional
        The expression for ``{target}``; without it, any text.

    Raises
    ------
    ConfigError
        Unknown placeholder.
    """
    models = "|".join(map(re.escape, {*SUBSETS, *(subsets or ())}))
    meanings = {
        "track": _names(tracks, "[^/]+?"),
        "target": target or "[^/]+?",
        "subset": _names(subsets, "[^/]+?"),
        "model": rf"(?!(?:{models})/)[^/]+?",
    }
    pattern, extension = _split_extension(pattern)
    if target and pattern.endswith("/{target}"):  # elsewhere the number may belong to the track's name
        meanings["target"] = f"(?:{NUMBER})?{target}"
    parts, end, used = [], 0, set()
    for token in _TOKEN.finditer(pattern):
        parts.append(re.escape(pattern[end : token.start()]))
        end = token.end()
        if token["brace"] is None:
            parts.append(_glob(token))
            continue
        name, colon, texts = token["brace"].partition(":")
        if name in _PLACEHOLDERS:
            meaning = f"(?i:{_names(tuple(texts.split('|')), '')})" if colon else meanings[name]
            # Demucs names a folder after its input, so that a stem file leaves the first part of its extension.
            suffix = r"(?:\.stem(?:\.mp4)?)?" if name == "track" else ""
            parts.append(f"(?P={name})" if name in used else f"(?P<{name}>{meaning}){suffix}")
            used.add(name)
        elif "|" in name:
            parts.append(f"(?:{_names(tuple(name.split('|')), '')})")
        else:
            raise ConfigError(
                f"pattern {pattern!r}: {token[0]} is no placeholder; known: "
                f"{', '.join('{' + p + '}' for p in _PLACEHOLDERS)} and alternatives like {{wav|flac}}"
            )
    parts.append(re.escape(pattern[end:]))
    return re.compile("".join(parts) + extension)


def _split_extension(pattern: str) -> tuple[str, str]:
    """Return a pattern without the extension that it ends with, and the regular expression of the extension."""
    body, dot, last = pattern.rpartition(".")
    texts = last.removeprefix("{").removesuffix("}").split("|")
    if dot and "/" not in last and (last in ("*", "*?") or all(f".{text}".lower() in EXTENSIONS for text in texts)):
        return body, r"\.[^./]+" if "*" in last else rf"\.(?i:{_names(texts, '')})"
    # A dot before {target} is part of the name.
    return pattern, f"(?i:{'|'.join(map(re.escape, EXTENSIONS))})"


def _names(names: Iterable[str] | None, otherwise: str) -> str:
    # The longest first: "Song 2" before "Song".
    return otherwise if names is None else "|".join(re.escape(nfc(n)) for n in sorted(names, key=len, reverse=True))


def _glob(token: re.Match[str]) -> str:
    if token["set"]:
        inner = token["set"][1:-1].replace("\\", "\\\\").replace("[", r"\[").replace("^", r"\^")
        return f"[^{inner[1:]}/]" if inner.startswith("!") else f"[{inner}]"
    if token["deep"]:
        return "(?:[^/]+/)*?" if token["deep"].endswith("/") else ".*?"
    # As little as will do: in "*_{target}" the text no_vocals is the target, not "..._no" and vocals.
    return "[^/]*?" if token["star"] else "[^/]"
