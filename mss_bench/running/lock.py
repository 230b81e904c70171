"""Who may write into a run folder.

One client at a time holds the folder; the shards of a run hold it side by side. The lock dies with its client, but
workers on a cluster outlive a client that is interrupted or killed. Each client therefore puts a token of its own into
the folder, in place of those before it, and takes it away when it ends. Workers carry the token with every cell, look
for it between cells, and put a finished cell in place only while it stands: whoever changes the tokens waits for the
write that is under way, so that none comes later.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from mss_bench.core.files import lock, read_whole
from mss_bench.errors import RunError

__all__ = ["SupersededError", "current", "epoch", "finalising", "in_force", "locked", "revoke"]

_PATIENCE = 0.2  # seconds: checking whether a lock is held takes it for an instant


class SupersededError(RunError):
    """The client for which this cell was computed no longer runs."""


@contextmanager
def locked(run: Path, shard: str | None = None) -> Iterator[None]:
    """Hold a run folder, or one shard of it while other shards may hold theirs.

    Raises
    ------
    RunError
        When another process holds it, or the folder cannot be written.
    """
    with ExitStack() as stack:
        # All shards hold the folder together, so that no name of one of them stands in its file.
        stack.enter_context(_hold(run, ".lock", str(run), shared=shard is not None))
        if shard is not None:
            stack.enter_context(_hold(run, f".lock-{_plain(shard)}", f"shard {shard} of {run}"))
        yield


@contextmanager
def finalising(run: Path) -> Iterator[None]:
    """Hold the folder's tables; waits for another shard that is writing them."""
    with lock(run / ".lock-tables"):
        yield


@contextmanager
def epoch(run: Path, shard: str | None = None) -> Iterator[str]:
    """Put a token into a run folder whose lock is held, and take it away at the end.

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
    name = ".epoch" if shard is None else f".epoch-{_plain(shard)}"
    token = f"{name}:{uuid.uuid4().hex}"
    try:
        with _turn(run):
            for older in run.glob(".epoch*"):
                if shard is None or older.name in (".epoch", name):
                    older.unlink(missing_ok=True)
            (run / name).write_text(token)
    except OSError as error:
        raise _unwritable(run, error, "free space or choose another --out") from error
    try:
        yield token
    finally:
        revoke(run, token)


def revoke(run: Path, token: str) -> None:
    """Take a token away. After it no worker of this client writes a cell; a second call does nothing."""
    with suppress(OSError), _turn(run):
        if current(run, token):
            _token_file(run, token).unlink()


def current(run: Path, token: str) -> bool:
    """Return whether a token stands; an empty one always does."""
    try:
        return not token or read_whole(_token_file(run, token)) == token.encode()
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
    with _turn(run, shared=True):
        if not current(run, token):
            raise SupersededError(f"the client that asked for this cell of {run} has ended; another one may run now")
        yield


@contextmanager
def _hold(run: Path, name: str, what: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock file of a run folder and, unless it is shared, write the owner's name into it."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        (run / name).touch()
    except OSError as error:
        raise _unwritable(run, error, "choose another folder with --out") from error
    with ExitStack() as stack:
        try:
            file = stack.enter_context(lock(run / name, shared=shared, timeout=_PATIENCE))
        except BlockingIOError:
            owner = (_shards_that_run(run) if name == ".lock" else "") or _owner(run / name)
            raise RunError(
                f"another process ({owner}) is running in {what}; wait for it or choose another folder with --out"
            ) from None
        except OSError as error:
            raise RunError(f"{run} is on a file system without locks ({error}); choose another folder") from error
        if not shared:
            _sign(run, file)
        yield


def _sign(run: Path, file: IO[str]) -> None:
    try:
        file.truncate(0)
        file.write(f"pid {os.getpid()} on {socket.gethostname()}")
        file.flush()
    except OSError as error:
        with suppress(OSError):
            file.close()  # which would try to write again
        raise _unwritable(run, error, "free space or choose another --out") from error


def _owner(file: Path) -> str:
    try:
        return read_whole(file).decode("utf-8", "replace").strip() or "unknown"
    except OSError:
        return "unknown"


def _shards_that_run(run: Path) -> str:
    """Return the owners of the shards that are held now; those that have ended left their names behind, too."""
    owners = []
    for path in sorted(run.glob(".lock-*-of-*")):
        with suppress(OSError):
            try:
                with lock(path, shared=True, timeout=0):
                    pass
            except BlockingIOError:
                shard = path.name.removeprefix(".lock-").replace("-of-", "/")
                owners.append(f"{_owner(path)}, shard {shard}")
    return "; ".join(owners)


def _unwritable(run: Path, error: OSError, advice: str) -> RunError:
    return RunError(f"{run} cannot be written: {error.strerror or error}; {advice}")


def _plain(shard: str) -> str:
    return shard.replace("/", "-of-")


def _token_file(run: Path, token: str) -> Path:
    return run / token.partition(":")[0]


@contextmanager
def _turn(run: Path, *, shared: bool = False) -> Iterator[None]:
    with lock(run / ".lock-epoch", shared=shared):
        yield
