"""Files that are there whole or not at all, and locks."""

import contextlib
import errno
import os
import subprocess
import sys

import pytest

from mss_bench.core.files import json_text, lock, read_json, read_whole, replacing, write_atomic
from mss_bench.errors import RunError


def test_a_write_that_fails_leaves_the_old_content_and_no_other_file(tmp_path):
    path = tmp_path / "new" / "file.txt"
    assert write_atomic(path, "old") == path
    with contextlib.suppress(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/below cannot be written: .*; choose another folder"):
        write_atomic(tmp_path / "file" / "below", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match=r"folder cannot be written: Is a directory; remove it$"):
        write_atomic(tmp_path / "folder", b"")
    with pytest.raises(RunError, match=r"full cannot be written: No space.*; free space or choose another folder$"):
        write_atomic(tmp_path / "full", b"", holding=_full_disk())


@contextlib.contextmanager
def _full_disk():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    yield


def test_a_lock_is_held_by_one_process_or_shared_and_ends_with_its_owner(tmp_path):
    path = tmp_path / ".lock"
    code = "import sys, pathlib; from mss_bench.core.files import lock\n"
    code += "with lock(pathlib.Path(sys.argv[1]), shared=True): print('held', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, str(path)], **pipes) as other:
        assert other.stdout.readline() == b"held\n"
        with lock(path, shared=True, timeout=0):
            pass
        with pytest.raises(BlockingIOError), lock(path, timeout=0):
            pass
        other.kill()
        with lock(path, timeout=5):
            pass


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"\xff", "it is not UTF-8 text"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"[" * 101 + b"]" * 101, "it is nested too deeply"),
        (b"1" * 5000, "it holds a whole number of thousands of digits"),
        (b"{", "Expecting property name"),
    ],
)
def test_what_no_json_of_ours_could_be_is_a_value_error(tmp_path, text, said):
    (tmp_path / "x.json").write_bytes(text)
    with pytest.raises(ValueError, match=said):
        read_json(tmp_path / "x.json")


def test_no_bit_of_a_json_file_can_change_unnoticed(tmp_path):
    path = write_atomic(tmp_path / "x.json", json_text({"name": "a", "gains": [1.5], "left": {}}))
    assert read_json(path) == {"name": "a", "gains": [1.5], "left": {}}
    content = path.read_bytes()
    for at in range(len(content)):
        for bit in range(8):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            with pytest.raises(ValueError):
                read_json(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(b"123")
    for path, said in ((tmp_path / "pipe", "a pipe or a device"), (tmp_path, "a folder"), ("/dev/zero", "a device")):
        with pytest.raises(OSError, match=said):
            read_whole(path)
    with pytest.raises(OSError, match="it has 3 bytes, expected at most 2"):
        read_whole(tmp_path / "long", most=2)
