"""Votes: exact tests against enumeration and closed forms, listeners as units, and what is no vote."""

from __future__ import annotations

from itertools import product
from math import factorial, prod

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mss_bench.listening.findings import find
from mss_bench.listening.ratings import build_ratings
from mss_bench.listening.report import _voted, conclusions, write_report
from mss_bench.listening.sheets import RatingsError
from mss_bench.listening.votes import count_votes, equal_shares, exchange_p, share_interval

SYSTEMS = ("a", "b", "c")


def _ratings(chosen: dict[str, str], systems: tuple[str, ...] = SYSTEMS) -> pd.DataFrame:
    """Votes of listeners: for each the systems that they chose, a letter a song; each shown in its own place."""
    rows = [
        {"listener": who, "item": f"Song {song}", "task": "best", "system": system, "score": float(system == choice),
         "position": (place + song) % len(systems), "order": song}
        for who, choices in chosen.items()
        for song, choice in enumerate(choices)
        for place, system in enumerate(systems)
    ]  # fmt: skip
    return build_ratings(rows, ["row"] * len(rows), scale=(0, 1))


@pytest.mark.parametrize("counts", [(5, 1, 1), (3, 3, 2), (0, 7, 1, 1), (0, 0, 4)])
def test_equal_shares_are_tested_by_all_outcomes(counts: tuple[int, ...]) -> None:
    n, k = sum(counts), len(counts)

    def probability(outcome: tuple[int, ...]) -> float:
        return factorial(n) / prod(factorial(c) for c in outcome) / k**n

    every = [outcome for outcome in product(range(n + 1), repeat=k) if sum(outcome) == n]
    wanted = sum(p for p in map(probability, every) if p <= probability(counts) * (1 + 1e-9))
    assert equal_shares(counts) == pytest.approx(wanted)


def test_two_shares_are_a_binomial_test_and_many_votes_a_chi_square() -> None:
    assert equal_shares((10, 2)) == pytest.approx(stats.binomtest(10, 12).pvalue)
    assert equal_shares((120, 100, 90, 80, 110)) == pytest.approx(stats.chisquare([120, 100, 90, 80, 110]).pvalue)


def test_one_vote_each_is_the_binomial_distribution() -> None:
    votes = count_votes(_ratings({f"P{n}": "a" if n < 9 else "b" if n < 11 else "c" for n in range(12)}))
    assert votes.systems["votes"].to_dict() == {"a": 9, "b": 2, "c": 1}
    exact = stats.binomtest(9, 12).proportion_ci()
    assert votes.systems.loc["a", ["low", "high"]].to_list() == pytest.approx([exact.low, exact.high])
    # 4 are expected: as far from it as 9 are none but 9 and more
    assert votes.systems.loc["a", "p"] == pytest.approx(3 * stats.binom.sf(8, 12, 1 / 3))
    pair = votes.pairs.set_index(["a", "b"]).loc[("a", "b")]
    assert (pair["votes_a"], pair["votes_b"], pair["share"], pair["listeners"]) == (9, 2, 9 / 11, 11)
    assert pair["p"] == pytest.approx(2 * stats.binomtest(9, 11).pvalue)  # Holm: the second of three
    assert votes.p_answers == pytest.approx(equal_shares((9, 2, 1)))
    assert votes.p == pytest.approx(votes.p_answers, abs=0.01)


def test_listeners_are_the_units() -> None:
    # Four who always choose a are four, not forty.
    votes = count_votes(_ratings({f"P{n}": "a" * 10 for n in range(4)}))
    assert votes.systems.loc["a", "p"] == pytest.approx(3 / 81)  # Holm of three
    assert votes.systems.loc["a", "p_answers"] < 1e-15
    assert votes.pairs["p"].min() == pytest.approx(3 * 2 / 16)  # Holm of three
    assert votes.systems.loc["a", "low"] == pytest.approx(stats.binomtest(4, 4).proportion_ci().low)
    assert votes.systems.loc["b", "votes"] == 0


def test_nothing_is_found_where_listeners_differ_and_systems_do_not() -> None:
    rng, found, alone, covered, draws = np.random.default_rng(0), 0, 0, 0, 400
    for _ in range(draws):
        tastes = rng.dirichlet([0.8] * 4, size=12)
        table = np.array([rng.multinomial(8, taste) for taste in tastes])
        own = int(table[:, 0].sum())
        found += exchange_p(table, own) < 0.05
        alone += stats.binomtest(own, 96, 0.25).pvalue < 0.05
        low, high = share_interval(table[:, 0], table.sum(axis=1))
        covered += low <= 0.25 <= high
    assert found / draws == pytest.approx(0.05, abs=0.025)
    assert alone / draws > 0.15
    assert covered / draws == pytest.approx(0.95, abs=0.025)


def test_a_place_that_is_chosen_more_often_is_seen() -> None:
    # Everybody takes the sound that stands first, whichever it is: in song 0 a, in song 1 c, in song 2 b.
    votes = count_votes(_ratings({f"P{n}": "acb" for n in range(8)}))
    assert votes.places == (24, 0, 0)
    assert votes.p_places < 1e-6
    assert set(votes.systems["votes"]) == {8}
    assert votes.p == 1.0
    unknown = count_votes(_ratings({"Ann": "ab", "Ben": "ba"}).assign(position=-1))
    assert unknown.places == ()
    assert np.isnan(unknown.p_places)


def test_what_is_no_vote_is_refused() -> None:
    ratings = _ratings({"Ann": "ab"})
    with pytest.raises(RatingsError, match=r"Ann, trial Song 0.*are no vote; expected 1 of the chosen one"):
        count_votes(ratings.assign(score=1.0))
    with pytest.raises(RatingsError, match=r"Ann, trial Song 1.*the vote was among a, b, without c"):
        count_votes(ratings.drop(index=5))
    with pytest.raises(RatingsError, match="votes need at least 2 systems, got a"):
        count_votes(ratings[ratings["system"] == "a"])


def test_a_report_of_votes(tmp_path) -> None:
    found = find(_ratings({f"P{n}": "aab" if n % 4 else "abc" for n in range(12)}), draws=200)
    [told] = conclusions(found)
    assert told.startswith(
        "Best: a 58 %, b 33 %, c 8 % of 36 votes. More often than by chance (33 %): a; surely a over"
    )
    write_report(tmp_path, found)
    page = (tmp_path / "index.html").read_text()
    for text in (
        "Votes for the best",
        "Pairs of systems",
        "Votes for a share to be told from guessing",
        "53 % for one of 3",
    ):
        assert text in page
    assert (tmp_path / "figures" / "best_votes.png").exists()
    rows = (tmp_path / "tables" / "best_votes.csv").read_text().splitlines()
    assert rows[1].startswith("a,21,58.3")


@pytest.mark.parametrize("systems", ["ab", "abc", "abcde"])
@pytest.mark.parametrize("songs", [1, 3])
def test_too_few_listeners_are_told_where_not_even_those_of_one_mind_reach_5_percent(systems: str, songs: int) -> None:
    silent = set()
    for listeners in range(1, 11):
        votes = count_votes(_ratings({f"P{n}": "a" * songs for n in range(listeners)}, tuple(systems)), draws=10)
        told = _voted("best", votes)
        assert ("no system can reach it" in told) == (votes.systems["p"].min() >= 0.05)
        assert ("no pair can reach it" in told) == (votes.pairs["p"].min() >= 0.05)
        silent.add("can reach it" in told)
    assert silent == {True, False}
