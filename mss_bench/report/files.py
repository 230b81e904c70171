"""Files of a report, each replaced as a whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mss_bench.errors import RunError

__all__ = ["write_file"]


def write_file(path: Path, content: str | bytes) -> Path:
    """Replace a file as a whole, by way of a temporary one beside it.

    Raises
    ------
    RunError
        It cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
    except OSError as error:
        raise RunError(f"cannot write the report to {path.parent}: {error.strerror}; choose another folder") from error
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise RunError(f"cannot write {path}: {error.strerror}; free space or choose another folder") from error
    return path
