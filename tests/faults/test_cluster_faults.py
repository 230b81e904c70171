"""A real dask scheduler and real dask workers over TCP, whose processes are killed and whose clients vanish."""

import contextlib
import json
import signal
import subprocess
import sys
import time

import psutil
import pytest

import mss_bench

pytest.importorskip("distributed", reason="needs the extra dask: pip install 'mss-bench[dask]'")

PACED = """
import os, time
from mss_bench import Separator

class Paced(Separator):
    name = "paced"
    def __init__(self, n: int = 0, seconds: float = 0.3, note: str = "", fails: bool = False) -> None:
        self.n, self.seconds, self.note, self.fails = n, seconds, note, fails
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        with open(self.note, "a") as file:
            file.write(f"{os.getpid()} {self.n}" + chr(10))
        time.sleep(self.seconds)
        if self.fails:
            raise ValueError("boom")
        return {s: mixture / (4 + self.n) + 0.01 * rng.standard_normal(mixture.shape) for s in targets.stems}

class KillsTheDaskWorker(Paced):
    name = "kills"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        os.kill(os.getppid(), 9)
        time.sleep(600)
"""

PYTHON = sys.executable


class Cluster:
    """A scheduler and two workers of one thread each."""

    def __init__(self, folder):
        self.file, self.folder = folder / "scheduler.json", folder
        self.scheduler = self._start("dask_scheduler", "--port", "0", "--scheduler-file", self.file)
        self.workers = [self._worker(), self._worker()]
        wait_until(self.file.exists)

    @property
    def address(self):
        return json.loads(self.file.read_text())["address"]

    def _worker(self):
        return self._start("dask_worker", "--scheduler-file", self.file, "--nthreads", "1", "--no-nanny")

    def _start(self, module, *words):
        command = [PYTHON, "-m", f"distributed.cli.{module}", "--host", "127.0.0.1", "--no-dashboard", *map(str, words)]
        with (self.folder / f"{module}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def whole(self):
        """Replace workers that were killed."""
        self.workers = [w if w.poll() is None else self._worker() for w in self.workers]

    def children(self):
        """Processes in which separators run, now."""
        found = []
        for worker in self.workers:
            if worker.poll() is None:
                for process in psutil.Process(worker.pid).children():
                    with contextlib.suppress(psutil.Error):  # one that has just ended
                        found += [process] if "mss_bench.running.worker" in " ".join(process.cmdline()) else []
        return found

    def close(self):
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(running):
    running.whole()
    return running


PATIENCE = 300  # seconds: what a machine under load may take; nothing that works takes so long


def wait_until(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def command(tiny, tmp_path, song):
    for i in range(4):
        song(tiny.parent / "tiny" / "test" / f"More {i}", seed=10 + i, seconds=0.5)
    (tmp_path / "paced.py").write_text(PACED)

    def words(out, *more, separators):
        chosen = [w for s in separators for w in ("-s", f"paced:note={tmp_path / 'note'},{s}")]
        return [
            PYTHON, "-m", "mss_bench", "run", "--datasets", str(tiny), "--dataset", "tiny", *chosen, "-m", "usdr",
            "--plugin", str(tmp_path / "paced.py"), "-o", str(out), *map(str, more),
        ]  # fmt: skip

    return words


def separations(tmp_path):
    note = tmp_path / "note"
    return note.read_text().splitlines() if note.exists() else []


def table(run):
    return (run / "tracks.parquet").read_bytes()


def cells(run):
    return {f: f.stat().st_mtime_ns for f in (run / "cells").glob("[!.]*.npz")}


@pytest.mark.slow
def test_a_killed_worker_costs_one_cell_and_the_result_is_that_of_a_local_run(cluster, command, tmp_path):
    separators = ["n=1,seconds=0.2", "n=2,seconds=0.2", "n=3,seconds=0.2"]
    # A relative folder: the workers have another working folder than the client.
    words = command("there", "--scheduler", cluster.address, separators=separators)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    there = tmp_path / "there"
    wait_until(lambda: len(cells(there)) >= 5)
    before = cells(there)
    cluster.workers[0].kill()
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    after = cells(there)
    assert {f: after[f] for f in before} == before
    assert len(separations(tmp_path)) <= 18 + 1  # six songs, three methods, and the cell that was lost
    here = command(tmp_path / "here", "-j", 2, separators=separators)
    assert subprocess.run(here, capture_output=True).returncode == 0
    assert table(there) == table(tmp_path / "here")


@pytest.mark.slow
def test_workers_stop_when_their_client_is_killed_and_leave_the_folder_to_the_next_one(cluster, command, tmp_path):
    run = tmp_path / "run"
    words = command(run, "--scheduler", cluster.address, separators=[f"n={i}" for i in range(8)])
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    line = first.stderr.readline()
    assert line.startswith("[ 1/54]"), line  # told when it was done, not when its song was
    assert cluster.children()
    first.kill()
    first.communicate()
    wait_until(lambda: not cluster.children())
    begun = len(separations(tmp_path))
    time.sleep(1)
    assert len(separations(tmp_path)) == begun < 48
    second = subprocess.run(command(run, "-j", 2, separators=["n=0", "n=1"]), capture_output=True, text=True)
    assert second.returncode == 0, second.stderr


@pytest.mark.slow
def test_an_interrupt_frees_the_workers_at_once(cluster, command, tmp_path):
    run = tmp_path / "run"
    words = command(run, "--scheduler", cluster.address, separators=["seconds=600"])
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(separations(tmp_path)) == 2)
    assert cluster.children()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted; what was finished is kept" in err
    assert "Traceback" not in err
    wait_until(lambda: not cluster.children())
    assert len(separations(tmp_path)) == 2
    assert all(w.poll() is None for w in cluster.workers)


@pytest.mark.slow
def test_fail_fast_stops_the_other_songs(cluster, command, tmp_path):
    words = command(
        tmp_path / "run", "--scheduler", cluster.address, "--fail-fast", separators=["n=1,fails=true", "seconds=600"]
    )
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "stopped at the first failure" in done.stderr
    assert len(separations(tmp_path)) <= 4
    wait_until(lambda: not cluster.children())


@pytest.mark.slow
def test_a_cell_that_kills_every_dask_worker_is_lost_alone(command, tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    words = command(tmp_path / "run", "--scheduler", "local:1", "--max-tracks", 1, separators=["seconds=0,n=1"])
    place = words.index("-s")
    done = subprocess.run(
        [*words[:place], "-s", "kills", *words[place:]], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    results = mss_bench.load(tmp_path / "run")
    assert results.failures.separator.to_list() == ["kills"]
    assert results.failures.status.to_list() == ["crashed"]
    assert set(results.costs.separator) == {"mixture", "paced"}
