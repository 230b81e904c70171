"""A run folder on disk: its cells, one atomic file for each track and separator, and what describes the run.

``cells/<estimate_key>.npz`` holds ``meta`` (JSON: what the cell is, how it ended, one entry for each score key with its
rows) and ``values`` (float64: every frame, in the order of the rows). A row is a `Score` of the metric, with the place
of its frames instead of them. The file is written to a temporary name, flushed to the disk and renamed, so that a cell
is there whole or not at all; an fsynced write costs some milliseconds, nothing beside a separation. Reading the meta
does not read the values.

``plan.json`` says which cells belong to the run's last command and how its tables call them; other cells are a cache.
``run.json`` says what the run was: options, versions, machine, data set, methods, quantities.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.files import write_atomic
from mss_bench.core.schema import SCHEMA_VERSION, Status
from mss_bench.errors import RunError
from mss_bench.metrics import Score
from mss_bench.running.lock import in_force

__all__ = [
    "Cell",
    "Record",
    "ScoreSet",
    "cell_path",
    "read_cell",
    "read_info",
    "read_plan",
    "write_cell",
]

Record = dict[str, Any]
"""A mapping of JSON, or a row of a table."""

# What of a cell of plan.json the tables need.
_CELL = ("estimate_key", "track", "separator", "params", "oracle", "scores")
_TRACK = ("dataset", "subset", "name")
_SCORE = ("key", "group", "metric", "preset", "quantities", "expected")

_DAMAGE = (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


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
        all passes that scored. What scoring took stands with each score.
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
    return run / "cells" / f"{estimate_key}.npz"


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
    meta = vars(cell) | {"schema": SCHEMA_VERSION, "scores": {}}
    for key, score in cell.scores.items():
        rows = []
        for row in score.rows:
            rows.append(_written(row, first=sum(map(len, values))))
            values.append(row.values)
        meta["scores"][key] = vars(score) | {"rows": rows}
    # The text as bytes: an array of text would have to be unpickled.
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    np.savez(buffer, meta=text, values=np.concatenate(values))
    write_atomic(cell_path(run, cell.estimate_key), buffer.getvalue(), holding=in_force(run, epoch))


def read_cell(run: Path, estimate_key: str, *, frames: bool = False) -> Cell | None:
    """Return a cell; None where there is none or what is read of it is damaged.

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
    path = cell_path(run, estimate_key)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            meta = json.loads(bytes(archive["meta"]))
            values = np.asarray(archive["values"], dtype=np.float64) if frames else None
        if meta.pop("schema") != SCHEMA_VERSION or meta["estimate_key"] != estimate_key:
            return None
        for key, score in meta["scores"].items():
            score["rows"] = [] if values is None else [_read(row, values) for row in score["rows"]]
            meta["scores"][key] = ScoreSet(**score)
        return Cell(**meta)
    except FileNotFoundError:
        return None
    except OSError as error:  # a file system that does not answer now has not lost the cell
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
    except _DAMAGE:
        return None


def _written(row: Score, first: int) -> dict[str, Any]:
    """Return a score as the file has it: its values lie apart, from `first` on."""
    return {
        "target": row.target, "metric": row.quantity, "scope": row.scope, "window": row.window, "hop": row.hop,
        "flags": row.flags, "reason": row.reason, "condition": float(row.condition),
        "first": first, "n_frames": row.n_frames,
    }  # fmt: skip


def _read(row: dict[str, Any], values: NDArray[np.float64]) -> Score:
    """Return a score that `_written` described."""
    own = values[row["first"] : row["first"] + row["n_frames"]]
    if len(own) < row["n_frames"]:
        raise ValueError(f"{len(values)} frames, expected {row['first'] + row['n_frames']} and more")
    return Score(
        row["target"], row["metric"], own, row["scope"], row["window"], row["hop"], tuple(row["flags"]), row["reason"],
        row["condition"],
    )  # fmt: skip


def read_plan(run: Path) -> Record:
    """Return the plan of a run's last command.

    Raises
    ------
    RunError
        Where the folder is no run, or the file is damaged.
    """
    plan = _read_json(run, "plan.json")
    cells = plan.get("cells")
    if not isinstance(cells, list):
        raise _damaged(run, "plan.json", "cells is no list")
    for i, cell in enumerate(cells, 1):
        problem = _lacks(cell, _CELL) or _lacks(cell["track"], _TRACK, " of its track")
        if not problem and not isinstance(cell["scores"], list):
            problem = "scores is no list"
        problem = problem or next(filter(None, (_lacks(score, _SCORE, " of a score") for score in cell["scores"])), "")
        if problem:
            raise _damaged(run, "plan.json", f"cell {i}: {problem}")
    return plan


def read_info(run: Path) -> Record:
    """Return what ``run.json`` says: options, versions, machine, data set, methods, quantities.

    Raises
    ------
    RunError
        Where the folder is no run, the file is damaged, or its tables are of another version.
    """
    info = _read_json(run, "run.json")
    if info.get("schema") != SCHEMA_VERSION:
        raise RunError(
            f"{run} has tables of version {info.get('schema')}, this mss_bench reads {SCHEMA_VERSION}; "
            "run the same command again to make them anew"
        )
    problem = _lacks(info, ("options", "dataset", "quantities"))
    if not problem:
        problem = next((f"{part} is no mapping" for part in ("options", "dataset") if type(info[part]) is not dict), "")
    for part, needed in (("quantities", ("name", "higher_is_better")), ("separators", ("label",))):
        entries = info.get(part, [])
        if not isinstance(entries, list):
            problem = problem or f"{part} is no list"
        else:
            problem = problem or next(filter(None, (_lacks(entry, needed, f" of {part}") for entry in entries)), "")
    if problem:
        raise _damaged(run, "run.json", problem)
    return info


def _lacks(record: Any, needed: tuple[str, ...], of: str = "") -> str:
    """Return what is wrong with a record that must have some keys; empty where nothing is."""
    if not isinstance(record, dict):
        return f"a mapping{of} is missing"
    absent = [key for key in needed if key not in record]
    return f"{', '.join(absent)}{of} missing" if absent else ""


def _damaged(run: Path, name: str, what: str) -> RunError:
    return RunError(f"{run / name} is damaged ({what}); repeat the 'mss-bench run' that made {run}")


def _read_json(run: Path, name: str) -> Record:
    if run.is_file():
        raise RunError(f"{run} is a file; expected a run folder")
    try:
        content = json.loads((run / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{run} is not a run folder: it has no {name}; expected what mss-bench run wrote") from None
    except ValueError as error:
        raise _damaged(run, name, str(error)) from error
    except OSError as error:
        raise RunError(f"{run / name} cannot be read: {error.strerror or error}") from error
    if not isinstance(content, dict):
        raise _damaged(run, name, "it holds no mapping")
    return content
