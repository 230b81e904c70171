"""A run file that explains itself: ``mss-bench init``, ``run --print-config``, and the schema for editors."""

import json

import jsonschema
import pytest
import yaml

from mss_bench.cli.main import main
from mss_bench.core.annotated import annotated_yaml, json_schema
from mss_bench.core.parameters import parameters
from mss_bench.running.options import RunOptions


@pytest.fixture
def songs(tmp_path, song):
    song(tmp_path / "songs" / "Song A", 1)
    song(tmp_path / "songs" / "Song B", 2)
    return tmp_path / "songs"


def test_a_folder_of_songs_becomes_a_run_file_that_runs(songs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", str(songs), "-o", "mine.yaml"]) == 0
    said = capsys.readouterr().out
    assert "2 songs" in said
    assert "4stem: bass, drums, other, vocals; vocals_acc:" in said
    written = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    jsonschema.validate(written, json.loads((tmp_path / "mine.schema.json").read_text()))
    assert main(["run", "--config", "mine.yaml", "--dry-run"]) == 0
    assert "6 cells (2 tracks x 3 separators)" in capsys.readouterr().out


def test_a_file_that_is_there_is_kept(songs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text("mine")
    assert main(["init", str(songs)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "run.yaml").read_text() == "mine"
    assert main(["init", str(songs), "--overwrite"]) == 0


def test_a_folder_without_songs_is_refused_and_nothing_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["init", "empty"]) == 2
    assert "empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_folder_as_musdb18hq_has_it_is_that_data_set(tmp_path, song, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for subset in ("train", "test"):
        song(tmp_path / "root" / subset / "Song", rate=44100, seconds=0.2)
    assert main(["init", "root"]) == 0
    assert yaml.safe_load((tmp_path / "run.yaml").read_text())["dataset"] == "musdb18hq"


OPTIONS = RunOptions(
    dataset={"name": "references", "dir": "/data/mine"},
    separators=("hpss", {"name": "irm", "exponent": 2.0}),
    map="other=guitar+piano+other",
    jobs=4,
    tracks=("Song: a, b", "null"),
    out="runs/here",
    doctor=False,
)


def test_options_are_the_same_after_writing_and_reading():
    again = RunOptions.from_mapping(yaml.safe_load(annotated_yaml(OPTIONS)), "a run file")
    assert again.values() == OPTIONS.values()


def test_every_option_stands_in_the_file_with_what_it_does():
    lines = annotated_yaml(RunOptions())
    assert yaml.safe_load(lines) is None  # all of them are comments
    for name, parameter in parameters(RunOptions).items():
        assert f"# {name}:" in lines
        assert " ".join(parameter.doc.split())[:40] in lines


def test_print_config_prints_the_options_of_file_and_command_line(tmp_path, capsys):
    (tmp_path / "run.yaml").write_text("{separators: [hpss], jobs: 2}")
    assert main(["run", "--config", str(tmp_path / "run.yaml"), "--jobs", "3", "--print-config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {"separators": ["hpss"], "jobs": 3}


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"jobs": 0}, "jobs"), ({"jobs": "many"}, "jobs"), ({"missing_stems": "guess"}, "missing_stems"),
        ({"seperators": ["hpss"]}, "seperators"), ({"duration": 0}, "duration"), ({"fit": ["stretch"]}, "fit"),
    ],
)  # fmt: skip
def test_the_schema_refuses_what_a_run_refuses(wrong, where):
    schema = json_schema(RunOptions, "Run file")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"separators": "hpss", "duration": 3, "map": {"other": ["a", "b"]}}, schema)
    [error] = jsonschema.Draft202012Validator(schema).iter_errors(wrong)
    assert where in error.json_path + error.message
    with pytest.raises(Exception, match=where):
        RunOptions.from_mapping(wrong, "a run file")
