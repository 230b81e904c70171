"""Whole runs on small data with separators that work and that misbehave."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.core.schema import TRACK_COLUMNS
from mss_bench.errors import ConfigError, DatasetError, RunError, UnknownNameError
from mss_bench.running.store import cell_path, is_finished, read_finished, read_plan


@pytest.fixture
def run(tiny, tmp_path, plugin):
    def start(separators=("noisy",), metrics=("peak", "usdr"), **options):
        defaults = {"catalogs": [str(tiny)], "out": tmp_path / "run", "plugins": [plugin], "quiet": True, "jobs": 1}
        return mss_bench.run("tiny", list(separators), list(metrics), **(defaults | options))

    return start


@pytest.fixture(scope="module")
def whole(tmp_path_factory, write_song, catalog_text):
    """The folder of a run of the data set ``tiny`` as `run` makes it."""
    folder = tmp_path_factory.mktemp("whole")
    for seed, name in ((1, "Song A"), (2, "Song B (live)")):
        write_song(folder / "tiny" / "test" / name, seed)
    (folder / "catalog.yaml").write_text(catalog_text.format(root=folder / "tiny"))
    plugin = Path(__file__).parents[1] / "data" / "plugin_faulty.py"
    return mss_bench.run(
        "tiny", ["noisy"], ["peak", "usdr"], catalogs=[str(folder / "catalog.yaml")], out=folder / "run",
        plugins=[str(plugin)], jobs=1,
    ).path  # fmt: skip


@pytest.fixture
def finished(whole, tmp_path):
    """Let the first ``run()`` of a test find everything finished: the songs of `tiny` are the same everywhere."""
    shutil.copytree(whole, tmp_path / "run")


def _bytes(results, name="tracks"):
    return (results.path / f"{name}.parquet").read_bytes()


def test_one_frame_for_the_whole_track_starts_at_its_beginning(run):
    frames = run(metrics=["bss_eval:window=inf,hop=inf"]).frames
    assert (frames.frame == 0).all()
    assert (frames.time == 0).all()
    assert np.isinf(frames.duration).all()


@pytest.mark.usefixtures("finished")
def test_a_run_scores_every_method_the_floor_included(run):
    results = run()
    tracks = results.tracks
    assert list(tracks.columns) == list(TRACK_COLUMNS)
    assert set(tracks.separator) == {"mixture", "noisy"}
    assert set(tracks.track) == {"Song A", "Song B (live)"}
    groups = tracks.groupby("group").target.unique()
    assert list(groups["4stem"]) == ["vocals", "drums", "bass", "other"]
    assert list(groups["vocals_acc"]) == ["vocals", "accompaniment"]
    assert (tracks.status == "ok").all()
    assert not len(results.failures)
    assert set(results.costs.separator) == {"mixture", "noisy"}


def test_the_floor_is_the_mixture_by_share(run, tiny):
    results = run(metrics=["peak"])
    floor = results.tracks.query("separator == 'mixture' and track == 'Song A'").set_index(["group", "target"]).value
    mixture = audio.read(tiny.parent / "tiny" / "test" / "Song A" / "mixture.wav")
    peak = np.abs(mixture).max()
    assert floor["4stem", "vocals"] == pytest.approx(peak / 4)
    assert floor["vocals_acc", "accompaniment"] == pytest.approx(3 * peak / 4)


@pytest.mark.usefixtures("finished")
def test_the_same_command_computes_nothing_and_changes_no_byte(run):
    first = run()
    before = {p: p.stat().st_mtime_ns for p in (first.path / "cells").iterdir()}
    tables = {name: _bytes(first, name) for name in ("tracks", "frames", "costs")}
    second = run()
    assert {p: p.stat().st_mtime_ns for p in (second.path / "cells").iterdir()} == before
    assert {name: _bytes(second, name) for name in tables} == tables


def test_tables_do_not_depend_on_jobs_or_folder(run, tmp_path):
    one = run(["noisy", "raises"])
    two = run(["noisy", "raises"], jobs=2, out=tmp_path / "elsewhere")
    assert _bytes(one) == _bytes(two)
    assert _bytes(one, "frames") == _bytes(two, "frames")


@pytest.mark.usefixtures("finished")
def test_a_changed_parameter_computes_its_cells_alone(run):
    first = run()
    cells = set((first.path / "cells").iterdir())
    second = run(["noisy:gain=0.2"])
    new = set((second.path / "cells").iterdir()) - cells
    assert len(new) == 2  # two tracks; the floor stayed
    assert set(second.tracks.query("separator == 'noisy'").params) == {"", "gain=0.2"}


@pytest.mark.usefixtures("finished")
def test_changed_audio_computes_its_track_alone(run, tiny, song):
    first = run()
    cells, before = set((first.path / "cells").iterdir()), first.tracks
    song(tiny.parent / "tiny" / "test" / "Song A", seed=99)
    second = run()
    assert len(set((second.path / "cells").iterdir()) - cells) == 2  # floor and noisy on Song A
    kept = before.query("track != 'Song A'").reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, second.tracks.query("track != 'Song A'").reset_index(drop=True))


def test_changed_source_computes_its_separator_alone(run, tmp_path, plugin):
    own = tmp_path / "own.py"
    text = (
        "from mss_bench import Separator\n"
        "class Own(Separator):\n"
        "    name = 'own'\n"
        "    def separate(self, mixture, sample_rate, *, targets, rng, references=None):\n"
        "        return {s: 0.25 * mixture for s in targets.stems}\n"
    )
    own.write_text(text)
    command = [
        sys.executable, "-m", "mss_bench", "run", "--dataset", "tiny", "--datasets", str(tmp_path / "catalog.yaml"),
        "-s", "own", "-m", "usdr", "--plugin", str(own), "-o", str(tmp_path / "run"), "-j", "1",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    before = mss_bench.load(tmp_path / "run").tracks
    own.write_text(text.replace("0.25", "0.125"))
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "2 cells computed" in done.stdout
    after = mss_bench.load(tmp_path / "run").tracks
    changed = before.value.to_numpy() != after.value.to_numpy()
    assert set(after.separator[changed]) == {"own"}


def test_a_new_metric_does_not_separate_saved_estimates_again(run):
    first = run(metrics=["usdr"], save_estimates=True)
    files = sorted((first.path / "estimates").rglob("*.wav"))
    assert len(files) == 2 * 2 * 4
    before = {f: f.stat().st_mtime_ns for f in files}
    seconds, scores = first.costs.separate_seconds, first.tracks
    second = run(metrics=["usdr", "peak"], save_estimates=True)
    assert {f: f.stat().st_mtime_ns for f in files} == before
    pd.testing.assert_series_equal(seconds, second.costs.separate_seconds)
    assert set(second.tracks.metric) == {"uSDR", "Peak"}
    old = second.tracks.query("metric == 'uSDR'").reset_index(drop=True)
    pd.testing.assert_frame_equal(old, scores)


def test_harmed_saved_estimates_are_made_again(run):
    first = run(metrics=["usdr"], save_estimates=True)
    file = next((first.path / "estimates" / "noisy").rglob("drums.wav"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    run(metrics=["usdr", "peak"], save_estimates=True)
    assert file.read_bytes() == whole


def test_estimates_kept_are_what_was_scored(run):
    results = run(metrics=["peak"], save_estimates=True)
    row = results.tracks.query("separator == 'noisy' and track == 'Song A' and target == 'bass'").iloc[0]
    estimate = audio.read(results.path / "estimates" / "noisy" / "test" / "Song A" / "bass.wav")
    assert np.abs(estimate).max() == row.value


FAILURES = {
    "raises": ("error", "ValueError: boom"),
    "wrong_length": ("invalid_output", "vocals: 17000 samples, expected 12000"),
    "wrong_target": ("invalid_output", "returned the target 'vox', expected some of vocals, drums"),
    "dies": ("crashed", "the worker process ended with exit status 3"),
    "hangs": ("timeout", "took longer than 8 s and was killed"),
    "needs_absent": ("not_installed", "No module named 'a_package_that_does_not_exist'"),
    "other_targets": ("skipped", "delivers piano/rest, none of which is a target of tiny"),
}


def test_a_cell_that_fails_fails_alone_with_its_status(run):
    results = run([*FAILURES, "noisy"], ["usdr"], max_tracks=1, timeout=8)
    failures = results.failures.set_index("separator")
    assert dict(failures.status) == {spec: status for spec, (status, _) in FAILURES.items()}
    for spec, (status, reason) in FAILURES.items():
        assert reason in failures.reason[spec]
        rows = results.tracks.query("separator == @spec")
        expected = 0 if status == "skipped" else 6  # every target that it would have had
        assert len(rows) == expected
        assert rows.value.isna().all()
        assert (rows.status == status).all()
    assert (results.tracks.query("separator == 'noisy'").status == "ok").all()


def test_nan_in_one_target_spoils_that_target_alone(run):
    results = run(["returns_nan"], ["usdr"], max_tracks=1)
    rows = results.tracks.query("separator == 'returns_nan'").set_index(["group", "target"])
    for key, row in rows.iterrows():
        bad = key[1] in ("drums", "accompaniment")  # which is the sum of drums and others
        assert row.status == ("invalid_output" if bad else "ok"), key
        assert ("nan at channel 1, sample 7" in row.reason) == bad
    assert set(results.failures.status) == {"invalid_output"}


def test_a_metric_that_fails_costs_its_columns_alone(run):
    results = run(metrics=["broken_metric", "usdr"])
    assert (results.tracks.query("metric == 'uSDR'").status == "ok").all()
    broken = results.tracks.query("metric == 'Broken'")
    assert (broken.status == "error").all()
    assert "metric broke" in broken.reason.iloc[0]
    assert set(results.failures.metric) == {"broken_metric"}


def test_failures_are_tried_again(run, tmp_path, plugin):
    flaky = tmp_path / "flaky.py"
    flaky.write_text(
        "import pathlib\nfrom mss_bench import Separator\n"
        "class Flaky(Separator):\n    name = 'flaky'\n"
        "    def separate(self, mixture, sample_rate, *, targets, rng, references=None):\n"
        f"        if not pathlib.Path({str(tmp_path / 'fixed')!r}).exists(): raise ValueError('not yet')\n"
        "        return {s: mixture for s in targets.stems}\n"
    )
    options = {"plugins": [plugin, str(flaky)], "metrics": ["usdr"]}
    assert len(run(["flaky"], **options).failures) == 2
    (tmp_path / "fixed").touch()
    assert not len(run(["flaky"], **options).failures)


@pytest.mark.parametrize("extra", [7, -7])
def test_a_slightly_different_length_is_mended_and_flagged(run, extra):
    results = run([f"wrong_length:extra={extra}"], ["usdr"])
    rows = results.tracks.query("separator == 'wrong_length'")
    assert (rows.status == "ok").all()
    assert set(rows["flags"]) == {f"length:{extra:+d}"}
    assert set(results.tracks.query("separator == 'mixture'")["flags"]) == {""}


@pytest.mark.usefixtures("finished")
def test_a_damaged_cell_file_is_computed_again(run):
    first = run()
    before = _bytes(first)
    victim = sorted((first.path / "cells").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:100])
    assert _bytes(run()) == before
    content, times = bytearray(victim.read_bytes()), victim.stat()
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    os.utime(victim, ns=(times.st_atime_ns, times.st_mtime_ns))  # of the same size and time
    assert _bytes(run()) == before
    assert victim.read_bytes() != content


def test_finished_cells_are_known_by_every_bit_of_their_content(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    run, plan = tmp_path / "run", read_plan(whole)["cells"]
    finished = read_finished(run)
    assert {*finished} == {cell["estimate_key"] for cell in plan}
    for cell in plan:
        key, scores = cell["estimate_key"], [score["key"] for score in cell["scores"]]
        assert is_finished(run, key, scores, finished)
        assert is_finished(run, key, scores[:1], finished)
        assert not is_finished(run, key, [*scores, "another"], finished)
        assert not is_finished(run, key, scores, {})
        content = bytearray(cell_path(run, key).read_bytes())
        for at in (0, len(content) // 2, len(content) - 1):
            content[at] ^= 1
            cell_path(run, key).write_bytes(content)
            assert not is_finished(run, key, scores, finished)
            content[at] ^= 1
        cell_path(run, key).unlink()
        assert not is_finished(run, key, scores, finished)
    text = (run / "finished.json").read_text()
    (run / "finished.json").write_text(text.replace(plan[0]["estimate_key"], plan[1]["estimate_key"]))
    assert read_finished(run) == {}, "it was changed"
    (run / "finished.json").unlink()
    assert read_finished(run) == {}


@pytest.mark.usefixtures("finished")
def test_tables_can_be_rebuilt(run):
    results = run()
    before = _bytes(results), _bytes(results, "frames")
    for name in ("tracks", "frames", "costs", "failures"):
        (results.path / f"{name}.parquet").unlink()
    assert main(["results", "rebuild", str(results.path)]) == 0
    assert (_bytes(results), _bytes(results, "frames")) == before


def test_a_faulty_file_costs_its_track_alone(run, tiny):
    folder = tiny.parent / "tiny" / "test"
    (folder / "Song A" / "drums.wav").unlink()
    shutil.copytree(folder / "Song B (live)", folder / "Song D")
    (folder / "Song D" / "bass.wav").write_bytes((folder / "Song D" / "bass.wav").read_bytes()[:5000])
    results = run()
    reasons = results.failures.drop_duplicates("track").set_index("track").reason
    assert set(reasons.index) == {"Song D"}
    assert "bass.wav is truncated" in reasons["Song D"]
    without = results.tracks.query("track == 'Song A' and target == 'drums'")
    assert without.value.isna().all()
    assert without.reason.str.contains("the song has no drums").all()
    assert (results.tracks.query("track == 'Song B (live)'").status == "ok").all()


@pytest.mark.usefixtures("finished")
def test_output_of_a_plugin_goes_to_the_log(run, capfd):
    results = run(quiet=False)
    out, _ = capfd.readouterr()
    assert "chatter" not in out
    assert "chatter" in (results.path / "logs" / "worker-0.log").read_text()


def test_names_that_do_not_exist_get_a_hint(run, tiny):
    with pytest.raises(UnknownNameError, match="unknown separator 'noisi'; did you mean 'noisy'"):
        run(["noisi"])
    with pytest.raises(UnknownNameError, match="unknown metric 'usd'; did you mean 'uSDR'"):
        run(metrics=["usd"])
    with pytest.raises(UnknownNameError, match="unknown track of tiny 'Song a'; did you mean 'Song A'"):
        run(tracks=["Song a"])
    with pytest.raises(UnknownNameError, match="unknown subset of tiny 'tset'; did you mean 'test'"):
        run(subset="tset")
    with pytest.raises(UnknownNameError, match="run has no option 'job'; did you mean 'jobs'"):
        run(job=2)
    with pytest.raises(UnknownNameError, match="unknown data set 'tini'; did you mean 'tiny'"):
        mss_bench.run("tini", catalogs=[str(tiny)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "jobs is 0, expected a whole number of at least 1"),
        ({"max_tracks": 1.5}, "max_tracks is 1.5, expected a whole number"),
        ({"duration": -1}, "duration is -1, expected a number above 0"),
        ({"seed": -1}, "seed is -1"),
        ({"separators": ["noisy:gain=0.3,as=X", "noisy:as=X"]}, "would both be called 'X'"),
        ({"separators": ["noisy:as=mixture"]}, "is the floor of every run"),
    ],
)
def test_wrong_options_say_what_was_expected(run, options, message):
    with pytest.raises(ConfigError) as error:
        run(**options)
    assert message in str(error.value)


def test_a_missing_or_empty_root_is_refused(tiny, tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere/test does not exist"):
        mss_bench.run("tiny", catalogs=[str(tiny)], root=tmp_path / "nowhere")
    (tmp_path / "empty" / "test").mkdir(parents=True)
    with pytest.raises(DatasetError, match="has no tracks in"):
        mss_bench.run("tiny", catalogs=[str(tiny)], root=tmp_path / "empty")


def test_an_alias_names_the_method(run):
    results = run(["noisy:gain=0.3,as=Noise 0.3"])
    rows = results.tracks.query("separator == 'Noise 0.3'")
    assert len(rows) > 0
    assert set(rows.params) == {""}


@pytest.mark.usefixtures("finished")
def test_two_runs_in_one_folder_exclude_each_other(run, tmp_path):
    from mss_bench.running.lock import locked

    with (
        locked(tmp_path / "run"),
        pytest.raises(RunError, match=rf"another process \(pid {os.getpid()} on .*\) is running"),
    ):
        run()
    run()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="is not a run folder"):
        mss_bench.load(tmp_path)


@pytest.mark.usefixtures("finished")
def test_provenance_is_kept(run):
    results = run()
    content = json.loads((results.path / "run.json").read_text())
    assert content["packages"]["numpy"] == np.__version__
    assert content["options"]["metrics"] == ["peak", "usdr"]
    assert content["dataset"]["fingerprint"]
    assert {q["name"] for q in content["quantities"]} == {"Peak", "uSDR"}
    assert [s["label"] for s in content["separators"]] == ["mixture", "noisy"]


def test_an_interrupt_keeps_what_is_finished(tiny, tmp_path, plugin):
    command = [
        sys.executable, "-m", "mss_bench", "run", "--dataset", "tiny", "--datasets", str(tiny), "-s", "noisy", "-s",
        "hangs", "-m", "usdr", "--plugin", plugin, "-o", str(tmp_path / "run"), "-j", "1",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while len(list((tmp_path / "run" / "cells").glob("*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "interrupted; what was finished is kept" in err
    assert "Traceback" not in err
    results = mss_bench.load(tmp_path / "run")
    assert set(results.tracks.query("status == 'ok'").separator) == {"mixture", "noisy"}
    assert not len(results.failures)  # what an interrupt cut off did not fail


def test_moving_a_folder_of_estimates_changes_no_key_and_renaming_a_stem_does(run, tiny, tmp_path):
    for name in ("Song A", "Song B (live)"):
        shutil.copytree(tiny.parent / "tiny" / "test" / name, tmp_path / "one" / name)
        (tmp_path / "one" / name / "mixture.wav").unlink()
    first = run([f"estimates:dir={tmp_path / 'one'},as=Mine"], ["usdr"])
    scores, cells = first.tracks, set((first.path / "cells").iterdir())
    (tmp_path / "one").rename(tmp_path / "two")
    second = run([f"estimates:dir={tmp_path / 'two'},as=Mine"], ["usdr"])
    assert set((second.path / "cells").iterdir()) == cells
    pd.testing.assert_frame_equal(second.tracks, scores)
    song = tmp_path / "two" / "Song A"
    (song / "bass.wav").rename(song / "x.wav")
    (song / "drums.wav").rename(song / "bass.wav")
    (song / "x.wav").rename(song / "drums.wav")
    third = run([f"estimates:dir={tmp_path / 'two'},as=Mine"], ["usdr"])
    swapped = third.tracks.query("separator == 'Mine' and track == 'Song A' and target == 'bass'").value.iloc[0]
    assert swapped < 1 < 60 < scores.query("separator == 'Mine' and target == 'bass'").value.min()
