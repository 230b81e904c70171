"""Ranks with their uncertainty, ties and critical differences."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.stats.matrix import score_matrix
from mss_bench.stats.ranking import RANK_COLUMNS, critical_difference, groups, mean_ranks, ranks
from mss_bench.stats.significance import posthoc

integers = arrays(np.int64, st.tuples(st.integers(3, 8), st.integers(2, 5)), elements=st.integers(-4, 4))


def p_values(order: str, apart: set[str]) -> pd.DataFrame:
    """P values of methods of one letter: 0.01 for the pairs named, else 0.5."""
    p = pd.DataFrame(0.5, index=list(order), columns=list(order))
    for a, b in apart:
        p.loc[a, b] = p.loc[b, a] = 0.01
    return p


def test_the_best_methods_of_sisec_2018(vocals: pd.DataFrame) -> None:
    found = ranks(vocals, draws=1000)
    assert tuple(found.columns) == RANK_COLUMNS
    assert list(found.index[:5]) == ["IRM2", "MWF", "IRM1", "IBM2", "IBM1"]
    assert (found["rank_low"] <= found["rank"]).all()
    assert (found["rank"] <= found["rank_high"]).all()
    assert found["first"].sum() == pytest.approx(1)
    assert found.loc["UHL2", "value"] == vocals["UHL2"].median()
    assert (found["rank_high"] - found["rank_low"]).max() < 12  # 50 tracks tell most apart


@pytest.mark.parametrize("statistic", ["median", "mean", "mean_rank"])
def test_where_all_tie_nobody_is_first(statistic: str) -> None:
    found = ranks(
        pd.DataFrame({"a": [0.1, 0.2, 0.3], "b": [0.1, 0.2, 0.3], "c": [0.1, 0.2, 0.3]}), statistic, draws=100
    )
    assert found["rank"].tolist() == [2, 2, 2]
    assert found["rank_low"].tolist() == [1, 1, 1]
    assert found["rank_high"].tolist() == [3, 3, 3]
    assert found["first"].tolist() == pytest.approx([1 / 3] * 3)


@given(integers, st.sampled_from(["median", "mean", "mean_rank"]), st.randoms())
def test_ranks_are_of_methods_not_of_columns(values: np.ndarray, statistic: str, random: object) -> None:
    matrix = pd.DataFrame(values.astype(float), columns=list("abcde")[: values.shape[1]])
    columns = list(matrix.columns)
    random.shuffle(columns)  # type: ignore[attr-defined]
    found, shuffled = ranks(matrix, statistic, draws=100), ranks(matrix[columns], statistic, draws=100)
    assert shuffled.loc[found.index].equals(found)
    turned = ranks(-matrix, statistic, draws=100, higher_is_better=False)
    assert turned.loc[found.index].drop(columns="value").equals(found.drop(columns="value"))
    assert found["rank"].is_monotonic_increasing
    assert found["rank"].sum() == pytest.approx(len(found) * (len(found) + 1) / 2)


@given(integers)
def test_mean_ranks_see_only_the_order_of_scores(values: np.ndarray) -> None:
    matrix = pd.DataFrame(values)
    assert mean_ranks(np.exp(matrix / 3)).equals(mean_ranks(matrix))


def test_an_infinite_score_ranks_first_and_mixed_infinities_last() -> None:
    matrix = pd.DataFrame({"a": [1.0, 2, 3], "b": [2, 3, math.inf], "c": [-math.inf, 1, math.inf]})
    assert list(ranks(matrix, "mean", draws=100).index) == ["b", "a", "c"]
    lower = ranks(matrix, "mean", draws=100, higher_is_better=False)
    assert lower.index[0] == "a"
    assert lower.loc["c", "value"] == math.inf  # the doubt favours nobody


def test_a_score_matrix_knows_its_direction(tracks_of: object) -> None:
    matrix = pd.DataFrame({"a": [1.0, 2, 3], "b": [2.0, 3, 4]}, index=["x", "y", "z"])
    scores = score_matrix(tracks_of(matrix), "SDR", "vocals", lower_is_better=["SDR"])  # type: ignore[operator]
    assert mean_ranks(scores).to_dict() == {"a": 1.0, "b": 2.0}


def test_groups_are_the_longest_runs_of_ties() -> None:
    assert groups(p_values("abcd", {"ad"}), list("abcd")) == [["a", "b", "c"], ["b", "c", "d"]]
    assert groups(p_values("abcd", set()), list("abcd")) == [list("abcd")]
    assert groups(p_values("abc", {"ab", "ac", "bc"}), list("abc")) == []
    assert groups(p_values("abcd", {"ab", "ac", "ad", "bd"}), list("abcd")) == [["b", "c"], ["c", "d"]]
    assert groups(p_values("abcd", {"bc"}), list("abcd")) == [["a", "b"], ["c", "d"]]  # a-c tie, but b lies between


def test_groups_of_sisec_2018_hold_what_the_test_says(vocals: pd.DataFrame) -> None:
    p, order = posthoc(vocals), list(mean_ranks(vocals).index)
    for group in groups(p, order):
        inside = p.loc[group, group].to_numpy()
        assert inside.min() >= 0.05
        first, end = order.index(group[0]), order.index(group[-1]) + 1
        assert first == 0 or p.loc[order[first - 1], group].min() < 0.05
        assert end == len(order) or p.loc[order[end], group].min() < 0.05


def test_the_critical_difference_of_demsar(demsar: pd.DataFrame) -> None:
    assert round(critical_difference(demsar), 2) == 1.25
    assert round(critical_difference(demsar, alpha=0.1), 2) == 1.12


@pytest.mark.parametrize(("test", "correction"), [("nemenyi", None), ("conover", "none")])
def test_methods_further_apart_than_the_critical_difference_differ(
    test: str, correction: str | None, vocals: pd.DataFrame
) -> None:
    difference, order = critical_difference(vocals, test), mean_ranks(vocals)
    apart = np.abs(order.to_numpy()[:, None] - order.to_numpy()) > difference
    p = posthoc(vocals, test, correction).loc[order.index, order.index]
    assert ((p.to_numpy() < 0.05) == apart).all()


def test_bad_input_is_refused(vocals: pd.DataFrame) -> None:
    p = posthoc(vocals, "conover")
    for function in (ranks, mean_ranks, critical_difference):
        with pytest.raises(RunError, match="needs at least 3 tracks, got 2"):
            function(vocals.iloc[:2])
        with pytest.raises(RunError, match="needs at least 2 methods, got 1"):
            function(vocals[["MIX"]])
        with pytest.raises(RunError, match="missing values"):
            function(vocals.assign(MIX=math.nan))
    with pytest.raises(UnknownNameError):
        ranks(vocals, "mode")
    with pytest.raises(UnknownNameError, match="critical difference"):
        critical_difference(vocals, "wilcoxon")
    with pytest.raises(UnknownNameError):
        groups(p, ["MIX", "MUX"])
    with pytest.raises(ConfigError, match="alpha"):
        groups(p, ["MIX"], alpha=5)
    with pytest.raises(RunError, match="holds NaN"):
        groups(p.where(p > 0.01), list(p.index))
