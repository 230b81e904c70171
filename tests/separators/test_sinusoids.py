"""Sinusoids plus residual: partials of a voice are taken, everything else stays."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.harmonic_mask import HarmonicMask
from mss_bench.separators.sinusoids import Sinusoids, SinusoidsResidual


@pytest.mark.parametrize(
    ("background", "mean", "least"),
    [("white noise", 10.0, 9.5), ("percussion", 10.4, 10.0), ("pink noise", 8.3, 7.6)],
)
def test_a_voice_comes_out_of_noise_and_strokes(
    separate: Callable[..., Stems],
    gains: Callable[..., list[float]],
    voice_signals: ModuleType,
    background: str,
    mean: float,
    least: float,
) -> None:
    values = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        song = {
            "vocals": voice_signals.voice(rng)[None],
            "accompaniment": voice_signals.BACKGROUNDS[background](rng)[None],
        }
        mixture = sum(song.values())
        values += gains(song, separate(Sinusoids(), mixture), mixture)
    assert np.mean(values) > mean
    assert min(values) > least


@pytest.mark.parametrize("target", ["voice", "inharmonic"])
def test_two_voices_and_sounds_without_harmonics_are_not_separated(
    separate: Callable[..., Stems], gains: Callable[..., list[float]], voice_signals: ModuleType, target: str
) -> None:
    rng = np.random.default_rng(0)
    background = voice_signals.voice if target == "voice" else voice_signals.white_noise
    song = {"vocals": getattr(voice_signals, target)(rng)[None], "accompaniment": background(rng)[None]}
    mixture = sum(song.values())
    assert max(gains(song, separate(Sinusoids(), mixture), mixture)) < 1.5


def test_a_lone_voice_is_nearly_all_sinusoids_and_noise_is_hardly_any(
    separate: Callable[..., Stems], voice_signals: ModuleType
) -> None:
    rng = np.random.default_rng(0)
    voice, noise = voice_signals.voice(rng)[None], voice_signals.white_noise(rng)[None]
    assert np.std(separate(Sinusoids(), voice)["accompaniment"]) < 0.15 * np.std(voice)
    assert np.std(separate(Sinusoids(), noise)["vocals"]) < 0.3 * np.std(noise)


def test_amplitudes_and_phases_are_of_each_channel(separate: Callable[..., Stems], voice_signals: ModuleType) -> None:
    voice = voice_signals.voice(np.random.default_rng(0))
    mixture = np.stack([voice, 0.3 * np.roll(voice, 20)])
    vocals = separate(Sinusoids(), mixture)["vocals"]
    errors = np.std(vocals - mixture, axis=1) / np.std(mixture, axis=1)
    assert errors.max() < 0.2


def test_notes_and_strokes_come_apart(
    separate: Callable[..., Stems], gains: Callable[..., list[float]], kernel_signals: ModuleType
) -> None:
    values = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        song = {"other": kernel_signals.chords(rng), "drums": kernel_signals.clicks(rng)}
        mixture = sum(song.values())
        stems = separate(SinusoidsResidual(), mixture)
        values += gains(song, {"other": stems["other"] + stems["bass"], "drums": stems["drums"]}, mixture)
    assert min(values) > 11


def test_a_single_instrument_is_followed_and_delivered_alone(
    separate: Callable[..., Stems], gains: Callable[..., list[float]], voice_signals: ModuleType
) -> None:
    rng, time = np.random.default_rng(0), np.arange(2 * 44100) / 44100
    hertz = np.array([55.0, 65.4, 73.4, 49.0])[(2 * time).astype(int) % 4]
    phase = 2 * np.pi * np.cumsum(hertz) / 44100
    bass = sum(np.sin(h * phase) / h for h in range(1, 7))[None]
    mixture = bass + 0.5 * voice_signals.white_noise(rng)[None, : time.size]
    for method in (Sinusoids, HarmonicMask):
        stems = separate(method(target="bass", low=35, high=120), mixture)
        assert list(stems) == ["bass"]
        assert gains({"bass": bass}, stems, mixture)[0] > 5
    assert Sinusoids(target="flute").target_sets == (("flute",),)
    with pytest.raises(ConfigError, match="cannot name a target"):
        Sinusoids(target="a/b")


def test_short_tracks_are_dropped(separate: Callable[..., Stems]) -> None:
    time = np.arange(44100) / 44100
    tone = (np.sin(2 * np.pi * 300 * time) * (np.abs(time - 0.5) < 0.1))[None]
    kept = np.std(separate(Sinusoids(), tone)["vocals"])
    assert kept > 0.8 * np.std(tone)
    assert np.std(separate(Sinusoids(shortest=0.5), tone)["vocals"]) < 0.01 * kept


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"deviation": 0.6}, "deviation is 0.6"),
        ({"shortest": -1.0}, "shortest is -1.0"),
        ({"f0": "x"}, "salience or pyin"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sinusoids(**parameters)  # type: ignore[arg-type]
