"""Sources estimated a block of frames at a time, against whole spectrograms."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.dsp.blocks import blocks, filter_in_blocks, inverse_in_blocks
from mss_bench.dsp.filters import MASKS, filter_sources
from mss_bench.dsp.stft import STFT


def test_blocks_are_all_frames_once() -> None:
    spectrogram = np.zeros((2, 101, 33), dtype=np.complex64)
    for size in (1, 33, 1000, 10**9):
        found = np.concatenate([np.arange(101)[part] for part in blocks(spectrogram, size)])
        np.testing.assert_array_equal(found, np.arange(101))


@pytest.mark.parametrize(("n_fft", "hop"), [(64, 16), (64, 32), (64, 24), (64, 5)])
@pytest.mark.parametrize("samples", [1, 10, 1000])
@pytest.mark.parametrize("size", [1, 100, 10**9])
def test_the_inverse_by_blocks_is_the_inverse(n_fft: int, hop: int, samples: int, size: int) -> None:
    stft = STFT(n_fft, hop)
    rng = np.random.default_rng(0)
    spectrogram = stft.forward(rng.standard_normal((2, samples)))
    spectrogram *= rng.random(spectrogram.shape)  # no signal's spectrogram any more: overlaps count
    whole = stft.inverse(spectrogram, samples)
    same, half = inverse_in_blocks(stft, spectrogram, samples, lambda x, _: [x, 0.5 * x], size)
    np.testing.assert_allclose(same, whole, atol=1e-12)
    np.testing.assert_allclose(half, 0.5 * whole, atol=1e-12)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_every_filter_by_blocks_is_the_filter(mask: str, channels: int) -> None:
    stft = STFT(64, 16)
    rng = np.random.default_rng(1)
    signal = rng.standard_normal((channels, 2000))
    signal[:, 500:900] = 0.0  # a block without sound has no covariance
    spectrogram = stft.forward(signal)

    def magnitudes(x, _=None):
        return [np.abs(x[:1]), np.abs(x[-1:]) ** 2, np.abs(x.sum(axis=0, keepdims=True))]

    expected = [stft.inverse(y, 2000) for y in filter_sources(spectrogram, magnitudes(spectrogram), mask, 1.5)]
    found = filter_in_blocks(stft, spectrogram, 2000, magnitudes, mask, 1.5, size=200)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)
    np.testing.assert_allclose(sum(found), signal, atol=1e-9)
