"""REPET and REPET-SIM on a loop with a foreground that does not repeat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mss_bench.errors import ConfigError
from mss_bench.separators.repet import REPET, beat_spectrum, frame_of_40_ms
from mss_bench.separators.repet_sim import REPETSIM
from mss_bench.tracks import Stems

RATE = 22050
SECONDS, LOOP = 20, 2.0


def _loop(rng: np.random.Generator) -> np.ndarray:
    """Two seconds of four chords and eight strokes, again and again."""
    time = np.arange(int(LOOP * RATE)) / RATE
    out = np.zeros(time.size)
    for beat in range(4):
        on = (time >= beat * LOOP / 4) * (time < (beat + 1) * LOOP / 4)
        for frequency in rng.uniform(150, 1500, 3):
            out += on * sum(np.sin(2 * np.pi * k * frequency * time) / k for k in range(1, 6))
    for start in np.arange(8) * LOOP / 8:
        first = int(start * RATE)
        out[first : first + 600] += 4 * rng.standard_normal(600) * np.exp(-np.arange(600) / 100)
    out = np.tile(out, int(SECONDS / LOOP))
    return out[None] / np.std(out)


def _glides(rng: np.random.Generator, active: float = 1.0) -> np.ndarray:
    """A harmonic tone that wanders; silent but for a share of the half seconds."""
    steps = np.cumsum(rng.standard_normal(SECONDS * 4))
    pitch = 300 * 2 ** (np.interp(np.arange(SECONDS * RATE) / RATE, np.arange(SECONDS * 4) / 4, steps) / 8)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    out = sum(np.sin(k * phase) / k for k in range(1, 10))
    on = np.repeat(rng.random(SECONDS * 2) < active, RATE // 2)
    return (out / np.std(out) * on)[None]


def _found(
    method: REPET | REPETSIM,
    share: float,
    level: float,
    separate: Callable[..., Stems],
    gains: Callable[..., list[float]],
) -> list[float]:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        song = {"accompaniment": _loop(rng), "vocals": level * _glides(rng, share)}
        mixture = sum(song.values())
        found += gains(song, separate(method, mixture, rate=RATE), mixture)
    return found


def test_repet_takes_a_loop_from_under_glides(
    separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    found = _found(REPET(), 1.0, 1.0, separate, gains)
    assert np.mean(found) > 7
    assert min(found) > 5


def test_repet_sim_takes_a_loop_from_under_a_sparse_foreground(
    separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    found = _found(REPETSIM(), 0.35, 0.5, separate, gains)
    assert np.mean(found) > 5
    assert min(found) > 2.5


def test_the_beat_spectrum_peaks_at_the_period_and_its_multiples() -> None:
    stft = frame_of_40_ms(RATE)
    magnitude = np.abs(stft.forward(_loop(np.random.default_rng(0)).astype(np.float32)))
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
    separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    # The loop's bars come in any order: REPET's model fails, REPET-SIM's holds.
    rng = np.random.default_rng(5)
    bars = _loop(rng).reshape(-1, int(LOOP * RATE) // 4)[:4]
    song = {"accompaniment": bars[rng.integers(0, 4, SECONDS * 2)].reshape(1, -1), "vocals": 0.5 * _glides(rng, 0.35)}
    mixture = sum(song.values())
    period, similarity = (gains(song, separate(m, mixture, rate=RATE), mixture)[0] for m in (REPET(), REPETSIM()))
    assert period < 0 < 3 < similarity


def test_a_voice_that_repeats_is_lost(separate: Callable[..., Stems]) -> None:
    loop = _loop(np.random.default_rng(0))
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


def test_silent_frames_among_music_give_numbers(separate: Callable[..., Stems]) -> None:
    mixture = _loop(np.random.default_rng(0))[:, : 6 * RATE].copy()
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
    separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    few = _found(REPETSIM(max_neighbours=1), 0.35, 0.5, separate, gains)
    np.testing.assert_allclose(few[::2], 0.0, atol=1e-3)  # a frame is its own median: all is accompaniment


@pytest.mark.parametrize(
    ("cls", "parameters", "named"),
    [
        (REPET, {"min_period": 3.0, "max_period": 2.0}, "repet: max_period=2.0; expected a number at least 3 s"),
        (REPET, {"high_pass": -1}, "repet: high_pass=-1"),
        (REPETSIM, {"min_similarity": 2}, "repet_sim: min_similarity=2; expected a number at least 0 and at most 1"),
        (REPETSIM, {"max_neighbours": 0}, "repet_sim: max_neighbours=0"),
    ],
)
def test_impossible_parameters_are_named(
    cls: type[REPET] | type[REPETSIM], parameters: dict[str, float], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        cls(**parameters)
