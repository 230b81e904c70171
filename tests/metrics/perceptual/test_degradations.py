"""Constructed degradations: of the stated strength, pure, repeatable."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics.perceptual.degradations import LADDERS

RATE = 22050


def decibels(part, whole):
    return 10 * np.log10(np.sum(part**2) / np.sum(whole**2))


@pytest.fixture(scope="module")
def target():
    rng = np.random.default_rng(3)
    return rng.standard_normal((2, 2 * RATE)) * np.exp(-((np.arange(2 * RATE) % 8000) / 3000))


@pytest.fixture(scope="module")
def others():
    return np.random.default_rng(4).standard_normal((2, 2 * RATE))


@pytest.mark.parametrize("name", LADDERS)
def test_a_ladder_is_repeatable_leaves_its_input_and_grows(name, target, others):
    ladder, before = LADDERS[name], target.copy()
    steps = [ladder.apply(target, level, RATE, others=others) for level in ladder.levels]
    again = [
        ladder.apply(target.astype(np.float32).astype(np.float64), level, RATE, others=others)
        for level in ladder.levels
    ]
    np.testing.assert_array_equal(target, before)
    for estimate, other in zip(steps, again, strict=True):
        assert estimate.shape == target.shape
        assert estimate.dtype == np.float64
        assert np.isfinite(estimate).all()
        np.testing.assert_allclose(estimate, other, atol=1e-5)
    assert len({decibels(estimate - target, target) for estimate in steps}) > 1
    assert ladder.definition
    assert ladder.unit


@pytest.mark.parametrize("name", ["bleed", "musical_noise", "reverb"])
def test_what_is_added_has_the_level_asked_for(name, target, others):
    for level in LADDERS[name].levels:
        estimate = LADDERS[name].apply(target, level, RATE, others=others)
        assert decibels(estimate - target, target) == pytest.approx(level)


def test_gain_pan_and_clipping_are_exact(target):
    np.testing.assert_allclose(LADDERS["gain"].apply(target, -6.0, RATE), target * 10**-0.3)
    panned = LADDERS["pan"].apply(target, 6.0, RATE)
    ratio = decibels(panned[:1], panned[1:]) - decibels(target[:1], target[1:])
    assert ratio == pytest.approx(6.0)
    clipped = LADDERS["clipping"].apply(target, -6.0, RATE)
    assert np.abs(clipped).max() == pytest.approx(np.abs(target).max() * 10**-0.3)


def test_delays_are_of_whole_samples_where_the_time_is(target):
    delayed = LADDERS["delay"].apply(target, 1000 * 30 / RATE, RATE)
    np.testing.assert_allclose(delayed[:, 30:], target[:, :-30], atol=1e-9)
    moved = LADDERS["channel_delay"].apply(target, 1e6 * 7 / RATE, RATE)
    np.testing.assert_array_equal(moved[0], target[0])
    np.testing.assert_allclose(moved[1, 7:], target[1, :-7], atol=1e-9)


def test_low_pass_keeps_what_is_below_and_takes_what_is_above(target):
    spectrum = [np.abs(np.fft.rfft(x[0])) for x in (target, LADDERS["low_pass"].apply(target, 4000.0, RATE))]
    frequency = np.fft.rfftfreq(2 * RATE, 1 / RATE)
    below, above = frequency < 3900, frequency > 4600
    assert decibels(spectrum[1][below] - spectrum[0][below], spectrum[0][below]) < -40
    assert decibels(spectrum[1][above], spectrum[0][above]) < -40


def test_dropouts_are_silent_for_20_ms_and_as_many_as_asked_for(target):
    estimate = LADDERS["dropouts"].apply(target, 2.0, RATE)
    silent = (estimate == 0).all(axis=0) & (np.abs(target).max(axis=0) > 0)
    assert 0.02 * RATE - 2 <= silent.sum() <= 4 * 0.02 * RATE + 8


@pytest.mark.parametrize("name", ["phase", "smear"])
def test_phases_change_and_the_spectrum_does_not(name, target):
    estimate = LADDERS[name].apply(target, LADDERS[name].levels[-1], RATE)
    bands = [np.add.reduceat(np.abs(np.fft.rfft(x[0])) ** 2, np.arange(0, RATE, 500)) for x in (target, estimate)]
    assert np.abs(10 * np.log10(bands[1] / bands[0])).max() < 2.5
    assert decibels(estimate - target, target) > -3


def test_smearing_spreads_a_click_to_both_sides_alike():
    click = np.zeros((1, RATE))
    click[0, RATE // 2] = 1
    power = LADDERS["smear"].apply(click, 4.0, RATE)[0] ** 2
    time = (np.arange(RATE) - RATE // 2) / RATE * 1000
    near = np.abs(time) < 50
    assert np.dot(time[near], power[near]) / power[near].sum() == pytest.approx(0, abs=1e-3)
    assert 2 < np.sqrt(np.dot(time[near] ** 2, power[near]) / power[near].sum()) < 12


def test_wrong_input_is_refused(target, others):
    with pytest.raises(AudioError, match=r"expected \(channels, samples\)"):
        LADDERS["gain"].apply(target[0], -3.0, RATE)
    with pytest.raises(AudioError, match="expected the target's"):
        LADDERS["bleed"].apply(target, -3.0, RATE, others=others[:1])
    with pytest.raises(AudioError, match="found 1 channels, expected 2"):
        LADDERS["pan"].apply(target[:1], 3.0, RATE)
    with pytest.raises(ConfigError, match="level is nan"):
        LADDERS["gain"].apply(target, np.nan, RATE)


@pytest.mark.parametrize("name", LADDERS)
def test_short_and_silent_targets_are_taken(name):
    for samples in (1, 100):
        estimate = LADDERS[name].apply(np.zeros((2, samples)), LADDERS[name].levels[0], RATE)
        np.testing.assert_allclose(estimate, np.zeros((2, samples)))
