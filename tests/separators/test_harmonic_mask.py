"""The harmonic mask: a voice from noise and strokes, and not from another voice."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.dsp.filters import MASKS
from mss_bench.errors import ConfigError, MissingDependencyError
from mss_bench.separators.contract import check_separator
from mss_bench.separators.harmonic_mask import HarmonicMask

Make = Callable[[np.random.Generator], np.ndarray]


@pytest.fixture
def found(
    separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> Callable[[HarmonicMask, Make, Make, int], list[float]]:
    """Gains over the mixture of both sources, equally loud, for some seeds."""

    def run(method: HarmonicMask, target: Make, background: Make, seeds: int) -> list[float]:
        values = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            song = {"vocals": target(rng)[None], "accompaniment": background(rng)[None]}
            mixture = sum(song.values())
            values += gains(song, separate(method, mixture), mixture)
        return values

    return run


@pytest.mark.parametrize(
    ("background", "mean", "least"),
    [("white noise", 11.5, 11.0), ("percussion", 12.8, 12.4), ("pink noise", 9.2, 9.0)],
)
def test_a_voice_comes_out_of_noise_and_strokes(
    found: Callable[..., list[float]], voice_signals: ModuleType, background: str, mean: float, least: float
) -> None:
    values = found(HarmonicMask(), voice_signals.voice, voice_signals.BACKGROUNDS[background], 3)
    assert np.mean(values) > mean
    assert min(values) > least


@pytest.mark.parametrize(("background", "mean"), [("white noise", 11), ("percussion", 9), ("pink noise", 6.5)])
def test_pyin_does_as_well_where_the_voice_is_alone_with_noise(
    found: Callable[..., list[float]], voice_signals: ModuleType, background: str, mean: float
) -> None:
    pytest.importorskip("librosa")
    values = found(HarmonicMask(f0="pyin"), voice_signals.voice, voice_signals.BACKGROUNDS[background], 1)
    assert np.mean(values) > mean


def test_two_voices_are_too_many_for_it(found: Callable[..., list[float]], voice_signals: ModuleType) -> None:
    values = found(HarmonicMask(), voice_signals.voice, voice_signals.voice, 3)
    assert np.mean(values) < 2
    assert min(values) < 0


def test_a_sound_without_harmonics_is_not_found(found: Callable[..., list[float]], voice_signals: ModuleType) -> None:
    values = found(HarmonicMask(), voice_signals.inharmonic, voice_signals.white_noise, 1)
    assert max(values) < 2


def test_the_background_read_off_the_gaps_helps(found: Callable[..., list[float]], voice_signals: ModuleType) -> None:
    with_gaps, without = (
        found(HarmonicMask(subtract=subtract), voice_signals.voice, voice_signals.white_noise, 1)
        for subtract in (True, False)
    )
    assert min(with_gaps) > max(without) + 1


def test_as_published_what_comes_back_is_predicted_under_the_voice(
    separate: Callable[..., Stems], gains: Callable[..., list[float]], voice_signals: ModuleType
) -> None:
    time = np.arange(3 * 44100) / 44100
    voice = voice_signals.voice(np.random.default_rng(0))[: time.size]
    chord = sum(np.sin(2 * np.pi * f * time) for f in (261.6, 329.6, 392.0, 523.3, 659.3, 784.0)) * (time % 0.5 < 0.4)
    song = {"vocals": voice[None], "accompaniment": chord[None] * np.std(voice) / np.std(chord)}
    mixture = sum(song.values())
    gained = {
        how: gains(song, separate(HarmonicMask(preset="paper", accompaniment=how), mixture), mixture)
        for how in ("nmf", "gaps")
    }
    assert min(gained["nmf"]) > max(gained["gaps"]) + 1
    assert HarmonicMask(preset="paper").random
    assert not HarmonicMask().random


@pytest.mark.parametrize("mask", MASKS)
def test_every_filter_separates(found: Callable[..., list[float]], voice_signals: ModuleType, mask: str) -> None:
    assert min(found(HarmonicMask(mask=mask), voice_signals.voice, voice_signals.white_noise, 1)) > 10


@pytest.mark.parametrize(
    "parameters", [{"mask": "binary"}, {"mask": "multichannel"}, {"subtract": False, "power": 0.5}]
)
def test_other_parameters_keep_the_contract(parameters: dict[str, object]) -> None:
    results = check_separator(HarmonicMask(**parameters))  # type: ignore[arg-type]
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []


def test_noise_below_the_range_of_the_voice_is_left_alone(separate: Callable[..., Stems]) -> None:
    time = np.arange(2 * 44100) / 44100
    bass = np.sin(2 * np.pi * 45 * time)[None]
    vocals = separate(HarmonicMask(low=100.0), bass)["vocals"]
    assert np.std(vocals) < 0.05 * np.std(bass)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"f0": "yin"}, "f0 is 'yin', expected salience or pyin"),
        ({"low": 0.0}, "low is 0.0, expected a number above 0 (in Hz)"),
        ({"low": 300.0, "high": 200.0}, "high is 200.0, expected a number above low=300 (in Hz)"),
        ({"partials": 0}, "partials is 0"),
        ({"width": -1.0}, "width is -1.0"),
        ({"mask": "hard"}, "mask is 'hard', expected binary, soft, wiener or multichannel"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        HarmonicMask(**parameters)  # type: ignore[arg-type]


def test_absent_librosa_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(MissingDependencyError, match=r"librosa.*pip install 'mss-bench\[pitch\]'"):
        HarmonicMask(f0="pyin").load()
    HarmonicMask().load()
