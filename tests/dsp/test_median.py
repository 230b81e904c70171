"""Medians equal SciPy's and NumPy's to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import median_filter

from mss_bench.dsp.median import median_of_arrays, median_of_frames, median_of_rows, running_median
from mss_bench.errors import ConfigError


@settings(deadline=None, max_examples=80)
@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 90), st.integers(1, 90)),
    half=st.integers(0, 20),
    axis=st.sampled_from([-1, -2]),
    levels=st.sampled_from([2, 5, 10**6]),
    seed=st.integers(0, 2**16),
)
def test_running_median_is_that_of_the_mirrored_signal(
    shape: tuple[int, int, int], half: int, axis: int, levels: int, seed: int
) -> None:
    # Two levels only: by the 0-1 principle a selection network that is right on these is right on everything.
    values = np.random.default_rng(seed).integers(0, levels, shape).astype(np.float32)
    # Not SciPy's: version 1.17 is wrong where the window is much longer than the axis.
    margin = [(0, 0)] * 3
    margin[axis] = (half, half)
    windows = sliding_window_view(np.pad(values, margin, mode="symmetric"), 2 * half + 1, axis=axis)
    np.testing.assert_array_equal(running_median(values, 2 * half + 1, axis), np.median(windows, axis=-1))


@pytest.mark.parametrize("length", [17, 31])
@pytest.mark.parametrize("axis", [-1, -2])
def test_running_median_of_a_spectrogram_of_many_blocks(length: int, axis: int) -> None:
    values = np.abs(np.random.default_rng(0).standard_normal((1, 400, 513))).astype(np.float32)
    size = (1, 1, length) if axis == -1 else (1, length, 1)
    expected = median_filter(values, size=size, mode="reflect")
    np.testing.assert_array_equal(running_median(values, length, axis), expected)


@pytest.mark.parametrize("length", [0, 4, -3])
def test_a_window_without_a_middle_is_refused(length: int) -> None:
    with pytest.raises(ConfigError, match="odd number"):
        running_median(np.zeros((1, 3, 3), np.float32), length, -1)


@settings(deadline=None, max_examples=60)
@given(rows=st.integers(1, 40), columns=st.integers(1, 700), seed=st.integers(0, 2**16))
def test_median_of_rows_is_that_of_numpy(rows: int, columns: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal((rows, columns, 2)).astype(np.float32)
    np.testing.assert_array_equal(median_of_rows(values), np.median(values, axis=0))


def test_median_of_rows_of_many_blocks_leaves_its_input_alone() -> None:
    values = np.random.default_rng(0).standard_normal((50, 20_000)).astype(np.float32)
    before = values.copy()
    np.testing.assert_array_equal(median_of_rows(values), np.median(values, axis=0))
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 11, 24, 25])
@pytest.mark.parametrize("levels", [2, 10**6])
def test_medians_of_arrays_and_of_frames_are_numpys(count: int, levels: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.integers(0, levels, (60, 700)).astype(np.float32)
    index = rng.integers(0, 60, (count, 90))
    before = values.copy()
    np.testing.assert_array_equal(median_of_frames(values, index), np.median(values[index], axis=0))
    np.testing.assert_array_equal(median_of_arrays(values[:count]), np.median(values[:count], axis=0))
    np.testing.assert_array_equal(values, before)


def test_the_median_of_one_array_is_a_copy() -> None:
    values = np.zeros(3)
    median_of_arrays([values])[0] = 1.0
    assert values[0] == 0.0
