"""How far a run is: what is done, what failed and why, what is missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mss_bench.core.schema import Status
from mss_bench.core.text import columns, duration
from mss_bench.running.store import read_cell
from mss_bench.running.tables import read_plan

__all__ = ["RunStatus", "run_status"]


@dataclass
class RunStatus:
    """Counts over the planned cells.

    Attributes
    ----------
    failures : Counter of (status, separator, reason) to int
        Cells that failed, and metrics that failed in cells that did not.
    seconds_left : float
        What the missing cells will take one after another, by the mean of each separator's finished ones; separators
        without a finished cell are taken at the mean of all.
    """

    planned: int = 0
    done: int = 0
    skipped: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    seconds_left: float = 0.0

    def text(self) -> str:
        """For the console."""
        failed = sum(self.failures.values())
        absent = sum(self.missing.values())
        lines = [
            f"{self.planned} cells planned: {self.done} done, {failed} failed, {self.skipped} skipped, {absent} missing"
        ]
        if self.failures:
            rows = [(f"{n}×", status, method, reason) for (status, method, reason), n in self.failures.most_common()]
            lines += ["", "failed", columns(rows, indent="  ")]
        if self.missing:
            lines += ["", "missing", columns([(f"{n}×", m) for m, n in self.missing.most_common()], indent="  ")]
            if self.done:
                lines.append(f"  about {duration(self.seconds_left)} of work left on one worker")
        return "\n".join(lines)


def run_status(run: Path) -> RunStatus:
    """Look at every planned cell of a run.

    Raises
    ------
    RunError
        Where the folder is no run.
    """
    status = RunStatus()
    seconds: dict[str, list[float]] = {}
    for planned in read_plan(run)["cells"]:
        status.planned += 1
        method = f"{planned['separator']}:{planned['params']}" if planned["params"] else planned["separator"]
        cell = read_cell(run, planned["estimate_key"])
        if cell is None:
            status.missing[method] += 1
        elif cell.status == Status.SKIPPED:
            status.skipped += 1
        elif not cell.ok:
            status.failures[cell.status, method, _first_line(cell.reason)] += 1
        else:
            asked = [(s["metric"], cell.scores.get(s["key"])) for s in planned["scores"]]
            bad = [score for _, score in asked if score is not None and score.status != Status.OK]
            for score in bad:
                status.failures[score.status, f"{method} / {score.metric}", _first_line(score.reason)] += 1
            absent = {metric for metric, score in asked if score is None}
            for metric in absent:
                status.missing[f"{method} / {metric}"] += 1
            status.done += not bad and not absent
            seconds.setdefault(method, []).append(
                cell.costs.get("separate_seconds", 0.0) + cell.score_seconds(s["key"] for s in planned["scores"])
            )
    if seconds:
        everything = [s for values in seconds.values() for s in values]
        means = {method: sum(values) / len(values) for method, values in seconds.items()}
        overall = sum(everything) / len(everything)
        status.seconds_left = sum(means.get(method, overall) * n for method, n in status.missing.items())
    return status


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    # The last line of a traceback says what it was about.
    return (lines[-1] if lines[0].startswith("Traceback") else lines[0])[:160] if lines else ""
