"""A run on a dask.distributed cluster, through joblib's dask backend.

Each dask worker supervises a child process of its own, as a local run does, and writes its cells into the shared run
folder; the client only watches. A unit of work is a track with its cells. When a dask worker is lost dask gives its
unit to another one, which finds the finished cells on disk and goes on with the rest.
"""

from __future__ import annotations

import atexit
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mss_bench.errors import ConfigError, MissingDependencyError, RunError
from mss_bench.results.schema import Status
from mss_bench.results.store import read_cell
from mss_bench.runner.execute import Outcome, units
from mss_bench.runner.supervise import Limits, Supervisor
from mss_bench.runner.worker import Reply, Task

if TYPE_CHECKING:
    from mss_bench.runner.progress import Progress

__all__ = ["execute_on_cluster"]

_here = threading.local()


def execute_on_cluster(
    tasks: Sequence[Task], scheduler: str, limits: Limits, fail_fast: bool, outcome: Outcome, progress: Progress
) -> None:
    """Compute tasks on a cluster; `outcome` is filled in.

    Raises
    ------
    MissingDependencyError
        Where dask.distributed is not installed.
    RunError
        The scheduler cannot be reached, or the cluster lost its workers; what was finished is on disk.
    """
    from joblib import Parallel, delayed, parallel_config

    with _client(scheduler) as client, parallel_config(backend="dask", client=client):
        workers = max(1, sum(w["nthreads"] for w in client.scheduler_info(n_workers=-1)["workers"].values()))
        work = [delayed(_compute)(unit, limits, fail_fast) for unit in units(tasks, workers)]
        cells = {t.cell.estimate_key: t.cell for t in tasks}
        try:
            for replies in Parallel(n_jobs=-1, return_as="generator_unordered")(work):
                for key, reply in replies:
                    _count(cells[key], reply, outcome, progress)
                    if fail_fast and reply.failed:
                        outcome.stopped_at_failure = True
                        return
        except KeyboardInterrupt:
            outcome.interrupted = True
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("distributed", "dask"):
                raise
            raise RunError(
                f"the cluster at {scheduler} failed: {type(error).__name__}: {error}; what was finished is kept, run "
                "the same command again"
            ) from error


def _count(cell: Any, reply: Reply, outcome: Outcome, progress: Progress) -> None:
    outcome.computed += 1
    if reply.failed:
        outcome.failed += 1
        outcome.failures.append(f"{cell.label} on {cell.track.name}: {reply.reason}")
    progress.end(cell, reply)


def _compute(unit: Sequence[Task], limits: Limits, fail_fast: bool) -> list[tuple[str, Reply]]:
    """A unit on a dask worker; cells that an earlier holder of the unit finished are not computed again."""
    if not hasattr(_here, "supervisor"):
        name = f"worker-{socket.gethostname()}-{threading.get_ident()}"
        _here.supervisor = Supervisor(unit[0].run / "logs" / f"{name}.log", limits)
        atexit.register(_here.supervisor.stop)
    supervisor: Supervisor = _here.supervisor
    supervisor.limits = limits
    replies = []
    for task in unit:
        reply = _finished(task) or supervisor.run(task)
        if reply is None:
            break
        replies.append((task.cell.estimate_key, reply))
        if fail_fast and reply.failed:
            break
    return replies


def _finished(task: Task) -> Reply | None:
    cell = read_cell(task.run, task.cell.estimate_key)
    if cell is None or not cell.ok:
        return None
    if any(s.key not in cell.scores or cell.scores[s.key].status != Status.OK for s in task.scores):
        return None
    return Reply(cell.status, "", cell.costs.get("separate_seconds", 0.0), cell.costs.get("score_seconds", 0.0))


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise MissingDependencyError("dask.distributed", "--scheduler", "pip install 'mss-bench[dask]'") from None
    if scheduler.startswith("local:"):
        count = scheduler.removeprefix("local:")
        if not count.isdigit() or int(count) < 1:
            raise ConfigError(f"scheduler is {scheduler!r}, expected local:N with N from 1 on, or an address")
        cluster = LocalCluster(
            n_workers=int(count), threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        )
        with cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=20)
    except (OSError, ValueError) as error:
        raise RunError(f"no dask scheduler answers at {scheduler}: {error}") from error
    with client:
        yield client
