"""A cache must never return another computation's numbers, and must not compute what it has."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.errors import ConfigError
from mss_bench.metrics import Score
from mss_bench.running.store import cell_path, read_cell, write_cell

METRIC = """
import numpy as np
from mss_bench import Metric, Quantity, Score
class Mine(Metric):
    name = "mine"
    quantities = (Quantity("Mine", "", True, "a constant"),)
    def prepare(self, track, group):
        return None
    def score(self, state, estimates):
        return [Score(t, "Mine", np.array([{value}])) for t in estimates]
"""

SEPARATOR = """
from mss_bench import Separator
class Own(Separator):
    name = "own"
    def separate(self, mixture, sample_rate, *, targets, rng, references=None):
        return {{s: {gain} * mixture for s in targets.stems}}
"""


@pytest.fixture
def run(tiny, tmp_path, plugin):
    def start(separators=("noisy",), metrics=("usdr",), **options):
        defaults = {"catalogs": [str(tiny)], "out": tmp_path / "run", "plugins": [plugin], "quiet": True, "jobs": 1}
        return mss_bench.run("tiny", list(separators), list(metrics), **(defaults | options))

    return start


def test_a_changed_metric_is_computed_again(run, tmp_path):
    file = tmp_path / "metric.py"
    for value in (1.0, 2.0):
        file.write_text(METRIC.format(value=value))
        results = run(["mixture"], ["mine"], plugins=[str(file)])
        assert set(results.tracks.value) == {value}


def test_a_plugin_changed_within_one_process_is_used_and_keyed_anew(run, tmp_path):
    file = tmp_path / "own.py"
    peaks = []
    for gain in (0.5, 0.25):
        file.write_text(SEPARATOR.format(gain=gain))
        results = run(["own"], ["peak"], plugins=[str(file), *_faulty()])
        peaks.append(results.tracks.query("separator == 'own'").value.iloc[0])
    assert peaks[1] == pytest.approx(peaks[0] / 2)


def _faulty():
    return [str(Path(__file__).parents[1] / "data" / "plugin_faulty.py")]


def test_a_plugin_named_like_a_module_of_the_package_is_hashed_too(run, tmp_path):
    file = tmp_path / "base.py"
    keys = []
    for gain in (0.5, 0.25):
        file.write_text(SEPARATOR.format(gain=gain))
        results = run(["own"], ["usdr"], plugins=[str(file)])
        keys.append(results.tracks.query("separator == 'own'").estimate_key.iloc[0])
    assert keys[0] != keys[1]


def test_workers_are_told_the_code_that_the_run_has_read(run, tmp_path):
    """Also that of metrics, which the process of a separator has no use for."""
    file = tmp_path / "own.py"
    text = "from mss_bench.running.keys import known_code\n" + SEPARATOR.format(gain="int('energy.py' in told())")
    file.write_text(text + "def told():\n    return {path.name for path, _ in known_code}\n")
    results = run(["own"], ["usdr", "peak"], plugins=[str(file), *_faulty()], max_tracks=1)
    assert results.tracks.query("separator == 'own' and metric == 'Peak'").value.min() > 0


def test_two_plugins_of_one_file_name_do_not_clash(run, tmp_path):
    for name, gain in (("zz_p", 0.5), ("zz/p", 0.25)):
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(SEPARATOR.format(gain=gain).replace("own", name.replace("/", "-")))
    run(["zz_p", "zz-p"], ["usdr"], plugins=[str(tmp_path / "zz_p.py"), str(tmp_path / "zz" / "p.py")])


def test_a_path_parameter_needs_files(run, tmp_path):
    file = tmp_path / "own.py"
    text = SEPARATOR.format(gain=1).replace('name = "own"', 'name = "own"\n    path_parameters = ("w",)')
    file.write_text(
        text.replace("    def separate", '    def __init__(self, w: str = ""):\n        pass\n    def separate')
    )
    with pytest.raises(ConfigError, match=r"path parameters w but no files\(\)"):
        run(["own"], plugins=[str(file)])


def test_parameters_that_are_no_plain_data_are_refused(run, tmp_path):
    file = tmp_path / "own.py"
    text = SEPARATOR.format(gain=1)
    file.write_text(text.replace("    def separate", "    def __init__(self, w=None):\n        pass\n    def separate"))
    with pytest.raises(ConfigError, match="cannot be part of a key"):
        run([{"name": "own", "w": np.arange(5000.0)}], plugins=[str(file)])


def test_a_plugin_that_exits_is_an_error(run, tmp_path):
    file = tmp_path / "exits.py"
    file.write_text("import sys; sys.exit(0)")
    with pytest.raises(ConfigError, match=r"exits\.py cannot be imported: SystemExit"):
        run(plugins=[str(file)])


def test_an_oracle_cannot_change_the_references(run, tmp_path):
    file = tmp_path / "own.py"
    text = SEPARATOR.format(gain=1).replace('name = "own"', 'name = "own"\n    needs_references = True')
    file.write_text(text.replace("return {", "references['drums'][:] = 0; return {"))
    results = run(["own", "irm"], ["usdr"], plugins=[str(file)])
    assert "read-only" in results.failures.reason.iloc[0]
    clean = run(["irm"], ["usdr"], plugins=[], out=tmp_path / "clean")
    one, two = (r.tracks.query("separator == 'irm'").value.to_list() for r in (results, clean))
    assert one == two


DIES = METRIC.replace("return None", "import os; os._exit(7)").replace('"mine"', '"deadly"').format(value=0)


def test_a_metric_that_kills_the_worker_costs_its_own_columns(run, tmp_path):
    file = tmp_path / "deadly.py"
    file.write_text(DIES)
    plugins = [str(file), *_faulty()]
    results = run(["noisy"], ["usdr", "deadly"], plugins=plugins, retries=0)
    rows = results.tracks.query("metric == 'uSDR'")
    assert (rows.status == "ok").all()
    lost = results.tracks.query("metric == 'Mine'")
    assert set(lost.status) == {"crashed"}
    assert "while scoring: the worker process ended with exit status 7" in lost.reason.iloc[0]


def test_a_new_metric_that_kills_the_worker_leaves_finished_scores(run, tmp_path):
    file = tmp_path / "deadly.py"
    file.write_text(DIES)
    before = run(["noisy"], ["usdr"]).tracks.value.to_list()
    results = run(["noisy"], ["usdr", "deadly"], plugins=[str(file), *_faulty()], retries=0, save_estimates=False)
    assert results.tracks.query("metric == 'uSDR'").value.to_list() == before
    assert set(results.tracks.query("metric == 'Mine'").status) == {"crashed"}


def test_a_separator_that_fails_when_scored_again_leaves_finished_scores(run, tmp_path):
    file = tmp_path / "once.py"
    marker = tmp_path / "marker"
    check = f"        import pathlib\n        if pathlib.Path({str(marker)!r}).exists(): raise ValueError('gone')\n"
    text = SEPARATOR.format(gain=0.5).replace("        return", check + "        return")
    file.write_text(text)
    plugins = [str(file), *_faulty()]
    before = run(["own"], ["usdr"], plugins=plugins).tracks.value.to_list()
    marker.touch()
    results = run(["own"], ["usdr", "peak"], plugins=plugins)
    assert results.tracks.query("metric == 'uSDR'").value.to_list() == before
    rows = results.tracks.query("metric == 'Peak' and separator == 'own'")
    assert set(rows.status) == {"error"}
    assert len(results.frames) == 0


def test_flags_stay_when_saved_estimates_are_scored_again(run):
    run(["wrong_length:extra=7"], ["usdr"], save_estimates=True)
    results = run(["wrong_length:extra=7"], ["usdr", "peak"], save_estimates=True)
    rows = results.tracks.query("separator == 'wrong_length'")
    assert set(rows["flags"]) == {"length:+7"}


def test_a_cell_with_damaged_frames_is_computed_again(run, tiny, capsys):
    results = run(["noisy"], ["usdr"])
    before = results.tracks.copy()
    key = before.query("separator == 'noisy'").estimate_key.iloc[0]
    path = cell_path(results.path, key)
    data = bytearray(path.read_bytes())
    at = data.index(b"values.npy") + 200
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    main(["results", "rebuild", str(results.path)])
    assert "1 cells have no result or lack a score" in capsys.readouterr().out
    again = run(["noisy"], ["usdr"])
    assert again.tracks.equals(before)


def test_tables_that_a_kill_left_behind_are_made_anew(run):
    first = run(["noisy"], ["usdr"])
    stale = {name: (first.path / f"{name}.parquet").read_bytes() for name in ("tracks", "frames", "costs", "failures")}
    info = (first.path / "run.json").read_bytes()
    second = run(["noisy", "irm"], ["usdr"])
    fresh = (second.path / "tracks.parquet").read_bytes()
    for name, data in stale.items():  # as if the process had died between its last cell and the tables
        (second.path / f"{name}.parquet").write_bytes(data)
    (second.path / "run.json").write_bytes(info)
    third = run(["noisy", "irm"], ["usdr"])
    assert (third.path / "tracks.parquet").read_bytes() == fresh


def test_what_float32_cannot_hold_is_invalid(run, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(SEPARATOR.format(gain="1e300").replace("* mixture", "* mixture.astype('float64')"))
    results = run(["own"], ["usdr"], plugins=[str(file)], max_tracks=1)
    assert results.failures.status.to_list() == ["invalid_output"]
    assert "vocals: " in results.failures.reason.iloc[0]


def test_a_method_that_is_silent_where_it_would_do_badly_is_flagged(run, tmp_path):
    file = tmp_path / "gate.py"
    text = SEPARATOR.format(gain=0.5).replace("return {", "mixture[:, :8000] = 0; return {")
    file.write_text(text)
    results = run(["own"], ["bss_eval:window=0.5,hop=0.5"], plugins=[str(file)])
    rows = results.tracks.query("separator == 'own' and metric == 'SDR' and group == '4stem'")
    assert set(rows["flags"].str.contains("fewer_frames:1/3")) == {True}
    floor = results.tracks.query("separator == 'mixture'")
    assert not floor["flags"].str.contains("fewer_frames").any()


def test_a_method_that_does_not_take_the_channels_is_skipped_and_names_the_file(run, tiny):
    folder = tiny.parent / "tiny" / "test"
    for file in folder.rglob("*.wav"):
        audio.write(file, audio.read(file)[:1], 8000)
    results = run(["karaoke", "irm"], ["usdr"])
    assert set(results.failures.status) == {"skipped"}
    assert "has 1 channel, expected 2" in results.failures.reason.iloc[0]
    assert "mixture.wav has 1" in results.failures.reason.iloc[0]
    assert (results.tracks.query("separator == 'irm'").status == "ok").all()


def test_labels_that_differ_in_a_character_keep_their_estimates_apart(run):
    run(["noisy:gain=0.1,as=a&b", "noisy:gain=0.2,as=a#b"], ["usdr"], save_estimates=True)
    folder = run(["noisy:gain=0.1,as=a&b"], ["usdr"], save_estimates=True).path / "estimates"
    assert len([f for f in folder.iterdir() if f.name.startswith("a_b")]) == 2


@pytest.mark.parametrize("alias", ["..", "a/b", ".hidden", "a:b"])
def test_an_alias_that_could_leave_its_folder_is_refused(run, alias):
    with pytest.raises(ConfigError, match="cannot name a separator"):
        run([{"name": "noisy", "as": alias}])


@pytest.mark.parametrize("options", [{"tracks": [None]}, {"subset": []}, {"root": 3}, {"out": ""}, {"plugins": [None]}])
def test_options_of_a_wrong_type_are_refused(run, options):
    with pytest.raises(ConfigError, match="expected"):
        run(**options)


def test_broken_packages_of_others_stop_nothing(tmp_path):
    """A real installed package with a separator that works, beside some that clash, are absent or do not parse."""
    site = tmp_path / "site"
    info = site / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mss_bench.separators]\nhpss = broken_module:X\nunparsable = broken_module:X\nabsent = no_such_module:X\n"
        "own = good_module:Own\n"
    )
    (site / "good_module.py").write_text(SEPARATOR.format(gain=0.5))
    (site / "broken_module.py").write_text("this is not Python")
    done = subprocess.run(
        [sys.executable, "-m", "mss_bench", "separators", "list"], capture_output=True, text=True,
        env={**__import__("os").environ, "PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "repet_sim" in done.stdout
    assert "own " in done.stdout
    assert "'hpss' of broken is already registered by mss_bench" in done.stderr
    assert "'unparsable' of broken cannot be imported" in done.stderr
    assert "'absent' of broken cannot be imported" in done.stderr


def test_estimates_of_one_key_are_never_another_ones(run, tmp_path):
    """The meta of a cell says whose it is; a file under another's name is not taken for it."""
    results = run(["noisy"], ["usdr"])
    keys = results.tracks.query("separator == 'noisy'").estimate_key.unique()
    shutil.copy(cell_path(results.path, keys[0]), cell_path(results.path, keys[1]))
    assert read_cell(results.path, keys[1]) is None
    before = results.tracks.copy()
    assert run(["noisy"], ["usdr"]).tracks.equals(before)


def test_a_cell_comes_back_as_it_was_written(tmp_path, run):
    results = run(["noisy"], ["usdr"])
    key = results.tracks.estimate_key.iloc[0]
    cell = read_cell(results.path, key, frames=True)
    frames = np.array([1.0, np.nan, np.inf, -np.inf])
    score = next(iter(cell.scores.values()))
    score.rows += [
        Score("vocals", "SDR", frames, "frame", 2.0, 0.5, ("noisy",)),
        Score("drums", "SDR", frames[1:2], reason="silent", condition=12.0),
    ]
    write_cell(tmp_path / "other", cell)
    back = read_cell(tmp_path / "other", key, frames=True)
    assert repr(replace(back, checksum="")) == repr(replace(cell, checksum=""))  # of files that differ
    np.testing.assert_array_equal(back.scores[next(iter(cell.scores))].rows[-2].values, frames)
    assert all(not score.rows for score in read_cell(tmp_path / "other", key).scores.values())


def test_audio_changed_while_a_run_is_under_way_is_not_stored_under_the_old_key(run, tiny, tmp_path, song):
    from mss_bench.running.options import RunOptions
    from mss_bench.running.start import prepare, start

    prepared = prepare(
        RunOptions(
            dataset="tiny",
            separators=("noisy",),
            metrics=("usdr",),
            catalogs=(str(tiny),),
            out=tmp_path / "run",
            plugins=tuple(_faulty()),
        )
    )
    song(tiny.parent / "tiny" / "test" / "Song A", seed=5)
    start(prepared, quiet=True)
    results = mss_bench.load(tmp_path / "run")
    assert set(results.failures.track) == {"Song A"}
    assert "has changed since the run was planned" in results.failures.reason.iloc[0]
    assert not len(run().failures)


def test_a_warm_worker_serves_no_old_content(tiny, tmp_path, song):
    """One worker process for two runs, as on a cluster that stays up."""
    from mss_bench.running.execute import Supervisor
    from mss_bench.running.options import RunOptions
    from mss_bench.running.start import prepare

    worker, values = Supervisor(tmp_path / "w.log"), []
    for seed in (1, 2):
        song(tiny.parent / "tiny" / "test" / "Song A", seed=seed)
        options = RunOptions(
            dataset="tiny",
            separators=("irm",),
            metrics=("usdr",),
            catalogs=(str(tiny),),
            out=tmp_path / f"run{seed}",
            tracks=("Song A",),
        )
        for task in prepare(options).tasks():
            worker.run(task)
            cell = read_cell(task.run, task.cell.estimate_key, frames=True)
        values.append([row.value for score in cell.scores.values() for row in score.rows])
    worker.stop()
    assert values[0] != values[1]


def test_a_random_method_that_fails_later_keeps_its_finished_scores(run, tmp_path):
    file, marker = tmp_path / "random.py", tmp_path / "marker"
    check = f"        import pathlib\n        if pathlib.Path({str(marker)!r}).exists(): raise ValueError('gone')\n"
    text = SEPARATOR.format(gain=0.5).replace("        return", check + "        return")
    file.write_text(text.replace('name = "own"', 'name = "own"\n    deterministic = False'))
    plugins = [str(file), *_faulty()]
    before = run(["own"], ["usdr"], plugins=plugins).tracks.value.to_list()
    marker.touch()
    results = run(["own"], ["usdr", "peak"], plugins=plugins)
    assert results.tracks.query("metric == 'uSDR'").value.to_list() == before
    assert "usdr" not in set(run(["own"], ["usdr"], plugins=plugins).failures.metric)


@pytest.mark.parametrize(
    ("registry", "name", "expected"),
    [
        ("separators", "kam", {"hpss.py", "repet.py", "backfitting.py", "stft.py", "stem_map.py"}),
        ("separators", "nmf", {"clustering.py", "assignment.py", "blind.py", "nmf.py"}),
        ("separators", "nmf_supervised", {"nmf_dictionary.py"}),
        ("metrics", "usdr", {"base.py", "energy.py", "_levels.py"}),
        ("metrics", "2f", {"ear.py", "modulation.py", "detection.py"}),
    ],
)
def test_whatever_a_class_imports_to_compute_is_part_of_its_key(
    registry: str, name: str, expected: set[str], monkeypatch
) -> None:
    import importlib

    from mss_bench.running import keys

    cls = getattr(importlib.import_module(f"mss_bench.{registry}"), registry).load(name)
    before, code = keys.source_hash(cls), keys._code
    for changed in expected:  # another content of any of them is another key

        def other(file: Path, changed: str = changed) -> keys._Code:
            return replace(code(file), text="other") if file.name == changed else code(file)

        monkeypatch.setattr(keys, "_code", other)
        assert keys.source_hash(cls) != before, changed


def test_what_the_runner_does_to_estimates_is_part_of_their_key(monkeypatch) -> None:
    from mss_bench.running import keys

    before, code = keys.file_hash(keys.CONFORM), keys._code
    for changed in ("conform.py", "stem_map.py", "tracks.py"):

        def other(file: Path, changed: str = changed) -> keys._Code:
            return replace(code(file), text="other") if file.name == changed else code(file)

        monkeypatch.setattr(keys, "_code", other)
        assert keys.file_hash(keys.CONFORM) != before, changed
