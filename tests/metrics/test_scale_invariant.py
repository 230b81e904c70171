"""SNR, SI-SDR, SD-SDR and SA-SDR in the variants that tools use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics import metrics
from mss_bench.metrics.energy import USDR
from mss_bench.metrics.scale_invariant import SASDR, SDSDR, SISDR, SNR

TARGET, ESTIMATE = np.array([[3, -0.5, 2, 7]]), np.array([[2.5, 0.0, 2, 8]])


def si_sdr(reference, estimate, **parameters):
    metric = SISDR(**parameters)
    state = metric.prepare(TrackAudio({"a": reference}, reference, 8000), TargetGroup("group", ("a",)))
    (score,) = metric.score(state, {"a": estimate})
    return score


@pytest.mark.parametrize(("zero_mean", "expected"), [(False, 18.4030), (True, 15.0918)])
def test_published_values(zero_mean, expected):
    """torchmetrics' example, without and with the mean."""
    assert si_sdr(TARGET, ESTIMATE, zero_mean=zero_mean).values[0] == pytest.approx(expected, abs=1e-4)


def test_mean_over_channels_or_one_gain(noise, blurred):
    s = noise("ab")["a"]
    y = blurred({"a": s})["a"]
    each = [si_sdr(s[c : c + 1], y[c : c + 1]).values[0] for c in range(2)]
    assert si_sdr(s, y).values[0] == pytest.approx(np.mean(each), abs=1e-9)
    flat = si_sdr(s.reshape(1, -1), y.reshape(1, -1)).values[0]
    assert si_sdr(s, y, per_channel=False).values[0] == pytest.approx(flat, abs=1e-9)


def test_wrong_balance_costs_only_with_one_gain(noise):
    s = noise("a")["a"]
    panned = s * [[1.0], [0.25]]
    assert si_sdr(s, panned).values[0] > 200
    assert si_sdr(s, panned, per_channel=False).values[0] < 20


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-1, 1), per_channel=st.booleans())
def test_invariance(gain, offset, per_channel):
    rng = np.random.default_rng(3)
    s = rng.standard_normal((2, 500))
    y = s + 0.2 * rng.standard_normal(s.shape)
    plain = si_sdr(s, y, per_channel=per_channel).values[0]
    assert si_sdr(s, gain * y, per_channel=per_channel).values[0] == pytest.approx(plain, abs=1e-9)
    centred = si_sdr(s, y, per_channel=per_channel, zero_mean=True).values[0]
    moved = si_sdr(s, y + offset, per_channel=per_channel, zero_mean=True).values[0]
    assert moved == pytest.approx(centred, abs=1e-7)


def test_high_values_keep_their_digits(noise):
    s = noise("a", channels=1)["a"]
    rng = np.random.default_rng(0)
    n = rng.standard_normal(s.shape)
    n -= s * np.vdot(s, n) / np.vdot(s, s)
    n *= 1e-6 * np.linalg.norm(s) / np.linalg.norm(n)
    assert si_sdr(s, 2 * s + 2 * n).values[0] == pytest.approx(120, abs=1e-6)


def test_silence_and_perfection(noise):
    s = noise("a")["a"]
    silent = np.zeros_like(s)
    assert si_sdr(s, s).values[0] == np.inf
    for reference, estimate, kind in ((silent, s, "reference"), (s, silent, "estimate")):
        for per_channel in (True, False):
            score = si_sdr(reference, estimate, per_channel=per_channel)
            assert np.isnan(score.values[0])
            assert score.reason == f"{kind} 'a' is silent throughout"
    constant = si_sdr(np.full_like(s, 0.1), s, zero_mean=True)
    assert "once its mean is removed" in constant.reason


def test_a_channel_without_reference_is_left_out(noise, blurred):
    s = noise("a")["a"]
    y = blurred({"a": s})["a"]
    hard_left = np.stack([s[0], np.zeros_like(s[0])])
    assert si_sdr(hard_left, y).values[0] == pytest.approx(si_sdr(s[:1], y[:1]).values[0], abs=1e-9)


def test_a_channel_without_estimate_has_a_reason(noise):
    s = noise("a")["a"]
    score = si_sdr(s, s * [[1.0], [0.0]])
    assert np.isnan(score.values[0])
    assert "silent throughout in channel 1" in score.reason


def test_nan_and_bad_shapes(noise):
    s = noise("a")["a"]
    holed = s.copy()
    holed[1, 3] = np.inf
    assert si_sdr(s, holed).reason == "estimate 'a' holds inf at channel 1, sample 3"
    with pytest.raises(AudioError, match="estimate 'a' has 1 channels"):
        si_sdr(s, s[:1])


def test_registered():
    assert metrics.load("si_sdr") is SISDR


def value(metric, references, estimates, target="a"):
    state = metric.prepare(TrackAudio(references, None, 8000), TargetGroup("group", tuple(references)))
    return {s.target: s for s in metric.score(state, estimates)}[target]


class TestSNR:
    def test_published_value(self):
        assert value(SNR(), {"a": TARGET}, {"a": ESTIMATE}).values[0] == pytest.approx(16.1805, abs=1e-4)

    def test_joint_is_usdr_without_its_constant(self, noise, blurred):
        references = noise("ab")
        estimates = blurred(references)
        joint = value(SNR(per_channel=False), references, estimates).values[0]
        assert joint == pytest.approx(value(USDR(delta=0.0), references, estimates).values[0], abs=1e-9)

    def test_silence(self, noise):
        s = noise("a")["a"]
        silent = np.zeros_like(s)
        assert value(SNR(), {"a": s}, {"a": silent}).values[0] == 0
        assert value(SNR(), {"a": silent}, {"a": s}).reason == "reference 'a' is silent throughout"
        assert value(SNR(), {"a": s}, {"a": s}).values[0] == np.inf
        with_constant = value(SNR(preset="torchmetrics"), {"a": silent}, {"a": s})
        assert with_constant.values[0] < -60
        assert not with_constant.reason


class TestSDSDR:
    @settings(max_examples=20, deadline=None)
    @given(gain=st.floats(0.1, 10), zero_mean=st.booleans())
    def test_is_the_snr_and_the_gain(self, gain, zero_mean):
        rng = np.random.default_rng(5)
        s = rng.standard_normal((1, 600)) + 0.2
        y = gain * s + 0.2 * rng.standard_normal(s.shape)
        centred = (lambda x: x - x.mean()) if zero_mean else (lambda x: x)
        alpha = np.vdot(centred(s), centred(y)) / np.vdot(centred(s), centred(s))
        found = [value(m(zero_mean=zero_mean), {"a": s}, {"a": y}).values[0] for m in (SDSDR, SNR, SISDR)]
        assert found[0] == pytest.approx(found[1] + 20 * np.log10(alpha), abs=1e-8)
        assert found[0] <= found[2] + 1e-9


class TestSASDR:
    def test_one_number_of_summed_energies_for_all(self, noise, blurred):
        references = noise("abc", channels=1)
        estimates = blurred(references)
        s, y = (np.concatenate([*x.values()], axis=1) for x in (references, estimates))
        expected = si_sdr(s, y).values[0]
        for target in references:
            assert value(SASDR(), references, estimates, target).values[0] == pytest.approx(expected, abs=1e-9)
        plain = value(SASDR(scale_invariant=False), references, estimates).values[0]
        assert plain == pytest.approx(value(SNR(), {"a": s}, {"a": y}).values[0], abs=1e-9)

    def test_a_subset_is_flagged(self, noise, blurred):
        references = noise("ab")
        estimates = blurred(references)
        score = value(SASDR(), references, {"b": estimates["b"]}, "b")
        assert score.flags == ("partial_group",)
        assert score.values[0] == pytest.approx(value(SISDR(), references, estimates, "b").values[0], abs=1e-9)
        assert value(SASDR(), references, estimates).flags == ()

    def test_nan_in_one_estimate_leaves_no_number(self, noise, blurred):
        references = noise("ab")
        estimates = blurred(references)
        estimates["b"][0, 1] = np.nan
        score = value(SASDR(), references, estimates, "a")
        assert np.isnan(score.values[0])
        assert score.reason == (
            "the number is of all estimates together, and estimate 'b' holds nan at channel 0, sample 1"
        )

    def test_one_silent_source_counts_as_what_leaks_into_it(self, noise, blurred):
        references = noise("ab")
        references["b"] = np.zeros_like(references["b"])
        leaking = blurred(references)
        clean = leaking | {"b": references["b"]}
        assert value(SASDR(), references, leaking).values[0] < value(SASDR(), references, clean).values[0]


@pytest.mark.parametrize("cls", [SNR, SISDR, SDSDR, SASDR])
def test_bad_parameters(cls):
    with pytest.raises(ConfigError, match="eps is -1"):
        cls(eps=-1.0)
    with pytest.raises(ConfigError, match="eps_form is 'inside'"):
        cls(eps_form="inside")
    with pytest.raises(ConfigError, match=r"preset is 'defualt', expected default.*; did you mean 'default'"):
        cls(preset="defualt")


def test_a_faint_estimate_is_not_silent(noise):
    """The energy of the estimate cannot be told from differences of energies here."""
    s = noise("a")["a"]
    assert si_sdr(s, 1e-6 * s).values[0] > 150
