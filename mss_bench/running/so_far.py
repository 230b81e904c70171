"""Show what is finished so far while a run goes on: nobody should wait for the last cell to see the first numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mss_bench.errors import MssBenchError
from mss_bench.running.lock import finalising
from mss_bench.running.progress import Progress
from mss_bench.running.tables import rebuild

__all__ = ["SoFar"]

_FIRST_SECONDS = 45.0  # after which a table is worth the second that it takes
_LEFT_SECONDS = 15.0  # with less than that left, the whole table comes soon enough


class SoFar:
    """Write the tables and show them beside a run: after 45 s, and whenever it has taken twice as long as then.

    Parameters
    ----------
    run : Path
        Run folder.
    progress : Progress
    show : callable
        Returns what is shown of a run folder whose tables are of the cells so far.
    apart : callable, optional
        Calls a function with arguments where nobody's plugins have been imported; by default they are called here.
    """

    def __init__(
        self, run: Path, progress: Progress, show: Callable[[str], str], apart: Callable[..., Any] | None = None
    ) -> None:
        self._run, self._progress, self._show = run, progress, show
        self._apart = apart
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="so far", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        due = _FIRST_SECONDS
        while not self._ended.wait(max(0.0, due - self._progress.seconds)):
            due = 2 * max(due, self._progress.seconds)
            done, total = self._progress.outcome.computed, self._progress.total
            if not done or self._progress.seconds_left < _LEFT_SECONDS:
                continue
            try:
                with finalising(self._run):
                    self._apart(rebuild, str(self._run)) if self._apart else rebuild(self._run)
                if self._progress.outcome.computed == total:  # meanwhile; the whole table comes now
                    return
                self._progress.show(f"\nso far, {done} of {total} cells:\n\n{self._show(str(self._run))}\n")
            except MssBenchError as error:  # what stops the run itself says so there
                self._progress.notify(f"no table so far: {error}")
