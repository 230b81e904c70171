"""Random methods under several seeds, and checkpoints that are one row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.core.spec import Spec
from mss_bench.errors import ConfigError
from mss_bench.running.replicates import joined_rows
from mss_bench.separators import Separator
from mss_bench.stats.aggregate import aggregate

PLUGIN = """
from mss_bench import Separator, param
class Draws(Separator):
    name = "draws"
    random = True
    def separate(self, mixture, sample_rate, *, targets, rng, **_):
        return {stem: mixture * rng.random() for stem in targets.stems}
class Level(Separator):
    name = "level"
    gain: float = param(0.5, doc="Gain.")
    def separate(self, mixture, sample_rate, *, targets, **_):
        return {stem: self.gain * mixture for stem in targets.stems}
"""


class _Draws(Separator):
    name = "draws"

    def separate(self, mixture, sample_rate, **_):
        raise NotImplementedError


@pytest.fixture(scope="module")
def where(tmp_path_factory, catalog_text, write_song) -> Path:
    root = tmp_path_factory.mktemp("replicates")
    for index, name in enumerate(("Song A", "Song B")):
        write_song(root / "test" / name, index)
    (root / "catalog.yaml").write_text(catalog_text.format(root=root))
    (root / "draws.py").write_text(PLUGIN)
    return root


def _run(where: Path, separators: list[object], **options: object) -> mss_bench.Results:
    usual = {"catalogs": [str(where / "catalog.yaml")], "plugins": [str(where / "draws.py")], "quiet": True, "jobs": 1}
    return mss_bench.run("tiny", separators, ["usdr"], **(usual | options))


@pytest.fixture(scope="module")
def results(where: Path) -> mss_bench.Results:
    """``draws`` under three seeds from 4 on, and a model of two checkpoints."""
    checkpoints = [{"name": "level", "gain": g, "as": "net", "replicate": k} for k, g in ((1, 0.5), (2, 0.1))]
    return _run(where, ["draws", "level", *checkpoints], seed=4, repeats=3, out=where / "run")


def _usdr(gain: float, where: Path, song: str) -> float:
    from mss_bench.core import audio

    mixture, vocals = (audio.read(where / "test" / song / f"{n}.wav").astype(float) for n in ("mixture", "vocals"))
    error = vocals - np.float32(gain) * mixture
    return float(10 * np.log10((np.sum(vocals**2) + 1e-7) / (np.sum(error**2) + 1e-7)))


def test_a_song_has_the_mean_over_seeds_and_the_table_each_value(results: mss_bench.Results, where: Path) -> None:
    table = results.tracks.query("target == 'vocals' and group == '4stem'").set_index(["separator", "track"])
    for song in ("Song A", "Song B"):
        drawn = [_usdr(_Draws().generator(seed, song).random(), where, song) for seed in (4, 5, 6)]
        row = table.loc["draws", song]
        np.testing.assert_allclose([float(v) for v in row["replicates"].split()], drawn, rtol=1e-4)
        assert row["value"] == pytest.approx(np.mean(drawn), rel=1e-4)
        assert table.loc["net", song]["value"] == pytest.approx(
            (_usdr(0.5, where, song) + _usdr(0.1, where, song)) / 2, rel=1e-4
        )
        assert table.loc["level", song]["replicates"] == ""
    assert not results.tracks.duplicated(["separator", "track", "group", "target", "metric"]).any()


def test_aggregates_have_the_spread_over_seeds(results: mss_bench.Results) -> None:
    rows = results.tracks.query("target == 'vocals' and group == '4stem' and separator == 'draws'")
    by_seed = np.array([[float(v) for v in text.split()] for text in rows["replicates"]])
    found = results.aggregate(aggregation="mean_of_medians").set_index(["group", "target", "separator"])
    found = found.sort_index().loc["4stem", "vocals"]
    assert found.loc["draws", "value"] == pytest.approx(by_seed.mean())
    assert found.loc["draws", "spread"] == pytest.approx(np.std(by_seed.mean(axis=0), ddof=1))
    assert found.loc["draws", "n_replicates"] == 3
    assert np.isnan(found.loc["level", "spread"])
    assert found.loc["net", "n_replicates"] == 2
    assert " ±" in results.summary()
    assert "standard deviation over the seeds" in results.summary()


def test_costs_add_up(results: mss_bench.Results) -> None:
    costs = results.costs.set_index(["separator", "track"])
    drawn, level = (costs.loc[name, "Song A"]["audio_seconds"] for name in ("draws", "level"))
    assert drawn == pytest.approx(3 * level)
    assert len(results.costs) == 2 * 4  # the floor, too


def test_methods_without_chance_run_once_and_it_is_said(
    where: Path, results: mss_bench.Results, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "run", "--dataset", "tiny", "--catalog", str(where / "catalog.yaml"), "--plugin", str(where / "draws.py"),
        "-m", "usdr", "--seed", "4", "-o", str(results.path), "--repeats", "3", "-s", "draws,level", "-q",
    ]  # fmt: skip
    before = sorted(file.name for file in (results.path / "cells").iterdir())
    assert main(words) == 0
    assert "level: not random, run once and not 3 times" in capsys.readouterr().err
    assert sorted(file.name for file in (results.path / "cells").iterdir()) == before  # nothing is computed twice


def _row(value: float, status: str = "ok", reason: str = "") -> dict[str, object]:
    return {
        "group": "g", "target": "t", "metric": "m", "preset": "", "value": value, "mean": value, "status": status,
        "reason": reason, "flags": "", "n_valid": 1, "n_inf": 0, "n_frames": 1,
    }  # fmt: skip


def test_a_seed_that_fails_does_not_improve_the_mean() -> None:
    (joined,) = joined_rows([[_row(1.0)], [_row(np.nan, "error", "boom")], [_row(3.0)]])
    assert np.isnan(joined["value"])
    assert (joined["status"], joined["reason"]) == ("error", "replicate 2: boom")
    assert joined_rows([[_row(1.0)], []]) == []  # not computed yet


@pytest.mark.parametrize("repeats", [0, -1, "many"])
def test_repeats_out_of_range_are_refused(where: Path, repeats: object) -> None:
    with pytest.raises(ConfigError, match=r"repeats is .*, expected a whole number from 1 to 1000"):
        _run(where, ["draws"], repeats=repeats, out=where / "none")
    with pytest.raises(ConfigError, match="seed=4294967295 and repeats=2"):
        _run(where, ["draws"], seed=2**32 - 1, repeats=2, out=where / "none")


def test_checkpoints_are_numbered_beside_an_alias() -> None:
    spec = Spec.parse("level:gain=0.1,as=net,replicate=2")
    assert (spec.alias, spec.replicate, str(spec)) == ("net", 2, "level:gain=0.1,as=net,replicate=2")
    assert Spec.parse(spec.plain()) == spec
    for wrong in ("level:replicate=1", "level:as=net,replicate=0", "level:as=net,replicate=x"):
        with pytest.raises(ConfigError, match="numbers the checkpoints of one row"):
            Spec.parse(wrong)


def test_tables_without_replicates_are_aggregated_as_before(results: mss_bench.Results) -> None:
    older = results.tracks.drop(columns="replicates")
    assert isinstance(older, pd.DataFrame)
    found, known = aggregate(older), aggregate(results.tracks)
    np.testing.assert_array_equal(found["value"], known["value"])
    assert found["spread"].isna().all()
