"""Kernel additive modelling: sources that only their kernels and places tell apart."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from scipy.ndimage import median_filter

from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.errors import ConfigError
from mss_bench.separators.kam import KAM, comb, comb_lags, cross_median

THREE = "percussive+harmonic+repeating"
SECONDS = 8.0
HALF_RATE = {"n_fft": 2048, "hop": 512}
"""The default frames in seconds, for signals of 22.05 kHz."""


def _song(signals: ModuleType, seed: int) -> dict[str, Audio]:
    """Clicks at moments and chords of lengths that do not repeat, and a riff that does."""
    rng = np.random.default_rng(seed)
    rate = signals.RATE
    return {
        "percussive": signals.panned(signals.clicks(rng, SECONDS, rate), 20),
        "harmonic": signals.panned(signals.chords(rng, SECONDS, rate, jitter=0.3), 45),
        "repeating": signals.panned(signals.riff(rng, SECONDS), 70),
    }


def _found(method: KAM, signals: ModuleType, gains: Callable[..., list[float]]) -> list[float]:
    found = []
    for seed in range(3):
        song = _song(signals, seed)
        mixture = sum(song.values())
        found += gains(song, method.components(mixture.astype(np.float32), signals.RATE), mixture)
    return found


def test_three_kernels_tell_three_sources_apart_and_iterations_help(
    kernel_signals: ModuleType, gains: Callable[..., list[float]]
) -> None:
    found = _found(KAM(kernels=THREE, **HALF_RATE), kernel_signals, gains)
    assert np.mean(found) > 18
    assert min(found) > 14
    first = _found(KAM(kernels=THREE, iterations=1, **HALF_RATE), kernel_signals, gains)
    assert np.mean(found) > np.mean(first) + 6


def test_one_place_leaves_the_kernels_alone(kernel_signals: ModuleType, gains: Callable[..., list[float]]) -> None:
    song = {name: source.sum(axis=0, keepdims=True) for name, source in _song(kernel_signals, 0).items()}
    mixture = sum(song.values())
    found = gains(
        song, KAM(kernels=THREE, **HALF_RATE).components(mixture.astype(np.float32), kernel_signals.RATE), mixture
    )
    assert min(found) > 5


def test_sources_of_one_kernel_at_one_place_stay_together(
    kernel_signals: ModuleType, gains: Callable[..., list[float]]
) -> None:
    rng = np.random.default_rng(0)
    song = {name: kernel_signals.chords(rng, SECONDS, kernel_signals.RATE) for name in ("harmonic", "percussive")}
    mixture = sum(song.values())
    estimates = KAM(kernels="percussive+harmonic").components(mixture.astype(np.float32), kernel_signals.RATE)
    assert max(gains(song, estimates, mixture)) < 1


def test_the_cross_keeps_a_voice_that_the_other_kernels_refuse(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    rng = np.random.default_rng(0)
    song = {
        "vocals": kernel_signals.panned(kernel_signals.voice(), 45),
        "drums": kernel_signals.panned(kernel_signals.clicks(rng), 20),
        "harmonic": kernel_signals.panned(kernel_signals.chords(rng), 70),
    }
    mixture = sum(song.values())
    estimates = separate(KAM(kernels="percussive+harmonic+cross"), mixture)
    found = gains(song, {**estimates, "harmonic": estimates["bass"] + estimates["other"]}, mixture)
    assert min(found) > 5


@pytest.mark.parametrize(
    ("kernels", "delivered"),
    [
        ("percussive+harmonic+repeating+cross", {"vocals", "accompaniment", "drums", "bass", "other"}),
        ("repeating+cross", {"vocals", "accompaniment", "bass", "other"}),
        ("harmonic+percussive", {"drums", "bass", "other"}),
        ("percussive+cross", {"vocals", "accompaniment", "drums"}),
    ],
)
def test_the_kernels_determine_what_is_delivered(
    kernels: str, delivered: set[str], targets: Targets, separate: Callable[..., Stems]
) -> None:
    method = KAM(kernels=kernels, iterations=2, n_fft=1024, hop=256)
    assert set(method.produces(targets, TrackId("data", "test", "song"))) == delivered
    mixture = np.random.default_rng(0).standard_normal((2, 20000)).astype(np.float32)
    estimates = separate(method, mixture)
    assert set(estimates) == delivered
    whole = [estimates[name] for name in delivered - {"accompaniment"}]
    np.testing.assert_allclose(sum(whole), mixture, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 3000, 22050])
def test_what_is_too_short_to_repeat_still_adds_up(separate: Callable[..., Stems], samples: int) -> None:
    noise = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    estimates = separate(KAM(), noise, rate=22050)
    np.testing.assert_allclose(estimates["vocals"] + estimates["accompaniment"], noise, atol=1e-5)
    assert all(np.isfinite(estimate).all() for estimate in estimates.values())


def test_the_comb_follows_a_period_between_two_frames() -> None:
    time = np.arange(600)
    spectrum = np.cos(2 * np.pi * time / 43.4)
    lags = comb_lags(spectrum, 43)
    np.testing.assert_array_equal(lags, np.round(43.4 * np.arange(len(lags))))
    index = comb(600, lags, 7)
    assert index.shape == (7, 600)
    assert index.min() >= 0
    assert index.max() < 600
    assert set(np.abs(index - time).ravel()) <= set(lags)
    assert all(len(set(column)) == 7 for column in index.T)
    np.testing.assert_array_equal(index[:, 300] - 300, [-130, -87, -43, 0, 43, 87, 130])


def test_a_song_shorter_than_its_period_has_no_repetitions() -> None:
    np.testing.assert_array_equal(comb(3, np.array([0, 5, 10]), 7), [[0, 1, 2]])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 1), (0, 3), (4, 4)])
def test_the_cross_is_that_of_scipy(height: int, width: int) -> None:
    power = np.random.default_rng(0).random((70, 50)).astype(np.float32)
    footprint = np.zeros((2 * height + 1, 2 * width + 1), dtype=bool)
    footprint[height], footprint[:, width] = True, True
    np.testing.assert_array_equal(
        cross_median(power, height, width), median_filter(power, footprint=footprint, mode="reflect")
    )


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"kernels": "percussive"}, "kam: kernels is 'percussive', expected two or more of percussive, harmonic"),
        ({"kernels": "harmonic+harmonic"}, "kernels is 'harmonic.harmonic'"),
        ({"kernels": "harmonic+wavy"}, "kernels is 'harmonic.wavy'"),
        ({"kernels": 3}, "kernels is '3'"),
        ({"iterations": 0}, "kam: iterations is 0, expected a whole number of at least 1"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, int], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        KAM(**parameters)
