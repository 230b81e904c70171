"""Who may write into a run folder: locks between clients, tokens for their workers."""

import subprocess
import sys
import threading
import time

import pytest

from mss_bench.errors import RunError
from mss_bench.running.lock import SupersededError, current, epoch, in_force, locked, revoke
from mss_bench.running.store import Cell, cell_path, read_cell, write_cell

TRACK = {"dataset": "d", "subset": "s", "name": "t"}


def cell(status):
    return Cell("key", TRACK, "method", "", status)


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def test_a_token_stands_until_its_client_ends(run):
    with epoch(run) as token:
        assert current(run, token)
        write_cell(run, cell("ok"), token)
        assert read_cell(run, "key").epoch == token
    assert not current(run, token)


def test_a_worker_whose_client_was_killed_writes_nothing_once_another_has_come(run):
    killed = epoch(run)
    old = killed.__enter__()  # and never left
    write_cell(run, cell("error"), old)
    with epoch(run) as new:
        with pytest.raises(SupersededError, match="has ended"):
            write_cell(run, cell("ok"), old)
        assert read_cell(run, "key").status == "error"
        assert list((run / "cells").iterdir()) == [cell_path(run, "key")]  # no half-written file either
        write_cell(run, cell("ok"), new)
        revoke(run, old)  # what a late end of the old client does
        assert current(run, new)


def test_a_client_that_comes_waits_for_the_write_that_is_under_way(run):
    order = []
    with epoch(run) as token:
        with in_force(run, token):
            other = threading.Thread(target=lambda: (revoke(run, token), order.append("revoked")))
            other.start()
            time.sleep(0.1)
            order.append("written")
        other.join()
    assert order == ["written", "revoked"]


def test_shards_leave_each_others_workers_alone_and_call_off_those_of_a_whole_run(run):
    whole = epoch(run).__enter__()
    with epoch(run, "1/2") as one, epoch(run, "2/2") as two:
        assert [current(run, token) for token in (whole, one, two)] == [False, True, True]
        with epoch(run, "1/2") as again:
            assert [current(run, token) for token in (one, two, again)] == [False, True, True]
    one = epoch(run, "1/2").__enter__()
    with epoch(run):
        assert not current(run, one)


def test_without_a_token_everything_is_written(run):
    write_cell(run, cell("ok"))
    assert read_cell(run, "key").ok


HOLD = (
    "import sys, pathlib; from mss_bench.running.lock import locked\nwith locked(pathlib.Path(sys.argv[1]), sys.argv[2]"
)
HOLD += " or None):\n    print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def holding(run):
    """Processes that hold the folder or a shard of it until they are let go."""
    held = []

    def hold(shard=""):
        words = [sys.executable, "-c", HOLD, str(run), shard]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        held.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in held:
        process.communicate()


def test_the_message_names_the_shards_that_run_and_no_other(run, holding):
    gone, there = holding("1/3"), holding("2/3")
    gone.communicate()
    with pytest.raises(RunError) as error, locked(run):
        pass
    assert f"another process (pid {there.pid} on " in str(error.value)
    assert "shard 2/3)" in str(error.value)
    assert str(gone.pid) not in str(error.value)


def test_the_message_of_a_shard_names_the_whole_run_or_its_own_shard(run, holding):
    whole = holding()
    with (
        pytest.raises(RunError, match=rf"another process \(pid {whole.pid} on .*\) is running in {run};"),
        locked(run, "1/2"),
    ):
        pass
    whole.communicate()
    shard = holding("1/2")
    with pytest.raises(RunError, match=rf"pid {shard.pid} on .*\) is running in shard 1/2 of"), locked(run, "1/2"):
        pass
    with locked(run, "2/2"):
        pass
