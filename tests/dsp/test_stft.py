"""The transform gives back every signal, of any length, and keeps the precision it is given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mss_bench.dsp.stft import STFT
from mss_bench.errors import ConfigError


@settings(deadline=None, max_examples=60)
@given(
    samples=st.integers(1, 3000),
    channels=st.integers(1, 3),
    half=st.integers(1, 300),
    overlap=st.integers(1, 600),
    seed=st.integers(0, 2**16),
)
def test_reconstruction_is_perfect_for_any_length_frame_and_hop(
    samples: int, channels: int, half: int, overlap: int, seed: int
) -> None:
    stft = STFT(2 * half, min(overlap, half))
    signal = np.random.default_rng(seed).standard_normal((channels, samples))
    spectrogram = stft.forward(signal)
    assert spectrogram.shape == (channels, stft.frames(samples), half + 1)
    np.testing.assert_allclose(stft.inverse(spectrogram, samples), signal, atol=1e-12)


@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 1024), (4096, 1024), (16384, 2048), (1000, 300)])
def test_float32_stays_float32_and_is_given_back_to_its_precision(n_fft: int, hop: int) -> None:
    signal = np.random.default_rng(0).standard_normal((2, 44100)).astype(np.float32)
    spectrogram = STFT(n_fft, hop).forward(signal)
    again = STFT(n_fft, hop).inverse(spectrogram, signal.shape[1])
    assert spectrogram.dtype == np.complex64
    assert again.dtype == np.float32
    assert np.linalg.norm(again - signal) < 3e-7 * np.linalg.norm(signal)


def test_blocks_of_frames_leave_no_seams() -> None:
    # Longer than the frames that are held at a time, compared with the definition frame by frame.
    stft = STFT(256, 128)
    signal = np.random.default_rng(1).standard_normal((1, 1_300_000)).astype(np.float32)
    spectrogram = stft.forward(signal)
    window = np.sin(np.pi * np.arange(256) / 256)
    for frame in (1, 4095, 4096, 4097, 9000):
        start = frame * 128 - 128
        expected = np.fft.rfft(window * signal[0, start : start + 256])
        np.testing.assert_allclose(spectrogram[0, frame], expected, atol=1e-4)


def test_a_tone_lies_in_its_bin() -> None:
    stft = STFT(2048, 1024)
    frequency = stft.frequencies(44100)[100]
    tone = np.sin(2 * np.pi * frequency * np.arange(44100) / 44100)[None]
    assert np.argmax(np.abs(stft.forward(tone)[0, 20])) == 100


@pytest.mark.parametrize(
    ("n_fft", "hop", "named"), [(1001, 100, "n_fft=1001"), (1024, 513, "hop=513"), (64, 0, "hop=0")]
)
def test_frames_that_cannot_be_put_together_again_are_refused(n_fft: int, hop: int, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        STFT(n_fft, hop)
