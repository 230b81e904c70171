"""log-WMSE: the published check values, the weighting filter, other rates, silence."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError
from mss_bench.metrics.log_wmse import LogWMSE, weighting_filter

RATE = 44100


def log_wmse(mixture, estimate, reference, rate=RATE, **parameters):
    metric = LogWMSE(**parameters)
    state = metric.prepare(TrackAudio({"a": reference}, mixture, rate), TargetGroup("group", ("a",)))
    (score,) = metric.score(state, {"a": estimate})
    return score


@pytest.fixture
def sound():
    return np.random.default_rng(0).uniform(-1, 1, (1, RATE)).astype(np.float32)


def test_published_values(sound):
    silent = np.zeros_like(sound)
    tenth = sound * np.float32(0.1)
    assert log_wmse(sound, tenth, silent, preset="nomono").values[0] == pytest.approx(18.42, abs=0.01)
    assert log_wmse(silent, silent, silent, preset="nomono").values[0] == pytest.approx(73.68, abs=0.01)
    assert log_wmse(sound, tenth, silent).reason == "reference 'a' is silent throughout"
    assert log_wmse(sound, sound, sound).values[0] == pytest.approx(73.68, abs=0.01)


def test_response_of_the_filter():
    """That of the definition's own tests, within their tolerance of 1 dB; of zero phase."""
    taps = weighting_filter()
    assert taps.shape == (4000,)
    np.testing.assert_allclose(taps[1999 - 1000 : 1999], taps[2000 : 2000 + 1000][::-1], atol=1e-12)
    for frequency, level in ((50, -16.0), (1000, 1.3), (3000, 4.2), (16000, -11.8)):
        response = np.abs(np.sum(taps * np.exp(-2j * np.pi * frequency / RATE * np.arange(4000))))
        assert 20 * np.log10(response) == pytest.approx(level, abs=1.0)


def test_low_errors_cost_less_than_those_in_the_middle(sound):
    time = np.arange(RATE) / RATE
    low, middle = (0.3 * np.sin(2 * np.pi * f * time)[np.newaxis] for f in (50, 3000))
    mixture = sound + low + middle
    found = [log_wmse(mixture, sound + error, sound.astype(np.float64)).values[0] for error in (low, middle)]
    assert found[0] - found[1] > 15


def test_common_gain_changes_nothing_and_inaudible_errors_cost_nothing(sound):
    rng = np.random.default_rng(1)
    target = 0.1 * rng.uniform(-1, 1, sound.shape)
    estimate = target + 0.01 * rng.uniform(-1, 1, sound.shape)
    plain = log_wmse(sound, estimate, target).values[0]
    assert log_wmse(0.01 * sound.astype(np.float64), 0.01 * estimate, 0.01 * target).values[0] == pytest.approx(plain)
    hiss = target + 1e-5 * rng.uniform(-1, 1, sound.shape)
    assert log_wmse(sound, hiss, target).values[0] == pytest.approx(73.6827, abs=1e-3)
    assert log_wmse(sound, hiss, target, gate=-np.inf).values[0] < 73.66


def test_other_rates_are_resampled(sound):
    import soxr

    low = soxr.resample(sound.T, RATE, 32000, quality="HQ").T
    values = []
    for rate in (32000, 44100, 48000):
        s = soxr.resample(low.T, 32000, rate, quality="HQ").T
        values.append(log_wmse(s, 0.9 * s, s, rate).values[0])
    assert np.ptp(values) < 0.01


@pytest.mark.parametrize("samples", [1, 7, 3999, 4000, 4001, 28769, 28770, 40000])
def test_any_length_is_filtered_as_by_convolution(samples):
    x = np.random.default_rng(samples).standard_normal((1, samples))
    weighted = np.convolve(x[0], weighting_filter())[1999 : 1999 + samples]
    error = np.mean((0.1 * weighted) ** 2) / np.mean(weighted**2)
    assert log_wmse(x, 1.1 * x, x, gate=-np.inf).values[0] == pytest.approx(-4 * np.log(error + 1e-8), abs=1e-6)


def test_the_mixture_is_needed(sound):
    with pytest.raises(AudioError, match="found none, expected one of shape"):
        log_wmse(None, sound, sound)
    with pytest.raises(AudioError, match=r"found one of shape \(1, 10\)"):
        log_wmse(sound[:, :10], sound, sound)
    holed = sound.copy()
    holed[0, 3] = np.nan
    with pytest.raises(AudioError, match="mixture holds nan at channel 0, sample 3"):
        log_wmse(holed, sound, sound)
    assert "estimate 'a' holds nan" in log_wmse(sound, holed, sound).reason
