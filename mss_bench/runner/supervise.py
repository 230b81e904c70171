"""A warm child process that takes cells one after another, and the parent's side of watching it.

A child that dies, hangs, takes too long or too much memory, or cannot be started costs the cell it was at: it is killed
with all its descendants, the cell gets its status with the tail of the child's output, and the next cell gets a fresh
child. A child whose parent dies kills itself and its own children.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

import psutil

from mss_bench.results.schema import Status
from mss_bench.results.store import read_cell, read_values, write_cell
from mss_bench.runner.worker import Reply, Task, failed_cell, failed_score

__all__ = ["Limits", "Supervisor"]

# One BLAS/OpenMP thread a worker: workers times threads would oversubscribe the machine, and a thread count that
# depends on the machine would change last digits. Set before the child imports NumPy.
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

_CHILD = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); descriptor, lifeline = map(int, sys.argv[2:4]); "
    "from mss_bench.runner.watchdog import watch; watch(lifeline, descriptor); "
    "from mss_bench.runner.worker import main; main(descriptor)"
)

_WATCH_SECONDS = 0.2  # between looks at a child's memory
_TAIL_BYTES = 4000


@dataclass(frozen=True)
class Limits:
    """What a cell may take.

    Parameters
    ----------
    timeout : float, optional
        Seconds.
    memory_mb : float, optional
        Resident memory of the worker and its descendants, in MiB. The address space is not limited: torch reserves
        far more of it than it uses.
    retries : int
        How often a cell is tried again after a crash.
    """

    timeout: float | None = None
    memory_mb: float | None = None
    retries: int = 1


class Supervisor:
    """One worker process, started when first needed and again after each death.

    Parameters
    ----------
    log : Path
        File that gets what the child prints.
    limits : Limits
    """

    def __init__(self, log: Path, limits: Limits | None = None) -> None:
        self.log, self.limits = log, limits or Limits()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._lifeline: int | None = None
        # An interrupt's handler may stop the worker in the very thread that is starting it.
        self._lock = threading.RLock()
        self._stopped = False
        self._stage = ""  # the metric that the child is scoring

    def run(self, task: Task) -> Reply | None:
        """Have one cell computed; None when stopped meanwhile.

        Raises
        ------
        RunError
            When the cell's file cannot be written.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        lost: dict[str, tuple[Status, str]] = {}  # metrics that brought the worker down, left out from then on
        attempt = 0
        while True:
            start = self.log.stat().st_size if self.log.exists() else 0
            self._stage = ""
            kept = [s for s in task.scores if str(s.metric) not in lost]
            try:
                connection = self._start()
                connection.send(replace(task, scores=tuple(kept)))
                answer = self._wait(connection)
                if isinstance(answer, Reply):
                    return self._with_lost(task, answer, lost)
                status, reason = answer
            except (EOFError, OSError, ValueError):  # ValueError: stopped meanwhile, the pipe is closed
                status, reason = Status.CRASHED, self._cause_of_death()
            self._kill()
            if self._stopped:
                return None
            attempt += 1
            if status == Status.CRASHED and attempt <= self.limits.retries:
                continue
            if status == Status.CRASHED and self.limits.retries:
                reason += f", {attempt} times"
            if not self._stage:
                return self._record(task, status, reason, start)
            lost[self._stage] = status, f"while scoring: {reason}"
            attempt = 0

    def stop(self) -> None:
        """Kill the child, from any thread; `run` then returns None and starts no other."""
        self._stopped = True
        self._kill()

    def _wait(self, connection: Connection[Any, Any]) -> Reply | tuple[Status, str]:
        """The child's answer, or what it did wrong."""
        timeout, memory = self.limits.timeout, self.limits.memory_mb
        deadline = None if timeout is None else time.monotonic() + timeout
        process = self._process
        if process is None:  # stopped meanwhile
            raise EOFError
        # The pipe alone does not tell of a death: children that the worker forked hold it open.
        death = os.pidfd_open(process.pid)
        try:
            while True:
                left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
                ready = wait(
                    [connection, death], left if memory is None else min(_WATCH_SECONDS, left or _WATCH_SECONDS)
                )
                if connection in ready:
                    message = connection.recv()
                    if isinstance(message, Reply):
                        return message
                    self._stage = message
                elif death in ready:
                    raise EOFError
                if deadline is not None and time.monotonic() >= deadline:
                    return Status.TIMEOUT, f"took longer than {timeout:g} s and was killed"
                if memory is not None and (used := self._resident_mb()) > memory:
                    return Status.OUT_OF_MEMORY, f"used {used:.0f} MiB, more than the limit of {memory:g} MiB"
        finally:
            os.close(death)

    def _start(self) -> Connection[Any, Any]:
        with self._lock:
            if self._stopped:
                raise EOFError
            if self._connection is None:
                ours, theirs = Pipe()
                # Only this process holds the writing end: when it dies, however, the child reads the end of file.
                reading, self._lifeline = os.pipe()
                with self.log.open("ab") as log:
                    self._process = subprocess.Popen(
                        [sys.executable, "-c", _CHILD, json.dumps(sys.path), str(theirs.fileno()), str(reading)],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        pass_fds=[theirs.fileno(), reading],
                        env=os.environ | THREADS,
                        start_new_session=True,
                    )
                theirs.close()
                os.close(reading)
                self._connection = ours
            if self._stopped:  # meanwhile
                raise EOFError
            return self._connection

    def _family(self) -> list[psutil.Process]:
        """The child and its descendants, those in sessions of their own too."""
        process = self._process
        if process is None:
            return []
        with contextlib.suppress(psutil.Error):
            child = psutil.Process(process.pid)
            return [child, *child.children(recursive=True)]
        return []

    def _resident_mb(self) -> float:
        total = 0
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total / 2**20

    def _cause_of_death(self) -> str:
        code = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(timeout=5)
        if code is not None and code < 0:
            hint = " (by hand, or the system ran out of memory)" if -code == signal.SIGKILL else ""
            return f"the worker process was killed by {signal.Signals(-code).name}{hint}"
        return f"the worker process ended with exit status {code}"

    def _kill(self) -> None:
        with self._lock:
            family = self._family()
            process, self._process = self._process, None
            connection, self._connection = self._connection, None
            lifeline, self._lifeline = self._lifeline, None
        for member in family[1:]:
            with contextlib.suppress(psutil.Error):
                member.kill()
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if connection is not None:
            connection.close()
        if lifeline is not None:
            os.close(lifeline)

    def _with_lost(self, task: Task, reply: Reply, lost: dict[str, tuple[Status, str]]) -> Reply:
        """A finished cell, with the scores of metrics that brought the worker down noted as failed."""
        cell = read_cell(task.run, task.cell.estimate_key)
        if not lost or cell is None or not cell.ok:
            return reply
        cell.values = read_values(task.run, task.cell.estimate_key)
        for score in task.scores:
            if str(score.metric) in lost:
                cell.scores[score.key] = failed_score(score, *lost[str(score.metric)])
        write_cell(task.run, cell)
        failed = tuple(f"{name}: {reason}" for name, (_, reason) in lost.items())
        return replace(reply, failed_metrics=reply.failed_metrics + failed)

    def _record(self, task: Task, status: Status, reason: str, start: int) -> Reply:
        cell = failed_cell(task, status, reason)
        with self.log.open("rb") as log:
            log.seek(max(start, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            cell.log = log.read().decode(errors="replace").strip()
        write_cell(task.run, cell)
        return Reply(status, reason, 0.0, 0.0)
