"""Runs whose mixtures are perturbed: keys, tables, folders, excerpts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.core.tracks import Track
from mss_bench.errors import ConfigError, RunError
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare

PLUGIN = '''
import numpy as np
from mss_bench.core.parameters import param
from mss_bench.perturbations import Perturbation
np.sum_of_nobody = 1  # it may do to its process what it likes
class Dimmed(Perturbation):
    """Make it quieter."""
    name = "dimmed"
    alike = True
    strength = "factor"
    ladder = (0.5, 0.25)
    factor: float = param(0.5, above=0, doc="Factor.")
    def prepare(self, signal, sample_rate, rng):
        return lambda array: self.factor * array
'''


@pytest.fixture(scope="module")
def where(tmp_path_factory, catalog_text, write_song) -> Path:
    root = tmp_path_factory.mktemp("perturbed")
    for index, name in enumerate(("Song A", "Song B")):
        write_song(root / "test" / name, index)
    (root / "catalog.yaml").write_text(catalog_text.format(root=root))
    (root / "dimmed.py").write_text(PLUGIN)
    return root


def _options(where: Path, *perturbed: object, **options: object) -> RunOptions:
    usual = {
        "catalogs": (where / "catalog.yaml",),
        "separators": ("bandsplit", "irm"),
        "metrics": ("usdr",),
        "jobs": 1,
    }
    return RunOptions(dataset="tiny", perturbations=perturbed, **(usual | options))


def _keys(options: RunOptions) -> tuple[list[str], list[str]]:
    cells = prepare(options).plan.cells
    return [c.estimate_key for c in cells], [s.key for c in cells for s in c.scores]


def test_a_perturbation_is_part_of_the_keys(where):
    estimates, scores = _keys(_options(where))
    assert (estimates, scores) == _keys(_options(where))  # the clean run's stay what they are
    seen = {tuple(estimates)}
    for spec in ("gain:db=-6", "gain:db=-7", "mp3:rate=64", "gain:db=-6,stems=bass", "noise"):
        own, own_scores = _keys(_options(where, spec))
        assert not set(own) & set(estimates)
        assert not set(own_scores) & set(scores)
        assert tuple(own) not in seen
        seen.add(tuple(own))
    assert _keys(_options(where, "gain:db=-6", "mono")) != _keys(_options(where, "mono", "gain:db=-6"))
    assert _keys(_options(where, "gain:db=-6")) == _keys(_options(where, {"name": "gain", "db": -6.0}))


def test_the_references_content_changes_with_them_alone(where):
    def references(*perturbed: str) -> object:
        return prepare(_options(where, *perturbed)).plan.cells[0].scores[0].preimage["references"]

    assert references("mp3") == references("noise") == references()
    assert references("gain") != references()
    assert references("mp3:stems=bass") != references()


@pytest.fixture(scope="module")
def runs(where: Path) -> dict[str, mss_bench.Results]:
    results = {}
    for name, spec in {"clean": (), "gain": ("gain:db=-6",), "chain": ("clipping", "mono")}.items():
        results[name] = mss_bench.run(
            "tiny", ["bandsplit", "irm"], ["usdr"], catalogs=[where / "catalog.yaml"], jobs=1, quiet=True,
            out=where / name, perturbations=spec, media=["Song A"] if spec == ("gain:db=-6",) else (),
        )  # fmt: skip
    return results


def test_tables_say_what_was_done(runs, where):
    clean, gain, chain = (runs[name].tracks for name in ("clean", "gain", "chain"))
    assert not {"perturbation", "strength"} & set(clean.columns)
    assert set(gain["perturbation"]) == {"gain:db=-6"}
    assert set(gain["strength"]) == {-6.0}
    assert set(chain["perturbation"]) == {"clipping:db=6 + mono"}
    assert chain["strength"].isna().all()
    assert set(gain["dataset"]) == {"tiny [gain:db=-6]"}
    assert "tiny [gain:db=-6] test" in runs["gain"].summary()
    assert json.loads((where / "gain" / "run.json").read_text())["dataset"]["name"] == "tiny [gain:db=-6]"


def test_methods_hear_the_perturbed_mixture_and_are_scored_alike(runs):
    """A gain on mixture and references leaves the scores of linear methods where they were; damage does not."""
    key = ["track", "separator", "target", "group"]
    values = {name: run.tracks.set_index(key)["value"].sort_index() for name, run in runs.items()}
    np.testing.assert_allclose(values["gain"], values["clean"], atol=1e-3)
    assert np.abs(values["chain"] - values["clean"]).max() > 0.2


def test_a_folder_is_of_one_perturbation(runs, where):
    for folder, spec in (("clean", ("mono",)), ("gain", ()), ("gain", ("gain:db=-12",))):
        with pytest.raises(RunError, match=r"--perturb is .* here, .* there"):
            prepare(_options(where, *spec, out=where / folder)).refuse_other_run()
    again = prepare(_options(where, "gain:db=-6", out=where / "gain"))
    again.refuse_other_run()
    assert again.tasks() == []


def test_records_of_earlier_versions_were_clean(runs, where, tmp_path):
    plan = json.loads((where / "clean" / "plan.json").read_text())
    assert plan["run"].pop("perturbation") == ""
    from mss_bench.running.record import conditions_of

    (tmp_path / "plan.json").write_text(json.dumps({name: plan[name] for name in ("run", "cells")}))
    assert conditions_of(tmp_path)["perturbation"] == ""


def test_a_run_is_verified_with_what_was_done_to_it(runs, where, capsys):
    assert main(["verify", str(where / "gain"), "--sample", "1"]) == 0


def test_a_part_of_a_perturbed_track_is_cut_from_the_whole(where):
    track = prepare(_options(where, "noise", "speed")).plan.cells[0].track
    whole, part = track.load(), track.excerpt(0.25, 0.5).load()
    np.testing.assert_array_equal(part.mixture, whole.mixture[:, 4000:6000])
    np.testing.assert_array_equal(part.references["bass"], whole.references["bass"][:, 4000:6000])
    assert type(track.clean()) is Track
    assert track.clean().load().mixture.shape[1] > whole.mixture.shape[1]


def test_a_plugin_perturbs_in_a_process_of_its_own(where):
    options = _options(where, "dimmed:factor=0.25", plugins=(where / "dimmed.py",))
    track = prepare(options).plan.cells[0].track
    clean, dimmed = track.clean().load(), track.load()
    np.testing.assert_array_equal(dimmed.mixture, np.float32(0.25) * clean.mixture)
    np.testing.assert_array_equal(dimmed.references["bass"], np.float32(0.25) * clean.references["bass"])
    assert main(["perturbations", "check", str(where / "dimmed.py")]) == 0
    results = mss_bench.run(
        "tiny", ["bandsplit"], ["usdr"], catalogs=[where / "catalog.yaml"], plugins=[where / "dimmed.py"], jobs=1,
        quiet=True, out=where / "dimmed", perturbations=["dimmed"], max_tracks=1,
    )  # fmt: skip
    assert results.tracks["status"].eq("ok").all()


def test_finished_estimates_are_of_other_mixtures(where):
    with pytest.raises(ConfigError, match="estimates reads estimates that were made of other mixtures"):
        prepare(_options(where, "mp3", separators=({"name": "estimates", "dir": str(where), "as": "own"},)))


def test_a_run_file_may_perturb(where, tmp_path, capsys):
    file = tmp_path / "run.yaml"
    text = f"dataset: tiny\ncatalogs: [{where}/catalog.yaml]\nseparators: [bandsplit]\nperturbations: "
    file.write_text(text + "[{name: mp3, rate: 64}, mono]\n")
    assert main(["run", "--config", str(file), "--dry-run"]) == 0
    file.write_text(text + "[{name: mp3, rate: 6}]\n")
    assert main(["run", "--config", str(file), "--dry-run"]) == 2
    assert f"{file}:4: mp3: rate is 6" in capsys.readouterr().err


def test_the_command_line_lists_and_shows(capsys):
    assert main(["perturbations", "list"]) == 0
    assert "limiter" in capsys.readouterr().out
    assert main(["perturbations", "show", "mp3"]) == 0
    assert "rate=192, 96, 64 kbit/s" in capsys.readouterr().out
    assert main(["perturbations", "show", "mp4"]) == 2
    assert "did you mean" in capsys.readouterr().err
