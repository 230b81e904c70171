"""Runs on a real dask cluster of processes on this machine."""

import subprocess
import sys

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
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert table(tmp_path / "there") == table(tmp_path / "here")
    logs = [log.name for log in (tmp_path / "there" / "logs").glob("worker-*.log")]
    assert len(logs) == 1
    assert f"-{process.pid}-" not in logs[0]  # the name tells which process had the worker


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
