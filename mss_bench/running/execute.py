"""Execute a plan: threads of joblib, each with one supervised worker process, or a dask.distributed cluster."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import FrameType

from mss_bench.core.schema import Status
from mss_bench.running.outputs import saved_estimates
from mss_bench.running.plan import Plan, PlannedCell, PlannedScore
from mss_bench.running.progress import Progress
from mss_bench.running.store import Cell, read_cell, write_cell
from mss_bench.running.supervise import Limits, Supervisor
from mss_bench.running.worker import Reply, Task

__all__ = ["Outcome", "execute", "interruptible", "part", "pending", "units"]


@dataclass
class Outcome:
    """What an execution did.

    Attributes
    ----------
    computed, failed : int
        Cells, and those of them that failed.
    cached : int
        Cells of this part of the run that were there already.
    interrupted, stopped_at_failure : bool
        Why it ended early.
    lost : list of str
        What a cluster could not compute, in words; the cells stay missing.
    """

    computed: int = 0
    cached: int = 0
    failed: int = 0
    interrupted: bool = False
    stopped_at_failure: bool = False
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def count(self, task: Task, reply: Reply) -> None:
        """Note a cell that was computed."""
        self.computed += 1
        if reply.failed:
            self.failed += 1
            self.failures.append(f"{task.cell.label} on {task.cell.track.name}: {reply.reason}")


def pending(
    run: Path,
    plan: Plan,
    *,
    save: bool = False,
    media: Sequence[str] = (),
    device: str = "cpu",
    plugins: Sequence[str] = (),
    shard: tuple[int, int] | None = None,
    epoch: str = "",
) -> list[Task]:
    """The tasks that are left: cells without a result, failed ones, and scores that a finished cell lacks.

    Parameters
    ----------
    save : bool
        Estimates are to be kept.
    media : sequence of str
        Names of tracks whose estimates are to be kept whatever `save` says.
    shard : (i, n), optional
        Only the i-th of n parts, counted from 1: every n-th track, or every n-th cell where tracks are fewer.
    epoch : str
        Token of the client that will have them computed.
    """
    tasks = []
    run = run.absolute()  # workers on other machines have working folders of their own
    for planned in part(plan.cells, shard):
        kept = save or planned.track.name in media
        task = _left(run, planned, kept)
        if task is not None:
            missing, keep = task
            tasks.append(Task(run, planned, missing, keep, kept, device, tuple(plugins), epoch))
    return tasks


def _left(run: Path, planned: PlannedCell, save: bool) -> tuple[tuple[PlannedScore, ...], bool] | None:
    """The scores that a cell lacks and whether those it has stay; None where nothing is left."""
    if planned.skip:
        return None
    cell = read_cell(run, planned.estimate_key)
    if cell is not None and cell.status == Status.SKIPPED:
        return None
    finished = cell is not None and cell.ok
    done = cell.scores if cell is not None and finished else {}
    missing = tuple(s for s in planned.scores if s.key not in done or done[s.key].status != Status.OK)
    if finished and not missing and not (save and saved_estimates(run, planned, verify=False) is None):
        return None
    # Scores of estimates that cannot be had again belong together: a random method is scored anew as a whole.
    keep = bool(done) and (planned.deterministic or saved_estimates(run, planned, verify=False) is not None)
    return (missing if keep else planned.scores), keep


def part(cells: Sequence[PlannedCell], shard: tuple[int, int] | None) -> list[PlannedCell]:
    """The cells of a shard, all of them without one."""
    if shard is None:
        return list(cells)
    i, n = shard
    tracks = {c.track.id: k for k, c in enumerate({c.track.id: c for c in cells}.values())}
    if len(tracks) >= n:
        return [c for c in cells if tracks[c.track.id] % n == i - 1]
    return list(cells[i - 1 :: n])


def execute(
    run: Path,
    plan: Plan,
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    limits: Limits | None = None,
    fail_fast: bool = False,
    shard: tuple[int, int] | None = None,
    scheduler: str | None = None,
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
    limits : Limits, optional
        Time and memory of a cell, tries after a crash.
    fail_fast : bool
        Stop at the first cell that fails.
    shard : (i, n), optional
        The part of the plan that the tasks are what is left of.
    scheduler : str, optional
        Address of a dask scheduler, or ``local:N``.

    Returns
    -------
    Outcome
        After an interrupt (Ctrl-C) with `interrupted` set; everything finished is on disk.
    """
    started = time.perf_counter()
    own = part(plan.cells, shard)
    skipped = [c for c in own if c.skip]
    for planned in skipped:
        _write_skipped(run, planned)
    outcome = Outcome(cached=len(own) - len(tasks) - len(skipped))
    if not tasks:
        return outcome
    progress = progress or Progress(len(tasks))
    if scheduler is not None:
        from mss_bench.running.cluster import execute_on_cluster

        with progress:
            execute_on_cluster(tasks, scheduler, limits or Limits(), fail_fast, outcome, progress)
    else:
        _execute_here(run, tasks, min(jobs, len(tasks)), limits or Limits(), fail_fast, outcome, progress)
    outcome.seconds = time.perf_counter() - started
    return outcome


def _execute_here(
    run: Path, tasks: Sequence[Task], jobs: int, limits: Limits, fail_fast: bool, outcome: Outcome, progress: Progress
) -> None:
    from joblib import Parallel, delayed

    workers = [Supervisor(run / "logs" / f"worker-{i}.log", limits) for i in range(jobs)]
    free: queue.SimpleQueue[Supervisor] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)
    lock, stopped = threading.Lock(), threading.Event()

    def stop() -> None:
        stopped.set()
        for worker in workers:
            worker.stop()

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
                    outcome.count(task, reply)
                    progress.end(task.cell, reply)
                    if reply.failed and fail_fast:
                        outcome.stopped_at_failure = True
                if outcome.stopped_at_failure:
                    stop()
        finally:
            free.put(worker)

    try:
        with interruptible(stop), progress:
            Parallel(n_jobs=jobs, backend="threading", batch_size=1)(delayed(work)(u) for u in units(tasks, jobs))
    finally:
        outcome.interrupted = stopped.is_set() and not outcome.stopped_at_failure
        stop()


def units(tasks: Sequence[Task], jobs: int) -> list[list[Task]]:
    """A track's cells together, so that its references are prepared once; split where tracks are fewer than jobs."""
    tracks = [list(group) for _, group in groupby(tasks, key=lambda t: t.cell.track.id)]
    parts = -(-jobs // len(tracks))
    return [track[i::parts] for track in tracks for i in range(parts) if track[i::parts]]


def _write_skipped(run: Path, planned: PlannedCell) -> None:
    cell = read_cell(run, planned.estimate_key)
    if cell is None or cell.reason != planned.skip:
        write_cell(run, Cell.of(planned.describe(), planned.preimage, Status.SKIPPED, planned.skip))


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C stops the workers and lets the run end in order; the second one acts as usual."""
    if threading.current_thread() is not threading.main_thread():
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
