"""Turn exceptions into statuses and reasons of cells, and collect warnings, in text of bounded length."""

from __future__ import annotations

import contextlib
import errno
import re
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

from mss_bench.core.schema import Status
from mss_bench.errors import (
    InvalidOutputError,
    MissingDependencyError,
    MssBenchError,
    SeparatorCrashError,
    SeparatorTimeoutError,
)

__all__ = ["classify", "collected_warnings", "shortened", "trace"]

_STATUSES = {
    InvalidOutputError: Status.INVALID_OUTPUT,
    MissingDependencyError: Status.NOT_INSTALLED,
    SeparatorCrashError: Status.CRASHED,
    SeparatorTimeoutError: Status.TIMEOUT,
}
_TEXT = 4000  # characters kept of a message
_WARNINGS = 50  # different ones kept of a cell

# torch.OutOfMemoryError (torch.cuda's is the same class), cupy's, TensorFlow's: matched by name, since none of these
# packages may be installed; below what says so in words alone.
_MEMORY_ERRORS = ("OutOfMemoryError", "ResourceExhaustedError")
_MEMORY_WORDS = re.compile(
    r"out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED|not enough memory"
    r"|can't allocate memory|failed to allocate memory",
    re.IGNORECASE,
)


def classify(error: BaseException) -> tuple[Status, str]:
    """Return the status and the reason of a cell or a score that ended with an exception."""
    text = shortened(str(error) or type(error).__name__)
    if isinstance(error, MssBenchError):
        status = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), Status.ERROR)
        return status, text
    if isinstance(error, ImportError):
        return Status.NOT_INSTALLED, f"{type(error).__name__}: {text}"
    if any(map(_memory_ran_out, _chain(error))):
        return Status.OUT_OF_MEMORY, text
    return Status.ERROR, f"{type(error).__name__}: {text}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it was raised from: adapters wrap what their library raises."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _memory_ran_out(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or any(c.__name__ in _MEMORY_ERRORS for c in type(error).__mro__):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # ONNX Runtime's own class derives from Exception alone.
    at_run_time = isinstance(error, RuntimeError) or type(error).__name__ == "RuntimeException"
    return at_run_time and _MEMORY_WORDS.search(str(error)) is not None


def trace(error: BaseException, limit: int) -> str:
    """Return the last calls of an exception's traceback, with its message."""
    lines = traceback.format_exception(error, limit=-limit)
    return shortened("".join(lines).strip())


def shortened(text: str) -> str:
    """Leave out the middle of a text that is too long to keep."""
    half = _TEXT // 2
    return text if len(text) <= _TEXT else f"{text[:half]} [...] {text[-half:]}"


@contextlib.contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the different warnings within, sorted; the list is filled at the end."""
    collected: list[str] = []
    seen: dict[str, None] = {}
    more = 0

    def note(message: Warning | str, category: type[Warning], *rest: Any, **options: Any) -> None:
        nonlocal more
        text = shortened(f"{category.__name__}: {message}")
        if text not in seen and len(seen) >= _WARNINGS:
            more += 1
        else:
            seen[text] = None

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = note
        yield collected
    collected += sorted(seen) + ([f"and {more} more warnings"] if more else [])
