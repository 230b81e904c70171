"""What is asked of a run afterwards: how far it is, whether its numbers still come out, several runs as one."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.core.files import json_text
from mss_bench.errors import RunError
from mss_bench.running.lock import finalising
from mss_bench.running.merge import merge
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare
from mss_bench.running.status import run_status
from mss_bench.running.store import read_cell, write_cell
from mss_bench.running.tables import read_table
from mss_bench.running.verify_museval import verify_with_museval


@pytest.fixture
def cli(capsys):
    """Call the command in this process, which saves the start of another."""

    def call(*words):
        capsys.readouterr()
        status = main([str(word) for word in words])
        return subprocess.CompletedProcess(words, status, *capsys.readouterr())

    return call


@pytest.fixture
def options(tiny, tmp_path, plugin):
    return {
        "catalogs": (str(tiny),), "out": tmp_path / "run", "plugins": (plugin,), "quiet": True, "jobs": 1,
        "metrics": ["usdr"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, write_song, catalog_text):
    """Return a finished run of some methods, which no test changes; each is computed once."""
    folder, made = tmp_path_factory.mktemp("finished"), {}
    for i, name in enumerate(("Song A", "Song B (live)")):
        write_song(folder / "tiny" / "test" / name, i)
    (folder / "catalog.yaml").write_text(catalog_text.format(root=folder / "tiny"))
    plugin = Path(__file__).parents[1] / "data" / "plugin_faulty.py"

    def run(*separators):
        if separators not in made:
            made[separators] = mss_bench.run(
                "tiny", list(separators), ["usdr"], catalogs=[str(folder / "catalog.yaml")], plugins=[str(plugin)],
                out=folder / "-".join(separators), jobs=1, quiet=True,
            )  # fmt: skip
        return made[separators]

    return run


@pytest.fixture
def copied(finished, tmp_path):
    """Return a copy of a finished run, for tests that change it."""
    return lambda *separators: mss_bench.load(shutil.copytree(finished(*separators).path, tmp_path / separators[0]))


def test_status_counts_done_failed_skipped_and_missing(cli, options, tmp_path):
    results = mss_bench.run("tiny", ["noisy", "raises", "other_targets"], **options)
    status = run_status(results.path)
    assert (status.counts.planned, status.counts.done, status.counts.skipped) == (8, 4, 2)
    (failure, tracks), *others = status.failures.items()
    assert (failure.status, failure.method, failure.reason) == ("error", "raises", "ValueError: boom")
    assert tracks == ["Song A", "Song B (live)"]
    assert not others
    assert not status.missing
    noisy = results.tracks.query("separator == 'noisy'").estimate_key.iloc[0]
    (results.path / "cells" / f"{noisy}.npz").unlink()
    done = cli("status", results.path)
    assert done.returncode == 1
    assert "8 cells planned: 3 done, 2 failed, 2 skipped, 1 missing" in done.stdout
    assert "2×  error  raises  ValueError: boom" in done.stdout
    assert "of work left on one worker" in done.stdout


def test_a_run_without_any_result_has_no_tables_to_make(cli, copied):
    results = copied("noisy")
    for path in [*(results.path / "cells").iterdir(), *results.path.glob("*.parquet"), results.path / "run.json"]:
        path.unlink()
    done = cli("status", results.path)
    assert (done.returncode, "4 missing" in done.stdout, "rebuild" in done.stdout) == (1, True, False)


def test_status_of_a_whole_run_is_0(cli, finished):
    results = finished("noisy")
    assert cli("status", results.path).returncode == 0
    assert cli("status", results.path / "cells").returncode == 2


def test_verify_recomputes_and_agrees(cli, finished):
    results = finished("noisy", "irm")
    done = cli("verify", results.path, "--sample", 4)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" same ") == 4


def test_verify_finds_what_changed(cli, options, tiny, song):
    results = mss_bench.run("tiny", ["noisy"], **options)
    song(tiny.parent / "tiny" / "test" / "Song A", seed=77)
    done = cli("verify", results.path, "--sample", 99)
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if "DIFFERENT" in line]
    assert len(lines) == 2
    assert all(line.startswith("Song A") and "changed since: mixture" in line for line in lines)


def test_verify_finds_an_edited_number(cli, copied):
    results = copied("noisy")
    key = results.tracks.query("separator == 'noisy'").estimate_key.iloc[0]
    cell = read_cell(results.path, key, frames=True)
    for score in cell.scores.values():
        score.rows = [replace(row, values=row.values + 0.5) for row in score.rows]
    write_cell(results.path, cell)
    done = cli("verify", results.path, "--sample", 99)
    assert done.returncode == 1
    assert "DIFFERENT  0.5" in done.stdout


def test_a_scored_folder_can_be_verified(cli, tiny, tmp_path):
    references = tiny.parent / "tiny" / "test"
    scored = cli(
        "score", references, "--references", references, "-m", "usdr", "-o", tmp_path / "scored", "--no-doctor"
    )
    assert scored.returncode == 0, scored.stderr
    done = cli("verify", tmp_path / "scored", "--sample", 2)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture(scope="module")
def scored_by_bss_eval(tmp_path_factory, write_song, catalog_text):
    """A run of `irm`, which delivers all, and of `hpss`, which delivers three stems; the bass of one song is silent."""
    folder = tmp_path_factory.mktemp("scored")
    for name, seed in (("Song A", 1), ("Song B", 2)):
        write_song(folder / "tiny" / "test" / name, seed)
    bass = folder / "tiny" / "test" / "Song B" / "bass.wav"
    audio.write(bass, 0 * audio.read(bass, 8000), 8000)
    (folder / "catalog.yaml").write_text(catalog_text.format(root=folder / "tiny"))
    return mss_bench.run(
        "tiny", ["irm", "hpss"], catalogs=(str(folder / "catalog.yaml"),), out=folder / "run", quiet=True, jobs=1,
        metrics=["bss_eval:filter_length=32"],
    ).path  # fmt: skip


def test_verify_with_museval_says_where_and_why_its_values_differ(cli, scored_by_bss_eval):
    pytest.importorskip("museval", exc_type=(ImportError, RuntimeError))
    checks = verify_with_museval(scored_by_bss_eval, mss_bench.load(scored_by_bss_eval).run["options"], 99)
    found = {(c.track, c.method, c.group): c for c in checks}
    plain = found["Song A", "irm", "4stem"]
    assert (plain.verdict, plain.notes, plain.values) == ("same", [], 16)
    assert max(plain.differences.values()) < 1e-6
    silent = found["Song B", "irm", "4stem"]
    assert (silent.verdict, silent.values) == ("same", 12)
    assert silent.notes == ["reference 'bass' is silent throughout, which museval refuses: left out"]
    assert found["Song A", "irm", "vocals_acc"].verdict == "same"
    fewer = found["Song A", "hpss", "4stem"]
    assert (fewer.verdict, fewer.values) == ("explained", 12)
    assert fewer.differences["SIR"] > 0.01 > 1e-6 > fewer.differences["ISR"]
    assert fewer.notes == [
        "SIR and SAR differ since museval projects on the delivered drums, bass, other alone, the run on the "
        "references of the whole group"
    ]


def test_verify_with_museval_ends_with_1_where_no_rule_explains_a_number(cli, scored_by_bss_eval, tmp_path):
    pytest.importorskip("museval", exc_type=(ImportError, RuntimeError))
    run = shutil.copytree(scored_by_bss_eval, tmp_path / "run")
    key = mss_bench.load(run).tracks.query("separator == 'irm' and track == 'Song A'").estimate_key.iloc[0]
    cell = read_cell(run, key, frames=True)
    for score in cell.scores.values():
        score.rows = [replace(row, values=row.values + (row.quantity == "SIR") * 0.5) for row in score.rows]
    write_cell(run, cell)
    done = cli("verify", run, "--with", "museval", "--sample", 99)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("DIFFERENT") == 2
    assert "SIR of vocals differs by 0.5 dB, and no rule explains it" in " ".join(done.stdout.split())


def test_verify_with_museval_wants_bss_eval(cli, finished):
    done = cli("verify", finished("noisy").path, "--with", "museval")
    assert done.returncode == 2
    assert "have no scores of bss_eval, which is what museval computes" in done.stderr


def test_shards_in_one_folder_are_one_run(options, tmp_path):
    n = 3
    whole = mss_bench.run("tiny", ["noisy", "irm"], **(options | {"out": tmp_path / "whole"}))
    for i in range(1, n + 1):
        prepared = prepare(
            RunOptions(
                dataset="tiny",
                separators=("noisy", "irm"),
                **{k: v for k, v in options.items() if k != "quiet"},
                shard=f"{i}/{n}",
            )
        )
        assert 0 < len(prepared.tasks()) < 6
        results = mss_bench.run("tiny", ["noisy", "irm"], **options, shard=f"{i}/{n}")
    assert (results.path / "tracks.parquet").read_bytes() == (whole.path / "tracks.parquet").read_bytes()


def test_shards_run_at_the_same_time(options, tmp_path, tiny, plugin):
    words = [
        sys.executable, "-m", "mss_bench", "run", "--datasets", str(tiny), "--dataset", "tiny", "-s", "noisy", "-m",
        "usdr", "--plugin", plugin, "-o", str(tmp_path / "run"), "-j", "1", "--shard",
    ]  # fmt: skip
    shards = [subprocess.Popen([*words, f"{i}/2"], stdout=subprocess.DEVNULL) for i in (1, 2)]
    assert [s.wait(timeout=300) for s in shards] == [0, 0]
    assert len(mss_bench.load(tmp_path / "run").costs) == 4


def test_a_reader_waits_for_the_shard_that_writes_the_tables(finished, tmp_path):
    run = shutil.copytree(finished("noisy").path, tmp_path / "run")
    table = run / "tracks.parquet"
    content = table.read_bytes()
    with finalising(run):
        table.write_bytes(content + b"half of the next one")
        reader = ThreadPoolExecutor(1).submit(read_table, run, "tracks")
        with pytest.raises(TimeoutError):
            reader.result(timeout=0.5)
        table.write_bytes(content)
    assert len(reader.result(timeout=60))


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_shard_that_is_none_is_refused(options, shard):
    with pytest.raises(mss_bench.MssBenchError, match="expected i/N with i from 1 to N"):
        mss_bench.run("tiny", ["noisy"], **options, shard=shard)


def test_folders_apart_are_merged(cli, finished, tmp_path):
    one, two, both = finished("noisy"), finished("irm"), finished("noisy", "irm")
    done = cli("results", "merge", one.path, two.path, "-o", tmp_path / "merged")
    assert done.returncode == 0, done.stderr
    merged = mss_bench.load(tmp_path / "merged")
    keys = ["track", "separator", "group", "target", "metric"]
    expected = both.tracks.sort_values(keys).reset_index(drop=True)
    pd.testing.assert_frame_equal(merged.tracks.sort_values(keys).reset_index(drop=True), expected)
    assert json.loads((merged.path / "run.json").read_text())["merged"] == [str(one.path), str(two.path)]


def test_runs_of_other_conditions_or_data_are_not_merged(cli, options, tmp_path, tiny, plugin, song):
    one = mss_bench.run("tiny", ["noisy"], **(options | {"out": tmp_path / "one"}))
    tiny.write_text(tiny.read_text() + tiny.read_text().replace("tiny:\n", "other:\n", 1))
    for dataset, more, said in [
        ("tiny", {"seed": 1}, "another run: --seed is 1 in"),
        ("tiny", {"duration": 1.0}, "another run: --duration is 1.0 in"),
        ("tiny", {"subset": "train"}, "another run: --subset is train in"),
        ("other", {}, "another data: --dataset is other in"),
    ]:
        two = mss_bench.run(dataset, ["irm"], **(options | more | {"out": tmp_path / said[-15:]}))
        done = cli("results", "merge", one.path, two.path, "-o", tmp_path / "merged")
        assert done.returncode == 2
        assert said in done.stderr
        assert not (tmp_path / "merged").exists()
    # Folders of the same data whose audio was changed between the two.
    song(tiny.parent / "tiny" / "test" / "Song A", seed=77)
    two = mss_bench.run("tiny", ["irm"], **(options | {"out": tmp_path / "changed"}))
    done = cli("results", "merge", one.path, two.path, "-o", tmp_path / "merged")
    assert done.returncode == 2
    assert "the audio of 'Song A' differs between" in done.stderr


def test_a_damaged_cell_is_told_at_merging(cli, copied, finished, tmp_path):
    one, two = copied("noisy"), finished("irm")
    key = one.tracks.query("separator == 'noisy'").estimate_key.iloc[0]
    cell = one.path / "cells" / f"{key}.npz"
    cell.write_bytes(cell.read_bytes()[:500])
    done = cli("results", "merge", one.path, two.path, "-o", tmp_path / "merged")
    assert done.returncode == 1
    assert f"{cell} is damaged: noisy on 'Song A' is missing in {tmp_path / 'merged'}" in done.stderr
    assert "1 cells have no result or lack a score; see: mss-bench status" in done.stdout
    assert run_status(tmp_path / "merged").counts.missing == 1
    # What a folder has stays where others are merged into it.
    assert cli("results", "merge", two.path, "-o", tmp_path / "merged").returncode == 1
    assert set(mss_bench.load(tmp_path / "merged").tracks.separator) == {"mixture", "noisy", "irm"}


def test_exported_tables_carry_their_provenance(cli, finished, tmp_path):
    results = finished("noisy")
    assert cli("results", "export", results.path, "-o", tmp_path / "t.csv").returncode == 0
    assert json.loads((tmp_path / "t.csv.provenance.json").read_text())["packages"]


def test_status_misses_scores_that_were_not_computed_yet(options):
    results = mss_bench.run("tiny", ["noisy"], **options)
    more = {k: v for k, v in options.items() if k != "quiet"} | {"metrics": ["usdr", "peak"]}
    prepared = prepare(RunOptions(dataset="tiny", separators=("noisy",), **more))
    (results.path / "plan.json").write_text(json_text({"cells": [c.describe() for c in prepared.plan.cells]}))
    status = run_status(results.path)
    assert status.counts.done == 0
    assert status.missing == {"mixture / peak": 2, "noisy / peak": 2}


def test_merging_unites_the_scores_of_the_same_cells(options, tmp_path):
    one = mss_bench.run("tiny", ["irm"], **(options | {"out": tmp_path / "one", "metrics": ["usdr"]}))
    two = mss_bench.run(
        "tiny", ["irm"], **(options | {"out": tmp_path / "two", "metrics": ["bss_eval:window=0.5,hop=0.5"]})
    )
    both = mss_bench.run(
        "tiny", ["irm"], **(options | {"out": tmp_path / "both", "metrics": ["usdr", "bss_eval:window=0.5,hop=0.5"]})
    )
    assert merge([one.path, two.path], tmp_path / "merged") == []
    merged = mss_bench.load(tmp_path / "merged")
    for table in ("tracks", "frames"):
        keys = [c for c in getattr(both, table).columns if c not in ("value", "time", "duration")]
        first, second = (getattr(r, table).sort_values(keys).reset_index(drop=True) for r in (both, merged))
        pd.testing.assert_frame_equal(first, second)
    assert {q["name"] for q in merged.run["quantities"]} == {q["name"] for q in both.run["quantities"]}


def test_a_run_without_its_description_is_not_merged(copied, tmp_path):
    one = copied("irm")
    (one.path / "run.json").unlink()
    with pytest.raises(RunError, match=r"has no run\.json"):
        merge([one.path], tmp_path / "merged")
