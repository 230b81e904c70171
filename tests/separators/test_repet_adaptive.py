"""REPET where the period changes: by a moving window, and by segments."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.dsp.stft import STFT
from mss_bench.errors import ConfigError
from mss_bench.separators.repet import REPET, RepeatingBackground
from mss_bench.separators.repet_adaptive import AdaptiveREPET, SegmentedREPET, repetitions

Gains = Callable[..., list[float]]


def _found(
    method: RepeatingBackground, make: str, signals: ModuleType, separate: Callable[..., Stems], gains: Gains
) -> list[float]:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        background = getattr(signals, make)(rng)
        seconds = background.shape[-1] // signals.RATE
        song = {"accompaniment": background, "vocals": signals.glides(rng, 1.0, seconds)}
        mixture = sum(song.values())
        found += gains(song, separate(method, mixture, rate=signals.RATE), mixture)
    return found


@pytest.mark.parametrize("cls", [AdaptiveREPET, SegmentedREPET])
def test_a_loop_comes_from_under_glides(
    cls: type[RepeatingBackground], kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Gains
) -> None:
    found = _found(cls(), "loop", kernel_signals, separate, gains)
    assert np.mean(found) > 8.5
    assert min(found) > 3.5


@pytest.mark.parametrize("cls", [AdaptiveREPET, SegmentedREPET])
@pytest.mark.parametrize("make", ["slowing_loop", "two_loops"])
def test_a_period_that_changes_is_followed(
    cls: type[RepeatingBackground], make: str, kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Gains
) -> None:
    plain, following = (_found(method, make, kernel_signals, separate, gains) for method in (REPET(), cls()))
    assert np.mean(following) > np.mean(plain) + 1.5
    assert np.mean(plain) < 3.5


def test_what_never_repeats_is_not_told_apart(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Gains
) -> None:
    rng = np.random.default_rng(0)
    song = {"accompaniment": kernel_signals.glides(rng), "vocals": kernel_signals.glides(rng)}
    mixture = sum(song.values())
    for method in (AdaptiveREPET(), SegmentedREPET()):
        assert max(gains(song, separate(method, mixture, rate=kernel_signals.RATE), mixture)) < 3


def test_the_period_is_found_where_it_holds(kernel_signals: ModuleType) -> None:
    stft = STFT(1024, 512)
    magnitude = np.abs(stft.forward(kernel_signals.two_loops(np.random.default_rng(0)).astype(np.float32)))
    frame_rate = kernel_signals.RATE / stft.hop
    periods = AdaptiveREPET().periods(magnitude, frame_rate) / frame_rate
    assert periods.shape == magnitude.shape[1:2]
    assert periods[round(5 * frame_rate)] == pytest.approx(2.0, abs=0.05)
    late = periods[round(25 * frame_rate)]  # one period or two
    assert late / round(late / 1.5) == pytest.approx(1.5, abs=0.05)


def test_repetitions_lie_whole_periods_apart_and_within_the_song() -> None:
    periods = np.repeat([7, 3], [60, 40])
    index = repetitions(periods, 5)
    assert index.shape == (5, 100)
    assert index.min() >= 0
    assert index.max() < 100
    np.testing.assert_array_equal((index - np.arange(100)) % periods, 0)
    np.testing.assert_array_equal(index[:, 50], 50 + 7 * np.arange(-2, 3))
    np.testing.assert_array_equal(index[:, 3], 3 + 7 * np.arange(5))
    np.testing.assert_array_equal(index[:, 98], 98 - 3 * np.arange(5)[::-1])
    assert all(len(set(column)) == 5 for column in index.T)


def test_a_song_of_few_periods_takes_what_there_is() -> None:
    index = repetitions(np.full(10, 4), 5)
    assert set(index[:, 5]) == {1, 5, 9}


@pytest.mark.parametrize("samples", [1, 50, 2000, 22050 * 4])
def test_what_is_too_short_to_repeat_still_adds_up(separate: Callable[..., Stems], samples: int) -> None:
    noise = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    for method in (AdaptiveREPET(), SegmentedREPET()):
        estimates = separate(method, noise, rate=22050)
        np.testing.assert_allclose(sum(estimates.values()), noise, atol=1e-5)


@pytest.mark.parametrize(
    ("cls", "parameters", "named"),
    [
        (AdaptiveREPET, {"order": 4}, "repet_adaptive: order is 4, expected an odd number of at least 3"),
        (AdaptiveREPET, {"window": 0}, "repet_adaptive: window is 0, expected a number above 0 (in s)"),
        (SegmentedREPET, {"step": 11}, "repet_segmented: step is 11.0, expected a number from 5 to 10 (in s)"),
        (SegmentedREPET, {"length": 20}, "repet_segmented: step is 5.0, expected a number from 10 to 20"),
    ],
)
def test_impossible_parameters_are_named(
    cls: type[RepeatingBackground], parameters: dict[str, float], named: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        cls(**parameters)
