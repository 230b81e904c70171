"""Messages between a run and its worker processes: what is to be computed, its steps, and how it ended.

The messages of the separating process, `SeparationRequest` and `Separated`, are in `mss_bench.running.estimates`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mss_bench.core.schema import Status
from mss_bench.running.estimates import Separated
from mss_bench.running.plan import PlannedCell, PlannedScore

__all__ = ["LoadTrack", "Reply", "ScoreCell", "Task"]


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


@dataclass(frozen=True)
class Reply:
    """How a cell ended, for the display of progress; times are those of this pass."""

    status: str
    reason: str
    separate_seconds: float
    score_seconds: float
    failed_metrics: tuple[str, ...] = ()
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
