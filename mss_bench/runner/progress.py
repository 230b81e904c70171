"""One display of a run's progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self, TextIO

from mss_bench.results.schema import Status
from mss_bench.runner.plan import PlannedCell
from mss_bench.runner.worker import Reply

__all__ = ["Progress"]


class Progress:
    """Shows cells as they end.

    Parameters
    ----------
    total : int
        Cells to compute.
    stream : text file, optional
        Standard error by default.
    quiet : bool
        Show nothing.
    """

    def __init__(self, total: int, stream: TextIO | None = None, quiet: bool = False) -> None:
        self.total, self.done, self.failed, self.quiet = total, 0, 0, quiet
        self.stream = stream or sys.stderr
        self._bar: Any = None
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        if not self.quiet and self.stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self.total, unit="cell", file=self.stream, dynamic_ncols=True, smoothing=0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def begin(self, cell: PlannedCell) -> None:
        """A worker starts a cell."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"{cell.track.name[:24]} · {cell.label[:24]}")

    def end(self, cell: PlannedCell, reply: Reply) -> None:
        """A cell ended."""
        self.done += 1
        bad = reply.status != Status.OK
        self.failed += bad
        if self.quiet:
            return
        text = f"{cell.track.name} · {cell.label}: {reply.status}"
        if bad:
            text += f": {reply.reason.splitlines()[0]}"
        if self._bar is not None:
            if bad:
                self._bar.write(text, file=self.stream)
            for failure in reply.failed_metrics:
                self._bar.write(f"{text}, but {failure.splitlines()[-1]}", file=self.stream)
            self._bar.update()
            return
        left = (time.perf_counter() - self._started) / self.done * (self.total - self.done)
        width = len(str(self.total))
        print(
            f"[{self.done:{width}}/{self.total}] {text}"
            f" (separated {reply.separate_seconds:.1f} s, scored {reply.score_seconds:.1f} s, left {left:.0f} s)",
            file=self.stream,
            flush=True,
        )
        for failure in reply.failed_metrics:
            print(f"    metric failed: {failure.splitlines()[-1]}", file=self.stream, flush=True)
