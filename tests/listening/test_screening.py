"""Post-screening after BS.1534-3, on the published test and at its edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mss_bench.errors import UnknownNameError
from mss_bench.listening.ratings import build_ratings
from mss_bench.listening.screening import bimodality, flag_conditions, flag_listeners, screen

from .real_ratings import made_ratings, similarity


def test_the_published_test_loses_exactly_three_listeners(test_data: Path) -> None:
    ratings = similarity(test_data)
    found = screen(ratings, mid_anchor="Anch2")
    assert found.excluded == ["L10", "L11", "L17"]
    low = found.listeners["reference_low"]
    assert low[["L10", "L11", "L17"]].tolist() == [7, 4, 5]
    assert low.drop(["L10", "L11", "L17"]).to_dict() == dict.fromkeys(low.index.drop(["L10", "L11", "L17"]), 0) | {
        "L13": 1, "L22": 1
    }  # fmt: skip
    assert found.listeners.loc["L10", "reason"] == "hidden reference below 90 in 7 of 16 trials (43.8%)"
    assert len(found.apply(ratings)) == 21 * 144
    # One slip does not exclude, as it does in pymushra.
    assert not found.listeners.loc["L13", "excluded"]


def _trials(reference: list[float], anchor: list[float] | None = None, listener: str = "P") -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, score in enumerate(reference):
        shared = {"listener": listener, "item": f"Song {number}"}
        rows.append(shared | {"system": "reference", "role": "reference", "score": score})
        if anchor is not None:
            rows.append(shared | {"system": "lowpass_7000", "role": "anchor", "score": anchor[number]})
    return rows


def _table(rows: list[dict[str, object]]) -> pd.DataFrame:
    return build_ratings(rows, ["row"] * len(rows))


@pytest.mark.parametrize(("low", "excluded"), [(3, False), (4, True)])
def test_more_than_15_percent_means_more(low: int, excluded: bool) -> None:
    found = screen(_table(_trials([89.9] * low + [90.0] * (20 - low))))  # 3 of 20 is 15 % sharp; 90 is not below 90
    assert bool(found.excluded) is excluded


def test_each_listener_is_measured_by_their_own_trials() -> None:
    rows = _trials([80.0] + [100.0] * 3, listener="few") + _trials([80.0] + [100.0] * 19, listener="many")
    assert screen(_table(rows)).excluded == ["few"]


def test_the_mid_anchor_counts_but_for_items_where_it_is_hardly_heard() -> None:
    good = [row for n in range(7) for row in _trials([100.0] * 10, [50.0] * 10, f"good{n}")]
    deaf = _trials([100.0] * 10, [95.0] * 2 + [50.0] * 8, "deaf")
    found = screen(_table(good + deaf))
    assert found.excluded == ["deaf"]
    assert "mid anchor above 90 in 2 of 10 trials (20.0%)" in found.listeners.loc["deaf", "reason"]
    # On the first two items more than a quarter of the listeners take it for the reference.
    some = [row for n in range(3) for row in _trials([100.0] * 10, [95.0] * 2 + [50.0] * 8, f"some{n}")]
    found = screen(_table(good + some))
    assert found.excluded == []
    assert any("leaves out Song 0, Song 1" in rule for rule in found.rules)


def test_what_was_not_applied_is_said() -> None:
    table = made_ratings({"a": 0.0, "b": 5.0}, listeners=3)
    assert any("the test has no lowpass_7000" in rule for rule in screen(table).rules)
    tested = table[table["role"] == "test"]
    assert any("no hidden reference" in rule for rule in screen(tested).rules)
    grades = screen(tested, scale=(1.0, 5.0))
    assert grades.excluded == []
    assert "scale of 0 to 100 alone" in grades.rules[0]
    with pytest.raises(UnknownNameError, match="unknown anchor of the test 'Anch2'"):
        screen(table, mid_anchor="Anch2")


def test_flags_tell_and_exclude_nobody() -> None:
    rows = [
        {"listener": "lazy", "item": f"Song {n}", "system": "a", "score": 50.0, "moved": False, "ms": 2000.0}
        for n in range(4)
    ]
    rows += [
        {"listener": "kind", "item": f"Song {n}", "system": "a", "score": 80.0 + n, "ms": 60000.0} for n in range(4)
    ]
    rows += [
        {"listener": "fair", "item": f"Song {n}", "system": "a", "score": 20.0 * n, "ms": 60000.0} for n in range(4)
    ]
    found = flag_listeners(_table(rows), seconds=8.0)
    assert found.loc["lazy", "flags"] == "100% of the controls untouched; 100% of the trials shorter than an excerpt"
    assert found.loc["kind", "flags"] == "100% of the scores from 80 up"
    assert found.loc["fair", "flags"] == ""


def test_bimodality_is_that_of_known_distributions() -> None:
    rng = np.random.default_rng(0)
    assert bimodality(rng.uniform(size=20_000)) == pytest.approx(5 / 9, abs=0.01)
    assert bimodality(rng.normal(size=20_000)) == pytest.approx(1 / 3, abs=0.01)
    assert bimodality(np.repeat([0.0, 100.0], 500)) == pytest.approx(1.0, abs=0.01)
    assert np.isnan(bimodality(np.full(10, 3.0)))
    assert np.isnan(bimodality(np.arange(3.0)))


def test_signals_with_two_camps_are_found() -> None:
    rows = [
        {"listener": f"P{n}", "item": "Song", "system": "split", "score": 90.0 if n % 2 else 10.0 + n}
        for n in range(12)
    ]
    rows += [{"listener": f"P{n}", "item": "Song", "system": "bell", "score": float(s)}
             for n, s in enumerate([30, 40, 45, 48, 50, 50, 52, 55, 60, 70, 49, 51])]  # fmt: skip
    assert flag_conditions(_table(rows))["system"].tolist() == ["split"]
