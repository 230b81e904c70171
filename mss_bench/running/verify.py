"""Verify a run: compute some of its cells again, with the options that it recorded, and compare."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core.schema import method_label
from mss_bench.errors import RunError
from mss_bench.running.execute import Supervisor
from mss_bench.running.messages import Task
from mss_bench.running.options import RunOptions
from mss_bench.running.outputs import saved_estimates
from mss_bench.running.reasons import changed_parts, name_of
from mss_bench.running.start import prepare
from mss_bench.running.store import Cell, read_cell, read_plan

__all__ = ["Comparison", "DrawnCell", "draw_cells", "verify"]


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


@dataclass(frozen=True)
class DrawnCell:
    """A finished cell of a run that is to be computed again.

    Parameters
    ----------
    planned : dict
        Its description in the run's plan.
    cell : Cell
        What the run computed, with frames.
    task : Task or None
        What computes it now; None where the track or the method is no longer there.
    compute : callable
        Computes a task in the folder `folder` and returns the cell.
    folder : Path
    """

    planned: dict[str, Any]
    cell: Cell
    task: Task | None
    compute: Callable[[Task], Cell | None]
    folder: Path

    @property
    def track(self) -> str:
        """Return the name of the track."""
        return str(self.planned["track"]["name"])

    @property
    def method(self) -> str:
        """Return the name of the method, with its parameters."""
        return method_label(self.planned["separator"], self.planned["params"])


def draw_cells(
    run: Path, options: dict[str, object], sample: int, seed: int, notify: Callable[[str], None]
) -> Iterator[DrawnCell]:
    """Yield finished cells of a run, drawn at random, with what computes them again in a folder of their own.

    Parameters
    ----------
    run : Path
    options : dict
        ``run.json``'s options.
    sample : int
        How many at most.
    seed : int
        Of the draw.
    notify : callable
        Told of each.

    Raises
    ------
    RunError
        When the run has no finished cell, or was not made from a data set that can be opened again.
    """
    finished: list[tuple[dict[str, Any], Cell]] = []
    for planned in read_plan(run)["cells"]:
        cell = read_cell(run, planned["estimate_key"], frames=True)
        if cell is not None and cell.ok:
            finished.append((planned, cell))
    if not finished:
        raise RunError(f"{run} has no finished cell to verify")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Into an empty folder, so that every score is missing there.
        alone = {"out": name, "shard": None, "save_estimates": False, "media": ()}
        prepared = prepare(RunOptions.recorded(options | alone))
        now = {name_of(task.cell.describe()): task for task in prepared.tasks()}
        worker = Supervisor(folder / "worker.log", prepared.options.limits())

        def compute(task: Task) -> Cell | None:
            for member in task.cell.members:
                if saved_estimates(folder, member, verify=False) is None:
                    worker.run(now[name_of(member.describe())])
            worker.run(task)
            return read_cell(folder, task.cell.estimate_key, frames=True)

        try:
            for planned, cell in random.Random(seed).sample(finished, min(sample, len(finished))):
                drawn = DrawnCell(planned, cell, now.get(name_of(planned)), compute, folder)
                notify(f"{drawn.track} · {drawn.method}")
                yield drawn
        finally:
            worker.stop()


def verify(
    run: Path, options: dict[str, object], sample: int, seed: int = 0, notify: Callable[[str], None] = print
) -> list[Comparison]:
    """Recompute cells of a run and compare; parameters and errors are those of `draw_cells`."""
    comparisons = []
    for drawn in draw_cells(run, options, sample, seed, notify):
        planned, task = drawn.planned, drawn.task
        if task is None:
            difference, note = np.nan, "the track or the method is no longer there"
        else:
            asked = {(s["group"], s["metric"], s["preset"]) for s in planned["scores"]}
            scores = [s for s in task.scores if (s.group.name, s.metric.name, s.preset) in asked]
            new = drawn.compute(replace(task, scores=tuple(scores)))
            difference, note = _difference(drawn.cell, [s["key"] for s in planned["scores"]], new)
            if changed := changed_parts(drawn.cell.preimage, task.cell.preimage):
                note = "; ".join(filter(None, [note, f"changed since: {', '.join(changed)}"]))
        comparisons.append(Comparison(drawn.track, drawn.method, difference == 0.0, difference, note))
    return comparisons


def _difference(old: Cell, keys: list[str], new: Cell | None) -> tuple[float, str]:
    """Return the largest difference between two cells, or NaN and why they cannot be compared."""
    if new is None or not new.ok:
        return np.nan, f"fails now: {new.reason if new else 'no result'}"
    before, after = _frames(old, keys), _frames(new, new.scores)
    if before.keys() != after.keys():
        return np.nan, "other metrics or targets"
    worst = 0.0
    for name, values in before.items():
        if values.shape != after[name].shape or (np.isnan(values) != np.isnan(after[name])).any():
            return np.nan, f"{' '.join(name)}: other frames"
        with np.errstate(invalid="ignore"):  # the difference of equal infinities
            difference = np.where(values == after[name], 0.0, np.abs(values - after[name]))
        worst = max(worst, float(np.nanmax(difference, initial=0.0)))
    return worst, ""


def _frames(cell: Cell, keys: Iterable[str]) -> dict[tuple[str, ...], np.ndarray]:
    """Return the frames of some scores of a cell."""
    return {
        (score.group, score.metric, score.preset, row.target, row.quantity): row.values
        for score in (cell.scores[key] for key in keys if key in cell.scores)
        for row in score.rows
    }  # fmt: skip
