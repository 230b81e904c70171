"""A run on a dask.distributed cluster.

Each dask worker supervises a child process of its own, as a local run does, and writes its cells into the shared run
folder; the client only watches: it counts the cells as they appear there. A unit of work is a track with its cells.
When a dask worker is lost dask gives its unit to another one, which finds the finished cells on disk and goes on with
the rest.

Units are submitted one by one and not through joblib's dask backend: that computes in the client itself where the
cluster has a single thread, ends the whole call with the first unit that is lost, and tells of a unit only when all of
it is done.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.core.schema import Status
from mss_bench.errors import ConfigError, MissingDependencyError, MssBenchError, RunError
from mss_bench.running.execute import Limits, Supervisor, interruptible, units
from mss_bench.running.lock import current, revoke
from mss_bench.running.messages import Reply, Task
from mss_bench.running.store import Cell, cell_path, read_cell, write_cell
from mss_bench.running.worker import failed_cell, reply_of

if TYPE_CHECKING:
    from distributed import Client

    from mss_bench.running.progress import Progress

__all__ = ["execute_on_cluster"]

_LOOK_SECONDS = 0.5  # between looks into the cells folder
_END_SECONDS = 5.0  # for workers to end when the run is stopped

# In the workers of a local cluster. A terminal sends Ctrl-C to every process of the run; what it means is for the
# client alone to say. What fails in a unit comes back with it; a heartbeat that finds the scheduler closed is no news.
_LOCAL_WORKER = """
import logging, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)
"""


def execute_on_cluster(
    tasks: Sequence[Task], scheduler: str, limits: Limits, progress: Progress, *, fail_fast: bool = False
) -> None:
    """Compute tasks on a cluster, and count them in ``progress.outcome``.

    Raises
    ------
    MissingDependencyError
        Where dask.distributed is not installed.
    ConfigError, RunError
        The scheduler cannot be reached, or a worker cannot write into the run folder.
    """
    run, token, outcome = tasks[0].run, tasks[0].epoch, progress.outcome
    stopped = threading.Event()

    def stop() -> None:
        stopped.set()
        revoke(run, token)  # workers end their cells and write none any more

    with interruptible(stop), _client(scheduler) as client:
        watch = _Watch(tasks, progress)
        try:
            _follow(client, tasks, limits, fail_fast, watch, stopped, stop)
        finally:
            outcome.interrupted = stopped.is_set() and not outcome.stopped_at_failure
            with contextlib.suppress(Exception):  # nothing to tell a cluster that is gone
                client.run(_release, token, wait=False)


def _follow(
    client: Client,
    tasks: Sequence[Task],
    limits: Limits,
    fail_fast: bool,
    watch: _Watch,
    stopped: threading.Event,
    stop: Callable[[], None],
) -> None:
    """Submit the units and count their cells until all are done or the run is stopped."""
    threads = sum(client.nthreads().values())
    if not threads:
        watch.progress.notify("no worker is connected to the scheduler yet; waiting for one")
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    waiting: dict[Any, list[Task]] = {}

    def submit(unit: list[Task]) -> None:
        future = client.submit(_compute, unit, limits, Path.cwd(), pure=False)
        waiting[future] = unit
        future.add_done_callback(ended.put)

    for unit in units(tasks, max(1, threads)):
        submit(unit)
    while waiting and not stopped.is_set():
        with contextlib.suppress(queue.Empty):
            future = ended.get(timeout=watch.pause)
            if stopped.is_set():
                break
            unit = waiting.pop(future)
            # A unit that dask moved between workers may return with only some of its cells done.
            if undone := watch.end(unit, future):
                submit(undone)
        watch.look()
        if watch.progress.live:
            watch.progress.now([waiting[f][0].cell.track.name for f in _running(client, waiting)])
        if fail_fast and watch.outcome.failed:
            watch.outcome.stopped_at_failure = True
            stop()
    if waiting:
        from distributed import wait

        running = _running(client, waiting)
        client.cancel([future for future in waiting if future not in running])
        with contextlib.suppress(TimeoutError):  # workers look every second whether they have been called off
            wait(running, timeout=_END_SECONDS)
        client.cancel(running)
    watch.look(whole=True)


def _running(client: Client, waiting: Iterable[Any]) -> list[Any]:
    """Return the futures that workers are computing."""
    keys = {key for keys in client.processing().values() for key in keys}
    return [future for future in waiting if future.key in keys]


class _Watch:
    """Count the cells of a run as they appear on disk, each once."""

    def __init__(self, tasks: Sequence[Task], progress: Progress) -> None:
        self.progress, self.outcome = progress, progress.outcome
        self.pause = _LOOK_SECONDS
        self._folder = cell_path(tasks[0].run, "any").parent
        self._left = {t.cell.estimate_key: t for t in tasks}
        self._seen = self._inodes()

    def end(self, unit: Sequence[Task], future: Any) -> list[Task]:
        """Count what a unit says at its end, as far as it was not seen before, and return what it left undone.

        Raises
        ------
        RunError
            What the worker could not do for a reason that concerns every cell, such as a full disk.
        """
        from distributed import CancelledError, KilledWorker

        tasks = {t.cell.estimate_key: t for t in unit}
        try:
            for key, reply in future.result():
                self._count(tasks[key], reply)
        except MssBenchError:
            raise
        except KilledWorker:  # again and again, each time at the first cell that is not there
            self.look()
            for task in self._undone(unit)[:1]:
                cell = failed_cell(task, Status.CRASHED, "every dask worker that came to it died")
                write_cell(task.run, cell, task.epoch)
                self._count(task, reply_of(task, cell, 0.0))
            return self._undone(unit)
        except (Exception, CancelledError) as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            self.outcome.lost.append(f"{unit[0].cell.track.name} ({text})")
            return []
        undone = self._undone(unit)
        if len(undone) == len(unit):
            self.outcome.lost.append(f"{unit[0].cell.track.name} (its worker did none of it)")
            return []
        return undone

    def _undone(self, unit: Sequence[Task]) -> list[Task]:
        return [t for t in unit if t.cell.estimate_key in self._left]

    def _count(self, task: Task, reply: Reply) -> None:
        if self._left.pop(task.cell.estimate_key, None) is not None:
            self.progress.end(task.cell, reply)

    def look(self, whole: bool = False) -> None:
        """Count the cells that have been put in place since the last look, or all that are there."""
        began = time.monotonic()
        inodes = self._inodes()
        for key in [k for k in inodes if k in self._left and (whole or inodes[k] != self._seen.get(k))]:
            task = self._left[key]
            cell = read_cell(task.run, key)
            reply = None if cell is None else _finished(task, cell)
            if reply is None:  # another client's, or about to be written again
                del inodes[key]
            else:
                self._count(task, reply)
        self._seen = inodes
        self.pause = max(_LOOK_SECONDS, 20 * (time.monotonic() - began))

    def _inodes(self) -> dict[str, int]:
        """Return the inodes of cells by key; a cell that is written again is another file."""
        with contextlib.suppress(FileNotFoundError):
            return {e.name[:-4]: e.inode() for e in os.scandir(self._folder) if e.name.endswith(".npz")}
        return {}


def _finished(task: Task, cell: Cell) -> Reply | None:
    """Return how a cell ended that was computed for this very client; None for another's or one not yet whole."""
    if cell.epoch != task.epoch or (cell.ok and any(s.key not in cell.scores for s in task.scores)):
        return None
    return reply_of(task, cell, cell.costs.get("separate_seconds", 0.0))


_supervisors: dict[int, tuple[str, Supervisor]] = {}  # of a dask worker's threads, each with the client it works for


def _compute(unit: Sequence[Task], limits: Limits, folder: Path) -> list[tuple[str, Reply]]:
    """Compute a unit on a dask worker, save for the cells that an earlier holder of the unit finished."""
    supervisor = _supervisor(unit[0], limits, folder)
    cancelled = _cancellation()
    replies = []
    for task in unit:

        def withdrawn(task: Task = task) -> bool:
            return cancelled() or not current(task.run, task.epoch)

        if withdrawn():
            break
        cell = read_cell(task.run, task.cell.estimate_key)
        reply = None if cell is None else _finished(task, cell)
        reply = reply or supervisor.run(task, withdrawn)
        if reply is None:
            break
        replies.append((task.cell.estimate_key, reply))
    else:
        return replies
    _dismiss(threading.get_ident())  # called off: a client that was killed does not release the processes
    return replies


def _supervisor(task: Task, limits: Limits, folder: Path) -> Supervisor:
    """Return the calling thread's supervisor; each client gets a child process of its own, with a log in its folder."""
    thread = threading.get_ident()
    known, supervisor = _supervisors.get(thread, ("", None))
    if supervisor is None or known != task.epoch:
        _dismiss(thread)
        name = f"worker-{socket.gethostname()}-{os.getpid()}-{thread}"
        supervisor = Supervisor(task.run / "logs" / f"{name}.log", limits, folder)
        _supervisors[thread] = task.epoch, supervisor
        atexit.register(supervisor.stop)
    return supervisor


def _dismiss(thread: int) -> None:
    """End the child processes of a thread's supervisor, where it has one."""
    _, supervisor = _supervisors.pop(thread, ("", None))
    if supervisor is not None:
        atexit.unregister(supervisor.stop)
        supervisor.stop()


async def _release(token: str) -> None:
    """End the child processes of a client that has ended; runs on a dask worker."""
    for thread, (known, _) in list(_supervisors.items()):
        if known == token:
            await asyncio.to_thread(_dismiss, thread)


def _cancellation() -> Callable[[], bool]:
    """Return what tells, on a dask worker, whether the current task was cancelled, by its client or with it."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def cancelled() -> bool:
        state = worker.state.tasks.get(key)
        return state is None or state.state == "cancelled"

    return cancelled


@contextmanager
def _client(scheduler: str) -> Iterator[Client]:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise MissingDependencyError("dask.distributed", "--scheduler", "pip install 'mss-bench[dask]'") from None
    if scheduler.startswith("local:"):
        count = scheduler.removeprefix("local:")
        if not count.isdigit() or int(count) < 1:
            raise ConfigError(f"scheduler is {scheduler!r}, expected local:N with N from 1 on, or an address")
        cluster = LocalCluster(
            n_workers=int(count), threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1",
            preload=[_LOCAL_WORKER],
        )  # fmt: skip
        try:
            with cluster, Client(cluster) as client:
                yield client
        except KeyboardInterrupt:  # the second: nobody waits for the workers to end in order, nor at exit
            cluster.shutdown_on_close = False
            for nanny in cluster.workers.values():
                with contextlib.suppress(OSError, TypeError):
                    nanny.close_gracefully()  # it starts no other worker then
                    os.kill(nanny.pid, signal.SIGKILL)
            raise
        return
    try:
        client = Client(scheduler, timeout=dask.config.get("distributed.comm.timeouts.connect"))
    except (OSError, ValueError) as error:
        raise RunError(f"no dask scheduler answers at {scheduler}: {error}") from error
    with client:
        yield client
