"""Effect sizes: definitions counted out, signs, ranges."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.effect import EFFECT_COLUMNS, paired

scores = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=12)


def pair(rows: list[tuple[float, float]], **options: bool) -> pd.Series:
    return paired(pd.DataFrame(rows, columns=["a", "b"], dtype=float), [("a", "b")], **options).iloc[0]


def test_the_simple_difference_of_kerby() -> None:
    # favourable less unfavourable share of the rank sum, 55
    differences = [10, 9, 8, 7, 6, 5, 4, -3, -2, -1]
    assert pair([(d, 0) for d in differences])["rank_biserial"] == pytest.approx((49 - 6) / 55)


@given(scores)
def test_the_numbers_are_what_counting_gives(rows: list[tuple[int, int]]) -> None:
    found = pair(rows)
    beats = [np.sign(a - b) for a, _ in rows for _, b in rows]
    assert found["cliffs_delta"] == pytest.approx(np.mean(beats))
    apart = np.array([a - b for a, b in rows if a != b])
    if apart.size:
        ranks = stats.rankdata(np.abs(apart))
        assert found["rank_biserial"] == pytest.approx((np.sign(apart) @ ranks) / ranks.sum())
    else:
        assert found["rank_biserial"] == 0
    assert [found["wins"], found["losses"]] == [(apart > 0).sum(), (apart < 0).sum()]
    assert found["wins"] + found["ties"] + found["losses"] == found["n_tracks"] == len(rows)


@given(scores)
def test_exchanged_methods_and_metrics_where_lower_is_better_turn_the_sign(rows: list[tuple[int, int]]) -> None:
    found, turned, lower = pair(rows), pair([(b, a) for a, b in rows]), pair(rows, higher_is_better=False)
    for name in ("rank_biserial", "cliffs_delta"):
        assert found[name] == pytest.approx(-turned[name]) == pytest.approx(-lower[name])
    assert found["wins"] == turned["losses"] == lower["losses"]


def test_infinite_scores_count_as_the_largest() -> None:
    found = pair([(math.inf, 1), (math.inf, math.inf), (2, 3), (5, 1)])
    # of 4 x 4: inf beats 3 twice, 2 beats 2 and loses to 2, 5 beats 3 and loses to 1
    assert found["cliffs_delta"] == pytest.approx((3 + 3 + (2 - 2) + (3 - 1)) / 16)
    assert (found["wins"], found["ties"], found["losses"]) == (2, 1, 1)
    assert found["rank_biserial"] == pytest.approx((3 + 2 - 1) / 6)


def test_every_pair_is_named_once(vocals: pd.DataFrame) -> None:
    found = paired(vocals)
    assert tuple(found.columns) == EFFECT_COLUMNS
    assert len(found) == 465
    assert found[["rank_biserial", "cliffs_delta"]].abs().max(axis=None) <= 1


def test_bad_input_is_refused(vocals: pd.DataFrame) -> None:
    with pytest.raises(RunError, match="an effect size needs at least 3 tracks, got 2"):
        paired(vocals.iloc[:2])
    with pytest.raises(RunError, match="at least 2 methods"):
        paired(vocals[["MIX"]])
    with pytest.raises(RunError, match="missing values"):
        paired(vocals.assign(MIX=math.nan))
    with pytest.raises(UnknownNameError):
        paired(vocals, [("MIX", "MUX")])
