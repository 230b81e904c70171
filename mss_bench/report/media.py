"""Excerpts that a run kept to be heard and seen, read from ``media.json``; no sound is opened."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mss_bench.core.files import read_json
from mss_bench.core.schema import MEDIA_VERSION
from mss_bench.errors import RunError

__all__ = ["EVERY", "Excerpt", "Sound", "Target", "TrackMedia", "read_media"]


EVERY = "all"
"""Stands for the names of all tracks, where pages of them are asked for."""


@dataclass(frozen=True)
class Sound:
    """A mixture, a reference or an estimate; `value` is the median of its frames' scores in the excerpt."""

    name: str
    role: str
    audio: Path
    picture: Path
    gain_db: float  # by which it was made quieter so as not to clip
    oracle: bool
    value: float | None
    loudness: float | None  # in LUFS; None where it is silent or unknown
    wave: str  # peaks, each a digit of base 36; empty in media of version 1


@dataclass(frozen=True)
class Excerpt:
    """The best, worst or most disagreeing seconds of a target."""

    kind: str
    start: float
    seconds: float
    value: float | None
    sounds: list[Sound]


@dataclass(frozen=True)
class Target:
    """The excerpts of a target, decided by a metric."""

    target: str
    group: str
    metric: str
    unit: str
    deciding: int  # methods that decided
    excerpts: list[Excerpt]


@dataclass(frozen=True)
class TrackMedia:
    """The excerpts that a run kept of a track."""

    dataset: str
    subset: str
    track: str
    targets: list[Target]


def read_media(folders: Sequence[Path], keys: Collection[str], methods: Collection[str]) -> list[TrackMedia]:
    """Read the excerpts that runs kept, sorted by subset and track.

    Parameters
    ----------
    folders : sequence of Path
        Folders ``media`` of runs; those that are not there are passed over.
    keys : collection of str
        Estimate keys of the track table: estimates of another state of the run are left out.
    methods : collection of str
        Methods of the report; estimates of others are left out.

    Raises
    ------
    RunError
        A ``media.json`` is damaged, of another version, or names a file outside its folder.
    """
    kept = []
    for folder in folders:
        for file in sorted(folder.glob("[!.]*/[!.]*/media.json")):
            try:
                kept.append(_track(file, set(keys), set(methods)))
            except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
                raise RunError(
                    f"{file} is damaged or of another version ({error}); delete {file.parent} and give the run's "
                    "command again"
                ) from error
    return kept


def _track(file: Path, keys: set[str], methods: set[str]) -> TrackMedia:
    raw = read_json(file)
    if raw["schema"] not in range(1, MEDIA_VERSION + 1):
        raise ValueError(f"version {raw['schema']}, expected {MEDIA_VERSION}")
    targets = [
        Target(
            str(t["target"]), str(t["group"]), str(t["metric"]), str(t["unit"]), int(t["deciding"]),
            [
                Excerpt(
                    str(e["kind"]), float(e["start"]), float(e["seconds"]), _number(e["value"]),
                    list(_sounds(e["sounds"], file.parent, keys, methods)),
                )
                for e in t["excerpts"]
            ],
        )
        for t in raw["targets"]
    ]  # fmt: skip
    return TrackMedia(str(raw["dataset"]), str(raw["subset"]), str(raw["name"]), targets)


def _sounds(raw: list[Mapping[str, Any]], folder: Path, keys: set[str], methods: set[str]) -> Iterator[Sound]:
    for s in raw:
        if s["role"] == "estimate" and (s["estimate_key"] not in keys or s["name"] not in methods):
            continue
        audio, picture = (_inside(folder, s[what]) for what in ("audio", "picture"))
        yield Sound(
            str(s["name"]), str(s["role"]), audio, picture, float(s["gain_db"]), bool(s.get("oracle", False)),
            _number(s.get("value")), _number(s.get("loudness")), str(s.get("wave", "")),
        )  # fmt: skip


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} lies outside the folder")
    return path
