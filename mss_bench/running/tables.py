"""Tables of a run, derived from its cells and always rebuildable.

``plan.json`` says which cells belong to the run and how its tables call them; the cells hold the rest.
Each cell is read once, and frames are streamed to disk.
"""

from __future__ import annotations

import hashlib
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.files import json_text, lock, read_json, read_whole, replacing, write_atomic
from mss_bench.core.schema import (
    COST_COLUMNS,
    FAILURE_COLUMNS,
    FRAME_COLUMNS,
    PERTURBED_COLUMNS,
    TRACK_COLUMNS,
    CellCounts,
    Status,
    is_floor,
)  # fmt: skip
from mss_bench.core.text import harmless
from mss_bench.errors import RunError
from mss_bench.metrics import Score
from mss_bench.running.ends import end_of, failure_rows, identity, left_out, unscored, why_missing
from mss_bench.running.lock import epoch, locked
from mss_bench.running.record import conditions_of, label_of, write_record
from mss_bench.running.replicates import joined_costs, joined_rows, mean_cell, together
from mss_bench.running.store import (
    Cell,
    Finished,
    Record,
    cell_path,
    read_cell,
    read_info,
    read_plan,
    write_finished,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "TABLES", "build_missing", "build_tables", "cell_counts", "cells_digest", "plain_counts", "read_table", "rebuild",
    "stale",
]  # fmt: skip

TABLES = ("tracks", "frames", "costs", "failures")

_SEPARATION = ("separate_seconds", "separate_cpu_seconds", "peak_memory_mb", "gpu_memory_mb")

_WRITING_SECONDS = 60.0  # for which a reader waits while another process writes the tables
_ROW_GROUP = 500_000  # rows: few enough to hold in memory, many enough that a file has few groups


def build_tables(run: str | Path) -> dict[str, dict[str, int]]:
    """Write the four tables of a run from its cells.

    A cell whose file is damaged is put aside and counts as missing, so that the same command computes it again.

    Returns
    -------
    dict
        How the cells of the record ended, by method, as ``run.json`` holds it.
    """
    run = Path(run)
    cells = read_plan(run)["cells"]
    further = PERTURBED_COLUMNS if any("perturbation" in cell for cell in cells) else {}
    kinds = {"tracks": TRACK_COLUMNS, "costs": COST_COLUMNS, "failures": FAILURE_COLUMNS}
    tables = {name: _Rows(columns | further) for name, columns in kinds.items()}
    ends: defaultdict[str, CellCounts] = defaultdict(CellCounts)
    finished: Finished = {}

    def frames() -> Iterator[pa.Table]:
        """Read each cell once: yield the frames of many, and note their other rows on the way."""
        gathered = _Frames()
        for replicates in together(cells):
            done: list[tuple[Record, Cell]] = []
            for planned in replicates:
                cell = _read_whole(run, planned["estimate_key"])
                end = end_of(planned, cell)
                ends[label_of(planned)] += end.counts
                if cell is not None:
                    if cell.ok and end.whole:
                        finished[cell.estimate_key] = [cell.checksum, *(score["key"] for score in planned["scores"])]
                    done.append((planned, cell))
                    tables["failures"].add(_numbered(failure_rows(planned, cell), planned, replicates))
            tables["costs"].add(joined_costs([_cost_row(*pair) for pair in done if pair[1].ok]))
            if len(done) == len(replicates):  # of some of its seeds a song has no value yet
                tables["tracks"].add(joined_rows([list(_track_rows(*pair)) for pair in done]))
                if all(cell.ok for _, cell in done):
                    gathered.add(done[0][0], mean_cell(done))
            if gathered.count >= _ROW_GROUP:
                yield gathered.table()
                gathered = _Frames()
        yield gathered.table()

    _write(run / "frames.parquet", _frame_schema(), frames())
    _flag_fewer_frames(tables["tracks"].columns)
    for name, rows in tables.items():
        table = rows.table()
        _write(run / f"{name}.parquet", table.schema, [table])
    write_finished(run, finished)
    return plain_counts(ends)


class _Rows:
    """Rows of a table, kept as columns, which take a fraction of the memory: a run can have a million."""

    def __init__(self, kinds: dict[str, str]) -> None:
        self._kinds = kinds
        self.columns: dict[str, list[Any]] = {name: [] for name in kinds}

    def add(self, rows: Iterable[Record]) -> None:
        for row in rows:
            for name, column in self.columns.items():
                column.append(row.get(name))

    def table(self) -> pa.Table:
        import pandas as pd
        import pyarrow as pa

        for name in [name for name, kind in self._kinds.items() if kind == "string"]:
            # Reasons come from plugins and names from files; a table is read by terminals, spreadsheets and browsers.
            safe = {text: harmless(text) if text else text for text in dict.fromkeys(self.columns[name])}
            self.columns[name] = [safe[text] for text in self.columns[name]]
        return pa.Table.from_pandas(pd.DataFrame(self.columns).astype(self._kinds), preserve_index=False)


def rebuild(run: str | Path) -> None:
    """Build the tables and note in ``run.json`` what they were made of.

    Raises
    ------
    RunError
        Where the folder is no run.
    """
    run = Path(run)
    info, plan = read_info(run), read_plan(run)
    # Of an earlier version it has no checksum, and beside a description that has one it would count as damaged.
    write_record(run, plan["cells"], conditions_of(run))
    ends = build_tables(run)
    write_atomic(run / "run.json", json_text(info | {"cells": ends, "tables_of": cells_digest(run)}))


def build_missing(run: Path) -> None:
    """Build the tables of a run that ended before it had any; a run that has some keeps them as they are.

    Raises
    ------
    RunError
        Where the run is still going on, or the folder cannot be written.
    """
    if (run / "plan.json").is_file() and not any((run / f"{name}.parquet").exists() for name in TABLES):
        with locked(run), epoch(run):
            rebuild(run)


def cell_counts(run: str | Path) -> dict[str, dict[tuple[str, str], CellCounts]]:
    """Return how the cells of a run stand on disk now, whatever its tables hold: by method, then by subset and song."""
    run = Path(run)
    counts: dict[str, dict[tuple[str, str], CellCounts]] = {}
    for planned in read_plan(run)["cells"]:
        song = planned["track"]["subset"], planned["track"]["name"]
        own = counts.setdefault(label_of(planned), {})
        end = end_of(planned, read_cell(run, planned["estimate_key"], frames=True))
        own[song] = own.get(song, CellCounts()) + end.counts
    return counts


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


def _flag_fewer_frames(columns: dict[str, list[Any]]) -> None:
    """Flag values of the track table that were taken over fewer frames than the floor's.

    The joint mask of BSS Eval leaves out frames in which an estimate is silent: a method that is silent where it would
    do badly is the better for it, so such a value says so.
    """
    names = ("dataset", "subset", "track", "group", "target", "metric", "preset")
    places = list(zip(*(columns[name] for name in names), strict=True))
    valid, flags = columns["n_valid"], columns["flags"]
    methods = zip(columns["separator"], columns["params"], strict=True)
    floor = {place: n for place, n, method in zip(places, valid, methods, strict=True) if is_floor(*method)}
    for i, place in enumerate(places):
        whole = floor.get(place, 0)
        if columns["status"][i] == Status.OK and 0 < valid[i] < whole:
            flags[i] = ",".join(filter(None, [flags[i], f"fewer_frames:{valid[i]}/{whole}"]))


def read_table(run: Path, name: str) -> pd.DataFrame:
    """Return one of the tables; names of the frame table are categories, as a run can have a hundred million frames.

    Raises
    ------
    RunError
        Where it is missing or damaged.
    """
    path = run / f"{name}.parquet"
    anew = f"mss-bench results rebuild {shlex.quote(str(run))}"
    try:
        try:
            return _read(run, name)
        except ValueError:
            # Another shard replaces the tables, and has not vouched for this one yet.
            with ExitStack() as stack:
                with suppress(OSError):  # in a folder that cannot be written nobody writes
                    stack.enter_context(lock(run / ".lock-tables", shared=True, timeout=_WRITING_SECONDS))
                return _read(run, name)
    except FileNotFoundError:
        raise RunError(f"{path} does not exist; make it with: {anew}") from None
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MemoryError) as error:
        raise RunError(f"{path} is damaged ({error}); make it anew with: {anew}") from error


def _read(run: Path, name: str) -> pd.DataFrame:
    import pandas as pd

    path = run / f"{name}.parquet"
    # Before it is parsed: a bit of its header can ask for any amount of memory.
    if (digest := _written_as(run, name)) and _sha256(path) != digest:
        raise ValueError("it is not what the run wrote")
    return pd.read_parquet(path)


def _numbered(rows: Iterable[Record], planned: Record, replicates: Sequence[Record]) -> Iterator[Record]:
    """Say in the reasons of failures which of several replicates it was."""
    for row in rows:
        which = f"replicate {planned.get('replicate', 1)}: " if len(replicates) > 1 else ""
        yield row | {"reason": which + row["reason"]}


def _track_rows(planned: Record, cell: Cell) -> Iterator[Record]:
    for wanted in planned["scores"]:
        score = cell.scores.get(wanted["key"])
        if cell.ok and score is None:  # not computed yet, like a cell without a file
            continue
        base = identity(planned) | {
            "oracle": planned["oracle"], "group": wanted["group"], "preset": wanted["preset"],
            "estimate_key": planned["estimate_key"], "score_key": wanted["key"],
        }  # fmt: skip
        for numbers in _numbers(score.rows) if score is not None and score.status == Status.OK else ():
            yield base | numbers
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


def _numbers(scores: Sequence[Score]) -> Iterator[Record]:
    """Yield what the track table has of scores: their medians, means and counts over frames."""
    alike: dict[bytes, list[int]] = {}
    for i, score in enumerate(scores):
        alike.setdefault(np.isnan(score.values).tobytes(), []).append(i)
    medians, means = np.full((2, len(scores)), np.nan)
    counts, perfect = np.zeros((2, len(scores)), dtype=int)
    for missing, members in alike.items():
        # All scores of a track that are there in the same frames at once: a median by itself takes 15 µs.
        valid = ~np.frombuffer(missing, dtype=bool)
        values = np.stack([scores[i].values[valid] for i in members])
        counts[members], perfect[members] = values.shape[1], np.isposinf(values).sum(axis=1)
        if values.shape[1]:
            with np.errstate(invalid="ignore"):  # frames of +inf and -inf have no mean
                medians[members], means[members] = np.median(values, axis=1), values.mean(axis=1)
    means[np.isnan(medians)] = np.nan
    for score, median, mean, n_valid, n_inf in zip(
        scores, medians.tolist(), means.tolist(), counts.tolist(), perfect.tolist(), strict=True
    ):
        yield {
            "target": score.target, "metric": score.quantity, "value": median, "mean": mean,
            "n_frames": score.n_frames, "n_valid": n_valid, "n_inf": n_inf, "status": str(Status.OK),
            "flags": ",".join(score.flags), "reason": "" if n_valid else score.why_missing,
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


class _Frames:
    """Frames of many cells: names are noted once a score, and repeated for its frames at the end."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {name: [] for name, kind in FRAME_COLUMNS.items() if kind == "string"}
        self._scores: list[Score] = []
        self.count = 0

    def add(self, planned: Record, cell: Cell) -> None:
        """Add a cell's frames, if it has any."""
        names = identity(planned)
        for wanted in planned["scores"]:
            if wanted["key"] not in cell.scores:
                continue
            names |= {"group": wanted["group"], "preset": wanted["preset"], "score_key": wanted["key"]}
            for row in cell.scores[wanted["key"]].rows:
                if row.scope == "frame":
                    names |= {"target": row.target, "metric": row.quantity}
                    for name, column in self._names.items():
                        column.append(names[name])
                    self._scores.append(row)
                    self.count += row.n_frames

    def table(self) -> pa.Table:
        """Return the frames."""
        import pyarrow as pa

        counts = np.array([score.n_frames for score in self._scores], dtype=np.int64)
        frames = np.arange(self.count) - np.repeat(np.cumsum(counts) - counts, counts)
        columns: dict[str, pa.Array] = {}
        for name, texts in self._names.items():  # each text is stored once
            distinct = {text: code for code, text in enumerate(dict.fromkeys(texts))}
            codes = np.repeat(np.array([distinct[text] for text in texts], dtype=np.int32), counts)
            columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array(map(harmless, distinct), pa.string()))
        columns["frame"] = pa.array(frames)
        # Hops may be infinite, and the first frame starts at 0 even then.
        hops = np.repeat(np.array([score.hop for score in self._scores], dtype=np.float64), counts)
        columns["time"] = pa.array(np.multiply(frames, hops, out=np.zeros(self.count), where=frames > 0))
        columns["duration"] = pa.array(np.repeat([score.window for score in self._scores], counts).astype(np.float64))
        columns["value"] = pa.array(np.concatenate([np.empty(0), *(score.values for score in self._scores)]))
        return pa.table([columns[name] for name in FRAME_COLUMNS], schema=_frame_schema())


def _frame_schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {"string": pa.dictionary(pa.int32(), pa.string()), "int64": pa.int64(), "float64": pa.float64()}
    return pa.schema([(name, kinds[kind]) for name, kind in FRAME_COLUMNS.items()])


def _write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables of one schema into a Parquet file, one after another, whole or not at all."""
    import pyarrow.parquet as pq

    repeated = [name for name in schema.names if name != "value"]  # a dictionary of scores is longer than they are
    try:
        with (
            replacing(path) as temporary,
            # Nobody asks for the least and the greatest value of a column, which cost a third of the time.
            pq.ParquetWriter(temporary, schema, use_dictionary=repeated, write_statistics=False) as writer,
        ):
            for table in tables:
                if table.num_rows:
                    writer.write_table(table, row_group_size=2 * _ROW_GROUP)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}") from error
