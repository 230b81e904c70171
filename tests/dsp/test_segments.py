"""Overlapping segments and their cross-fades."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mss_bench.dsp.segments import crossfaded, segments


@given(st.integers(1, 300), st.integers(1, 60), st.floats(0.5, 1.0))
def test_segments_cover_all_and_two_overlap_at_most(samples: int, length: int, share: float) -> None:
    step = max(1, int(np.ceil(share * length)))
    parts = segments(samples, length, step)
    counts = np.zeros(samples, dtype=int)
    for part in parts:
        counts[part] += 1
    assert counts.min() == 1
    assert counts.max() <= 2
    assert parts[-1].stop == samples
    assert all(part.stop - part.start == length for part in parts[:-1])
    assert parts[-1].stop - parts[-1].start < length + step
    if len(parts) > 1:
        assert parts[-1].stop - parts[-1].start >= length


@given(st.integers(1, 300), st.integers(1, 60), st.floats(0.5, 1.0))
def test_what_is_not_changed_comes_back(samples: int, length: int, share: float) -> None:
    signal = np.random.default_rng(0).standard_normal((2, samples))
    out = crossfaded(signal, length, max(1, int(np.ceil(share * length))), lambda part: part)
    np.testing.assert_allclose(out, signal, atol=1e-12)


def test_the_input_is_left_alone_and_fades_are_linear() -> None:
    signal = np.ones((1, 100))
    gains = iter([1.0, 3.0])
    out = crossfaded(signal, 60, 40, lambda part: next(gains) * part)
    np.testing.assert_array_equal(signal, 1.0)
    np.testing.assert_allclose(out[0, :40], 1.0)
    np.testing.assert_allclose(out[0, 40:60], 1 + 2 * (np.arange(20) + 0.5) / 20)
    np.testing.assert_allclose(out[0, 60:], 3.0)


@pytest.mark.parametrize(("length", "step"), [(10, 4), (10, 11), (0, 0)])
def test_impossible_segments_are_refused(length: int, step: int) -> None:
    with pytest.raises(ValueError, match="expected a step from half the length"):
        segments(100, length, step)
