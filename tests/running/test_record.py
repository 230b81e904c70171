"""A run folder is a growing record: what later commands keep, replace and refuse."""

import json
import threading

import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.errors import RunError
from mss_bench.running.lock import finalising
from mss_bench.running.options import RunOptions
from mss_bench.running.record import extend, read_record, write_record
from mss_bench.running.start import prepare
from mss_bench.running.status import run_status

SEPARATOR = """
from mss_bench import Separator

class Own(Separator):
    name = "own"
    deterministic = {deterministic}
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        return {{s: {gain} * mixture for s in targets.stems}}
"""

METRIC = """
import numpy as np
from mss_bench import Metric, Quantity, Score

class Loudest(Metric):
    name = "loudest"
    quantities = (Quantity("Loudest", "", False, "largest magnitude"),)
    def prepare(self, track, group):
        return None
    def score(self, state, estimates):
        return [Score(t, "Loudest", np.array([{factor} * np.abs(e).max()])) for t, e in estimates.items()]
"""


@pytest.fixture
def own(tmp_path):
    """Write the plugins of the separator ``own`` and the metric ``loudest``; return the words that name them."""

    def write(gain=0.25, factor=1.0, deterministic=True):
        files = tmp_path / "separator.py", tmp_path / "metric.py"
        files[0].write_text(SEPARATOR.format(gain=gain, deterministic=deterministic))
        files[1].write_text(METRIC.format(factor=factor))
        return [word for file in files for word in ("--plugin", str(file))]

    return write


@pytest.fixture
def words(tiny, tmp_path, plugin):
    """Words of a command in the folder ``run``."""

    def make(separators, metrics="usdr", *more, out="run"):
        return [
            "run", "--catalog", str(tiny), "--dataset", "tiny", "-s", separators, "-m", metrics, "--plugin", plugin,
            "-o", str(tmp_path / out), "-j", "1", "-q", *map(str, more),
        ]  # fmt: skip

    return make


def table(run, name="tracks"):
    return (run / f"{name}.parquet").read_bytes()


def methods(run):
    return set(mss_bench.load(run).tracks.separator)


def test_commands_one_after_the_other_leave_the_tables_of_one(words, tmp_path):
    run = tmp_path / "run"
    assert main(words("noisy", "usdr", "--tracks", "Song B (live)")) == 0
    assert main(words("irm", "si_sdr")) == 0
    results = mss_bench.load(run)
    assert methods(run) == {"mixture", "noisy", "irm"}
    noisy = results.aggregate().query("separator == 'noisy' and metric == 'uSDR' and target == 'vocals'").iloc[0]
    assert noisy.n_own == 1
    assert main(words("noisy,irm", "usdr,si_sdr")) == 0
    assert main(words("noisy,irm", "usdr,si_sdr", out="whole")) == 0
    for name in ("tracks", "frames", "failures"):
        assert table(run, name) == table(tmp_path / "whole", name), name
    infos = [json.loads((folder / "run.json").read_text()) for folder in (run, tmp_path / "whole")]
    for part in ("quantities", "separators", "dataset"):
        assert infos[0][part] == infos[1][part], part
    assert len(infos[0]["commands"]) == 1  # all of pytest's
    assert main(words("irm", "usdr", "--max-tracks", 1)) == 0  # less than is there takes nothing away
    assert table(run) == table(tmp_path / "whole")
    assert main(["status", str(run)]) == 0


def test_another_run_is_refused_with_the_option(words, tmp_path, tiny, capsys):
    run = tmp_path / "run"
    assert main(words("noisy")) == 0
    before = {file: file.read_bytes() for file in run.glob("*.*")}
    for more, said in [
        (["--seed", "1"], "--seed is 1 here, 0 there"),
        (["--duration", "1"], "--duration is 1.0 here, not given there"),
        (["--subset", "train"], "--subset is train here, test there"),
        (["--subset", "all", "--seed", "2"], "--subset is train,test here, test there; --seed is 2 here, 0 there"),
    ]:
        for dry in ([], ["--dry-run"]):
            capsys.readouterr()
            assert main(words("irm", "usdr", *more, *dry)) == 2
            error = capsys.readouterr().err
            assert f"{run} is of another run: {said}; numbers of both make no one table: choose another" in error
    tiny.write_text(tiny.read_text() + tiny.read_text().replace("tiny:\n", "other:\n", 1))
    assert main([*words("irm"), "--dataset", "other"]) == 2
    assert "is of another data: --dataset is other here, tiny there" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in run.glob("*.*")} == before
    assert main(words("noisy", "usdr", "--subset", "test")) == 0  # the default by its name


def test_a_mistyped_command_without_a_result_binds_nobody(words, tmp_path, capsys):
    assert main(words("raises", "usdr", "--seed", "1", "--shard", "1/1")) == 1
    for cell in (tmp_path / "run" / "cells").iterdir():
        cell.unlink()
    assert main(words("noisy")) == 0
    assert methods(tmp_path / "run") == {"mixture", "noisy"}


def test_the_exit_status_is_of_the_command_and_status_of_the_folder(words, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(words("raises", "usdr,broken_metric")) == 1
    assert "4 of 4 cells failed; see: mss-bench status" in capsys.readouterr().err
    assert main(words("noisy")) == 0
    assert main(["status", str(run)]) == 1
    assert run_status(run).counts.failed == 4
    assert main(["results", "remove", str(run), "-s", "raises"]) == 0
    assert run_status(run).counts.failed == 2  # the broken metric on the floor
    assert methods(run) == {"mixture", "noisy"}


def test_methods_are_removed_by_name(words, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(words("noisy,noisy:gain=0.3,irm", "usdr", "--save-estimates")) == 0
    whole, cells = table(run), set((run / "cells").iterdir())
    assert main(["results", "remove", str(run), "-s", "noisy:gain=0.3"]) == 0
    assert "removed noisy:gain=0.3" in capsys.readouterr().out
    assert set(mss_bench.load(run).tracks.params) == {""}
    assert set((run / "cells").iterdir()) == cells
    assert main(["status", str(run)]) == 0
    assert main(words("noisy,noisy:gain=0.3,irm", "usdr", "--save-estimates")) == 0
    assert table(run) == whole
    assert {c: c.stat() for c in (run / "cells").iterdir()} == {c: c.stat() for c in cells}  # from the cache
    assert main(["results", "remove", str(run), "-s", "noisy", "--delete"]) == 0  # all its variants
    assert methods(run) == {"mixture", "irm"}
    assert len(list((run / "cells").iterdir())) == 4
    assert {folder.name for folder in (run / "estimates").iterdir()} == {"mixture", "irm"}
    info = json.loads((run / "run.json").read_text())
    assert [entry["label"] for entry in info["separators"]] == ["mixture", "irm"]
    assert info["options"]["separators"] == ["irm"]
    capsys.readouterr()
    for name, said in [
        ("nosy", "unknown separator 'nosy'"),
        ("mixture", "mixture is the floor that the other methods"),
        ("mixture,irm", "nothing would be left"),
    ]:
        assert main(["results", "remove", str(run), "-s", name]) == 2
        assert said in capsys.readouterr().err
    assert methods(run) == {"mixture", "irm"}


def test_numbers_that_cannot_be_compared_are_refused(words, own, tmp_path, tiny, song, capsys):
    more = own()
    run = tmp_path / "run"
    assert main(words("own,noisy", "loudest", *more)) == 0
    before = table(run)

    def refused(separators, *further):
        capsys.readouterr()
        assert main(words(separators, "loudest", *more, *further)) == 2
        assert table(run) == before
        return capsys.readouterr().err

    own(gain=0.5)
    error = refused("own", "--max-tracks", "1")
    assert f"the code of own (or its parameters or files) has changed since own was run in {run}" in error
    assert f"remove own with 'mss-bench results remove {run} -s NAME'" in error
    own(factor=2.0)
    assert "the metric loudest (default; its version, code or targets) has changed since noisy was" in refused("own")
    own()
    song(tiny.parent / "tiny" / "test" / "Song A", seed=99)
    assert "the audio of 'Song A' has changed since noisy was run in" in refused("own")
    assert main(words("own,noisy", "loudest", *more)) == 0  # all of them again is well
    assert table(run) != before


def test_a_name_stays_with_its_separator(words, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(words("noisy,mixture_unscaled")) == 0
    before = table(run)
    for more in ([], ["--tracks", "Song A"], ["--dry-run"], ["earlier version"]):
        if more == ["earlier version"]:  # whose record does not name the separators; its cells do
            plan, more = json.loads((run / "plan.json").read_text()), []
            for cell in plan["cells"]:
                del cell["about"]
            write_record(run, plan["cells"], plan["run"])
        capsys.readouterr()
        assert main(words("noisy:as=mixture_unscaled", "usdr", *more)) == 2
        error = capsys.readouterr().err
        assert f"'mixture_unscaled' is the separator noisy here, and mixture_unscaled in {run}; one name in" in error
        assert "(noisy:as=OTHER), or remove the other with 'mss-bench results remove" in error
    assert table(run) == before
    assert main(words("noisy:as=mixture_unscaled", out="other")) == 0
    capsys.readouterr()
    assert main(["results", "merge", str(run), str(tmp_path / "other"), "-o", str(tmp_path / "merged")]) == 2
    assert f"is the separator noisy in {tmp_path / 'other'}, and mixture_unscaled in {run};" in capsys.readouterr().err
    assert main(["results", "remove", str(run), "-s", "mixture_unscaled"]) == 0
    assert main(words("noisy:as=mixture_unscaled")) == 0


def test_scores_of_earlier_estimates_leave_the_tables_with_a_word(words, own, tmp_path, capsys):
    more = own(deterministic=False)
    assert main(words("own", "usdr", *more)) == 0
    capsys.readouterr()
    assert main(words("own", "peak", *more)) == 0  # drawn anew
    assert "note: own: scores of usdr were of earlier estimates or references" in capsys.readouterr().err
    tracks = mss_bench.load(tmp_path / "run").tracks
    assert set(tracks.query("separator == 'own'").metric) == {"Peak"}
    assert set(tracks.query("separator == 'mixture'").metric) == {"Peak", "uSDR"}
    assert main(["status", str(tmp_path / "run")]) == 0


def test_folders_of_earlier_versions_are_read_and_extended(words, own, tmp_path, capsys):
    run = tmp_path / "run"
    more = own()
    assert main(words("noisy:gain=0.3", "loudest,usdr", *more)) == 0
    plan, info = (json.loads((run / name).read_text()) for name in ("plan.json", "run.json"))
    del plan["run"], info["commands"]
    for cell in plan["cells"]:
        del cell["about"]
        for score in cell["scores"]:
            del score["definition"]
    for entry in info["separators"]:
        del entry["spec"]
    (run / "plan.json").write_text(json.dumps(plan))
    (run / "run.json").write_text(json.dumps(info))
    assert main(["status", str(run)]) == 1 - 1
    assert main(words("irm", "usdr", "--seed", "1")) == 2
    assert "--seed is 1 here, 0 there" in capsys.readouterr().err
    own(factor=2.0)
    assert main(words("irm", "loudest", *more)) == 2
    assert "the metric loudest (default; its version, code or targets) has changed" in capsys.readouterr().err
    own()
    assert main(words("irm", "usdr")) == 0
    assert methods(run) == {"mixture", "noisy", "irm"}
    assert main(["verify", str(run), "--sample", "99"]) == 0
    assert capsys.readouterr().out.count(" same ") == 6


def test_commands_at_once_lose_nothing(tiny, tmp_path, plugin):
    run = tmp_path / "run"
    (run / "cells").mkdir(parents=True)
    options = {"catalogs": (tiny,), "plugins": (plugin,), "metrics": ("usdr",), "out": run}
    plans = [
        prepare(RunOptions(dataset="tiny", separators=(f"noisy:gain=0.{i},as=N{i}",), **options)) for i in range(1, 7)
    ]
    for planned in plans[0].plan.cells:  # so that the folder has a result
        (run / "cells" / f"{planned.estimate_key}.npz").touch()

    def add(prepared):
        with finalising(run):
            extend(run, prepared.plan.cells, prepared.conditions)

    threads = [threading.Thread(target=add, args=(prepared,)) for prepared in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {cell["separator"] for cell in read_record(run)} == {"mixture", *(f"N{i}" for i in range(1, 7))}
    assert len(read_record(run)) == 14


def test_a_record_that_is_damaged_is_made_anew_and_what_is_lost_is_told(words, tmp_path, capsys):
    run, contents = tmp_path / "run", (None, b"[]", b'{"cells": [{"estimate_key": 5}]}')
    assert main(words("noisy", "usdr", "--max-tracks", 1)) == 0
    before = table(run)

    def damage(content):
        (run / "plan.json").unlink() if content is None else (run / "plan.json").write_bytes(content)
        capsys.readouterr()

    for content in contents:
        damage(content)
        assert main(words("noisy", "usdr", "--max-tracks", 1)) == 0  # the same command, all that was there
        assert table(run) == before
    assert main(words("irm", "usdr", "--max-tracks", 1)) == 0
    whole = table(run)
    for content in contents:
        damage(content)
        assert main(words("irm", "usdr", "--max-tracks", 1)) == 1
        assert ": noisy is no longer in the tables; run it again, nothing is computed twice" in capsys.readouterr().err
        assert methods(run) == {"mixture", "irm"}
        assert main(words("noisy,irm", "usdr", "--max-tracks", 1)) == 0
        assert table(run) == whole


def test_a_folder_without_a_record_is_new(tmp_path):
    assert read_record(tmp_path) == []
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(RunError, match="cannot be read"):
        read_record(tmp_path)
