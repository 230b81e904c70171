"""One writer at a time in a run folder; the parts of a sharded run side by side.

The locks are the operating system's (flock): a dead owner holds none.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from mss_bench.errors import RunError

__all__ = ["finalising", "locked"]

_TRIES = 5  # a lock may be held for an instant by one who looks whether it is held
_TRY_SECONDS = 0.05


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
            # Held by all shards together, so that no name of one of them stands in it.
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
            taken = _take(file, kind)
        except OSError as error:
            raise RunError(f"{run} is on a file system without locks ({error}); choose another folder") from error
        if not taken:
            file.seek(0)
            owner = (_shards_that_run(run) if name == ".lock" else "") or file.read().strip() or "unknown"
            raise RunError(
                f"another process ({owner}) is running in {what}; wait for it or choose another folder with --out"
            )
        if kind == fcntl.LOCK_EX:
            _sign(run, file)
        yield


def _take(file: IO[str], kind: int) -> bool:
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_TRY_SECONDS)
        with suppress(BlockingIOError):
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return True
    return False


def _sign(run: Path, file: IO[str]) -> None:
    try:
        file.truncate(0)
        file.write(f"pid {os.getpid()} on {socket.gethostname()}")
        file.flush()
    except OSError as error:
        with suppress(OSError):
            file.close()  # which would try to write again
        reason = error.strerror or error
        raise RunError(f"{run} cannot be written: {reason}; free space or choose another --out") from error


def _shards_that_run(run: Path) -> str:
    """The owners of the shards that are held now; those that have ended left their names behind, too."""
    owners = []
    for path in sorted(run.glob(".lock-*-of-*")):
        with suppress(OSError), path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                shard = path.name.removeprefix(".lock-").replace("-of-", "/")
                owners.append(f"{file.read().strip() or 'unknown'}, shard {shard}")
    return "; ".join(owners)
