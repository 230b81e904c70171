"""What a worker prints, kept in a file of bounded size: its beginning and its end."""

from __future__ import annotations

import contextlib
import os
import threading
from multiprocessing.connection import wait
from pathlib import Path

__all__ = ["LOG_BYTES", "TAIL_BYTES", "WorkerLog"]

LOG_BYTES = 4 * 2**20
"""A log longer than this is cut to its first and its last quarter of it; what lies between is left out."""

TAIL_BYTES = 4000
"""How much of the end stays with a failed cell."""

_LEFT_OUT = b"\n[... output left out here, since the log had grown too long ...]\n"
_CHUNK = 2**16


class WorkerLog:
    """Carries what a process writes into a pipe to a log file, on a thread of its own.

    The process does not write the file itself: one that prints for hours would fill the disk.

    Parameters
    ----------
    path : Path
        Appended to.
    limit : int
        Largest size of the file in bytes, save for one chunk.
    """

    def __init__(self, path: Path, limit: int = LOG_BYTES) -> None:
        self.path, self.limit = path, limit
        self._tail = b""
        self._carrier: threading.Thread | None = None
        self._hang_up = -1  # closing it ends the carrier, though children of the process may hold the pipe open

    def open(self) -> int:
        """A descriptor for a process to print into, to be closed here once the process has it."""
        self.close()
        reading, writing = os.pipe()
        until, self._hang_up = os.pipe()
        os.set_blocking(reading, False)
        self._carrier = threading.Thread(target=self._carry, args=(reading, until), daemon=True)
        self._carrier.start()
        return writing

    def mark(self) -> None:
        """Let `tail` begin here."""
        self._tail = b""

    def tail(self) -> str:
        """The end of what was printed since `mark`; all of it only after `close`."""
        return self._tail.decode(errors="replace").strip()

    def close(self) -> None:
        """Carry what the pipe still holds and let go of it."""
        carrier, self._carrier = self._carrier, None
        hang_up, self._hang_up = self._hang_up, -1
        if hang_up >= 0:
            os.close(hang_up)
        if carrier is not None:
            carrier.join(timeout=5)

    def _carry(self, reading: int, until: int) -> None:
        try:
            with contextlib.suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            while until not in wait([reading, until]):
                chunk = os.read(reading, _CHUNK)
                if not chunk:
                    return
                self._take(chunk)
            # What the pipe can hold and no more: a child that outlived the process could write on and on.
            with contextlib.suppress(BlockingIOError):
                for _ in range(2**20 // _CHUNK):
                    chunk = os.read(reading, _CHUNK)
                    self._take(chunk)
        finally:
            os.close(reading)
            os.close(until)

    def _take(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk)[-TAIL_BYTES:]
        with contextlib.suppress(OSError):  # a full disk costs the log alone
            with self.path.open("ab") as file:
                file.write(chunk)
                size = file.tell()
            if size > self.limit:
                self._shorten()

    def _shorten(self) -> None:
        """Cut the middle out in place; the beginning stays as it is, however often this is done."""
        part = self.limit // 4
        with self.path.open("r+b") as file:
            file.seek(-part, os.SEEK_END)
            end = file.read()
            file.seek(part)
            file.write(_LEFT_OUT + end)
            file.truncate()
