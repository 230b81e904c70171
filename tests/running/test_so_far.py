"""What a run shows while it goes on."""

import threading

import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.cli.run import printed_so_far
from mss_bench.running import so_far
from mss_bench.running.lock import locked
from mss_bench.running.messages import Reply
from mss_bench.running.options import RunOptions
from mss_bench.running.progress import Progress
from mss_bench.running.start import prepare
from mss_bench.running.store import cell_path
from mss_bench.running.tables import TABLES, read_table, rebuild


@pytest.fixture
def prepared(tiny, tmp_path):
    options = {"catalogs": (str(tiny),), "out": tmp_path / "run"}
    mss_bench.run("tiny", ["centre"], ["usdr"], quiet=True, **options)
    prepared = prepare(RunOptions(dataset="tiny", separators=("centre",), metrics=("usdr",), **options))
    last = prepared.plan.cells[-1]
    assert last.track.name == "Song B (live)"
    cell_path(prepared.folder, last.estimate_key).unlink()  # as if it were still being computed
    return prepared


def test_a_table_of_what_is_finished_comes_while_the_rest_is_computed(prepared, monkeypatch):
    monkeypatch.setattr(so_far, "_FIRST_SECONDS", 0.0)
    monkeypatch.setattr(so_far, "_LEFT_SECONDS", -1.0)
    shown = threading.Event()
    progress = Progress(4, quiet=True)
    with progress, so_far.SoFar(prepared.folder, progress, lambda run: shown.set() or "table"):
        progress.end(prepared.plan.cells[0], Reply("ok", "", 0.1, 0.1))
        assert shown.wait(60)
    assert len(read_table(prepared.folder, "costs")) == 3


def test_songs_that_not_every_method_has_finished_are_not_in_it(prepared):
    rebuild(prepared.folder)
    assert "1 song" in printed_so_far(str(prepared.folder), 80, "utf-8")
    for cell in prepared.plan.cells[1:]:  # one method on one song: better than nothing
        cell_path(prepared.folder, cell.estimate_key).unlink(missing_ok=True)
    rebuild(prepared.folder)
    assert "mixture (floor)" in printed_so_far(str(prepared.folder), 80, "utf-8")


def test_a_report_of_a_run_that_ended_before_its_tables_builds_them(prepared, tmp_path, capsys):
    def end_early():
        for name in TABLES:
            (prepared.folder / f"{name}.parquet").unlink()

    end_early()
    report = ["report", str(prepared.folder), "--format", "csv", "--out", str(tmp_path / "report")]
    with locked(prepared.folder):
        assert main(report) == 2  # it goes on: its tables are its own affair
    assert str(prepared.folder) in capsys.readouterr().err
    assert main(report) == 0
    assert "Incomplete: 3 of 4 cells." in capsys.readouterr().out
    end_early()
    assert main(["compare", str(prepared.folder), "centre", "mixture", "--missing", "complete"]) == 0
    assert "centre - mixture, uSDR of vocals" in capsys.readouterr().out
    end_early()
    for cell in prepared.plan.cells:
        cell_path(prepared.folder, cell.estimate_key).unlink(missing_ok=True)
    assert main(report) == 0
    assert "No scores: the track table is empty." in capsys.readouterr().out


def test_the_default_says_what_it_leaves_out_and_how_to_add_it(prepared):
    assert "common_fate" in RunOptions().left_out()
    assert "-s all" in RunOptions().left_out()
    assert not prepared.options.left_out()
