"""REPET and REPET-SIM on a loop with a foreground that does not repeat."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.repet import REPET, beat_spectrum, frame_of_40_ms
from mss_bench.separators.repet_sim import REPETSIM

RATE = 22050
SECONDS, LOOP = 20, 2.0


def _found(
    method: REPET | REPETSIM,
    share: float,
    level: float,
    signals: ModuleType,
    separate: Callable[..., Stems],
    gains: Callable[..., list[float]],
) -> list[float]:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        song = {"accompaniment": signals.loop(rng), "vocals": level * signals.glides(rng, share)}
        mixture = sum(song.values())
        found += gains(song, separate(method, mixture, rate=RATE), mixture)
    return found


def test_repet_takes_a_loop_from_under_glides(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    found = _found(REPET(), 1.0, 1.0, kernel_signals, separate, gains)
    assert np.mean(found) > 9
    assert min(found) > 6


def test_repet_sim_takes_a_loop_from_under_a_sparse_foreground(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    found = _found(REPETSIM(), 0.35, 0.5, kernel_signals, separate, gains)
    assert np.mean(found) > 12
    assert min(found) > 5.5


def test_the_beat_spectrum_peaks_at_the_period_and_its_multiples(kernel_signals: ModuleType) -> None:
    stft = frame_of_40_ms(RATE)
    magnitude = np.abs(stft.forward(kernel_signals.loop(np.random.default_rng(0)).astype(np.float32)))
    spectrum = beat_spectrum(magnitude)
    lag = round(LOOP * RATE / stft.hop)
    assert np.argmax(spectrum[lag // 2 : 3 * lag // 2]) + lag // 2 == pytest.approx(lag, abs=1)
    np.testing.assert_allclose(spectrum[0] / spectrum[0], 1.0)
    assert spectrum[2 * lag] > 0.8 * spectrum[0]


def test_the_beat_spectrum_is_the_autocorrelation_of_the_power() -> None:
    magnitude = np.random.default_rng(0).random((2, 30, 70)).astype(np.float32)
    power = np.mean((magnitude.astype(np.float64) / magnitude.max()) ** 2, axis=0)
    expected = [np.sum(power[lag:] * power[: 30 - lag]) / (30 - lag) for lag in range(30)]
    np.testing.assert_allclose(beat_spectrum(magnitude), expected, rtol=1e-5)


def test_repet_needs_one_period_and_repet_sim_does_not(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    # The loop's bars come in any order: REPET's model fails, REPET-SIM's holds.
    rng = np.random.default_rng(5)
    bars = kernel_signals.loop(rng).reshape(-1, int(LOOP * RATE) // 4)[:4]
    shuffled = bars[rng.integers(0, 4, SECONDS * 2)].reshape(1, -1)
    song = {"accompaniment": shuffled, "vocals": 0.5 * kernel_signals.glides(rng, 0.35)}
    mixture = sum(song.values())
    period, similarity = (gains(song, separate(m, mixture, rate=RATE), mixture)[0] for m in (REPET(), REPETSIM()))
    assert period < 0 < 3 < similarity


def test_a_voice_that_repeats_is_lost(kernel_signals: ModuleType, separate: Callable[..., Stems]) -> None:
    loop = kernel_signals.loop(np.random.default_rng(0))
    for method in (REPET(), REPETSIM()):
        vocals = separate(method, loop, rate=RATE)["vocals"]
        assert np.linalg.norm(vocals) < 0.25 * np.linalg.norm(loop)


def test_nothing_below_the_high_pass_is_voice(separate: Callable[..., Stems]) -> None:
    rumble = np.sin(
        2 * np.pi * 40 * np.arange(8 * RATE) / RATE + np.cumsum(np.random.default_rng(0).random(8 * RATE)) / 99
    )
    for cls in (REPET, REPETSIM):
        kept = separate(cls(high_pass=300.0), rumble[None], rate=RATE)["vocals"]
        assert np.linalg.norm(kept) < 0.01 * np.linalg.norm(rumble)


def test_silent_frames_among_music_give_numbers(kernel_signals: ModuleType, separate: Callable[..., Stems]) -> None:
    mixture = kernel_signals.loop(np.random.default_rng(0))[:, : 6 * RATE].copy()
    mixture[:, 2 * RATE : 3 * RATE] = 0.0
    for method in (REPET(), REPETSIM()):
        assert all(np.isfinite(e).all() for e in separate(method, mixture, rate=RATE).values())


@pytest.mark.parametrize("samples", [1, 50, 2000, RATE])
def test_what_is_too_short_to_repeat_still_adds_up(separate: Callable[..., Stems], samples: int) -> None:
    noise = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    for method in (REPET(), REPETSIM()):
        estimates = separate(method, noise, rate=RATE)
        np.testing.assert_allclose(sum(estimates.values()), noise, atol=1e-5)
        if isinstance(method, REPETSIM) and samples <= 2000:  # no neighbours: all is accompaniment
            np.testing.assert_allclose(estimates["vocals"], 0.0, atol=1e-5)


def test_a_frame_without_neighbours_tells_nothing(
    kernel_signals: ModuleType, separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    few = _found(REPETSIM(max_neighbours=1), 0.35, 0.5, kernel_signals, separate, gains)
    np.testing.assert_allclose(few[::2], 0.0, atol=1e-3)  # a frame is its own median: all is accompaniment


@pytest.mark.parametrize(
    ("cls", "parameters", "named"),
    [
        (
            REPET,
            {"min_period": 3.0, "max_period": 2.0},
            "max_period is 2.0, expected a number of at least min_period=3 (in s)",
        ),
        (REPET, {"high_pass": -1}, "repet: high_pass is -1"),
        (REPETSIM, {"min_similarity": 2}, "repet_sim: min_similarity is 2, expected a number from 0 to 1"),
        (REPETSIM, {"max_neighbours": 0}, "repet_sim: max_neighbours is 0"),
    ],
)
def test_impossible_parameters_are_named(
    cls: type[REPET] | type[REPETSIM], parameters: dict[str, float], named: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        cls(**parameters)
