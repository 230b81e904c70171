"""The crossed t test of listeners and songs: golden values, a simulation, and bad input."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mss_bench.errors import RunError
from mss_bench.stats.crossed import crossed_t
from mss_bench.stats.significance import correct


def test_similarity_ratings_have_the_golden_values(test_data: Path) -> None:
    ratings = pd.read_csv(test_data / "listening" / "similarity_ratings_anonymised.csv")
    means = ratings.groupby(["listener", "song", "condition"])["rating"].mean().unstack()  # replicates averaged
    systems = ["JY3", "MDL1", "MELO", "REP2", "TAK2", "UHL3"]
    found = {
        (a, b): crossed_t((means[a] - means[b]).unstack().to_numpy()) for a, b in itertools.combinations(systems, 2)
    }
    holm = dict(zip(found, correct(np.array([t.p for t in found.values()])), strict=True))
    for pair, mean, se, df, p, corrected in (
        (("TAK2", "UHL3"), 4.766667, 1.7809, 14, 0.0180673, 0.0542018),
        (("JY3", "TAK2"), -6.53472, 1.83217, 14, 0.00309675, 0.012387),
        (("MDL1", "MELO"), 9.18056, 2.39118, 16.7391, 0.00134636, 0.00807819),
        (("MELO", "REP2"), -0.405556, 2.95284, 17.2235, 0.892351, 1),
    ):
        test = found[pair]
        golden = (mean, se, df, p, corrected)
        assert (test.mean, test.se, test.df, test.p, holm[pair]) == pytest.approx(golden, rel=1e-5)
        assert (test.n_listeners, test.n_songs) == (24, 15)


def test_it_is_a_one_sample_t_test_where_only_listeners_differ() -> None:
    listeners = np.random.default_rng(0).normal(0.5, 1, 9)
    found = crossed_t(np.repeat(listeners[:, None], 4, axis=1))
    expected = stats.ttest_1samp(listeners, 0)
    assert (found.mean, found.p, found.df) == pytest.approx((listeners.mean(), expected.pvalue, 8))
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    turned = crossed_t(np.repeat(listeners[None, :], 4, axis=0))
    assert turned.p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("songs", "listeners"), [(1.0, 0.3), (0.3, 1.0), (0.0, 0.0)])
def test_five_percent_means_five_percent_with_other_songs(songs: float, listeners: float) -> None:
    rng = np.random.default_rng(0)
    wrong = sum(
        crossed_t(rng.normal(0, listeners, (12, 1)) + rng.normal(0, songs, 8) + rng.normal(0, 1, (12, 8))).p < 0.05
        for _ in range(1000)
    )
    assert wrong < 1000 * 0.05 + 2 * math.sqrt(1000 * 0.05 * 0.95)


def test_bad_input_is_refused_or_stated() -> None:
    with pytest.raises(RunError, match="at least 2 listeners and 2 songs"):
        crossed_t(np.ones((5, 1)))
    with pytest.raises(RunError, match="got 1 cells without one"):
        crossed_t(np.array([[1.0, math.nan], [2, 3]]))
    assert crossed_t(np.zeros((3, 3))).p == 1
    assert crossed_t(np.full((3, 3), 0.1)).p == 0
