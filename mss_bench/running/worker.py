"""The worker: computes cells one after another, whatever happens to each of them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core import audio
from mss_bench.core.schema import Status
from mss_bench.core.spec import build
from mss_bench.core.tracks import Stems, Targets, Track, TrackAudio
from mss_bench.errors import MssBenchError, RunError
from mss_bench.metrics import Metric, metrics
from mss_bench.running.failures import classify, collected_warnings, trace
from mss_bench.running.keys import digest, file_stamp, source_hash
from mss_bench.running.lock import SupersededError, in_force
from mss_bench.running.outputs import conform, save_estimates, saved_estimates
from mss_bench.running.plan import PlannedCell, PlannedScore
from mss_bench.running.store import Cell, ScoreSet, read_cell, write_cell
from mss_bench.running.usage import Usage, cpu_seconds
from mss_bench.separators import Separator, separators

__all__ = ["Reply", "Task", "WorkerState", "failed_cell", "failed_score", "reply_of", "run_cell"]

_WARM_SEPARATORS = 4  # loaded networks and dictionaries take memory; a run has more methods than that


@dataclass(frozen=True)
class Task:
    """One cell to compute.

    Parameters
    ----------
    run : Path
        Run folder.
    scores : tuple of PlannedScore
        Those that are missing.
    keep_scores : bool
        Scores that the cell's file already has stay.
    save_estimates : bool
        Keep the estimates as float32 WAV.
    epoch : str
        Token of the client that asks for it; nothing is written once that has been taken away.
    """

    run: Path
    cell: PlannedCell
    scores: tuple[PlannedScore, ...]
    keep_scores: bool = False
    save_estimates: bool = False
    device: str = "cpu"
    plugins: tuple[str, ...] = ()
    epoch: str = ""


@dataclass(frozen=True)
class Reply:
    """How a cell ended, for the parent's display; the seconds are those of this pass."""

    status: str
    reason: str
    separate_seconds: float
    score_seconds: float
    failed_metrics: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Return whether the cell or one of its metrics failed."""
        return self.status not in (Status.OK, Status.SKIPPED) or bool(self.failed_metrics)


@dataclass
class WorkerState:
    """What a worker keeps between cells: the current track, what its metrics prepared, loaded separators."""

    track: tuple[Track, tuple[tuple[str, tuple[int, int, int]], ...]] | None = None
    audio: TrackAudio | None = None
    prepared: dict[tuple[str, str], tuple[Metric, Any]] = field(default_factory=dict)
    separators: OrderedDict[str, Separator] = field(default_factory=OrderedDict)

    def load_track(self, planned: PlannedCell) -> TrackAudio:
        """Return the audio of a cell's track, kept until another track or content is asked for.

        Raises
        ------
        RunError
            When a file is not what it was when its content was hashed: the result would stand under another key.
        """
        if self.track != (planned.track, planned.stamps) or self.audio is None:
            self.track = self.audio = None
            self.prepared.clear()
            self.audio = planned.track.load()
            self.track = planned.track, planned.stamps
        for file, stamp in planned.stamps:
            if file_stamp(file) != stamp:
                self.track = None
                raise _changed(file)
        return self.audio

    def separator(self, planned: PlannedCell, device: str) -> Separator:
        """Return a loaded separator; the least recently used one is closed when there are too many.

        Raises
        ------
        RunError
            When its source or what it uses outside is not what was planned with: the result would stand under another
            key.
        """
        spec, source = planned.method, planned.preimage["source"]
        environment = planned.preimage.get("environment", {})
        key = f"{spec} {source} {environment} {planned.preimage.get('files') if not planned.all_tracks else ''}"
        if key not in self.separators:
            instance: Separator = build(separators, spec)[0]
            if source_hash(type(instance)) != source:
                raise _changed(f"the source of {spec.name}")
            if instance.environment() != environment:
                raise _changed(f"what {spec.name} uses")
            instance.load(device)
            self.separators[key] = instance
            if len(self.separators) > _WARM_SEPARATORS:
                self.separators.popitem(last=False)[1].close()
        self.separators.move_to_end(key)
        return self.separators[key]

    def metric(self, score: PlannedScore, targets: Targets) -> tuple[Metric, Any]:
        """Return a metric and what it prepared for the current track and a group."""
        group, source = score.group, score.preimage["metric"]["source"]
        key = (f"{score.metric} {source}", group.name)
        if key not in self.prepared:
            assert self.audio is not None
            metric: Metric = build(metrics, score.metric)[0]
            if source_hash(type(metric)) != source:
                raise _changed(f"the source of {score.metric.name}")
            references = group.references(self.audio.references, targets)
            self.prepared[key] = metric, metric.prepare(replace(self.audio, references=references), group)
        return self.prepared[key]


def _changed(what: str) -> RunError:
    return RunError(f"{what} has changed since the run was planned; run the same command again")


def run_cell(task: Task, state: WorkerState, stage: Callable[[str], None] = lambda name: None) -> Reply:
    """Compute one cell and write it; whatever fails is its status, or that of the scores it was asked for.

    Parameters
    ----------
    task : Task
    state : WorkerState
        Kept between cells.
    stage : callable, optional
        Told what is about to be done: the name of the metric that is to be scored, or ``""``. A parent whose worker
        dies knows by it which metric to leave out.
    """
    cell = _cell_to_fill(task)
    separated: float | None = None
    with collected_warnings() as caught:
        try:
            separators.use_files(task.plugins)
            metrics.use_files(task.plugins)
            estimates, separated = _estimates(task, state, cell)
            usage = Usage()
            for score in task.scores:
                stage(str(score.metric))
                _score(score, state, task.cell.targets, estimates, cell)
            stage("")
            cell.costs["score_memory_mb"] = max(usage.peak_memory_mb(), cell.costs.get("score_memory_mb", 0.0))
            cell.status, cell.reason = Status.OK, ""
        except Exception as error:
            status, reason = (Status.SKIPPED, str(error)) if isinstance(error, _UnsuitedError) else classify(error)
            costs, cell = cell.costs, failed_cell(task, status, reason)
            cell.costs = costs | cell.costs
            cell.log = "" if isinstance(error, MssBenchError) else trace(error, 12)
    cell.log = "\n".join([cell.log, *caught]).strip()
    write_cell(task.run, cell, task.epoch)
    return reply_of(task, cell, separated or 0.0)


def reply_of(task: Task, cell: Cell, separate_seconds: float) -> Reply:
    """Return what a cell that was computed for a task says of how it ended."""
    asked = [(s, cell.scores[s.key]) for s in task.scores if s.key in cell.scores]
    failed = tuple(f"{planned.metric}: {score.reason}" for planned, score in asked if score.status != Status.OK)
    failed += tuple(cell.problems.values())
    return Reply(cell.status, cell.reason, separate_seconds, cell.score_seconds(s.key for s in task.scores), failed)


def failed_cell(task: Task, status: Status, reason: str) -> Cell:
    """Return the cell of a task that failed. A finished one is never lost: only the scores that it lacks failed."""
    finished = _cell_on_disk(task)
    if finished is None:
        return Cell.of(task.cell.describe(), task.cell.preimage, status, reason)
    for score in task.scores:
        if not finished.has(score.key):
            finished.scores[score.key] = failed_score(score, status, reason)
    return finished


def failed_score(score: PlannedScore, status: Status, reason: str) -> ScoreSet:
    """Return a score that has no rows but says why."""
    return ScoreSet(score.group.name, score.metric.name, score.preset, status, reason, preimage=score.preimage)


def _cell_on_disk(task: Task) -> Cell | None:
    """Return the finished cell on disk with its frames; None where there is none or it is damaged."""
    cell = read_cell(task.run, task.cell.estimate_key, frames=True)
    return cell if cell is not None and cell.ok else None


def _cell_to_fill(task: Task) -> Cell:
    """Return the cell to fill: the finished one without the scores that are asked for, or an empty one."""
    cell = _cell_on_disk(task) if task.keep_scores else None
    if cell is None:
        return Cell.of(task.cell.describe(), task.cell.preimage)
    for score in task.scores:
        cell.scores.pop(score.key, None)
    return cell


class _UnsuitedError(MssBenchError):
    """The method declares that it does not take such a mixture."""


def _estimates(task: Task, state: WorkerState, cell: Cell) -> tuple[Stems, float | None]:
    """Return estimates of every target, from disk where they were saved for this key, else from the separator.

    Beside them the seconds that the separation took, None where there was none.
    """
    planned, usage = task.cell, Usage()
    track = state.load_track(planned)
    cell.costs["load_seconds"] = usage.seconds()
    cell.costs["audio_seconds"] = track.mixture.shape[1] / track.sample_rate
    saved = saved_estimates(task.run, planned)
    if saved is not None:
        loaded = {t: audio.read(f, track.sample_rate) for t, f in saved.files.items()}
        estimates, _, _ = conform(loaded, track.mixture, planned.targets, tuple(loaded))
        cell.flags, cell.problems = saved.flags, saved.problems
    else:
        separator = state.separator(planned, task.device)
        raw, costs = _separate(planned, separator, track)
        declared = (*planned.delivery.names, *(t for targets in separator.target_sets for t in targets))
        estimates, cell.flags, cell.problems = conform(
            raw, track.mixture, planned.targets, declared, planned.delivery.stem_map
        )
        cell.flags = sorted({*cell.flags, *separator.flags})
        cell.costs |= costs  # all of one pass, in place of those of an earlier one
        cell.device = separator.used_device
        if task.save_estimates:
            with in_force(task.run, task.epoch):
                save_estimates(task.run, planned, estimates, cell, track.sample_rate)
    cell.flags = sorted({*cell.flags, *track.flags})
    cell.delivered = [t for t in planned.targets if t in estimates]
    scored, lacking = planned.delivery.scored(estimates, planned.targets)
    cell.problems = {t: "; ".join([why, *cell.problems.values()]) for t, why in lacking.items()} | cell.problems
    return scored, cell.costs["separate_seconds"] if saved is None else None


def _separate(planned: PlannedCell, separator: Separator, track: TrackAudio) -> tuple[object, dict[str, float]]:
    """Return what the separator returned, and what it cost."""
    files = ", ".join(map(str, planned.track.mixture)) or f"the mixture of {planned.track.name!r}"
    if reason := separator.refuses(track.mixture.shape[0], files):
        raise _UnsuitedError(reason)
    if separator.needs_track:
        separator.track, separator.tracks = planned.track.id, planned.all_tracks
        separator.start, separator.duration = planned.track.start, planned.track.duration
    references = dict(track.references) if separator.needs_references else None
    # Of the song and the method alone, so that its draw is the same for every parameter, filter and release.
    draw = {"seed": planned.preimage["seed"], "track": vars(planned.track.id), "separator": planned.method.name}
    rng = np.random.default_rng(int(digest(draw)[:32], 16))
    mixture = track.mixture.copy()  # a method may write into what it is given
    usage = Usage()
    raw = separator.separate(mixture, track.sample_rate, targets=planned.targets, rng=rng, references=references)
    return raw, {
        "separate_seconds": usage.seconds(), "separate_cpu_seconds": usage.cpu_seconds(),
        "peak_memory_mb": usage.peak_memory_mb(), "gpu_memory_mb": usage.gpu_memory_mb(),
    }  # fmt: skip


def _score(score: PlannedScore, state: WorkerState, targets: Targets, estimates: Stems, cell: Cell) -> None:
    """Add the scores of one metric on one group to a cell; a metric that fails costs its own rows only."""
    result = cell.scores[score.key] = failed_score(score, Status.OK, "")
    cpu_began, began = cpu_seconds(), time.perf_counter()  # in this order: looking for processes may take its time
    try:
        delivered = {t: estimates[t] for t in score.group.targets if t in estimates}
        if not delivered:  # the song has none of what the method delivers
            return
        metric, prepared = state.metric(score, targets)
        result.rows = [
            replace(
                row,
                values=np.asarray(row.values, dtype=np.float64).ravel(),
                flags=tuple(sorted({*cell.flags, *row.flags})),
            )
            for row in metric.score(prepared, delivered)
        ]
    except Exception as error:
        result.status, reason = classify(error)
        result.reason = reason if isinstance(error, MssBenchError) else trace(error, 4)
    result.seconds, result.cpu_seconds = time.perf_counter() - began, max(0.0, cpu_seconds() - cpu_began)


def main(descriptor: int) -> None:
    """Take tasks from the parent until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    os.dup2(sys.stderr.fileno(), 1)  # what methods print belongs into the log
    connection: Connection[Any, Any] = Connection(descriptor)
    state = WorkerState()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            connection.send(run_cell(task, state, connection.send))
        except SupersededError:  # the parent finds the same out for itself
            return
