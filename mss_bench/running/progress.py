"""One display of a run's progress: a bar on a terminal, plain lines elsewhere, and always the run's log file."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from mss_bench.core.schema import Status
from mss_bench.running.plan import PlannedCell
from mss_bench.running.provenance import now
from mss_bench.running.worker import Reply

__all__ = ["Progress"]


class Progress:
    """Shows cells as they end: done, failures, time left, and on a terminal what each worker does now.

    Parameters
    ----------
    total : int
        Cells to compute.
    stream : text file, optional
        Standard error by default.
    quiet : bool
        Show nothing; the log is written all the same.
    log : Path, optional
        File to which every line is appended with the time.
    """

    def __init__(self, total: int, stream: TextIO | None = None, quiet: bool = False, log: Path | None = None) -> None:
        self.total, self.done, self.failed, self.quiet = total, 0, 0, quiet
        self.stream, self.log = stream or sys.stderr, log
        self._bar: Any = None
        self._now: dict[int, str] = {}  # what each thread's worker does
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        self._note(f"{self.total} cells to compute")
        if not self.quiet and self.stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self.total, unit="cell", file=self.stream, dynamic_ncols=True, smoothing=0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._note(f"{self.done} of {self.total} cells computed, {self.failed} failed")
        if self._bar is not None:
            self._bar.close()

    @property
    def live(self) -> bool:
        """Whether what workers do now is shown."""
        return self._bar is not None

    def begin(self, cell: PlannedCell) -> None:
        """The calling thread's worker starts a cell."""
        self._now[threading.get_ident()] = f"{cell.track.name[:20]}·{cell.label[:20]}"
        self._show()

    def now(self, doing: Sequence[str]) -> None:
        """What workers elsewhere do now."""
        self._now = dict(enumerate(text[:20] for text in doing))
        self._show()

    def end(self, cell: PlannedCell, reply: Reply) -> None:
        """A cell ended."""
        self._now.pop(threading.get_ident(), None)
        self.done += 1
        failed = reply.status not in (Status.OK, Status.SKIPPED)
        self.failed += reply.failed
        text = f"{cell.track.name} · {cell.label}: {reply.status}"
        if failed:
            text += f": {reply.reason.splitlines()[0] if reply.reason else ''}"
        problems = [f"failed: {failure.splitlines()[-1]}" for failure in reply.failed_metrics]
        times = f"separated {reply.separate_seconds:.1f} s, scored {reply.score_seconds:.1f} s"
        for line in [f"{text} ({times})", *problems]:
            self._note(line)
        if self.quiet:
            return
        if self._bar is not None:
            for line in ([text] if failed else []) + [f"{text}, but {p}" for p in problems]:
                self._bar.write(line, file=self.stream)
            self._bar.update()
            self._show()
            return
        left = (time.perf_counter() - self._started) / self.done * (self.total - self.done)
        count = f"[{self.done:{len(str(self.total))}}/{self.total}]"
        failures = f", {self.failed} failed" if self.failed else ""
        print(f"{count} {text} ({times}, left {left:.0f} s{failures})", file=self.stream, flush=True)
        for problem in problems:
            print(f"    {problem}", file=self.stream, flush=True)

    def say(self, text: str) -> None:
        """A line about the run as a whole."""
        self._note(text)
        if self._bar is not None:
            self._bar.write(text, file=self.stream)
        elif not self.quiet:
            print(text, file=self.stream, flush=True)

    def _show(self) -> None:
        if self._bar is not None:
            failures = f"{self.failed} failed, " if self.failed else ""
            self._bar.set_postfix_str(failures + " | ".join(self._now.copy().values()))

    def _note(self, text: str) -> None:
        if self.log is None:
            return
        with contextlib.suppress(OSError):  # a full disk is told where work would be lost, not for a line of the log
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{now()} {text}\n")
