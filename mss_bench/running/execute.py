"""Computing the tasks of a run on this machine: threads of joblib, each with one supervised worker process."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import FrameType

from mss_bench.running.progress import Progress
from mss_bench.running.supervise import Limits, Supervisor
from mss_bench.running.worker import Task

__all__ = ["execute", "interruptible", "units"]


def execute(
    run: Path, tasks: Sequence[Task], jobs: int, limits: Limits, progress: Progress, *, fail_fast: bool = False
) -> None:
    """Compute tasks, and count them in ``progress.outcome``.

    Parameters
    ----------
    run : Path
        Run folder, which gets the workers' logs.
    tasks : sequence of Task
    jobs : int
        Worker processes at most.
    limits : Limits
        Time and memory of a cell, tries after a crash.
    progress : Progress
    fail_fast : bool
        Stop at the first cell that fails.
    """
    from joblib import Parallel, delayed

    # Threads, since each only waits for the process that computes. Not joblib's own processes: it ends the whole call
    # with the first of them that dies.
    outcome, jobs = progress.outcome, min(jobs, len(tasks))
    workers = [Supervisor(run / "logs" / f"worker-{i}.log", limits) for i in range(jobs)]
    free: queue.SimpleQueue[Supervisor] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)
    lock, stopped = threading.Lock(), threading.Event()

    def stop() -> None:
        stopped.set()  # first, so that no thread starts another worker in place of one that is killed here
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
                    progress.end(task.cell, reply)
                    outcome.stopped_at_failure |= reply.failed and fail_fast
                if outcome.stopped_at_failure:
                    stop()
        finally:
            free.put(worker)

    try:
        with interruptible(stop):
            Parallel(n_jobs=jobs, backend="threading", batch_size=1)(delayed(work)(u) for u in units(tasks, jobs))
    finally:
        outcome.interrupted = stopped.is_set() and not outcome.stopped_at_failure
        stop()


def units(tasks: Sequence[Task], jobs: int) -> list[list[Task]]:
    """Divide tasks into units of work: a track's together, so that its references are prepared once.

    Where tracks are fewer than jobs, a track's tasks are divided further.
    """
    tracks = [list(group) for _, group in groupby(tasks, key=lambda t: t.cell.track.id)]
    parts = -(-jobs // len(tracks))
    return [track[i::parts] for track in tracks for i in range(parts) if track[i::parts]]


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C stop the workers, so that the run ends in order; the second one acts as usual."""
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
