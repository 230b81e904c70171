"""The components of BSS Eval as signals: they add up, and their energies are the metric's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError
from mss_bench.metrics.bss_eval import BSSEval
from mss_bench.metrics.bss_eval.components import bss_components

NAMES = ("target", "spatial_distortion", "interference", "artifacts")


def share(components, name):
    """Part of the error's energy that lies in a component."""
    energy = {part: float(np.sum(signal**2)) for part, signal in components.parts.items()}
    return energy[name] / sum(energy[part] for part in NAMES[1:])


def test_components_add_up_to_the_estimate(noise, blurred):
    references = noise()
    for target, estimate in blurred(references).items():
        found = bss_components(references, target, estimate, 64)
        residual = np.sum((found.estimate - estimate) ** 2) / np.sum(estimate**2)
        assert residual < 1e-20
        np.testing.assert_array_equal(found.target, references[target])
        assert list(found.parts) == list(NAMES)


def test_their_ratios_are_those_of_the_metric_over_one_frame(noise, blurred):
    references = noise()
    estimates = blurred(references)
    metric = BSSEval(window=np.inf, hop=np.inf, filter_length=64)
    state = metric.prepare(TrackAudio(references, sum(references.values()), 8000), TargetGroup("g", tuple(references)))
    for score in metric.score(state, estimates):
        found = bss_components(references, score.target, estimates[score.target], 64).ratios[score.quantity]
        # the metric counts the filters' ringing beyond the end, which the signals have no room for
        assert found == pytest.approx(score.value, abs=0.02), (score.target, score.quantity)


def test_errors_lie_where_they_belong(noise):
    references = noise(seconds=4.0)
    s, other = references["a"], references["b"]
    rng = np.random.default_rng(5)
    filtered = lfilter([0.8, 0.0, 0.2], [1.0], s)
    assert share(bss_components(references, "a", filtered, 32), "spatial_distortion") > 0.999
    assert share(bss_components(references, "a", s + 0.1 * np.roll(other, 5), 32), "interference") > 0.99
    assert share(bss_components(references, "a", s + 0.1 * rng.standard_normal(s.shape), 32), "artifacts") > 0.97


def test_a_perfect_and_a_silent_estimate(noise):
    references = noise()
    perfect = bss_components(references, "a", references["a"], 16)
    assert set(perfect.ratios.values()) == {np.inf}
    silent = bss_components(references, "a", 0 * references["a"], 16)
    np.testing.assert_allclose(silent.spatial_distortion, -references["a"], atol=1e-9)
    assert silent.ratios["SDR"] == pytest.approx(0)


def test_what_cannot_be_taken_apart_is_named(noise):
    references = noise()
    spoiled = references["a"].copy()
    spoiled[0, 3] = np.nan
    with pytest.raises(AudioError, match="estimate 'a' holds nan at channel 0, sample 3"):
        bss_components(references, "a", spoiled)
    with pytest.raises(AudioError, match="estimates of"):
        bss_components(references, "z", references["a"])
