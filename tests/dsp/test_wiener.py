"""The multichannel Wiener filter: additive, level-free, and able to tell sources by their place alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mss_bench.dsp.wiener import rough_spatial_model, spatial_model, wiener_filter


def _noise(seed: int, *shape: int) -> NDArray[np.complex128]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_estimates_add_up_to_a_mixture_that_is_not_the_sum_of_its_sources(channels: int) -> None:
    sources = [_noise(seed, channels, 20, 5) for seed in range(3)]
    sources[0][:, :4] = 0.0
    mixture = sum(sources) + 0.1 * _noise(9, channels, 20, 5)
    estimates = wiener_filter(mixture, [spatial_model(source) for source in sources])
    np.testing.assert_allclose(sum(estimates), mixture, atol=1e-9)


def test_sources_of_equal_power_are_told_apart_by_their_direction() -> None:
    left, right = np.array([1.0, 0.2])[:, None, None], np.array([0.2, 1.0])[:, None, None]
    sources = [left * _noise(0, 1, 200, 3), right * _noise(1, 1, 200, 3)]
    estimates = wiener_filter(sources[0] + sources[1], [spatial_model(source) for source in sources])
    for source, estimate in zip(sources, estimates, strict=True):
        error = np.linalg.norm(estimate - source) / np.linalg.norm(source)
        assert error < 1e-3  # two directions, two channels: nothing is lost; a mask of each channel loses much


def test_the_closed_form_for_two_channels_is_the_general_solution() -> None:
    pairs = [_noise(seed, 2, 50, 4) for seed in range(3)]
    # A third channel that is silent everywhere forces the general solution of the same problem.
    triples = [np.concatenate([pair, 1e-3 * _noise(7 + i, 1, 50, 4)]) for i, pair in enumerate(pairs)]
    models = [spatial_model(triple) for triple in triples]
    for _, covariance in models:
        covariance[:, 2, :2] = covariance[:, :2, 2] = 0.0
    two = wiener_filter(sum(pairs), [(power, covariance[:, :2, :2]) for power, covariance in models])
    three = wiener_filter(sum(triples), models)
    for a, b in zip(two, three, strict=True):
        np.testing.assert_allclose(a, b[:2], atol=1e-10)


def test_silence_and_a_source_alike_in_all_channels_give_numbers() -> None:
    mono = np.repeat(_noise(0, 1, 30, 4), 2, axis=0)
    silent = np.zeros_like(mono)
    models = [spatial_model(mono), spatial_model(silent)]
    first, second = wiener_filter(mono, models)
    np.testing.assert_allclose(first, mono, atol=1e-9)
    np.testing.assert_allclose(second, 0.0, atol=1e-9)
    halves = wiener_filter(mono, [spatial_model(silent), spatial_model(silent)])
    np.testing.assert_allclose(halves[0], mono / 2)


@pytest.mark.parametrize("model", [spatial_model, rough_spatial_model])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_blocks_of_frequencies_are_the_whole(model, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [_noise(seed, channels, 20, 33) for seed in range(2)]
    sources[1][..., 7] = 0.0
    whole = [model(source) for source in sources]
    estimates = wiener_filter(sum(sources), whole)
    monkeypatch.setattr("mss_bench.dsp.wiener._BLOCK", 250)
    for source, (power, covariance) in zip(sources, whole, strict=True):
        again, spatial = model(source)
        np.testing.assert_allclose(again, power, atol=1e-12)
        np.testing.assert_allclose(spatial, covariance, atol=1e-12)
    for one, other in zip(wiener_filter(sum(sources), whole), estimates, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


def test_a_long_song_needs_little_more_than_its_estimates() -> None:
    import tracemalloc

    source = _noise(0, 2, 4000, 257).astype(np.complex64)
    models = [(np.ones((4000, 257)), np.tile(np.eye(2, dtype=complex), (257, 1, 1)))] * 2
    tracemalloc.start()
    try:
        estimates = wiener_filter(source, models)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The covariances of all bins at once would alone take 66 MB, the estimates take 33 MB.
    assert peak < sum(estimate.nbytes for estimate in estimates) + 60e6
