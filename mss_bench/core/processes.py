"""Child processes: start one, listen to it, measure it and kill it with all that it started.

The workers of a run, the interpreters of external separators and the programs of `command` are each a `Child`. All of
this is POSIX and psutil and should run on macOS as well; it has been tested on Linux only. What the Linux kernel alone
tells of memory stands at the end, each with what is taken instead elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psutil

from mss_bench.errors import RunError

__all__ = [
    "THREADS",
    "Child",
    "Family",
    "Printed",
    "PrintedToFile",
    "apart",
    "descendants",
    "forget_peak",
    "how_it_ended",
    "keep_freed_memory",
    "oom_kills",
    "peak_mb",
    "resident_mb",
]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Variables that set threads, read when NumPy and torch are imported. Workers times threads must not oversubscribe the
machine, and a thread count that depends on the machine would change last digits."""

_CHUNK = 2**16
_PIPE_BYTES = 2**20  # the most that a pipe holds

LOG_BYTES = 4 * 2**20
_LOG_TAIL = 4000  # bytes of the end, which stays with a failed cell
_LEFT_OUT = b"\n[... output left out here, since the log had grown too long ...]\n"

# psutil finds descendants by looking through all processes of the machine, at 25 µs each: 2 ms where there are 90,
# 40 ms on a cluster node with 1,600.
_SEARCH_SHARE = 0.02  # of a core, which the searches may take between these bounds
_SEARCH_SECONDS = 0.1
_SEARCH_SECONDS_MOST = 1.0


class Printed:
    """What a child prints: handed on to standard error as it comes, and the end of it kept.

    Parameters
    ----------
    tail_bytes : int
        How much of the end is kept.
    """

    def __init__(self, tail_bytes: int) -> None:
        self._tail_bytes, self._tail = tail_bytes, b""

    def take(self, chunk: bytes) -> None:
        """Take what has just been printed."""
        self._tail = (self._tail + chunk)[-self._tail_bytes :]
        with contextlib.suppress(OSError):  # a full disk or a closed terminal costs the output alone
            self.hand_on(chunk)

    def hand_on(self, chunk: bytes) -> None:
        """Write a chunk to where it is read; a subclass may choose another place."""
        os.write(2, chunk)

    def mark(self) -> None:
        """Let `tail` begin here."""
        self._tail = b""

    def tail(self) -> str:
        """Return the end of what was printed since `mark`; all of it is there once the child is killed."""
        return self._tail.decode(errors="replace").strip()


class PrintedToFile(Printed):
    """Append what a child prints to a file, whose middle is cut out where it grows too long.

    The child does not write the file itself: one that prints for hours would fill the disk.

    Parameters
    ----------
    path : Path
    limit : int
        Largest size of the file in bytes, save for one chunk; of a longer one the first and the last quarter are kept.
    """

    def __init__(self, path: Path, limit: int = LOG_BYTES) -> None:
        super().__init__(_LOG_TAIL)
        self.path, self.limit = path, limit
        self._lock = threading.Lock()  # several children may print to one file

    def take(self, chunk: bytes) -> None:
        with self._lock:
            super().take(chunk)

    def hand_on(self, chunk: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(chunk)
            size = file.tell()
        if size > self.limit:
            self._shorten()

    def _shorten(self) -> None:
        """Cut the middle out in place; the beginning stays as it is, however often this is done."""
        part = self.limit // 4
        with self.path.open("r+b") as file:
            file.seek(-part, os.SEEK_END)
            end = file.read()
            file.seek(part)
            file.write(_LEFT_OUT + end)
            file.truncate()


class Child:
    """A child process, which is killed with all its descendants when this object goes.

    Parameters
    ----------
    words : sequence of str
        Program and arguments.
    printed : Printed
        Takes what it writes to standard output and error.
    own_session : bool
        Put it into a session and process group of its own, which is killed with it. Otherwise what ends this process's
        group, an interrupt for one, ends the child too.
    pass_fds : sequence of int
        Descriptors that it inherits.
    **options
        For `subprocess.Popen`.

    Attributes
    ----------
    pid : int
    death : int
        A descriptor that becomes readable when it ends. Its pipes do not tell: children that it forked hold them open.

    Raises
    ------
    OSError
        It cannot be started.
    """

    def __init__(
        self,
        words: Sequence[str],
        printed: Printed,
        *,
        own_session: bool = False,
        pass_fds: Sequence[int] = (),
        **options: Any,
    ) -> None:
        output, writing = os.pipe()
        try:
            self._popen: subprocess.Popen[bytes] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, start_new_session=own_session,
                pass_fds=pass_fds, **options,
            )  # fmt: skip
        except OSError:
            os.close(output)
            raise
        finally:
            os.close(writing)
        self.pid = self._popen.pid
        self._family = Family(self.pid)
        # A thread that waits does what a pidfd would, which Linux alone has.
        self.death, dead = os.pipe()
        self._reaper = threading.Thread(target=_reap, args=(self._popen, dead), daemon=True)
        carrier = threading.Thread(target=_carry, args=(output, os.dup(self.death), printed), daemon=True)
        self._reaper.start()
        carrier.start()
        self._end = weakref.finalize(self, _kill, self._popen, own_session, self._reaper, carrier, self.death)

    @property
    def alive(self) -> bool:
        """Return whether it still runs."""
        return self._end.alive and self._popen.poll() is None

    def kill(self) -> None:
        """Kill it with its descendants, those in sessions of their own too; once is enough."""
        self._end()

    def exit_status(self, timeout: float | None = None) -> int | None:
        """Wait for its end and return its exit status, a signal's negative number, or None where it still runs."""
        self._reaper.join(timeout)
        return self._popen.returncode

    def tree_mb(self) -> float:
        """Return the resident memory of it and its descendants in MiB."""
        return resident_mb([self.pid, *self._family.members()])


def _reap(popen: subprocess.Popen[bytes], dead: int) -> None:
    popen.wait()
    # Closing would not do: a fork of this process may hold the pipe open.
    os.write(dead, b"\0")
    os.close(dead)


def _carry(output: int, death: int, printed: Printed) -> None:
    """Carry a child's output until the child, not all who may write into its pipe, has ended."""
    os.set_blocking(output, False)
    try:
        while death not in wait([output, death]):
            chunk = os.read(output, _CHUNK)
            if not chunk:  # it has closed its output
                return
            printed.take(chunk)
        # What the pipe can hold and no more: a child's child that outlives it could write on and on.
        with contextlib.suppress(BlockingIOError):
            for _ in range(_PIPE_BYTES // _CHUNK):
                if not (chunk := os.read(output, _CHUNK)):
                    return
                printed.take(chunk)
    finally:
        os.close(output)
        os.close(death)


def _kill(
    popen: subprocess.Popen[bytes], group: bool, reaper: threading.Thread, carrier: threading.Thread, death: int
) -> None:
    # Once it has ended nobody knows its descendants any more.
    family = descendants(popen.pid) if popen.poll() is None else []
    popen.kill()
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()
    if group:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
    reaper.join()
    carrier.join(timeout=5)
    os.close(death)


def how_it_ended(status: int | None) -> str:
    """Return an exit status in words: ``was killed by SIGSEGV``, ``ended with exit status 3``."""
    if status is not None and status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"


def apart(function: Callable[..., Any], *arguments: str | int) -> Any:
    """Return what a function returns in an interpreter of its own, which has imported nobody's plugins.

    Parameters
    ----------
    function : callable
        A function of a module, which returns what JSON can hold.
    *arguments
        What it is given.

    Raises
    ------
    RunError
        It failed; with its last words.
    """
    name = f"{function.__module__}:{function.__qualname__}"
    code = (
        "import importlib, json, os, sys; sys.path[:], name, arguments = json.loads(sys.argv[1]); "
        "answer, _ = os.dup(1), os.dup2(2, 1); module, _, function = name.partition(':'); "
        "returned = getattr(importlib.import_module(module), function)(*arguments); "
        "os.write(answer, json.dumps(returned).encode()); os.close(answer)"
    )
    words = [sys.executable, "-c", code, json.dumps([sys.path, name, arguments])]
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if ended.returncode:
        last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise RunError(f"{name} {how_it_ended(ended.returncode)}: {''.join(last)}")
    return json.loads(ended.stdout)


def descendants(pid: int) -> list[psutil.Process]:
    """Return the children of a process, their children and so on, those in sessions of their own too."""
    with contextlib.suppress(psutil.Error):  # it is gone
        return psutil.Process(pid).children(recursive=True)
    return []


class Family:
    """The descendants of a process, for who asks many times a second: searched for as often as it is cheap.

    Those that have been found are known to the next search; one that starts meanwhile is found by it.

    Parameters
    ----------
    pid : int
        The process, which is not one of them.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._known: list[int] = []
        self._next_search = 0.0

    def members(self) -> list[int]:
        """Return the descendants as of the last search, which is no longer ago than a second."""
        if time.monotonic() >= self._next_search:
            began = time.thread_time()
            self._known = [process.pid for process in descendants(self._pid)]
            pause = (time.thread_time() - began) / _SEARCH_SHARE
            self._next_search = time.monotonic() + min(max(pause, _SEARCH_SECONDS), _SEARCH_SECONDS_MOST)
        return self._known


def resident_mb(pids: Sequence[int]) -> float:
    """Return the resident memory of processes in MiB; pages that they share count in each."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total / 2**20


# The rest reads /proc by hand. psutil has no peak of memory on Linux. That of `getrusage`, which is taken elsewhere,
# cannot be reset, and counts what the parent process held when it started this one.


def forget_peak() -> None:
    """Let the peak of this process's memory begin here; elsewhere than on Linux it stays that of the whole life."""
    # What the allocator keeps of earlier work would count as that of the next: hundreds of MiB after some methods.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def keep_freed_memory() -> None:
    """Let the allocator keep what is freed, up to 256 MiB, for what is asked for next; a setting of glibc's."""
    # A network asks for the same tens of MiB at every call, and pages that went back to the system cost a fault each:
    # a fifth of a small network's time.
    m_trim_threshold, m_mmap_threshold = -1, -3
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(m_mmap_threshold, 32 * 2**20)  # the most that it takes
        library.mallopt(m_trim_threshold, 256 * 2**20)


def peak_mb() -> float:
    """Return the peak resident memory of this process in MiB."""
    peak = _kernel_number("/proc/self/status", "VmHWM:")
    if peak is not None:
        return peak / 2**10
    bytes_or_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return bytes_or_kib / (2**20 if sys.platform == "darwin" else 2**10)


def oom_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory; 0 where it does not tell, as on macOS."""
    return _kernel_number("/proc/vmstat", "oom_kill") or 0


def _kernel_number(file: str, name: str) -> int | None:
    """Return the number that stands behind a name in a file of the kernel; None where there is none."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(file).read_text().splitlines():
            words = line.split()
            if words[:1] == [name]:
                return int(words[1])
    return None
