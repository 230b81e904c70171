"""Faults beside crashes: a run says what is not there, and `run`, `status`, `verify` and the tables agree on it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.running.status import run_status
from mss_bench.running.store import cell_path, read_plan

HARMFUL = """
import pathlib
from mss_bench import Separator

class Harms(Separator):
    name = "harms"
    def __init__(self, cells: str = "", how: str = "delete") -> None:
        self.cells, self.how = pathlib.Path(cells), how
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        for cell in sorted(self.cells.glob("[!.]*.npz"))[:1]:
            if self.how == "delete":
                cell.unlink()
            else:
                cell.write_bytes(cell.read_bytes()[:300])
        return {s: mixture / 4 for s in targets.stems}

class Wants(Separator):
    name = "wants"
    extra = "gadgets"
    @classmethod
    def available(cls):
        return False
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        return {s: mixture / 4 for s in targets.stems}

class UsesGpu(Separator):
    name = "uses_gpu"
    def load(self, device="cpu"):
        self.used_device = device
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        return {s: mixture / 4 for s in targets.stems}
"""


@pytest.fixture
def words(tiny, tmp_path, plugin):
    (tmp_path / "harmful.py").write_text(HARMFUL)

    def make(separators, *more, metrics="usdr", quiet=True):
        return [
            "run", "--catalog", str(tiny), "--dataset", "tiny", "-s", separators, "-m", metrics, "--plugin", plugin,
            "--plugin", str(tmp_path / "harmful.py"), "-o", str(tmp_path / "run"), "-j", "1",
            *(["-q"] if quiet else []), *map(str, more),
        ]  # fmt: skip

    return make


def started(words, **streams):
    return subprocess.Popen([sys.executable, "-m", "mss_bench", *words], text=True, **streams)


@pytest.mark.parametrize("how", ["delete", "cut"])
def test_a_cell_that_goes_while_another_is_computed_is_told_and_computed_again(words, tmp_path, capsys, how):
    run = tmp_path / "run"
    command = words(f"harms:cells={run / 'cells'},how={how}", "--max-tracks", "1")
    assert main(command) == 1
    assert "1 of 2 cells have no result or lack a score; see: mss-bench" in capsys.readouterr().err
    banner = "Run not finished: 1 of 2 cells are done. Order and intervals may still change."
    assert banner in mss_bench.load(run).summary(200)
    assert main(["status", str(run)]) == 1
    status = capsys.readouterr().out
    assert banner in status
    assert "1 done, 0 failed, 0 skipped, 1 missing" in status
    assert main(["results", "rebuild", str(run)]) == 1
    capsys.readouterr()
    assert main(["report", str(run), "--format", "html,md,tex,csv", "--single-file", "--figures", "none"]) == 0
    assert f"{banner}\n" in (said := capsys.readouterr().out)
    assert "Incomplete: 1 of 2 cells." in " ".join(said.split())  # as status counts
    assert all(banner in (run / "report" / name).read_text() for name in ("report.html", "report.md", "tables.tex"))
    assert "not finished: 1 of 2 cells are missing" in (run / "report" / "scores.csv").read_text()
    assert main(command) == 0  # computes what is missing; the method that did it is there
    assert main(["status", str(run)]) == 0


def test_a_cell_that_goes_after_the_run_makes_its_tables_old(words, tmp_path, capsys):
    assert main(words("noisy")) == 0
    next((tmp_path / "run" / "cells").glob("*.npz")).unlink()
    assert main(["status", str(tmp_path / "run")]) == 1
    assert "the tables are older than the cells" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "run"), "--sample", "1"]) == 1
    assert "1 cells of" in capsys.readouterr().out
    assert main(["report", str(tmp_path / "run"), "--format", "csv", "--figures", "none"]) == 1
    assert "are older than its cells" in capsys.readouterr().err


def counted_by(capsys, *runs):
    """Return the counts that `report` and the page say, and of one run those of `status` and `compare`."""
    out = runs[0].parent / "report"
    assert main(["report", *map(str, runs), "-o", str(out), "--format", "html,md", "--figures", "none"]) in (0, 1)
    said = " ".join(capsys.readouterr().out.split())
    counts = {"report": re.search(r"(?:Incomplete|Complete): ([^.]*)\.", said).group(1)}
    page = (out / "index.html").read_text()
    for name, text in (("page", page), ("markdown", (out / "report.md").read_text())):
        if banner := re.search(r"Run not finished: ([^.]*) are done([^.]*)\.", text):
            counts[name] = banner.group(1) + banner.group(2)
    if len(runs) == 1:
        main(["status", str(runs[0])])
        planned, done, failed, skipped, missing = map(
            int,
            re.search(
                r"(\d+) cells planned: (\d+) done, (\d+) failed, (\d+) sk\w+, (\d+)", capsys.readouterr().out
            ).groups(),
        )
        counts["status"] = f"{done} of {planned} cells" + f", {failed} failed" * bool(failed)
        assert done + failed + skipped + missing == planned
        assert main(["compare", str(runs[0]), "noisy", "mixture"]) in (0, 1)
        told = capsys.readouterr().err
        assert ("Run not finished" in told) == bool(missing)
        if missing:
            counts["compare"] = re.sub(" are done", "", re.search(r"Run not finished: ([^.]*)\.", told).group(1))
    return counts


def test_status_report_and_compare_count_alike_whatever_happened_to_a_run(words, tmp_path, capsys):
    one, other = tmp_path / "run", tmp_path / "other"
    assert main(words("noisy,centre,raises")) == 1  # its cells fail, and nothing is missing
    capsys.readouterr()
    songs = len({*mss_bench.load(one).tracks["track"]})
    assert set(counted_by(capsys, one).values()) == {f"{3 * songs} of {4 * songs} cells, {songs} failed"}
    shutil.copytree(one, other)
    # Cells are deleted, and the tables are older than what is left.
    first, *rest = [planned["estimate_key"] for planned in read_plan(one)["cells"] if planned["separator"] == "centre"]
    cell_path(one, first).unlink()
    said = f"{3 * songs - 1} of {4 * songs} cells, {songs} failed"
    counts = counted_by(capsys, one)
    assert set(counts.values()) == {said}
    assert set(counts) == {"report", "page", "markdown", "status", "compare"}
    # Another has what this one lacks: nothing is missing of both.
    for key in rest:
        cell_path(other, key).unlink()
    assert set(counted_by(capsys, one, other).values()) == {f"{3 * songs} of {4 * songs} cells, {songs} failed"}
    # Of both in one folder, too.
    assert main(["results", "merge", str(one), str(other), "-o", str(tmp_path / "merged")]) in (0, 1)
    capsys.readouterr()
    assert set(counted_by(capsys, tmp_path / "merged").values()) == {
        f"{3 * songs} of {4 * songs} cells, {songs} failed"
    }
    # The tables are made anew; a cell is damaged; the tables are lost, as of a run that was killed.
    main(["results", "rebuild", str(one)])
    assert set(counted_by(capsys, one).values()) == {said}
    cell_path(one, rest[0]).write_bytes(b"damaged")
    fewer = f"{3 * songs - 2} of {4 * songs} cells, {songs} failed"
    assert set(counted_by(capsys, one).values()) == {fewer}
    for table in one.glob("*.parquet"):
        table.unlink()
    assert set(counted_by(capsys, one).values()) == {fewer}


def test_status_and_run_count_alike(words, tmp_path, capsys):
    """NaN in one target, a metric that fails, a method that raises, one that is skipped."""
    run = tmp_path / "run"
    assert main(words("returns_nan,raises,other_targets,noisy", metrics="usdr,broken_metric")) == 1
    told = capsys.readouterr().err
    assert "8 of 10 cells failed; see" in told
    status = run_status(run)
    assert (status.counts.done, status.counts.failed, status.counts.skipped, status.counts.missing) == (0, 8, 2, 0)
    assert main(words("returns_nan,raises,other_targets,noisy", "--retries", "0")) == 1
    assert "4 of 10 cells failed; see" in capsys.readouterr().err
    assert "Failures: 8 of 10 cells, 2 skipped." in mss_bench.load(run).summary()
    # Quiet runs tell of failures, one line a cell, and of nothing else.
    lines = [line for line in told.splitlines() if not line.startswith("note: ")]
    assert "Song A · raises: error: ValueError: boom" in lines
    assert "Song A · returns_nan: ok, but failed: drums: nan at channel 1, sample 7" in lines
    assert not any("cells computed" in line or "left" in line for line in lines)


def test_a_traceback_is_in_the_log_in_status_and_behind_a_click(words, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(words("raises", "--max-tracks", 1, metrics="usdr,broken_metric")) == 1
    capsys.readouterr()
    assert main(["status", str(run), "--failures"]) == 1
    shown = capsys.readouterr().out
    log = (run / "logs" / "run.log").read_text()
    assert main(["report", str(run), "--format", "html", "--single-file", "--figures", "none"]) == 0
    page = (run / "report" / "report.html").read_text()
    for said in ('raise ValueError("boom")', 'raise RuntimeError("metric broke")'):
        assert said in shown
        assert said in log
        assert said.replace('"', "&#34;") in page.split("<details><summary>", 1)[1]
    assert "raise ValueError" not in mss_bench.load(run).summary()


def test_output_that_nobody_takes_does_not_end_a_run(words, tmp_path):
    run = tmp_path / "run"
    reading, writing = os.pipe()
    os.close(reading)
    closed = started(words("noisy", quiet=False), stdout=writing, stderr=writing)  # run 2>&1 | head -0
    os.close(writing)
    assert closed.wait(timeout=300) == 1
    assert run_status(run).whole
    # One that leaves after a line, when the whole table lies in the pipe.
    command = [sys.executable, "-m", "mss_bench", *words("noisy", quiet=False)]
    shell = ["bash", "-o", "pipefail", "-c", '"$@" 2>/dev/null | head -1', "sh", *command]
    assert subprocess.run(shell, capture_output=True, timeout=300).returncode == 1
    with Path("/dev/full").open("w") as full:
        done = started(words("noisy", quiet=False), stdout=full, stderr=subprocess.PIPE)
        said = done.communicate(timeout=300)[1]
    assert done.returncode == 1
    line = "mss-bench: standard output cannot be written: No space left on device; what was computed is kept\n"
    assert said == line
    # Standard error closed, and then on a full disk: files that the run opens must not take its number.
    command = [sys.executable, "-m", "mss_bench", *words("noisy,noisy:gain=0.3", quiet=False)]
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert run_status(run).counts.planned == 6
    assert run_status(run).whole
    with Path("/dev/full").open("w") as full:
        done = started(words("noisy,raises"), stdout=subprocess.DEVNULL, stderr=full)
        assert done.wait(timeout=300) == 1  # for what failed
    assert run_status(run).counts.failed == 2


def test_a_list_whose_reader_leaves_ends_without_a_word():
    reading, writing = os.pipe()
    os.close(reading)
    done = started(["metrics", "list"], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.communicate(timeout=300)[1], done.returncode) == ("", 1)


@pytest.mark.parametrize(
    ("separators", "more", "said"),
    [
        ("uses_gpu", ["--device", "cuda"], "separator uses_gpu: device=cuda, but this machine has no CUDA device"),
        ("demo_net:device=cuda", [], "device=cuda, but this machine has no CUDA device; choose cpu or auto"),
        ("demo_net", ["--device", "cud"], "device='cud'; expected auto, cpu, cuda or cuda:n"),
        (
            "wants",
            [],
            "separator wants needs the package gadgets, which is not installed; install it with: pip install",
        ),
    ],
)
def test_what_is_missing_on_the_machine_is_found_before_the_first_cell(
    words, tmp_path, capsys, monkeypatch, separators, more, said
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert main(words(f"noisy,{separators}", *more)) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run" / "cells").exists()
    assert not (tmp_path / "run" / "plan.json").exists()


def test_a_locked_cache_of_hashes_is_told_and_not_waited_for(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MSS_BENCH_CACHE", str(tmp_path / "cache"))
    assert main(words("noisy")) == 0
    code = (
        "import sqlite3, sys; base = sqlite3.connect(sys.argv[1]); base.execute('BEGIN EXCLUSIVE'); "
        "print('held', flush=True); sys.stdin.read()"
    )
    file = tmp_path / "cache" / "hashes.sqlite"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    capsys.readouterr()
    assert main(words("noisy")) == 0  # though it is held all the time
    holder.communicate("")
    assert f"note: the cache of content hashes {file} cannot be used (database is locked)" in capsys.readouterr().err


def test_media_of_tracks_on_which_all_failed_are_a_line(words, tmp_path, tiny, capsys):
    drums = tiny.parent / "tiny" / "test" / "Song A" / "drums.wav"
    drums.write_bytes(drums.read_bytes()[:5000])
    command = words("noisy,raises", "--media", "all", metrics="bss_eval:window=0.5,hop=0.5,filter_length=8")
    assert main(command) == 1
    told = capsys.readouterr().err
    assert "note: no media of Song A: every method failed on it" in told
    assert (tmp_path / "run" / "media" / "test").is_dir()
    assert [f.name[:6] for f in (tmp_path / "run" / "media" / "test").iterdir()] == ["Song B"]


def test_reading_estimates_is_no_separation(tiny, tmp_path, capsys):
    run, songs = tmp_path / "run", tiny.parent / "tiny" / "test"
    common = ["--catalog", str(tiny), "--dataset", "tiny", "-m", "usdr", "-o", str(run), "-j", "1", "-q"]
    assert main(["score", str(songs), *common, "--no-doctor", "--name", "Mine"]) == 0
    assert main(["run", "-s", "centre", *common]) == 0
    costs = mss_bench.load(run).costs.set_index("separator")
    for column in ("separate_seconds", "separate_cpu_seconds", "realtime_factor", "peak_memory_mb"):
        assert costs.loc["Mine", column].isna().all(), column
        assert costs.loc["centre", column].notna().all(), column
    assert costs.loc["Mine", "score_seconds"].notna().all()
    log = (run / "logs" / "run.log").read_text().splitlines()
    assert not any("separated" in line for line in log if "Mine" in line)
    assert main(["report", str(run), "--format", "html", "--single-file"]) == 0
    page = (run / "report" / "report.html").read_text()
    mine = json.loads(re.search(r'\{"name":"Mine"[^}]*\}', page)[0])
    assert (mine["speed"], mine["memory"]) == (None, None)
