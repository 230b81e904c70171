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


def test_the_threshold_keeps_the_peaks_that_stand_out() -> None:
    rng = np.random.default_rng(0)
    for bins in (64, 65):  # with and without a scale at the Nyquist rate
        magnitude = np.tile(rng.random((20, bins)), (10, 1)) + 0.2 * rng.random((200, bins))
        strength = np.abs(np.fft.fft2(magnitude))
        near = np.stack([np.roll(strength, shift, axis=0) for shift in range(-7, 8)])
        least = 0.5 * strength.std()
        peaks = (strength >= near.max(axis=0) * (1 - 1e-12)) & (near.max(axis=0) - near.min(axis=0) > least)
        expected = np.fft.ifft2(np.fft.fft2(magnitude) * peaks).real
        np.testing.assert_allclose(periodic_part(magnitude, 15, 0.5), expected, atol=1e-9)
        assert np.abs(periodic_part(magnitude, 15) - expected).max() > 1e-3


def test_as_published_the_peaks_are_compared_with_the_rest(kernel_signals: ModuleType) -> None:
    method = TwoDFT(preset="paper", threshold=0.0)
    rng = np.random.default_rng(0)
    mixture = kernel_signals.loop(rng, 5.0) + kernel_signals.glides(rng, seconds=5)
    (x,) = method.stft.forward(mixture.astype(np.float32).reshape(1, -1))
    magnitude = np.abs(x)
    peaks = periodic_part(magnitude, method.neighbourhood, method.threshold)
    binary = np.abs(peaks) > np.abs(magnitude - peaks)
    model = np.minimum(method.model(magnitude[None], 1.0)[0], magnitude)
    apart = np.abs(np.abs(peaks) - np.abs(magnitude - peaks)) > 1e-4 * magnitude.max()
    np.testing.assert_array_equal((model > magnitude - model)[apart], binary[apart])
    by_magnitude = np.minimum(TwoDFT().model(magnitude[None], 1.0)[0], magnitude)
    assert np.any((by_magnitude > magnitude - by_magnitude)[apart] != binary[apart])


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
