"""Runs on a real dask cluster of processes on this machine."""

import contextlib
import os
import subprocess
import sys
import time

import psutil
import pytest

import mss_bench

pytest.importorskip("distributed", reason="needs the extra dask: pip install 'mss-bench[dask]'")


@pytest.fixture
def words(tiny, plugin):
    def command(out, *more):
        return [
            sys.executable, "-m", "mss_bench", "run", "--datasets", str(tiny), "--dataset", "tiny", "-s", "noisy", "-s",
            "noisy:gain=0.2", "-s", "raises", "-m", "usdr", "--plugin", plugin, "-o", str(out), *map(str, more),
        ]  # fmt: skip

    return command


def table(run):
    return (run / "tracks.parquet").read_bytes()


@pytest.mark.slow
def test_a_cluster_of_one_thread_gives_the_local_result_and_its_client_only_watches(words, tmp_path):
    assert subprocess.run(words(tmp_path / "here", "-j", 1), capture_output=True).returncode == 1
    process = subprocess.Popen(
        words(tmp_path / "there", "--scheduler", "local:1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert table(tmp_path / "there") == table(tmp_path / "here")
    logs = [log.name for log in (tmp_path / "there" / "logs").glob("worker-*.log")]
    assert len(logs) == 1
    assert f"-{process.pid}-" not in logs[0]  # the name tells which process had the worker


@pytest.mark.slow
def test_a_worker_killed_midway_costs_its_running_cell_at_most(words, tmp_path, song, tiny):
    for i in range(6):
        song(tiny.parent / "tiny" / "test" / f"More {i}", seed=20 + i)
    process = subprocess.Popen(
        words(tmp_path / "there", "--scheduler", "local:2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 90
    cells = tmp_path / "there" / "cells"
    while len(list(cells.glob("[!.]*.npz"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    before = {f: f.stat().st_mtime_ns for f in cells.glob("[!.]*.npz")}
    workers = []
    for member in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # one that is being replaced has just ended
            workers += [member] if "mss_bench.running.worker" in " ".join(member.cmdline()) else []
    os.kill(workers[0].parent().pid, 9)  # the dask worker; its own child dies with it
    _, err = process.communicate(timeout=180)
    assert process.returncode == 1, err
    assert {f: f.stat().st_mtime_ns for f in before} == before
    assert subprocess.run(words(tmp_path / "here", "-j", 2), capture_output=True).returncode == 1
    assert table(tmp_path / "there") == table(tmp_path / "here")


@pytest.mark.parametrize(("scheduler", "message"), [
    ("local:x", "expected local:N with N from 1 on"),
    ("tcp://127.0.0.1:9", "no dask scheduler answers at tcp://127.0.0.1:9"),
])  # fmt: skip
def test_a_scheduler_that_is_none_is_named(tiny, tmp_path, scheduler, message):
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(mss_bench.MssBenchError, match=message),
    ):
        mss_bench.run(
            "tiny", ["irm"], ["usdr"], catalogs=[str(tiny)], out=tmp_path / "run", quiet=True, scheduler=scheduler
        )
