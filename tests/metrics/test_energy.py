"""uSDR is the score of the demixing challenges."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics import metrics
from mss_bench.metrics.energy import USDR


def test_formula_of_the_challenge(evaluate, noise, blurred):
    references = noise("ab")
    estimates = blurred(references)
    scores = evaluate(USDR(), references, estimates)
    for name, s in references.items():
        expected = 10 * np.log10((np.sum(s**2) + 1e-7) / (np.sum((s - estimates[name]) ** 2) + 1e-7))
        assert scores[name, "uSDR"].values == pytest.approx([expected], abs=1e-9)
        assert scores[name, "uSDR"].scope == "track"


def test_known_values(evaluate):
    """SNR 16.1805 of a published example; with delta = 0 uSDR is the SNR."""
    scores = evaluate(USDR(delta=0), {"a": np.array([[3, -0.5, 2, 7]])}, {"a": np.array([[2.5, 0.0, 2, 8]])})
    assert scores["a", "uSDR"].values[0] == pytest.approx(16.1805, abs=1e-4)


def test_long_float32_songs_are_summed_in_float64(evaluate):
    reference = np.full((2, 300_001), 0.1, dtype=np.float32)
    scores = evaluate(USDR(delta=0), {"a": reference}, {"a": reference * np.float32(0.5)})
    assert scores["a", "uSDR"].values[0] == pytest.approx(20 * np.log10(2), abs=1e-6)


def test_silence_and_perfection(evaluate, noise):
    s = noise("a")["a"]
    silent = np.zeros_like(s)
    assert evaluate(USDR(), {"a": silent}, {"a": silent})["a", "uSDR"].values[0] == 0
    assert evaluate(USDR(), {"a": silent}, {"a": s})["a", "uSDR"].values[0] < -80
    assert evaluate(USDR(), {"a": s}, {"a": silent})["a", "uSDR"].values[0] == pytest.approx(0, abs=1e-6)
    ceiling = 10 * np.log10((np.sum(s**2) + 1e-7) / 1e-7)
    assert evaluate(USDR(), {"a": s}, {"a": s})["a", "uSDR"].values[0] == pytest.approx(ceiling)
    assert evaluate(USDR(delta=0), {"a": s}, {"a": s})["a", "uSDR"].values[0] == np.inf
    nothing = evaluate(USDR(delta=0), {"a": silent}, {"a": silent})["a", "uSDR"]
    assert np.isnan(nothing.values[0])
    assert nothing.reason == "reference and estimate are silent, and delta is 0"


def test_nan_spoils_its_own_estimate_alone(evaluate, noise, blurred):
    references = noise("ab")
    estimates = blurred(references)
    estimates["a"][0, 5] = np.nan
    scores = evaluate(USDR(), references, estimates)
    assert np.isnan(scores["a", "uSDR"].values[0])
    assert "channel 0, sample 5" in scores["a", "uSDR"].reason
    assert np.isfinite(scores["b", "uSDR"].values[0])


def test_bad_input(evaluate, noise):
    references = noise("a")
    with pytest.raises(AudioError, match="estimate 'a' has 1 channels"):
        evaluate(USDR(), references, {"a": references["a"][:1]})
    with pytest.raises(ConfigError, match="delta"):
        USDR(delta=-1.0)


def test_registered():
    assert metrics.load("usdr") is USDR
