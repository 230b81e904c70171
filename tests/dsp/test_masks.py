"""Masks share out the mixture, at any level of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mss_bench.dsp.masks import ratio, soft_masks


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 5),
    power=st.sampled_from([0.5, 1.0, 2.0, 3.0, 40.0]),
    level=st.sampled_from([1e-30, 1e-6, 1.0, 1e18]),
    seed=st.integers(0, 2**16),
)
def test_masks_sum_to_one_at_any_level(count: int, power: float, level: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    magnitudes = [(level * rng.random((7, 9))).astype(np.float32) for _ in range(count)]
    magnitudes[0][:2] = 0.0
    masks = soft_masks(magnitudes, power)
    np.testing.assert_allclose(sum(masks), 1.0, atol=1e-6)
    assert all(mask.min() >= 0 for mask in masks)


def test_exponent_two_shares_by_power() -> None:
    first, second = soft_masks([np.array([3.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.0])], 2.0)
    np.testing.assert_allclose(first, [0.9, 0.0, 0.5])
    np.testing.assert_allclose(second, [0.1, 1.0, 0.5])


def test_ratio_of_nothing_is_one() -> None:
    np.testing.assert_array_equal(ratio(np.array([0.0, 1.0, 0.0]), np.array([0.0, 4.0, 2.0])), [1.0, 0.25, 0.0])
