"""Filters from magnitudes to estimates."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.dsp.filters import MASKS, channel_groups, filter_blocks, filter_sources


@pytest.fixture
def scene():
    """Three sources from different directions, with the magnitudes of the middle channel."""
    rng = np.random.default_rng(0)
    gains = np.array([[1.0, 0.1], [0.7, 0.7], [0.1, 1.0]])
    activity = rng.gamma(0.3, size=(3, 60, 33))
    noise = rng.standard_normal((3, 60, 33)) + 1j * rng.standard_normal((3, 60, 33))
    images = gains[:, :, None, None] * (activity * noise)[:, None]
    return images, [activity[j][None] for j in range(3)]


def _error(estimates, images) -> float:
    return float(
        sum(np.sum(np.abs(y - s) ** 2) for y, s in zip(estimates, images, strict=True)) / np.sum(np.abs(images) ** 2)
    )


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_estimates_add_up_and_the_mixture_is_left_alone(scene, mask: str, dtype) -> None:
    images, magnitudes = scene
    mixture = images.sum(axis=0).astype(dtype)
    before = mixture.copy()
    estimates = filter_sources(mixture, [m.astype(mixture.real.dtype) for m in magnitudes], mask)
    np.testing.assert_array_equal(mixture, before)
    assert {e.dtype for e in estimates} == {mixture.dtype}
    np.testing.assert_allclose(sum(estimates), mixture, atol=1e-5 * np.abs(mixture).max())


def test_each_filter_does_what_it_says(scene) -> None:
    images, magnitudes = scene
    mixture = images.sum(axis=0)
    strongest = np.argmax([m[0] for m in magnitudes], axis=0)
    for j, estimate in enumerate(filter_sources(mixture, magnitudes, "binary")):
        np.testing.assert_array_equal(estimate, np.where(strongest == j, mixture, 0))
    total = sum(m**0.7 for m in magnitudes)
    for j, estimate in enumerate(filter_sources(mixture, magnitudes, "soft", 0.7)):
        np.testing.assert_allclose(estimate, mixture * magnitudes[j] ** 0.7 / total, rtol=1e-10)
    for soft, wiener in zip(
        filter_sources(mixture, magnitudes, "soft", 2.0), filter_sources(mixture, magnitudes, "wiener"), strict=True
    ):
        np.testing.assert_array_equal(soft, wiener)


def test_directions_help_where_there_are_some(scene) -> None:
    images, magnitudes = scene
    mixture = images.sum(axis=0)
    errors = {mask: _error(filter_sources(mixture, magnitudes, mask), images) for mask in MASKS}
    assert errors["wiener"] < errors["binary"]
    assert errors["multichannel"] < 0.7 * errors["wiener"]
    one = mixture[:1]
    for a, b in zip(
        filter_sources(one, magnitudes, "multichannel"), filter_sources(one, magnitudes, "wiener"), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mask", MASKS)
def test_silence_is_shared(mask: str) -> None:
    nothing = [np.zeros((1, 3, 5))] * 2
    mixture = np.ones((2, 3, 5), dtype=complex)
    np.testing.assert_allclose(sum(filter_sources(mixture, nothing, mask)), mixture)


@pytest.mark.parametrize("mask", MASKS)
def test_blocks_are_the_whole_and_may_be_overwritten(scene, mask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images, magnitudes = scene
    mixture = images.sum(axis=0)
    whole = filter_sources(mixture, magnitudes, mask, 1.5)
    monkeypatch.setattr("mss_bench.dsp.filters._BLOCK", 500)
    monkeypatch.setattr("mss_bench.dsp.wiener._BLOCK", 500)
    work, second, parts = mixture.copy(), np.empty_like(mixture), 0
    for part, (first, other, _) in filter_blocks(work, magnitudes, mask, 1.5):
        work[part], second[part] = first, other
        parts += 1
    assert parts > 5
    np.testing.assert_allclose(work, whole[0], atol=1e-10)
    np.testing.assert_allclose(second, whole[1], atol=1e-10)


def test_channels_are_filtered_together_where_their_directions_count() -> None:
    assert channel_groups(3, "multichannel") == [slice(None)]
    assert channel_groups(2, "soft") == [slice(0, 1), slice(1, 2)]
