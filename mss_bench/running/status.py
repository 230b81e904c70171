"""How far a run is, and what the rest of it will take."""

from __future__ import annotations

import math
import shlex
from collections import Counter, defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from mss_bench.core import audio
from mss_bench.core.schema import CellCounts
from mss_bench.core.text import columns, duration, encodable, shortened
from mss_bench.core.tracks import Track
from mss_bench.errors import AudioError
from mss_bench.metrics.cards import read_costs
from mss_bench.running.ends import end_of
from mss_bench.running.messages import Task
from mss_bench.running.plan import Plan
from mss_bench.running.record import label_of
from mss_bench.running.store import cell_path, read_cell, read_info, read_plan
from mss_bench.running.tables import stale
from mss_bench.separators.costs import separation_costs

__all__ = ["Failure", "RunStatus", "estimate", "run_status"]

_SHORT_SECONDS = 20.0  # of work, beside which the seconds count that every run takes
_CELL_BYTES_PER_SECOND = 500.0  # of audio: four quantities of six targets a frame, where no finished cell says better


@dataclass(frozen=True)
class Failure:
    """Failures of one method that ended in the same way."""

    status: str
    method: str  # and the metric, where that failed
    reason: str  # in a line
    log: str = ""


@dataclass
class RunStatus:
    """How the cells of a run's record ended.

    Attributes
    ----------
    run : Path
    counts : CellCounts
    failures : mapping of Failure to list of str
        The tracks concerned.
    missing : Counter of str to int
        Methods without a result, and metrics that a finished cell lacks, as ``method / metric``.
    seconds_left : float
        What the missing cells will take one after another, by the mean of each separator's finished ones; separators
        without a finished cell are taken at the mean of all.
    stale : bool
        The tables are not those of the cells.
    """

    run: Path
    counts: CellCounts = field(default_factory=CellCounts)
    missing: Counter[str] = field(default_factory=Counter)
    failures: dict[Failure, list[str]] = field(default_factory=dict)
    seconds_left: float = 0.0
    stale: bool = False

    @property
    def whole(self) -> bool:
        """Return whether every planned cell is there and none failed."""
        return self.counts.whole

    def text(self, *, logs: bool = False) -> str:
        """Return the counts as lines for the console; with `logs`, the tracks and the traceback of each failure."""
        quoted = shlex.quote(str(self.run))
        lines = [*filter(None, [self.counts.banner]), self.counts.sentence]
        ordered = sorted(self.failures.items(), key=lambda item: -len(set(item[1])))
        rows = [(f"{len(set(tracks))}×", f.status, f.method, f.reason) for f, tracks in ordered]
        if rows and not logs:
            lines += ["", "failed", columns(rows, indent="  "), f"  tracebacks: mss-bench status {quoted} --failures"]
        for row, (failure, tracks) in zip(rows, ordered, strict=True) if logs else ():
            lines += ["", "  ".join(row), f"  on {shortened(list(dict.fromkeys(tracks)))}"]
            lines += ["  | " + line for line in failure.log.splitlines()] or ["  (nothing more is known)"]
        if self.missing:
            lines += ["", "missing", columns([(f"{n}×", m) for m, n in self.missing.most_common()], indent="  ")]
            if self.counts.done:
                lines.append(f"  about {duration(self.seconds_left)} of work left on one worker")
        if self.stale:
            lines += [
                "",
                "the tables are older than the cells; make them anew:",
                f"  mss-bench results rebuild {quoted}",
            ]
        return encodable("\n".join(lines))


def run_status(run: Path) -> RunStatus:
    """Look at every cell of a run's record.

    Raises
    ------
    RunError
        Where the folder is no run, or its record or description is damaged.
    """
    if (run / "run.json").exists():  # before its first cell a run has none
        read_info(run)
    status = RunStatus(run)
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for planned in read_plan(run)["cells"]:
        method, track = label_of(planned), planned["track"]["name"]
        cell = read_cell(run, planned["estimate_key"], frames=True)
        end = end_of(planned, cell)
        status.counts += end.counts
        for row in end.failures:
            name = f"{method} / {row['metric']}" if row["metric"] else method
            failure = Failure(row["status"], name, _first_line(row["reason"]), row["log"])
            status.failures.setdefault(failure, []).append(track)
        if cell is None:
            status.missing[method] += 1
        elif cell.ok:
            status.missing.update(f"{method} / {metric}" for metric in end.unscored)
            scoring = cell.score_seconds(s["key"] for s in planned["scores"])
            seconds[method].append(cell.costs.get("separate_seconds", 0.0) + scoring)
    if seconds:
        overall = _mean([s for values in seconds.values() for s in values])
        means = {method: _mean(values) for method, values in seconds.items()}
        status.seconds_left = sum(means.get(method, overall) * n for method, n in status.missing.items())
    tabled = (run / "tracks.parquet").is_file()
    status.stale = (status.counts.done + status.counts.failed > 0 or tabled) and stale(run)
    return status


def estimate(run: Path, plan: Plan, tasks: Sequence[Task], jobs: int) -> str:
    """Return the time, memory and disk that tasks will take, in words.

    Time and memory come from this folder's cells that are finished under the keys of this plan. A built-in method
    without one, with its default parameters, is taken at the speed that was measured for the package, and said so; any
    other is named as unknown, also where cells of an earlier version or other parameters lie in the folder.
    """
    kept = max((t.reference_memory for t in tasks), default=0.0) if any(m.takes_room for m in plan.metrics) else 0.0
    pace, memory, bytes_per_second, wanted = _experience(run, plan, kept)
    seconds = {task.cell.track.id: _seconds(task.cell.track) for task in tasks}
    measured = _measured(tasks, pace)
    pace |= measured
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
    first = f"; {shortened(sorted(measured))} as measured for the package, elsewhere" if measured else ""
    start = ", beside their start and the tables" if pace and work / workers < _SHORT_SECONDS else ""
    lines = [
        f"time    {known} on {workers} worker{'s' * (workers != 1)}{start}"
        + (f", without {shortened(unknown)}" if pace and unknown else "")
        + first,
        "memory  " + _memory_line(max(memory.values(), default=0.0), workers, min(kept, wanted)),
        f"disk    about {disk / 2**20:.1f} MiB" + (f" and {saved / 2**20:.0f} MiB of estimates" if saved else ""),
    ]
    if unknown:
        lines.append(f"Unknown for: {shortened(unknown)}. Finish one cell of each first, e.g. with --max-tracks 1.")
    return "\n".join(lines)


def _measured(tasks: Sequence[Task], known: Container[str]) -> dict[str, float]:
    """Return seconds a second of audio of methods that nothing is known of here, where the package has measured them.

    Not memory: that grows with the length of the songs, and those of the demo are short.
    """
    costs, quick = read_costs(), separation_costs()
    found = {}
    for label, of_method in groupby(sorted(tasks, key=lambda t: t.cell.label), key=lambda t: t.cell.label):
        task = next(of_method)
        separated = quick.get(label)  # a label with parameters is not in it
        scoring = [costs.get(score.metric.name) for score in task.scores]
        if label in known or separated is None or any(cost is None or math.isnan(cost.score) for cost in scoring):
            continue
        targets = (len(score.group.targets) - len(score.left_out) for score in task.scores)
        scored = sum(n / cost.score for n, cost in zip(targets, scoring, strict=True) if cost is not None)
        found[label] = separated + scored
    return found


def _experience(run: Path, plan: Plan, kept: float) -> tuple[dict[str, float], dict[str, float], float, float]:
    """Return, of finished cells, seconds a second of audio and MiB by method, bytes a second of audio, MiB of spectra.

    The last is what the spectra of a track's references took, or would have, at most; infinite where no cell tells.

    `kept` is the memory in MiB that there is now for spectra of references.
    """
    pace: defaultdict[str, list[float]] = defaultdict(list)
    memory: dict[str, float] = {}
    sizes, wanted = [], []
    for planned in plan.cells:
        cell = read_cell(run, planned.estimate_key)
        if cell is None or not cell.ok or not cell.costs.get("audio_seconds"):
            continue
        length, label = cell.costs["audio_seconds"], planned.label
        spent = sum(cell.costs.get(f"{what}_seconds", 0.0) for what in ("load", "separate"))
        pace[label].append((spent + cell.score_seconds(s.key for s in planned.scores)) / length)
        used = (cell.costs.get(f"{what}_memory_mb", 0.0) for what in ("peak", "score"))
        # Spectra of references that were kept then, and those that there will be room for now.
        wanted.append(cell.costs.get("wanted_mb", math.inf))
        more = min(kept, cell.costs.get("wanted_mb", kept)) - cell.costs.get("kept_mb", 0.0)
        memory[label] = max(memory.get(label, 0.0), next(used), next(used) + more)
        sizes.append(cell_path(run, planned.estimate_key).stat().st_size / length)
    a_second = _mean(sizes or [_CELL_BYTES_PER_SECOND])
    return {label: _mean(values) for label, values in pace.items()}, memory, a_second, max(wanted, default=math.inf)


def _memory_line(a_worker: float, workers: int, kept: float) -> str:
    """Return what workers will use in MiB, and the share of what spectra of references may take of it."""
    each = " a worker" if workers > 1 else ""
    room = f"up to {math.ceil(kept)} MiB{each} for spectra of references (--reference-memory)" if kept else ""
    if not a_worker:
        return f"unknown; {room}" if room else "unknown"
    whole = f"about {workers * a_worker:.0f} MiB"
    return ", ".join(filter(None, [whole, f"{a_worker:.0f} MiB{each}" if each else "", room and f"of which {room}"]))


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
