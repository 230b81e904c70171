"""Common fate: sources in unison, told apart by their vibrato."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems, Targets
from mss_bench.errors import ConfigError
from mss_bench.separators.common_fate import CommonFate, Patches


def _gains(method: CommonFate, song: Stems, gains: Callable[..., list[float]], rate: int) -> list[float]:
    mixture = np.asarray(sum(song.values()), dtype=np.float32)
    estimates = method.separate(
        mixture, rate, targets=Targets(tuple(song)), rng=np.random.default_rng(0), references=song
    )
    return gains(song, estimates, mixture)


def _unison(signals: ModuleType, rng: np.random.Generator, apart: bool = True) -> Stems:
    """One tone with vibrato and one without, at one pitch, each on and off at random or on all the time."""
    song = {"wavering": signals.unison(rng, 6, 1.0), "still": signals.unison(rng, 0, 0)}
    if apart:
        song = {name: signals.level(tone * signals.envelope(rng)) for name, tone in song.items()}
    return song


@pytest.fixture
def found(factor_signals: ModuleType) -> Callable[..., list[float]]:
    def measure(gains: Callable[..., list[float]], apart: bool = True, **parameters: int) -> list[float]:
        method = CommonFate(assignment="oracle", **parameters)
        songs = [_unison(factor_signals, np.random.default_rng(seed), apart) for seed in range(3)]
        return [gain for song in songs for gain in _gains(method, song, gains, factor_signals.RATE)]

    return measure


def test_sources_in_unison_are_told_apart_by_their_vibrato(
    found: Callable[..., list[float]], gains: Callable[..., list[float]]
) -> None:
    model = found(gains)
    assert np.mean(model) > 8
    assert min(model) > 7
    plain = found(gains, patch_frames=1, patch_bins=1)
    assert np.mean(model) > np.mean(plain) + 5


def test_sources_that_are_never_apart_in_time_stay_together(
    found: Callable[..., list[float]], gains: Callable[..., list[float]]
) -> None:
    assert np.mean(found(gains, apart=False)) < 4


def test_sources_that_waver_alike_stay_together(factor_signals: ModuleType, gains: Callable[..., list[float]]) -> None:
    rng = np.random.default_rng(0)
    tone = factor_signals.unison(rng, 6, 1.0)
    song = {name: factor_signals.level(tone * factor_signals.envelope(rng)) for name in ("one", "two")}
    assert np.mean(_gains(CommonFate(assignment="oracle"), song, gains, factor_signals.RATE)) < 5


@pytest.mark.parametrize(("height", "width"), [(10, 10), (1, 1), (4, 1), (3, 7), (32, 4)])
def test_patches_are_put_together_again(height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((2, 37, 65)) + 1j * rng.standard_normal((2, 37, 65))).astype(np.complex64)
    patches = Patches(x.shape, height, width)
    canvas = patches.canvas(x.dtype)
    for columns in (slice(0, 3), slice(3, patches.columns)):
        transform = patches.forward(patches.pad(x), columns)
        assert transform.shape == (2, patches.rows, (columns.stop - columns.start) * height * width)
        patches.add(canvas, transform, columns)
    np.testing.assert_allclose(patches.crop(canvas), x, atol=1e-5)


def test_a_patch_of_one_bin_is_the_spectrogram() -> None:
    x = np.random.default_rng(0).standard_normal((1, 5, 9)).astype(np.complex64)
    patches = Patches(x.shape, 1, 1)
    np.testing.assert_allclose(patches.forward(patches.pad(x), slice(0, 9)), x, atol=1e-6)


@pytest.mark.parametrize("mask", ["binary", "soft", "wiener", "multichannel"])
@pytest.mark.parametrize("samples", [1, 5000])
def test_every_filter_and_length_adds_up(mask: str, samples: int) -> None:
    noise = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    method = CommonFate(sources=3, mask=mask, iterations=2, restarts=1)
    parts = method.find_sources(noise, 16000, count=3, rng=np.random.default_rng(0))
    np.testing.assert_allclose(sum(parts), noise, atol=1e-5)


def test_impossible_parameters_are_named() -> None:
    with pytest.raises(ConfigError, match="common_fate: patch_bins is 0, expected a whole number of at least 1"):
        CommonFate(patch_bins=0)
    with pytest.raises(ConfigError, match="common_fate: restarts is 0"):
        CommonFate(restarts=0)
