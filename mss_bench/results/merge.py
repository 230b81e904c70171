"""Run folders computed apart made into one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from mss_bench.errors import RunError
from mss_bench.results.lock import locked
from mss_bench.results.schema import Status
from mss_bench.results.store import cell_path, read_cell, write_atomic
from mss_bench.results.tables import build_tables, read_plan

__all__ = ["merge"]


def merge(runs: Sequence[Path], out: Path) -> int:
    """Put the planned cells of several runs into one folder and make its tables.

    Where two runs have the same cell the finished one is taken, and the one with more scores. The plan is the union;
    ``run.json`` is the first run's, with the others named in it.

    Returns
    -------
    int
        Planned cells without a result.

    Raises
    ------
    RunError
        When a folder is no run, or two runs call different cells by one name.
    """
    cells: dict[str, dict] = {}  # type: ignore[type-arg]
    names: dict[str, tuple[str, Path]] = {}
    for run in runs:
        for planned in read_plan(run)["cells"]:
            key = planned["estimate_key"]
            name = json.dumps([planned["track"], planned["separator"], planned["params"]])
            other, where = names.setdefault(name, (key, run))
            if other != key:
                label = f"{planned['separator']}:{planned['params']}".rstrip(":")
                raise RunError(
                    f"{label} on {planned['track']['name']!r} is another computation in {run} than in {where} (the "
                    "version, source, audio or seed differ); such runs cannot be one table"
                )
            known = cells.setdefault(key, planned)
            have = {score["key"] for score in known["scores"]}
            known["scores"] += [s for s in planned["scores"] if s["key"] not in have]
    with locked(out):
        for key in cells:
            best = max((r for r in [out, *runs]), key=lambda r: _worth(r, key))
            if best != out and _worth(best, key) > (0, 0):
                cell_path(out, key).parent.mkdir(parents=True, exist_ok=True)
                write_atomic(cell_path(out, key), cell_path(best, key).read_bytes())
        text = json.dumps({"cells": list(cells.values())}, indent=1, ensure_ascii=False)
        write_atomic(out / "plan.json", text.encode())
        info = json.loads((runs[0] / "run.json").read_text(encoding="utf-8"))
        info["merged"] = [str(run) for run in runs]
        write_atomic(out / "run.json", json.dumps(info, indent=1, ensure_ascii=False).encode())
        for run in runs:
            if (run / "estimates").is_dir() and run.resolve() != out.resolve():
                shutil.copytree(run / "estimates", out / "estimates", dirs_exist_ok=True)
        return build_tables(out)


def _worth(run: Path, key: str) -> tuple[int, int]:
    cell = read_cell(run, key)
    if cell is None:
        return 0, 0
    return (2 if cell.ok else 1), sum(s.status == Status.OK for s in cell.scores.values())
