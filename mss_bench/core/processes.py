"""Child processes: start one, listen to it, measure it and kill it with all that it started.

The workers of a run, the interpreters of external separators and the programs of `command` are each a `Child`. All of
this is POSIX and psutil and should run on macOS as well; it has been tested on Linux only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import weakref
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psutil

__all__ = ["Child", "Printed", "descendants", "how_it_ended", "resident_mb"]

_CHUNK = 2**16
_PIPE_BYTES = 2**20  # the most that a pipe holds


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
        return resident_mb([self.pid, *descendants(self.pid)])


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
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):  # it has ended; then nobody knows its descendants any more
        family = psutil.Process(popen.pid).children(recursive=True) if popen.poll() is None else []
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


def descendants(pid: int) -> list[int]:
    """Return the children of a process, their children and so on, those in sessions of their own too."""
    try:
        return _listed(pid)
    except OSError:  # macOS, a Linux kernel without such lists, or the process is gone
        with contextlib.suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children(recursive=True)]
        return []


def _listed(pid: int) -> list[int]:
    # psutil searches all processes of the machine, which takes a busy cluster node 50 ms; several times a second and
    # for every worker that is too much. Linux keeps a list of each thread's children.
    family: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            family.append(child)
            with contextlib.suppress(OSError):  # it has just ended
                family += _listed(child)
    return family


def resident_mb(pids: Sequence[int]) -> float:
    """Return the resident memory of processes in MiB; pages that they share count in each."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total / 2**20
