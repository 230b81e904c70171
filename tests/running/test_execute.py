"""One supervised worker process and the client that it works for."""

import pytest

from mss_bench.running.execute import Supervisor
from mss_bench.running.lock import epoch, revoke
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare, start
from mss_bench.running.store import read_cell

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
