from __future__ import annotations

import pandas as pd
import pytest

from mss_bench.errors import RunError
from mss_bench.report.combine import RunTables, combine

DATASET = {"name": "demo", "fingerprint": "abc"}
SDR = {"name": "SDR", "preset": "v4", "version": "1", "higher_is_better": True}


@pytest.fixture
def part(run_tables):
    """A run of some of the methods: ``part(name, separators, **changes of run.json)``."""

    def make(name: str, separators: list[str], **changes: object) -> RunTables:
        tables = (table[table["separator"].isin(separators)].copy() for table in run_tables[:2])
        tracks, failures = tables
        costs = run_tables.costs[run_tables.costs["separator"].isin(separators)]
        run = {"dataset": DATASET, "quantities": [SDR], "separators": [{"label": s} for s in separators]}
        return RunTables(name, tracks, failures, costs, run | changes)

    return make


def test_two_runs_become_one_with_the_floor_once(run_tables, part) -> None:
    both = combine([part("a", ["mixture", "repet_sim", "broken"]), part("b", ["mixture", "karaoke"])])
    kept = run_tables.tracks["separator"].isin(["mixture", "repet_sim", "broken", "karaoke"])
    expected = run_tables.tracks[kept]
    order = ["separator", "params", "track", "group", "target", "metric"]
    pd.testing.assert_frame_equal(
        both.tracks.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True)
    )
    assert len(both.costs) == 4 * 6
    assert len(both.failures) == len(run_tables.failures)
    assert both.run["combined"] == ["a", "b"]
    assert [s["label"] for s in both.run["separators"]] == ["mixture", "repet_sim", "broken", "karaoke"]


def test_a_metric_scored_later_joins(part) -> None:
    first, second = part("a", ["mixture", "karaoke"]), part("b", ["mixture", "karaoke"])
    one, two = (
        RunTables(r.name, r.tracks[r.tracks["metric"].isin(m)], r.failures, r.costs, r.run)
        for r, m in ((first, ["SDR"]), (second, ["SDR", "SAR"]))
    )
    both = combine([one, two])
    assert set(both.tracks["metric"]) == {"SDR", "SAR"}
    assert len(both.tracks) == len(two.tracks)


def test_a_score_is_taken_before_a_failure(part) -> None:
    first, second = part("a", ["mixture", "karaoke"]), part("b", ["mixture", "karaoke"])
    lost = first.tracks["separator"] == "karaoke"
    first.tracks.loc[lost, "status"] = "timeout"
    first.tracks.loc[lost, "value"] = float("nan")
    both = combine([first, second])
    assert set(both.tracks["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dataset": {"name": "musdb18", "fingerprint": "abc"}},
            "different data set: 'demo' and 'musdb18'",
        ),
        ({"dataset": {"name": "demo", "fingerprint": "x"}}, "a and b are of different tracks or audio"),
        ({"quantities": [SDR | {"version": "2"}]}, r"SDR \(v4\) is of version 1 in a and of version 2 in b"),
    ],
)
def test_other_data_and_other_metrics_are_refused(part, changes, message) -> None:
    with pytest.raises(RunError, match=message):
        combine([part("a", ["mixture", "karaoke"]), part("b", ["mixture", "repet_sim"], **changes)])


def test_two_methods_of_one_name_are_refused(part) -> None:
    other = part("b", ["mixture", "karaoke"])
    other.tracks.loc[other.tracks["separator"] == "karaoke", "value"] += 0.1
    with pytest.raises(RunError, match=r"karaoke has other scores in b than in a .* karaoke:as=NAME"):
        combine([part("a", ["mixture", "karaoke"]), other])
    subset = part("b", ["mixture"])
    subset.tracks["subset"] = "train"
    with pytest.raises(RunError, match="a has scores of demo/test, b of demo/train"):
        combine([part("a", ["mixture"]), subset])
