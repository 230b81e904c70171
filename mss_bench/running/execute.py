"""Compute the tasks of a run on this machine: threads of joblib, each with a `Supervisor` of processes.

Processes take cells one after another. One that dies, hangs, takes too long or too much memory, or cannot be started
costs only its current cell: it is killed with all its descendants, the cell gets a status and the end of the process's
output, and the next cell gets a fresh process. A process whose parent dies kills itself and its own children; one whose
client has ended is killed by its supervisor.
"""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from types import FrameType
from typing import Any

from mss_bench.core.processes import THREADS, Child, PrintedToFile, how_it_ended, oom_kills
from mss_bench.core.schema import Status
from mss_bench.running.estimates import Separated, SeparationRequest, SharedAudio
from mss_bench.running.keys import known_code
from mss_bench.running.lock import SupersededError, current
from mss_bench.running.messages import TOKEN_BYTES, GarbledError, Inbox, LoadTrack, Reply, ScoreCell, Task
from mss_bench.running.progress import Progress
from mss_bench.running.store import read_cell, write_cell
from mss_bench.running.worker import failed_cell, failed_score

__all__ = ["Limits", "Supervisor", "execute", "interruptible", "units"]

# What a child executes: it ends in `main` of running/worker.py. Its sys.path comes first, for plugins and tests. No
# search for unreachable objects goes through what is being imported, which takes a tenth of the start.
_CHILD = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); descriptor, lifeline, shared = map(int, sys.argv[2:5]); "
    "from mss_bench.running.usage import watch; watch(lifeline, descriptor); import gc; gc.disable(); "
    "from mss_bench.running.worker import main; main(descriptor, shared, sys.argv[5], bytes.fromhex(sys.argv[6]))"
)

_WATCH_SECONDS = 0.2  # between looks at a child's memory
_START_SECONDS = 60.0  # that a child may take to start, where the time of a cell is limited
_CALL_SECONDS = 1.0  # between looks whether the client still runs


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
    supervisors = [Supervisor(run / "logs" / f"worker-{i}.log", limits) for i in range(jobs)]
    free: queue.SimpleQueue[Supervisor] = queue.SimpleQueue()
    for supervisor in supervisors:
        free.put(supervisor)
    lock, stopped = threading.Lock(), threading.Event()

    def stop() -> None:
        stopped.set()  # first, so that no thread starts another worker in place of one that is killed here
        for supervisor in supervisors:
            supervisor.stop()

    def work(unit: list[Task]) -> None:
        supervisor = free.get()
        try:
            for task in unit:
                if stopped.is_set():
                    return
                progress.begin(task.cell)
                reply = supervisor.run(task)
                if reply is None:
                    return
                with lock:
                    progress.end(task.cell, reply)
                    outcome.stopped_at_failure |= reply.failed and fail_fast
                if outcome.stopped_at_failure:
                    stop()
        finally:
            free.put(supervisor)

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


@dataclass(frozen=True)
class Limits:
    """Limits of one cell.

    Parameters
    ----------
    timeout : float, optional
        Seconds.
    memory_mb : float, optional
        Resident memory of the worker and its descendants, in MiB. The address space is not limited: torch reserves
        far more of it than it uses.
    retries : int
        How often a cell is tried again after a crash.
    threads : int
        Threads of the libraries in a process that separates; scores are computed with one.
    """

    timeout: float | None = None
    memory_mb: float | None = None
    retries: int = 1
    threads: int = 1


@dataclass(frozen=True)
class _Loss:
    """Why a process did not answer: it died, or exceeded a limit."""

    status: Status
    reason: str
    died: bool = False


class Supervisor:
    """The processes that compute cells one after another, each started when needed and again after its death.

    One process reads tracks and scores; it never runs a plugin. Another one separates by the methods of this package. A
    plugin's method or a network has a third one to itself, which stays while other methods take their turns on each
    track, so that a network is loaded once, and is replaced by that of the next such method. A fourth one scores by the
    metrics of plugins, where there are any.

    Parameters
    ----------
    log : Path
        File that gets what they print, of bounded size.
    limits : Limits
    folder : Path, optional
        Their working folder where that exists; this process's own by default.
    """

    def __init__(self, log: Path, limits: Limits | None = None, folder: Path | None = None) -> None:
        self.log, self.limits = PrintedToFile(log), limits or Limits()
        shared = SharedAudio()
        self._scorer, self._separator, self._isolated, self._plugin_scorer = self._processes = [
            _Process(role, self.log, folder, shared, self.limits.threads if role == "separate" else 1)
            for role in ("score", "separate", "separate", "score")
        ]
        self._method = ""  # the one that has the isolated process
        self._stopped = False
        self._stage = ""  # the metric that is being scored
        self._deadline = math.inf
        self._withdrawn: Callable[[], bool] = lambda: False

    def run(self, task: Task, withdrawn: Callable[[], bool] | None = None) -> Reply | None:
        """Compute one cell in the processes; return None when it is stopped or withdrawn meanwhile.

        Parameters
        ----------
        task : Task
        withdrawn : callable, optional
            Asked about every second whether the cell is still wanted; by default, it is withdrawn when the client's
            token has gone from the run folder.

        Raises
        ------
        RunError
            When the cell's file cannot be written.
        """
        self._withdrawn = withdrawn or (lambda: not current(task.run, task.epoch))
        try:
            return self._cell(task)
        except SupersededError:
            self._kill()
            return None

    def stop(self) -> None:
        """Kill the processes, from any thread; `run` then returns None and starts none any more."""
        self._stopped = True
        for process in self._processes:
            process.close()

    def _cell(self, task: Task) -> Reply | None:
        """Take a cell through its steps: read, separate, score."""
        self.log.mark()
        self._set_deadline()
        loaded = self._insist(self._scorer, LoadTrack(task))
        if isinstance(loaded, _Loss):
            return self._record(task, loaded)
        separated = None
        if isinstance(loaded, SeparationRequest):
            separated = self._insist(self._separator_of(task), loaded)
            if isinstance(separated, _Loss):
                return self._record(task, separated)
        elif isinstance(loaded, Reply):
            return loaded
        if self._stopped or self._withdrawn():
            return None
        own = tuple(s for s in task.scores if not s.foreign)
        reply = self._score(self._scorer, replace(task, scores=own), separated)
        if reply is None or reply.status != Status.OK or len(own) == len(task.scores):
            return reply
        foreign = tuple(s for s in task.scores if s.foreign)
        more = self._score(self._plugin_scorer, replace(task, scores=foreign, keep_scores=True), separated)
        return more and replace(
            reply,
            score_seconds=reply.score_seconds + more.score_seconds,
            metric_seconds=reply.metric_seconds + more.metric_seconds,
            failed_metrics=tuple(dict.fromkeys(reply.failed_metrics + more.failed_metrics)),
        )

    def _separator_of(self, task: Task) -> _Process:
        """Return the process for a cell's method, without what another isolated method did to it."""
        mine, other = self._separator, self._isolated
        if task.cell.isolated:
            mine, other = other, mine
            if (method := str(task.cell.method)) != self._method:
                mine.kill()
                self._method = method
        if self.limits.memory_mb is not None:  # what an idle process holds must not count as this method's
            other.kill()
        return mine

    def _score(self, process: _Process, task: Task, separated: Separated | None) -> Reply | None:
        """Score and write a cell; a metric that crashes the process is left out and recorded as failed."""
        lost: dict[str, tuple[Status, str]] = {}
        while True:
            kept = tuple(s for s in task.scores if str(s.metric) not in lost)
            outcome = self._insist(process, ScoreCell(replace(task, scores=kept), separated))
            if not isinstance(outcome, _Loss):
                return outcome and self._with_lost(task, outcome, lost)
            if not self._stage:
                return self._record(task, outcome)
            lost[self._stage] = outcome.status, f"while scoring: {outcome.reason}"

    def _insist(self, process: _Process, request: Any) -> Any:
        """Return the answer of a process, asking again after a crash; a `_Loss` where that does not help."""
        attempts = 0
        while True:
            outcome = self._ask(process, request)
            attempts += 1
            if not isinstance(outcome, _Loss) or not outcome.died:
                return outcome
            if attempts > self.limits.retries:
                times = f", {attempts} times" if self.limits.retries else ""
                return replace(outcome, reason=outcome.reason + times)

    def _ask(self, process: _Process, request: Any) -> Any:
        """Hand a request to a process; one that did not answer it is killed."""
        self._stage = ""
        try:
            number = process.send(request)
            outcome = self._wait(process, number)
        except GarbledError:
            reason = "the worker process sent something that is not an answer: a plugin wrote into its channel"
            outcome = _Loss(Status.CRASHED, reason, died=True)
        except (EOFError, OSError, ValueError):  # ValueError: stopped meanwhile, the pipe is closed
            outcome = process.cause_of_death()
        if isinstance(outcome, _Loss):
            process.kill()
            self._set_deadline()  # the next try has the full time of a cell
            if self._stopped or self._withdrawn():
                raise SupersededError
        return outcome

    def _set_deadline(self) -> None:
        self._deadline = math.inf if self.limits.timeout is None else time.monotonic() + self.limits.timeout

    def _wait(self, process: _Process, number: int) -> Any:
        """Return the answer to a request, or a `_Loss`."""
        memory = self.limits.memory_mb
        pause = _CALL_SECONDS if memory is None else _WATCH_SECONDS
        asked = time.monotonic()
        while True:
            left = self._deadline + (0 if process.ready else _START_SECONDS) - time.monotonic()
            message = process.receive(min(pause, max(left, 0.0)))
            now = time.monotonic()
            if message is not None and message[0] == 0:  # it has started; starting does not count as the cell's time
                self._deadline += now - process.began
            # A process forked by a method may answer as well: messages with another request's number are ignored.
            elif message is not None and message[0] == number:
                if not isinstance(message[1], str):
                    return message[1]
                self._stage = message[1]
            elif now >= self._deadline + (0 if process.ready else _START_SECONDS):
                return _Loss(Status.TIMEOUT, f"took longer than {self.limits.timeout:g} s and was killed")
            if memory is not None and (used := sum(p.tree_mb() for p in self._processes)) > memory:
                return _Loss(Status.OUT_OF_MEMORY, f"used {used:.0f} MiB, more than the limit of {memory:g} MiB")
            if now - asked >= _CALL_SECONDS:
                asked = now
                if self._withdrawn():
                    process.kill()
                    raise SupersededError

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()

    def _with_lost(self, task: Task, reply: Reply, lost: dict[str, tuple[Status, str]]) -> Reply:
        """Mark the scores of metrics that crashed the worker as failed in a finished cell."""
        cell = read_cell(task.run, task.cell.estimate_key, frames=True) if lost else None
        if cell is None or not cell.ok:
            return reply
        for score in task.scores:
            if str(score.metric) in lost:
                cell.scores[score.key] = failed_score(score, *lost[str(score.metric)])
        write_cell(task.run, cell, task.epoch)
        failed = tuple(f"{name}: {reason}" for name, (_, reason) in lost.items())
        return replace(reply, failed_metrics=reply.failed_metrics + failed)

    def _record(self, task: Task, loss: _Loss) -> Reply:
        cell = failed_cell(task, loss.status, loss.reason)
        cell.log = self.log.tail()
        write_cell(task.run, cell, task.epoch)
        return Reply(loss.status, loss.reason, 0.0, 0.0, log=cell.log)


class _Process:
    """A warm child process that answers requests, each with the number of the request."""

    def __init__(self, role: str, log: PrintedToFile, folder: Path | None, shared: SharedAudio, threads: int) -> None:
        self._role, self._log, self._folder, self._shared, self._threads = role, log, folder, shared, threads
        self._child: Child | None = None
        self._connection: Connection[Any, Any] | None = None
        self._lifeline: int | None = None
        # An interrupt's handler may close it in the very thread that is starting it.
        self._lock = threading.RLock()
        self._closed = False
        self._number, self._inbox = 0, Inbox(b"")
        self.began, self.ready = 0.0, False  # when the child was started, and whether it has reported ready
        self._oom_kills = 0  # of the whole system, when the child was started

    def send(self, request: Any) -> int:
        """Send a request, to a new child where there is none; return its number."""
        connection = self._start()
        self._number += 1
        connection.send((self._number, request, {} if self.ready else known_code.copy()))
        return self._number

    def receive(self, seconds: float) -> tuple[int, Any] | None:
        """Return the next message, or None where there is none after some seconds.

        Raises
        ------
        EOFError
            The child has ended.
        """
        child, connection = self._child, self._connection
        if child is None or connection is None:
            raise EOFError
        if (message := self._inbox.next()) is None:
            ready = wait([connection, child.death], seconds)
            if connection in ready:
                self._inbox.take(connection.fileno())
            elif ready:
                raise EOFError
            message = self._inbox.next()
        self.ready |= message is not None
        return message

    def tree_mb(self) -> float:
        """Return the resident memory of the child and its descendants in MiB."""
        child = self._child
        return 0.0 if child is None else child.tree_mb()

    def cause_of_death(self) -> _Loss:
        """Return why the child has ended."""
        status = self._child.exit_status(timeout=5) if self._child is not None else None
        if status == -signal.SIGKILL and oom_kills() > self._oom_kills:
            reason = "the kernel killed the worker process for lack of memory; use fewer --jobs, or a --memory-limit"
            return _Loss(Status.OUT_OF_MEMORY, reason, died=True)
        return _Loss(Status.CRASHED, f"the worker process {how_it_ended(status)}", died=True)

    def close(self) -> None:
        """Kill the child; none is started any more."""
        self._closed = True
        self.kill()

    def kill(self) -> None:
        """Kill the child with all that it started."""
        with self._lock:
            child, self._child = self._child, None
            connection, self._connection = self._connection, None
            lifeline, self._lifeline = self._lifeline, None
        if child is not None:
            child.kill()
        if connection is not None:
            connection.close()
        if lifeline is not None:
            os.close(lifeline)

    def _start(self) -> Connection[Any, Any]:
        with self._lock:
            if self._closed:
                raise EOFError
            if self._child is None or self._connection is None:
                self.began, self.ready = time.monotonic(), False
                token = os.urandom(TOKEN_BYTES)
                self._inbox = Inbox(token)
                self._connection, theirs = Pipe()
                # Only this process holds the writing end: when it dies, however, the watchdog reads the end of file.
                reading, self._lifeline = os.pipe()
                passed = (theirs.fileno(), reading, self._shared.descriptor)
                try:
                    self._child = Child(
                        [
                            sys.executable,
                            "-c",
                            _CHILD,
                            json.dumps(sys.path),
                            *map(str, passed),
                            self._role,
                            token.hex(),
                        ],
                        self._log,
                        own_session=True,
                        pass_fds=passed,
                        cwd=self._folder if self._folder and self._folder.is_dir() else None,
                        env=os.environ | dict.fromkeys(THREADS, str(self._threads)),
                    )
                finally:
                    theirs.close()
                    os.close(reading)
                self._oom_kills = oom_kills()
            if self._closed:  # meanwhile, by an interrupt's handler in this thread
                raise EOFError
            return self._connection
