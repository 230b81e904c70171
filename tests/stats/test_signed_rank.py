"""Wilcoxon's signed-rank test and the Hodges-Lehmann difference: golden values, SciPy, counting, simulation."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mss_bench.stats.signed_rank import hodges_lehmann, signed_rank, walsh_rank, wilcoxon
from mss_bench.stats.significance import correct

GOLDEN = {  # W, p, HL, its interval, rank-biserial correlation
    ("TAK2", "TAU1"): (586, 0.625367797, -0.030395, -0.162995, 0.098285, -0.080784),
    ("TAK2", "TAK3"): (265, 0.000202796733, 0.243063, 0.122830, 0.349615, 0.584314),
    ("TAK1", "UHL2"): (253, 0.000119034648, 0.409200, 0.224285, 0.609087, 0.603137),
    ("TAK1", "JY3"): (232, 4.42546131e-5, 0.595560, 0.347870, 0.859193, 0.636078),
    ("UHL1", "UHL2"): (363, 0.0073807416, -0.101575, -0.181878, -0.032450, -0.430588),
    ("IRM1", "TAK2"): (31, 4.21884749e-12, 1.582407, None, None, 0.951373),
}


@pytest.mark.parametrize("pair", GOLDEN)
def test_pairs_of_sisec_2018_have_the_golden_values(pair: tuple[str, str], vocals: pd.DataFrame) -> None:
    w, p, typical, low, high, biserial = GOLDEN[pair]
    apart = (vocals[pair[0]] - vocals[pair[1]]).to_numpy()[:, None]
    found, lean = signed_rank(apart)
    ends = hodges_lehmann(apart)[:, 0]
    assert found[0] == pytest.approx(p, rel=1e-8)
    assert (1 - abs(lean[0])) * 1275 / 2 == pytest.approx(w)
    assert lean[0] == pytest.approx(biserial, abs=1e-6)
    assert ends[0] == pytest.approx(typical, abs=1e-6)
    assert low is None or ends[1:].tolist() == pytest.approx([low, high], abs=1e-6)


def test_mean_opinion_scores_of_songs_have_the_golden_values(test_data: Path) -> None:
    table = pd.read_csv(test_data / "listening" / "gensvs" / "dcr_test_ratings.csv")
    ratings = table.set_index(["file_id", "model_name"]).filter(regex=r"^rating_\d").mean(axis=1).unstack()
    names = ["melroformer_bigvgan", "melroformer_large", "sgmsvs", "melroformer_small", "htdemucs"]
    assert set(names) <= set(ratings.columns)
    p = {
        (a, b): wilcoxon((ratings[a] - ratings[b]).to_numpy()[:, None])[0]
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }
    expected = [0.940821, 0.0914588, 0.000507572, 5.81338e-10]
    pairs = [(names[0], names[1]), (names[0], names[2]), (names[2], names[3]), (names[3], names[4])]
    assert [p[pair] for pair in pairs] == pytest.approx(expected, rel=2e-6)
    holm = dict(zip(p, correct(np.array([*p.values()])), strict=True))
    assert holm["sgmsvs", "melroformer_small"] == pytest.approx(0.00203029, rel=2e-6)


@pytest.mark.parametrize("n", [3, 13, 50, 51, 200])
def test_without_ties_p_are_scipys(n: int) -> None:
    apart = np.random.default_rng(n).normal(0.3, 1, (n, 4))
    expected = [stats.wilcoxon(column, correction=True).pvalue for column in apart.T]
    assert wilcoxon(apart) == pytest.approx(expected, rel=1e-7)


def test_rounding_errors_of_scores_break_no_ties() -> None:
    noisy = np.array([0.1 + 0.2, -0.3, 0.7 - 0.4, 0.4, 0.5, 0.6])
    assert len(set(np.abs(noisy))) == 6
    assert wilcoxon(noisy[:, None]) == wilcoxon(np.array([[0.3], [-0.3], [0.3], [0.4], [0.5], [0.6]]))
    assert wilcoxon(np.array([[1e-15]] * 9)).tolist() == [1.0]


@given(st.lists(st.integers(-9, 9) | st.sampled_from([np.inf, -np.inf]), min_size=6, max_size=12))
def test_the_interval_holds_what_the_test_does_not_reject(values: list[float]) -> None:
    apart = np.array(values, dtype=float)
    typical, low, high = hodges_lehmann(apart[:, None])[:, 0]
    first, second = np.triu_indices(apart.size)
    with np.errstate(invalid="ignore"):
        averages = np.nan_to_num((apart[first] + apart[second]) / 2, nan=0.0, posinf=np.inf, neginf=-np.inf)
    assert typical == np.median(averages) or not np.isfinite(averages).all()
    assert low <= typical <= high
    if np.isfinite(apart).all():
        for shift in (low - 0.01, high + 0.01):
            assert wilcoxon((apart - shift)[:, None])[0] <= 0.05 + 1e-12
    assert np.array_equal(hodges_lehmann(-apart[:, None])[:, 0], [-typical, -high, -low])


@pytest.mark.parametrize(
    ("n", "k"), [(5, 0), (6, 1), (8, 4), (10, 9), (14, 22), (20, 53), (50, 435)]
)  # fmt: skip
def test_the_ends_of_the_interval_are_these_averages(n: int, k: int) -> None:
    assert walsh_rank(n, 0.95) == k
    assert np.isnan(hodges_lehmann(np.ones((n, 1)))[1, 0]) == (k == 0)


def test_the_normal_rank_of_the_ends_meets_the_exact_one() -> None:
    assert walsh_rank(501, 0.95) - walsh_rank(500, 0.95) == pytest.approx(
        walsh_rank(500, 0.95) - walsh_rank(499, 0.95), abs=3
    )


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
    expected = stats.wilcoxon(apart[:, 0], zero_method="pratt", method="asymptotic", correction=True).pvalue
    assert wilcoxon(apart) == pytest.approx([expected])
    assert wilcoxon(np.zeros((80, 2))).tolist() == [1, 1]


def test_infinite_differences_have_the_highest_ranks() -> None:
    finite = np.array([[9.0], [-1.0], [2.0], [3.0], [8.0]])
    infinite = np.where(finite >= 8, np.inf, finite)
    assert wilcoxon(infinite)[0] == pytest.approx(wilcoxon(np.where(finite >= 8, 9.0, finite))[0])


def test_the_false_alarms_are_as_many_as_they_should_be() -> None:
    same = np.random.default_rng(3).standard_t(3, (20, 2000))
    assert (wilcoxon(same) < 0.05).mean() == pytest.approx(0.05, abs=0.015)


def test_thousands_of_tracks_take_the_memory_of_their_averages_alone():
    differences = np.random.default_rng(0).normal(size=(1500, 2))
    averages = 8 * 1500 * 1501 // 2
    tracemalloc.start()
    try:
        hodges_lehmann(differences)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * averages
    finally:
        tracemalloc.stop()
