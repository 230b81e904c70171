"""Columns of the tables of a run, and what a status means.

The track table has one row per cell, target and metric quantity and is what statistics and reports read. Its columns
are versioned: a reader checks `SCHEMA_VERSION`, kept in `run.json`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

__all__ = [
    "COST_COLUMNS",
    "DEFAULT_METRICS",
    "DO_NOTHING",
    "FAILURE_COLUMNS",
    "FLOOR",
    "FRAME_COLUMNS",
    "MEDIA_VERSION",
    "PERTURBED_COLUMNS",
    "SCHEMA_VERSION",
    "TRACK_COLUMNS",
    "CellCounts",
    "Status",
    "collection",
    "does_nothing",
    "is_floor",
    "method_label",
    "perturbed_name",
]

SCHEMA_VERSION = 2

MEDIA_VERSION = 2
"""Of ``media/<subset>/<track>/media.json``, which names the excerpts that a run kept to be heard and seen."""

DEFAULT_METRICS = ("bss_eval", "usdr", "si_sdr")
"""The metrics that a run and `mss_bench.evaluate` report unless they are told otherwise."""

FLOOR = "mixture"
"""The separator whose scores are the floor: baseline of improvements, stand-in for failed cells."""


DO_NOTHING = (FLOOR, "mixture_unscaled")
"""The separators that attempt no separation: they are never the best and have no rank."""


# Editions of one collection of songs: MUSDB18 as stem files, as WAV (HQ), and its 7 s previews.
_MIXED = re.compile(r"^random_mix\(([^,]*).*\)$")  # of the stems of these songs; then how they were drawn
_EDITIONS = re.compile(r"[-_]?(hq|7s|sample|preview)$")
_PERTURBED = re.compile(r" \[.*\]$")  # what was done to the songs, which remain the same songs


def collection(dataset: str) -> str:
    """Return the name of the songs of a data set, which all its editions share."""
    songs = _MIXED.sub(r"\1", _PERTURBED.sub("", dataset.strip().casefold()))
    return _EDITIONS.sub("", songs)


def method_label(separator: str, params: str) -> str:
    """Return the name of a method in tables: ``separator``, or ``separator:params`` where it has parameters."""
    return f"{separator}:{params}" if params else separator


def is_floor(separator: str, params: str = "") -> bool:
    """Return whether a method, as a separator with its parameters or as a label alone, is the floor."""
    return method_label(separator, params) == FLOOR


def does_nothing(label: str) -> bool:
    """Return whether a method, as tables name it, attempts no separation."""
    return label.partition(":")[0] in DO_NOTHING


def perturbed_name(dataset: str, perturbation: str) -> str:
    """Return what tables call a data set whose mixtures were perturbed: nobody is to take it for the clean one."""
    return f"{dataset} [{perturbation}]" if perturbation else dataset


class Status(StrEnum):
    """How a cell, or one metric of a cell, ended."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    INVALID_OUTPUT = "invalid_output"
    SKIPPED = "skipped"
    NOT_INSTALLED = "not_installed"


@dataclass(frozen=True)
class CellCounts:
    """How many of the planned cells ended how, for `run`, `status`, `report` and `compare` alike.

    A cell counts once: as failed before missing, where it failed in one metric and lacks another.
    """

    planned: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    missing: int = 0  # without a result, or without a score that was planned

    @classmethod
    def of(cls, *, failed: bool, skipped: bool, missing: bool) -> CellCounts:
        """Return the counts of one cell."""
        missing, done = missing and not failed, not (failed or missing or skipped)
        return cls(1, int(done), int(failed), int(skipped), int(missing))

    @classmethod
    def read(cls, stored: Any) -> CellCounts:
        """Return counts as ``run.json`` has them; what is damaged or absent there counts as 0."""
        known = stored if isinstance(stored, dict) else {}
        return cls(**{f.name: n for f in fields(cls) if isinstance(n := known.get(f.name), int)})

    def __add__(self, other: CellCounts) -> CellCounts:
        return CellCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)

    @property
    def whole(self) -> bool:
        """Return whether every planned cell is there and none failed."""
        return not (self.failed or self.missing)

    @property
    def sentence(self) -> str:
        """Return all counts in words."""
        return (
            f"{self.planned} cells planned: {self.done} done, {self.failed} failed, {self.skipped} skipped, "
            f"{self.missing} missing"
        )

    @property
    def banner(self) -> str:
        """Return what every format must say above its numbers; empty where everything that was planned is there."""
        return self.banner_of()

    def banner_of(self, methods: str = "") -> str:
        """Return `banner`, of the cells of some methods alone where they are named: ``hpss and irm``."""
        if not self.missing:
            return ""
        cells = f"cells of {methods}" if methods else "cells"
        done = f"{self.done} of {self.planned} {cells} are done{self._other_ends}"
        return f"Run not finished: {done}. Order and intervals may still change."

    @property
    def completeness(self) -> str:
        """Return in a sentence whether everything is there, and how much is."""
        return f"{'Complete' if self.whole else 'Incomplete'}: {self.done} of {self.planned} cells{self._other_ends}."

    @property
    def _other_ends(self) -> str:
        ends = {"failed": self.failed, "skipped": self.skipped}
        return "".join(f", {n} {end}" for end, n in ends.items() if n)


TRACK_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "track": "string",
    "separator": "string",  # the method's name, or the alias given with as=
    "params": "string",  # parameters that differ from the defaults, as key=value,key=value
    "oracle": "bool",  # the method saw the references
    "group": "string",
    "target": "string",
    "metric": "string",  # the quantity: SDR, ISR, ..., uSDR, SI-SDR
    "preset": "string",
    "value": "float64",  # median over valid frames, or the track's value; NaN where status is not ok or none is valid
    "mean": "float64",  # mean over valid frames; NaN where value is
    "n_frames": "int64",  # 1 for a metric of the whole track
    "n_valid": "int64",  # frames that are not NaN
    "n_inf": "int64",  # perfect frames among the valid ones
    "status": "string",
    "flags": "string",  # comma-separated
    "reason": "string",  # why the value is missing
    "condition": "float64",  # condition number of the references' system, to three digits; NaN without one
    "estimate_key": "string",
    "score_key": "string",
    "replicates": "string",  # values of each seed or checkpoint, whose mean `value` is; empty where it ran once
}
"""Track table. A failed cell has one row for every target and quantity that it would have had."""

FRAME_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "track": "string",
    "separator": "string",
    "params": "string",
    "group": "string",
    "target": "string",
    "metric": "string",
    "preset": "string",
    "frame": "int64",
    "time": "float64",  # start in seconds
    "duration": "float64",
    "value": "float64",
    "score_key": "string",
}

PERTURBED_COLUMNS: dict[str, str] = {
    "perturbation": "string",  # what happened to the mixtures before they were separated: mp3:rate=64
    "strength": "float64",  # value of its parameter on the ladder; NaN of a chain
}
"""Further columns of every table but that of frames, in a run with ``--perturb`` alone."""

COST_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "track": "string",
    "separator": "string",
    "params": "string",
    "audio_seconds": "float64",
    "separate_seconds": "float64",  # wall time of the pass that separated last, without loading the track
    "score_seconds": "float64",  # wall time of the run's metrics, each of the pass that computed it
    "separate_cpu_seconds": "float64",  # CPU time of that separation, of the worker and all it started
    "cpu_seconds": "float64",  # the same with that of the metrics
    "realtime_factor": "float64",  # audio seconds per wall second of separation
    "peak_memory_mb": "float64",  # resident while separating, of the worker and all it started (sampled)
    "score_memory_mb": "float64",  # likewise while scoring, the highest of the passes
    "gpu_memory_mb": "float64",  # peak of what torch held on a GPU while separating
    "device": "string",  # that the separator used, where it has a choice
    "estimate_key": "string",
}
"""Cost table, one row a finished cell. A cell that is scored with a further metric is not separated again where its
estimates were saved: its times then come from several passes, and the comment of each column says which. Columns of the
separation are empty where no pass of this run separated, and for separators that only read estimates. The first method
of a track is charged with what a metric prepares of the references."""

FAILURE_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "track": "string",
    "separator": "string",
    "params": "string",
    "group": "string",  # empty where the separation itself failed
    "metric": "string",  # the family, bss_eval: it failed as a whole; empty where the separation itself failed
    "status": "string",
    "reason": "string",
    "log": "string",  # traceback of what failed, or what its process printed last; tables of earlier versions lack it
    "estimate_key": "string",
}
