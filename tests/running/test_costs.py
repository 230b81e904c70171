"""What a run notes of time and memory, over several passes and for all processes of a separator."""

import subprocess
import sys

import pytest

import mss_bench
from mss_bench.running.estimates import SharedAudio
from mss_bench.running.messages import Reply
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare
from mss_bench.running.status import estimate
from mss_bench.running.store import read_cell
from mss_bench.running.worker import WorkerState, load

COSTLY = """
import subprocess, sys, time
import numpy as np
from mss_bench import Metric, Quantity, Score, Separator

BUSY = "import time; began = time.process_time(); x = b'x' * {size}\\n"
BUSY += "while time.process_time() - began < {seconds}: pass\\n"

class Costly(Separator):
    name = "costly"
    def __init__(self, where: str = "here") -> None:
        self.where = where
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        if self.where == "here":
            exec(BUSY.format(size=2**28, seconds=0.3))
        if self.where == "child":
            code = BUSY.format(size=2**28, seconds=0.3) + "time.sleep(0.7)"  # to be seen, memory is looked at by and by
            subprocess.run([sys.executable, "-c", code], check=True)
        if self.where == "left":  # a pool that a method keeps for the next song
            code = BUSY.format(size=2**28, seconds=0.3) + "time.sleep(0.7); print('done', flush=True); time.sleep(600)"
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE).stdout.readline()
        return {s: mixture / 4 for s in targets.stems}

class Busy(Metric):
    name = "busy"
    quantities = (Quantity("Busy", "", True, "a constant"),)
    def prepare(self, track, group):
        return None
    def score(self, state, estimates):
        began = time.process_time()
        x = np.ones(2**25)
        while time.process_time() - began < 0.2:
            pass
        return [Score(t, "Busy", np.array([1.0])) for t in estimates]
"""


@pytest.fixture
def run(tiny, tmp_path, plugin):
    (tmp_path / "costly.py").write_text(COSTLY)

    def start(separators, metrics=("peak",), **options):
        defaults = {
            "catalogs": [str(tiny)], "out": tmp_path / "run", "plugins": [plugin, str(tmp_path / "costly.py")],
            "quiet": True, "jobs": 1, "max_tracks": 1,
        }  # fmt: skip
        return mss_bench.run("tiny", list(separators), list(metrics), **(defaults | options))

    return start


def test_cpu_time_and_memory_of_children_count_whether_they_were_waited_for_or_not(run):
    costs = run([f"costly:where={w},as={w}" for w in ("nowhere", "here", "child", "left")]).costs
    costs = costs.set_index("separator")
    idle = costs.loc["nowhere"]
    assert idle.separate_cpu_seconds < 0.2
    for where in ("here", "child", "left"):
        row = costs.loc[where]
        assert 0.28 <= row.separate_cpu_seconds < 2, where  # the kernel counts hundredths of 0.3 s
        assert row.peak_memory_mb > idle.peak_memory_mb + 200, where


def test_each_column_is_of_the_passes_that_it_names(run):
    first = run(["costly"], ["busy"], save_estimates=True).costs.query("separator == 'costly'").iloc[0]
    assert first.separate_cpu_seconds >= 0.3
    assert first.score_seconds >= 0.4  # two groups
    assert first.cpu_seconds >= first.separate_cpu_seconds + 0.4
    assert first.score_memory_mb > 256
    both = run(["costly"], ["busy", "peak"], save_estimates=True).costs.query("separator == 'costly'").iloc[0]
    same = ["separate_seconds", "separate_cpu_seconds", "peak_memory_mb", "realtime_factor", "score_memory_mb"]
    assert both[same].to_list() == first[same].to_list()
    assert first.score_seconds < both.score_seconds
    peak = run(["costly"], ["peak"], save_estimates=True).costs.query("separator == 'costly'").iloc[0]
    assert peak.score_seconds == both.score_seconds  # of all metrics that the folder has
    assert peak.separate_seconds == first.separate_seconds


def test_a_cell_that_is_separated_again_for_a_metric_tells_of_the_last_separation_throughout(run):
    first = run(["costly"], ["busy"])
    key = first.tracks.query("separator == 'costly'").estimate_key.iloc[0]
    before = read_cell(first.path, key).costs
    run(["costly"], ["busy", "peak"])
    after = read_cell(first.path, key).costs
    for name in ("separate_seconds", "separate_cpu_seconds"):
        assert after[name] != before[name]
    assert after["separate_cpu_seconds"] >= 0.3


def test_references_stay_prepared_from_method_to_method_and_keep_spectra_within_their_memory(tiny, tmp_path, plugin):
    def prepared(**options):
        methods = ("nmf_supervised", "irm", "demo_net")  # files of their own, references, a network
        return prepare(RunOptions(
            dataset="tiny", separators=methods, metrics=("bss_eval:filter_length=32",), catalogs=(str(tiny),),
            out=tmp_path / "run", max_tracks=1, **options,
        ))  # fmt: skip

    tasks = prepared().tasks()
    assert [task.cell.separator for task in tasks] == ["mixture", "nmf_supervised", "irm", "demo_net"]
    state = WorkerState(SharedAudio())
    states = []
    for task in tasks:
        assert not isinstance(load(task, state), Reply)
        states.append([id(state.metric(score, task.cell.targets)[1]) for score in task.scores])
    assert len({str(ids) for ids in states}) == 1
    assert 0 < state.room.taken <= 256 * 2**20
    assert prepared(memory_limit=400.0).tasks()[0].reference_memory == 100.0
    assert prepared(reference_memory=0.0).tasks()[0].reference_memory == 0.0


def test_the_estimate_of_memory_counts_what_is_kept_of_the_references(run, tiny, tmp_path):
    run(["centre"], ["bss_eval:filter_length=32"])

    def estimated(kept):
        prepared = prepare(RunOptions(
            dataset="tiny", separators=("centre",), metrics=("bss_eval:filter_length=32", "usdr"), max_tracks=1,
            catalogs=(str(tiny),), out=tmp_path / "run", reference_memory=kept,
        ))  # fmt: skip
        cell = read_cell(tmp_path / "run", prepared.plan.cells[0].estimate_key)
        tasks = prepared.tasks()
        assert tasks
        words = estimate(tmp_path / "run", prepared.plan, tasks, 1).split()
        return float(words[words.index("memory") + 2]), cell.costs

    (some, costs), (none, _) = estimated(256.0), estimated(0.0)
    assert costs["kept_mb"] == costs["wanted_mb"] > 0
    assert some - none == pytest.approx(costs["kept_mb"], abs=1.0)


HOLDING = """
from mss_bench.core.processes import forget_peak, peak_mb

pieces = [bytearray(100_000) for _ in range(3000)]
kept = pieces.pop()  # the last one, which keeps the allocator from giving the rest back by itself
del pieces
forget_peak()
print(peak_mb())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory begins anew on Linux alone")
def test_what_the_allocator_holds_back_is_not_memory_of_the_next_method():
    done = subprocess.run([sys.executable, "-c", HOLDING], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 150
