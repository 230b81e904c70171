"""Merging run folders that were computed apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mss_bench.core.files import json_text, write_atomic
from mss_bench.core.schema import Status
from mss_bench.errors import RunError
from mss_bench.running.description import restricted
from mss_bench.running.lock import epoch, locked
from mss_bench.running.record import (
    conditions_of,
    label_of,
    place_of,
    refuse_incomparable,
    refuse_other_run,
    refuse_other_separators,
    separators_of,
    write_record,
)
from mss_bench.running.store import Cell, Record, cell_path, read_cell, read_info, read_plan, write_cell
from mss_bench.running.tables import build_tables, cells_digest

__all__ = ["merge"]


def merge(runs: Sequence[Path], out: Path) -> list[str]:
    """Put the planned cells of several runs into one folder and make its tables.

    Where two runs have the same cell the finished one is taken, with the scores of both. The record is the union;
    ``run.json`` is the first run's, with the methods and quantities of all.

    Returns
    -------
    list of str
        Cells that are damaged in one of the runs and whole in none, in words: they are missing in the merged run.

    Raises
    ------
    RunError
        A folder is no run; the runs are of other data sets, subsets, durations or seeds, or their cells are not
        comparable.
    """
    if (out / "plan.json").is_file() and out.resolve() not in [run.resolve() for run in runs]:
        runs = [out, *runs]  # a run of its own: what it has stays
    cells: dict[str, dict[str, Any]] = {}
    for i, run in enumerate(runs):
        own = read_plan(run)["cells"]
        if i:
            refuse_other_run(runs[0], conditions_of(runs[0]), conditions_of(run), f"in {run}")
            for earlier in runs[:i]:
                refuse_other_separators(earlier, read_plan(earlier)["cells"], separators_of(run, own), str(run))
                refuse_incomparable(earlier, read_plan(earlier)["cells"], own, str(run))
        _refuse_other_cells(list(cells.values()), own, run)
        for planned in own:
            known = cells.setdefault(planned["estimate_key"], planned)
            have = {score["key"] for score in known["scores"]}
            known["scores"] += [s for s in planned["scores"] if s["key"] not in have]
    infos = [read_info(run) for run in runs]
    damaged = []
    # The lock keeps other clients out, the epoch the workers that an earlier client left on a cluster.
    with locked(out), epoch(out):
        for key, planned in cells.items():
            united = _united([out, *runs], key)
            if united is not None:
                write_cell(out, united)
            damaged += [
                f"{cell_path(run, key)} is damaged: {label_of(planned)} on {planned['track']['name']!r} is missing in "
                f"{out}; repeat the run that made it, and merge again"
                for run in runs
                if united is None and cell_path(run, key).exists()
            ]
        write_record(out, cells.values(), conditions_of(runs[0]))
        for run in runs:
            if (run / "estimates").is_dir() and run.resolve() != out.resolve():
                shutil.copytree(run / "estimates", out / "estimates", dirs_exist_ok=True)
        ends = build_tables(out)
        info = infos[0] | {"merged": [str(run) for run in runs], "cells": ends, "tables_of": cells_digest(out)}
        for part in ("separators", "quantities"):
            entries = [entry for each in infos for entry in each.get(part, [])]
            info[part] = list({json.dumps(entry, sort_keys=True): entry for entry in entries}.values())
        options = info["options"] = dict(info["options"])
        for part in ("separators", "metrics", "plugins", "catalogs"):
            entries = [entry for each in infos for entry in each["options"].get(part, [])]
            options[part] = list({json.dumps(entry, sort_keys=True): entry for entry in entries}.values())
        tracks = sorted({planned["track"]["name"] for planned in cells.values()})
        if any(each["options"].get("tracks") or each["options"].get("max_tracks") for each in infos):
            options |= {"tracks": tracks, "max_tracks": None}
        write_atomic(out / "run.json", json_text(restricted(info, list(cells.values()))))
    return damaged


def _refuse_other_cells(cells: Sequence[Record], own: Sequence[Record], run: Path) -> None:
    """Refuse a run that has another result of the same method on the same track than those before it."""
    there = {place_of(planned): planned["estimate_key"] for planned in cells}
    for planned in own:
        if there.get(place_of(planned), planned["estimate_key"]) != planned["estimate_key"]:
            raise RunError(
                f"{label_of(planned)} on {planned['track']['name']!r} is another computation in {run} than in the "
                "runs before it (its version, code, audio or targets differ); such runs cannot be one table"
            )


def _united(runs: Sequence[Path], key: str) -> Cell | None:
    """Return a cell with the scores of all runs, preferring a finished version over a failed one."""
    versions = [cell for run in runs if (cell := read_cell(run, key, frames=True)) is not None]
    if not versions:
        return None
    cell = max(versions, key=lambda version: version.ok)
    for other in versions if cell.ok else ():
        for name, score in other.scores.items() if other.ok and other is not cell else ():
            if not cell.has(name) and (name not in cell.scores or score.status == Status.OK):
                cell.scores[name] = score
    return cell
