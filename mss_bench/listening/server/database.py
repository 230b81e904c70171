"""The SQLite file of a test: one connection that writes, one that reads, and what keeps both from losing anything.

In WAL mode with ``synchronous=FULL`` a commit returns when its bytes are on the disk. New rows lie in the log beside
the file (``-wal``) until they are folded in, which the server has `Database.fold` do every minute, so that a copy of
the file alone is worth having. SQLite goes on writing to a file that was deleted or replaced under it:
`Database.writing` looks before and after each commit whether the path is still the file, and keeps what there is in
another where it is not.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mss_bench.errors import ConfigError, MssBenchError

__all__ = ["Database", "Vanished"]

_WAIT = 30  # seconds for another process' lock


class Vanished(MssBenchError):
    """The file of the database is not there any more, or is another."""


class Database:
    """An open file.

    Parameters
    ----------
    path : Path
        Made where it does not exist, readable by its owner alone.
    schema : str
        Statements that make the tables.

    Raises
    ------
    ConfigError
        The file is no database, or cannot be opened.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._lock, self._reading = threading.Lock(), threading.Lock()
        self.rescued: Path | None = None
        try:
            path.touch(mode=0o600)
            self._file = path.stat()
            self._db, self._reader = self._connect(), self._connect()
            self._db.execute("PRAGMA journal_mode=WAL")
            # What was acknowledged must survive a power cut, and readers must not stop writers.
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA foreign_keys=ON")
            self._db.execute("PRAGMA secure_delete=ON")  # what a listener has the right to have deleted is overwritten
            self._db.executescript(schema)
            self._reader.execute("PRAGMA query_only=ON")
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{path} cannot be used for ratings: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        return db

    def close(self) -> None:
        """Close the file; its log is folded in, and of a file that is gone nothing stays but what was rescued."""
        with self._lock, self._reading:
            self._reader.close()
            self._db.close()
            if self.rescued is not None and not self.path.exists():
                for end in ("-wal", "-shm"):
                    self.path.with_name(self.path.name + end).unlink(missing_ok=True)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction.

        Raises
        ------
        Vanished
            The file was deleted or replaced: nothing was stored that would be found again.
        """
        with self._lock:
            self._check()
            # The write lock at once: two that read first and write then would fail at the commit.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            self._check()

    def read(self, statement: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Return the rows of a question, without waiting for whoever writes."""
        with self._reading:
            return self._reader.execute(statement, values).fetchall()

    def fold(self) -> None:
        """Write the log into the file, as far as no other process reads from it."""
        with self._lock:
            self._check()
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def backup(self, path: Path) -> None:
        """Copy everything to another file, also while it is written to.

        Raises
        ------
        ConfigError
            The other file exists, or cannot be written.
        """
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            copy = sqlite3.connect(path)
            try:
                self._db.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, that needs no other beside it
            finally:
                copy.close()
        except FileExistsError:
            raise ConfigError(f"{path} exists already; choose another --out") from None
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{path} cannot be written: {error}") from error

    @property
    def vanished(self) -> bool:
        """Return whether the path is another file by now, or none."""
        try:
            now = self.path.stat()
        except OSError:
            return True
        return (now.st_dev, now.st_ino) != (self._file.st_dev, self._file.st_ino)

    def _check(self) -> None:
        if not self.vanished:
            return
        if self.rescued is None:
            free = (
                self.path.with_name(f"ratings.rescued{end}.sqlite") for end in ("", *(f"-{n}" for n in range(2, 100)))
            )
            kept = next(path for path in free if not path.exists())  # one of an earlier time is not what is lost now
            self.backup(kept)
            self.rescued = kept
        kept = self.rescued
        told = f"what was stored until then is in {kept}"
        raise Vanished(
            f"{self.path} was deleted or replaced while it was in use; {told}. Stop the server, put the file back, "
            "and start again: answers are not taken any more, and browsers keep theirs until then"
        )
