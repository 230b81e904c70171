"""Centres, intervals and tests of ratings: the published test, known answers, coverage, bad input."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.listening.analysis import abx, cells, compare_systems, permutation, questions, summarise
from mss_bench.listening.bootstrap import TwoWay, percentile_interval
from mss_bench.listening.importers import import_ratings
from mss_bench.listening.mixed import rating_model
from mss_bench.listening.ratings import build_ratings
from mss_bench.listening.sheets import RatingsError

from .real_ratings import made_ratings, similarity

MEDIANS = {"Ref": 100, "TAK2": 80, "UHL3": 75, "JY3": 71, "MDL1": 39, "REP2": 29, "MELO": 27, "Anch2": 12, "Anch1": 5}


def test_the_published_medians_come_out(test_data: Path) -> None:
    ratings = similarity(test_data)
    found = summarise(ratings, draws=500)
    assert found["median"].to_dict() == MEDIANS
    assert list(found.index) == list(MEDIANS)  # the best first
    assert set(found["n"]) == {384}  # replicates kept
    scores = ratings.loc[ratings["system"] == "TAK2", "score"]
    assert found.loc["TAK2", ["q1", "q3"]].tolist() == np.quantile(scores, [0.25, 0.75]).tolist()
    for name in MEDIANS:
        row = found.loc[name]
        assert row["median_low"] <= row["median"] <= row["median_high"]
        assert row["mean_low"] < row["mean"] < row["mean_high"]


def test_t_intervals_are_over_listeners(test_data: Path) -> None:
    ratings = similarity(test_data)
    own = ratings[ratings["system"] == "MDL1"]
    by_listener = own.groupby(["listener", "item"])["score"].mean().groupby("listener").mean()
    expected = stats.ttest_1samp(by_listener, 0).confidence_interval(0.95)
    found = summarise(ratings, draws=100).loc["MDL1"]
    assert (found["t_low"], found["t_high"]) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("statistic", ["means", "medians"])
def test_two_way_resamples_are_those_of_the_drawn_listeners_and_items(statistic: str) -> None:
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 20, 23).astype(float)
    listener, item = rng.integers(0, 5, 23), rng.integers(0, 4, 23)
    two_way = TwoWay(5, 4, draws=300, seed=2)
    found = getattr(two_way, statistic)(scores, listener, item)
    for number in range(300):
        times = (two_way._listeners[number][listener] * two_way._items[number][item]).astype(int)
        drawn = np.repeat(scores, times)
        expected = getattr(np, statistic[:-1])(drawn) if drawn.size else np.nan
        assert found[number] == pytest.approx(expected, nan_ok=True)


def test_two_way_intervals_cover_other_listeners_and_items() -> None:
    covered = 0
    for seed in range(60):
        ratings = made_ratings({"a": 0.0}, listeners=10, items=8, seed=seed)
        low, high = summarise(ratings, draws=200, level=0.9, seed=seed).loc["a", ["mean_low", "mean_high"]]
        covered += low <= 50 <= high
    assert covered / 60 > 0.8  # with ten and eight a percentile interval is a little short of 90 %


def test_friedman_and_post_hoc_start_from_listeners_means(test_data: Path) -> None:
    ratings = similarity(test_data)
    scores = cells(ratings).groupby("listener").mean()
    assert scores.shape == (24, 6)
    found = compare_systems(ratings, draws=2000)
    expected = stats.friedmanchisquare(*scores.to_numpy().T)
    assert found.friedman is not None
    assert found.friedman.statistic == pytest.approx(expected.statistic)
    assert found.friedman.w == pytest.approx(expected.statistic / (24 * 5))
    pairs = found.pairs.set_index(["a", "b"])
    assert len(pairs) == 15
    assert pairs.loc[("JY3", "UHL3"), "p_wilcoxon"] > 0.05
    assert pairs.loc[("MELO", "REP2"), "p_conover"] > 0.05
    told = pairs.drop([("JY3", "UHL3"), ("MELO", "REP2")])
    assert (told[["p_conover", "p_wilcoxon"]] < 0.01).all(axis=None)
    assert (told["p_permutation"] < 0.05).all()  # of 2000 patterns, and Holm of fifteen
    assert pairs.loc[("TAK2", "UHL3"), "rank_biserial"] > 0.9
    assert (np.sign(told["difference"]) == np.sign(told["wins"] - told["losses"])).all()
    # The test that decides takes songs for a sample, too (golden values of the formula in another implementation).
    assert (found.test, found.listeners, found.songs, found.left_out) == ("crossed t", 24, 15, [])
    golden = {
        ("TAK2", "UHL3"): (4.766667, 14, 0.0180673, 0.0542018),
        ("JY3", "TAK2"): (-6.53472, 14, 0.00309675, 0.012387),
        ("MDL1", "MELO"): (9.18056, 16.7391, 0.00134636, 0.00807819),
        ("MELO", "REP2"): (-0.405556, 17.2235, 0.892351, 1),
    }  # fmt: skip
    for pair, numbers in golden.items():
        expected = pairs.loc[[pair] if pair in pairs.index else [pair[::-1]]].iloc[0]
        assert expected[["difference", "df", "p_alone", "p"]].tolist() == pytest.approx(numbers, rel=2e-5)
    assert found.p.loc["UHL3", "TAK2"] == found.p.loc["TAK2", "UHL3"] == pytest.approx(0.0542018, rel=1e-5)
    # One listener who missed a trial takes no part; where most rated parts, songs are tested.
    missed = ratings[~((ratings["listener"] == "L01") & (ratings["item"] == ratings["item"].iloc[0]))]
    fewer = compare_systems(missed, draws=100)
    assert (fewer.test, fewer.listeners, fewer.left_out) == ("crossed t", 23, ["L01"])


def test_where_listeners_rated_parts_songs_are_tested_and_dmos_come_out(test_data: Path) -> None:
    columns = {"listener": "subject_rating_*", "item": "file_id", "system": "model_name", "score": "rating_*"}
    file = test_data / "listening" / "gensvs" / "dcr_test_ratings.csv"
    ratings = import_ratings([file], columns=columns, scale=(1, 5)).ratings
    means = summarise(ratings, centre="mean", draws=100)["mean"]
    assert {name.removeprefix("melroformer_"): round(value, 3) for name, value in means.items()} == {
        "bigvgan": 3.288, "large": 3.282, "sgmsvs": 3.082, "small": 2.670, "htdemucs": 2.028,
    }  # fmt: skip
    found = compare_systems(ratings, draws=100)
    assert (found.test, found.songs, found.friedman) == ("songs", 50, None)
    pairs = found.pairs.assign(
        pair=[frozenset(n.removeprefix("melroformer_") for n in p) for p in found.pairs[["a", "b"]].to_numpy()]
    ).set_index("pair")
    for names, p in ((("bigvgan", "large"), 0.940821), (("bigvgan", "sgmsvs"), 0.0914588),
                     (("small", "sgmsvs"), 0.000507572), (("htdemucs", "small"), 5.81338e-10)):  # fmt: skip
        assert pairs.loc[[frozenset(names)], "p_alone"].item() == pytest.approx(p, rel=1e-5)
    assert pairs.loc[[frozenset(("small", "sgmsvs"))], "p"].item() == pytest.approx(0.00203029, rel=1e-5)


def test_items_that_a_listener_rated_in_part_do_not_favour_a_system() -> None:
    ratings = made_ratings({"a": 0.0, "b": 0.0}, noise=0.0)
    hard = (ratings["item"] == "Song 0") & (ratings["system"] == "a") & (ratings["listener"] == "P0")
    scores = cells(ratings[~hard]).groupby("listener").mean()
    assert scores.loc["P0", "a"] == pytest.approx(scores.loc["P0", "b"])


@pytest.mark.parametrize("n", [4, 7])
def test_small_permutations_go_through_every_pattern_of_signs(n: int) -> None:
    apart = np.random.default_rng(n).normal(0.5, 1, n)
    every = np.array([np.mean(apart * pattern) for pattern in product([-1, 1], repeat=n)])
    assert permutation(apart) == pytest.approx(np.mean(np.abs(every) >= abs(apart.mean()) - 1e-12))
    assert permutation(apart, sides=1) == pytest.approx(np.mean(every >= apart.mean() - 1e-12))


def test_permutations_hold_their_level_and_find_what_is_there() -> None:
    rng = np.random.default_rng(0)
    p = np.array([permutation(own, draws=300, seed=n) for n, own in enumerate(rng.normal(0, 1, (300, 16)))])
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.035)
    # On five grades, where medians of ratings are alike, a half grade is found.
    grades = rng.integers(0, 2, (200, 16)) + rng.integers(-1, 2, (200, 16)) * 0.5
    found = [permutation(own.astype(float), draws=300, seed=n) < 0.05 for n, own in enumerate(grades)]
    assert np.mean(found) > 0.6
    assert permutation(np.zeros(16), draws=300) == 1.0


def test_the_mixed_model_maximises_the_restricted_likelihood() -> None:
    ratings = made_ratings({"a": 0.0, "b": 6.0}, listeners=8, items=5, noise=6.0)
    own = ratings[ratings["role"] == "test"]
    found = rating_model(ratings)
    codes = [pd.factorize(c)[0] for c in (own["listener"], own["item"], own["item"] + own["system"])]
    x = np.stack([np.ones(len(own)), (own["system"] == "b").to_numpy(float)], axis=1)
    y = own["score"].to_numpy()

    def likelihood(ratios: np.ndarray) -> float:  # with the covariance of all ratings written out
        v = np.eye(y.size) + sum(q * (c[:, None] == c) for q, c in zip(ratios, codes, strict=True))
        inner = x.T @ np.linalg.solve(v, x)
        rest = y - x @ np.linalg.solve(inner, x.T @ np.linalg.solve(v, y))
        logs = np.linalg.slogdet(v)[1] + np.linalg.slogdet(inner)[1]
        return -0.5 * (logs + (y.size - 2) * np.log(rest @ np.linalg.solve(v, rest)))

    names = ["listener", "item", "item x system"]
    ratios = np.array([found.variance[name] / found.variance["residual"] for name in names])
    rng = np.random.default_rng(0)
    for other in (ratios + 0.01) * np.exp(rng.normal(0, 0.3, (30, 3))):
        assert likelihood(other) <= likelihood(ratios) + 1e-6
    assert found.converged
    # Of a balanced design the effect is the difference of the means.
    means = own.groupby("system")["score"].mean()
    assert found.effects.loc["b", "estimate"] == pytest.approx(means["b"] - means["a"])
    assert found.reference_mean == pytest.approx(means["a"])


def test_the_mixed_model_of_the_published_test(test_data: Path) -> None:
    found = rating_model(similarity(test_data), reference="JY3")
    assert found.converged
    assert found.effects.loc["TAK2", "estimate"] == pytest.approx(6.70, abs=0.01)
    assert found.effects.loc["UHL3", "p"] > 0.05
    assert found.variance["residual"] == pytest.approx(242.9, abs=0.1)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"effects": {"a": 0.0}}, "at least 2 systems, got 1"),
        ({"effects": {"a": 0.0, "b": 1.0}, "items": 1}, "at least 2 songs, got 1"),
        ({"effects": {"a": 0.0, "b": 1.0}, "listeners": 2}, r"3 listeners .*got 2 and 2"),
    ],
)
def test_too_little_to_test_is_said(made, message: str) -> None:
    with pytest.raises(RatingsError, match=message):
        compare_systems(made_ratings(**made))
    with pytest.raises(RatingsError, match="the mixed model needs"):
        rating_model(made_ratings(**made))


def test_wrong_options_are_named() -> None:
    ratings = made_ratings({"a": 0.0, "b": 1.0})
    with pytest.raises(ConfigError, match="level must lie between 0 and 1"):
        summarise(ratings, level=95)
    with pytest.raises(ConfigError, match="draws must be at least 100"):
        summarise(ratings, draws=5)
    with pytest.raises(UnknownNameError, match="unknown system of the test 'c'"):
        rating_model(ratings, reference="c")
    flat = ratings.assign(score=50.0)
    with pytest.raises(RatingsError, match="all are alike"):
        rating_model(flat)
    assert compare_systems(flat, draws=100).pairs["p_wilcoxon"].tolist() == [1.0]


def test_one_listener_has_no_t_interval() -> None:
    found = summarise(made_ratings({"a": 0.0}, listeners=1), draws=100).loc["a"]
    assert np.isnan(found["t_low"])
    assert np.isfinite(found["median"])


def test_each_task_and_target_is_a_question_of_its_own() -> None:
    ratings = made_ratings({"a": 0.0})
    both = pd.concat([ratings, ratings.assign(task="interference"), ratings.assign(target="drums")])
    assert [(task, target) for task, target, _ in questions(both)] == [
        ("quality", ""), ("interference", ""), ("quality", "drums"),
    ]  # fmt: skip


def test_abx_counts_right_answers() -> None:
    rows = [{"listener": f"P{n}", "item": "Song", "task": "identity", "system": system, "score": float(n < right)}
            for system, right in (("heard", 15), ("guessed", 8)) for n in range(16)]  # fmt: skip
    found = abx(build_ratings(rows, ["row"] * 32, scale=(0, 1)))
    assert found.loc["heard", ["n", "right", "share"]].tolist() == [16, 15, 15 / 16]
    assert found.loc["heard", "p_answers"] == pytest.approx(2 * 17 / 2**16)  # Holm of two
    assert found.loc["heard", "p"] < 0.01
    # Four listeners who hear everything are still four: their 40 answers are no 40 proofs.
    four = [{"listener": f"P{n}", "item": f"Song {k}", "task": "identity", "system": "heard", "score": 1.0}
            for n in range(4) for k in range(10)]  # fmt: skip
    few = abx(build_ratings(four, ["row"] * 40, scale=(0, 1)))
    assert few.loc["heard", "p"] == pytest.approx(1 / 16)
    assert few.loc["heard", "p_answers"] < 1e-9
    assert few.loc["heard", "low"] == pytest.approx(0.025 ** (1 / 4))  # Clopper and Pearson's of four of four
    assert found.loc["guessed", "p"] > 0.5
    assert found.loc["guessed", "low"] < 0.5 < found.loc["guessed", "high"]


def test_an_interval_leaves_out_draws_of_nothing() -> None:
    assert percentile_interval(np.array([np.nan, 1.0, 1.0]), 0.9) == (1.0, 1.0)
    assert np.isnan(percentile_interval(np.array([np.nan]), 0.9)).all()
