"""The audio files below a folder, however the folder came together.

Links to files and folders are followed wherever they lead: annexes and second disks are everyday. Each folder is walked
once, so that a loop of links ends. What an operating system left behind is passed over (`mss_bench.core.names`).
"""

from __future__ import annotations

import fnmatch
import functools
import os
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mss_bench.core.names import EXTENSIONS, is_hidden, nfc

__all__ = ["Folders", "Listing", "as_on_disk", "audio_files", "broken_link", "is_text", "matching", "matching_any"]


@dataclass(frozen=True)
class Listing:
    """The audio files below a folder.

    Parameters
    ----------
    root : Path
    files : tuple of str
        Paths relative to the root, with ``/``, sorted.
    refused : dict of str to str
        Files and folders that cannot be read, with the reason: links that lead nowhere, no permission.
    passed_over : dict of str to str
        Links to folders that are listed already, with the reason.
    """

    root: Path
    files: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)


def audio_files(root: str | Path, leave_out: Container[str] = ()) -> Listing:
    """List the audio files below a folder, by their extensions in any capitals.

    A folder that several links lead to is listed once: where it really lies below the root, else by the first link.

    Parameters
    ----------
    root : path
    leave_out : container of str
        Names in the root that are passed over.
    """
    root = Path(root)
    files: list[str] = []
    refused: dict[str, str] = {}
    passed_over: dict[str, str] = {}
    walked: dict[tuple[int, int], str] = {}
    real, links = ["."], list[str]()  # relative to the root, as text: a data set can have a hundred thousand files
    while real or links:
        # Links wait until every real folder is known, so that a link never takes a folder's place.
        relative = real.pop() if real else links.pop(0)
        folder, is_root = os.path.join(root, relative), relative == "."
        try:
            stat = os.stat(folder)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            refused[relative] = f"cannot be opened ({error.strerror})"
            continue
        first = walked.setdefault((stat.st_dev, stat.st_ino), relative)
        if first != relative:
            loop = first == "." or relative.startswith(f"{first}/")
            passed_over[relative] = "a link back to a folder that it lies in" if loop else f"a link to {first}"
            continue
        for entry in entries:
            if is_hidden(entry.name) or (is_root and entry.name in leave_out):
                continue
            path = entry.name if is_root else f"{relative}/{entry.name}"
            if not is_text(entry.name):
                refused[path.encode(errors="backslashreplace").decode()] = "its name is not valid UTF-8; rename it"
            elif entry.is_dir():
                (links if entry.is_symlink() else real).append(path)
            elif entry.name.lower().endswith(EXTENSIONS):
                if entry.is_symlink() and not os.path.exists(entry.path):
                    refused[path] = broken_link(root / path)
                else:
                    files.append(path)
    return Listing(root, tuple(sorted(files)), refused, passed_over)


def is_text(name: str) -> bool:
    """Return whether a name can be written into a table; file systems take any bytes."""
    return not any("\udc80" <= character <= "\udcff" for character in name)


def broken_link(path: Path) -> str:
    """Say where a link leads that leads nowhere."""
    return f"a link to {path.readlink()}, which is not there; mount that disk, or get the file (git annex get)"


class Folders:
    """The names in folders, each listed once: for who asks for many patterns in a row, while nothing changes there."""

    def __init__(self) -> None:
        self._names: dict[Path, dict[str, list[str]]] = {}

    def names(self, folder: Path) -> dict[str, list[str]]:
        """Return the names in a folder by what those share that differ in capitals and Unicode's forms alone."""
        if folder not in self._names:
            alike: dict[str, list[str]] = {}
            self._names[folder] = alike
            try:
                names = sorted(entry.name for entry in os.scandir(folder))
            except OSError:
                names = []
            for name in names:
                if not is_hidden(name):
                    alike.setdefault(_folded(name), []).append(name)
        return self._names[folder]


def matching(folder: Path, pattern: str, folders: Folders | None = None) -> list[Path]:
    """Return the files below a folder that fit a glob, sorted; a name in the pattern's own capitals wins over others.

    Capitals, and Unicode's composed and decomposed forms, make no difference where nothing fits exactly. ``**`` stands
    for any number of folders. Hidden files are passed over.

    Parameters
    ----------
    folder : Path
    pattern : str
    folders : Folders, optional
        What was listed already. A data set has a dozen patterns a stem, one for each format that there is.
    """
    folders = folders or Folders()
    parts = _parts(pattern)
    alone = len(parts) == 1 and not parts[0].wild
    if alone and parts[0].folded not in folders.names(folder):  # nearly always
        return []
    paths = _named(folder, parts[0], folders) if alone else sorted(_matching(folder, parts, frozenset(), folders))
    # A link that leads nowhere is kept, so that reading it says so: annexes hold links to what was not fetched.
    return [path for path in paths if not os.path.isdir(path)]


def matching_any(folder: Path, patterns: tuple[str, ...], folders: Folders) -> list[Path]:
    """Return the files below a folder that fit any of several globs, pattern by pattern, as `matching` has them."""
    names, (plain, others) = folders.names(folder), _split(patterns)
    fit = [pattern for folded in names.keys() & plain.keys() for pattern in plain[folded]]
    if len(fit) + len(others) > 1:
        fit = sorted([*fit, *others], key=patterns.index)
    return [path for pattern in fit or others for path in matching(folder, pattern, folders)]


@functools.lru_cache(maxsize=1024)
def _split(patterns: tuple[str, ...]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the patterns that are plain names, by what they are folded to, and the others."""
    plain: dict[str, list[str]] = {}
    others: list[str] = []
    for pattern in dict.fromkeys(patterns):
        parts = _parts(pattern)
        if len(parts) == 1 and not parts[0].wild:
            plain.setdefault(parts[0].folded, []).append(pattern)
        else:
            others.append(pattern)
    return plain, others


def as_on_disk(path: Path) -> Path:
    """Return a path, or the one beside it that differs in capitals alone, where that is what is there."""
    if path.exists():
        return path
    found = _named(path.parent, _Part(path.name, _folded(path.name), False), Folders())
    return found[0] if len(found) == 1 else path


class _Part(NamedTuple):
    """What a pattern says between two slashes."""

    text: str
    folded: str
    wild: bool


@functools.lru_cache(maxsize=1024)
def _parts(pattern: str) -> list[_Part]:
    texts = [text for text in pattern.split("/") if text not in ("", ".")]
    return [_Part(text, _folded(text), any(character in text for character in "*?[")) for text in texts]


def _folded(name: str) -> str:
    return nfc(name).casefold()


def _matching(folder: Path, parts: list[_Part], above: frozenset[str], folders: Folders) -> Iterator[Path]:
    if not parts:
        yield folder
        return
    first, *rest = parts
    if first.text != "**":
        for path in _named(folder, first, folders):
            if not rest or path.is_dir():
                yield from _matching(path, rest, above, folders)
        return
    yield from _matching(folder, rest, above, folders)
    here = above | {os.path.realpath(folder)}
    for path in (folder / name for alike in folders.names(folder).values() for name in alike):
        if path.is_dir() and os.path.realpath(path) not in here:  # else a link back
            yield from _matching(path, parts, here, folders)


def _named(folder: Path, part: _Part, folders: Folders) -> list[Path]:
    """Return the entries of a folder whose names fit; for a name without wildcards the exact one, if there is."""
    names = folders.names(folder)
    if part.wild:
        alike = [name for folded, same in names.items() if fnmatch.fnmatchcase(folded, part.folded) for name in same]
    else:
        alike = names.get(part.folded, [])
        alike = [part.text] if part.text in alike else alike
    return [folder / name for name in alike]
