"""Python's search for objects that nothing reaches any more."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collection_paused"]


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the search for unreachable cycles of objects while many are made that stay; also a decorator.

    The search goes through all of them again and again: a quarter of the time that a plan of 20,000 cells takes. What
    is in no cycle is freed at once all the same.

    >>> with collection_paused():
    ...     gc.isenabled()
    False
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
