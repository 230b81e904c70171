"""A child process, what it started, what it prints, and how it is told that it ended."""

import os
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

import psutil
import pytest

from mss_bench.core.processes import (
    Child,
    Family,
    Printed,
    descendants,
    forget_peak,
    how_it_ended,
    peak_mb,
    resident_mb,
)

FAMILY = """
import subprocess, sys, time
code = "import subprocess, time; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True); "
subprocess.Popen([sys.executable, "-c", code + "time.sleep(600)"], start_new_session=True)
{then}
"""


def child(code: str, **options) -> tuple[Child, Printed]:
    printed = Printed(1000)
    return Child([sys.executable, "-c", code], printed, **options), printed


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def said(printed: Printed) -> int:
    while not printed.tail():
        time.sleep(0.01)
    return int(printed.tail())


@pytest.mark.parametrize("own_session", [False, True])
def test_a_child_is_killed_with_all_its_descendants(own_session):
    parent, printed = child(FAMILY.format(then="time.sleep(600)"), own_session=own_session)
    grandchild = said(printed)
    family = [parent.pid, *(process.pid for process in descendants(parent.pid))]
    assert len(family) == 3
    assert grandchild in family
    assert parent.tree_mb() > resident_mb([parent.pid]) > 1
    assert not wait([parent.death], 0)
    parent.kill()
    assert all(map(gone, family))
    assert not parent.alive


def test_a_process_that_starts_later_joins_its_family(tmp_path):
    parent, printed = child(f"import os, subprocess, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): "
                            "time.sleep(0.01)\n"
                            "print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)")  # fmt: skip
    family = Family(parent.pid)
    assert family.members() == []
    (tmp_path / "go").touch()
    later = said(printed)
    deadline = time.monotonic() + 60
    while not family.members() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert family.members() == [later]
    parent.kill()
    assert descendants(parent.pid) == []


def test_the_peak_of_memory_is_the_highest_since_it_was_forgotten():
    held = bytearray(b"x") * 2**27
    del held
    assert peak_mb() > resident_mb([os.getpid()]) + 100
    forget_peak()
    if Path("/proc/self/clear_refs").exists():  # elsewhere it cannot be forgotten
        assert peak_mb() < resident_mb([os.getpid()]) + 50


def test_a_death_is_told_though_a_fork_holds_the_pipes_open():
    dies, _ = child("import os, time\nif os.fork(): os._exit(3)\nprint(os.getpid(), flush=True); time.sleep(600)")
    assert wait([dies.death], 60)
    assert dies.exit_status() == 3
    dies.kill()
    for left in psutil.process_iter(["cmdline"]):
        if left.pid != dies.pid and "os.fork(): os._exit(3)" in " ".join(left.info["cmdline"] or []):
            left.kill()


def test_a_child_goes_with_its_object():
    sleeps, _ = child("import time; time.sleep(600)")
    pid = sleeps.pid
    del sleeps
    assert gone(pid)


def test_all_that_was_printed_is_there_after_the_end(capfd):
    prints, printed = child("print('x' * 100_000, 'end')")
    assert prints.exit_status() == 0
    prints.kill()
    assert printed.tail().endswith(" end")
    assert len(printed.tail()) == 999  # without the line's end
    assert len(capfd.readouterr().err) == 100_005
    printed.mark()
    assert printed.tail() == ""


def test_how_a_process_ended_is_said_in_words():
    ends, _ = child("import os; os.kill(os.getpid(), 11)")
    assert how_it_ended(ends.exit_status()) == "was killed by SIGSEGV"
    assert how_it_ended(3) == "ended with exit status 3"
    with pytest.raises(OSError, match="No such file"):
        Child(["/nowhere/program"], Printed(10))
