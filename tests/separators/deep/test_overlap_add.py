"""Overlap-add in chunks, and the transforms and layouts that stand around a model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import get_window

from mss_bench.errors import ConfigError, InvalidOutputError
from mss_bench.separators.deep.layout import Layout
from mss_bench.separators.deep.overlap_add import PADDINGS, Chunks, overlap_add
from mss_bench.separators.deep.stft import WINDOWS, ModelSTFT


def _doubled(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Two stems: the signal and its negative."""
    return np.stack([batch, -batch], axis=1)


@given(
    st.integers(1, 200), st.integers(1, 60), st.floats(0, 0.99), st.integers(0, 10), st.sampled_from(PADDINGS),
    st.integers(1, 7),
)  # fmt: skip
def test_a_model_that_does_nothing_changes_nothing(
    samples: int, kept: int, overlap: float, border: int, padding: str, batch: int
) -> None:
    signal = np.random.default_rng(samples).standard_normal((2, samples)).astype(np.float32)
    chunks = Chunks(kept + 2 * border, overlap, border, padding)
    sizes = set()

    def model(given: NDArray[np.float32]) -> NDArray[np.float32]:
        sizes.add(given.shape[-1])
        assert given.shape[0] <= batch
        return _doubled(given)

    found = overlap_add(signal, model, chunks, batch)
    np.testing.assert_allclose(found, _doubled(signal[None])[0], atol=1e-6)
    assert sizes == {chunks.length}


@pytest.mark.parametrize("padding", PADDINGS)
def test_with_borders_chunks_are_the_whole(padding: str) -> None:
    kernel = np.hanning(21).astype(np.float32)
    signal = np.random.default_rng(0).standard_normal(1000).astype(np.float32)

    def model(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([np.convolve(each, kernel, "same") for each in batch])

    whole = overlap_add(signal, model, Chunks(border=10, padding=padding))
    chunked = overlap_add(signal, model, Chunks(120, 0.3, 10, padding), 4)
    np.testing.assert_allclose(chunked, whole, atol=1e-4)
    bare = overlap_add(signal, model, Chunks(120, 0.3, 0, padding), 4)
    assert np.abs(bare - whole).max() > 0.01, "without borders there must be something to lose"


def test_neighbours_fade_into_each_other() -> None:
    numbers = iter(range(10))
    found = overlap_add(np.zeros(18), lambda batch: np.full(batch.shape, float(next(numbers))), Chunks(10, 0.2))
    np.testing.assert_allclose(found, [0] * 8 + [1 / 3, 2 / 3] + [1] * 8)


def test_what_a_model_must_not_return_is_said() -> None:
    for wrong in (lambda batch: batch[..., 1:], lambda batch: np.repeat(batch, 2, axis=0)):
        with pytest.raises(InvalidOutputError, match="expected 1 of 10"):
            overlap_add(np.zeros((2, 25)), wrong, Chunks(10))


@pytest.mark.parametrize("window", WINDOWS)
def test_the_transform_is_that_of_the_field(window: str) -> None:
    signal = np.random.default_rng(0).standard_normal((2, 5000))
    n_fft, hop = 512, 100
    values = get_window("hann" if window == "sqrt_hann" else window, n_fft)
    values = np.sqrt(values) if window == "sqrt_hann" else values
    for reflect in (True, False):
        stft = ModelSTFT(n_fft=n_fft, hop=hop, window=window, reflect=reflect)
        padded = np.pad(signal, ((0, 0), (n_fft // 2, n_fft // 2)), mode="reflect" if reflect else "constant")
        frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=-1)[:, ::hop]
        expected = np.fft.rfft(frames * values)
        found = stft.forward(signal)
        np.testing.assert_allclose(found, expected, atol=1e-9)
        np.testing.assert_allclose(stft.with_values(normalised=True).forward(signal) * n_fft**0.5, found)
    changed = found * np.linspace(0, 1, found.shape[-1])
    total, weight = np.zeros_like(padded), np.zeros_like(padded)
    for frame in range(changed.shape[1]):  # weighted overlap-add, sample by sample what it covers
        here = slice(frame * hop, frame * hop + n_fft)
        total[:, here] += values * np.fft.irfft(changed[:, frame])
        weight[:, here] += values**2
    inside = slice(n_fft // 2, -(n_fft // 2))
    np.testing.assert_allclose(stft.inverse(changed, 5000), (total / np.maximum(weight, 1e-30))[:, inside], atol=1e-9)


@given(st.integers(1, 1500), st.sampled_from(WINDOWS), st.booleans(), st.booleans(), st.sampled_from([64, 100, 128]))
def test_the_transform_is_undone(samples: int, window: str, centre: bool, normalised: bool, hop: int) -> None:
    signal = np.random.default_rng(samples).standard_normal((1, samples))
    stft = ModelSTFT(n_fft=256, hop=hop, window=window, centre=centre, normalised=normalised)
    np.testing.assert_allclose(stft.inverse(stft.forward(signal), samples), signal, atol=1e-9)


def test_layouts_arrange_and_restore() -> None:
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    layout = Layout("batch (frames channels) bins")
    arranged = layout.arrange(array, ("batch", "channels", "bins", "frames"))
    assert arranged.shape == (2, 15, 4)
    assert arranged[1, 2 * 3 + 1, 3] == array[1, 1, 3, 2]
    sizes = {"batch": 2, "stems": 1, "channels": 3, "bins": 4, "frames": 5}
    np.testing.assert_array_equal(layout.restore(arranged, sizes), array[:, None])
    with pytest.raises(
        InvalidOutputError, match=r"\(2, 14, 4\), expected \(2, 15, 4\): batch 2, frames 5 x channels 3"
    ):
        layout.restore(arranged[:, 1:], sizes)
    with pytest.raises(ConfigError, match="lacks channels, which has the size 3"):
        Layout("batch bins frames").arrange(array, ("batch", "channels", "bins", "frames"))
