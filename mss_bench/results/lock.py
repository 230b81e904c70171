"""One writer at a time in a run folder; the parts of a sharded run side by side.

The locks are the operating system's (flock): a dead owner holds none.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mss_bench.errors import RunError

__all__ = ["finalising", "locked"]


@contextmanager
def locked(run: Path, shard: str | None = None) -> Iterator[None]:
    """Hold a run folder, or one shard of it while other shards may hold theirs.

    Raises
    ------
    RunError
        When another process holds it, or the folder cannot be written.
    """
    with ExitStack() as stack:
        if shard is None:
            stack.enter_context(_hold(run, ".lock", fcntl.LOCK_EX, run))
        else:
            stack.enter_context(_hold(run, ".lock", fcntl.LOCK_SH, run))
            name = f".lock-{shard.replace('/', '-of-')}"
            stack.enter_context(_hold(run, name, fcntl.LOCK_EX, f"shard {shard} of {run}"))
        yield


@contextmanager
def finalising(run: Path) -> Iterator[None]:
    """Hold the folder's tables; waits for another shard that is writing them."""
    with (run / ".lock-tables").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _hold(run: Path, name: str, kind: int, what: object) -> Iterator[None]:
    try:
        run.mkdir(parents=True, exist_ok=True)
        file = (run / name).open("a+")
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"{run} cannot be written: {reason}; choose another folder with --out") from error
    with file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise RunError(
                f"another process ({owner}) is running in {what}; wait for it or choose another folder with --out"
            ) from None
        except OSError as error:
            raise RunError(f"{run} is on a file system without locks ({error}); choose another folder") from error
        try:
            file.truncate(0)
            file.write(f"pid {os.getpid()} on {socket.gethostname()}")
            file.flush()
        except OSError as error:
            with suppress(OSError):
                file.close()  # which would try to write again
            reason = error.strerror or error
            raise RunError(f"{run} cannot be written: {reason}; free space or choose another --out") from error
        yield
