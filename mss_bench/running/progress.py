"""Count what a run has done, show it as a bar on a terminal or as lines elsewhere, and write its log."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mss_bench.core.schema import Status
from mss_bench.core.text import harmless
from mss_bench.running.messages import Reply
from mss_bench.running.plan import PlannedCell
from mss_bench.running.provenance import now

__all__ = ["Progress", "RunOutcome"]


@dataclass
class RunOutcome:
    """The outcome of a run.

    Attributes
    ----------
    computed, failed : int
        Cells that were computed, and those of them that failed.
    cached : int
        Cells of this part of the run that were finished before.
    interrupted, stopped_at_failure : bool
        Why it ended early.
    lost : list of str
        Tracks that a cluster could not compute, with the reason; their cells stay missing.
    """

    computed: int = 0
    cached: int = 0
    failed: int = 0
    interrupted: bool = False
    stopped_at_failure: bool = False
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)


class Progress:
    """Count cells as they end and show them: failures, time left, and on a terminal what each worker does now.

    Parameters
    ----------
    total : int
        Cells to compute.
    cached : int
        Cells that were finished before.
    quiet : bool
        Show nothing; the log is written all the same.
    log : Path, optional
        File to which every line is appended with the time.

    Attributes
    ----------
    outcome : RunOutcome
    live : bool
        Whether it is shown what the workers are doing.
    """

    def __init__(self, total: int, cached: int = 0, quiet: bool = False, log: Path | None = None) -> None:
        self.total, self.quiet, self.log = total, quiet, log
        self.outcome = RunOutcome(cached=cached)
        self.live = not quiet and sys.stderr.isatty()
        self._bar: Any = None
        self._now: dict[int, str] = {}  # what the worker of each thread is doing
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        self._note(f"{self.total} cells to compute")
        if self.live:
            from tqdm import tqdm

            self._bar = tqdm(total=self.total, unit="cell", file=sys.stderr, dynamic_ncols=True, smoothing=0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.outcome.seconds = time.perf_counter() - self._started
        self._note(f"{self.outcome.computed} of {self.total} cells computed, {self.outcome.failed} failed")
        if self._bar is not None:
            self._bar.close()

    def begin(self, cell: PlannedCell) -> None:
        """Note that the calling thread's worker starts a cell."""
        self._now[threading.get_ident()] = f"{cell.track.name[:20]}·{cell.label[:20]}"
        self._show()

    def now(self, doing: Sequence[str]) -> None:
        """Note what workers elsewhere do now."""
        self._now = dict(enumerate(text[:20] for text in doing))
        self._show()

    def end(self, cell: PlannedCell, reply: Reply) -> None:
        """Count a cell that ended."""
        self._now.pop(threading.get_ident(), None)
        self.outcome.computed += 1
        self.outcome.failed += reply.failed
        failed = reply.status not in (Status.OK, Status.SKIPPED)
        text = f"{cell.track.name} · {cell.label}: {reply.status}"
        if failed:
            text += f": {reply.reason.splitlines()[0] if reply.reason else ''}"
        problems = [f"failed: {failure.splitlines()[-1]}" for failure in reply.failed_metrics]
        times = f"separated {reply.separate_seconds:.1f} s, scored {reply.score_seconds:.1f} s"
        for line in [f"{text} ({times})", *problems]:
            self._note(line)
        if self._bar is not None:
            for line in ([text] if failed else []) + [f"{text}, but {p}" for p in problems]:
                self._bar.write(line, file=sys.stderr)
            self._bar.update()
            self._show()
        elif not self.quiet:
            done = self.outcome.computed
            left = (time.perf_counter() - self._started) / done * (self.total - done)
            failures = f", {self.outcome.failed} failed" if self.outcome.failed else ""
            count = f"[{done:{len(str(self.total))}}/{self.total}]"
            print(f"{count} {text} ({times}, left {left:.0f} s{failures})", file=sys.stderr)
            for problem in problems:
                print(f"    {problem}", file=sys.stderr)

    def notify(self, text: str) -> None:
        """Show a line about the run as a whole."""
        self._note(text)
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        elif not self.quiet:
            print(text, file=sys.stderr)

    def _show(self) -> None:
        if self._bar is not None:
            failures = f"{self.outcome.failed} failed, " if self.outcome.failed else ""
            self._bar.set_postfix_str(failures + " | ".join(self._now.copy().values()))

    def _note(self, text: str) -> None:
        if self.log is None:
            return
        with contextlib.suppress(OSError):  # a full disk is told where work would be lost, not for a line of the log
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{now()} {harmless(text)}\n")
