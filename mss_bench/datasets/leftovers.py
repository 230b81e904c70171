"""Find audio files of a data set that no track uses, and patterns that match no file.

Either can change every score without an error: a mixture that is summed from the stems lacks a file, or a stem does.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.core.findings import Severity
from mss_bench.core.listing import audio_files, matching
from mss_bench.core.names import EXTENSIONS, known_stem, nfc, spellings, without_extension
from mss_bench.core.tracks import Track

if TYPE_CHECKING:
    from mss_bench.datasets.base import Dataset

__all__ = ["Leftover", "idle_patterns", "leftovers", "notices"]

_MAX_NOTICES = 5


@dataclass(frozen=True)
class Leftover:
    """An audio file that no track uses.

    Parameters
    ----------
    severity : str
        ``error`` where the file may well be a part of a stem.
    subset, track : str
        The track in whose folder it lies; `track` is empty where it lies in none's.
    part : str
        Path below that folder.
    message : str
    """

    severity: Severity
    subset: str
    track: str
    part: str
    message: str


def leftovers(dataset: Dataset, tracks: Sequence[Track]) -> list[Leftover]:
    """Return the audio files in or next to track folders that no track uses.

    Parameters
    ----------
    dataset : Dataset
    tracks : sequence of Track
        The folders of the data set's other tracks are not searched.
    """
    if not dataset.has_root:  # made by the package
        return []
    found = []
    for subset in dict.fromkeys(track.id.subset for track in tracks):
        asked = {track.name for track in tracks if track.id.subset == subset}
        everything = dataset.found(subset)
        real: dict[str, str] = {}  # folders, each where it really lies
        read: dict[str, set[str]] = {}  # the names that are read in each real folder
        for file in (file for track in everything for file in track.files()):
            folder, name = _place(file, real)
            read.setdefault(folder, set()).add(name)
        others = {track.name for track in everything} - asked
        others |= {track.name for track in everything if "unreadable" in track.facts}  # reported when it is read
        for root in dataset.roots(subset):
            listing = audio_files(root, leave_out=others)
            for path in [*listing.files, *listing.refused]:
                folder, name = _place(os.path.join(root, path), real)
                if name in read.get(folder, ()):
                    continue
                first, _, rest = path.partition("/")
                track, part = (first, rest) if rest and first in asked else ("", path)
                if _ignored(dataset, path, part):
                    continue
                if root / path in dataset.left_out:
                    found.append(Leftover("warning", subset, track, part, dataset.left_out[root / path]))
                    continue
                severity, message = _judge(dataset, root / path, track, part, read)
                message = listing.refused.get(path, message)
                found.append(Leftover(severity, subset, track, part, message))
    return found


def idle_patterns(dataset: Dataset, tracks: Sequence[Track]) -> dict[str, str]:
    """Return the patterns that match no file of any track, each with its stem; none where no pattern matches at all."""
    subsets = dict.fromkeys(track.id.subset for track in tracks)
    everything = [track for subset in subsets for track in dataset.find(subset) if track.reader is None]
    folders = [root / track.name for track in everything for root in dataset.roots(track.id.subset)]
    idle: dict[str, str] = {}
    used = False
    for stem, patterns in dataset.stems.items():
        # vocals.wav and vocals.flac are alternatives: one of them is enough.
        forms: dict[str, list[str]] = {}
        for pattern in patterns:
            forms.setdefault(without_extension(pattern), []).append(pattern)
        for alike in forms.values():
            if any(matching(folder, pattern) for folder in folders for pattern in alike):
                used = True
            else:
                idle[alike[0]] = stem
    return idle if used else {}  # the layout finds its files without patterns


def notices(dataset: Dataset, tracks: Sequence[Track]) -> list[str]:
    """Return the notices of a run about files that it does not use, one line for files of the same name."""
    alike: dict[tuple[str, str], list[Leftover]] = {}
    for leftover in leftovers(dataset, tracks):
        if leftover.severity != "note":
            alike.setdefault((leftover.part if leftover.track else "", leftover.message), []).append(leftover)
    lines = []
    for (_, message), group in alike.items():
        first = group[0]
        more = f" and {len(group) - 1} more" if len(group) > 1 else ""
        where = "/".join(filter(None, (first.subset, first.track, first.part)))
        grave = "; an error: scores are of other stems than these files make" if first.severity == "error" else ""
        lines.append(f"data set {dataset.name}: not read: {where}{more}: {message}{grave}")
    if len(lines) > _MAX_NOTICES:
        rest = f"data set {dataset.name}: and {len(lines) - _MAX_NOTICES} more; mss-bench datasets check lists them"
        lines[_MAX_NOTICES:] = [rest]
    return lines


def _place(file: str | Path, real: dict[str, str]) -> tuple[str, str]:
    """Return the folder in which a file really lies, and its name there, so that links to one file are the same.

    `real` remembers folders: looking for links takes a question to the system for each folder above a file.
    """
    folder, name = os.path.split(os.path.realpath(file) if os.path.islink(file) else file)
    return _real(folder, real), name


def _real(folder: str, real: dict[str, str]) -> str:
    if folder not in real:
        above, name = os.path.split(folder)
        plain = name not in ("", ".", "..") and not os.path.islink(folder)
        real[folder] = os.path.join(_real(above, real), name) if plain else os.path.realpath(folder)
    return real[folder]


def _ignored(dataset: Dataset, *paths: str) -> bool:
    return any(
        fnmatch.fnmatchcase(nfc(path).casefold(), nfc(pattern).casefold())
        for path in paths
        for pattern in dataset.ignore
    )


def _judge(dataset: Dataset, file: Path, track: str, part: str, read: dict[str, set[str]]) -> tuple[Severity, str]:
    """Return how serious it is that a file is not used, and what may have been meant."""
    base = without_extension(file.name)
    if not track:
        return "warning", f"belongs to no track; move it away{_or_ignore(dataset)}"
    folder, name = _place(file, {})
    capitals = (other for other in sorted(read.get(folder, ())) if other.casefold() == name.casefold())
    if beside := next(capitals, ""):
        return "error", f"{beside} beside it is read, which differs in capitals alone; keep the right one"
    for suffix in EXTENSIONS:
        folder, name = _place(file.with_name(base + suffix), {})
        if name in read.get(folder, ()):
            return "note", f"{base}{suffix} beside it is read"
    if known_stem(base) == "mixture":
        if dataset.mixture == "sum":
            return "warning", "a mixture, but the data set says that its mixture is the sum of the stems"
        return "warning", f"a mixture, but the data set reads {_mixture_name(dataset)}"
    for target in dataset.targets:
        if target not in dataset.targets.stems and known_stem(base) in (target, *map(known_stem, spellings(target))):
            return "note", f"{target} is the sum of {', '.join(dataset.targets[target])}"
    if dataset.layout == "references":
        return "error", "not where the stems of its track lie; move it away, or to them"
    for stem, patterns in dataset.stems.items():
        for pattern in patterns:
            if fnmatch.fnmatchcase(without_extension(part).casefold(), without_extension(pattern).casefold()):
                meant = without_extension(pattern) + file.suffix
                return (
                    "error",
                    f"{pattern!r} of stem {stem} would match if its extension were {file.suffix}; add {meant!r}",
                )
    return "error", "no pattern matches it; add one to a stem, or name it under `ignore`"


def _or_ignore(dataset: Dataset) -> str:
    return "" if dataset.layout == "references" else ", or name it under `ignore`"  # which has no entry


def _mixture_name(dataset: Dataset) -> str:
    return "mixture.wav" if dataset.mixture == "file" else dataset.mixture
