"""Measure CPU time and memory of a worker and of all that it started, with a watchdog process beside it.

The watchdog is a small process beside each worker, forked before anything heavy is imported, so that it costs a few
megabytes. It watches the memory of the worker's descendants, and ends the worker when the run's own process is gone. A
thread could not: a plugin that holds the interpreter in native code lets no thread run.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import select
import signal
import sys
import time

import psutil

from mss_bench.core.processes import Family, descendants, forget_peak, peak_mb, resident_mb

__all__ = ["Usage", "cpu_seconds", "watch"]

_SAMPLE_SECONDS = 0.1  # between looks at the memory of the worker's descendants


class _Seen(ctypes.Structure):
    """The memory that a worker and its watchdog share."""

    watchdog: int
    descendants: int
    peak_mb: float
    _fields_ = (("watchdog", ctypes.c_int64), ("descendants", ctypes.c_int64), ("peak_mb", ctypes.c_double))


_seen = _Seen.from_buffer(mmap.mmap(-1, ctypes.sizeof(_Seen)))
"""Memory shared with the watchdog that is forked from this process: its pid, how many descendants of the worker it saw
last, and the highest memory with them in MiB since that was set to 0."""


def cpu_seconds() -> float:
    """Return the CPU time of this process and all that it started, those that have ended and were waited for too."""
    total = time.process_time()
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    total += reaped.ru_utime + reaped.ru_stime
    # Where the watchdog has seen none, no search: it means looking through all processes of the machine.
    for process in descendants(os.getpid()) if _seen.descendants else []:
        if process.pid != _seen.watchdog:
            with contextlib.suppress(psutil.Error):
                total += sum(process.cpu_times()[:4])  # its own and that of those it waited for
    return total


class Usage:
    """Measure what this process and its descendants use from now on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), cpu_seconds()
        _seen.peak_mb = 0.0
        forget_peak()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def seconds(self) -> float:
        """Return the wall time since then."""
        return time.perf_counter() - self._wall

    def cpu_seconds(self) -> float:
        """Return the CPU time since then."""
        return max(0.0, cpu_seconds() - self._cpu)

    def peak_memory_mb(self) -> float:
        """Return the peak resident memory since then in MiB.

        The kernel's own peak of this process, or what the watchdog has seen of it with its descendants at intervals.
        """
        return max(peak_mb(), _seen.peak_mb)

    def gpu_memory_mb(self) -> float:
        """Return the peak of what torch held on the GPU since then in MiB; 0 where no GPU was used."""
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_available():
            return 0.0
        return float(torch.cuda.max_memory_allocated()) / 2**20


def watch(lifeline: int, connection: int) -> None:
    """Fork the watchdog; returns in the worker alone.

    Parameters
    ----------
    lifeline : int
        Descriptor that reads end of file when the parent dies.
    connection : int
        The worker's pipe, which the watchdog must not hold open.
    """
    worker = os.getpid()
    watchdog = os.fork()
    if watchdog:
        _seen.watchdog = watchdog
        os.close(lifeline)
        return
    os.close(connection)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    family = Family(worker)
    while not select.select([lifeline], [], [], _SAMPLE_SECONDS)[0]:
        others = [pid for pid in family.members() if pid != os.getpid()]
        _seen.descendants = len(others)
        # The kernel keeps the peak of the worker alone.
        if others and (used := resident_mb([worker, *others])) > _seen.peak_mb:
            _seen.peak_mb = used
    # Those that left the process group for a session of their own, too.
    for process in descendants(worker):
        if process.pid != os.getpid():
            with contextlib.suppress(psutil.Error):
                process.kill()
    os.killpg(os.getpgrp(), signal.SIGKILL)
