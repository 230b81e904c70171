"""Quality against strength: area, loss, ranks and where a method breaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mss_bench.errors import RunError
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.robustness import robustness

SONGS = [f"song {i}" for i in range(8)]
SPREAD = np.linspace(-1, 1, 8)


def matrix(songs: list[str] = SONGS, **levels: float) -> ScoreMatrix:
    """Scores of methods at some level, spread alike over the songs."""
    return ScoreMatrix.of(pd.DataFrame({name: level + SPREAD[: len(songs)] for name, level in levels.items()}, songs))


CLEAN = matrix(mixture=0.0, good=8.0, fair=6.0)
# `good` falls to 1 dB, below half of its gain at the second step; `fair` is not touched.
LADDER = [
    ("mild", matrix(mixture=0.0, good=7.0, fair=6.0)),
    ("middle", matrix(mixture=0.0, good=3.0, fair=6.0)),
    ("strong", matrix(mixture=0.0, good=1.0, fair=6.0)),
]


@pytest.fixture(scope="module")
def found():
    return robustness(CLEAN, {"mp3": LADDER})


def _curve(found, method):
    return found.curves.set_index("separator").loc[method]


def test_area_and_loss_follow_from_the_curve(found):
    good, fair = _curve(found, "good"), _curve(found, "fair")
    assert good["area"] == pytest.approx((8 / 2 + 7 + 3 + 1 / 2) / 3)
    assert good["loss"] == pytest.approx(8 - (8 / 2 + 7 + 3 + 1 / 2) / 3)
    assert good["loss_low"] <= good["loss"] <= good["loss_high"]
    assert (fair["area"], fair["loss"], fair["breaks_at"]) == (pytest.approx(6), pytest.approx(0), "")


def test_a_method_breaks_where_it_keeps_less_than_half_of_its_gain(found):
    assert _curve(found, "good")["breaks_at"] == "middle"
    again = [*LADDER[:2], ("strong", matrix(mixture=0.0, good=5.0, fair=6.0))]
    curve = _curve(robustness(CLEAN, {"mp3": again}), "good")
    assert (curve["breaks_at"], curve["dips_at"]) == ("", "middle")  # not from there on
    assert _curve(found, "good")["dips_at"] == ""
    # The floor falls with the methods: what counts is the gain over it.
    lower = [("on", matrix(mixture=-4.0, good=1.0, fair=1.0))]
    assert _curve(robustness(CLEAN, {"mono": lower}), "good")["breaks_at"] == ""


def test_only_a_gain_that_is_more_than_chance_can_be_lost():
    uneven = ScoreMatrix.of(pd.DataFrame({"mixture": 0 * SPREAD, "chance": 0.2 + SPREAD, "sure": 8 + SPREAD}, SONGS))
    nothing = [("64", matrix(mixture=0.0, chance=0.0, sure=0.0))]
    found = robustness(uneven, {"mp3": nothing})
    chance, sure = _curve(found, "chance"), _curve(found, "sure")
    assert chance["clean_gain_low"] < 0 < chance["clean_gain"]
    assert (chance["gains"], chance["breaks_at"]) == (False, "")
    assert (sure["gains"], sure["breaks_at"]) == (True, "64")
    # Of two songs there is no interval: a gain of some size counts.
    few = robustness(matrix(SONGS[:2], mixture=0.0, small=0.2, large=3.0), {
        "mp3": [("64", matrix(SONGS[:2], mixture=0.0, small=0.0, large=0.0))]
    }, 0.5)  # fmt: skip
    assert few.curves.set_index("separator")["gains"].to_dict() == {"mixture": False, "small": False, "large": True}


def test_ranks_change_where_their_intervals_say_so(found):
    assert _curve(found, "good")[["rank_change", "rank_changed"]].tolist() == [1.0, True]
    assert _curve(found, "fair")[["rank_change", "rank_changed"]].tolist() == [-1.0, True]
    assert np.isnan(_curve(found, "mixture")["rank_change"])  # the floor has no rank
    points = found.points.set_index(["separator", "step"])
    assert points.loc[("good", 2), ["rank", "rank_low", "rank_high"]].tolist() == [2.0, 2.0, 2.0]
    assert points.loc[("good", 2), "change"] == pytest.approx(-5)


def test_lower_may_be_better():
    from dataclasses import replace

    clean = replace(matrix(mixture=9.0, good=1.0), higher_is_better=False)
    worse = replace(matrix(mixture=9.0, good=6.0), higher_is_better=False)
    curve = _curve(robustness(clean, {"noise": [("20 dB", worse)]}), "good")
    assert curve["loss"] == pytest.approx(2.5)
    assert curve["breaks_at"] == "20 dB"


def test_only_songs_and_methods_of_all_runs_count():
    fewer = matrix(SONGS[:3], mixture=0.0, good=7.0)
    found = robustness(CLEAN, {"mp3": [("64", fewer)]})
    assert (found.n_tracks, found.left_out) == (3, ["fair"])
    assert found.points["change_low"].isna().all()  # three songs are too few
    with pytest.raises(RunError, match="0 songs"):
        robustness(CLEAN, {"mp3": [("64", matrix(["another"], mixture=0.0, good=7.0))]})
