"""Tracks and target groups: audio with names, loaded when it is needed.

A data set has *stems* (what lies on disk) and *targets* (what is scored): every stem is a target, and a derived target
is the sum of several stems, e.g. accompaniment = drums + bass + other. A *target group* names the targets that are
scored together; its members share no stem and together hold every stem, so that they add up to the mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.core.annotations import Annotations
from mss_bench.errors import DatasetError

__all__ = ["Audio", "Stems", "TargetGroup", "Targets", "Track", "TrackAudio", "TrackId"]

Audio = NDArray[np.float32]
"""An array ``(channels, samples)``."""
Stems = dict[str, Audio]
"""Stem or target name to audio."""


class Targets(Mapping[str, tuple[str, ...]]):
    """The targets of a data set: an ordered mapping of target to the stems that it sums.

    Iterating gives the target names. ``targets.stems`` are the stems, each of which is a target too.

    Parameters
    ----------
    stems : sequence of str
        The stems, in the data set's order.
    derived : mapping of str to sequence of str
        Further targets and the stems they sum.
    """

    def __init__(self, stems: tuple[str, ...], derived: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.stems = tuple(stems)
        self._parts: dict[str, tuple[str, ...]] = {s: (s,) for s in self.stems}
        for target, parts in (derived or {}).items():
            unknown = [p for p in parts if p not in self.stems]
            if unknown or not parts:
                raise DatasetError(f"target {target!r} sums {list(parts)}; expected stems among {list(self.stems)}")
            if target in self._parts:
                raise DatasetError(f"target {target!r} has the name of a stem; choose another")
            self._parts[target] = tuple(parts)

    def __getitem__(self, target: str) -> tuple[str, ...]:
        return self._parts[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        return f"Targets({self._parts})"

    def resolve(self, estimates: Mapping[str, Audio]) -> Stems:
        """Return the estimates and, where all stems were delivered, the derived targets as sums of theirs.

        A method without some stem has put it somewhere: what it calls "other" may hold the voice, and the sum of its
        stems the whole mixture. It delivers a derived target only if it returns it itself.
        """
        found = {t: estimates[t] for t in self if t in estimates}
        for target in self.derivable(estimates):
            if target not in found:
                found[target] = _sum(estimates, self[target])
        return found

    def derivable(self, delivered: Container[str]) -> tuple[str, ...]:
        """Return the derived targets that follow as sums from what a method delivers."""
        # A method without "other" has left it somewhere, so that its sums hold more than they should.
        whole = all(stem in delivered for stem in self.stems)
        return tuple(t for t in self if t not in self.stems) if whole else ()


@dataclass(frozen=True)
class TargetGroup:
    """Targets that are scored together.

    Parameters
    ----------
    name : str
        E.g. ``"4stem"`` or ``"vocals_acc"``.
    targets : tuple of str
        In the order of the tables.
    """

    name: str
    targets: tuple[str, ...]

    def references(self, stems: Mapping[str, Audio], targets: Targets) -> Stems:
        """Return the references of the whole group, derived ones summed."""
        return {t: _sum(stems, targets[t]) for t in self.targets}


@dataclass(frozen=True)
class TrackId:
    """What names a track: all that a separator may know of where the audio comes from."""

    dataset: str
    subset: str
    name: str


@dataclass(frozen=True)
class TrackAudio:
    """Audio of one track, as the metrics take it.

    Parameters
    ----------
    references : dict of str to (channels, samples) float32
        One array a target, all of one shape.
    mixture : (channels, samples) float32
    sample_rate : int
        Hz.
    annotations : Annotations, optional
        What was played, where that is known.
    """

    references: Stems
    mixture: Audio
    sample_rate: int
    annotations: Annotations | None = None


@dataclass(frozen=True)
class Track:
    """One song of a data set; nothing is read before `load`.

    Parameters
    ----------
    id : TrackId
    sample_rate : int
        Hz, as the data set declares it; a file of another rate is an error.
    stems : dict of str to tuple of Path
        Files that sum to each stem.
    mixture : tuple of Path
        The mixture's file; empty where the mixture is the sum of the stems.
    start, duration : float, optional
        The part to use, in seconds.
    reader : callable, optional
        Reads ``(stems, mixture)`` from a container instead of one file a stem.
    facts : dict
        What belongs to the content beside the files, e.g. how a container is decoded.
    annotations : Path, optional
        File that says what was played.
    """

    id: TrackId
    sample_rate: int
    stems: dict[str, tuple[Path, ...]]
    mixture: tuple[Path, ...] = ()
    start: float = 0.0
    duration: float | None = None
    reader: Callable[[Track], tuple[Stems, Audio]] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    annotations: Path | None = None

    @property
    def name(self) -> str:
        return self.id.name

    def excerpt(self, duration: float | None, start: float = 0.0) -> Track:
        """Return the track cut to a part, in seconds."""
        return replace(self, start=start, duration=duration)

    def files(self) -> list[Path]:
        """Return every file that the track reads, each once."""
        return list(dict.fromkeys([*self.mixture, *(f for files in self.stems.values() for f in files)]))

    def load(self) -> TrackAudio:
        """Read mixture and stems, as arrays that cannot be written to; ``references`` holds the stems.

        Raises
        ------
        AudioError
            A file is missing, truncated, holds NaN, or has another rate, length or channel count than the others.
        """
        stems, mixture = self._read()
        for array in (mixture, *stems.values()):
            array.flags.writeable = False  # an oracle that wrote into a reference would change every later score
        played = None if self.annotations is None else Annotations(self.annotations, self.start, self.duration)
        return TrackAudio(stems, mixture, self.sample_rate, played)

    def _read(self) -> tuple[Stems, Audio]:
        if self.reader is not None:
            stems, mixture = self.reader(self)
            return {name: self._cut(array) for name, array in stems.items()}, self._cut(mixture)
        stems = {name: self._read_sum(files) for name, files in self.stems.items() if files}
        if self.mixture:
            mixture = self._read_sum(self.mixture)
        elif stems:
            mixture = _sum(stems, tuple(stems))
        else:
            raise DatasetError(f"track {self.name!r} has neither a mixture nor stems")
        for name in self.stems:
            if name not in stems:  # an optional stem that this track does not have
                stems[name] = np.zeros_like(mixture)
        shapes = {"mixture": mixture.shape} | {name: array.shape for name, array in stems.items()}
        audio.check_same_shape(shapes, f"track {self.name!r}", self._describe)
        return {name: stems[name] for name in self.stems}, mixture

    def _read_sum(self, files: tuple[Path, ...]) -> Audio:
        parts = {str(f): audio.read(f, self.sample_rate, start=self.start, duration=self.duration) for f in files}
        audio.check_same_shape({f: p.shape for f, p in parts.items()}, f"track {self.name!r}", str)
        return _sum(parts, tuple(parts))

    def _describe(self, part: str) -> str:
        files = self.mixture if part == "mixture" else self.stems.get(part, ())
        return str(files[0]) if len(files) == 1 else part

    def _cut(self, array: Audio) -> Audio:
        first = round(self.start * self.sample_rate)
        last = None if self.duration is None else first + round(self.duration * self.sample_rate)
        return np.ascontiguousarray(array[:, first:last])


def _sum(stems: Mapping[str, Audio], parts: tuple[str, ...]) -> Audio:
    return stems[parts[0]] if len(parts) == 1 else reduce(np.add, [stems[p] for p in parts])
