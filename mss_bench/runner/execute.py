"""Execute a plan: threads of joblib, each with one supervised worker process."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import FrameType

from mss_bench.results.schema import Status
from mss_bench.results.store import Cell, read_cell, write_cell
from mss_bench.runner.plan import Plan, PlannedCell
from mss_bench.runner.progress import Progress
from mss_bench.runner.supervise import Supervisor
from mss_bench.runner.worker import Task, saved_estimates

__all__ = ["Outcome", "execute", "pending"]


@dataclass
class Outcome:
    """What an execution did."""

    computed: int = 0
    cached: int = 0
    failed: int = 0
    interrupted: bool = False
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


def pending(
    run: Path, plan: Plan, *, save: bool = False, device: str = "cpu", plugins: Sequence[str] = ()
) -> list[Task]:
    """The tasks that are left: cells without a result, failed ones, and scores that a finished cell lacks."""
    tasks = []
    for planned in plan.cells:
        if planned.skip:
            continue
        cell = read_cell(run, planned.estimate_key)
        done = cell.scores if cell is not None and cell.ok else {}
        missing = tuple(s for s in planned.scores if s.key not in done or done[s.key].status != Status.OK)
        unsaved = save and saved_estimates(run, planned) is None
        if done and not missing and not unsaved:
            continue
        # Scores of estimates that cannot be had again belong together: a random method is scored anew as a whole.
        keep = bool(done) and (planned.deterministic or saved_estimates(run, planned) is not None)
        wanted = missing if keep else planned.scores
        tasks.append(Task(run, planned, wanted, keep, save, device, tuple(plugins)))
    return tasks


def execute(
    run: Path,
    plan: Plan,
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Compute the tasks.

    Parameters
    ----------
    run : Path
        Run folder.
    plan : Plan
    tasks : sequence of Task
        From `pending`.
    jobs : int
        Worker processes.
    timeout : float, optional
        Seconds that a cell may take.

    Returns
    -------
    Outcome
        After an interrupt (Ctrl-C) with `interrupted` set; everything finished is on disk.
    """
    from joblib import Parallel, delayed

    started = time.perf_counter()
    skipped = [c for c in plan.cells if c.skip]
    for planned in skipped:
        _write_skipped(run, planned)
    outcome = Outcome(cached=len(plan.cells) - len(tasks) - len(skipped))
    if not tasks:
        return outcome
    progress = progress or Progress(len(tasks))
    jobs = max(1, min(jobs, len(tasks)))
    workers = [Supervisor(run / "logs" / f"worker-{i}.log", timeout) for i in range(jobs)]
    free: queue.SimpleQueue[Supervisor] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)
    lock, stopped = threading.Lock(), threading.Event()

    def work(unit: list[Task]) -> None:
        worker = free.get()
        try:
            for task in unit:
                if stopped.is_set():
                    return
                progress.begin(task.cell)
                reply = worker.run(task)
                if reply is None:
                    return
                with lock:
                    outcome.computed += 1
                    if reply.status != Status.OK:
                        outcome.failed += 1
                        outcome.failures.append(f"{task.cell.label} on {task.cell.track.name}: {reply.reason}")
                    progress.end(task.cell, reply)
        finally:
            free.put(worker)

    def stop() -> None:
        stopped.set()
        for worker in workers:
            worker.stop()

    try:
        with _interrupt(stop), progress:
            Parallel(n_jobs=jobs, backend="threading", batch_size=1)(delayed(work)(u) for u in _units(tasks, jobs))
    finally:
        outcome.interrupted = stopped.is_set()
        stop()
    outcome.seconds = time.perf_counter() - started
    return outcome


def _units(tasks: Sequence[Task], jobs: int) -> list[list[Task]]:
    """A track's cells together, so that its references are prepared once; split where tracks are fewer than jobs."""
    tracks = [list(group) for _, group in groupby(tasks, key=lambda t: t.cell.track.id)]
    parts = -(-jobs // len(tracks))
    return [track[i::parts] for track in tracks for i in range(parts) if track[i::parts]]


def _write_skipped(run: Path, planned: PlannedCell) -> None:
    cell = read_cell(run, planned.estimate_key)
    if cell is None or cell.reason != planned.skip:
        write_cell(
            run,
            Cell(
                planned.estimate_key, dict(vars(planned.track.id)), planned.separator, planned.params, Status.SKIPPED,
                planned.skip, preimage=planned.preimage,
            ),
        )  # fmt: skip


@contextmanager
def _interrupt(stop: object) -> Iterator[None]:
    """The first Ctrl-C stops the workers and lets the run end in order; the second one acts as usual."""
    if threading.current_thread() is not threading.main_thread() or not callable(stop):
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
