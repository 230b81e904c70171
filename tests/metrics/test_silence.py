"""PES and EPS speak of the frames that BSS Eval leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.errors import ConfigError
from mss_bench.metrics import metrics
from mss_bench.metrics.silence import Silence


def test_leakage_and_swallowed_sound(evaluate, noise):
    s = noise("a", 3.0)["a"]
    reference, estimate = s.copy(), s.copy()
    reference[:, 8000:16000] = 0
    estimate[:, :8000] = 0
    scores = evaluate(Silence(), {"a": reference}, {"a": estimate})
    pes, eps = scores["a", "PES"].values, scores["a", "EPS"].values
    np.testing.assert_array_equal(np.isnan(pes), [True, False, True])
    np.testing.assert_array_equal(np.isnan(eps), [False, True, True])
    assert pes[1] == pytest.approx(10 * np.log10(np.sum(estimate[:, 8000:16000] ** 2)), abs=1e-6)
    assert eps[0] == pytest.approx(10 * np.log10(np.sum(reference[:, :8000] ** 2)), abs=1e-6)


def test_floor(evaluate):
    silent = np.zeros((2, 8000))
    scores = evaluate(Silence(), {"a": silent}, {"a": silent})
    assert all(s.values == pytest.approx([-120]) for s in scores.values())


@pytest.mark.parametrize(("threshold", "silent"), [(-60.0, True), (-80.0, False), (-np.inf, False)])
def test_threshold_is_a_level(evaluate, noise, threshold, silent):
    s = noise("a")["a"][:, :8000]
    faint = s * 10 ** (-70 / 20) / np.sqrt(np.mean(s**2))
    pes = evaluate(Silence(threshold=threshold), {"a": faint}, {"a": s})["a", "PES"]
    assert np.isfinite(pes.values[0]) == silent
    assert bool(pes.reason) != silent


def test_reasons(evaluate, noise):
    references = noise("ab")
    holed = references["b"].copy()
    holed[0, 0] = np.nan
    scores = evaluate(Silence(), references, {"a": references["a"], "b": holed})
    assert scores["a", "PES"].reason == "reference 'a' is silent in no frame"
    assert scores["b", "EPS"].reason == "estimate 'b' holds nan at channel 0, sample 0"


@pytest.mark.parametrize("parameters", [{"window": 0}, {"hop": -1}, {"threshold": 3.0}])
def test_bad_parameters(parameters):
    with pytest.raises(ConfigError, match=next(iter(parameters))):
        Silence(**parameters)


def test_registered():
    assert metrics.load("silence") is Silence
