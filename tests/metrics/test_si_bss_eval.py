"""SI-SIR and SI-SAR split the error of SI-SDR."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mss_bench.errors import ConfigError
from mss_bench.metrics.scale_invariant import SISDR
from mss_bench.metrics.si_bss_eval import SIBSSEval


def by_definition(references, estimate, target):
    """SI-SIR and SI-SAR of one channel, by least squares."""
    s = references[target]
    alpha = np.dot(s, estimate) / np.dot(s, s)
    error = estimate - alpha * s
    matrix = np.stack([*references.values()], axis=1)
    interference = matrix @ np.linalg.lstsq(matrix, error, rcond=None)[0]
    signal = alpha**2 * np.dot(s, s)
    return [10 * np.log10(signal / np.dot(e, e)) for e in (interference, error - interference)]


@pytest.mark.parametrize("zero_mean", [False, True])
def test_definition(evaluate, noise, blurred, zero_mean):
    references = {n: s + 0.05 for n, s in noise().items()}
    estimates = blurred(references)
    scores = evaluate(SIBSSEval(zero_mean=zero_mean), references, estimates)
    flat = evaluate(SIBSSEval(zero_mean=zero_mean, per_channel=False), references, estimates)
    centred = (lambda x: x - x.mean(axis=1, keepdims=True)) if zero_mean else (lambda x: x)
    s, y = ({n: centred(a) for n, a in x.items()} for x in (references, estimates))
    for target in references:
        each = [by_definition({n: a[c] for n, a in s.items()}, y[target][c], target) for c in range(2)]
        joint = by_definition({n: a.ravel() for n, a in s.items()}, y[target].ravel(), target)
        for index, quantity in enumerate(("SI-SIR", "SI-SAR")):
            assert scores[target, quantity].values[0] == pytest.approx(np.mean(each, axis=0)[index], abs=1e-8)
            assert flat[target, quantity].values[0] == pytest.approx(joint[index], abs=1e-8)


def test_errors_add_up_to_that_of_si_sdr(evaluate, noise, blurred):
    references = noise(channels=1)
    estimates = blurred(references)
    scores = evaluate(SIBSSEval(), references, estimates)
    whole = evaluate(SISDR(), references, estimates)
    for target in references:
        parts = sum(10 ** (-scores[target, q].values[0] / 10) for q in ("SI-SIR", "SI-SAR"))
        assert -10 * np.log10(parts) == pytest.approx(whole[target, "SI-SDR"].values[0], abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(gain=st.floats(0.01, 100), per_channel=st.booleans())
def test_gain_of_an_estimate_changes_nothing(evaluate, gain, per_channel):
    rng = np.random.default_rng(2)
    references = {n: rng.standard_normal((2, 800)) for n in "ab"}
    y = references["a"] + 0.3 * references["b"] + 0.1 * rng.standard_normal((2, 800))
    metric = SIBSSEval(per_channel=per_channel)
    plain, scaled = (evaluate(metric, references, {"a": g * y}) for g in (1.0, gain))
    for key, score in plain.items():
        assert scaled[key].values[0] == pytest.approx(score.values[0], abs=1e-6)


def test_a_mixture_has_no_artifacts_to_the_last_digits(evaluate, noise):
    references = noise(channels=1)
    mixture = sum(references.values())
    scores = evaluate(SIBSSEval(), references, {"a": mixture})
    assert scores["a", "SI-SAR"].values[0] > 250
    assert scores["a", "SI-SIR"].values[0] < 10
    faint = np.random.default_rng(0).standard_normal(mixture.shape)
    faint *= 1e-6 * np.linalg.norm(references["a"]) / np.linalg.norm(faint)
    found = evaluate(SIBSSEval(), references, {"a": mixture + faint})["a", "SI-SAR"].values[0]
    alpha = np.vdot(references["a"], mixture) / np.vdot(references["a"], references["a"])
    assert found == pytest.approx(120 + 20 * np.log10(alpha), abs=0.01)


def test_levels_far_apart(evaluate, noise, blurred):
    references = noise()
    references["b"] *= 1e-5
    estimates = blurred(references)
    found = evaluate(SIBSSEval(), references, estimates)["a", "SI-SIR"].values[0]
    each = [by_definition({n: s[c] for n, s in references.items()}, estimates["a"][c], "a") for c in range(2)]
    assert found == pytest.approx(np.mean(each, axis=0)[0], abs=1e-6)


def test_without_other_references_there_is_no_interference(evaluate, noise, blurred):
    references = noise("a")
    alone = evaluate(SIBSSEval(), references, blurred(references))
    assert alone["a", "SI-SIR"].reason == "SI-SIR is undefined: there is no other reference"
    assert np.isfinite(alone["a", "SI-SAR"].values[0])
    copies = {"a": references["a"], "b": 0.5 * references["a"]}
    copied = evaluate(SIBSSEval(), copies, blurred(copies))
    assert "no other reference adds" in copied["a", "SI-SIR"].reason
    assert copied["a", "SI-SAR"].values[0] == pytest.approx(
        evaluate(SISDR(), copies, blurred(copies))["a", "SI-SDR"].values[0], abs=1e-6
    )


def test_channels_without_others_are_left_out_of_si_sir(evaluate, noise, blurred):
    references = noise("ab")
    references["b"][1] = 0
    estimates = blurred(references)
    left = evaluate(SIBSSEval(), {n: s[:1] for n, s in references.items()}, {n: y[:1] for n, y in estimates.items()})
    both = evaluate(SIBSSEval(), references, estimates)
    assert both["a", "SI-SIR"].values[0] == pytest.approx(left["a", "SI-SIR"].values[0], abs=1e-9)


def test_silence_has_reasons(evaluate, noise, blurred):
    references = noise("ab")
    estimates = blurred(references)
    silent = np.zeros_like(references["a"])
    scores = evaluate(SIBSSEval(), references | {"a": silent}, estimates)
    assert scores["a", "SI-SIR"].reason == "reference 'a' is silent throughout"
    one_sided = estimates | {"a": estimates["a"] * [[1.0], [0.0]]}
    assert evaluate(SIBSSEval(), references, one_sided)["a", "SI-SAR"].reason.endswith("silent throughout in channel 1")


def test_bad_parameters():
    with pytest.raises(ConfigError, match="sar is 'v3'"):
        SIBSSEval(sar="v3")
