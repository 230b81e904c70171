"""Independent component analysis of two channels."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems, Targets
from mss_bench.errors import AudioError, ConfigError
from mss_bench.separators.ica import ICA


def _gains(song: Stems, gains: Callable[..., list[float]]) -> list[float]:
    mixture = np.asarray(sum(song.values()), dtype=np.float32)
    method = ICA(assignment="oracle")
    found = method.separate(mixture, 16000, targets=Targets(tuple(song)), rng=np.random.default_rng(0), references=song)
    return gains(song, found, mixture)


def _panned(signal: np.ndarray, degrees: float) -> np.ndarray:
    return np.array([[np.cos(np.radians(degrees))], [np.sin(np.radians(degrees))]]) * signal


def test_two_sources_at_two_places_are_separated(gains: Callable[..., list[float]], factor_signals: ModuleType) -> None:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        song = {
            "one": _panned(factor_signals.notes(rng, factor_signals.LOW_NOTES), 30),
            "two": _panned(factor_signals.clicks(rng), 50),
        }
        found += _gains(song, gains)
    assert np.mean(found) > 30
    assert min(found) > 25


def test_a_third_source_or_a_delay_breaks_the_model(
    gains: Callable[..., list[float]], factor_signals: ModuleType
) -> None:
    rng = np.random.default_rng(0)
    one, two, three = (factor_signals.notes(rng, factor_signals.LOW_NOTES) for _ in range(3))
    three_places = {"one": _panned(one, 20), "two": _panned(two, 45), "three": _panned(three, 70)}
    assert np.mean(_gains(three_places, gains)) < 8
    late = {"one": np.concatenate([one, np.roll(one, 8)]), "two": np.concatenate([np.roll(two, 8), two])}
    assert np.mean(_gains(late, gains)) < 8


def test_gaussian_sources_stay_together(gains: Callable[..., list[float]]) -> None:
    rng = np.random.default_rng(1)
    found = [
        np.mean(_gains({n: _panned(rng.standard_normal((1, 40000)), p) for n, p in (("one", 30), ("two", 60))}, gains))
        for _ in range(5)
    ]
    assert np.median(found) < 15


def test_equal_channels_are_one_source() -> None:
    mono = np.random.default_rng(0).laplace(size=(1, 5000)).astype(np.float32)
    for mixture in (
        np.concatenate([mono, 0.5 * mono]),
        np.concatenate([mono, 0 * mono]),
        np.zeros((2, 5000), np.float32),
    ):
        first, second = ICA().find_sources(mixture, 16000, count=2, rng=np.random.default_rng(0))
        np.testing.assert_array_equal(first, mixture)
        np.testing.assert_array_equal(second, 0)


def test_wrong_channels_and_parameters_are_refused() -> None:
    with pytest.raises(AudioError, match="ica: the mixture has 1 channel, expected 2"):
        ICA().separate(np.zeros((1, 100), np.float32), 44100, targets=Targets(("a", "b")), rng=np.random.default_rng(0))
    with pytest.raises(ConfigError, match="ica: contrast is 'tanh', expected logcosh, exp or cube"):
        ICA(contrast="tanh")
