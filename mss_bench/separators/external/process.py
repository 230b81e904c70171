"""Another interpreter's process: started, asked, listened to, ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core.processes import Child, Printed, how_it_ended
from mss_bench.errors import (
    ConfigError,
    InvalidOutputError,
    MissingDependencyError,
    SeparatorCrashError,
    SeparatorError,
    SeparatorTimeoutError,
)
from mss_bench.separators.external import peer

__all__ = ["PeerProcess", "Program", "explain_start", "find_program"]

_TAIL_BYTES = 2000  # of what a program printed that an error tells
_CLOSE_SECONDS = 5.0  # in which a separator may release what it holds
_MEMORY_ERRORS = ("MemoryError", "OutOfMemoryError", "ResourceExhaustedError")


def find_program(program: str, what: str) -> str:
    """Return the path of a program.

    Links are not resolved: an interpreter knows its environment by the link that it is called by.

    Raises
    ------
    ConfigError
        It is not there or cannot be executed.
    """
    path = Path(program).expanduser()
    if path.is_dir():
        inside = path / "bin" / "python"
        hint = f"; did you mean {inside}?" if inside.is_file() else ""
        raise ConfigError(f"{what}: {program} is a folder, expected a program{hint}")
    if "/" not in program:
        if on_path := shutil.which(program):
            return on_path
        raise ConfigError(f"{what}: there is no program {program!r} on the PATH; give its whole path")
    if not path.is_file():
        raise ConfigError(f"{what}: {program} does not exist; expected a program, e.g. /path/to/venv/bin/python")
    if not os.access(path, os.X_OK):
        raise ConfigError(f"{what}: {program} is not executable; expected a program")
    return str(path.absolute())


class Program(Child):
    """A program whose output goes to standard error, and the end of it into the message where it fails.

    Parameters
    ----------
    words : sequence of str
    what : str
        How errors call it.
    **options
        As of `Child`.

    Raises
    ------
    ConfigError
        It cannot be started.
    """

    def __init__(self, words: Sequence[str], what: str, **options: Any) -> None:
        self._printed = Printed(_TAIL_BYTES)
        try:
            super().__init__(words, self._printed, **options)
        except OSError as error:
            raise ConfigError(f"{what}: {words[0]} cannot be started: {error.strerror or error}") from error

    def last_words(self) -> str:
        """Return the end of what it printed, to be put behind a message; kills it, so that all of it is there."""
        self.kill()
        text = self._printed.tail()
        return f"; the last it printed:\n{text}" if text else ""

    def cause_of_death(self) -> str:
        """Return how it ended, and the last that it printed; kills it where it has not ended."""
        self.exit_status(timeout=1)  # its pipes can close a moment before it ends
        self.kill()
        status = self.exit_status()
        hint = " (by hand, or the system ran out of memory)" if status == -signal.SIGKILL else ""
        return f"{how_it_ended(status)}{hint}{self.last_words()}"


class PeerProcess:
    """`mss_bench.separators.external.peer` under another interpreter.

    Parameters
    ----------
    python : str
        The interpreter, see `find_program`.
    what : str
        How errors call it.

    Raises
    ------
    ConfigError
        It cannot be started.
    """

    def __init__(self, python: str, what: str) -> None:
        self.python, self.what = python, what
        # Files without a name: whatever happens, nothing is left behind.
        self._sent = tempfile.TemporaryFile(prefix="mss_bench-")  # noqa: SIM115
        self._received = tempfile.TemporaryFile(prefix="mss_bench-")  # noqa: SIM115
        reading, writing = os.pipe()
        answers, answering = os.pipe()
        theirs = (reading, answering, self._sent.fileno(), self._received.fileno())
        # Another environment's paths would lead the interpreter to another NumPy than its own.
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        words = [python, "-I", "-u", str(Path(peer.__file__)), *map(str, theirs)]
        try:
            self._process = Program(words, what, pass_fds=theirs, env=surroundings)
        except ConfigError:
            os.close(writing)
            os.close(answers)
            self._sent.close()
            self._received.close()
            raise
        finally:
            os.close(reading)
            os.close(answering)
        self._requests = os.fdopen(writing, "wb")
        self._replies = os.fdopen(answers, "rb", buffering=0)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.alive

    def ask(self, do: str, timeout: float | None = None, **request: Any) -> dict[str, Any]:
        """Have one request done.

        Raises
        ------
        SeparatorError
            It failed over there; `SeparatorCrashError` where the process died, `SeparatorTimeoutError` where it did
            not answer in time. After these two it is killed.
        InvalidOutputError, MissingDependencyError, MemoryError
            What failed over there was that.
        """
        try:
            self._requests.write(json.dumps({"do": do} | request, default=np.ndarray.tolist).encode() + b"\n")
            self._requests.flush()
            reply = self._reply(timeout)
        except BrokenPipeError:
            raise self._crash() from None
        except BaseException:  # whoever stops waiting has nobody to ask any more: the answer is still to come
            self.kill()
            raise
        if "error" in reply:
            raise self._failure(reply["error"])
        return reply

    def send(self, arrays: Sequence[np.ndarray]) -> None:
        """Put the arrays that the next request is about where the other side finds them."""
        with os.fdopen(os.dup(self._sent.fileno()), "wb") as file:
            file.seek(0)
            file.truncate()
            for array in arrays:
                np.save(file, array, allow_pickle=False)

    def receive(self, count: int) -> list[np.ndarray]:
        """Return the arrays of the last answer."""
        with os.fdopen(os.dup(self._received.fileno()), "rb") as file:
            file.seek(0)
            return [np.load(file, allow_pickle=False) for _ in range(count)]

    def close(self) -> None:
        """End it, after its separator had a few seconds to release what it holds."""
        if self.alive:
            with contextlib.suppress(SeparatorError, MissingDependencyError, InvalidOutputError, MemoryError, OSError):
                self.ask("close", timeout=_CLOSE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        with contextlib.suppress(OSError):
            self._requests.close()
        for file in (self._replies, self._sent, self._received):
            file.close()

    def _reply(self, timeout: float | None) -> dict[str, Any]:
        line = b""
        while not line.endswith(b"\n"):
            answers = self._replies.fileno()
            ready = wait([answers, self._process.death], timeout)
            if not ready:
                raise SeparatorTimeoutError(f"{self.what} did not answer within {timeout:g} s and was killed")
            chunk = self._replies.read(2**16) if answers in ready else b""
            if not chunk:
                raise self._crash()
            line += chunk
        try:
            reply: dict[str, Any] = json.loads(line)
        except (ValueError, RecursionError):
            raise SeparatorError(f"{self.what} answered what is no reply of mss_bench: {line[:80]!r}") from None
        return reply

    def _crash(self) -> SeparatorCrashError:
        cause = self._process.cause_of_death()
        self.kill()
        return SeparatorCrashError(self.what, cause)

    def _failure(self, error: Mapping[str, Any]) -> Exception:
        classes, message = error["classes"], error["message"]
        if classes[0] == "InvalidOutput":
            return InvalidOutputError(message)
        if "ImportError" in classes and error["module"]:
            module = error["module"].partition(".")[0]
            return MissingDependencyError(
                f"the module {error['module']}", self.what, f"{self.python} -m pip install {module}"
            )
        if classes[0] == "SystemExit" or "MssBenchError" in classes:  # its word to the user: sys.exit("what is wrong")
            return SeparatorError(f"{self.what}: {message}")
        text = f"{self.what}: {classes[0]}: {message}"
        if any(name in classes for name in _MEMORY_ERRORS):
            return MemoryError(text)
        trace = error["traceback"].rstrip()
        return SeparatorError(f"{text}\n{trace}" if trace else text)


def explain_start(python: str, what: str, cause: str) -> ConfigError:
    """Return the error of a process that died before its first answer, after a look at whether it is a Python."""
    code = "import sys; print('mss_bench asks', *sys.version_info[:3])"
    output = b""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        output = subprocess.run([python, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, timeout=30).stdout
    answer = re.search(rb"mss_bench asks (\d+) (\d+) (\d+)", output)
    if answer is None:
        return ConfigError(f"{what}: {python} is not a Python interpreter: it {cause}")
    version = tuple(map(int, answer.groups()))
    if version < peer.OLDEST:
        shown, oldest = (".".join(map(str, v)) for v in (version, peer.OLDEST))
        return ConfigError(f"{what}: {python} is Python {shown}; expected {oldest} or newer")
    return ConfigError(f"{what}: {python} {cause}")
