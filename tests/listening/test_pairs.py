"""Scales from pairs: closed forms, a published example, ties, and what no finite scale fits."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mss_bench.errors import UnknownNameError
from mss_bench.listening.pairs import answers, bradley_terry, pair_scale, thurstone
from mss_bench.listening.ratings import build_ratings
from mss_bench.listening.sheets import RatingsError


def test_two_systems_have_a_closed_form() -> None:
    wins = np.array([[0.0, 6.0], [3.0, 0.0]])
    strengths, tie = bradley_terry(wins)
    assert strengths[0] - strengths[1] == pytest.approx(math.log(2))
    assert tie == 0.0
    # Davidson: the odds of the wins, and v = ties / sqrt(wins of a x wins of b)
    strengths, tie = bradley_terry(wins, np.array([[0.0, 4.0], [4.0, 0.0]]))
    assert strengths[0] - strengths[1] == pytest.approx(math.log(2))
    assert tie == pytest.approx(4 / math.sqrt(18))
    values = thurstone(wins)
    assert values[0] - values[1] == pytest.approx(norm.ppf(6 / 9))
    values = thurstone(wins, np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert values[0] - values[1] == pytest.approx(norm.ppf(6.5 / 10))


def test_baseball_is_as_published() -> None:
    # American League 1987: A. Agresti, Categorical Data Analysis, 2nd ed., table 10.10 (row beat column); the
    # strengths over Baltimore as R's BradleyTerry2 (Turner and Firth, J. Stat. Softw. 48(9), 2012) gives them.
    wins = np.array([
        [0, 7, 9, 7, 7, 9, 11], [6, 0, 7, 5, 11, 9, 9], [4, 6, 0, 7, 7, 8, 12], [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12], [4, 4, 5, 6, 6, 0, 6], [2, 4, 1, 3, 1, 7, 0],
    ], dtype=float)  # fmt: skip
    strengths, _ = bradley_terry(wins)
    milwaukee_detroit_toronto_new_york_boston_cleveland = [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839]
    assert strengths[:-1] - strengths[-1] == pytest.approx(
        milwaukee_detroit_toronto_new_york_boston_cleveland, abs=1e-4
    )


@pytest.mark.parametrize("model", ["bradley_terry", "thurstone"])
def test_expected_counts_give_their_strengths_back(model: str) -> None:
    true = np.array([1.0, 0.2, -0.3, -0.9])
    apart = true[:, None] - true
    chosen = 1 / (1 + np.exp(-apart)) if model == "bradley_terry" else norm.cdf(apart)
    wins = 50 * chosen * (1 - np.eye(4))
    found = bradley_terry(wins)[0] if model == "bradley_terry" else thurstone(wins)
    assert found == pytest.approx(true - true.mean(), abs=1e-8)


def test_davidsons_ties_are_given_back() -> None:
    true, v = np.array([0.8, 0.0, -0.8]), 0.7
    ratio = np.exp((true[:, None] - true) / 2)
    total = ratio + 1 / ratio + v
    off = 1 - np.eye(3)
    found, tie = bradley_terry(90 * ratio / total * off, 90 * v / total * off)
    assert found == pytest.approx(true, abs=1e-7)
    assert tie == pytest.approx(v, abs=1e-7)


def _preferences(rows: list[tuple[str, str, str, float]]) -> pd.DataFrame:
    """Listener, a, b and the score of a."""
    records = [
        {"listener": listener, "trial": f"t{number}", "item": "Song", "task": "preference", "system": system,
         "score": value, "order": number}
        for number, (listener, a, b, score) in enumerate(rows)
        for system, value in ((a, score), (b, 1 - score))
    ]  # fmt: skip
    return build_ratings(records, ["row"] * len(records), scale=(0, 1))


def test_answers_are_counted_by_listener() -> None:
    found = answers(_preferences([("x", "a", "b", 1.0), ("x", "b", "a", 0.5), ("y", "a", "b", 0.0)]))
    assert found.systems == ["a", "b"]
    assert found.wins.tolist() == [[[0, 1], [0, 0]], [[0, 0], [1, 0]]]
    assert found.ties.tolist() == [[[0, 1], [1, 0]], [[0, 0], [0, 0]]]


def test_intervals_resample_listeners() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"P{n}", "a", "b", float(rng.random() < 0.75)) for n in range(40) for _ in range(3)]
    rows += [(f"P{n}", "b", "c", float(rng.random() < 0.6)) for n in range(40) for _ in range(3)]
    found = pair_scale(answers(_preferences(rows)), draws=200)
    table = found.strengths
    assert list(table.index) == ["a", "b", "c"]
    assert found.bounded
    assert (table["low"] < table["strength"]).all()
    assert (table["strength"] < table["high"]).all()
    assert table["strength"].sum() == pytest.approx(0, abs=1e-8)
    # As many answers of few listeners of one mind say less than of many.
    alike = [(f"P{n % 6}", a, b, score) for n, (_, a, b, score) in enumerate(rows)]
    herd = [(who, a, b, float(int(who[1]) % 3 > 0) if (a, b) == ("a", "b") else s) for who, a, b, s in alike]
    few = pair_scale(answers(_preferences(herd)), draws=200).strengths
    assert few.loc["a", "high"] - few.loc["a", "low"] > table.loc["a", "high"] - table.loc["a", "low"]


@pytest.mark.parametrize("model", ["bradley_terry", "thurstone"])
def test_a_system_that_never_lost_has_a_finite_strength_and_a_remark(model: str) -> None:
    rows = [(f"P{n}", "a", "b", 1.0) for n in range(8)] + [(f"P{n}", "b", "c", float(n % 2)) for n in range(8)]
    found = pair_scale(answers(_preferences(rows)), model, draws=100)
    assert not found.bounded
    assert found.strengths.index[0] == "a"
    assert np.isfinite(found.strengths[["strength", "low", "high"]]).all(axis=None)


@pytest.mark.parametrize("model", ["bradley_terry", "thurstone"])
def test_listeners_of_one_mind_leave_no_interval(model: str) -> None:
    rows = [(f"P{n}", a, b, 1.0) for n in range(6) for a, b in (("a", "b"), ("a", "c"), ("b", "c"))]
    found = pair_scale(answers(_preferences(rows)), model, draws=50)
    assert np.isfinite(found.strengths["strength"]).all()
    assert found.strengths[["low", "high"]].isna().all(axis=None)


def test_what_is_no_scale_is_refused() -> None:
    apart = _preferences([("x", "a", "b", 1.0), ("x", "c", "d", 1.0)])
    with pytest.raises(RatingsError, match="c was never compared with a"):
        pair_scale(answers(apart))
    with pytest.raises(UnknownNameError, match="unknown model of pairs 'elo'"):
        pair_scale(answers(apart), "elo")
    wrong = _preferences([("x", "a", "b", 1.0)])
    with pytest.raises(RatingsError, match="are no answer to a pair; expected 1 and 0"):
        answers(wrong.assign(score=1.0))
    with pytest.raises(RatingsError, match="are no answer to a pair"):
        answers(wrong.iloc[:1])
    with pytest.raises(RatingsError, match="at least 2 systems, got none"):
        pair_scale(answers(wrong.iloc[:0]))
