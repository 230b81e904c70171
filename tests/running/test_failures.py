"""What an exception means for its cell, the text that is kept of it, and a worker's log."""

import errno
import sys
import warnings

import psutil
import pytest

from mss_bench.core.processes import Child, PrintedToFile
from mss_bench.errors import InvalidOutputError, MissingDependencyError
from mss_bench.running.failures import classify, collected_warnings


class OutOfMemoryError(RuntimeError):
    """Stands for torch's, by name and module."""


OutOfMemoryError.__module__ = "torch"


def torch_error():
    """What torch raises, of the real class where it is installed."""
    try:
        from torch import OutOfMemoryError as Real
    except ImportError:
        Real = OutOfMemoryError
    return Real("Tried to allocate 9 TiB")


class RuntimeException(Exception):
    """Stands for ONNX Runtime's."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (torch_error(), "out_of_memory"),
        (type("OutOfMemoryError", (OutOfMemoryError,), {})("of a subclass"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out_of_memory"),
        (RuntimeError("CUDA error: out of memory"), "out_of_memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (RuntimeException("Failed to allocate memory for requested buffer of size 9"), "out_of_memory"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "error"),
        (ValueError("the book is out of memory of man"), "error"),
        (OSError(errno.ENOSPC, "No space left on device"), "error"),
        (InvalidOutputError("nan"), "invalid_output"),
        (ModuleNotFoundError("No module named 'x'"), "not_installed"),
        (MissingDependencyError("x", "y", "z"), "not_installed"),
    ],
)
def test_exceptions_are_told_apart(error, status):
    assert classify(error)[0] == status


def test_an_error_that_was_raised_from_want_of_memory_is_one():
    error = ValueError("the model failed")
    error.__cause__ = torch_error()
    assert classify(error) == ("out_of_memory", "the model failed")


def test_a_long_message_is_kept_in_part():
    _, text = classify(ValueError("begin" + "x" * 10**6 + "end"))
    assert len(text) < 5000
    assert text.startswith("ValueError: begin")
    assert text.endswith("end")


def test_warnings_are_collected_once_each_and_not_without_end():
    with collected_warnings() as found:
        for i in range(1000):
            warnings.warn(f"number {i:03}", stacklevel=1)
            warnings.warn("always the same", stacklevel=1)
    assert len(found) == 51
    assert found[:2] == ["UserWarning: always the same", "UserWarning: number 000"]
    assert found[-1] == "and 951 more warnings"


def printed(log, code):
    child = Child([sys.executable, "-c", code], log)
    assert child.exit_status() == 0
    child.kill()


def test_a_log_keeps_its_beginning_and_its_end(tmp_path):
    log = PrintedToFile(tmp_path / "logs" / "w.log", limit=100_000)
    printed(log, "for i in range(100_000): print('line', i)")
    text = log.path.read_text()
    assert len(text) < 100_000 + 2**16
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 99998\nline 99999\n")
    assert text.count("left out here") == 1
    assert log.tail().endswith("line 99999")
    assert len(log.tail()) <= 4000


def test_a_short_log_is_whole_and_grows_over_processes(tmp_path):
    log = PrintedToFile(tmp_path / "w.log")
    printed(log, "print('one')")
    log.mark()
    printed(log, "import sys; print('two', file=sys.stderr)")
    assert log.path.read_text() == "one\ntwo\n"
    assert log.tail() == "two"


def test_a_log_does_not_wait_for_children_that_hold_it_open(tmp_path):
    log = PrintedToFile(tmp_path / "w.log")
    printed(log, "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)")
    psutil.Process(int(log.path.read_text())).kill()
