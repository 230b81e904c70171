"""The low part of a signal."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.dsp.crossover import audible_gain, low_pass, low_pass_gain
from mss_bench.dsp.stft import STFT

RATE = 44100


def test_low_tones_pass_and_high_ones_do_not() -> None:
    time = np.arange(RATE) / RATE
    low, high = (np.sin(2 * np.pi * f * time)[None] * np.hanning(RATE) for f in (80.0, 900.0))
    out = low_pass(np.concatenate([low + high, high]), RATE, 250.0, STFT(4096, 1024))
    np.testing.assert_allclose(out, np.concatenate([low, 0 * low]), atol=1e-3)


def test_the_bins_left_out_are_inaudible() -> None:
    stft = STFT(4096, 1024)
    noise = np.random.default_rng(0).standard_normal((1, RATE))
    gain = audible_gain(stft.frequencies(RATE), 250.0)
    assert gain.size < stft.bins // 5
    full = np.zeros((1, stft.frames(RATE), stft.bins), dtype=complex)
    full[..., : gain.size] = stft.forward(noise)[..., : gain.size] * gain
    np.testing.assert_allclose(low_pass(noise, RATE, 250.0, stft), stft.inverse(full, RATE), atol=1e-12)


def test_at_zero_all_is_high() -> None:
    assert not low_pass(np.ones((1, 100)), RATE, 0.0, STFT(64, 16)).any()


def test_crossover_is_one_half_at_the_cutoff_and_steep_beyond() -> None:
    gain = low_pass_gain(np.array([0.0, 125.0, 250.0, 500.0]), 250.0)
    np.testing.assert_allclose(gain[[0, 2]], [1.0, 0.5])
    assert gain[1] > 0.99
    assert 20 * np.log10(gain[3]) == pytest.approx(-48.2, abs=0.1)
