"""A small process beside each worker that ends the worker when the run's own process is gone, and watches its memory.

A thread could not: a plugin that holds the interpreter in native code lets no thread run. It is forked before anything
heavy is imported, so it costs a few megabytes.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time

from mss_bench.core.processes import descendants, resident_mb
from mss_bench.running.usage import seen_by_watchdog

__all__ = ["watch"]

_SAMPLE_SECONDS = 0.1  # between looks at the memory of the worker's descendants
_SAMPLE_SECONDS_MOST = 0.5  # where there are many processes to look through
_SAMPLE_SHARE = 0.005  # of a core, which between these bounds the looks may take


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
        seen_by_watchdog.watchdog = watchdog
        os.close(lifeline)
        return
    os.close(connection)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pause = _SAMPLE_SECONDS
    while not select.select([lifeline], [], [], pause)[0]:
        began = time.process_time()
        family = [pid for pid in descendants(worker) if pid != os.getpid()]
        seen_by_watchdog.descendants = len(family)
        # The kernel keeps the peak of the worker alone.
        if family and (used := resident_mb([worker, *family])) > seen_by_watchdog.peak_mb:
            seen_by_watchdog.peak_mb = used
        wanted = (time.process_time() - began) / _SAMPLE_SHARE
        pause = min(max(wanted, _SAMPLE_SECONDS), _SAMPLE_SECONDS_MOST)
    # Those that left the process group for a session of their own, too.
    for pid in descendants(worker):
        if pid != os.getpid():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    os.killpg(os.getpgrp(), signal.SIGKILL)
