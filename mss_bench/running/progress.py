"""Count what a run has done, show it as a bar on a terminal or as lines elsewhere, and write its log."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from mss_bench.core.schema import CellCounts, Status
from mss_bench.core.stages import LOGGER, wordy
from mss_bench.core.streams import controlling, tell
from mss_bench.core.text import harmless
from mss_bench.running.messages import Reply
from mss_bench.running.planned import PlannedCell
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
    counts : CellCounts
        How all cells that the command planned stand at the end, those found there before included.
    record_lost : bool
        The folder's record was damaged: what other commands ran there is no longer in its tables.
    """

    computed: int = 0
    cached: int = 0
    failed: int = 0
    interrupted: bool = False
    stopped_at_failure: bool = False
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)
    counts: CellCounts = field(default_factory=CellCounts)
    record_lost: bool = False

    @property
    def whole(self) -> bool:
        """Return whether everything that was planned is there and did not fail."""
        ended_early = self.interrupted or self.stopped_at_failure
        return self.counts.whole and not (self.lost or self.record_lost or ended_early)


class Progress:
    """Count cells as they end and show them: failures, time left, and on a terminal what each worker does now.

    Parameters
    ----------
    total : int
        Cells to compute.
    cached : int
        Cells that were finished before.
    quiet : bool
        Show failures alone; the log is written all the same.
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
        # Who wants to know where time goes gets a line a cell: a bar shows one at a time.
        self.live = not quiet and not wordy() and sys.stderr is not None and sys.stderr.isatty()
        self._bar: Any = None
        self._terminal: TextIO = sys.stderr
        self._now: dict[int, str] = {}  # what the worker of each thread is doing
        self._spent: dict[str, dict[str, float]] = {"separating": {}, "scoring": {}}
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        self._note(f"{self.total} cells to compute")
        if self.live:
            from tqdm import tqdm

            self._terminal = controlling(sys.stderr)
            self._bar = tqdm(total=self.total, unit="cell", file=self._terminal, dynamic_ncols=True, smoothing=0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.outcome.seconds = self.seconds
        self._note(f"{self.outcome.computed} of {self.total} cells computed, {self.outcome.failed} failed")
        for what, spent in self._spent.items():  # by all workers together
            longest = sorted(spent.items(), key=lambda item: -item[1])
            LOGGER.info("%s: %s", what, ", ".join(f"{name} {seconds:.1f} s" for name, seconds in longest))
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
        problems = [f"failed: {failure.splitlines()[-1]}" for failure in reply.failed_metrics if failure]
        timed = reply.separate_seconds and not cell.facts.get("only_reads")
        failures = ([text] if failed else []) + [f"{text}, but {p}" for p in problems]
        separated = f"separated {reply.separate_seconds:.1f} s, " if timed else ""
        times = f"{separated}scored {reply.score_seconds:.1f} s"
        traces = self._traces(reply)
        self._note("\n".join([f"{text} ({times})", *problems, *traces]))
        self._count("separating", (cell.label, reply.separate_seconds))
        self._count("scoring", *reply.metric_seconds)
        if wordy():
            problems += traces
            times += ": " * bool(reply.metric_seconds)
            times += ", ".join(f"{metric} {seconds:.1f} s" for metric, seconds in reply.metric_seconds)
        if self._bar is not None:
            for line in failures:
                self._bar.write(harmless(line), file=self._terminal)
            self._bar.update()
            self._show()
        elif self.quiet:
            for line in failures:
                tell(line)
        else:
            done, left = self.outcome.computed, self.seconds_left
            failed_cells = f", {self.outcome.failed} failed" if self.outcome.failed else ""
            count = f"[{done:{len(str(self.total))}}/{self.total}]"
            tell(f"{count} {text} ({times}, left {left:.0f} s{failed_cells})")
            for problem in problems:
                tell(f"    {problem}")

    def _count(self, what: str, *times: tuple[str, float]) -> None:
        for name, seconds in times:
            self._spent[what][name] = self._spent[what].get(name, 0.0) + seconds

    @staticmethod
    def _traces(reply: Reply) -> list[str]:
        """Return the tracebacks of a cell, for the log."""
        texts = [reply.log, *(failure for failure in reply.failed_metrics if "\n" in failure)]
        return [f"    | {line}" for text in texts for line in text.splitlines()]

    @property
    def seconds(self) -> float:
        """Return how long the cells have been computed."""
        return time.perf_counter() - self._started

    @property
    def seconds_left(self) -> float:
        """Return how long the rest will take, at the pace so far."""
        done = self.outcome.computed
        return self.seconds / done * (self.total - done) if done else math.inf

    def notify(self, text: str) -> None:
        """Show a line about the run as a whole."""
        self._note(text)
        self.show(text)

    def show(self, text: str) -> None:
        """Show a text that the log does not get."""
        if self._bar is not None:
            self._bar.write(harmless(text), file=self._terminal)
        elif not self.quiet:
            tell(text)

    def _show(self) -> None:
        if self._bar is not None:
            failures = f"{self.outcome.failed} failed, " if self.outcome.failed else ""
            self._bar.set_postfix_str(failures + harmless(" | ".join(self._now.copy().values()), keep=""))

    def _note(self, text: str) -> None:
        if self.log is None:
            return
        with contextlib.suppress(OSError):  # a full disk is told where work would be lost, not for a line of the log
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{now()} {harmless(text)}\n")
