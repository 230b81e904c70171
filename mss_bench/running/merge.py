"""Merging run folders that were computed apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mss_bench.core.files import write_atomic
from mss_bench.core.schema import Status, method_label
from mss_bench.errors import RunError
from mss_bench.running.lock import epoch, locked
from mss_bench.running.store import Cell, read_cell, read_info, read_plan, write_cell
from mss_bench.running.tables import build_tables, cells_digest

__all__ = ["merge"]


def merge(runs: Sequence[Path], out: Path) -> int:
    """Put the planned cells of several runs into one folder and make its tables.

    Where two runs have the same cell the finished one is taken, with the scores of both. The plan is the union;
    ``run.json`` is the first run's, with the methods and quantities of all.

    Returns
    -------
    int
        Planned cells without a result.

    Raises
    ------
    RunError
        When a folder is no run, or two runs call different cells by one name.
    """
    cells: dict[str, dict[str, Any]] = {}
    names: dict[str, tuple[str, Path]] = {}
    for run in runs:
        for planned in read_plan(run)["cells"]:
            key = planned["estimate_key"]
            name = json.dumps([planned["track"], planned["separator"], planned["params"]])
            other, where = names.setdefault(name, (key, run))
            if other != key:
                label = method_label(planned["separator"], planned["params"])
                raise RunError(
                    f"{label} on {planned['track']['name']!r} is another computation in {run} than in {where} (the "
                    "version, source, audio or seed differ); such runs cannot be one table"
                )
            known = cells.setdefault(key, planned)
            have = {score["key"] for score in known["scores"]}
            known["scores"] += [s for s in planned["scores"] if s["key"] not in have]
    infos = [read_info(run) for run in runs]
    # The lock keeps other clients out, the epoch the workers that an earlier client left on a cluster.
    with locked(out), epoch(out):
        for key in cells:
            united = _united([out, *runs], key)
            if united is not None:
                write_cell(out, united)
        write_atomic(out / "plan.json", json.dumps({"cells": list(cells.values())}, indent=1, ensure_ascii=False))
        for run in runs:
            if (run / "estimates").is_dir() and run.resolve() != out.resolve():
                shutil.copytree(run / "estimates", out / "estimates", dirs_exist_ok=True)
        missing = build_tables(out)
        info = infos[0] | {"merged": [str(run) for run in runs], "missing": missing, "tables_of": cells_digest(out)}
        for part in ("separators", "quantities"):
            entries = [entry for each in infos for entry in each.get(part, [])]
            info[part] = list({json.dumps(entry, sort_keys=True): entry for entry in entries}.values())
        write_atomic(out / "run.json", json.dumps(info, indent=1))
        return missing


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
