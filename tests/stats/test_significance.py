"""Tests of differences: published values, other implementations, invariances and bad input."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests

from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.stats.matrix import score_matrix
from mss_bench.stats.ranking import mean_ranks
from mss_bench.stats.significance import POSTHOC, correct, friedman, posthoc

integers = arrays(np.int64, st.tuples(st.integers(3, 9), st.integers(3, 5)), elements=st.integers(-4, 4))


def frame(values: object) -> pd.DataFrame:
    array = np.asarray(values, dtype=float)
    return pd.DataFrame(array, columns=[f"m{i}" for i in range(array.shape[1])])


def below(p: pd.DataFrame) -> int:
    return int((p.to_numpy()[np.triu_indices(len(p), 1)] < 0.05).sum())


def test_friedman_on_the_vocals_of_sisec_2018(vocals: pd.DataFrame) -> None:
    found = friedman(vocals)
    assert found.statistic == pytest.approx(1386.6372580645166, rel=1e-9)
    assert found.p == pytest.approx(5.458122037656908e-273, rel=1e-9)
    assert found.w == pytest.approx(1386.6372580645166 / (50 * 30), rel=1e-12)
    assert (found.df, found.n_tracks, found.n_separators) == (30, 50, 31)


@pytest.mark.parametrize(
    ("target", "published"),
    [("vocals", 1386.6372580645166), ("drums", 858.86961038961), ("bass", 731.9675835735994)],
)
def test_friedman_on_the_track_table_of_sisec_2018(sisec: pd.DataFrame, target: str, published: float) -> None:
    assert friedman(score_matrix(sisec, "SDR", target)).statistic == pytest.approx(published, rel=1e-9)


def test_friedman_on_the_data_of_demsar(demsar: pd.DataFrame) -> None:
    assert mean_ranks(demsar)[demsar.columns].round(3).tolist() == [3.143, 2.000, 2.893, 1.964]
    found = friedman(demsar)
    # Published without the correction for ties: 9.28 and 3.69.
    ties = 1 - sum([2**3 - 2] * 3 + [4**3 - 4]) / (14 * (4**3 - 4))
    assert round(found.statistic * ties, 2) == 9.28
    chi = found.statistic * ties
    assert round(13 * chi / (14 * 3 - chi), 2) == 3.69
    assert found.f_df == (3, 39)
    assert found.f > 3.69


def test_full_agreement_has_w_1_and_an_infinite_f() -> None:
    found = friedman(frame([[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    assert (found.w, found.f, found.f_p) == (1.0, math.inf, 0.0)


def test_conover_iman_reproduces_the_publication_of_sisec_2018(vocals: pd.DataFrame) -> None:
    p = posthoc(vocals, "conover_iman")
    pairs = [("UHL2", "TAK1"), ("TAK1", "JY3"), ("IRM1", "TAK2")]
    assert [f"{p.loc[a, b]:.3g}" for a, b in pairs] == ["0.282", "0.24", "0.00347"]
    assert below(p) == 394


def test_conover_on_the_vocals_of_sisec_2018(vocals: pd.DataFrame) -> None:
    assert below(posthoc(vocals, "conover", "none")) == 444
    assert below(posthoc(vocals, "conover")) == 424
    assert below(posthoc(vocals, "nemenyi")) == 286


def test_wilcoxon_on_the_vocals_of_sisec_2018(vocals: pd.DataFrame) -> None:
    assert [below(posthoc(vocals, correction=c)) for c in ("none", "holm", "bonferroni")] == [449, 432, 422]
    assert posthoc(vocals).loc["TAK2", "TAK3"] == pytest.approx(0.0081118693184834)
    p = posthoc(vocals.drop(columns=["IBM1", "IBM2", "IRM1", "IRM2", "MWF"]))
    assert below(p) == 293
    assert p.loc["TAK2", "TAK3"] == pytest.approx(0.007909072585521315)
    assert p.loc["TAK1", "JY3"] == pytest.approx(0.00203571220453469)
    assert p.loc["UHL1", "UHL2"] == pytest.approx(0.1992800232837535)


@pytest.mark.parametrize(("target", "told_apart"), [("drums", 113), ("bass", 99), ("other", 114)])
def test_wilcoxon_on_the_instruments_of_sisec_2018(sisec: pd.DataFrame, target: str, told_apart: int) -> None:
    scores = score_matrix(sisec, "SDR", target)
    matrix = scores.without(scores.oracles)
    assert matrix.values.shape == (50, 16)
    assert below(posthoc(matrix)) == told_apart


def test_maxt_by_its_definition(vocals: pd.DataFrame) -> None:
    few = vocals.iloc[:7, 8:12]
    apart = {(a, b): (few[a] - few[b]).to_numpy() for i, a in enumerate(few) for b in few.columns[i + 1 :]}
    flips = 1 - 2 * ((np.arange(2**7)[:, None] >> np.arange(7)) & 1)
    t = {pair: np.abs(stats.ttest_1samp(flips * d, 0, axis=1).statistic) for pair, d in apart.items()}
    order = sorted(t, key=lambda pair: -t[pair][0])
    p, largest = posthoc(few, "maxt"), 0.0
    for k, pair in enumerate(order):
        reached = np.max([t[other] for other in order[k:]], axis=0) >= t[pair][0] - 1e-9
        largest = max(largest, reached.mean())
        assert p.loc[pair] == pytest.approx(largest)
    assert below(posthoc(vocals.iloc[:7, :5], "maxt")) > 0 == below(posthoc(vocals.iloc[:7, :5]))
    with pytest.raises(RunError, match="needs finite scores"):
        posthoc(few.replace(few.iloc[0, 0], math.inf), "maxt")


ORACLES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "conover": scikit_posthocs.posthoc_conover_friedman,
    "nemenyi": scikit_posthocs.posthoc_nemenyi_friedman,
    "wilcoxon": lambda m: scikit_posthocs.posthoc_wilcoxon(list(m.to_numpy().T), zero_method="pratt"),
    "conover_iman": lambda m: scikit_posthocs.posthoc_conover(list(m.to_numpy().T)),
}


@pytest.mark.parametrize("method", ORACLES)
@pytest.mark.parametrize("data", ["vocals", "few", "tied"])
def test_post_hoc_tests_agree_with_scikit_posthocs(method: str, data: str, vocals: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    tied = frame(np.round(rng.normal([0, 0.5, 1], size=(12, 3))))
    matrix = {"vocals": vocals.iloc[:, ::3], "few": vocals.iloc[:7, :5], "tied": tied}[data]
    ours = posthoc(matrix, method, "none").to_numpy()
    assert ours == pytest.approx(ORACLES[method](matrix).to_numpy(), rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("correction", ["holm", "bonferroni", "bh"])
def test_corrections_agree_with_statsmodels(correction: str) -> None:
    for p in (
        np.random.default_rng(0).beta(0.3, 2, 40),
        np.array([0.02, 0.02, 0.01, 1.0]),
        np.array([0.3]),
        np.empty(0),
    ):
        expected = multipletests(p, method={"bh": "fdr_bh"}.get(correction, correction))[1] if p.size else p
        assert correct(p, correction) == pytest.approx(expected)


@pytest.mark.parametrize("method", POSTHOC)
def test_p_values_are_symmetric_in_range_and_one_on_the_diagonal(method: str, vocals: pd.DataFrame) -> None:
    p = posthoc(vocals.iloc[:, :6], method)
    assert list(p.index) == list(p.columns) == list(vocals.columns[:6])
    assert (p.to_numpy() == p.to_numpy().T).all()
    assert (np.diag(p) == 1).all()
    assert p.to_numpy().min() >= 0
    assert p.to_numpy().max() <= 1


@given(integers, st.sampled_from(["conover", "nemenyi", "conover_iman"]))
def test_rank_tests_see_only_the_order_of_scores(values: np.ndarray, method: str) -> None:
    matrix, bent = frame(values), frame(np.exp(values / 3.0))
    assert friedman(bent) == friedman(matrix)
    assert posthoc(bent, method).equals(posthoc(matrix, method))


@given(integers, st.sampled_from(list(POSTHOC)), st.randoms())
def test_the_order_of_methods_and_tracks_changes_nothing(values: np.ndarray, method: str, random: object) -> None:
    matrix = frame(values)
    columns, rows = list(matrix.columns), list(matrix.index)
    random.shuffle(columns)  # type: ignore[attr-defined]
    random.shuffle(rows)  # type: ignore[attr-defined]
    p, shuffled = posthoc(matrix, method), posthoc(matrix.loc[rows, columns], method)
    assert shuffled.loc[p.index, p.columns].to_numpy() == pytest.approx(p.to_numpy(), abs=1e-12)
    assert friedman(matrix.loc[rows, columns]).statistic == pytest.approx(friedman(matrix).statistic)


@pytest.mark.parametrize("method", POSTHOC)
def test_where_all_tie_nothing_differs(method: str) -> None:
    tied = frame(np.repeat([[1.0], [2.0], [3.0]], 3, axis=1))
    found = friedman(tied)
    assert (found.statistic, found.p, found.w, found.f, found.f_p) == (0.0, 1.0, 0.0, 0.0, 1.0)
    assert (posthoc(tied, method).to_numpy() == 1).all()
    assert (posthoc(frame(np.ones((4, 3))), method).to_numpy() == 1).all()


@pytest.mark.parametrize("method", [name for name in POSTHOC if name != "maxt"])
def test_infinite_scores_rank_as_the_largest(method: str) -> None:
    matrix = frame([[1, 2, 3], [4, 5, 6], [2, 3, 9], [1, 5, 7]])
    top, infinite = matrix.copy(), matrix.copy()
    top.iloc[1, 2], infinite.iloc[1, 2] = 1e6, math.inf
    assert posthoc(infinite, method).equals(posthoc(top, method))
    assert friedman(infinite) == friedman(top)


@pytest.mark.parametrize("test", [friedman, *(lambda m, t=t: posthoc(m, t) for t in POSTHOC)])
def test_malformed_matrices_are_refused(test: Callable[[pd.DataFrame], object]) -> None:
    good = frame(np.arange(12.0).reshape(4, 3))
    with pytest.raises(RunError, match="needs at least 3 tracks, got 1"):
        test(good.iloc[:1])
    with pytest.raises(RunError, match=r"needs at least [23] methods, got 1 \(m0\)"):
        test(good[["m0"]])
    with pytest.raises(RunError, match="1 missing values, the first of method 'm1' on track '2'"):
        test(good.where(good != 7))
    with pytest.raises(RunError, match="track '0' is there twice"):
        test(pd.concat([good, good.iloc[:1]]))
    with pytest.raises(RunError, match="method 'm0' is there twice"):
        test(pd.concat([good, good[["m0"]]], axis=1))
    with pytest.raises(RunError, match="needs numbers"):
        test(good.astype(object).replace(7.0, "seven"))


def test_two_methods_are_for_post_hoc_tests() -> None:
    two = frame(np.random.default_rng(0).normal(size=(8, 2)))
    with pytest.raises(RunError, match=r"the Friedman test needs at least 3 methods, got 2 \(m0, m1\)"):
        friedman(two)
    assert 0 < posthoc(two).loc["m0", "m1"] <= 1


def test_unknown_tests_and_corrections_are_refused(vocals: pd.DataFrame) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'conover'"):
        posthoc(vocals, "conovr")
    with pytest.raises(UnknownNameError, match="did you mean 'holm'"):
        posthoc(vocals, correction="holms")
    with pytest.raises(UnknownNameError):
        correct(np.array([0.5]), "fdr")
    for method in ("nemenyi", "maxt"):
        with pytest.raises(ConfigError, match="holds for all pairs by itself"):
            posthoc(vocals, method, "holm")
