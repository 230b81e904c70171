"""Whose workers may write into a run folder: the token of the client that runs now.

The lock of a run folder dies with its client, but workers on a cluster outlive a client that is interrupted or killed.
Each client therefore puts a token of its own into the folder, in place of those before it, and takes it away when it
ends. Workers carry the token with every cell, look for it between cells, and put a finished cell in place only while
it stands: whoever changes the tokens waits for the write that is under way, so that none comes later.
"""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mss_bench.errors import RunError

__all__ = ["SupersededError", "current", "epoch", "in_force", "revoke"]


class SupersededError(RunError):
    """The client for which this cell was computed no longer runs."""


@contextmanager
def epoch(run: Path, shard: str | None = None) -> Iterator[str]:
    """Put a token into a run folder whose lock is held; it is taken away at the end.

    Parameters
    ----------
    run : Path
    shard : str, optional
        ``"i/N"``: a token beside those of the other shards; without it, the only one.

    Yields
    ------
    str
        The token, for `current` and `in_force`.

    Raises
    ------
    RunError
        When it cannot be written.
    """
    name = ".epoch" if shard is None else f".epoch-{shard.replace('/', '-of-')}"
    token = f"{name}:{uuid.uuid4().hex}"
    try:
        with _turn(run, fcntl.LOCK_EX):
            for older in run.glob(".epoch*"):
                if shard is None or older.name in (".epoch", name):
                    older.unlink(missing_ok=True)
            (run / name).write_text(token)
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"{run} cannot be written: {reason}; free space or choose another --out") from error
    try:
        yield token
    finally:
        revoke(run, token)


def revoke(run: Path, token: str) -> None:
    """Take a token away. After it no worker of this client writes a cell; a second call does nothing."""
    with suppress(OSError), _turn(run, fcntl.LOCK_EX):
        if current(run, token):
            _file(run, token).unlink()


def current(run: Path, token: str) -> bool:
    """Whether a token stands; an empty one always does."""
    try:
        return not token or _file(run, token).read_text() == token
    except FileNotFoundError:
        return False
    except OSError:  # a file system that does not answer now has withdrawn nothing
        return True


@contextmanager
def in_force(run: Path, token: str) -> Iterator[None]:
    """Hold a token while something is written; nobody can take it away within.

    Raises
    ------
    SupersededError
        When it does not stand any more.
    """
    if not token:
        yield
        return
    with _turn(run, fcntl.LOCK_SH):
        if not current(run, token):
            raise SupersededError(f"the client that asked for this cell of {run} has ended; another one may run now")
        yield


def _file(run: Path, token: str) -> Path:
    return run / token.partition(":")[0]


@contextmanager
def _turn(run: Path, kind: int) -> Iterator[None]:
    with (run / ".lock-epoch").open("a+") as file:
        fcntl.flock(file, kind)
        yield
