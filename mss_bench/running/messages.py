"""Messages between a run and its worker processes: what is to be computed, its steps, and how it ended.

The messages of the separating process, `SeparationRequest` and `Separated`, are in `mss_bench.running.estimates`.
"""

from __future__ import annotations

import os
import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mss_bench.core.schema import Status
from mss_bench.running.estimates import Separated
from mss_bench.running.planned import PlannedCell, PlannedScore

__all__ = ["GarbledError", "Inbox", "LoadTrack", "Reply", "ScoreCell", "Task", "answer"]

TOKEN_BYTES = 16
_LENGTH = struct.Struct("<Q")
_MOST_BYTES = 2**28  # of an answer, which holds no audio


@dataclass(frozen=True)
class Task:
    """One cell to compute.

    Parameters
    ----------
    run : Path
        Run folder.
    scores : tuple of PlannedScore
        Those that are missing.
    keep_scores : bool
        Keep the scores that the cell's file already has.
    save_estimates : bool
        Keep the estimates as float32 WAV.
    reference_memory : float
        MiB that a worker may take for what it keeps of the references.
    epoch : str
        Token of the client that asks for it; once it has been revoked, nothing is written.
    """

    run: Path
    cell: PlannedCell
    scores: tuple[PlannedScore, ...]
    keep_scores: bool = False
    save_estimates: bool = False
    device: str = "cpu"
    plugins: tuple[str, ...] = ()
    epoch: str = ""
    reference_memory: float = 0.0


@dataclass(frozen=True)
class Reply:
    """How a cell ended, for the display of progress; times are those of this pass."""

    status: str
    reason: str
    separate_seconds: float
    score_seconds: float
    failed_metrics: tuple[str, ...] = ()
    metric_seconds: tuple[tuple[str, float], ...] = ()  # of each metric, over all groups of targets
    log: str = ""  # of a cell that failed: its traceback, or what its process printed last

    @property
    def failed(self) -> bool:
        """Return whether the cell or one of its metrics failed."""
        return self.status not in (Status.OK, Status.SKIPPED) or bool(self.failed_metrics)


@dataclass(frozen=True)
class LoadTrack:
    """The first step of a cell: its track is read, and the mixture handed over."""

    task: Task


@dataclass(frozen=True)
class ScoreCell:
    """The last step of a cell: it is scored and written.

    Parameters
    ----------
    task : Task
    separated : Separated, optional
        None where the run folder has the estimates.
    """

    task: Task
    separated: Separated | None


class GarbledError(Exception):
    """What came from a process is not an answer: somebody else wrote into its channel."""


def answer(descriptor: int, token: bytes, number: int, message: Any) -> None:
    """Send an answer with the number of the request that it belongs to."""
    content = pickle.dumps((number, message))
    frame = memoryview(token + _LENGTH.pack(len(content)) + content)
    while frame:
        frame = frame[os.write(descriptor, frame) :]


class Inbox:
    """Answers of a process, read as they come.

    `multiprocessing` would wait for the rest of whatever a plugin wrote into the channel, longer than any limit.

    Parameters
    ----------
    token : bytes
        What every answer begins with.
    """

    def __init__(self, token: bytes) -> None:
        self._token, self._content = token, b""

    def take(self, descriptor: int) -> None:
        """Read what is there, once something is.

        Raises
        ------
        EOFError
            The process has ended.
        """
        chunk = os.read(descriptor, 2**16)
        if not chunk:
            raise EOFError
        self._content += chunk

    def next(self) -> tuple[int, Any] | None:
        """Return the next answer, or None as long as it is not whole.

        Raises
        ------
        GarbledError
        """
        start = len(self._token) + _LENGTH.size
        known = min(len(self._content), len(self._token))
        if self._content[:known] != self._token[:known]:
            raise GarbledError
        if len(self._content) < start:
            return None
        (length,) = _LENGTH.unpack_from(self._content, len(self._token))
        if length > _MOST_BYTES:
            raise GarbledError
        if len(self._content) < start + length:
            return None
        content, self._content = self._content[start : start + length], self._content[start + length :]
        received: tuple[int, Any] = pickle.loads(content)
        return received
