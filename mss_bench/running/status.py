"""How far a run is, and what the rest of it will take."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mss_bench.core import audio
from mss_bench.core.schema import Status, method_label
from mss_bench.core.text import columns, duration
from mss_bench.core.tracks import Track
from mss_bench.errors import AudioError
from mss_bench.running.messages import Task
from mss_bench.running.plan import Plan
from mss_bench.running.store import cell_path, read_cell, read_plan

__all__ = ["RunStatus", "estimate", "run_status"]

_CELL_BYTES_PER_SECOND = 500.0  # of audio: four quantities of six targets a frame, where no finished cell says better


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
        """Return the counts as lines for the console."""
        lines = [
            f"{self.planned} cells planned: {self.done} done, {self.failures.total()} failed, {self.skipped} skipped, "
            f"{self.missing.total()} missing"
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
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for planned in read_plan(run)["cells"]:
        status.planned += 1
        method = method_label(planned["separator"], planned["params"])
        cell = read_cell(run, planned["estimate_key"])
        if cell is None:
            status.missing[method] += 1
        elif cell.status == Status.SKIPPED:
            status.skipped += 1
        elif not cell.ok:
            status.failures[cell.status, method, _first_line(cell.reason)] += 1
        else:
            asked = [(s["metric"], cell.scores.get(s["key"])) for s in planned["scores"]]
            failed = [score for _, score in asked if score is not None and score.status != Status.OK]
            for score in failed:
                status.failures[score.status, f"{method} / {score.metric}", _first_line(score.reason)] += 1
            absent = {metric for metric, score in asked if score is None}
            status.missing.update(f"{method} / {metric}" for metric in absent)
            status.done += not failed and not absent
            scoring = cell.score_seconds(s["key"] for s in planned["scores"])
            seconds[method].append(cell.costs.get("separate_seconds", 0.0) + scoring)
    if seconds:
        overall = _mean([s for values in seconds.values() for s in values])
        means = {method: _mean(values) for method, values in seconds.items()}
        status.seconds_left = sum(means.get(method, overall) * n for method, n in status.missing.items())
    return status


def estimate(run: Path, plan: Plan, tasks: Sequence[Task], jobs: int) -> str:
    """Return the time, memory and disk that tasks will take, in words.

    Time and memory come from this folder's cells that are finished under the keys of this plan; a method without one is
    named as unknown, also where cells of an earlier version or other parameters lie in the folder.
    """
    pace, memory, bytes_per_second = _experience(run, plan)
    seconds = {task.cell.track.id: _seconds(task.cell.track) for task in tasks}
    unknown = sorted({t.cell.label for t in tasks} - set(pace))
    work = sum(pace.get(t.cell.label, 0.0) * seconds[t.cell.track.id] for t in tasks)
    disk = sum(bytes_per_second * seconds[t.cell.track.id] for t in tasks)
    saved = sum(
        4 * 2 * t.cell.track.sample_rate * seconds[t.cell.track.id] * len(t.cell.targets.stems)  # float32, stereo
        for t in tasks
        if t.save_estimates
    )
    workers = max(1, min(jobs, len(tasks)))
    known = f"about {duration(work / workers)}" if pace else "unknown"
    lines = [
        f"time    {known} on {workers} worker{'s' * (workers != 1)}"
        + (f", without {', '.join(unknown)}" if pace and unknown else ""),
        "memory  " + (f"about {workers * max(memory.values()):.0f} MiB" if memory else "unknown"),
        f"disk    about {disk / 2**20:.1f} MiB" + (f" and {saved / 2**20:.0f} MiB of estimates" if saved else ""),
    ]
    if unknown:
        lines.append(f"Unknown for: {', '.join(unknown)}. Finish one cell of each first, e.g. with --max-tracks 1.")
    return "\n".join(lines)


def _experience(run: Path, plan: Plan) -> tuple[dict[str, float], dict[str, float], float]:
    """Return, of finished cells, seconds a second of audio and MiB by method, and bytes a second of audio."""
    pace: defaultdict[str, list[float]] = defaultdict(list)
    memory: dict[str, float] = {}
    sizes = []
    for planned in plan.cells:
        cell = read_cell(run, planned.estimate_key)
        if cell is None or not cell.ok or not cell.costs.get("audio_seconds"):
            continue
        length, label = cell.costs["audio_seconds"], planned.label
        spent = sum(cell.costs.get(f"{what}_seconds", 0.0) for what in ("load", "separate"))
        pace[label].append((spent + cell.score_seconds(s.key for s in planned.scores)) / length)
        used = (cell.costs.get(f"{what}_memory_mb", 0.0) for what in ("peak", "score"))
        memory[label] = max(memory.get(label, 0.0), *used)
        sizes.append(cell_path(run, planned.estimate_key).stat().st_size / length)
    return {label: _mean(values) for label, values in pace.items()}, memory, _mean(sizes or [_CELL_BYTES_PER_SECOND])


def _seconds(track: Track) -> float:
    """Return the length of a track by its first file's header; 0 where that cannot be read here."""
    try:
        header = audio.info(track.files()[0])
        whole = header.frames / header.sample_rate - track.start
    except (AudioError, IndexError):
        whole = 0.0
    return max(0.0, whole if track.duration is None else min(whole or track.duration, track.duration))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    # The last line of a traceback says what it was about.
    return (lines[-1] if lines[0].startswith("Traceback") else lines[0])[:160] if lines else ""
