"""``mss-bench explain``: the components of a run's estimates as files, figures and numbers."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import mss_bench
from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.core.files import json_text
from mss_bench.errors import AudioError, MssBenchError, UnknownNameError
from mss_bench.explanation import explain

RATE = 8000
STEMS = ("vocals", "drums", "bass", "other")
COMPONENTS = ("target", "spatial_distortion", "interference", "artifacts")
CATALOG = """
small:
  layout: stems
  root: {root}
  sample_rate: 8000
  subsets: [test]
  stems: [vocals, drums, bass, other]
  targets:
    accompaniment: [drums, bass, other]
  groups:
    4stem: [vocals, drums, bass, other]
    vocals_acc: [vocals, accompaniment]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one song of 2 s without bass; the estimates are not kept."""
    folder = tmp_path_factory.mktemp("explain")
    rng = np.random.default_rng(0)
    stems = {s: (0.1 * rng.standard_normal((2, 2 * RATE))).astype(np.float32) for s in STEMS}
    stems["bass"][:] = 0
    for name, array in ({"mixture": sum(stems.values())} | stems).items():
        audio.write(folder / "data" / "test" / "A Song" / f"{name}.wav", array, RATE)
    (folder / "catalog.yaml").write_text(CATALOG.format(root=folder / "data"))
    return mss_bench.run(
        "small", ["irm", "centre"], ["bss_eval:filter_length=32"], catalogs=[str(folder / "catalog.yaml")],
        out=str(folder / "run"), quiet=True, jobs=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def explained(run, tmp_path_factory):
    """What the oracle delivers."""
    return explain(run.path, "A Song", "irm", out=tmp_path_factory.mktemp("out"))


def test_all_that_the_method_delivers_is_explained_without_what_is_silent(explained):
    assert [each.target for each in explained] == ["vocals", "drums", "other"]


def test_the_files_add_up_to_the_estimate(explained):
    for each in explained:
        estimate = audio.read(each.folder / "estimate.wav", RATE).astype(np.float64)
        parts = [audio.read(each.folder / f"{name}.wav", RATE).astype(np.float64) for name in COMPONENTS]
        assert 10 * np.log10(np.sum((sum(parts) - estimate) ** 2) / np.sum(estimate**2)) < -100


def test_an_estimate_that_is_not_the_one_scored_says_so(run, explained, tmp_path, capsys):
    assert all(each.as_scored for each in explained)
    other = shutil.copytree(run.path, tmp_path / "run")
    plan = json.loads((other / "plan.json").read_text())
    del plan["checksum"]  # a plan that another code would have made
    keys = run.tracks.query("separator == 'centre'")["estimate_key"].unique()
    (other / "plan.json").write_text(json_text(json.loads(json.dumps(plan).replace(keys[0], "0" * len(keys[0])))))
    assert main(["explain", str(other), "A Song", "centre"]) == 0
    assert "not the estimate that it scored" in capsys.readouterr().out


def test_the_picture_shows_something(explained):
    image = np.asarray(Image.open(explained[0].folder / "explain.png").convert("RGB"))
    assert image.shape[0] > 1000
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 200


def test_the_command_says_how_loud_the_components_are_and_what_the_run_says(run, tmp_path, capsys):
    words = ["explain", str(run.path), "A Song", "irm", "--targets", "accompaniment", "-o", str(tmp_path)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "accompaniment of A Song by irm, group vocals_acc" in out
    for word in ("SIR", "spatial distortion", "interference.wav", str(tmp_path)):
        assert word in out
    rows = run.tracks.query("target == 'accompaniment' and separator == 'irm' and metric in ('SDR', 'ISR')")
    assert len(rows) == 2
    for metric, value in zip(rows["metric"], rows["value"], strict=True):
        line = next(line.split() for line in out.splitlines() if line.split()[:1] == [metric])
        # the run has shorter filters, which SDR does not know of
        assert float(line[2]) == pytest.approx(value, abs=0.006 if metric == "SDR" else 3.0)
    assert sorted(file.name for file in (tmp_path / "accompaniment").iterdir()) == sorted(
        [*(f"{name}.wav" for name in (*COMPONENTS, "estimate")), "explain.png"]
    )
    with Image.open(tmp_path / "directions.png") as picture:
        assert picture.width > 800


@pytest.mark.parametrize(
    ("track", "method", "targets", "options", "message"),
    [
        ("A Sog", "irm", [], {}, "unknown track of the run 'A Sog'; did you mean 'A Song'"),
        ("A Song", "irn", [], {}, "unknown separator of the run 'irn'; did you mean 'irm'"),
        ("A Song", "irm", ["vocal"], {}, "unknown target 'vocal'; did you mean 'vocals'"),
        ("A Song", "irm", ["drums"], {"group": "vocals_acc"}, "unknown target 'drums'; known: accompaniment, vocals"),
        ("A Song", "irm", [], {"group": "4stems"}, "unknown target group '4stems'; did you mean '4stem'"),
        ("A Song", "centre", ["drums"], {}, "unknown target of centre 'drums'; known: vocals"),
    ],
)
def test_unknown_names_come_with_suggestions(run, tmp_path, track, method, targets, options, message):
    with pytest.raises(UnknownNameError) as error:
        explain(run.path, track, method, targets, out=tmp_path, **options)
    assert message in str(error.value)


def test_a_silent_target_and_targets_of_no_common_group_are_refused(run, tmp_path):
    with pytest.raises(AudioError, match="'bass' is silent in 'A Song'"):
        explain(run.path, "A Song", "irm", ["bass"], out=tmp_path)
    with pytest.raises(MssBenchError, match="no target group has all of drums, accompaniment"):
        explain(run.path, "A Song", "irm", ["drums", "accompaniment"], out=tmp_path)


def test_a_missing_data_set_is_named(run, tmp_path):
    data = run.path.parent / "data"
    shutil.move(data, tmp_path / "away")
    try:
        with pytest.raises(MssBenchError, match="data"):
            explain(run.path, "A Song", "irm", out=tmp_path)
        assert main(["explain", str(run.path), "A Song", "irm"]) == 2
    finally:
        shutil.move(tmp_path / "away", data)
