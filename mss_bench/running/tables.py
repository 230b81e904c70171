"""Tables of a run, derived from its cells and always rebuildable.

``plan.json`` says which cells belong to the run and how its tables call them; the cells hold the rest.
Each cell is read once, and frames are streamed to disk.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.files import json_text, read_json, read_whole, replacing, write_atomic
from mss_bench.core.schema import (
    COST_COLUMNS,
    FAILURE_COLUMNS,
    FRAME_COLUMNS,
    TRACK_COLUMNS,
    CellCounts,
    Status,
    is_floor,
)  # fmt: skip
from mss_bench.core.text import harmless
from mss_bench.errors import RunError
from mss_bench.metrics import Score
from mss_bench.running.ends import end_of, failure_rows, identity, left_out, unscored, why_missing
from mss_bench.running.record import conditions_of, label_of, write_record
from mss_bench.running.store import Cell, Record, cell_path, read_cell, read_info, read_plan

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["TABLES", "build_tables", "cells_digest", "plain_counts", "read_table", "rebuild", "stale"]

TABLES = ("tracks", "frames", "costs", "failures")

_SEPARATION = ("separate_seconds", "separate_cpu_seconds", "peak_memory_mb", "gpu_memory_mb")

_ROW_GROUP = 500_000  # rows: few enough to hold in memory, many enough that a file has few groups


def build_tables(run: str | Path) -> dict[str, dict[str, int]]:
    """Write the four tables of a run from its cells.

    A cell whose file is damaged is put aside and counts as missing, so that the same command computes it again.

    Returns
    -------
    dict
        How the cells of the record ended, by method, as ``run.json`` holds it.
    """
    import pandas as pd
    import pyarrow as pa

    run = Path(run)
    records: dict[str, list[Record]] = {name: [] for name in TABLES}
    ends: defaultdict[str, CellCounts] = defaultdict(CellCounts)

    def frames() -> Iterator[pa.Table]:
        """Read each cell once: yield its frames, and note its other rows on the way."""
        for planned in read_plan(run)["cells"]:
            cell = _read_whole(run, planned["estimate_key"])
            ends[label_of(planned)] += end_of(planned, cell).counts
            if cell is None:
                continue
            records["tracks"] += _track_rows(planned, cell)
            records["failures"] += failure_rows(planned, cell)
            if cell.ok:
                records["costs"].append(_cost_row(planned, cell))
                yield from _frame_table(planned, cell)

    _write(run / "frames.parquet", _frame_schema(), frames())
    _flag_fewer_frames(records["tracks"])
    for name, columns in (("tracks", TRACK_COLUMNS), ("costs", COST_COLUMNS), ("failures", FAILURE_COLUMNS)):
        texts = [column for column, kind in columns.items() if kind == "string"]
        for record in records[name]:
            # Reasons come from plugins and names from files; a table is read by terminals, spreadsheets and browsers.
            record.update({text: harmless(record[text]) for text in texts if record.get(text)})
        rows = pd.DataFrame(records[name], columns=list(columns)).astype(columns)
        table = pa.Table.from_pandas(rows, preserve_index=False)
        _write(run / f"{name}.parquet", table.schema, [table])
    return plain_counts(ends)


def rebuild(run: Path) -> None:
    """Build the tables and note in ``run.json`` what they were made of.

    Raises
    ------
    RunError
        Where the folder is no run.
    """
    info, plan = read_info(run), read_plan(run)
    # Of an earlier version it has no checksum, and beside a description that has one it would count as damaged.
    write_record(run, plan["cells"], conditions_of(run))
    ends = build_tables(run)
    write_atomic(run / "run.json", json_text(info | {"cells": ends, "tables_of": cells_digest(run)}))


def plain_counts(ends: Mapping[str, CellCounts]) -> dict[str, dict[str, int]]:
    """Return counts by method as ``run.json`` holds them."""
    return {label: counts.to_dict() for label, counts in ends.items()}


def cells_digest(run: Path) -> str:
    """Return what tells whether tables are those of a run: digests of its plan and cells, and of each table's file.

    The first word is of the plan and the state of its cells on disk; tables that were made of another are stale. The
    others are ``name:sha256``, which `read_table` compares.
    """
    parts = [read_whole(run / "plan.json").decode("utf-8", "replace")]
    for planned in read_plan(run)["cells"]:
        try:
            stat = cell_path(run, planned["estimate_key"]).stat()
        except FileNotFoundError:
            continue
        parts.append(f"{planned['estimate_key']} {stat.st_size} {stat.st_mtime_ns}")
    whole = {name: run / f"{name}.parquet" for name in TABLES if (run / f"{name}.parquet").is_file()}
    tables = [f"{name}:{_sha256(path)}" for name, path in whole.items()]
    return " ".join([hashlib.sha256("\n".join(parts).encode()).hexdigest(), *tables])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written_as(run: Path, name: str) -> str:
    """Return the digest of a table that ``run.json`` vouches for; empty where it vouches for none."""
    try:
        words = str(read_json(run / "run.json").get("tables_of", "")).split()[1:]
    except (OSError, ValueError, AttributeError):
        return ""
    return dict(word.partition(":")[::2] for word in words).get(name, "")


def stale(run: Path) -> bool:
    """Return whether the tables are not those of the record and its cells."""
    try:
        tables_of = read_json(run / "run.json").get("tables_of")
        # Tables that were imported were made of no cells.
        if (run / "plan.json").exists() and tables_of != cells_digest(run):
            return True
    except (OSError, ValueError, AttributeError, RunError):
        return True
    return not all((run / f"{name}.parquet").is_file() for name in TABLES)


def _read_whole(run: Path, key: str) -> Cell | None:
    """Return a cell with its frames; None where there is none, or where it is damaged and therefore put aside."""
    cell = read_cell(run, key, frames=True)
    if cell is None and read_cell(run, key) is not None:  # only its frames are damaged
        damaged = cell_path(run, key)
        damaged.replace(damaged.with_suffix(".damaged"))
    return cell


def _flag_fewer_frames(rows: list[Record]) -> None:
    """Flag values that were taken over fewer frames than the floor's.

    The joint mask of BSS Eval leaves out frames in which an estimate is silent: a method that is silent where it would
    do badly is the better for it, so such a value says so.
    """
    names = ("dataset", "subset", "track", "group", "target", "metric", "preset")
    floor = {tuple(r[n] for n in names): r["n_valid"] for r in rows if is_floor(r["separator"], r["params"])}
    for row in rows:
        whole = floor.get(tuple(row[n] for n in names), 0)
        if row["status"] == Status.OK and 0 < row["n_valid"] < whole:
            row["flags"] = ",".join(filter(None, [row["flags"], f"fewer_frames:{row['n_valid']}/{whole}"]))


def read_table(run: Path, name: str) -> pd.DataFrame:
    """Return one of the tables.

    Raises
    ------
    RunError
        Where it is missing or damaged.
    """
    import pandas as pd

    path = run / f"{name}.parquet"
    try:
        # Before it is parsed: a bit of its header can ask for any amount of memory.
        if (digest := _written_as(run, name)) and _sha256(path) != digest:
            raise ValueError("it is not what the run wrote")
        table = pd.read_parquet(path)
        for column in table.select_dtypes("category"):
            table[column] = table[column].astype("string")
    except FileNotFoundError:
        raise RunError(f"{path} does not exist; make it with: mss-bench results rebuild {run}") from None
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MemoryError) as error:
        raise RunError(f"{path} is damaged ({error}); make it anew with: mss-bench results rebuild {run}") from error
    return table


def _track_rows(planned: Record, cell: Cell) -> Iterator[Record]:
    for wanted in planned["scores"]:
        score = cell.scores.get(wanted["key"])
        if cell.ok and score is None:  # not computed yet, like a cell without a file
            continue
        base = identity(planned) | {
            "oracle": planned["oracle"], "group": wanted["group"], "preset": wanted["preset"],
            "estimate_key": planned["estimate_key"], "score_key": wanted["key"],
        }  # fmt: skip
        for row in score.rows if score is not None and score.status == Status.OK else ():
            yield base | _numbers(row)
        missing = [(t, q, *why_missing(cell, score, t)) for t, q in unscored(wanted, score)]
        missing += [(t, q, str(Status.SKIPPED), why) for t, why in left_out(wanted) for q in wanted["quantities"]]
        # Nothing failed: the song has no such target, and no method is to be told from another by that.
        absent = wanted.get("absent", {})
        missing += [(t, q, str(Status.OK), why) for t, why in absent.items() for q in wanted["quantities"]]
        for target, quantity, status, reason in missing:
            yield base | {
                "target": target, "metric": quantity, "value": np.nan, "mean": np.nan, "n_frames": 0, "n_valid": 0,
                "n_inf": 0, "status": status, "flags": "", "reason": reason, "condition": np.nan,
            }  # fmt: skip


def _numbers(score: Score) -> Record:
    """Return what the track table has of a score: its median, mean and counts over frames."""
    valid, value = score.values[~np.isnan(score.values)], score.value
    with np.errstate(invalid="ignore"):  # frames of +inf and -inf have no mean
        mean = float(valid.mean()) if not np.isnan(value) else np.nan
    return {
        "target": score.target, "metric": score.quantity, "value": value, "mean": mean, "n_frames": score.n_frames,
        "n_valid": len(valid), "n_inf": score.n_inf, "status": str(Status.OK), "flags": ",".join(score.flags),
        "reason": "" if len(valid) else score.why_missing,
        # Its last digits depend on where arrays lie in memory, and score tables are the same bytes each time.
        "condition": float(f"{score.condition:.3g}"),
    }  # fmt: skip


def _cost_row(planned: Record, cell: Cell) -> Record:
    """Return what a cell took, of several passes perhaps: the last that separated, and those that scored."""
    keys = [wanted["key"] for wanted in planned["scores"]]
    costs = dict(cell.costs)
    if planned.get("only_reads"):  # what was separated elsewhere has a cost that nobody measured here
        for name in _SEPARATION:
            costs.pop(name, None)
    seconds, scoring = costs.get("separate_seconds", np.nan), cell.score_cpu_seconds(keys)
    return identity(planned) | {
        **{name: value for name, value in costs.items() if name in COST_COLUMNS},
        "device": cell.device,
        "score_seconds": cell.score_seconds(keys),
        "cpu_seconds": costs.get("separate_cpu_seconds", np.nan) + scoring,
        "realtime_factor": costs.get("audio_seconds", np.nan) / seconds if seconds else np.nan,
        "estimate_key": planned["estimate_key"],
    }


def _frame_table(planned: Record, cell: Cell) -> Iterator[pa.Table]:
    """Yield a cell's frames, if it has any."""
    import pyarrow as pa

    scored = [
        (wanted, row)
        for wanted in planned["scores"]
        if wanted["key"] in cell.scores
        for row in cell.scores[wanted["key"]].rows
        if row.scope == "frame"
    ]
    if not scored:
        return
    counts = np.array([row.n_frames for _, row in scored])
    which = np.repeat(np.arange(len(scored), dtype=np.int32), counts)
    frames = np.concatenate([np.arange(n) for n in counts])
    names = {name: [text] * len(scored) for name, text in identity(planned).items()}
    names |= {"target": [row.target for _, row in scored], "metric": [row.quantity for _, row in scored]}
    names |= {name: [wanted[name] for wanted, _ in scored] for name in ("group", "preset")}
    names["score_key"] = [wanted["key"] for wanted, _ in scored]
    columns: dict[str, pa.Array] = {}
    for name, texts in names.items():  # stored once, as a run can have a hundred million frames
        distinct = list(dict.fromkeys(texts))
        codes = np.array([distinct.index(t) for t in texts], dtype=np.int32)[which]
        columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array(map(harmless, distinct), pa.string()))
    columns["frame"] = pa.array(frames)
    hops = np.array([row.hop for _, row in scored])[which]  # may be infinite, and the first frame starts at 0 even then
    columns["time"] = pa.array(np.multiply(frames, hops, out=np.zeros(len(frames)), where=frames > 0))
    columns["duration"] = pa.array(np.array([row.window for _, row in scored])[which])
    columns["value"] = pa.array(np.concatenate([row.values for _, row in scored]))
    yield pa.table([columns[name] for name in FRAME_COLUMNS], schema=_frame_schema())


def _frame_schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {"string": pa.dictionary(pa.int32(), pa.string()), "int64": pa.int64(), "float64": pa.float64()}
    return pa.schema([(name, kinds[kind]) for name, kind in FRAME_COLUMNS.items()])


def _write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables of one schema into a Parquet file, one after another, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    repeated = [name for name in schema.names if name != "value"]  # a dictionary of scores is longer than they are
    batch: list[pa.Table] = []

    def flush() -> None:
        if batch:
            # Cells have dictionaries of their own; one row group has one.
            writer.write_table(pa.concat_tables(batch).unify_dictionaries())
            batch.clear()

    try:
        with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, use_dictionary=repeated) as writer:
            for table in tables:
                batch.append(table)
                if sum(t.num_rows for t in batch) >= _ROW_GROUP:
                    flush()
            flush()
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}") from error
