"""Harmonic-percussive separation on clicks and chords, and the voice by two passes."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.hpss import HPSS, HPSSVocals

RATE = 44100
TIME = np.arange(6 * RATE) / RATE


def test_clicks_and_chords_come_apart(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        song = {"drums": kernel_signals.clicks(rng), "harmonic": kernel_signals.chords(rng)}
        mixture = sum(song.values())
        estimates = separate(HPSS(), mixture)
        found += gains(song, {**estimates, "harmonic": estimates["bass"] + estimates["other"]}, mixture)
    assert np.mean(found) > 17
    assert min(found) > 16


def test_bass_is_the_harmonic_part_below_the_crossover(separate: Callable[..., Stems]) -> None:
    low, high = np.sin(2 * np.pi * 80 * TIME)[None], np.sin(2 * np.pi * 1000 * TIME)[None]
    estimates = separate(HPSS(), low + high)
    inner = slice(RATE // 2, -RATE // 2)  # a tone's beginning and end are clicks
    np.testing.assert_allclose(estimates["bass"][:, inner], low[:, inner], atol=0.01)
    np.testing.assert_allclose(estimates["other"][:, inner], high[:, inner], atol=0.01)


def test_a_higher_power_makes_the_mask_harder(kernel_signals: ModuleType, separate: Callable[..., Stems]) -> None:
    rng = np.random.default_rng(0)
    mixture = kernel_signals.clicks(rng) + kernel_signals.chords(rng)
    soft, hard = (separate(HPSS(power=power), mixture) for power in (1.0, 4.0))

    def overlap(estimates: Stems) -> float:
        rest = estimates["bass"] + estimates["other"]
        return abs(float(np.corrcoef(estimates["drums"][0], rest[0])[0, 1]))

    assert overlap(hard) < overlap(soft)


def test_noise_has_neither_kind_and_is_shared(
    separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    # The model fails: a sustained noise beside the chords is taken for neither, and the gain is small.
    rng = np.random.default_rng(0)
    song = {"drums": rng.standard_normal((1, TIME.size)), "harmonic": rng.standard_normal((1, TIME.size))}
    mixture = sum(song.values())
    estimates = separate(HPSS(), mixture)
    found = gains(song, {**estimates, "harmonic": estimates["bass"] + estimates["other"]}, mixture)
    assert max(found) < 4


def test_two_passes_find_a_voice_among_chords_and_clicks(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        song = {
            "vocals": kernel_signals.voice(),
            "drums": kernel_signals.clicks(rng),
            "harmonic": kernel_signals.chords(rng),
        }
        mixture = sum(song.values())
        estimates = separate(HPSSVocals(), mixture)
        found += gains(song, {**estimates, "harmonic": estimates["bass"] + estimates["other"]}, mixture)
    assert np.mean(found) > 7.5
    assert min(found) > 5.5


def test_two_passes_lose_a_voice_that_holds_its_pitch(separate: Callable[..., Stems]) -> None:
    steady = sum(np.sin(2 * np.pi * k * 330 * TIME) / k for k in range(1, 12))[None]
    estimate = separate(HPSSVocals(), steady)["vocals"]
    inner = slice(RATE, -RATE)
    assert np.linalg.norm(estimate[:, inner]) < 0.1 * np.linalg.norm(steady[:, inner])


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"kernel_size": 16}, "kernel_size is 16, expected an odd number of at least 1"),
        ({"kernel_size": 17.5}, "kernel_size is 17.5, expected an odd"),
        ({"power": -1}, "power is -1, expected a number above 0"),
        ({"mask": "hard"}, "mask is 'hard', expected binary, soft, wiener or multichannel"),
        ({"hop": 4096}, "hop=4096"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        HPSS(**parameters)
