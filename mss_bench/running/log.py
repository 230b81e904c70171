"""What a worker prints, kept in a file of bounded size: its beginning and its end."""

from __future__ import annotations

import os
from pathlib import Path

from mss_bench.core.processes import Printed

__all__ = ["LOG_BYTES", "WorkerLog"]

LOG_BYTES = 4 * 2**20
"""A log longer than this is cut to its first and its last quarter of it; what lies between is left out."""

_TAIL_BYTES = 4000  # of the end, which stays with a failed cell
_LEFT_OUT = b"\n[... output left out here, since the log had grown too long ...]\n"


class WorkerLog(Printed):
    """Append what a process prints to a file.

    The process does not write the file itself: one that prints for hours would fill the disk.

    Parameters
    ----------
    path : Path
    limit : int
        Largest size of the file in bytes, save for one chunk.
    """

    def __init__(self, path: Path, limit: int = LOG_BYTES) -> None:
        super().__init__(_TAIL_BYTES)
        self.path, self.limit = path, limit

    def hand_on(self, chunk: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
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
