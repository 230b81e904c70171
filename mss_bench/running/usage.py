"""CPU time and memory of a process and of all that it started, read from ``/proc``.

Light to import: the watchdog beside each worker uses it before anything heavy is loaded.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import struct
import sys
import time
from collections import defaultdict
from pathlib import Path

__all__ = ["Usage", "cpu_seconds", "descendants", "oom_kills", "resident_mb", "sample_descendants", "share_with"]

_PAGE_MB = resource.getpagesize() / 2**20
_TICKS = os.sysconf("SC_CLK_TCK")

# Shared with the watchdog that is forked from this process: its pid, how many descendants it saw last, and the highest
# memory with them that it has seen since the value was set to 0. A worker looks for descendants only where there are
# some: where the kernel keeps no lists of children that is a search through all processes.
_shared = mmap.mmap(-1, 24)
_WATCHDOG, _SEEN, _PEAK = 0, 8, 16

_parents: dict[int, int] = {}  # by process, as last searched


def share_with(watchdog: int) -> None:
    """Name the watchdog, which is no descendant to be counted."""
    struct.pack_into("q", _shared, _WATCHDOG, watchdog)


def descendants(pid: int) -> list[int]:
    """Children of a process, their children and so on, those in sessions of their own too; without the watchdog."""
    try:
        found = _listed(pid)
    except FileNotFoundError:  # kernels that are built without lists of children
        found = _searched(pid)
    watchdog = struct.unpack_from("q", _shared, _WATCHDOG)[0]
    return [p for p in found if p != watchdog]


def _listed(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            found.append(child)
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                found += _listed(child)
    return found


def _searched(pid: int) -> list[int]:
    global _parents
    known = _parents
    # Only of processes that are new the parent has to be read; one whose parent ends is nobody's descendant any more.
    alive = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
    _parents = {p: known[p] if p in known else _parent(p) for p in alive}
    children = defaultdict(list)
    for process, parent in _parents.items():
        children[parent].append(process)
    found = list(children[pid])
    for child in found:  # grows on the way
        found += children[child]
    return found


def _parent(pid: int) -> int:
    stat = _stat(pid)
    return int(stat[1]) if stat else 0


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/PID/stat`` from the state on; none where the process is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def cpu_seconds() -> float:
    """CPU time that this process has used with all it started, those that have ended and been waited for included."""
    total = time.process_time()
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    total += reaped.ru_utime + reaped.ru_stime
    for pid in descendants(os.getpid()) if struct.unpack_from("q", _shared, _SEEN)[0] else []:
        if stat := _stat(pid):
            total += sum(map(int, stat[11:15])) / _TICKS  # user and system, its own and of those it waited for
    return total


def resident_mb(pids: list[int]) -> float:
    """Resident memory of processes in MiB; pages that they share count in each."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError, ValueError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MB
    return total


def oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory since it was started; 0 where it does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def sample_descendants(worker: int) -> None:
    """In the watchdog: note how many descendants a worker has, and its memory with them where that is a new peak."""
    found = descendants(worker)
    struct.pack_into("q", _shared, _SEEN, len(found))
    if found:  # the kernel keeps the peak of the worker alone
        used = resident_mb([worker, *found])
        if used > struct.unpack_from("d", _shared, _PEAK)[0]:
            struct.pack_into("d", _shared, _PEAK, used)


class Usage:
    """What this process and its descendants use from now on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), cpu_seconds()
        struct.pack_into("d", _shared, _PEAK, 0.0)
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def seconds(self) -> float:
        """Wall time since then."""
        return time.perf_counter() - self._wall

    def cpu_seconds(self) -> float:
        """CPU time since then."""
        return max(0.0, cpu_seconds() - self._cpu)

    def peak_memory_mb(self) -> float:
        """Peak resident memory since then, MiB.

        The kernel's own peak of this process, or what the watchdog has seen of it with its descendants at intervals.
        """
        return max(_peak_of_this_process(), float(struct.unpack_from("d", _shared, _PEAK)[0]))

    def gpu_memory_mb(self) -> float:
        """Peak of what torch held on the GPU since then, MiB; 0 where nothing used one."""
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_available():
            return 0.0
        return float(torch.cuda.max_memory_allocated()) / 2**20


def _peak_of_this_process() -> float:
    """Since the last reset where Linux can tell, else of its whole life."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
