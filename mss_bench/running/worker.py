"""The worker processes: one reads tracks, scores and writes cells, another one separates.

`main` is the loop of every process of a `Supervisor`: it answers requests of the parent. The process that scores runs
only code of this package; metrics of plugins are scored in a third process. What the separating process does is in
`mss_bench.running.estimates`.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core import audio
from mss_bench.core.reads import undeclared, watched_reads
from mss_bench.core.schema import Status
from mss_bench.core.spec import build
from mss_bench.core.tracks import Stems, Targets, Track, TrackAudio
from mss_bench.errors import MssBenchError, RunError
from mss_bench.metrics import Metric, metrics
from mss_bench.metrics._room import Room
from mss_bench.running.conform import conform
from mss_bench.running.estimates import (
    Separated,
    SeparationRequest,
    SharedAudio,
    WarmSeparators,
    changed,
    separate_cell,
)
from mss_bench.running.failures import classify, collected_warnings, trace
from mss_bench.running.keys import file_stamp, known_code, source_hash
from mss_bench.running.lock import SupersededError, in_force
from mss_bench.running.messages import LoadTrack, Reply, Task, answer
from mss_bench.running.outputs import save_estimates, saved_estimates
from mss_bench.running.planned import PlannedCell, PlannedScore, Stamps
from mss_bench.running.store import Cell, ScoreSet, read_cell, write_cell
from mss_bench.running.usage import Usage, cpu_seconds

__all__ = ["WorkerState", "failed_cell", "failed_score", "load", "main", "reply_of", "score_cell"]


@dataclass
class WorkerState:
    """What a scoring process keeps between cells: the current track and what its metrics prepared."""

    shared: SharedAudio
    track: tuple[Track, Stamps] | None = None
    audio: TrackAudio | None = None
    prepared: dict[tuple[str, str], tuple[Metric, Any]] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)  # files, by metrics that are not of this package
    since: float = field(default_factory=time.time)
    load_seconds: float = 0.0  # time of reading the track, until a cell has counted it
    room: Room = field(default_factory=lambda: Room(0))  # of what metrics keep of the current track

    def load_track(self, task: Task) -> TrackAudio:
        """Return the audio of a cell's track, kept until another track or content is asked for.

        Raises
        ------
        RunError
            When a file has changed since its content was hashed: the result would be stored under a wrong key.
        """
        planned = task.cell
        # What the method reads has stamps of its own: the next method finds the references prepared.
        if self.track != (planned.track, planned.stamps) or self.audio is None:
            self.track = self.audio = None
            self.prepared.clear()
            self.room = Room(task.reference_memory)
            began = time.perf_counter()
            self.audio = planned.track.load()
            self.track, self.load_seconds = (planned.track, planned.stamps), time.perf_counter() - began
        for file, stamp in planned.stamps:
            if file_stamp(file) != stamp:
                self.track = None
                raise changed(file)
        return self.audio

    def metric(self, score: PlannedScore, targets: Targets) -> tuple[Metric, Any]:
        """Return a metric and what it prepared for the current track and a group."""
        group, source = score.group, score.preimage["metric"]["source"]
        key = (f"{score.metric} {source}", group.name)
        if key not in self.prepared:
            assert self.audio is not None
            metric: Metric = build(metrics, score.metric)[0]
            if source_hash(type(metric)) != source:
                raise changed(f"the source of {score.metric.name}")
            metric.room = self.room
            references = group.references(self.audio.references, targets)
            self.prepared[key] = metric, metric.prepare(replace(self.audio, references=references), group)
        return self.prepared[key]


def load(task: Task, state: WorkerState) -> SeparationRequest | Reply | None:
    """Read a cell's track; return what is to be separated, or None where its estimates were saved.

    Where the track cannot be read the cell has failed: it is written, and a `Reply` is returned.
    """
    try:
        track = state.load_track(task)
        if saved_estimates(task.run, task.cell) is not None:
            return None
        files: dict[str, dict[str, Path]] = {}
        for member in task.cell.members:
            saved = saved_estimates(task.run, member)
            if saved is None:
                return score_cell(task, _without_member(task, member), state)
            files[member.label] = saved.files
        wanted = {"": track.mixture} | (dict(track.references) if task.cell.oracle else {})
        places = state.shared.write(wanted)
        free = max(place.end for place in places.values())
        return SeparationRequest(task.cell, places.pop(""), places, free, task.device, task.plugins, files)
    except Exception as error:
        status, reason = classify(error)
        log = "" if isinstance(error, MssBenchError) else trace(error, 12)
        return score_cell(task, Separated(status=status, reason=reason, log=log), state)


def _without_member(task: Task, member: PlannedCell) -> Separated:
    """Return how an ensemble ends of which a member has no estimates of the song."""
    cell = read_cell(task.run, member.estimate_key)
    reason = f"{member.label} has no estimates of this song{f': {cell.reason}' if cell and cell.reason else ''}"
    return Separated(status=cell.status if cell and not cell.ok else Status.ERROR, reason=reason)


def score_cell(
    task: Task, separated: Separated | None, state: WorkerState, stage: Callable[[str], None] = lambda name: None
) -> Reply:
    """Score a cell and write it; a failure becomes the status of the cell, or of the scores concerned.

    Parameters
    ----------
    task : Task
    separated : Separated, optional
        None where the run folder has the estimates.
    state : WorkerState
        Kept between cells.
    stage : callable, optional
        Called with the name of each metric before it is scored, and with ``""`` at the end, so that the parent of a
        process that crashes knows which metric to leave out.
    """
    cell = _cell_to_fill(task)
    with collected_warnings() as caught:
        try:
            if separated is not None and separated.status != Status.OK:
                costs, cell = separated.costs, failed_cell(task, Status(separated.status), separated.reason)
                cell.costs = costs | cell.costs
            else:
                estimates = _estimates(task, separated, state, cell)
                usage = Usage()
                _score_all(task, state, estimates, cell, stage)
                cell.costs["score_memory_mb"] = max(usage.peak_memory_mb(), cell.costs.get("score_memory_mb", 0.0))
                cell.costs |= {"kept_mb": state.room.taken / 2**20, "wanted_mb": state.room.wanted / 2**20}
                cell.status, cell.reason = Status.OK, ""
        except Exception as error:
            costs, cell = cell.costs, failed_cell(task, *classify(error))
            cell.costs = costs | cell.costs
            cell.log = "" if isinstance(error, MssBenchError) else trace(error, 12)
    noted = [separated.log] if separated is not None and separated.log not in cell.log else []
    cell.log = "\n".join([cell.log, *noted, *caught]).strip()
    write_cell(task.run, cell, task.epoch)
    seconds = separated.costs.get("separate_seconds", 0.0) if separated else 0.0
    return reply_of(task, cell, seconds)


def reply_of(task: Task, cell: Cell, separate_seconds: float) -> Reply:
    """Return how the cell of a task ended."""
    asked = [(s, cell.scores[s.key]) for s in task.scores if s.key in cell.scores]
    failed = tuple(f"{planned.metric}: {score.reason}" for planned, score in asked if score.status != Status.OK)
    failed += tuple(cell.problems.values())
    seconds: dict[str, float] = {}
    for planned, score in asked:
        seconds[str(planned.metric)] = seconds.get(str(planned.metric), 0.0) + score.seconds
    times, log = tuple(seconds.items()), "" if cell.ok else cell.log
    return Reply(cell.status, cell.reason, separate_seconds, sum(seconds.values()), failed, times, log)


def failed_cell(task: Task, status: Status, reason: str) -> Cell:
    """Return the cell of a task that failed. One that was finished before stays so: only its missing scores failed."""
    finished = _cell_on_disk(task)
    if finished is None:
        return Cell.of(task.cell.describe(), task.cell.preimage, status, reason)
    for score in task.scores:
        if not finished.has(score.key):
            finished.scores[score.key] = failed_score(score, status, reason)
    return finished


def failed_score(score: PlannedScore, status: Status, reason: str) -> ScoreSet:
    """Return a score without rows, with the reason."""
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


def _estimates(task: Task, separated: Separated | None, state: WorkerState, cell: Cell) -> Stems:
    """Return the estimates to score: those of the separation, or those that were saved for this key."""
    planned = task.cell
    track = state.load_track(task)
    cell.costs["load_seconds"], state.load_seconds = state.load_seconds, 0.0
    cell.costs["audio_seconds"] = track.mixture.shape[1] / track.sample_rate
    if separated is not None:
        estimates = state.shared.read(separated.estimates)
        cell.flags, cell.problems = separated.flags, separated.problems
        cell.costs |= separated.costs  # all of one pass, in place of those of an earlier one
        for member in task.cell.members:
            _add_costs(cell, read_cell(task.run, member.estimate_key))
        cell.device = separated.device
        if task.save_estimates:
            with in_force(task.run, task.epoch):
                save_estimates(task.run, planned, estimates, cell, track.sample_rate)
    else:
        saved = saved_estimates(task.run, planned)
        if saved is None:
            raise changed(f"what was saved of {planned.label}")
        loaded = {t: audio.read(f, track.sample_rate) for t, f in saved.files.items()}
        estimates, _, _ = conform(loaded, track.mixture, planned.targets, tuple(loaded))
        cell.flags, cell.problems = saved.flags, saved.problems
    cell.flags = sorted({*cell.flags, *track.flags})
    cell.delivered = [t for t in planned.targets if t in estimates]
    scored, lacking = planned.delivery.scored(estimates, planned.targets)
    cell.problems = {t: "; ".join([why, *cell.problems.values()]) for t, why in lacking.items()} | cell.problems
    if planned.delivery.doubtful:
        from mss_bench.running.examination import misnamed  # here, as it imports data sets

        for target, why in misnamed(scored, track, planned.targets.without(planned.track.absent)).items():
            if target not in planned.delivery.stem_map.targets:  # the user's map names it
                cell.problems[target] = why
                del scored[target]
    return scored


def _add_costs(cell: Cell, member: Cell | None) -> None:
    """Add what a member of an ensemble took: time adds up, memory does not, since one is separated after the other."""
    costs = member.costs if member else {}
    for name in ("separate_seconds", "separate_cpu_seconds"):
        cell.costs[name] = cell.costs.get(name, 0.0) + costs.get(name, 0.0)
    for name in ("peak_memory_mb", "gpu_memory_mb"):
        cell.costs[name] = max(cell.costs.get(name, 0.0), costs.get(name, 0.0))


def _score_all(task: Task, state: WorkerState, estimates: Stems, cell: Cell, stage: Callable[[str], None]) -> None:
    """Add all scores that a task asks for; metrics of plugins must declare the files that they read."""
    if not any(score.foreign for score in task.scores):
        for score in task.scores:
            stage(str(score.metric))
            _score(score, state, task.cell.targets, estimates, cell)
        stage("")
        return
    with watched_reads(state.opened):
        origins = {score.origin for score in task.scores}
        metrics.use_files(file for file in task.plugins if file in origins)
        for score in task.scores:
            stage(str(score.metric))
            _score(score, state, task.cell.targets, estimates, cell)
        stage("")
    declared = [file for metric, _ in state.prepared.values() for file in metric.files()]
    annotations = [task.cell.track.annotations] if task.cell.track.annotations else []
    if files := undeclared(state.opened, [*declared, *annotations, *task.cell.track.files()], state.since):
        names = ", ".join(dict.fromkeys(score.metric.name for score in task.scores))
        raise RunError(
            f"{names}: reads {', '.join(map(str, files[:3]))}, which files() of the metric does not name: with other "
            "content the key would be the same; return it from files()"
        )


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
                flags=tuple(sorted({*_flags_of(row.target, cell.flags, targets), *row.flags})),
            )
            for row in metric.score(prepared, delivered)
        ]
    except Exception as error:
        result.status, reason = classify(error)
        result.reason = reason if isinstance(error, MssBenchError) else trace(error, 4)
    result.seconds, result.cpu_seconds = time.perf_counter() - began, max(0.0, cpu_seconds() - cpu_began)


def _flags_of(target: str, flags: Iterable[str], targets: Targets) -> list[str]:
    """Return the flags of a cell that concern a target: all but those that begin with the name of another one."""
    others = tuple(f"{name}_" for name in targets if name != target)
    return [flag for flag in flags if not flag.startswith(others)]


def main(descriptor: int, shared: int, role: str, token: bytes) -> None:
    """Answer requests of the parent until it hangs up; the role is ``"score"`` or ``"separate"``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    os.dup2(sys.stderr.fileno(), 1)  # what methods print goes to the log
    gc.freeze()  # what was imported stays, and is not searched again and again
    gc.enable()
    connection: Connection[Any, Any] = Connection(descriptor)
    process, memory = os.getpid(), SharedAudio(shared)
    state, warm = WorkerState(memory), WarmSeparators()
    answer(descriptor, token, 0, "ready")
    while True:
        try:
            number, request, code = connection.recv()
        except EOFError:
            return
        known_code.update(code)
        try:
            if role == "separate":
                reply: Any = separate_cell(request, warm, memory)
            elif isinstance(request, LoadTrack):
                reply = load(request.task, state)
            else:
                reply = score_cell(request.task, request.separated, state, partial(answer, descriptor, token, number))
        except SupersededError:  # the parent finds out for itself
            return
        if os.getpid() != process:  # forked by the method: it must not answer a second time
            os._exit(1)
        answer(descriptor, token, number, reply)
