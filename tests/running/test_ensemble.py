"""Ensembles: what several methods of a run, or finished estimates, make together."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mss_bench
from mss_bench.cli.main import main
from mss_bench.core import audio
from mss_bench.dsp.stft import STFT
from mss_bench.errors import ConfigError, MssBenchError, UnknownNameError
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare
from mss_bench.running.store import read_cell, read_plan

STEMS = ("vocals", "drums", "bass", "other")
PLUGIN = """
from mss_bench import Separator
class Voice(Separator):
    name = "voice"
    target_sets = (("vocals",),)
    def separate(self, mixture, sample_rate, **_):
        return {"vocals": mixture}
class Draws(Separator):
    name = "draws"
    random = True
    def separate(self, mixture, sample_rate, *, targets, rng, **_):
        if mixture.size < 20000:
            return {stem: mixture[:, :100] for stem in targets.stems}
        return {stem: mixture * rng.random() for stem in targets.stems}
"""
HOW = {"plain": "mean", "middle": "median", "weak": "min_mag", "strong": "max_mag", "weighted": "mean,weights=2+1+1"}
BOTH = {"name": "ensemble", "of": ["a", {"name": "mixture_unscaled"}], "as": "both"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, catalog_text: str, write_song: Callable[..., object]) -> Path:
    """A song and a shorter one, the methods of `PLUGIN`, and estimates ``a``, ``b`` and ``c`` of noise."""
    folder = tmp_path_factory.mktemp("ensembles")
    (folder / "catalog.yaml").write_text(catalog_text.format(root=folder))
    (folder / "plugin.py").write_text(PLUGIN)
    rng = np.random.default_rng(0)
    for song, seconds in (("Song A", 1.5), ("Song B", 1.0)):
        write_song(folder / "test" / song, seconds=seconds)
        for name in ("a", "b", "c"):
            for stem in STEMS:
                noise = 0.1 * rng.standard_normal((2, int(8000 * seconds)))
                audio.write(folder / name / song / f"{stem}.wav", noise.astype(np.float32), 8000)
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> mss_bench.Results:
    """Ensembles of each kind, one of a random method under two seeds that fails for ``Song B``, and their members."""
    combined = [f"ensemble:of=a+b+c,how={how},as={name}" for name, how in HOW.items()]
    half = "ensemble:of=draws+mixture,as=half"
    options = _options(folder, [*combined, BOTH, half], repeats=2, save_estimates=True)
    return mss_bench.run(**options, quiet=True)


def _options(folder: Path, separators: list[object], **further: object) -> dict[str, object]:
    stored = [f"estimates:dir={folder / name},as={name}" for name in "abc"]
    usual = {
        "dataset": "tiny", "separators": [*separators, *stored], "metrics": ["usdr"], "jobs": 1, "doctor": False,
        "catalogs": [folder / "catalog.yaml"], "plugins": [folder / "plugin.py"], "out": folder / "run",
    }  # fmt: skip
    return usual | further


def _stored(folder: Path, method: str) -> np.ndarray:
    return audio.read(folder / "run" / "estimates" / method / "test" / "Song A" / "vocals.wav")


def test_estimates_are_combined_sample_by_sample_or_bin_by_bin(results: mss_bench.Results, folder: Path) -> None:
    a, b, c = members = [audio.read(folder / name / "Song A" / "vocals.wav") for name in "abc"]
    made = {name: _stored(folder, name) for name in HOW}
    np.testing.assert_allclose(made["plain"], (a + b + c) / 3, atol=1e-7)
    np.testing.assert_allclose(made["weighted"], (2 * a + b + c) / 4, atol=1e-7)
    np.testing.assert_array_equal(made["middle"], np.median(members, axis=0))
    stft = STFT(2048, 1024)
    bins = np.stack([stft.forward(member) for member in members])
    for name, choose in (("weak", np.argmin), ("strong", np.argmax)):
        chosen = np.take_along_axis(bins, choose(np.abs(bins), axis=0)[None], axis=0)[0]
        np.testing.assert_allclose(made[name], stft.inverse(chosen, 12000), atol=1e-6)


def test_members_that_are_not_named_are_run_and_costs_are_added(results: mss_bench.Results) -> None:
    costs = results.costs.query("track == 'Song A'").set_index("separator")
    members = costs.loc[["draws", "mixture"]]
    for name in ("separate_seconds", "separate_cpu_seconds"):
        assert costs.loc["half", name] > members[name].sum() > 0
    assert costs.loc["half", "peak_memory_mb"] >= members["peak_memory_mb"].max()
    assert "mixture_unscaled" in costs.index


def test_an_ensemble_of_random_methods_has_their_seeds(results: mss_bench.Results, folder: Path) -> None:
    mixture = audio.read(folder / "test" / "Song A" / "mixture.wav")
    made = [_stored(folder, f"half{suffix}") for suffix in ("", ".replicate_2")]
    drawn = [_stored(folder, f"draws{suffix}") for suffix in ("", ".replicate_2")]
    np.testing.assert_allclose(made, (np.asarray(drawn) + mixture / 4) / 2, atol=1e-7)
    assert np.abs(made[0] - made[1]).max() > 0.01


def test_a_member_that_fails_is_named_by_the_ensemble(results: mss_bench.Results) -> None:
    failed = results.failures.query("separator == 'half'")
    assert {*results.failures.separator} == {"half", "draws"}
    assert {*failed.track} == {"Song B"}
    assert failed.reason.str.contains(": draws has no estimates of this song: vocals: 100 samples, expected 8000").all()


def test_further_ensembles_use_what_is_there_and_are_verified_with_their_members(
    results: mss_bench.Results, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = {file: file.stat().st_mtime_ns for file in (folder / "run" / "cells").glob("*.npz")}
    more = mss_bench.run(**_options(folder, ["ensemble:of=a+b,as=further"]), quiet=True)
    assert "further" in {*more.tracks.separator}
    assert {file: file.stat().st_mtime_ns for file in cells} == cells
    planned = [(cell, read_cell(folder / "run", cell["estimate_key"])) for cell in read_plan(folder / "run")["cells"]]
    names = [cell["separator"] for cell, there in planned if there is not None and there.ok]
    seed = next(seed for seed in range(999) if random.Random(seed).sample(names, 1) == ["further"])
    assert main(["verify", str(folder / "run"), "--sample", "1", "--seed", str(seed)]) == 0
    assert re.search("further +same", capsys.readouterr().out)


def test_keys_are_those_of_the_members_whatever_they_are_called(folder: Path) -> None:
    def key(*separators: str) -> str:
        plan = prepare(RunOptions(**_options(folder, list(separators), max_tracks=1))).plan
        return next(cell.estimate_key for cell in plan.cells if cell.members)

    one = key("ensemble:of=x+y", "hpss:as=x", "hpss:power=1,as=y")
    assert key("ensemble:of=hpss+y", "hpss", "hpss:power=1,as=y") == one
    assert key("ensemble:of=x+y", "hpss:as=x", "hpss:power=3,as=y") != one
    assert key("ensemble:of=x+y,how=median", "hpss:as=x", "hpss:power=1,as=y") != one


def test_shards_keep_an_ensemble_with_its_members(folder: Path) -> None:
    parts = [prepare(RunOptions(**_options(folder, ["ensemble:of=a+b"], shard=f"{i}/3"))).cells() for i in (1, 2, 3)]
    assert [{cell.track.name for cell in part} for part in parts] == [{"Song A"}, {"Song B"}, set()]


@pytest.mark.parametrize(
    ("ensemble", "error", "message"),
    [
        ("of=voice+draws", ConfigError, "voice delivers vocals, and draws vocals, drums, bass, other; expected"),
        ("of=draws+darws", UnknownNameError, "darws.*did you mean.*draws"),
        ("of=draws", ConfigError, "^ensemble: of is draws, expected at least two members"),
        ("how=mean", ConfigError, "^ensemble: of is None, expected names like a\\+b"),
        ("of=draws+draws", ConfigError, "each once"),
        ("of=net+b", ConfigError, "both called so; give them names with as=NAME"),
        ("of=nested+a", ConfigError, "is an ensemble itself"),
        ("of=a+b,weights=1", ConfigError, "expected one for each of a\\+b"),
        ("of=a+b,weights=1+0", ConfigError, "^ensemble: weights is '1\\+0', expected numbers above 0"),
        ("of=a+b,weights=1+2,how=median", ConfigError, "they are for how=mean"),
        ("of=a+b,how=max", ConfigError, "expected mean, median, min_mag or max_mag"),
    ],
)
def test_ensembles_that_cannot_be_are_one_clear_line(
    folder: Path, ensemble: str, error: type[MssBenchError], message: str
) -> None:
    further = {
        "of=net+b": [f"hpss:power={k},as=net,replicate={k}" for k in (1, 2)],
        "of=nested+a": ["ensemble:of=a+b,as=nested"],
    }
    with pytest.raises(error, match=message) as refused:
        prepare(RunOptions(**_options(folder, [f"ensemble:{ensemble}", *further.get(ensemble, [])])))
    assert "\n" not in str(refused.value)


def test_a_member_cannot_change_the_parameters_of_a_method_of_the_run(folder: Path) -> None:
    ensemble = {"name": "ensemble", "of": [{"name": "a", "weight": 2}, "b"]}
    with pytest.raises(ConfigError, match="a is a method of the run and has its parameters there, so that weight"):
        prepare(RunOptions(**_options(folder, [ensemble])))
