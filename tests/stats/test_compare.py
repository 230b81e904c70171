"""Everything on a pair, on real and on malformed tables."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
import pytest
from scipy import stats

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.compare import compare
from mss_bench.stats.intervals import differences
from mss_bench.stats.matrix import score_matrix
from mss_bench.stats.significance import posthoc

Tracks = Callable[..., pd.DataFrame]


def test_a_pair_of_sisec_2018(tracks_of: Tracks, vocals: pd.DataFrame) -> None:
    tracks = tracks_of(vocals.rename(columns={"MIX": "mixture"}))
    found = compare(tracks, "TAK1", "UHL2")
    apart = vocals["TAK1"] - vocals["UHL2"]
    assert found.difference.loc["median", "value"] == apart.median()
    assert found.difference.loc["mean", "value"] == pytest.approx(apart.mean())
    assert found.pair.p == pytest.approx(stats.wilcoxon(apart).pvalue)
    assert (found.pair.wins, found.pair.ties, found.pair.losses) == ((apart > 0).sum(), 0, (apart < 0).sum())
    assert found.by_track.is_monotonic_increasing
    assert found.by_track.to_dict() == pytest.approx(apart.to_dict())
    assert found.values.loc["UHL2", ("median", "value")] == vocals["UHL2"].median()
    expected = differences(score_matrix(tracks, "SDR", "vocals"), pairs=[("TAK1", "UHL2")]).iloc[0]
    assert found.difference.loc["typical", "low"] == expected["low"] == found.pair.low
    assert found.pair.p == posthoc(vocals, "wilcoxon", "none").loc["TAK1", "UHL2"]
    # The family of a comparison is the table's, whichever pair is asked for: all but the floor.
    assert found.pair.p_family == posthoc(vocals.drop(columns="MIX")).loc["TAK1", "UHL2"] > found.pair.p


def test_the_exchanged_pair_is_the_mirror(tracks_of: Tracks, vocals: pd.DataFrame) -> None:
    tracks = tracks_of(vocals[["TAK1", "UHL2"]])
    found, mirror = (compare(tracks, *pair) for pair in (("TAK1", "UHL2"), ("UHL2", "TAK1")))
    assert mirror.pair.rank_biserial == -found.pair.rank_biserial
    assert mirror.cliffs_delta == -found.cliffs_delta
    assert (mirror.pair.p, mirror.pair.wins) == (found.pair.p, found.pair.losses)


def test_a_comparison_reads_as_a_sentence_and_as_a_row(tracks_of: Tracks, vocals: pd.DataFrame) -> None:
    found = compare(tracks_of(vocals[["TAK1", "UHL2"]]), "TAK1", "UHL2")
    assert str(found).startswith(
        "TAK1 - UHL2, SDR of vocals (4stem): typical difference +0.41 [+0.22, +0.61], TAK1 better on 39 of 50; "
        "p = 0.000119 for this pair alone (Wilcoxon, exact); p = 0.000119 within the 2 methods of the table (Holm): "
        "told apart; rank-biserial +0.60; to tell them apart in 80 % of cases: "
    )
    row = pd.DataFrame([found.to_dict()]).iloc[0]
    assert row["median_difference"] == found.difference.loc["median", "value"]
    assert (row["typical_difference_low"], row["p_family"]) == (found.pair.low, found.pair.p_family)
    assert (row["a"], row["metric"], row["n_imputed_b"]) == ("TAK1", "SDR", 0)
    assert row["tracks_needed"] == found.pair.needed.n_tracks


def test_what_counts_and_the_direction_are_in_the_sentence(tracks_of: Tracks, vocals: pd.DataFrame) -> None:
    few = tracks_of(vocals[["TAK2", "TAK3", "JY3"]])
    few = few[~((few["separator"] == "JY3") & (few["track"] < "B"))]
    n = len(vocals) - int((vocals.index < "B").sum())
    said = str(compare(few, "TAK2", "TAK3", lower_is_better=["SDR"]))
    assert ", lower is better: typical difference" in said
    assert " of 50; " in said  # songs that JY3 lacks count for no pair of the table, but for this pair alone
    assert "the pair alone on the 50 songs that both have, the table: " in said
    assert f"{n} of 50 songs count: those on which every method has a score (fewest: JY3, on {n})" in said
    assert "songs count" not in str(compare(few[few["separator"] != "JY3"], "TAK2", "TAK3"))


def test_without_a_floor_a_third_method_with_one_song_leaves_the_pair_its_own(
    tracks_of: Tracks, vocals: pd.DataFrame
) -> None:
    few = tracks_of(vocals[["TAK2", "TAK3", "JY3"]])
    few = few[(few["separator"] != "JY3") | (few["track"] == vocals.index[0])]
    compared = compare(few, "TAK2", "TAK3")
    pair = compare(few[few["separator"] != "JY3"], "TAK2", "TAK3").pair
    assert (compared.pair.n_tracks, compared.pair.p, compared.pair.low) == (50, pair.p, pair.low)
    assert compared.pair.verdict == "too few songs"
    assert "within the 3 methods of the table no pair can be told apart before 7 songs" in str(compared)
    assert "1 of 50 songs count: those on which every method has a score (fewest: JY3, on 1)" in str(compared)
    assert compare(few, "TAK2", "TAK3", missing="complete").pair.n_tracks == 1


def test_the_floor_is_no_member_of_the_family_of_the_table(tracks_of: Tracks, vocals: pd.DataFrame) -> None:
    tracks = tracks_of(vocals.rename(columns={"MIX": "mixture"})[["mixture", "TAK1", "TAK2", "UHL1", "UHL2"]].iloc[:6])
    said = str(compare(tracks, "TAK1", "mixture"))
    assert "the floor is no member of the table's family" in said
    assert "told apart before" not in said


def test_six_songs_give_no_interval_of_a_high_level(tracks_of: Tracks, vocals: pd.DataFrame) -> None:
    said = str(compare(tracks_of(vocals[["TAK1", "UHL2"]].iloc[:6]), "TAK1", "UHL2", level=0.999))
    assert "(6 songs give no interval of 99.9 %), " in said


def test_what_has_no_scores_is_told_why(tracks_of: Tracks, vocals: pd.DataFrame) -> None:
    tracks = tracks_of(vocals.rename(columns={"MIX": "mixture"})[["mixture", "TAK1", "UHL2"]])
    own = tracks["separator"] == "UHL2"
    undefined = tracks.assign(value=tracks["value"].where(~own))
    with pytest.raises(RunError, match="UHL2 has no SDR of vocals on any song: it is undefined on all"):
        compare(undefined, "TAK1", "UHL2")
    with pytest.raises(RunError, match="see the failures of the run"):
        compare(undefined.assign(status=undefined["status"].where(~own, "crashed")), "TAK1", "UHL2")
    with pytest.raises(RunError, match=r"UHL2 was never computed on some songs that count: .*--missing complete"):
        compare(tracks[~own | (tracks["track"] > "B")], "TAK1", "UHL2")


def test_stand_ins_are_counted_and_told(tracks_of: Tracks, vocals: pd.DataFrame) -> None:
    tracks = tracks_of(vocals.rename(columns={"MIX": "mixture"})[["mixture", "TAK1", "UHL2"]])
    lost = (tracks["separator"] == "TAK1") & (tracks["track"] == vocals.index[0])
    tracks = tracks.assign(status=tracks["status"].where(~lost, "crashed"), value=tracks["value"].where(~lost))
    found = compare(tracks, "TAK1", "UHL2")
    assert found.n_imputed == {"TAK1": 1, "UHL2": 0}
    assert str(found).endswith("stand-ins: 1 of TAK1")
    assert compare(tracks, "TAK1", "UHL2", missing="complete").pair.n_tracks == 49


def test_where_lower_is_better_effects_turn_and_differences_stay(tracks_of: Tracks, vocals: pd.DataFrame) -> None:
    tracks = tracks_of(vocals[["TAK1", "UHL2"]])
    higher = compare(tracks, "TAK1", "UHL2")
    lower = compare(tracks, "TAK1", "UHL2", lower_is_better=["SDR"])
    assert lower.pair.rank_biserial == -higher.pair.rank_biserial
    assert lower.pair.wins == higher.pair.losses
    assert lower.difference.equals(higher.difference)


def test_methods_that_tie_everywhere_are_told_so(tracks_of: Tracks) -> None:
    found = compare(tracks_of(pd.DataFrame({"a": [1.0, 2, 3] * 2, "b": [1.0, 2, 3] * 2})), "a", "b")
    assert (found.pair.p, found.pair.rank_biserial, found.pair.ties) == (1.0, 0.0, 6)
    assert str(found).endswith("rank-biserial +0.00; the methods score alike on every song")


def test_perfect_estimates_give_no_nan(tracks_of: Tracks) -> None:
    found = compare(tracks_of(pd.DataFrame({"a": [math.inf, 2, 3, 4], "b": [math.inf, 1, 1, 1]})), "a", "b")
    assert found.by_track.tolist() == [0, 1, 2, 3]
    assert not found.values.isna().any(axis=None)
    assert str(found) == "a - b, SDR of vocals (4stem): 4 songs: too few for any test; a better on 3 of 4, alike on 1"
    assert pd.DataFrame([found.to_dict()])["verdict"].tolist() == ["too few songs"]


def test_bad_input_is_refused(tracks_of: Tracks, vocals: pd.DataFrame) -> None:
    two = vocals[["TAK1", "UHL2"]]
    assert "1 song: too few" in str(compare(tracks_of(two.iloc[:1]), "TAK1", "UHL2"))
    with pytest.raises(UnknownNameError, match="unknown separator 'UHL9'; did you mean 'UHL2'"):
        compare(tracks_of(two), "TAK1", "UHL9")
    with pytest.raises(RunError, match="compared with itself"):
        compare(tracks_of(two), "TAK1", "TAK1")
    with pytest.raises(RunError, match="broken has no SDR of vocals on any song"):
        compare(tracks_of(two.assign(broken=math.nan)), "TAK1", "broken")
    with pytest.raises(RunError, match="repeats 100 of its rows"):
        compare(pd.concat([tracks_of(two)] * 2), "TAK1", "UHL2")
