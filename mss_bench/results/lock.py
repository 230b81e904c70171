"""One writer at a time in a run folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mss_bench.errors import RunError

__all__ = ["locked"]


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the folder's lock; the operating system drops it when its owner dies.

    Raises
    ------
    RunError
        When another process holds it, or the folder cannot be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        file = (run / ".lock").open("a+")
    except OSError as error:
        raise RunError(
            f"{run} cannot be written: {error.strerror or error}; choose another folder with --out"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise RunError(
                f"another process (pid {owner}) is running in {run}; wait for it or choose another folder with --out"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
