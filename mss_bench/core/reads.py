"""Files that Python code opens for reading, watched while somebody else's code runs.

Whatever a method or a metric reads belongs into its key: otherwise other weights would give other numbers under the
same key. Python reports each file that it opens to its audit hooks, which is how files come to light that nobody
declared. What compiled libraries open by themselves (libsndfile, HDF5) is not seen.
"""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["undeclared", "watched_reads"]

_CODE = (".py", ".pyc", ".pyi", ".so", ".pyd", ".dylib", ".pth", ".egg-link")  # its content is hashed as source
_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/run", "/System", "/Library")

_watching: list[set[str]] = []
_hooked = False


@contextlib.contextmanager
def watched_reads(opened: set[str]) -> Iterator[None]:
    """Add to `opened` the absolute paths of files that this process opens for reading meanwhile, in any thread."""
    global _hooked
    if not _hooked:  # a hook cannot be taken away again
        sys.addaudithook(_note)
        _hooked = True
    _watching.append(opened)
    try:
        yield
    finally:
        _watching.remove(opened)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if not _watching or event != "open":
        return
    path, _, flags = arguments
    if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_CREAT):
        return
    if isinstance(path, str | bytes):  # not a descriptor
        with contextlib.suppress(OSError, ValueError):
            absolute = str(Path(os.fsdecode(path)).absolute())
            for opened in _watching:
                opened.add(absolute)


def undeclared(opened: Iterable[str], declared: Iterable[Path], since: float) -> list[Path]:
    """Return those of the files opened that hold data of a method and are not declared, sorted.

    Code, what belongs to Python, to installed packages or to the system, and files that were written after `since`
    (a program's output, say) are left out.

    Parameters
    ----------
    opened : iterable of str
        Absolute paths, of `watched_reads`.
    declared : iterable of Path
    since : float
        Seconds, as `time.time` returns them.
    """
    known = {os.path.realpath(path) for path in declared}
    places = {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    data = set()
    for path in opened:
        real = os.path.realpath(path)
        if real in known or path.lower().endswith(_CODE) or "__pycache__" in path or not Path(real).is_file():
            continue
        if any(Path(real).is_relative_to(place) for place in (*places, *_SYSTEM)):
            continue
        with contextlib.suppress(OSError):
            temporary = Path(real).is_relative_to(os.path.realpath(tempfile.gettempdir()))
            if temporary and Path(real).stat().st_mtime >= since:
                continue
        data.add(Path(path))
    return sorted(data)
