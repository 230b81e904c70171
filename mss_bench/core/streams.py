"""Standard output and error that may break while something is computed: a pipe that is closed, a disk that is full.

They write names and messages so that no terminal obeys them.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from mss_bench.core.text import encodable

__all__ = ["Guarded", "controlling", "guarded_streams", "tell"]


def tell(text: str) -> None:
    """Print a line to standard error, if there is one and it takes it: no run ends for want of a reader.

    What a terminal would obey is written as escapes.
    """
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: closed
            print(encodable(text, sys.stderr.encoding), file=sys.stderr, flush=True)


class Guarded:
    """A text stream that swallows what cannot be written, and keeps the first error.

    Parameters
    ----------
    stream : text file
    escape : bool
        Write as escapes what a terminal would obey, and what the encoding lacks.

    Attributes
    ----------
    error : OSError or ValueError or None
    """

    def __init__(self, stream: TextIO, *, escape: bool = True) -> None:
        self.stream, self.escape = stream, escape
        self.error: OSError | ValueError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write text; return its length also where it could not be written."""
        try:
            self.stream.write(encodable(text, self.stream.encoding, keep="\n\t") if self.escape else text)
        except (OSError, ValueError) as error:
            self._broken(error)
        return len(text)

    def flush(self) -> None:
        """Write what is waiting."""
        try:
            self.stream.flush()
        except (OSError, ValueError) as error:
            self._broken(error)

    def notice_reader(self, seconds: float) -> None:
        """Note an error where the reader of a pipe leaves within some seconds: it may not have read what it got."""
        with contextlib.suppress(OSError, ValueError, AttributeError):  # no descriptor; no `poll` on this system
            number = self.stream.fileno()
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                watched = select.poll()
                watched.register(number, 0)  # that it is broken is told in any case
                if watched.poll(1000 * seconds):
                    self.error = self.error or BrokenPipeError()

    def _broken(self, error: OSError | ValueError) -> None:
        self.error = self.error or error
        # What waits in the buffer would be tried again, at the latest when the interpreter ends.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)


def controlling(stream: TextIO) -> TextIO:
    """Return a stream for what moves the cursor, as a progress bar does; texts must be harmless already."""
    return cast(TextIO, Guarded(stream.stream, escape=False)) if isinstance(stream, Guarded) else stream


@contextmanager
def guarded_streams() -> Iterator[Guarded]:
    """Let nothing that is printed within raise; yield standard output, which knows whether it took everything."""
    _open_standard_descriptors()
    before = sys.stdout, sys.stderr
    output, errors = Guarded(before[0]), Guarded(before[1])
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
    try:
        yield output
    finally:
        output.flush()
        errors.flush()
        sys.stdout, sys.stderr = before


def _open_standard_descriptors() -> None:
    """Open the null device where a caller has closed a standard stream: the next file would take its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process
