"""Bootstrap intervals: SciPy's own on the same resamples, coverage, pairing and bad input."""

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
from mss_bench.stats.intervals import INTERVAL_COLUMNS, bootstrap, differences
from mss_bench.stats.resample import resampled


def scipys(values: np.ndarray, statistic: str, method: str, seed: int, draws: int) -> tuple[float, float]:
    found = stats.bootstrap(
        (values,), getattr(np, statistic), method=method, n_resamples=draws, rng=np.random.default_rng(seed)
    )
    return tuple(found.confidence_interval)


@pytest.mark.parametrize(("statistic", "kind"), [("mean", "bca"), ("median", "percentile")])
@pytest.mark.parametrize("n_tracks", [50, 49, 5])
def test_intervals_are_scipys_on_the_same_resamples(
    statistic: str, kind: str, n_tracks: int, vocals: pd.DataFrame
) -> None:
    # In eighths sums are exact: of few tracks, many draws have the mean of the sample itself.
    matrix = (vocals.iloc[:n_tracks, :4] * 8).round() / 8
    found = bootstrap(matrix, statistic, draws=2000, seed=3)
    assert tuple(found.columns) == INTERVAL_COLUMNS
    for method in matrix:
        expected = scipys(matrix[method].to_numpy(), statistic, {"bca": "BCa"}.get(kind, kind), 3, 2000)
        assert tuple(found.loc[method, ["low", "high"]]) == pytest.approx(expected, rel=1e-9)
        assert found.loc[method, "value"] == pytest.approx(getattr(matrix[method], statistic)())
    assert set(found["interval"]) == {kind}


def test_differences_are_paired_by_track(vocals: pd.DataFrame) -> None:
    found = differences(vocals, "mean", pairs=[("TAK1", "MIX"), ("MIX", "TAK1")], draws=2000, seed=3)
    expected = scipys((vocals["TAK1"] - vocals["MIX"]).to_numpy(), "mean", "BCa", 3, 2000)
    assert tuple(found.loc[0, ["low", "high"]]) == pytest.approx(expected)
    assert found.loc[1, "value"] == -found.loc[0, "value"]
    assert len(differences(vocals.iloc[:, :24], draws=100)) == 24 * 23 / 2  # more than are computed at once


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


@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_intervals_cover_the_truth_as_often_as_they_say(statistic: str) -> None:
    samples = pd.DataFrame(np.random.default_rng(0).gamma(2.0, size=(50, 500)))  # skewed, as scores are
    truth = {"median": stats.gamma.median(2.0), "mean": 2.0}[statistic]
    found = bootstrap(samples, statistic, level=0.9, draws=1000)
    covered = ((found["low"] <= truth) & (truth <= found["high"])).mean()
    assert covered == pytest.approx(0.9, abs=0.035)


def test_intervals_depend_on_the_seed_and_on_no_other_method(vocals: pd.DataFrame) -> None:
    whole = bootstrap(vocals, draws=500)
    alone = bootstrap(vocals[["UHL2"]], draws=500)
    assert alone.loc["UHL2"].equals(whole.loc["UHL2"])
    assert bootstrap(vocals[reversed(vocals.columns)], draws=500).loc[whole.index].equals(whole)
    assert not bootstrap(vocals, draws=500, seed=1)["low"].equals(whole["low"])


@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_scores_that_are_all_alike_have_an_interval_of_one_point(statistic: str) -> None:
    row = bootstrap(pd.DataFrame({"a": [2.0] * 5}), statistic, draws=100).loc["a"]
    assert (row["value"], row["low"], row["high"], row["interval"]) == (2.0, 2.0, 2.0, "percentile")


def test_infinite_scores_are_ordered_and_never_give_nan() -> None:
    matrix = pd.DataFrame({"a": [1.0, 2, 3, math.inf], "b": [-math.inf, 1, 2, math.inf], "c": [math.inf] * 4})
    mean = bootstrap(matrix, "mean", draws=1000)
    assert mean.loc["a", "value"] == mean.loc["a", "high"] == math.inf
    assert 1 <= mean.loc["a", "low"] <= 2
    assert mean.loc["b", "value"] == mean.loc["b", "low"] == -math.inf
    assert set(mean["interval"]) == {"percentile"}
    median = bootstrap(matrix, "median", draws=1000)
    assert median.loc["a", "value"] == 2.5
    assert not pd.concat([mean, median])[["value", "low", "high"]].isna().any(axis=None)
    apart = differences(matrix.assign(d=math.inf), pairs=[("c", "d")], draws=100).iloc[0]
    assert (apart["value"], apart["low"], apart["high"]) == (0.0, 0.0, 0.0)


@given(st.lists(st.integers(-3, 3) | st.just(math.inf) | st.just(-math.inf), min_size=3, max_size=9))
def test_an_interval_is_ordered_and_lies_within_the_scores(values: list[float]) -> None:
    for statistic in ("median", "mean"):
        row = bootstrap(pd.DataFrame({"a": values}, dtype=float), statistic, draws=100).loc["a"]
        assert min(values) <= row["low"] <= row["high"] <= max(values)


@given(st.integers(-20, 20), st.integers(1, 5))
def test_intervals_move_with_the_scores(shift: int, scale: int) -> None:
    scores = pd.DataFrame({"a": [0.0, 1, 1, 4, 8, 9]})
    for statistic in ("median", "mean"):
        before = bootstrap(scores, statistic, draws=200)[["value", "low", "high"]]
        after = bootstrap(scores * scale + shift, statistic, draws=200)[["value", "low", "high"]]
        assert after.to_numpy() == pytest.approx(before.to_numpy() * scale + shift, abs=1e-9)


def test_bad_input_is_refused(vocals: pd.DataFrame) -> None:
    with pytest.raises(RunError, match="a confidence interval needs at least 3 tracks, got 1"):
        bootstrap(vocals.iloc[:1])
    with pytest.raises(RunError, match="needs at least 1 method, got 0"):
        bootstrap(vocals[[]])
    with pytest.raises(RunError, match="missing values, the first of method 'MIX'"):
        bootstrap(vocals.assign(MIX=math.nan))
    with pytest.raises(RunError, match="needs at least 2 methods, got 1"):
        differences(vocals[["MIX"]])
    with pytest.raises(UnknownNameError, match="unknown separator 'TAK4'"):
        differences(vocals, pairs=[("MIX", "TAK4")])
    with pytest.raises(RunError, match="compared with itself: 'MIX'"):
        differences(vocals, pairs=[("MIX", "MIX")])
    with pytest.raises(UnknownNameError, match="did you mean 'median'"):
        bootstrap(vocals, "medain")
    with pytest.raises(ConfigError, match="level must lie between 0 and 1, got 95"):
        bootstrap(vocals, level=95)
    with pytest.raises(ConfigError, match="draws must be at least 100, got 10"):
        bootstrap(vocals, draws=10)
    assert differences(vocals, pairs=[]).empty
