"""Files that are there whole or not at all, locks between processes, and the folder of caches."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

from mss_bench.errors import RunError

__all__ = [
    "cache_folder", "folder_name", "has_checksum", "json_text", "lock", "parse_json", "read_json", "read_whole",
    "replacing", "write_atomic",
]  # fmt: skip

_REMEDIES = {errno.EISDIR: "remove it"} | dict.fromkeys(
    (errno.ENOSPC, errno.EDQUOT), "free space or choose another folder"
)
_TRY_SECONDS = 0.05
_MOST_BYTES = 2**30  # of a file that is read at once: more is not what this suite, or a person, has written
_CHECKSUM = ',\n "checksum": "'  # what begins the last entry of a file; no text of JSON can hold a newline
_MOST_LEVELS = 100  # of JSON: what reads a thousand of them has too few frames left to do anything else


def cache_folder() -> Path:
    """Return the folder for what can be made anew: ``$MSS_BENCH_CACHE``, or the user's cache."""
    import platformdirs

    return Path(os.environ.get("MSS_BENCH_CACHE") or platformdirs.user_cache_dir("mss_bench", appauthor=False))


@contextmanager
def replacing(path: Path, *, sync: bool = True, holding: AbstractContextManager[None] | None = None) -> Iterator[Path]:
    """Yield a temporary path to write to, which takes the place of `path` at the end.

    Readers see the old content or all of the new. Where anything is raised within, the old one stays and the temporary
    file goes.

    Parameters
    ----------
    path : Path
        Its folder is made where it is missing.
    sync : bool
        Flush the content to the disk first, so that the file survives a power cut. Some milliseconds a file.
    holding : context manager, optional
        Held while the new content is put in place; what it raises leaves the old one.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    # Processes on several machines may write one name at once, each under a temporary name of its own. It ends in
    # .tmp so that nobody who looks for files of a kind takes it for one of them.
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if sync:
            _sync(temporary)
        with holding or nullcontext():
            os.replace(temporary, path)
        if sync:
            with suppress(OSError):  # the new name as well; not every file system can
                _sync(path.parent)
    finally:
        with suppress(OSError):  # the folder itself may be what is missing
            temporary.unlink(missing_ok=True)


def write_atomic(
    path: str | Path, content: str | bytes, *, holding: AbstractContextManager[None] | None = None
) -> Path:
    """Write text (as UTF-8) or bytes to a file so that it is there whole or not at all; see `replacing`.

    Raises
    ------
    RunError
        When it cannot be written.
    """
    path = Path(path)
    try:
        with replacing(path, holding=holding) as temporary:
            # A name of a file may hold what is no Unicode; it is written as its escape.
            whole = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
            temporary.write_bytes(whole)
    except OSError as error:
        reason = error.strerror or error
        remedy = _REMEDIES.get(error.errno or 0, "choose another folder")
        raise RunError(f"{path} cannot be written: {reason}; {remedy}") from error
    return path


def read_whole(path: str | Path, *, most: int = _MOST_BYTES) -> bytes:
    """Return the content of a file that must be a regular one.

    Raises
    ------
    OSError
        When it cannot be read, is a pipe, a device or a folder (some can be waited for without end), or has more than
        `most` bytes.
    """
    # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            kind = "a folder" if stat.S_ISDIR(state.st_mode) else "a pipe or a device"
            raise OSError(errno.EINVAL, f"it is {kind}, expected a file")
        if state.st_size > most:
            raise OSError(errno.EFBIG, f"it has {state.st_size} bytes, expected at most {most}")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def json_text(content: Mapping[str, Any]) -> str:
    """Return a mapping, which is not empty, as JSON whose last entry is the checksum of the text before it.

    Entries, and theirs, have a line each.

    `read_json` compares it: such a file is read as it was written, or not at all.
    """
    # Below two levels everything is written by compiled code, which takes an eighth of the time
    text = "{" + ",".join(f"\n {_json(str(name))}: {_lines(value)}" for name, value in content.items())
    return f'{text}{_CHECKSUM}{_sha256(text.encode("utf-8", "backslashreplace"))}"\n}}'


_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def _lines(value: Any) -> str:
    if isinstance(value, dict) and value:
        return "{" + ",".join(f"\n  {_json(str(name))}: {_json(each)}" for name, each in value.items()) + "\n }"
    if isinstance(value, list) and value:
        return "[" + ",".join(f"\n  {_json(each)}" for each in value) + "\n ]"
    return _json(value)


def has_checksum(path: str | Path) -> bool:
    """Return whether a file ends with a checksum as `json_text` writes it; OSError where it cannot be read."""
    return _CHECKSUM.encode() in read_whole(path)[-128:]


def read_json(path: str | Path) -> Any:
    """Return what a JSON file holds, without the checksum where it has one from `json_text`.

    Raises
    ------
    OSError
        As from `read_whole`.
    ValueError
        As from `parse_json`.
    """
    return parse_json(read_whole(path))


def parse_json(content: bytes) -> Any:
    """Read JSON as `read_json` does, from what a file holds.

    Raises
    ------
    ValueError
        It is no JSON, nested more deeply than anything that this suite reads, or not what its checksum is of.
    """
    text, has_checksum, checksum = content.rpartition(_CHECKSUM.encode())
    # An entry like it whose key is no longer this one was a checksum.
    lost = not has_checksum and re.search(rb',\n "[^"\n]{8}": "[0-9a-f]{64}"\n}\Z', content[-128:])
    if lost or (has_checksum and checksum != f'{_sha256(text)}"\n}}'.encode()):
        raise ValueError("it was changed after it was written: its checksum is of another text")
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python's own limit, whose message advises to change it
        raise ValueError("it holds a whole number of thousands of digits") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [
            each
            for container in level
            if isinstance(container, (dict, list))
            for each in (container.values() if isinstance(container, dict) else container)
        ]
    if level:
        raise ValueError("it is nested too deeply")
    if has_checksum:
        del value["checksum"]
    return value


@contextmanager
def lock(path: Path, *, shared: bool = False, timeout: float | None = None) -> Iterator[IO[str]]:
    """Hold a lock file, which is made where it is missing and stays.

    The lock is the operating system's: it ends with its owner, however that ends.

    Parameters
    ----------
    path : Path
        A file that nothing else writes.
    shared : bool
        Hold it together with others that share it.
    timeout : float, optional
        Seconds to wait for another owner to end; without limit by default.

    Yields
    ------
    text file
        Open for appending, for a word on who holds it.

    Raises
    ------
    BlockingIOError
        Another process still holds it.
    OSError
        The file cannot be opened, or its file system has no locks.
    RunError
        On an operating system without flock.
    """
    try:
        import fcntl  # portalocker needs pywin32 where there is none, and filelock's FileLock cannot be shared
    except ImportError as error:
        raise RunError("this system has no file locks (flock); Linux and macOS have them") from error
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with path.open("a+", encoding="utf-8") as file:
        if timeout is None:
            fcntl.flock(file, kind)
        else:
            deadline = time.monotonic() + timeout
            while True:
                try:
                    fcntl.flock(file, kind | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise
                time.sleep(_TRY_SECONDS)
        yield file


def folder_name(label: str) -> str:
    """Return a folder's name for a label: the label itself where it can be one, else with a hash of it."""
    plain = "".join(c if c.isalnum() or c in "-_.=+ " else "_" for c in label)[:80]
    plain = plain.encode()[:200].decode(errors="ignore")  # a name has 255 bytes at most, and endings follow
    return plain if plain == label else f"{plain}-{_sha256(label.encode('utf-8', 'surrogatepass'))[:6]}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
