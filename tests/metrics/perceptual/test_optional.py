"""Scores that other packages compute: PEASS and ViSQOL, with those packages and without."""

from __future__ import annotations

import importlib.machinery
from pathlib import Path

import numpy as np
import pytest

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError, MissingDependencyError
from mss_bench.metrics import metrics

RATE = 44100


def score(name, references, estimates, rate=RATE):
    metric = metrics.load(name)()
    first = next(iter(references.values()))
    state = metric.prepare(TrackAudio(dict(references), first, rate), TargetGroup("g", tuple(references)))
    return {(s.target, s.quantity): s for s in metric.score(state, estimates)}


@pytest.fixture
def excerpt_of(song):
    return lambda seconds: {name: stem[:, 2 * RATE : round((2 + seconds) * RATE)] for name, stem in song.items()}


@pytest.mark.parametrize(("name", "package"), [("peass", "python-peass"), ("visqol", "visqol-python")])
def test_a_missing_package_is_named_with_how_to_install_it(name, package, excerpt_of, monkeypatch):
    hidden = name
    found = importlib.machinery.PathFinder.find_spec
    monkeypatch.setattr(
        importlib.machinery.PathFinder,
        "find_spec",
        classmethod(lambda cls, module, *args, **kwargs: None if module == hidden else found(module, *args, **kwargs)),
    )
    monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    assert not metrics.load(name).available()
    stems = excerpt_of(1)
    with pytest.raises(MissingDependencyError, match=rf"{package}.*pip install 'mss-bench\[{name}\]'"):
        score(name, stems, {"vocals": stems["vocals"]})


def test_both_are_asked_for_by_name():
    for name in ("peass", "visqol"):
        assert metrics.load(name).slow
        assert metrics.load(name).extra == name


def test_nothing_of_a_gpl_package_is_imported_by_this_one():
    import mss_bench

    package = Path(mss_bench.__file__).parent
    users = [file.name for file in package.rglob("*.py") if "from peass" in file.read_text()]
    assert users == ["peass.py"]


def test_peass_grades_the_target_above_bleed(excerpt_of):
    pytest.importorskip("peass", reason="python-peass is not installed (pip install 'mss-bench[peass]')")
    stems = {name: stem[:1] for name, stem in excerpt_of(1).items()}
    best = score("peass", stems, {"vocals": stems["vocals"]})
    worse = score("peass", stems, {"vocals": stems["vocals"] + 0.5 * stems["drums"]})
    for quantity in ("OPS", "TPS", "IPS", "APS"):
        assert 0 <= worse["vocals", quantity].value <= best["vocals", quantity].value <= 100
        assert best["vocals", quantity].flags == ("resampled:16000",)
    assert worse["vocals", "IPS"].value < 40
    silent = score("peass", stems, {"vocals": 0 * stems["vocals"]})
    assert silent["vocals", "OPS"].reason == "the estimate is silent"
    alone = score("peass", {"vocals": stems["vocals"]}, {"vocals": stems["vocals"]})
    assert "no other source sounds" in alone["vocals", "OPS"].reason
    short = {name: stem[:, :9000] for name, stem in stems.items()}
    assert "9000 samples are too few" in score("peass", short, {"vocals": short["vocals"]})["vocals", "OPS"].reason
    three = {name: np.repeat(stem, 3, axis=0) for name, stem in stems.items()}
    with pytest.raises(AudioError, match="found 3 channels"):
        score("peass", three, {"vocals": three["vocals"]})


def test_visqol_grades_the_target_above_noise(excerpt_of):
    pytest.importorskip("visqol", reason="visqol-python is not installed (pip install 'mss-bench[visqol]')")
    stems = excerpt_of(3)
    best = score("visqol", stems, {"vocals": stems["vocals"]})["vocals", "ViSQOL"]
    noise = 0.02 * np.random.default_rng(0).standard_normal(stems["vocals"].shape).astype(np.float32)
    worse = score("visqol", stems, {"vocals": stems["vocals"] + noise})["vocals", "ViSQOL"]
    assert best.value == pytest.approx(4.732, abs=0.01)
    assert best.flags == ("resampled:48000",)
    assert 1 <= worse.value < 4
    silent = score("visqol", stems, {"vocals": 0 * stems["vocals"]})["vocals", "ViSQOL"]
    assert silent.reason == "the estimate is silent in the mean of its channels"
    spoilt = stems["vocals"].copy()
    spoilt[0, 5] = np.nan
    assert "nan" in score("visqol", stems, {"vocals": spoilt})["vocals", "ViSQOL"].reason
    short = {name: stem[:, : RATE // 2] for name, stem in stems.items()}
    assert "too few" in score("visqol", short, {"vocals": short["vocals"]})["vocals", "ViSQOL"].reason
