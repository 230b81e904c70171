"""Ratings are the maximum of the likelihood, whatever takes part beside, and say how sure they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.leaderboards.board import entry_names, read_board, read_entry, track_table
from mss_bench.listening.pairs import bradley_terry
from mss_bench.stats.matrix import score_matrix
from mss_bench.stats.rating import _fit, rate
from mss_bench.stats.verdicts import family

# choix 0.4 (opt_pairwise without a penalty, and ilsr_pairwise, which agree to 1e-6), a win a song, ties half.
CHOIX = {
    "TAU1": 1672.6030, "TAK2": 1664.6568, "TAK3": 1543.8452, "UHL3": 1470.3376, "JY3": 1183.8479, "RGT1": 827.9051,
    "MELO": 365.5699, "RPCA": -34.6287, "HPLP": -477.0880,
}  # fmt: skip


@pytest.fixture(scope="module")
def sisec(request) -> pd.DataFrame:
    board = read_board(request.config.rootpath / "leaderboards" / "sisec18")
    entries = [read_entry(board, name) for name in entry_names(board)]
    tracks = track_table(board, entries)
    rows = tracks[(tracks["metric"] == "SDR") & (tracks["target"] == "vocals")]
    return score_matrix(rows, "SDR", "vocals", missing="complete").values


def test_sisec_has_the_ratings_of_another_package(sisec) -> None:
    ranked = [name for name in sisec if name not in ("IBM1", "IBM2", "IRM1", "IRM2", "MWF", "MIX")]
    ratings = rate(sisec, ranked, anchor="STL1")
    assert ratings.finite
    for name, value in CHOIX.items():
        assert ratings.table["rating"][name] == pytest.approx(value, abs=1e-3)
    alone = rate(sisec[ranked], anchor="STL1").table
    pd.testing.assert_frame_equal(alone, ratings.table)  # what is placed beside changes nothing
    assert ratings.beside["IRM2"] > ratings.table["high"].max()
    assert ratings.table.loc["STL1", ["low", "high"]].tolist() == [1000, 1000]


def test_ratings_are_those_of_the_model_that_listening_tests_use() -> None:
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(rng.normal(0, 1, (12, 4)).round(0) + np.arange(4) / 4, columns=[*"abcd"])
    scores["b"] = scores["a"].where(scores.index < 6, scores["b"])  # ties
    values = scores.to_numpy()
    wins = ((values[:, :, None] > values[:, None]) + 0.5 * (values[:, :, None] == values[:, None])).sum(axis=0)
    np.fill_diagonal(wins, 0)
    expected = 1000 + 400 / np.log(10) * bradley_terry(wins)[0]
    assert rate(scores).table["rating"][[*"abcd"]].to_numpy() == pytest.approx(expected, abs=1e-6)


def test_who_wins_everything_is_far_ahead_and_finite() -> None:
    rng = np.random.default_rng(1)
    scores = pd.DataFrame(rng.normal(0, 1, (20, 3)), columns=[*"abc"]).assign(best=9.0)
    ratings = rate(scores)
    assert not ratings.finite
    assert np.isfinite(ratings.table.to_numpy()).all()
    assert ratings.table.index[0] == "best"
    assert ratings.table["rating"]["best"] - ratings.table["rating"].iloc[1] > 800  # 1 of 100 songs


def test_draws_have_their_own_maxima_however_far_from_the_fit() -> None:
    rng = np.random.default_rng(4)
    strengths = np.vstack([rng.normal(0, 0.3, (50, 6)), rng.normal(0, 4, (50, 6))])  # of the latter no step shrinks
    wins = (1 / (1 + np.exp(strengths[:, None] - strengths[:, :, None]))).sum(axis=2) - 0.5
    fitted, finite = _fit(wins, 1000, np.zeros((1, 6)))
    assert finite[:50].all()
    centred = strengths - strengths.mean(axis=1, keepdims=True)
    assert fitted[finite] == pytest.approx(centred[finite], abs=1e-6)
    assert finite.sum() > 70


def test_intervals_are_seeded_and_need_six_songs() -> None:
    scores = pd.DataFrame(np.random.default_rng(2).normal(0, 1, (6, 3)), columns=[*"abc"])
    pd.testing.assert_frame_equal(rate(scores).table, rate(scores).table)
    assert (rate(scores).table["low"] != rate(scores, seed=1).table["low"]).all()
    assert rate(scores.iloc[:5]).table[["low", "high"]].isna().all(axis=None)
    with pytest.raises(UnknownNameError, match="'d'"):
        rate(scores, anchor="d")
    with pytest.raises(RunError, match="at least 2 methods, got a"):
        rate(scores, ["a"])


def test_ranks_lie_between_what_is_told_apart() -> None:
    rng = np.random.default_rng(3)
    noise = pd.DataFrame(rng.normal(0, 0.1, (20, 4)), columns=[*"abcd"])
    scores = noise + np.array([3, 2, 2, 1])
    intervals = family(scores).rank_intervals
    assert (intervals["a"], intervals["b"], intervals["c"], intervals["d"]) == ((1, 1), (2, 3), (2, 3), (4, 4))
    assert set(family(scores.iloc[:5]).rank_intervals.values()) == {(1, 4)}
