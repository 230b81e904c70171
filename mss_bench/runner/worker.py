"""The work of one cell: load the track, separate, check, score, write. Runs in a child process that a parent watches.

The child takes pickled tasks from its parent's pipe (never from a file) and answers with a `Reply`. What a separator
prints goes to the child's log; standard output carries nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench import audio
from mss_bench.errors import AudioError, InvalidOutputError, MissingDependencyError, MssBenchError
from mss_bench.metrics import Metric, Score, metrics
from mss_bench.results.schema import Status
from mss_bench.results.store import Cell, Row, ScoreSet, read_cell, read_values, write_cell
from mss_bench.runner.plan import PlannedCell, PlannedScore
from mss_bench.separators import Separator, separators
from mss_bench.spec import Spec, build
from mss_bench.tracks import Stems, TargetGroup, Targets, Track, TrackAudio

__all__ = ["LENGTH_TOLERANCE", "Reply", "Task", "WorkerState", "conform", "run_cell", "saved_estimates"]

LENGTH_TOLERANCE = 4096
"""An estimate may differ from the mixture by so many samples; it is trimmed or padded and flagged."""

_WARM_SEPARATORS = 4


@dataclass(frozen=True)
class Task:
    """One cell to compute.

    Parameters
    ----------
    run : Path
        Run folder.
    scores : tuple of PlannedScore
        Those that are missing.
    keep : bool
        Scores that the cell's file already has stay.
    save : bool
        Keep the estimates as float32 WAV.
    """

    run: Path
    cell: PlannedCell
    scores: tuple[PlannedScore, ...]
    keep: bool = False
    save: bool = False
    device: str = "cpu"
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """How a cell ended, for the parent's display."""

    status: str
    reason: str
    separate_seconds: float
    score_seconds: float
    failed_metrics: tuple[str, ...] = ()


@dataclass
class WorkerState:
    """What a worker keeps between cells: the current track, what its metrics prepared, loaded separators."""

    track: Track | None = None
    audio: TrackAudio | None = None
    prepared: dict[tuple[str, str], tuple[Metric, Any]] = field(default_factory=dict)
    separators: OrderedDict[str, Separator] = field(default_factory=OrderedDict)

    def load_track(self, track: Track) -> TrackAudio:
        """Audio of a track, kept until another one is asked for."""
        if self.track != track or self.audio is None:
            self.track = self.audio = None
            self.prepared.clear()
            self.audio, self.track = track.load(), track
        return self.audio

    def separator(self, spec: Spec, device: str) -> Separator:
        """A loaded separator; the least recently used one is closed when there are too many."""
        key = str(spec)
        if key not in self.separators:
            instance: Separator = build(separators, spec)[0]
            instance.load(device)
            self.separators[key] = instance
            if len(self.separators) > _WARM_SEPARATORS:
                self.separators.popitem(last=False)[1].close()
        self.separators.move_to_end(key)
        return self.separators[key]

    def metric(self, spec: Spec, group: TargetGroup, targets: Targets) -> tuple[Metric, Any]:
        """A metric and what it prepared for the current track and a group."""
        key = (str(spec), group.name)
        if key not in self.prepared:
            assert self.audio is not None
            metric: Metric = build(metrics, spec)[0]
            references = group.references(self.audio.references, targets)
            whole = TrackAudio(references, self.audio.mixture, self.audio.sample_rate)
            self.prepared[key] = metric, metric.prepare(whole, group)
        return self.prepared[key]


def run_cell(task: Task, state: WorkerState) -> Reply:
    """Compute one cell and write it; whatever fails is its status."""
    for plugin in task.plugins:
        separators.add_file(plugin)
        metrics.add_file(plugin)
    cell, planned = _new_cell(task), task.cell
    cpu = time.process_time()
    _reset_peak_memory()
    with _collected_warnings() as caught:
        try:
            started = time.perf_counter()
            track = state.load_track(planned.track)
            loaded = time.perf_counter()
            estimates, separated = _estimates(task, state, track, cell)
            cell.costs["audio_seconds"] = track.mixture.shape[1] / track.sample_rate
            cell.costs["load_seconds"] = loaded - started
            cell.costs["separate_seconds"] = separated
            cell.delivered = [t for t in planned.targets if t in estimates]
            resolved = planned.targets.resolve(estimates)
            for score in task.scores:
                cell.scores[score.key], values = _score(score, state, planned.targets, resolved, cell.flags)
                _append(cell, score.key, values)
            cell.status = Status.OK
        except Exception as error:
            cell.status, cell.reason = _classify(error)
            cell.log = "" if isinstance(error, MssBenchError) else traceback.format_exc(limit=-12)
    cell.log = "\n".join([cell.log, *caught]).strip()
    cell.costs["cpu_seconds"] = time.process_time() - cpu
    cell.costs["peak_memory_mb"] = _peak_memory_mb()
    cell.costs["gpu_memory_mb"] = _peak_gpu_memory_mb()
    cell.costs["score_seconds"] = sum(s.seconds for s in cell.scores.values())
    write_cell(task.run, cell)
    failed = tuple(f"{s.metric}: {s.reason}" for s in cell.scores.values() if s.status != Status.OK)
    return Reply(cell.status, cell.reason, cell.costs.get("separate_seconds", 0.0), cell.costs["score_seconds"], failed)


def _new_cell(task: Task) -> Cell:
    planned = task.cell
    cell = Cell(
        planned.estimate_key, dict(vars(planned.track.id)), planned.separator, planned.params, Status.ERROR,
        preimage=planned.preimage,
    )  # fmt: skip
    old = read_cell(task.run, planned.estimate_key) if task.keep else None
    if old is not None and old.ok:
        cell.values, cell.scores, cell.costs = read_values(task.run, planned.estimate_key), old.scores, old.costs
        for score in task.scores:
            cell.scores.pop(score.key, None)
    return cell


def _append(cell: Cell, key: str, values: list[np.ndarray]) -> None:
    first = len(cell.values)
    for row, frames in zip(cell.scores[key].rows, values, strict=True):
        row.first = first
        first += len(frames)
    cell.values = np.concatenate([cell.values, *values])


def _estimates(task: Task, state: WorkerState, track: TrackAudio, cell: Cell) -> tuple[Stems, float]:
    """Estimates from disk where they were saved for this key, else from the separator; and the seconds it took."""
    planned = task.cell
    saved = saved_estimates(task.run, planned)
    if saved is not None:
        loaded = {t: audio.read(f, track.sample_rate) for t, f in saved.items()}
        return conform(loaded, track.mixture, planned.targets, ())[0], cell.costs.get("separate_seconds", 0.0)
    separator = state.separator(planned.method, task.device)
    if separator.channels and track.mixture.shape[0] not in separator.channels:
        wanted = " or ".join(map(str, separator.channels))
        raise AudioError(
            f"{planned.label} takes {wanted} channels; the mixture of {planned.track.name!r} has "
            f"{track.mixture.shape[0]}"
        )
    if separator.needs_track:
        separator.track, separator.tracks = planned.track.id, planned.all_tracks
        separator.start, separator.duration = planned.track.start, planned.track.duration
    references = track.references if separator.needs_references else None
    mixture = track.mixture.copy()
    rng = np.random.default_rng(int(planned.estimate_key[:32], 16))
    started = time.perf_counter()
    raw = separator.separate(mixture, track.sample_rate, targets=planned.targets, rng=rng, references=references)
    seconds = time.perf_counter() - started
    declared = tuple(t for targets in separator.target_sets for t in targets)
    estimates, cell.flags = conform(raw, track.mixture, planned.targets, declared)
    if task.save:
        _save(task.run, planned, estimates, track.sample_rate)
    return estimates, seconds


def conform(
    estimates: object, mixture: np.ndarray, targets: Targets, declared: tuple[str, ...]
) -> tuple[Stems, list[str]]:
    """Check a separator's output against the contract and make it float32 of the mixture's shape.

    Returns
    -------
    estimates : dict of str to (channels, samples) float32
    flags : list of str
        ``"length:+12"`` where 12 samples too many were trimmed, ``"length:-12"`` where so many zeros were appended.

    Raises
    ------
    InvalidOutputError
        Naming the target, what it is and what was expected.
    """
    if not isinstance(estimates, dict) or not estimates:
        raise InvalidOutputError(f"returned {type(estimates).__name__}, expected a dict of target to array, not empty")
    known, flags = {}, []
    for target, array in estimates.items():
        if target not in targets:
            if target in declared:
                continue
            raise InvalidOutputError(f"returned the target {target!r}, expected some of {', '.join(targets)}")
        array = np.asarray(array)
        if array.dtype.kind != "f":
            raise InvalidOutputError(f"{target}: array of type {array.dtype}, expected floating point")
        if array.ndim != 2 or array.shape[0] != mixture.shape[0]:
            raise InvalidOutputError(
                f"{target}: shape {array.shape}, expected {mixture.shape} (channels, samples) as the mixture"
            )
        extra = array.shape[1] - mixture.shape[1]
        if abs(extra) > LENGTH_TOLERANCE:
            raise InvalidOutputError(
                f"{target}: {array.shape[1]} samples, expected {mixture.shape[1]}; at most {LENGTH_TOLERANCE} more or "
                "fewer are trimmed or padded"
            )
        if extra:
            flags.append(f"length:{extra:+d}")
            array = array[:, : mixture.shape[1]] if extra > 0 else np.pad(array, ((0, 0), (0, -extra)))
        if not np.isfinite(array).all():
            channel, sample = np.argwhere(~np.isfinite(array))[0]
            raise InvalidOutputError(f"{target}: {array[channel, sample]} at channel {channel}, sample {sample}")
        known[target] = np.ascontiguousarray(array, dtype=np.float32)
    if not known:
        raise InvalidOutputError(f"returned only {', '.join(estimates)}, expected some of {', '.join(targets)}")
    return known, sorted(set(flags))


def _score(
    score: PlannedScore, state: WorkerState, targets: Targets, resolved: Stems, flags: list[str]
) -> tuple[ScoreSet, list[np.ndarray]]:
    """Scores of one metric on one group; a metric that fails costs its own rows only."""
    result = ScoreSet(score.group.name, score.metric.name, score.preset, Status.OK, preimage=score.preimage)
    started = time.perf_counter()
    values = []
    try:
        metric, prepared = state.metric(score.metric, score.group, targets)
        delivered = {t: resolved[t] for t in score.group.targets if t in resolved}
        for one in metric.score(prepared, delivered) if delivered else []:
            result.rows.append(_row(one, flags))
            values.append(np.asarray(one.values, dtype=np.float64).ravel())
    except Exception as error:
        result.status, reason = _classify(error)
        result.reason = reason if isinstance(error, MssBenchError) else traceback.format_exc(limit=-4).strip()
        result.rows, values = [], []
    result.seconds = time.perf_counter() - started
    return result, values


def _row(score: Score, flags: list[str]) -> Row:
    values = np.asarray(score.values, dtype=np.float64).ravel()
    valid = values[~np.isnan(values)]
    with np.errstate(invalid="ignore"):  # a median between -inf and inf is undefined and comes out as NaN
        value = float(np.median(valid)) if len(valid) else float("nan")
    reason = score.reason or ("" if len(valid) else "undefined in every frame")
    return Row(
        score.target, score.quantity, score.scope, score.window, score.hop, value, len(values), len(valid),
        int(np.isposinf(values).sum()), sorted({*flags, *score.flags}), "" if len(valid) else reason,
    )  # fmt: skip


def _classify(error: Exception) -> tuple[Status, str]:
    text = str(error) or type(error).__name__
    if isinstance(error, InvalidOutputError):
        return Status.INVALID_OUTPUT, text
    if isinstance(error, MissingDependencyError):
        return Status.NOT_INSTALLED, text
    if isinstance(error, MssBenchError):
        return Status.ERROR, text
    if isinstance(error, ImportError):
        return Status.NOT_INSTALLED, f"{type(error).__name__}: {text}"
    if isinstance(error, MemoryError):
        return Status.OUT_OF_MEMORY, text
    return Status.ERROR, f"{type(error).__name__}: {text}"


def _folder(run: Path, planned: PlannedCell) -> Path:
    label = "".join(c if c.isalnum() or c in "-_.=+ " else "_" for c in planned.label)
    return run / "estimates" / label / planned.track.id.subset / planned.track.name


def saved_estimates(run: Path, planned: PlannedCell) -> dict[str, Path] | None:
    """Files of a cell's estimates where they were kept for this very key and are unharmed."""
    folder = _folder(run, planned)
    try:
        note = json.loads((folder / "estimate.json").read_text())
        files = {target: folder / f"{target}.wav" for target in note["sha256"]}
        if note["estimate_key"] == planned.estimate_key and all(
            audio.hash_file(file) == note["sha256"][target] for target, file in files.items()
        ):
            return files
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def _save(run: Path, planned: PlannedCell, estimates: Stems, sample_rate: int) -> None:
    folder = _folder(run, planned)
    shutil.rmtree(folder, ignore_errors=True)
    hashes = {}
    for target, array in estimates.items():
        audio.write(folder / f"{target}.wav", array, sample_rate)
        hashes[target] = audio.hash_file(folder / f"{target}.wav")
    # Written last: it vouches for the files beside it.
    (folder / "estimate.json").write_text(json.dumps({"estimate_key": planned.estimate_key, "sha256": hashes}))


@contextlib.contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield found
    found += sorted({f"{w.category.__name__}: {w.message}" for w in caught})


def _reset_peak_memory() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_gpu_memory_mb() -> float:
    """Peak of what torch holds on the GPU; 0 where no method used one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0.0
    return float(torch.cuda.max_memory_allocated()) / 2**20


def _peak_memory_mb() -> float:
    """Peak resident memory since the last reset where Linux can tell, else of the process."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _die_with_parent(lifeline: int) -> None:
    """Kill this process and its children as soon as the parent is gone, whatever they are doing."""
    os.read(lifeline, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main(descriptor: int, lifeline: int) -> None:
    """Take tasks from the parent until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()
    os.dup2(sys.stderr.fileno(), 1)
    connection: Connection[Any, Any] = Connection(descriptor)
    state = WorkerState()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(run_cell(task, state))
