"""Gains between 1e-200 and 1e200: nothing overflows, nothing is taken for silence, and what is invariant stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mss_bench.compat import museval
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.metrics.bss_eval import BSSEval
from mss_bench.metrics.bss_eval.v3 import BSSEvalV3Images, BSSEvalV3Sources
from mss_bench.metrics.energy import CSDR, USDR
from mss_bench.metrics.scale_invariant import SASDR, SDSDR, SISDR, SNR
from mss_bench.metrics.si_bss_eval import SIBSSEval

RATE = 8000
_RNG = np.random.default_rng(5)
REFERENCES = {name: _RNG.standard_normal((2, 3000)) for name in "ab"}
ESTIMATES = {name: s + 0.3 * _RNG.standard_normal(s.shape) for name, s in REFERENCES.items()}
FRAMED = (slice(0, 2000), slice(1000, 3000))

METRICS = {
    "v4": (BSSEval(window=0.25, hop=0.125, filter_length=16), {"SIR", "SAR"}),
    "v3 images": (BSSEvalV3Images(window=0.25, hop=0.125, filter_length=16), {"SIR", "SAR"}),
    "v3 sources": (BSSEvalV3Sources(window=0.25, hop=0.125, filter_length=16), {"SDR", "SIR", "SAR"}),
    "csdr": (CSDR(window=0.25, hop=0.125), set()),
    "usdr": (USDR(delta=0), set()),
    "snr": (SNR(per_channel=False), set()),
    "sd_sdr": (SDSDR(), set()),
    "si_sdr": (SISDR(), {"SI-SDR"}),
    "si_sdr joint": (SISDR(per_channel=False, zero_mean=True), {"SI-SDR"}),
    "si_bss_eval": (SIBSSEval(), {"SI-SIR", "SI-SAR"}),
    "si_bss_eval joint": (SIBSSEval(per_channel=False, sar="projection"), {"SI-SIR", "SI-SAR"}),
    "sa_sdr": (SASDR(), set()),
    "sa_sdr, no gain": (SASDR(scale_invariant=False, per_channel=False), set()),
}
"""Metric, and its quantities that the gain of one estimate leaves alone."""

PLAIN = {"SDR", "cSDR", "uSDR", "SNR"}
"""Quantities that are |s|^2 / |y - s|^2."""

exponents = st.integers(-200, 200)


def scores(name, references, estimates):
    metric = METRICS[name][0]
    state = metric.prepare(TrackAudio(references, None, RATE), TargetGroup("group", tuple(references)))
    found = metric.score(state, estimates)
    assert not any(s.reason or "ill_conditioned" in s.flags for s in found)
    return {(s.target, s.quantity): s.values for s in found}


BEFORE = {name: scores(name, REFERENCES, ESTIMATES) for name in METRICS}


def plain_ratio(quantity, gain, of_reference):
    """|s|^2 / |y - s|^2 in dB of source a under a gain of either; nothing is squared that could overflow."""
    values = []
    for span in (slice(0, 3000),) if quantity in ("uSDR", "SNR") else FRAMED:
        s, y = REFERENCES["a"][:, span], ESTIMATES["a"][:, span]
        gain_s, gain_y = (gain, 1.0) if of_reference else (1.0, gain)
        louder = max(gain_s, gain_y)
        error = gain_y / louder * y - gain_s / louder * s
        values.append(10 * np.log10(np.sum(s**2) / np.sum(error**2)) + 20 * (np.log10(gain_s) - np.log10(louder)))
    return values


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=12, deadline=None)
@given(exponent=exponents)
def test_common_gain(name, exponent):
    gain = 10.0**exponent
    found = scores(name, *({n: gain * x for n, x in signals.items()} for signals in (REFERENCES, ESTIMATES)))
    for key, values in BEFORE[name].items():
        np.testing.assert_allclose(found[key], values, rtol=0, atol=1e-7, err_msg=str(key))


@pytest.mark.parametrize("name", [name for name in METRICS if "sa_sdr" not in name])
@pytest.mark.parametrize("of_reference", [False, True])
@settings(max_examples=12, deadline=None)
@given(exponent=exponents)
def test_gain_of_one_signal(name, of_reference, exponent):
    gain = 10.0**exponent
    references, estimates = dict(REFERENCES), dict(ESTIMATES)
    scaled = references if of_reference else estimates
    scaled["a"] = gain * scaled["a"]
    found, invariant = scores(name, references, estimates), METRICS[name][1]
    for (target, quantity), values in BEFORE[name].items():
        if target == "b" or quantity in invariant:
            np.testing.assert_allclose(
                found[target, quantity], values, rtol=0, atol=1e-6, err_msg=f"{target}{quantity}"
            )
        elif quantity in PLAIN:
            expected = plain_ratio(quantity, gain, of_reference)
            np.testing.assert_allclose(found[target, quantity], expected, rtol=1e-9, atol=1e-7, err_msg=quantity)
        else:
            assert np.isfinite(found[target, quantity]).all()


@pytest.mark.parametrize("name", ["v4", "v3 images"])
@pytest.mark.parametrize("gain", [1e-100, 1e100])
def test_isr_far_off(name, gain):
    """Against |P y| = 0 it is 0 dB, and against |s| = 0 it falls as the gain rises."""
    found = scores(name, REFERENCES, ESTIMATES | {"a": gain * ESTIMATES["a"]})["a", "ISR"]
    more = scores(name, REFERENCES, ESTIMATES | {"a": 1e3 * gain * ESTIMATES["a"]})["a", "ISR"]
    np.testing.assert_allclose(found, 0 if gain < 1 else -2000, atol=2)
    np.testing.assert_allclose(more - found, 0 if gain < 1 else -60, atol=1e-6)


@pytest.mark.parametrize("gain", [1e-150, 1e150])
def test_sources_of_very_different_levels_are_aggregated(gain):
    """The loud one alone counts, and the faint one is not silence."""
    louder = "a" if gain > 1 else "b"
    references, estimates = (
        {n: (gain if n == "a" else 1) * x for n, x in signals.items()} for signals in (REFERENCES, ESTIMATES)
    )
    found = scores("sa_sdr", references, estimates)["a", "SA-SDR"]
    alone = scores("sa_sdr", {louder: references[louder]}, {louder: estimates[louder]})[louder, "SA-SDR"]
    assert found == pytest.approx(alone, abs=1e-9)


@pytest.mark.parametrize("gain", [1e-170, 1e200])
def test_drop_in_for_museval(gain):
    references, estimates = (np.stack([x.T for x in signals.values()]) for signals in (REFERENCES, ESTIMATES))
    plain = museval.evaluate(references, estimates, 1000, 1000)
    for found, values in zip(museval.evaluate(gain * references, gain * estimates, 1000, 1000), plain, strict=True):
        np.testing.assert_allclose(found, values, rtol=0, atol=1e-7)


def test_a_perfect_quiet_passage_of_an_estimate_that_is_far_too_quiet():
    """The level of the whole does not decide over a frame: there the error is nil, whatever the scaling."""
    references = {n: x.copy() for n, x in REFERENCES.items()}
    references["a"][:, :2000] *= 1e-5
    estimates = {n: x.copy() for n, x in references.items()}
    estimates["a"][:, 2000:] *= 1e-5
    found = scores("v4", references, estimates)
    assert found["a", "SDR"][0] == np.inf
    assert found["a", "SDR"][-1] == pytest.approx(0, abs=0.5)


def test_float32_at_its_limits():
    references, estimates = (
        {n: x.astype(np.float32) for n, x in signals.items()} for signals in (REFERENCES, ESTIMATES)
    )
    plain = scores("v4", references, estimates)
    for exponent in (-100, 100):
        scaled = ({n: np.ldexp(x, exponent) for n, x in signals.items()} for signals in (references, estimates))
        for key, values in scores("v4", *scaled).items():
            np.testing.assert_allclose(values, plain[key], rtol=0, atol=1e-9)


def test_constants_keep_their_meaning():
    """A constant in a ratio has a level of its own: it decides over what is fainter, and is nothing to what is loud."""
    loud, faint = ({n: g * x for n, x in REFERENCES.items()} for g in (1e200, 1e-170))
    worse = [{n: 1.1 * s for n, s in signals.items()} for signals in (loud, faint)]
    for metric in (SISDR(preset="torchmetrics"), SNR(preset="torchmetrics"), USDR()):
        values = []
        for references, estimates in zip((loud, faint), worse, strict=True):
            state = metric.prepare(TrackAudio(references, None, RATE), TargetGroup("group", tuple(references)))
            values.append(metric.score(state, estimates)[0].values[0])
        assert values[0] > 100 if isinstance(metric, SISDR) else values[0] == pytest.approx(20)
        assert values[1] == 0
