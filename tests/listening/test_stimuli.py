"""Signals of a trial: on one grid, equally loud, never clipped."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.dsp.loudness import integrated_loudness
from mss_bench.errors import AudioError
from mss_bench.listening.stimuli import SAMPLE_RATE, cut, headroom, level


def _noise(channels: int, seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, round(seconds * rate))).astype(np.float32)


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
def test_cuts_lie_on_the_grid_of_the_track(rate: int) -> None:
    # A tone keeps its phase: the excerpt begins exactly where it was asked to.
    start, seconds = 1.5, 2.0
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(5 * rate) / rate)[None].astype(np.float32)
    out = cut(tone, rate, start, seconds)
    assert out.shape == (2, 2 * SAMPLE_RATE)
    time = start + np.arange(out.shape[1]) / SAMPLE_RATE
    inner = slice(2000, -2000)
    np.testing.assert_allclose(out[0, inner], (0.3 * np.sin(2 * np.pi * 440 * time))[inner], atol=2e-4)
    np.testing.assert_array_equal(out[0], out[1])
    assert np.abs(out[:, 0]).max() < 1e-3
    assert np.abs(out[:, -1]).max() < 1e-3


def test_an_excerpt_from_the_very_start_and_to_the_very_end() -> None:
    noise = _noise(2, 3, 44100)
    assert cut(noise, 44100, 0.0, 3.0).shape == (2, 3 * SAMPLE_RATE)
    with pytest.raises(AudioError, match=r"ends at 3\.50 s, the signal at 3\.00 s"):
        cut(noise, 44100, 0.5, 3.0)
    with pytest.raises(AudioError, match="6 channels"):
        cut(_noise(6, 3, 44100), 44100, 0.0, 1.0)


@pytest.mark.parametrize("mode", ["match", "preserve"])
def test_loudness_modes(mode: str) -> None:
    rate = SAMPLE_RATE
    signals = {
        "reference": _noise(2, 2, rate),
        "quiet": 0.2 * _noise(2, 2, rate, 1),
        "mixture": 3 * _noise(2, 2, rate, 2),
    }
    found = level(signals, -24.0, mode, with_reference=["mixture"])
    measured = {name: integrated_loudness(s.samples, rate) for name, s in found.items()}
    assert measured["reference"] == pytest.approx(-24, abs=0.01)
    assert measured["quiet"] == pytest.approx(-24 if mode == "match" else -24 + 20 * np.log10(0.2), abs=0.05)
    assert measured["mixture"] == pytest.approx(-24 + 20 * np.log10(3), abs=0.05)
    for name, stimulus in found.items():
        assert stimulus.lufs == pytest.approx(measured[name], abs=1e-3)


def test_silent_signals_are_named() -> None:
    signals = {"reference": _noise(2, 2, 48000), "broken": np.zeros((2, 96000), dtype=np.float32)}
    with pytest.raises(AudioError, match="broken is silent in this excerpt: choose another one, or leave broken out"):
        level(signals, -24.0, "match")


def test_one_gain_for_all_where_a_peak_is_too_high() -> None:
    assert headroom([-20.0, -1.5]) == 0.0
    assert headroom([-20.0, 2.0]) == -3.0
    assert headroom([]) == 0.0
