"""A warm child process that takes cells one after another, and the parent's side of watching it.

A child that dies, hangs past its time or cannot be started costs the cell it was at: its process group is killed, the
cell gets its status with the tail of the child's output, and the next cell gets a fresh child.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from mss_bench.results.schema import Status
from mss_bench.results.store import Cell, write_cell
from mss_bench.runner.worker import Reply, Task

__all__ = ["Supervisor"]

# One BLAS/OpenMP thread a worker: workers times threads would oversubscribe the machine, and a thread count that
# depends on the machine would change last digits. Set before the child imports NumPy.
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

_CHILD = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from mss_bench.runner.worker import main; main(int(sys.argv[2]))"
)


class Supervisor:
    """One worker process, started when first needed and again after each death.

    Parameters
    ----------
    log : Path
        File that gets what the child prints.
    timeout : float, optional
        Seconds that a cell may take.
    """

    def __init__(self, log: Path, timeout: float | None = None) -> None:
        self.log, self.timeout = log, timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, task: Task) -> Reply | None:
        """Have one cell computed; None when stopped meanwhile."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        start = self.log.stat().st_size if self.log.exists() else 0
        try:
            connection = self._start()
            connection.send(task)
            if connection.poll(self.timeout):
                reply: Reply = connection.recv()
                return reply
            status, reason = Status.TIMEOUT, f"took longer than {self.timeout:g} s and was killed"
        except (EOFError, OSError):
            status, reason = Status.CRASHED, self._cause_of_death()
        self._kill()
        if self._stopped:
            return None
        return self._record(task, status, reason, start)

    def stop(self) -> None:
        """Kill the child, from any thread; `run` then returns None and starts no other."""
        self._stopped = True
        self._kill()

    def _start(self) -> Connection[Any, Any]:
        with self._lock:
            if self._stopped:
                raise EOFError
            if self._connection is None:
                ours, theirs = Pipe()
                with self.log.open("ab") as log:
                    self._process = subprocess.Popen(
                        [sys.executable, "-c", _CHILD, json.dumps(sys.path), str(theirs.fileno())],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        pass_fds=[theirs.fileno()],
                        env=os.environ | THREADS,
                        start_new_session=True,
                    )
                theirs.close()
                self._connection = ours
            return self._connection

    def _cause_of_death(self) -> str:
        code = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(timeout=5)
        if code is not None and code < 0:
            return f"the worker process was killed by {signal.Signals(-code).name}"
        return f"the worker process ended with exit status {code}"

    def _kill(self) -> None:
        with self._lock:
            process, self._process = self._process, None
            connection, self._connection = self._connection, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if connection is not None:
            connection.close()

    def _record(self, task: Task, status: Status, reason: str, start: int) -> Reply:
        with self.log.open("rb") as log:
            log.seek(max(start, log.seek(0, os.SEEK_END) - 4000))
            tail = log.read().decode(errors="replace").strip()
        planned = task.cell
        write_cell(
            task.run,
            Cell(
                planned.estimate_key, dict(vars(planned.track.id)), planned.separator, planned.params, status, reason,
                log=tail, preimage=planned.preimage,
            ),
        )  # fmt: skip
        return Reply(status, reason, 0.0, 0.0)
