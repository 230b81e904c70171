"""Recompute some cells of a finished run and compare: do its numbers still come out?"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.errors import RunError
from mss_bench.running.options import RunOptions
from mss_bench.running.plan import PlannedCell
from mss_bench.running.start import Prepared, prepare
from mss_bench.running.store import Cell, read_cell, read_values
from mss_bench.running.supervise import Supervisor
from mss_bench.running.tables import read_plan
from mss_bench.running.worker import Task

__all__ = ["Comparison", "verify"]


@dataclass(frozen=True)
class Comparison:
    """One cell then and now.

    Parameters
    ----------
    difference : float
        Largest absolute difference over all frames and quantities, in their units; NaN where they cannot be compared.
    """

    track: str
    method: str
    same: bool
    difference: float
    note: str


def verify(
    run: Path, options: dict[str, object], sample: int, seed: int = 0, say: Callable[[str], None] = print
) -> list[Comparison]:
    """Recompute cells of a run in a folder of their own.

    Parameters
    ----------
    run : Path
    options : dict
        ``run.json``'s options.
    sample : int
        How many finished cells, drawn at random.
    seed : int
        Of the draw.

    Raises
    ------
    RunError
        When the run has no finished cell, or was not made from a data set that can be opened again.
    """
    done = [p for p in read_plan(run)["cells"] if (old := read_cell(run, p["estimate_key"])) is not None and old.ok]
    if not done:
        raise RunError(f"{run} has no finished cell to verify")
    chosen = random.Random(seed).sample(done, min(sample, len(done)))
    prepared = prepare(RunOptions.recorded(options))
    now = {(c.track.id.subset, c.track.name, c.separator, c.params): c for c in prepared.plan.cells}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        worker = Supervisor(Path(folder) / "worker.log", prepared.options.limits())
        try:
            for planned in chosen:
                track = planned["track"]
                label = f"{planned['separator']}:{planned['params']}".rstrip(":")
                say(f"{track['name']} · {label}")
                cell = now.get((track["subset"], track["name"], planned["separator"], planned["params"]))
                found.append(_compare(run, Path(folder), planned, cell, prepared, worker, label, track))
        finally:
            worker.stop()
    return found


def _compare(
    run: Path,
    folder: Path,
    planned: dict[str, Any],
    cell: PlannedCell | None,
    prepared: Prepared,
    worker: Supervisor,
    label: str,
    track: dict[str, str],
) -> Comparison:
    def result(same: bool, difference: float, note: str) -> Comparison:
        return Comparison(track["name"], label, same, difference, note)

    if cell is None:
        return result(False, np.nan, "the track or the method is no longer there")
    old = read_cell(run, planned["estimate_key"])
    assert old is not None
    plugins = tuple(str(Path(p).resolve()) for p in prepared.options.plugins)
    worker.run(Task(folder, cell, cell.scores, device=prepared.options.device, plugins=plugins))
    new = read_cell(folder, cell.estimate_key)
    changed = _changed(old, cell)
    if new is None or not new.ok:
        return result(False, np.nan, f"fails now: {new.reason if new else 'no result'}" + changed)
    before = _frames(run, old, [score["key"] for score in planned["scores"]])
    after = _frames(folder, new, [score.key for score in cell.scores])
    if before.keys() != after.keys():
        return result(False, np.nan, "other metrics or targets" + changed)
    worst = 0.0
    for name, values in before.items():
        if values.shape != after[name].shape or (np.isnan(values) != np.isnan(after[name])).any():
            return result(False, np.nan, f"{' '.join(name)}: other frames" + changed)
        with np.errstate(invalid="ignore"):
            difference = np.where(values == after[name], 0.0, np.abs(values - after[name]))
        worst = max(worst, float(np.nanmax(difference, initial=0.0)))
    return result(worst == 0.0, worst, changed.lstrip("; "))


def _changed(old: Cell, cell: PlannedCell) -> str:
    """Which parts of the key's preimage are not what they were."""
    names = [k for k in cell.preimage if old.preimage.get(k) != _plain(cell.preimage[k])]
    return f"; changed since: {', '.join(names)}" if names else ""


def _plain(value: object) -> object:
    import json

    return json.loads(json.dumps(value, default=str))


def _frames(run: Path, cell: Cell, keys: list[str]) -> dict[tuple[str, ...], np.ndarray]:
    """The frames of the scores that the run's tables show."""
    values = read_values(run, cell.estimate_key)
    return {
        (score.group, score.metric, score.preset, row.target, row.metric): values[row.first : row.first + row.n_frames]
        for score in (cell.scores[key] for key in keys if key in cell.scores)
        for row in score.rows
    }
