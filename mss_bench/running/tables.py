"""Tables of a run, derived from its cells and always rebuildable.

``plan.json`` says which cells belong to the run's last command and how its tables call them; the cells hold the rest.
Other cells in the folder are a cache. Track and failure tables read no frames; the frame table is streamed to disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.files import replacing, write_atomic
from mss_bench.core.schema import COST_COLUMNS, FAILURE_COLUMNS, FLOOR, FRAME_COLUMNS, TRACK_COLUMNS, Status
from mss_bench.errors import RunError
from mss_bench.running.store import (
    Cell,
    Row,
    ScoreSet,
    cell_path,
    read_cell,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["TABLES", "build_tables", "cells_digest", "read_plan", "read_table", "rebuild"]

TABLES = ("tracks", "frames", "costs", "failures")

Record = dict[str, Any]

_ROW_GROUP = 500_000


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

    A cell whose file is damaged is put aside and counts as missing, so that the same command computes it again.

    Returns
    -------
    int
        Planned cells that have no result yet.
    """
    import pyarrow as pa

    records: dict[str, list[Record]] = {name: [] for name in TABLES}
    missing = 0

    def frames() -> Iterator[pa.Table | None]:
        """Of all cells, each read once; their other rows are noted on the way."""
        nonlocal missing
        for planned in read_plan(run)["cells"]:
            cell = _read_whole(run, planned["estimate_key"])
            if cell is None:
                missing += 1
                continue
            records["tracks"] += _track_rows(planned, cell)
            records["failures"] += _failure_rows(planned, cell)
            if cell.ok:
                records["costs"].append(_cost_row(planned, cell))
                yield _frame_table(planned, cell)

    _write(run / "frames.parquet", _frame_schema(), frames())
    _flag_fewer_frames(records["tracks"])
    for name, columns in (("tracks", TRACK_COLUMNS), ("costs", COST_COLUMNS), ("failures", FAILURE_COLUMNS)):
        table = pa.Table.from_pandas(_frame(records[name], columns), preserve_index=False)
        _write(run / f"{name}.parquet", table.schema, [table])
    return missing


def rebuild(run: Path) -> int:
    """`build_tables`, and note in ``run.json`` what they were made of.

    Raises
    ------
    RunError
        Where the folder is no run.
    """
    path = run / "run.json"
    try:
        info: Record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}; run the same command again") from error
    missing = build_tables(run)
    write_atomic(path, json.dumps(info | {"missing": missing, "tables_of": cells_digest(run)}, indent=1))
    return missing


def cells_digest(run: Path) -> str:
    """What the tables are made of: the plan and the state of its cells on disk. Tables of another digest are stale."""
    found = [(run / "plan.json").read_text(encoding="utf-8")]
    for planned in read_plan(run)["cells"]:
        try:
            stat = cell_path(run, planned["estimate_key"]).stat()
        except FileNotFoundError:
            continue
        found.append(f"{planned['estimate_key']} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _read_whole(run: Path, key: str) -> Cell | None:
    """A cell with its frames; None where there is none, or where it is damaged and therefore put aside."""
    cell = read_cell(run, key, frames=True)
    if cell is not None and len(cell.values) >= sum(r.n_frames for s in cell.scores.values() for r in s.rows):
        return cell
    if cell is not None or read_cell(run, key) is not None:  # only its frames are damaged
        damaged = cell_path(run, key)
        damaged.replace(damaged.with_suffix(".damaged"))
    return None


def _flag_fewer_frames(rows: list[Record]) -> None:
    """Flag values that were taken over fewer frames than the floor's.

    The joint mask of BSS Eval leaves out frames in which an estimate is silent: a method that is silent where it would
    do badly is the better for it, so such a value says so.
    """
    names = ("dataset", "subset", "track", "group", "target", "metric", "preset")
    floor = {tuple(r[n] for n in names): r["n_valid"] for r in rows if r["separator"] == FLOOR and not r["params"]}
    for row in rows:
        whole = floor.get(tuple(row[n] for n in names), 0)
        if row["status"] == Status.OK and 0 < row["n_valid"] < whole:
            row["flags"] = ",".join(filter(None, [row["flags"], f"fewer_frames:{row['n_valid']}/{whole}"]))


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
        for column in table.select_dtypes("category"):
            table[column] = table[column].astype("string")
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
        for target, quantity in lost:
            status, reason = _why(cell, score, target)
            yield base | {
                "target": target, "metric": quantity, "value": np.nan, "mean": np.nan, "n_frames": 0, "n_valid": 0,
                "n_inf": 0, "status": status, "flags": "", "reason": reason, "condition": np.nan,
            }  # fmt: skip


def _values(row: Row) -> Record:
    return {
        "target": row.target, "metric": row.metric, "value": row.value, "mean": row.mean, "n_frames": row.n_frames,
        "n_valid": row.n_valid, "n_inf": row.n_inf, "status": str(Status.OK), "flags": ",".join(row.flags),
        "reason": row.reason, "condition": row.condition,
    }  # fmt: skip


def _not_reported(wanted: Record, score: ScoreSet) -> list[tuple[str, str]]:
    """Targets that the method was to deliver and did not."""
    there = {row.target for row in score.rows}
    return [(t, q) for t in wanted["expected"] if t not in there for q in wanted["quantities"]]


def _why(cell: Cell, score: ScoreSet | None, *targets: str) -> tuple[str, str]:
    """Status and reason of a cell, a metric or targets without values."""
    if not cell.ok:
        return cell.status, cell.reason
    if score is None:
        return str(Status.ERROR), "not scored yet; run the same command again"
    if score.status != Status.OK:
        return score.status, score.reason.splitlines()[-1] if score.reason else ""
    told = [cell.problems[t] for t in targets if t in cell.problems] or list(cell.problems.values())
    return str(Status.INVALID_OUTPUT), "; ".join(sorted(set(told))) or "the separator did not return this target"


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
    """What a cell took. Its parts may be of several passes: the last that separated, and those that scored."""
    keys = [wanted["key"] for wanted in planned["scores"]]
    seconds = cell.costs.get("separate_seconds", np.nan)
    costs = {key: cell.costs.get(key, np.nan) for key in COST_COLUMNS if key in cell.costs}
    return (
        _identity(planned)
        | costs
        | {
            "device": cell.device,
            "score_seconds": cell.score_seconds(keys),
            "cpu_seconds": cell.costs.get("separate_cpu_seconds", np.nan) + cell.score_cpu_seconds(keys),
            "realtime_factor": cell.costs.get("audio_seconds", np.nan) / seconds if seconds else np.nan,
            "estimate_key": planned["estimate_key"],
        }
    )


def _frame_table(planned: Record, cell: Cell) -> pa.Table | None:
    """A cell's frames; names are stored once (dictionary columns), as a run can have a hundred million frames."""
    import pyarrow as pa

    scored = [
        (wanted, row)
        for wanted in planned["scores"]
        if wanted["key"] in cell.scores
        for row in cell.scores[wanted["key"]].rows
        if row.scope == "frame"
    ]
    if not scored:
        return None
    counts = np.array([row.n_frames for _, row in scored])
    which = np.repeat(np.arange(len(scored), dtype=np.int32), counts)
    frames = np.concatenate([np.arange(n) for n in counts])
    names = {
        "group": [wanted["group"] for wanted, _ in scored],
        "target": [row.target for _, row in scored],
        "metric": [row.metric for _, row in scored],
        "preset": [wanted["preset"] for wanted, _ in scored],
        "score_key": [wanted["key"] for wanted, _ in scored],
    } | {name: [text] * len(scored) for name, text in _identity(planned).items()}
    columns: dict[str, pa.Array] = {}
    for name, texts in names.items():
        distinct = list(dict.fromkeys(texts))
        codes = np.array([distinct.index(t) for t in texts], dtype=np.int32)[which]
        columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array(distinct, pa.string()))
    columns["frame"] = pa.array(frames)
    columns["time"] = pa.array(frames * np.array([row.hop for _, row in scored])[which])
    columns["duration"] = pa.array(np.array([row.window for _, row in scored])[which])
    columns["value"] = pa.array(np.concatenate([cell.values[r.first : r.first + r.n_frames] for _, r in scored]))
    return pa.table([columns[name] for name in FRAME_COLUMNS], schema=_frame_schema())


def _frame_schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {"string": pa.dictionary(pa.int32(), pa.string()), "int64": pa.int64(), "float64": pa.float64()}
    return pa.schema([(name, kinds[kind]) for name, kind in FRAME_COLUMNS.items()])


def _frame(records: list[Record], columns: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(records, columns=list(columns)).astype(columns)


def _write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table | None]) -> None:
    """Write tables of one schema into a Parquet file, one after another, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    repeated = [name for name in schema.names if name != "value"]  # a dictionary of scores is longer than they are
    try:
        with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, use_dictionary=repeated) as writer:
            for batch in _batches(tables):
                # Cells have dictionaries of their own; one row group has one.
                writer.write_table(pa.concat_tables(batch).unify_dictionaries())
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}") from error


def _batches(tables: Iterable[pa.Table | None]) -> Iterator[list[pa.Table]]:
    """Tables in lists of some hundred thousand rows: few row groups, little memory."""
    batch: list[pa.Table] = []
    rows = 0
    for table in tables:
        if table is not None:
            batch.append(table)
            rows += table.num_rows
        if rows >= _ROW_GROUP:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch
