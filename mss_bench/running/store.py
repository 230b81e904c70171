"""A run folder on disk: its cells, one atomic file for each track and separator, and what describes the run.

``cells/<estimate_key>.npz`` holds ``meta`` (JSON: what the cell is, how it ended, one entry for each score key with its
rows) and ``values`` (float64: every frame, in the order of the rows). A row is a `Score` whose frames are replaced by
their position in ``values``. The file is written to a temporary name, flushed to the disk and renamed, so that a cell
is there whole or not at all; an fsynced write costs some milliseconds, nothing beside a separation.

The last 32 bytes of a cell are the SHA-256 of all before them (to a reader of zip archives, the archive's comment).
They are compared before anything else is looked at: a file that differs in one bit from what was written is no cell.

``plan.json`` says which cells belong to the run, whichever command planned them, and how its tables call them; other
cells are a cache. See `mss_bench.running.record`.
``finished.json`` says which scores of which content of a cell are whole, so that `read_finished` spares taking 20,000
cells apart: it speaks of a cell only as long as its bytes are those that were taken apart.
``run.json`` says what the run was: options, versions, machine, data set, methods, quantities.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.files import has_checksum, json_text, read_json, read_whole, write_atomic
from mss_bench.core.records import built
from mss_bench.core.schema import SCHEMA_VERSION, Status
from mss_bench.core.text import harmless
from mss_bench.errors import DamagedError, RunError
from mss_bench.metrics import Score
from mss_bench.running.lock import in_force

__all__ = [
    "Cell",
    "DamagedError",
    "Finished",
    "Record",
    "ScoreSet",
    "cell_path",
    "is_finished",
    "read_cell",
    "read_finished",
    "read_info",
    "read_plan",
    "write_cell",
    "write_finished",
]

Record = dict[str, Any]
"""A mapping of JSON, or a row of a table."""

Finished = dict[str, list[str]]
"""By estimate key, the checksum of a cell's content, and the keys of its scores that are whole."""


class _TrackEntry(TypedDict):
    dataset: str
    subset: str
    name: str


class _ScoreEntry(TypedDict):
    key: str
    group: str
    metric: str
    preset: str
    quantities: list[str]
    expected: list[str]
    left_out: NotRequired[dict[str, str]]
    absent: NotRequired[dict[str, str]]
    definition: NotRequired[str]


class _CellEntry(TypedDict):
    estimate_key: str
    track: _TrackEntry
    separator: str
    params: str
    oracle: bool
    scores: list[_ScoreEntry]
    only_reads: NotRequired[bool]
    about: NotRequired[dict[str, str]]


class _Conditions(TypedDict):
    dataset: NotRequired[str]
    subset: NotRequired[list[str]]
    duration: NotRequired[float | None]
    seed: NotRequired[int]


class _Plan(TypedDict):
    """What the tables need of ``plan.json``."""

    cells: list[_CellEntry]
    run: NotRequired[_Conditions]


class _Quantity(TypedDict):
    name: str
    higher_is_better: bool
    unit: NotRequired[str]
    definition: NotRequired[str]
    family: NotRequired[str]
    preset: NotRequired[str]
    version: NotRequired[str]
    citation: NotRequired[str]


class _Method(TypedDict):
    label: str
    name: NotRequired[str]
    oracle: NotRequired[bool]
    trained_on: NotRequired[list[str]]
    params: NotRequired[dict[str, Any]]
    licence: NotRequired[str]
    citation: NotRequired[str]


class _Info(TypedDict):
    """What reports need of ``run.json``."""

    options: dict[str, Any]
    dataset: dict[str, Any]
    quantities: list[_Quantity]
    separators: NotRequired[list[_Method]]
    missing: NotRequired[int]
    packages: NotRequired[dict[str, str]]
    machine: NotRequired[dict[str, Any]]


_CHECKSUM = hashlib.sha256
_CHECKSUM_BYTES = 32

_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<length>..)"
    rb"\{'descr': '(?P<type>\|u1|<f8)', 'fortran_order': False, 'shape': \((?P<count>\d{1,12}),\), \} *\n",
    re.DOTALL,
)
"""Of an array in NumPy's format, as `_archive` writes it."""


@dataclass
class ScoreSet:
    """What one metric says of one target group of a cell, under one score key."""

    group: str
    metric: str
    preset: str
    status: str
    reason: str = ""
    rows: list[Score] = field(default_factory=list)
    preimage: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass
class Cell:
    """One separator on one track: how it ended and its scores by score key.

    Attributes
    ----------
    costs : dict of str to float
        ``separate_seconds``, ``separate_cpu_seconds``, ``peak_memory_mb`` and ``gpu_memory_mb`` are of the pass that
        separated last; ``load_seconds`` and ``audio_seconds`` of the last pass; ``score_memory_mb`` is the highest of
        all passes that scored. The time of scoring is stored in each `ScoreSet`.
    epoch : str
        Token of the client for which the cell was computed.
    """

    estimate_key: str
    track: dict[str, str]
    separator: str
    params: str
    status: str
    reason: str = ""
    log: str = ""
    flags: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)  # targets that could not be scored, and why
    delivered: list[str] = field(default_factory=list)
    preimage: dict[str, Any] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    device: str = ""  # that the separator used, where it has a choice
    scores: dict[str, ScoreSet] = field(default_factory=dict)
    epoch: str = ""
    checksum: str = field(default="", compare=False)  # of the file that it was read from

    @classmethod
    def of(cls, planned: dict[str, Any], preimage: dict[str, Any], status: str = "", reason: str = "") -> Cell:
        """Return an empty cell for what a plan describes."""
        return cls(
            planned["estimate_key"], dict(planned["track"]), planned["separator"], planned["params"], status, reason,
            preimage=preimage,
        )  # fmt: skip

    @property
    def ok(self) -> bool:
        """Return whether the separation went well; a metric may have failed all the same."""
        return self.status == Status.OK

    def has(self, score_key: str) -> bool:
        """Return whether the cell has a score that did not fail."""
        return score_key in self.scores and self.scores[score_key].status == Status.OK

    def score_seconds(self, keys: Iterable[str]) -> float:
        """Return the wall seconds of the scores under these keys, each of the pass that computed it."""
        return sum(self.scores[key].seconds for key in keys if key in self.scores)

    def score_cpu_seconds(self, keys: Iterable[str]) -> float:
        """Return the CPU seconds likewise."""
        return sum(self.scores[key].cpu_seconds for key in keys if key in self.scores)


def cell_path(run: Path, estimate_key: str) -> Path:
    """Return the path of a cell."""
    return run / f"cells/{estimate_key}.npz"


def write_cell(run: Path, cell: Cell, epoch: str = "") -> None:
    """Write a cell whole or not at all.

    Parameters
    ----------
    run : Path
    cell : Cell
    epoch : str
        Token of the client for which it was computed, see `mss_bench.running.lock`.

    Raises
    ------
    SupersededError
        When that client no longer runs; nothing is changed.
    RunError
        When the file cannot be written.
    """
    cell.epoch = epoch or cell.epoch
    values = [np.empty(0)]
    # What a plugin says is printed by status, reports and logs: nothing of it may steer a terminal or be no Unicode.
    meta = vars(cell) | {
        "schema": SCHEMA_VERSION, "scores": {}, "reason": harmless(cell.reason), "log": harmless(cell.log, keep="\n\t"),
        "flags": [harmless(flag) for flag in cell.flags],
        "problems": {target: harmless(problem) for target, problem in cell.problems.items()},
    }  # fmt: skip
    del meta["checksum"]
    for key, score in cell.scores.items():
        rows = []
        for row in score.rows:
            rows.append(vars(_Row.of(row, first=sum(map(len, values)))))
            values.append(row.values)
        meta["scores"][key] = vars(score) | {"rows": rows, "reason": harmless(score.reason)}
    # The text as bytes: an array of text would have to be unpickled.
    text = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    content = _archive(meta=text, values=np.concatenate(values))
    content += _CHECKSUM(content).digest()
    write_atomic(cell_path(run, cell.estimate_key), content, holding=in_force(run, epoch))


def read_cell(run: Path, estimate_key: str, *, frames: bool = False) -> Cell | None:
    """Return a cell; None where there is none or its file is damaged.

    Parameters
    ----------
    run : Path
    estimate_key : str
    frames : bool
        Read the rows of its scores as well. Without them a cell is not to be written again.

    Raises
    ------
    RunError
        When the file is there and cannot be read.
    """
    content = _whole_content(run, estimate_key)
    if not content:
        return None
    try:
        return _cell(content, estimate_key, frames)
    except (ValueError, KeyError, RecursionError, zipfile.BadZipFile):  # whole, and written by something else
        return None


def _whole_content(run: Path, estimate_key: str) -> bytes:
    """Return the content of a cell's file; none where there is no file, or it is not what was written."""
    path = cell_path(run, estimate_key)
    try:
        content = read_whole(path)
    except FileNotFoundError:
        return b""
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EFBIG, errno.ENXIO):  # a folder, a pipe, a socket: not what was written
            return b""
        # A file system that does not answer now has not lost the cell.
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
    whole = _CHECKSUM(memoryview(content)[:-_CHECKSUM_BYTES]).digest() == content[-_CHECKSUM_BYTES:]
    return content if whole else b""


def read_finished(run: Path) -> Finished:
    """Return what is known of the finished cells of a run; nothing where that file is missing, damaged or older."""
    try:
        content = read_json(run / "finished.json")
        return built(Finished, content["cells"]) if content["schema"] == SCHEMA_VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_finished(run: Path, finished: Finished) -> None:
    """Write which scores of a run's cells are whole."""
    write_atomic(run / "finished.json", json_text({"schema": SCHEMA_VERSION, "cells": finished}))


def is_finished(run: Path, estimate_key: str, score_keys: Iterable[str], finished: Finished) -> bool:
    """Return whether a cell's file has the content of which is known that these scores are whole."""
    checksum, *whole = finished.get(estimate_key, [""])
    if not whole or not {*score_keys} <= {*whole}:
        return False
    return _whole_content(run, estimate_key)[-_CHECKSUM_BYTES:].hex() == checksum


def _archive(**arrays: NDArray[Any]) -> bytes:
    """Return arrays as ``.npz``, with room for a checksum announced as the archive's comment."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = bytes(_CHECKSUM_BYTES)
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()[:-_CHECKSUM_BYTES]


def _array(archive: zipfile.ZipFile, name: str, dtype: type[np.generic]) -> NDArray[Any]:
    """Return an array of a cell, which is stored as it is: nothing is larger than the file that holds it."""
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or member.file_size != member.compress_size:
        raise ValueError(f"{name} is compressed or encrypted")
    content = archive.read(member)
    # NumPy's own reader evaluates the header as Python, which takes longer than all else.
    header = _HEADER.match(content)
    if header is None or np.dtype(header["type"].decode()) != dtype:
        raise ValueError(f"{name} is no array of {np.dtype(dtype)} in one dimension: {content[:80]!r}")
    if int.from_bytes(header["length"], "little") + 10 != header.end():
        raise ValueError(f"the header of {name} has another length than it says")
    return np.frombuffer(content, dtype=dtype, count=int(header["count"]), offset=header.end())


def _cell(content: bytes, estimate_key: str, frames: bool) -> Cell:
    """Return the cell that a file holds; ValueError or KeyError where that is something else."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        meta = built(dict[str, Any], json.loads(_array(archive, "meta", np.uint8).tobytes()))
        values = _array(archive, "values", np.float64) if frames else None
    if meta.pop("schema") != SCHEMA_VERSION or meta["estimate_key"] != estimate_key:
        raise ValueError("another version or another cell")
    meta["scores"] = built(dict[str, dict[str, Any]], meta["scores"])
    for score in meta["scores"].values():
        score["rows"] = [] if values is None else [row.score(values) for row in built(list[_Row], score["rows"])]
    cell = built(Cell, meta | {"checksum": content[-_CHECKSUM_BYTES:].hex()})
    if not {cell.status, *(score.status for score in cell.scores.values())} <= set(Status):
        raise ValueError("an unknown status")
    return cell


@dataclass
class _Row:
    """A `Score` as the file has it: its values lie apart, from `first` on."""

    target: str
    metric: str
    scope: Literal["frame", "track"]
    window: float
    hop: float
    flags: tuple[str, ...]
    reason: str
    condition: float
    first: int
    n_frames: int

    @classmethod
    def of(cls, score: Score, first: int) -> _Row:
        return cls(
            score.target, score.quantity, score.scope, score.window, score.hop, score.flags, score.reason,
            float(score.condition), first, score.n_frames,
        )  # fmt: skip

    def score(self, values: NDArray[np.float64]) -> Score:
        own = values[self.first : self.first + self.n_frames]
        if self.first < 0 or self.n_frames < 0 or len(own) < self.n_frames:
            raise ValueError(f"{len(values)} frames, expected {self.first + self.n_frames} and more")
        return Score(
            self.target, self.metric, own, self.scope, self.window, self.hop, self.flags, self.reason, self.condition
        )


def read_plan(run: Path) -> Record:
    """Return the record of a run: the cells that commands have planned there, which nobody may change.

    The file is read whenever it is asked for, since other processes write it, and taken apart where its content is not
    the one of last time: a command asks a dozen times, and 20,000 cells are 25 MB.

    Raises
    ------
    RunError
        Where the folder is no run, or the file is damaged.
    """
    try:
        content = hashlib.sha256(read_whole(run / "plan.json")).digest()
    except OSError:  # `_checked_plan` says why
        content = b""
    if content not in _last_plan:
        plan = _checked_plan(run)
        _last_plan.clear()
        if not has_checksum(run / "plan.json"):  # whether that is right, other files decide
            return plan
        _last_plan[content] = plan
    return _last_plan[content]


_last_plan: dict[bytes, Record] = {}
"""The record that was read last, under the digest of its file."""


def _checked_plan(run: Path) -> Record:
    plan = _typed(run, "plan.json", _Plan, _read_json(run, "plan.json"))
    if not plan["cells"]:
        raise _damaged(run, "plan.json", "it has no cells")
    with suppress(OSError):  # the description tells whether a version with checksums wrote the folder
        if not has_checksum(run / "plan.json") and has_checksum(run / "run.json"):
            raise _damaged(run, "plan.json", "its checksum is missing")
    for cell in plan["cells"]:
        if not re.fullmatch(r"\w+", cell["estimate_key"], re.ASCII):  # it becomes a file's name
            raise _damaged(run, "plan.json", f"{cell['estimate_key']!r:.40} is no key of a cell")
    return plan


def read_info(run: Path) -> Record:
    """Return what ``run.json`` says: options, versions, machine, data set, methods, quantities.

    Raises
    ------
    RunError
        Where the folder is no run, the file is damaged, or its tables are of another version.
    """
    info = _read_json(run, "run.json")
    if not isinstance(info.get("schema"), type(SCHEMA_VERSION)):
        raise _damaged(run, "run.json", "it does not say of which version its tables are")
    if info["schema"] != SCHEMA_VERSION:
        raise RunError(
            f"{run} has tables of version {info['schema']}, this mss_bench reads {SCHEMA_VERSION}; "
            "run the same command again to make them anew"
        )
    return _typed(run, "run.json", _Info, info)


def _typed(run: Path, name: str, kind: Any, content: Record) -> Record:
    try:
        return dict(built(kind, content))
    except ValueError as error:
        raise _damaged(run, name, str(error)) from error


def _damaged(run: Path, name: str, what: str) -> DamagedError:
    return DamagedError(f"{run / name} is damaged ({what}); repeat the 'mss-bench run' that made {run}")


def _read_json(run: Path, name: str) -> Record:
    if run.is_file():
        raise RunError(f"{run} is a file; expected a run folder")
    try:
        content = read_json(run / name)
    except FileNotFoundError:
        if name == "plan.json" and (run / "run.json").is_file() and (run / "tracks.parquet").is_file():
            raise RunError(
                f"{run} has tables and no {name}, as imported scores: no cells and no audio to look at; a run gets it "
                "back by its command"
            ) from None
        raise RunError(f"{run} is not a run folder: it has no {name}; expected what mss-bench run wrote") from None
    except ValueError as error:
        raise _damaged(run, name, str(error)) from error
    except OSError as error:
        raise RunError(f"{run / name} cannot be read: {error.strerror or error}") from error
    if not isinstance(content, dict):
        raise _damaged(run, name, "it holds no mapping")
    return content
