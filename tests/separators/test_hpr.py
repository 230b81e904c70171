"""Harmonic-percussive-residual separation: what is neither goes to the residual."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.hpr import HPR
from mss_bench.separators.hpss import HPSSVocals

RATE = 44100


def _found(
    method: HPR | HPSSVocals, residual: Callable[[np.random.Generator], np.ndarray], signals: ModuleType,
    separate: Callable[..., Stems], gains: Callable[..., list[float]],
) -> list[float]:  # fmt: skip
    found = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        song = {"vocals": residual(rng), "drums": signals.clicks(rng), "harmonic": signals.chords(rng)}
        mixture = sum(song.values())
        estimates = separate(method, mixture)
        found += gains(song, {**estimates, "harmonic": estimates["bass"] + estimates["other"]}, mixture)
    return found


def test_noise_among_chords_and_clicks_is_the_residual(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    def noise(rng: np.random.Generator) -> np.ndarray:
        return rng.standard_normal((1, 6 * RATE))

    found = _found(HPR(), noise, kernel_signals, separate, gains)
    assert np.mean(found) > 12
    assert min(found) > 10
    # Without a residual the noise is shared between the two.
    assert np.mean(_found(HPSSVocals(), noise, kernel_signals, separate, gains)) < 8


def test_a_voice_is_mostly_residual(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    found = _found(HPR(), lambda rng: kernel_signals.voice(), kernel_signals, separate, gains)
    assert np.mean(found) > 7
    assert min(found) > 3


def test_a_steady_voice_is_not_residual(kernel_signals: ModuleType, separate: Callable[..., Stems]) -> None:
    steady = kernel_signals.chords(np.random.default_rng(0))
    estimate = separate(HPR(), steady)["vocals"]
    assert np.linalg.norm(estimate) < 0.25 * np.linalg.norm(steady)


def test_a_greater_margin_leaves_more(kernel_signals: ModuleType, separate: Callable[..., Stems]) -> None:
    rng = np.random.default_rng(0)
    mixture = kernel_signals.clicks(rng) + kernel_signals.chords(rng) + kernel_signals.voice()
    mixture = mixture[:, : 2 * RATE]
    left = [float(np.linalg.norm(separate(HPR(margin=margin), mixture)["vocals"])) for margin in (1.0, 2.0, 4.0)]
    assert left[0] < left[1] < left[2]


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"margin": 0.5}, "hpr: margin is 0.5, expected a number of at least 1"),
        ({"time_length": 0}, "hpr: time_length is 0, expected a number above 0 (in s)"),
        ({"mask": ""}, "hpr: mask is '', expected binary"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        HPR(**parameters)
