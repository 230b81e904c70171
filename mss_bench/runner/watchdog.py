"""A small process beside each worker that ends the worker when the run's own process is gone.

A thread could not: a plugin that holds the interpreter in native code lets no thread run. It is forked before anything
heavy is imported, so it costs a few megabytes.
"""

from __future__ import annotations

import contextlib
import os
import signal

__all__ = ["watch"]


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
    if os.fork():
        os.close(lifeline)
        return
    os.close(connection)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.read(lifeline, 1)
    import psutil

    with contextlib.suppress(psutil.Error):
        # Those that left the process group for a session of their own, too.
        for child in psutil.Process(worker).children(recursive=True):
            if child.pid != os.getpid():
                child.kill()
    os.killpg(os.getpgrp(), signal.SIGKILL)
