"""Separate the mixture of a cell in a process of its own, and hand the estimates to the one that scores.

A method is somebody's code: it may patch NumPy, change a library's settings or write where it should not. So it never
runs where scores are computed. The scoring process reads a track and hands its mixture over; the separating process
hands back estimates that keep the contract. Both go through memory that is shared, of which there is one copy.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
import time
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np

from mss_bench.core.audio import hash_file
from mss_bench.core.reads import undeclared, watched_reads
from mss_bench.core.schema import Status
from mss_bench.core.spec import build
from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import MssBenchError, RunError
from mss_bench.running.conform import conform
from mss_bench.running.failures import classify, collected_warnings, trace
from mss_bench.running.keys import file_stamp, source_hash
from mss_bench.running.planned import PlannedCell
from mss_bench.running.usage import Usage
from mss_bench.separators import Separator, separators

__all__ = ["Place", "Separated", "SeparationRequest", "SharedAudio", "WarmSeparators", "changed", "separate_cell"]

_WARM_SEPARATORS = 4  # loaded dictionaries and networks take memory; a run has more methods than that
_WRITE_BYTES = 2**26  # at a time: a single write takes no more than 2 GiB


@dataclass(frozen=True)
class Place:
    """The place of a float32 array in shared memory."""

    offset: int
    shape: tuple[int, ...]

    @property
    def end(self) -> int:
        """Return the first free offset behind it."""
        pages = -(-(self.offset + 4 * prod(self.shape)) // mmap.ALLOCATIONGRANULARITY)
        return pages * mmap.ALLOCATIONGRANULARITY


class SharedAudio:
    """Memory through which processes hand arrays to each other.

    It is a file without a name, whose descriptor the processes inherit: it goes with the last of them, however they
    end. On Linux it lies in memory, elsewhere in the folder of temporary files.

    Parameters
    ----------
    descriptor : int, optional
        One that was inherited; a new file by default.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            if hasattr(os, "memfd_create"):
                descriptor = os.memfd_create("mss_bench")
            else:
                with tempfile.TemporaryFile() as file:
                    descriptor = os.dup(file.fileno())
            self.close = weakref.finalize(self, os.close, descriptor)
        self.descriptor = descriptor

    def write(self, arrays: Mapping[str, Audio], offset: int = 0) -> dict[str, Place]:
        """Write arrays one after the other, from an offset on."""
        places = {}
        for name, array in arrays.items():
            places[name] = place = Place(offset, array.shape)
            content = np.ascontiguousarray(array, dtype=np.float32).data.cast("B")
            done = 0
            while done < len(content):
                done += os.pwrite(self.descriptor, content[done : done + _WRITE_BYTES], offset + done)
            offset = place.end
        return places

    def read(self, places: Mapping[str, Place]) -> Stems:
        """Return arrays, which are read-only."""
        arrays = {}
        for name, place in places.items():
            length = 4 * prod(place.shape)
            mapped = mmap.mmap(self.descriptor, length, access=mmap.ACCESS_READ, offset=place.offset)
            arrays[name] = np.frombuffer(mapped, dtype=np.float32).reshape(place.shape)
        return arrays


@dataclass(frozen=True)
class SeparationRequest:
    """A request to separate the mixture of a cell.

    Parameters
    ----------
    cell : PlannedCell
    mixture : Place
    references : dict of str to Place
        Empty for all methods but oracles.
    free : int
        Offset in shared memory from which on there is room for the estimates.
    device : str
    plugins : tuple of str
        The run's plugin files; the one with the method is imported.
    members : dict of str to dict of str to Path
        The files of the estimates that an ensemble combines, by member and stem.
    """

    cell: PlannedCell
    mixture: Place
    references: dict[str, Place]
    free: int
    device: str
    plugins: tuple[str, ...] = ()
    members: dict[str, dict[str, Path]] = field(default_factory=dict)


@dataclass
class Separated:
    """How a separation ended, and where its estimates lie.

    Parameters
    ----------
    estimates : dict of str to Place
        Estimates that keep the contract, of the mixture's shape.
    flags : list of str
    problems : dict of str to str
        Targets that cannot be scored, and why.
    costs : dict of str to float
    device : str
    status, reason, log : str
    """

    estimates: dict[str, Place] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    device: str = ""
    status: str = Status.OK
    reason: str = ""
    log: str = ""


class _UnsuitedError(MssBenchError):
    """The method declares that it cannot take this mixture."""


class WarmSeparators:
    """Loaded separators of one process; the least recently used one is closed when there are too many."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, Separator] = OrderedDict()
        self.opened: set[str] = set()  # files opened by an isolated method
        self.since = time.time()

    def get(self, planned: PlannedCell, device: str) -> Separator:
        """Return a loaded separator.

        Raises
        ------
        RunError
            When one of its files, its source or its environment has changed since the run was planned: the result would
            be stored under a wrong key.
        """
        for file, stamp in planned.method_stamps:
            if file_stamp(file) != stamp:
                raise changed(file)
        spec, source = planned.method, planned.preimage["source"]
        environment = planned.preimage.get("environment", {})
        key = f"{spec} {source} {environment} {planned.preimage.get('files') if not planned.all_tracks else ''}"
        if key not in self._loaded:
            instance: Separator = build(separators, spec)[0]
            if source_hash(type(instance)) != source:
                raise changed(f"the source of {spec.name}")
            if instance.environment() != environment:
                raise changed(f"what {spec.name} uses")
            instance.load(device)
            self._loaded[key] = instance
            if len(self._loaded) > _WARM_SEPARATORS:
                self._loaded.popitem(last=False)[1].close()
        self._loaded.move_to_end(key)
        return self._loaded[key]


def changed(what: str) -> RunError:
    """Return the error of something that has changed since the run was planned."""
    return RunError(f"{what} has changed since the run was planned; run the same command again")


def separate_cell(request: SeparationRequest, warm: WarmSeparators, shared: SharedAudio) -> Separated:
    """Separate a mixture and write the estimates to shared memory; a failure becomes the status."""
    planned, separated = request.cell, Separated()
    # An isolated method is responsible for all files that its process has read, also while it was imported.
    opened = warm.opened if planned.isolated else set()
    with collected_warnings() as caught:
        try:
            with watched_reads(opened):
                separators.use_files(file for file in request.plugins if file == planned.origin)
                separator = warm.get(planned, request.device)
                if planned.members:
                    from mss_bench.separators.ensemble import Ensemble  # here, so that other methods start without it

                    assert isinstance(separator, Ensemble)
                    separator.stored = request.members
                mixture = shared.read({"mixture": request.mixture})["mixture"]
                raw, separated.costs = _separate(planned, separator, mixture, shared.read(request.references))
            _refuse_undeclared(planned, separator, opened, warm.since)
            declared = (*planned.delivery.names, *(t for targets in separator.target_sets for t in targets))
            estimates, separated.flags, separated.problems = conform(
                raw, mixture, planned.targets, declared, planned.delivery.stem_map
            )
            separated.flags = sorted({*separated.flags, *separator.flags})
            separated.device = separator.used_device
            separated.estimates = shared.write(estimates, request.free)
        except Exception as error:
            unsuited = isinstance(error, _UnsuitedError)
            status, reason = (Status.SKIPPED, str(error)) if unsuited else classify(error)
            log = "" if isinstance(error, MssBenchError) else trace(error, 12)
            separated = Separated(costs=separated.costs, status=status, reason=reason, log=log)
    separated.log = "\n".join([separated.log, *caught]).strip()
    return separated


def _separate(
    planned: PlannedCell, separator: Separator, mixture: Audio, references: Stems
) -> tuple[object, dict[str, float]]:
    """Return what the separator returned, and its costs."""
    files = ", ".join(map(str, planned.track.mixture)) or f"the mixture of {planned.track.name!r}"
    if reason := separator.refuses(mixture.shape[0], files):
        raise _UnsuitedError(reason)
    if separator.needs_track:
        separator.track, separator.tracks = planned.track.id, planned.all_tracks
        separator.start, separator.duration = planned.track.start, planned.track.duration
    rng = separator.generator(planned.preimage["seed"], planned.track.id.name)
    given = mixture.copy()  # a method may write into what it is given
    usage = Usage()
    raw = separator.separate(
        given, planned.track.sample_rate, targets=planned.targets, rng=rng, references=references or None
    )
    return raw, {
        "separate_seconds": usage.seconds(), "separate_cpu_seconds": usage.cpu_seconds(),
        "peak_memory_mb": usage.peak_memory_mb(), "gpu_memory_mb": usage.gpu_memory_mb(),
    }  # fmt: skip


def _refuse_undeclared(planned: PlannedCell, separator: Separator, opened: set[str], since: float) -> None:
    """Refuse estimates of a method that read files which are not part of its key.

    Raises
    ------
    RunError
    """
    declared = [*separator.files(planned.track.id), *planned.track.files()]
    # A program of the user's is not among the files; its hash is in the environment, which is part of the key.
    environment = json.dumps(planned.preimage.get("environment", {}))
    files = [file for file in undeclared(opened, declared, since) if hash_file(file) not in environment]
    if files:
        raise RunError(
            f"{planned.method.name} reads {', '.join(map(str, files[:3]))}{' and more' if len(files) > 3 else ''}, "
            "which its files() does not name: with other content the key would be the same; return it from files()"
        )
