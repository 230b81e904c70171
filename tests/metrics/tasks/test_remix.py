"""Remixing: error, balance, leakage and residual of estimates whose faults are known."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.dsp.loudness import integrated_loudness
from mss_bench.errors import AudioError
from mss_bench.metrics.tasks.remix import GAINS, Remix

RATE = 16000


@pytest.fixture(scope="module")
def sources():
    """Two coloured noises of 4 s, independent and steady."""
    rng = np.random.default_rng(0)
    white = rng.standard_normal((2, 2, 4 * RATE))
    white[1, :, 1:] += 0.7 * white[1, :, :-1]
    return {"vocals": 0.05 * white[0], "drums": 0.08 * white[1]}


def remix(sources, estimate, rate=RATE, mixture=None):
    metric = Remix()
    mixture = sum(sources.values()) if mixture is None else mixture
    state = metric.prepare(TrackAudio(dict(sources), mixture, rate), TargetGroup("g", tuple(sources)))
    return {s.quantity: s for s in metric.score(state, {"vocals": estimate})}


def values(scores):
    return {name: score.value for name, score in scores.items()}


def test_the_error_is_that_of_the_remixes_themselves(sources):
    rng = np.random.default_rng(1)
    estimate = sources["vocals"] + 0.01 * rng.standard_normal(sources["vocals"].shape)
    mixture = sum(sources.values()) + 0.003
    expected = []
    for a in (*GAINS, 0.0):
        true, made = (mixture + (a - 1) * x for x in (sources["vocals"], estimate))
        expected.append(10 * np.log10(np.sum((made - true) ** 2) / np.sum(true**2)))
    assert values(remix(sources, estimate, mixture=mixture))["Remix-error"] == pytest.approx(
        np.mean(expected), abs=1e-6
    )


def test_a_level_error_is_heard_in_the_balance_and_as_residual_alone(sources):
    c = 0.8
    found = values(remix(sources, c * sources["vocals"]))
    expected = np.mean([abs(20 * np.log10((1 + (a - 1) * c) / a)) for a in GAINS])
    assert found["Balance-error"] == pytest.approx(expected, abs=1e-3)
    assert found["Mute-residual"] == pytest.approx(20 * np.log10(1 - c), abs=1e-3)
    assert found["Remix-leakage"] == pytest.approx(-120, abs=0.1)


def test_leakage_is_what_other_sources_are_turned_along(sources):
    leak = 0.1
    found = values(remix(sources, sources["vocals"] + leak * sources["drums"]))
    loudness = {name: integrated_loudness(array, RATE) for name, array in sources.items()}
    power = {name: 10 ** (lu / 10) for name, lu in loudness.items()}
    levels = [
        10 * np.log10((a - 1) ** 2 * leak**2 * power["drums"] / (a**2 * power["vocals"] + power["drums"]))
        for a in (*GAINS, 0.0)
    ]
    assert found["Remix-leakage"] == pytest.approx(np.mean(levels), abs=0.3)
    assert found["Mute-residual"] < -60


def test_the_balance_is_in_the_loudness_of_the_recommendation(sources):
    """A remix made with a stem whose voice is too soft: what a meter says of its parts."""
    c, found = 0.5, []
    for a in GAINS:
        parts = [(1 + (a - 1) * c) * sources["vocals"], a * sources["vocals"]]
        found.append(abs(integrated_loudness(parts[0], RATE) - integrated_loudness(parts[1], RATE)))
    assert values(remix(sources, c * sources["vocals"]))["Balance-error"] == pytest.approx(np.mean(found), abs=0.05)


def test_artifacts_are_an_error_but_no_leakage(sources):
    noise = 0.05 * np.random.default_rng(2).standard_normal(sources["vocals"].shape)
    found = values(remix(sources, sources["vocals"] + noise))
    assert found["Remix-error"] > -15
    assert found["Remix-leakage"] < found["Remix-error"] - 10
    assert found["Mute-residual"] < -15


def test_silence_and_lone_sources_have_reasons(sources):
    silent = np.zeros_like(sources["vocals"])
    found = remix({"vocals": silent, "drums": sources["drums"]}, 0.1 * sources["drums"])
    assert {score.reason for score in found.values()} == {"reference 'vocals' is silent throughout"}
    cancelled = {"vocals": sources["vocals"], "drums": -sources["vocals"]}
    assert (
        "the stem or all that is beside it is silent" not in remix(cancelled, sources["vocals"])["Balance-error"].reason
    )
    beside = remix({"vocals": sources["vocals"], "drums": silent}, 0.9 * sources["vocals"])
    assert beside["Balance-error"].reason == "the stem or all that is beside it is silent"
    alone = remix({"vocals": sources["vocals"]}, 0.9 * sources["vocals"])
    assert alone["Balance-error"].reason == "there is no other source"
    assert alone["Mute-residual"].value == pytest.approx(-20, abs=0.01)
    short = {name: array[:, :1000] for name, array in sources.items()}
    assert "too few" in remix(short, 0.9 * short["vocals"])["Balance-error"].reason
    assert remix(short, 0.9 * short["vocals"])["Remix-error"].value < 0


def test_a_mixture_that_cannot_be_used_is_named(sources):
    with pytest.raises(AudioError, match=r"mixture: found one of shape \(2, 5\)"):
        remix(sources, sources["vocals"], mixture=np.zeros((2, 5)))
    with pytest.raises(AudioError, match="the mixture holds nan"):
        remix(sources, sources["vocals"], mixture=np.full_like(sources["vocals"], np.nan))
