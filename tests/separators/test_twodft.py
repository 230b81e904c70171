"""Music and voice by the two-dimensional Fourier transform."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.twodft import TwoDFT, periodic_part

Gains = Callable[..., list[float]]


def _found(method: TwoDFT, signals: ModuleType, separate: Callable[..., Stems], gains: Gains) -> list[float]:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        song = {"accompaniment": signals.loop(rng), "vocals": signals.glides(rng)}
        mixture = sum(song.values())
        found += gains(song, separate(method, mixture, rate=signals.RATE), mixture)
    return found


def test_a_loop_comes_from_under_glides(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Gains
) -> None:
    found = _found(TwoDFT(), kernel_signals, separate, gains)
    assert np.mean(found) > 7
    assert min(found) > 4


def test_the_binary_mask_gains_more_on_a_loop(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Gains
) -> None:
    found = _found(TwoDFT(mask="binary"), kernel_signals, separate, gains)
    assert np.mean(found) > 8
    assert min(found) > 4.5


def test_what_does_not_repeat_is_not_told_apart(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Gains
) -> None:
    rng = np.random.default_rng(0)
    steady = {"accompaniment": kernel_signals.loop(rng, 30.0), "vocals": kernel_signals.glides(rng, seconds=30)}
    slowing = steady | {"accompaniment": kernel_signals.slowing_loop(rng)}
    never = steady | {"accompaniment": kernel_signals.glides(rng, seconds=30)}
    found = []
    for song in (steady, slowing, never):
        mixture = sum(song.values())
        found.append(np.mean(gains(song, separate(TwoDFT(), mixture, rate=kernel_signals.RATE), mixture)))
    assert found[0] > found[1] + 3
    assert found[2] < 2


def test_a_periodic_spectrogram_is_its_own_periodic_part_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    pattern = rng.random((20, 65)).astype(np.float32)
    repeating = np.tile(pattern, (20, 1))
    np.testing.assert_allclose(periodic_part(repeating, 15), repeating, atol=1e-4)
    noise = rng.standard_normal((400, 65)).astype(np.float32)
    assert np.linalg.norm(periodic_part(noise, 15)) < 0.5 * np.linalg.norm(noise)
    assert periodic_part(noise, 15).dtype == np.float32


def test_blocks_are_cross_faded_and_each_finds_its_own_rate(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Gains
) -> None:
    rng = np.random.default_rng(0)
    song = {"accompaniment": kernel_signals.two_loops(rng), "vocals": kernel_signals.glides(rng, 1.0, 30)}
    mixture = sum(song.values())
    whole, halves = (
        separate(TwoDFT(length=length, step=step), mixture, rate=kernel_signals.RATE)
        for length, step in ((30.0, 30.0), (15.5, 14.5))
    )
    np.testing.assert_allclose(sum(halves.values()), mixture, atol=1e-4)
    assert np.mean(gains(song, halves, mixture)) > np.mean(gains(song, whole, mixture))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"neighbourhood": 24}, "twodft: neighbourhood is 24, expected an odd number of at least 1"),
        ({"step": 40.0}, "twodft: step is 40.0, expected a number from 15 to 30 (in s)"),
        ({"mask": 1}, "twodft: mask is 1, expected binary, soft"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        TwoDFT(**parameters)
