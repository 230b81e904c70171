"""What a command is doing and where its time goes, on standard error.

`watched` shows how far long work is, and is silent outside of the command line. `stage` times a part of the work for
whoever asks: ``mss-bench --verbose``, or in Python ``logging.getLogger("mss_bench").setLevel(logging.INFO)``.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from mss_bench.core.streams import controlling, tell

__all__ = ["LOGGER", "stage", "told", "watched", "wordy"]

LOGGER = logging.getLogger("mss_bench")
_Item = TypeVar("_Item")
_shown: ContextVar[bool] = ContextVar("shown", default=False)
_PATIENCE = 2.0  # seconds of work that nobody asks about
_EVERY = 20.0  # seconds between the lines of a log


class _Teller(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tell(self.format(record))


@contextmanager
def told(*, quiet: bool = False, verbose: bool = False) -> Iterator[None]:
    """Show, within, how far `watched` work is unless `quiet`, and the times of every `stage` if `verbose`."""
    shown, level, teller = _shown.set(not quiet), LOGGER.level, _Teller()
    if verbose:
        LOGGER.addHandler(teller)
        LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        _shown.reset(shown)
        LOGGER.removeHandler(teller)
        LOGGER.setLevel(level)


def wordy() -> bool:
    """Return whether somebody wants to know where time goes."""
    return LOGGER.isEnabledFor(logging.INFO)


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Log how long something took, named in the past tense: ``found 6 tracks (0.3 s)``."""
    began = time.perf_counter()
    yield
    LOGGER.info("%s (%.1f s)", what, time.perf_counter() - began)


def watched(items: Sequence[_Item], what: str) -> Iterable[_Item]:
    """Iterate over items, and show how many are done once it takes seconds: a bar on a terminal, else lines.

    Parameters
    ----------
    items : sequence
    what : str
        What is done with each: "rendering the songs of the demo".
    """
    if not _shown.get():
        yield from items
    elif sys.stderr.isatty():
        from tqdm import tqdm

        stream = controlling(sys.stderr)
        yield from tqdm(items, desc=what, file=stream, delay=_PATIENCE, dynamic_ncols=True, leave=False)
    else:
        due = time.perf_counter() + _PATIENCE
        for number, item in enumerate(items, 1):
            if time.perf_counter() > due:
                tell(f"{what}: {number} of {len(items)}")
                due = time.perf_counter() + _EVERY
            yield item
