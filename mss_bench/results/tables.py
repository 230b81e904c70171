"""Tables of a run, derived from its cells and always rebuildable.

``plan.json`` says which cells belong to the run's last command and how its tables call them; the cells hold the rest.
Other cells in the folder are a cache. Track and failure tables read no frames; the frame table is streamed to disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.errors import RunError
from mss_bench.results.schema import COST_COLUMNS, FAILURE_COLUMNS, FRAME_COLUMNS, TRACK_COLUMNS, Status
from mss_bench.results.store import Cell, Row, ScoreSet, read_cell, read_values

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "build_tables", "read_plan", "read_table"]

TABLES = ("tracks", "frames", "costs", "failures")

Record = dict[str, Any]


def read_plan(run: Path) -> Record:
    """The plan of a run's last command.

    Raises
    ------
    RunError
        Where the folder is no run.
    """
    try:
        plan: Record = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{run} is not a run folder: it has no plan.json; expected what mss-bench run wrote") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{run / 'plan.json'} cannot be read: {error}; run the same command again") from error
    return plan


def build_tables(run: Path) -> int:
    """Write the four tables of a run from its cells.

    Returns
    -------
    int
        Planned cells that have no result yet.
    """
    records: dict[str, list[Record]] = {name: [] for name in TABLES}
    cells = []
    missing = 0
    for planned in read_plan(run)["cells"]:
        cell = read_cell(run, planned["estimate_key"])
        if cell is None:
            missing += 1
            continue
        cells.append((planned, cell))
        records["tracks"] += _track_rows(planned, cell)
        records["failures"] += _failure_rows(planned, cell)
        if cell.ok:
            records["costs"].append(_cost_row(planned, cell))
    for name, columns in (("tracks", TRACK_COLUMNS), ("costs", COST_COLUMNS), ("failures", FAILURE_COLUMNS)):
        _write(run / f"{name}.parquet", [_frame(records[name], columns)])
    _write(run / "frames.parquet", (_frame(_frame_rows(p, c, run), FRAME_COLUMNS) for p, c in cells))
    return missing


def read_table(run: Path, name: str) -> pd.DataFrame:
    """One of the tables.

    Raises
    ------
    RunError
        Where it is missing or damaged.
    """
    import pandas as pd

    path = run / f"{name}.parquet"
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise RunError(f"{path} does not exist; make it with: mss-bench results rebuild {run}") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}); make it anew with: mss-bench results rebuild {run}") from error
    return table


def _identity(planned: Record) -> Record:
    track = planned["track"]
    return {
        "dataset": track["dataset"],
        "subset": track["subset"],
        "track": track["name"],
        "separator": planned["separator"],
        "params": planned["params"],
    }


def _track_rows(planned: Record, cell: Cell) -> Iterator[Record]:
    for wanted in planned["scores"]:
        score = cell.scores.get(wanted["key"])
        base = _identity(planned) | {
            "oracle": planned["oracle"],
            "group": wanted["group"],
            "preset": wanted["preset"],
            "estimate_key": planned["estimate_key"],
            "score_key": wanted["key"],
        }
        if score is not None and score.status == Status.OK:
            yield from (base | _values(row) for row in score.rows)
            lost = _not_reported(wanted, score)
        else:
            lost = [(t, q) for t in wanted["expected"] for q in wanted["quantities"]]
        status, reason = _why(cell, score)
        for target, quantity in lost:
            yield base | {
                "target": target, "metric": quantity, "value": np.nan, "n_frames": 0, "n_valid": 0, "n_inf": 0,
                "status": status, "flags": "", "reason": reason,
            }  # fmt: skip


def _values(row: Row) -> Record:
    return {
        "target": row.target, "metric": row.metric, "value": row.value, "n_frames": row.n_frames,
        "n_valid": row.n_valid, "n_inf": row.n_inf, "status": str(Status.OK), "flags": ",".join(row.flags),
        "reason": row.reason,
    }  # fmt: skip


def _not_reported(wanted: Record, score: ScoreSet) -> list[tuple[str, str]]:
    """Targets that the method was to deliver and did not."""
    there = {row.target for row in score.rows}
    return [(t, q) for t in wanted["expected"] if t not in there for q in wanted["quantities"]]


def _why(cell: Cell, score: ScoreSet | None) -> tuple[str, str]:
    if not cell.ok:
        return cell.status, cell.reason
    if score is None:
        return str(Status.ERROR), "not scored yet; run the same command again"
    if score.status != Status.OK:
        return score.status, score.reason.splitlines()[-1] if score.reason else ""
    return str(Status.INVALID_OUTPUT), "the separator did not return this target"


def _failure_rows(planned: Record, cell: Cell) -> Iterator[Record]:
    base = _identity(planned) | {"estimate_key": planned["estimate_key"]}
    if not cell.ok:
        yield base | {"group": "", "metric": "", "status": cell.status, "reason": cell.reason}
        return
    for wanted in planned["scores"]:
        score = cell.scores.get(wanted["key"])
        lost = score is None or score.status != Status.OK or _not_reported(wanted, score)
        if lost:
            status, reason = _why(cell, score)
            yield base | {"group": wanted["group"], "metric": wanted["metric"], "status": status, "reason": reason}


def _cost_row(planned: Record, cell: Cell) -> Record:
    seconds = cell.costs.get("separate_seconds", 0.0)
    costs = {key: cell.costs.get(key, np.nan) for key in COST_COLUMNS if key in cell.costs}
    factor = cell.costs.get("audio_seconds", np.nan) / seconds if seconds else np.nan
    return _identity(planned) | costs | {"realtime_factor": factor, "estimate_key": planned["estimate_key"]}


def _frame_rows(planned: Record, cell: Cell, run: Path) -> dict[str, Any]:
    """Columns of a cell's frames, whole arrays at a time."""
    parts: dict[str, list[Any]] = {name: [] for name in FRAME_COLUMNS}
    values = read_values(run, planned["estimate_key"]) if cell.ok else np.empty(0)
    identity = _identity(planned)
    for wanted in planned["scores"]:
        score = cell.scores.get(wanted["key"])
        for row in score.rows if score is not None else ():
            if row.scope != "frame":
                continue
            frames = np.arange(row.n_frames)
            constant = identity | {
                "group": wanted["group"], "target": row.target, "metric": row.metric, "preset": wanted["preset"],
                "duration": row.window, "score_key": wanted["key"],
            }  # fmt: skip
            for name, value in constant.items():
                parts[name].append(np.full(row.n_frames, value, dtype=object if isinstance(value, str) else None))
            parts["frame"].append(frames)
            parts["time"].append(frames * row.hop)
            parts["value"].append(values[row.first : row.first + row.n_frames])
    return {name: np.concatenate(arrays) if arrays else [] for name, arrays in parts.items()}


def _frame(records: list[Record] | dict[str, Any], columns: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(records, columns=list(columns)).astype(columns)


def _write(path: Path, tables: Any) -> None:
    """Write tables of one schema into a Parquet file, one after another, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    temporary = path.with_name(f".{path.name}.tmp")
    writer = None
    try:
        for table in tables:
            arrow = pa.Table.from_pandas(table, preserve_index=False)
            if writer is None:
                writer = pq.ParquetWriter(temporary, arrow.schema)
            if len(table) or path.name != "frames.parquet":
                writer.write_table(arrow)
        if writer is None:
            arrow = pa.Table.from_pandas(_frame([], FRAME_COLUMNS), preserve_index=False)
            writer = pq.ParquetWriter(temporary, arrow.schema)
        writer.close()
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
