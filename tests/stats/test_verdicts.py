"""Verdicts on a column: golden values of SiSEC 2018, too few songs, ties, bad input, and what a verdict is worth."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.stats.matrix import ScoreMatrix, score_matrix
from mss_bench.stats.significance import posthoc
from mss_bench.stats.verdicts import Verdict, cliques, family, tracks_for_best, tracks_for_pairs

ORACLES = ["IBM1", "IBM2", "IRM1", "IRM2", "MWF"]


@pytest.fixture(scope="module")
def methods(vocals: pd.DataFrame) -> pd.DataFrame:
    """The scores of all but the oracles, the floor by its name."""
    return vocals.drop(columns=ORACLES).rename(columns={"MIX": "mixture"})


def score_of(frame: pd.DataFrame) -> ScoreMatrix:
    """Scores as a matrix that may be empty."""
    return replace(ScoreMatrix.of(pd.DataFrame({"a": [1.0]})), values=frame, imputed=frame.isna())


@pytest.mark.parametrize(
    ("m", "pairs", "best"),
    [(2, 6, 5), (3, 7, None), (5, 9, 7), (8, 11, None), (12, 12, 8), (20, 13, None), (26, 14, 9), (30, 15, 10)],
)
def test_so_many_songs_are_needed(m: int, pairs: int, best: int | None) -> None:
    assert tracks_for_pairs(m) == pairs
    assert best is None or tracks_for_best(m) == best
    # With that many, the largest difference there can be is told apart; with one less it is not.
    scores = np.arange(m) + np.random.default_rng(m).normal(0, 0.01, (pairs, m))
    frame = pd.DataFrame(scores, columns=[f"m{i}" for i in range(m)])
    assert (posthoc(frame).to_numpy() < 0.05).any()
    assert pairs == 6 or not (posthoc(frame.iloc[1:]).to_numpy() < 0.05).any()
    assert (family(frame).enough, family(frame.iloc[1:]).enough) == (True, False)


def test_the_vocals_of_sisec_2018(methods: pd.DataFrame) -> None:
    found = family(methods)
    assert (found.best, found.tied, found.may_be_best) == ("TAK2", ["TAU1"], ["TAK2", "TAU1"])
    assert found.values["TAK2"] == pytest.approx(7.158675)
    assert (len(found.ranked), found.enough, found.n_min, found.n_min_best) == (25, True, 14, 9)
    assert "mixture" not in found.ranked
    assert found.sentence == "Best: TAK2; not told apart from it: TAU1. May be the best (95 %): TAK2, TAU1."
    for a, b in itertools.combinations(found.ranked, 2):
        shared = set(found.letters[a]) & set(found.letters[b])
        assert bool(shared) == (found.p.loc[a, b] >= 0.05)


def test_a_pair_of_sisec_2018(methods: pd.DataFrame) -> None:
    pair = family(methods).pair("TAK2", "TAK3")
    assert (pair.wins, pair.ties, pair.losses, pair.n_tracks) == (37, 0, 13, 50)
    assert (pair.difference, pair.low, pair.high) == pytest.approx((0.243063, 0.12283, 0.349615), abs=1e-6)
    assert (pair.p, pair.rank_biserial) == pytest.approx((0.000202796733, 0.584314), rel=1e-6)
    assert pair.p_family == family(methods).p.loc["TAK2", "TAK3"] < 0.05
    assert (pair.verdict, pair.alone, pair.exact) == (Verdict.TOLD_APART, Verdict.TOLD_APART, True)
    assert pair.sentence == "typical difference +0.24 [+0.12, +0.35], TAK2 better on 37 of 50"
    assert 20 <= (pair.needed.n_tracks or 0) <= 40
    weak = family(methods).pair("UHL1", "UHL2")
    assert (weak.alone, weak.verdict) == (Verdict.TOLD_APART, Verdict.NOT_TOLD_APART)


def test_the_floor_is_a_family_of_its_own(methods: pd.DataFrame) -> None:
    found = family(methods)
    pair = found.over_floor("HPSS")
    assert (pair.b, pair.wins, pair.verdict) == ("mixture", 3, Verdict.TOLD_APART)
    assert pair.p < pair.p_family <= 25 * pair.p
    assert math.isnan(found.pair("HPSS", "mixture").p_family)
    with pytest.raises(RunError, match="no floor"):
        family(methods.drop(columns="mixture")).over_floor("HPSS")


@pytest.mark.parametrize(
    ("target", "best", "groups", "of_several"),
    [("vocals", {"TAK2", "TAU1"}, 16, 15), ("drums", {"TAK2", "TAU1"}, 11, 5), ("bass", {"TAK2", "TAU1"}, 9, 6),
     ("other", {"TAK2", "TAU1"}, 12, 6), ("accompaniment", {"TAK2", "TAU1"}, 12, 9)],
)  # fmt: skip
def test_groups_and_sets_of_the_best_of_every_target(
    sisec: pd.DataFrame, target: str, best: set[str], groups: int, of_several: int
) -> None:
    scores = score_matrix(sisec, "SDR", target)
    found = family(scores)
    assert set(found.may_be_best) == best
    # The golden groups count the floor among the methods.
    everyone = cliques(posthoc(scores.without(scores.oracles)))
    assert everyone is not None
    assert (len(everyone), sum(len(clique) > 1 for clique in everyone)) == (groups, of_several)


def test_with_too_few_songs_nothing_is_told_apart_and_the_output_says_so(methods: pd.DataFrame) -> None:
    six = family(methods.iloc[:6])
    assert (six.best, six.tied, six.letters, six.may_be_best) == ("TAU1", [], {}, [])
    assert (six.p.to_numpy() == 1).all()
    assert six.sentence == (
        "With 6 songs no pair of 25 methods can be told apart (it takes 14); TAU1 better than TAK2 on 6 of 6."
    )
    pair = six.pair("TAU1", "TAK2")
    assert (pair.verdict, pair.alone, math.isnan(pair.p_family)) == (Verdict.TOO_FEW, Verdict.TOLD_APART, True)
    ten = family(methods.iloc[:10])
    assert ten.may_be_best == ["TAU1", "TAK2"]  # the set of the best needs fewer
    assert " May be the best (95 %): TAU1, TAK2; others are out, as a rival beats them one-sided, " in ten.sentence
    four = family(methods.iloc[:4])
    assert four.sentence == "4 songs: too few for any test; TAU1 better than TAK2 on 4 of 4."
    pair = four.pair("TAU1", "TAK2")
    assert pair.verdict is pair.alone is Verdict.TOO_FEW
    assert all(map(math.isnan, (pair.p, pair.low, pair.high)))
    assert pair.sentence == "4 songs: too few for any test; TAU1 better on 4 of 4"
    two = family(methods[["TAU1", "TAK2"]].iloc[:5])
    assert two.sentence.startswith("5 songs: too few")
    assert family(methods[["TAU1", "TAK2"]].iloc[:6]).enough


def test_one_song_one_method_and_all_ties_are_stated(methods: pd.DataFrame) -> None:
    one = family(methods.iloc[:1])
    assert one.sentence == "1 song: too few for any test; TAU1 better than TAK3 on 1 of 1."
    assert family(methods[["TAK2"]]).sentence == "Fewer than two methods are ranked: nothing to compare."
    assert family(methods[["TAK2", "mixture"]]).best == ""
    alike = family(pd.DataFrame({"a": [1.0, 2, 3] * 3, "b": [1.0, 2, 3] * 3, "c": [1.0, 2, 3] * 3}))
    assert (alike.best, alike.tied) == ("", [])
    assert alike.sentence == "All 3 methods score alike on each of 9 songs."
    assert set(alike.letters.values()) == {"a"}
    assert alike.pair("a", "b").difference == 0
    none = family(score_of(methods.iloc[:0])).sentence
    assert none == "No song counts, as none has a score of every method: nothing to compare."


def test_what_has_the_same_value_shares_rank_and_mark(methods: pd.DataFrame) -> None:
    twins = methods[["TAK2", "TAU1", "TAK3", "mixture"]].assign(TAU1=methods["TAK2"] + 1e-12)
    found = family(twins)
    assert (found.leaders, found.tied, found.runner_up) == (["TAU1", "TAK2"], [], "TAK3")
    assert [found.rank(name) for name in found.ranked] == [1, 1, 3]
    assert set(found.leaders) <= set(found.may_be_best)
    assert found.sentence.startswith(
        "Best: TAU1, TAK2; not told apart from TAU1 (the others have the same value): none."
    )
    assert found.ahead == "TAU1 and TAK2 have the same value"
    assert "; TAU1 and TAK2 have the same value." in family(twins.iloc[:4]).sentence


def test_infinite_scores_and_stand_ins_are_not_named_the_best(methods: pd.DataFrame) -> None:
    matrix = methods[["TAK2", "TAU1", "HPSS"]].copy()
    matrix["HPSS"] = math.inf
    found = family(matrix)
    assert (found.ranked[0], found.best, found.runner_up) == ("HPSS", "TAK2", "TAU1")
    assert found.pair("HPSS", "TAK2").difference == math.inf
    assert "typical difference −∞ [−∞, −∞], TAK2 better on 0 of 50" in found.pair("TAK2", "HPSS").sentence
    assert found.sentence.endswith("Ahead, but not named for stand-ins or infinite values: HPSS.")
    scores = score_of(methods[["TAK2", "TAU1"]])
    scores.imputed.iloc[0, 0] = True
    assert family(scores).best == "TAU1"
    scores.imputed.iloc[0, 1] = True
    assert family(scores).best == ""
    assert "stand-ins" in family(scores).sentence


def test_where_lower_is_better_everything_turns_but_the_differences(methods: pd.DataFrame) -> None:
    higher = family(score_of(methods))
    lower = family(replace(score_of(-methods), higher_is_better=False))
    assert lower.ranked == higher.ranked
    assert (lower.best, lower.tied, lower.may_be_best) == (higher.best, higher.tied, higher.may_be_best)
    mine, other = higher.pair("TAK2", "TAK3"), lower.pair("TAK2", "TAK3")
    assert other.difference == -mine.difference
    assert (other.wins, other.p, other.rank_biserial) == (mine.wins, mine.p, pytest.approx(mine.rank_biserial))


def test_songs_at_minus_40_db_turn_no_verdict(methods: pd.DataFrame) -> None:
    broken = methods.copy()
    broken.iloc[3] = -40.0
    before, after = family(methods), family(broken)
    assert (after.best, after.tied) == (before.best, before.tied)


def test_many_methods_have_letters_or_the_matrix() -> None:
    rng = np.random.default_rng(0)
    matrix = pd.DataFrame(rng.normal(size=(50, 120)) + np.linspace(0, 2, 120)).rename(columns=str)
    found = family(matrix)
    assert found.cliques is None or len(found.cliques) > 26
    assert found.letters == {}
    assert found.tied


@given(st.integers(0, 2**21 - 1))
def test_cliques_are_all_maximal_groups_of_pairs_that_do_not_differ(edges: int) -> None:
    p = pd.DataFrame(1.0, index=list("abcdefg"), columns=list("abcdefg"))
    for bit, (a, b) in enumerate(itertools.combinations("abcdefg", 2)):
        p.loc[a, b] = p.loc[b, a] = 0.5 if edges >> bit & 1 else 0.01
    groups = [
        set(group)
        for size in range(1, 8)
        for group in itertools.combinations("abcdefg", size)
        if all(p.loc[a, b] >= 0.05 for a, b in itertools.combinations(group, 2))
    ]
    maximal = [group for group in groups if not any(group < other for other in groups)]
    found = cliques(p)
    assert found is not None
    assert sorted(map(sorted, found)) == sorted(map(sorted, maximal))


def test_bad_input_is_refused(methods: pd.DataFrame) -> None:
    with pytest.raises(RunError, match="missing values, the first of method 'mixture'"):
        family(methods.assign(mixture=math.nan))
    with pytest.raises(UnknownNameError, match="unknown separator 'TAK9'"):
        family(methods).pair("TAK2", "TAK9")
    with pytest.raises(RunError, match="compared with itself"):
        family(methods).pair("TAK2", "TAK2")
    with pytest.raises(UnknownNameError, match="did you mean 'median'"):
        family(methods, "medain")
    with pytest.raises(UnknownNameError, match="did you mean 'wilcoxon'"):
        family(methods, test="wilcoxn")
    with pytest.raises(UnknownNameError, match="correction"):
        family(methods, correction="fdr")
    with pytest.raises(ConfigError, match="alpha"):
        family(methods, alpha=5)
    with pytest.raises(RunError, match="holds NaN"):
        cliques(family(methods).p.replace(1.0, math.nan))


def test_a_lead_over_what_failed_names_its_stand_ins(tracks_of, methods) -> None:
    tracks = tracks_of(methods[["TAK2", "UHL1", "mixture"]].iloc[:5])
    lost = (tracks["separator"] == "UHL1") & (tracks["track"] != methods.index[0])
    tracks = tracks.assign(status=tracks["status"].where(~lost, "crashed"), value=tracks["value"].where(~lost))
    assert "(stand-ins: 4 of UHL1)" in family(score_matrix(tracks, "SDR", "vocals")).sentence
