"""Wilcoxon's signed-rank test against SciPy's, with and without ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mss_bench.stats.signed_rank import wilcoxon


@pytest.mark.parametrize("n", [3, 13, 50, 51, 200])
def test_without_ties_p_are_scipys(n: int) -> None:
    apart = np.random.default_rng(n).normal(0.3, 1, (n, 4))
    expected = [stats.wilcoxon(column, correction=False).pvalue for column in apart.T]
    assert wilcoxon(apart) == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.integers(-3, 3), min_size=3, max_size=8))
def test_with_ties_p_are_exact(values: list[int]) -> None:
    apart = np.array(values, dtype=float)
    signs = 2.0 * ((np.arange(2**apart.size)[:, None] >> np.arange(apart.size)) & 1) - 1
    ranks = stats.rankdata(np.abs(apart)) * (apart != 0)
    sums = signs @ ranks  # of every way to give the differences signs
    expected = (np.abs(sums) >= abs(np.sign(apart) @ ranks) - 1e-9).mean()
    assert wilcoxon(apart[:, None])[0] == pytest.approx(expected, abs=1e-12)


def test_columns_with_and_without_ties_keep_their_places() -> None:
    rng = np.random.default_rng(0)
    apart = rng.normal(size=(20, 5))
    apart[:, [1, 3]] = np.round(apart[:, [1, 3]])
    apart[:, 4] = 0
    together = wilcoxon(apart)
    assert together == pytest.approx([wilcoxon(apart[:, [i]])[0] for i in range(5)])
    assert together[4] == 1


def test_above_50_tracks_ties_and_zeros_correct_the_variance() -> None:
    apart = np.round(np.random.default_rng(0).normal(0.2, 1, (80, 1)))
    expected = stats.wilcoxon(apart[:, 0], zero_method="pratt", method="asymptotic").pvalue
    assert wilcoxon(apart) == pytest.approx([expected])
    assert wilcoxon(apart[:40], exact=False) == pytest.approx(wilcoxon(apart[:40]), abs=0.05)
    assert wilcoxon(np.zeros((80, 2))).tolist() == [1, 1]


def test_infinite_differences_have_the_highest_ranks() -> None:
    finite = np.array([[9.0], [-1.0], [2.0], [3.0], [8.0]])
    infinite = np.where(finite >= 8, np.inf, finite)
    assert wilcoxon(infinite)[0] == pytest.approx(wilcoxon(np.where(finite >= 8, 9.0, finite))[0])


def test_the_false_alarms_are_as_many_as_they_should_be() -> None:
    same = np.random.default_rng(3).standard_t(3, (20, 2000))
    assert (wilcoxon(same) < 0.05).mean() == pytest.approx(0.05, abs=0.015)
