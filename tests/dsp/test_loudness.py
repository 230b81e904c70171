"""Loudness and true peak."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from mss_bench.dsp.loudness import BLOCK, block_power, integrated_loudness, k_weighting, lufs, true_peak
from mss_bench.errors import AudioError


def _sine(hertz: float, seconds: float, rate: int, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)[None]


def test_coefficients_at_48_khz_are_those_of_the_recommendation() -> None:
    shelf, high_pass = k_weighting(48000)
    printed = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
    np.testing.assert_allclose(shelf, printed, atol=1e-8)
    np.testing.assert_allclose(high_pass, [1, -2, 1, 1, -1.99004745483398, 0.99007225036621], atol=1e-8)


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_full_scale_sine_reads_minus_three(rate: int) -> None:
    assert integrated_loudness(_sine(997, 4, rate), rate) == pytest.approx(-3.01, abs=0.02)
    both = np.repeat(_sine(997, 4, rate), 2, axis=0)
    assert integrated_loudness(both, rate) == pytest.approx(0.0, abs=0.02)


def test_the_gates_of_ebu_tech_3341() -> None:
    # case 3: -36, -23 and -36 dBFS in both channels for 10, 60 and 10 s read -23 LUFS
    rate = 48000
    parts = [_sine(1000, s, rate, 10 ** (db / 20)) for s, db in ((10, -36), (60, -23), (10, -36))]
    signal = np.repeat(np.concatenate(parts, axis=1), 2, axis=0)
    assert integrated_loudness(signal, rate) == pytest.approx(-23.0, abs=0.1)
    # silence below the absolute gate does not count
    padded = np.concatenate([signal[:, 10 * rate : 40 * rate], np.zeros((2, 30 * rate))], axis=1)
    assert integrated_loudness(padded, rate) == pytest.approx(-23.0, abs=0.1)


def test_gain_moves_loudness_and_blocks_are_every_tenth_of_a_second() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 3 * 44100)) * 0.1
    first = integrated_loudness(noise, 44100)
    assert integrated_loudness(noise * 10 ** (-7 / 20), 44100) == pytest.approx(first - 7, abs=1e-9)
    blocks = lufs(block_power(noise, 44100, BLOCK))
    assert len(blocks) == 27
    assert abs(np.mean(blocks) - first) < 0.2


def test_silence_and_wrong_signals() -> None:
    assert integrated_loudness(np.zeros((2, 44100)), 44100) == -np.inf
    assert true_peak(np.zeros((2, 44100)), 44100) == -np.inf
    with pytest.raises(AudioError, match=r"0\.300 s .* take a longer excerpt"):
        integrated_loudness(np.ones((1, 13230)), 44100)
    with pytest.raises(AudioError, match="6 channels"):
        integrated_loudness(np.ones((6, 44100)), 44100)


def test_true_peak_lies_between_the_samples() -> None:
    rate = 48000
    # a quarter of the sample rate at 45 degrees: samples reach 0.707 of the peak
    tone = 0.5 * np.sin(np.pi / 2 * np.arange(4800) + np.pi / 4)[None]
    assert 20 * np.log10(np.abs(tone).max()) == pytest.approx(-9.03, abs=0.01)
    assert true_peak(tone, rate) == pytest.approx(-6.02, abs=0.2)
    # A peak is found in full where it exceeds the floor, also between samples that are below it.
    noise = np.random.default_rng(0).standard_normal((2, 20000)) * np.linspace(0.01, 0.2, 20000) ** 2
    whole = 20 * np.log10(np.abs(resample_poly(noise, 4, 1, axis=-1)).max())
    assert true_peak(noise, rate) == pytest.approx(whole, abs=1e-9)
    for floor in (-40.0, -24.0, -20.0, whole - 0.001, -6.0):
        assert true_peak(noise, rate, floor=floor) == pytest.approx(max(whole, floor), abs=1e-9)
    assert true_peak(tone, rate, floor=-8.0) == pytest.approx(true_peak(tone, rate), abs=1e-9)
