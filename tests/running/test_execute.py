"""One supervised worker process and the client that it works for."""

import os
import subprocess
import sys

import pytest

import mss_bench
from mss_bench.running.execute import Supervisor
from mss_bench.running.lock import epoch, revoke
from mss_bench.running.options import RunOptions
from mss_bench.running.provenance import cores
from mss_bench.running.start import prepare, start
from mss_bench.running.store import read_cell, read_info

WAITS = """
import pathlib, time
from mss_bench import Separator
class Waits(Separator):
    name = "waits"
    def __init__(self, folder: str = "") -> None:
        self.folder = pathlib.Path(folder)
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        (self.folder / "began").touch()
        while not (self.folder / "go").exists():
            time.sleep(0.01)
        return {s: mixture / 4 for s in targets.stems}
"""


@pytest.fixture
def prepared(tiny, tmp_path):
    (tmp_path / "waits.py").write_text(WAITS)
    return prepare(
        RunOptions(
            dataset="tiny", separators=(f"waits:folder={tmp_path}",), metrics=("usdr",),
            catalogs=(str(tiny),), out=tmp_path / "run",
            plugins=(str(tmp_path / "waits.py"),), max_tracks=1,
        )
    )  # fmt: skip


def test_a_cell_whose_client_has_ended_is_stopped_and_not_written(prepared, tmp_path):
    """As on a cluster, where the worker outlives the client."""
    prepared.folder.mkdir()
    gone = epoch(prepared.folder)
    task = prepared.tasks(gone.__enter__())[-1]
    worker = Supervisor(tmp_path / "w.log")

    def withdrawn():
        if (tmp_path / "began").exists():
            revoke(prepared.folder, task.epoch)
            return True
        return False

    assert worker.run(task, withdrawn) is None  # the method itself would wait for ever
    assert read_cell(prepared.folder, task.cell.estimate_key) is None
    worker.stop()


def test_a_cell_that_ends_after_its_client_is_not_written(prepared, tmp_path):
    """The worker finishes before anybody looks whether the client is there."""
    prepared.folder.mkdir()
    task = prepared.tasks(epoch(prepared.folder).__enter__())[-1]
    worker = Supervisor(tmp_path / "w.log")
    with epoch(prepared.folder):
        (tmp_path / "go").touch()
        assert worker.run(task) is None
    assert read_cell(prepared.folder, task.cell.estimate_key) is None
    worker.stop()


def test_cached_cells_are_those_of_the_shard(tiny, tmp_path, plugin):
    options = RunOptions(
        dataset="tiny", separators=("noisy", "other_targets"), metrics=("usdr",), catalogs=(tiny,),
        out=tmp_path / "run", plugins=(plugin,),
    )  # fmt: skip

    def counts(shard):
        outcome = start(prepare(options.with_values(shard=shard)), quiet=True)
        return outcome.computed, outcome.cached

    assert counts("1/2") == (2, 0)  # one song: the floor and the method; what is skipped is neither
    assert counts("1/2") == (0, 2)
    assert counts("2/2") == (2, 0)
    assert counts(None) == (0, 4)


NO_GROUP = """
from mss_bench import Separator
class Piano(Separator):
    name = "piano"
    target_sets = (("vocals_and_drums",),)
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        return {"vocals_and_drums": mixture / 2}
"""


def test_a_cell_that_no_group_scores_is_computed_once(tiny, tmp_path):
    (tmp_path / "piano.py").write_text(NO_GROUP)
    tiny.write_text(tiny.read_text().replace("  targets:\n", "  targets:\n    vocals_and_drums: [vocals, drums]\n", 1))
    options = RunOptions(
        dataset="tiny", separators=("piano",), metrics=("usdr",), catalogs=(str(tiny),),
        out=tmp_path / "run", max_tracks=1,
        plugins=(str(tmp_path / "piano.py"),),
    )  # fmt: skip
    prepared = prepare(options)
    cell = next(c for c in prepared.plan.cells if c.separator == "piano")
    assert not cell.skip
    assert not cell.scores
    assert start(prepared, quiet=True).computed == 2
    assert prepared.tasks() == []


COUNTS = """
import os
import numpy as np
from threadpoolctl import threadpool_info
from mss_bench import Metric, Quantity, Score, Separator
def threads():
    return max(pool["num_threads"] for pool in threadpool_info())
class Counts(Separator):
    name = "counts"
    def separate(self, mixture, sample_rate, *, targets, **_):
        return {stem: np.full_like(mixture, threads() / 4) for stem in targets.stems}
class Counted(Metric):
    name = "counted"
    quantities = (Quantity("Estimate", "", True, "a constant"), Quantity("Metric", "", True, "a constant"))
    def prepare(self, track, group):
        return None
    def score(self, state, estimates):
        values = {"Estimate": [4 * float(e.max()) for e in estimates.values()], "Metric": [threads()] * len(estimates)}
        return [Score(t, q, np.array([v])) for q, of in values.items() for t, v in zip(estimates, of)]
"""


def test_methods_have_the_threads_that_are_asked_for_and_metrics_one(tiny, tmp_path, capsys):
    (tmp_path / "counts.py").write_text(COUNTS)
    usual = {"catalogs": [str(tiny)], "plugins": [str(tmp_path / "counts.py")], "quiet": True, "max_tracks": 1}
    results = mss_bench.run("tiny", ["counts"], ["counted"], out=tmp_path / "run", jobs=2, threads=2, **usual)
    values = results.tracks.query("separator == 'counts' and target == 'vocals'").groupby("metric").value.unique()
    assert (list(values["Estimate"]), list(values["Metric"])) == ([2], [1])
    assert read_info(tmp_path / "run")["threads_per_worker"] == 2
    crowded = f"2 workers with 2 threads each share {cores()} cores" in capsys.readouterr().err
    assert crowded == (cores() < 4)


def test_threads_and_workers_share_the_cores():
    assert RunOptions(threads=cores()).job_count() == 1
    assert RunOptions(threads=0, jobs=1).thread_count() == cores()
    assert RunOptions(threads=0, jobs=10 * cores()).thread_count() == 1
    assert RunOptions(jobs=2, threads=cores()).crowding(tasks=1) == ""
    assert "lower --jobs or --threads" in RunOptions(jobs=2, threads=cores() + 1).crowding(tasks=2)


DRIVER = """
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *device, int number) { *device = number; return number > 1; }
int cuDeviceTotalMem_v2(unsigned long *size, int device) { *size = (device + 1) * 8ul << 30; return 0; }
"""


def test_workers_that_share_a_gpu_are_told_of_its_memory(tiny, tmp_path):
    (tmp_path / "driver.c").write_text(DRIVER)
    library = str(tmp_path / "libcuda.so.1")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, str(tmp_path / "driver.c")], check=True)
    code = f"""
from mss_bench.running.options import RunOptions
from mss_bench.running.readiness import refuse_unready
from mss_bench.running.start import prepare
options = RunOptions(dataset="tiny", catalogs={str(tiny)!r}, separators="demo_net:device=cuda:1", metrics="usdr")
tasks = prepare(options).tasks()
print(*refuse_unready(tasks, 3), refuse_unready(tasks, 1))
"""
    environment = os.environ | {"LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("demo_net: 3 workers share cuda:1 with 16.0 GiB, and each loads the model for itself")
    assert done.stdout.endswith(" []\n")
