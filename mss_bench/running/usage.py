"""CPU time and memory of a process and of all that it started."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import sys
import time
from pathlib import Path

import psutil

from mss_bench.core.processes import descendants

__all__ = ["Usage", "cpu_seconds", "seen_by_watchdog"]


class _Seen(ctypes.Structure):
    """What the watchdog beside a worker shares with it."""

    watchdog: int
    descendants: int
    peak_mb: float
    _fields_ = (("watchdog", ctypes.c_int64), ("descendants", ctypes.c_int64), ("peak_mb", ctypes.c_double))


seen_by_watchdog = _Seen.from_buffer(mmap.mmap(-1, ctypes.sizeof(_Seen)))
"""Memory shared with the watchdog that is forked from this process: its pid, how many descendants of the worker it saw
last, and the highest memory with them in MiB since that was set to 0."""


def cpu_seconds() -> float:
    """Return the CPU time of this process and all that it started, those that have ended and were waited for too."""
    total = time.process_time()
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    total += reaped.ru_utime + reaped.ru_stime
    # Where the watchdog has seen none, no search: it may mean looking through all processes of the machine.
    for pid in descendants(os.getpid()) if seen_by_watchdog.descendants else []:
        if pid != seen_by_watchdog.watchdog:
            with contextlib.suppress(psutil.Error):
                total += sum(psutil.Process(pid).cpu_times()[:4])  # its own and that of those it waited for
    return total


class Usage:
    """What this process and its descendants use from now on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), cpu_seconds()
        seen_by_watchdog.peak_mb = 0.0
        with contextlib.suppress(OSError):  # Linux forgets the peak so far; elsewhere it is that of the whole life
            Path("/proc/self/clear_refs").write_text("5")
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
        return max(_peak_of_this_process(), seen_by_watchdog.peak_mb)

    def gpu_memory_mb(self) -> float:
        """Return the peak of what torch held on the GPU since then in MiB; 0 where nothing used one."""
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_available():
            return 0.0
        return float(torch.cuda.max_memory_allocated()) / 2**20


def _peak_of_this_process() -> float:
    # psutil knows no peak; only Linux has one that can be reset.
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere
