"""Intervals: against SciPy, golden values, coverage, pairing and bad input."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.stats import resample
from mss_bench.stats.intervals import INTERVAL_COLUMNS, differences, intervals, mean_depends_on
from mss_bench.stats.resample import resampled

ENDS = ["low", "high"]


@pytest.mark.parametrize(
    ("n", "k"), [(6, 1), (7, 1), (8, 1), (10, 2), (14, 3), (20, 6), (50, 18), (100, 40)]
)  # fmt: skip
def test_medians_have_order_statistics(n: int, k: int) -> None:
    scores = np.random.default_rng(n).permutation(n) + 1.0
    row = intervals(pd.DataFrame({"a": scores})).loc["a"]
    assert tuple(intervals(pd.DataFrame({"a": scores})).columns) == INTERVAL_COLUMNS
    assert (row["low"], row["high"], row["interval"]) == (k, n + 1 - k, "order")
    for level in (0.8, 0.95, 0.99):
        expected = stats.quantile_test(scores, q=0, p=0.5).confidence_interval(level)
        found = intervals(pd.DataFrame({"a": scores}), level=level).loc["a", ENDS]
        assert np.array_equal(found.to_numpy(dtype=float), expected, equal_nan=True)


def test_the_best_of_sisec_2018_has_the_published_interval(vocals: pd.DataFrame) -> None:
    row = intervals(vocals).loc["TAK2"]
    assert row[["value", *ENDS]].tolist() == pytest.approx([7.158675, 5.916895, 8.17656], abs=1e-6)


def test_means_have_students_t_and_name_the_track_that_they_depend_on(vocals: pd.DataFrame) -> None:
    found = intervals(vocals, "mean")
    expected = stats.ttest_1samp(vocals, 0).confidence_interval()
    assert pytest.approx(np.array(expected)) == found[ENDS].to_numpy().T
    assert set(found["interval"]) == {"t"}
    loud = vocals[["TAK2"]].copy()
    loud.iloc[7] = -400
    assert intervals(loud, "mean").loc["TAK2", "depends_on"] == vocals.index[7]
    assert mean_depends_on(np.random.default_rng(0).normal(size=(20, 300))).count(-1) == 300
    assert mean_depends_on(np.full((8, 1), 0.1)) == [-1]
    assert mean_depends_on(np.array([[0.0]] * 7 + [[1.0]])) == [7]


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_the_bootstrap_by_name_is_scipys_on_the_same_resamples(statistic: str, vocals: pd.DataFrame) -> None:
    found = intervals(vocals, statistic, kind="bootstrap", draws=1000, seed=3)
    for method in ("TAK2", "MIX"):
        expected = stats.bootstrap(
            (vocals[method].to_numpy(),), getattr(np, statistic), method="percentile", n_resamples=1000,
            rng=np.random.default_rng(3),
        ).confidence_interval  # fmt: skip
        assert found.loc[method, ENDS].tolist() == pytest.approx(tuple(expected), rel=1e-9)
    assert not intervals(vocals, statistic, kind="bootstrap", draws=1000, seed=1)["low"].equals(found["low"])


def test_differences_are_paired_by_track(vocals: pd.DataFrame) -> None:
    pairs = [("TAK2", "TAU1"), ("TAU1", "TAK2")]
    for statistic, expected in (
        ("typical", [-0.030395, -0.162995, 0.098285]),
        ("median", [-0.000925, -0.218600, 0.132260]),
    ):
        found = differences(vocals, statistic, pairs=pairs)
        assert found.loc[0, ["value", *ENDS]].tolist() == pytest.approx(expected, abs=6e-7)
        assert found.loc[1, "value"] == pytest.approx(-found.loc[0, "value"])
    mean = differences(vocals, "mean", pairs=pairs).loc[0]
    assert mean["value"] == pytest.approx(vocals["TAK2"].mean() - vocals["TAU1"].mean())
    assert len(differences(vocals.iloc[:, :6])) == 15


@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_many_tracks_are_resampled_in_parts(statistic: str) -> None:
    values = np.random.default_rng(0).normal(size=(30_000, 1))
    drawn = resampled(values, statistic, draws=150, seed=1)  # 66 at a time
    rng = np.random.default_rng(1)
    expected = [getattr(np, statistic)(values[rng.integers(0, 30_000, 30_000)]) for _ in range(150)]
    assert drawn[:, 0] == pytest.approx(expected)


def test_medians_far_from_the_middle_are_found_too() -> None:
    values = np.random.default_rng(0).normal(size=(200, 2))
    ordered = np.sort(values, axis=0)
    counts = np.zeros((200, 3), dtype=np.uint8)
    counts[np.argsort(values[:, 0])[-1], 0] = 200  # a resample of the best track alone,
    counts[np.argsort(values[:, 0])[0], 1] = 200  # of the worst,
    counts[:, 2] = 1  # and of every track once
    found = resample._median(values)(counts)
    assert found[:, 0].tolist() == [ordered[-1, 0], ordered[0, 0], np.median(values[:, 0])]
    assert found[2, 1] == np.median(values[:, 1])


@pytest.mark.parametrize("n", [6, 10, 50])
@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_intervals_cover_the_truth_as_often_as_they_say(statistic: str, n: int) -> None:
    drawn = np.random.default_rng(0).normal(size=(n, 2000))
    samples = pd.DataFrame(np.exp(drawn) if statistic == "median" else drawn)  # order statistics need no symmetry
    truth = 1.0 if statistic == "median" else 0.0
    found = intervals(samples, statistic)
    covered = ((found["low"] <= truth) & (truth <= found["high"])).mean()
    assert 0.935 < covered < (0.99 if statistic == "median" else 0.965)


def test_intervals_depend_on_no_other_method(vocals: pd.DataFrame) -> None:
    for kind in ("", "bootstrap"):
        whole = intervals(vocals, kind=kind, draws=300)
        assert intervals(vocals[["UHL2"]], kind=kind, draws=300).loc["UHL2"].equals(whole.loc["UHL2"])
        assert intervals(vocals[reversed(vocals.columns)], kind=kind, draws=300).loc[whole.index].equals(whole)


def test_infinite_scores_are_ordered_and_have_no_mean() -> None:
    matrix = pd.DataFrame({"a": [1.0, 2, 3, 4, 5, math.inf], "b": [math.inf] * 6})
    assert intervals(matrix).loc["a", ["value", *ENDS]].tolist() == [3.5, 1, math.inf]
    mean = intervals(matrix, "mean").loc["a"]
    assert mean["value"] == math.inf
    assert mean[ENDS].isna().all()
    apart = differences(matrix.assign(c=math.inf), pairs=[("b", "c")]).iloc[0]
    assert (apart["value"], apart["low"], apart["high"]) == (0.0, 0.0, 0.0)


@given(st.integers(-20, 20), st.integers(1, 5))
def test_intervals_move_with_the_scores(shift: int, scale: int) -> None:
    scores = pd.DataFrame({"a": [0.0, 1, 1, 4, 8, 9], "b": 0.0})
    for statistic in ("median", "mean", "typical"):
        make = differences if statistic == "typical" else intervals
        moved = scores.assign(a=scores["a"] * scale + shift)
        before, after = (make(s, statistic)[["value", *ENDS]].to_numpy()[0] for s in (scores, moved))
        assert after == pytest.approx(before * scale + shift, abs=1e-9)


def test_bad_input_is_refused(vocals: pd.DataFrame) -> None:
    with pytest.raises(RunError, match="a confidence interval needs at least 6 tracks, got 5"):
        intervals(vocals.iloc[:5])
    with pytest.raises(RunError, match="a percentile bootstrap needs at least 20 tracks, got 19"):
        intervals(vocals.iloc[:19], kind="bootstrap")
    with pytest.raises(RunError, match="needs at least 1 method, got 0"):
        intervals(vocals[[]])
    with pytest.raises(RunError, match="missing values, the first of method 'MIX'"):
        intervals(vocals.assign(MIX=math.nan))
    with pytest.raises(RunError, match="needs at least 2 methods, got 1"):
        differences(vocals[["MIX"]])
    with pytest.raises(UnknownNameError, match="unknown separator 'TAK4'"):
        differences(vocals, pairs=[("MIX", "TAK4")])
    with pytest.raises(RunError, match="compared with itself: 'MIX'"):
        differences(vocals, pairs=[("MIX", "MIX")])
    with pytest.raises(UnknownNameError, match="did you mean 'median'"):
        intervals(vocals, "medain")
    with pytest.raises(UnknownNameError, match="kind of interval 'bca'"):
        intervals(vocals, "mean", kind="bca")
    with pytest.raises(ConfigError, match="level must lie between 0 and 1, got 95"):
        intervals(vocals, level=95)
    with pytest.raises(ConfigError, match="draws must be at least 100, got 10"):
        intervals(vocals, draws=10)
    assert differences(vocals, pairs=[]).empty
