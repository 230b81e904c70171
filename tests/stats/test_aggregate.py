"""One number a method: which tracks count, what stands in, and SiSEC's published table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mss_bench.core.schema import TRACK_COLUMNS
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.aggregate import AGGREGATE_COLUMNS, aggregate
from mss_bench.stats.matrix import score_matrices

Score = float | str  # a value, or the status of a cell that has none


def table(scores: dict[str, list[Score | None]], **columns: Any) -> pd.DataFrame:
    """A track table of one target: for each separator its scores by track; None for no row."""
    rows = [
        {
            "dataset": "d",
            "subset": "test",
            "track": f"t{i}",
            "separator": separator,
            "params": "",
            "oracle": False,
            "group": "4stem",
            "target": "vocals",
            "metric": "SDR",
            "preset": "v4",
            "value": math.nan if isinstance(score, str) else score,
            "n_frames": 1,
            "n_valid": 1,
            "n_inf": 0,
            "status": score if isinstance(score, str) else "ok",
            "flags": "",
            "reason": "",
            "estimate_key": "",
            "score_key": "",
        }
        | columns
        for separator, values in scores.items()
        for i, score in enumerate(values)
        if score is not None
    ]
    return pd.DataFrame(rows, columns=list(TRACK_COLUMNS)).astype(TRACK_COLUMNS)


def of(scores: dict[str, list[Score | None]], separator: str, **options: Any) -> dict[str, Any]:
    """The aggregated row of one separator."""
    found = aggregate(table(scores), **options).set_index("separator").loc[separator]
    return {str(k): v for k, v in found.items()}


def test_sisec_2018_median_of_medians_is_reproduced(test_data: Path, sisec: pd.DataFrame) -> None:
    table = aggregate(sisec)
    assert set(table["aggregation"]) == {"median_of_medians"}
    assert (table["n_tracks"] == 50).all()
    found = table.set_index(["target", "separator", "metric"])["value"]
    published = pd.read_csv(test_data / "sisec18" / "median_of_medians.csv").melt(
        ["target", "method"], var_name="metric"
    )
    published["separator"] = published["method"].replace("MIX", "mixture")
    expected = published.set_index(["target", "separator", "metric"])["value"]
    assert len(found) == len(expected) == 484
    # the published values have five decimals
    assert (found - expected).abs().max() <= 5.01e-6


def test_value_and_improvement_are_medians_of_paired_values() -> None:
    row = of({"mixture": [0.0, 5.0, 1.0], "a": [4.0, 6.0, 9.0]}, "a")
    assert (row["value"], row["improvement"], row["n_tracks"], row["flags"]) == (6.0, 4.0, 3, "")


def test_mean_over_tracks() -> None:
    row = of({"mixture": [0.0, 0.0], "a": [1.0, 4.0]}, "a", aggregation="mean_of_medians")
    assert (row["value"], row["improvement"], row["aggregation"]) == (2.5, 2.5, "mean_of_medians")


def test_improvement_is_positive_where_lower_is_better() -> None:
    assert of({"mixture": [3.0], "a": [1.0]}, "a", lower_is_better=["SDR"])["improvement"] == 2.0


def test_the_floor_stands_in_for_a_failed_cell_and_is_counted() -> None:
    row = of({"mixture": [0.0, -9.0, 1.0], "a": [5.0, "timeout", 7.0]}, "a", aggregation="mean_of_medians")
    assert row["value"] == 1.0
    assert (row["n_tracks"], row["n_own"], row["n_imputed"], row["n_failed"]) == (3, 2, 1, 1)
    assert row["flags"] == "failed,imputed"


@pytest.mark.parametrize("over", ["median_of_medians", "mean_of_medians"])
@pytest.mark.parametrize("lower", [(), ("SDR",)])
def test_no_failure_improves_an_aggregate(over: str, lower: tuple[str, ...]) -> None:
    floor = [-30.0] * 3 if lower else [30.0] * 3  # far better than the method, as in SAR
    whole = of({"mixture": floor, "a": [5.0, 4.0, 7.0]}, "a", aggregation=over, lower_is_better=lower)
    for lost in ([0], [1], [2], [0, 1], [1, 2]):
        scores: list[Score | None] = [5.0, 4.0, 7.0]
        for i in lost:
            scores[i] = "error"
        row = of({"mixture": floor, "a": scores}, "a", aggregation=over, lower_is_better=lower)
        own = [s for s in scores if not isinstance(s, str)]
        worst = max(own) if lower else min(own)
        assert row["value"] == getattr(np, over.split("_")[0])([worst if isinstance(s, str) else s for s in scores])
    assert whole["n_imputed"] == 0


def test_a_track_without_a_floor_value_is_left_out_for_every_method_alike() -> None:
    scores: dict[str, list[Score | None]] = {"mixture": [1.0, math.nan], "a": [2.0, math.nan], "b": [3.0, 99.0]}
    for method, value in {"mixture": 1.0, "a": 2.0, "b": 3.0}.items():
        row = of(scores, method)
        assert (row["value"], row["n_tracks"], row["n_left_out"]) == (value, 1, 1)
    assert of(scores, "a")["n_undefined"] == 1


def test_an_estimate_that_is_undefined_where_the_floor_is_not_counts_as_the_floor() -> None:
    row = of({"mixture": [0.0, 0.0], "a": [8.0, math.nan]}, "a", aggregation="mean_of_medians")
    assert (row["value"], row["n_imputed"], row["n_undefined"], row["n_failed"]) == (4.0, 1, 1, 0)


@pytest.mark.parametrize("gap", ["skipped", None])
def test_what_was_never_computed_is_never_filled_by_the_floor(gap: str | None) -> None:
    scores: dict[str, list[Score | None]] = {"mixture": [0.0, 1.0, 0.0], "a": [8.0, gap, "error"], "b": [1.0, 2.0, 3.0]}
    row = of(scores, "a", aggregation="mean_of_medians")
    assert [row[name] for name in ("value", "improvement", "n_tracks", "n_imputed", "n_lacking")] == [4.0, 4.0, 2, 1, 1]
    assert (row["n_missing"], row["flags"]) == (1, "failed,imputed,incomplete")
    (matrix,) = score_matrices(table(scores))
    assert (list(matrix.values), matrix.left_out) == (["mixture", "b"], ["a"])  # it compares with no other


def test_a_target_that_is_never_delivered_has_no_row() -> None:
    assert "a" not in set(aggregate(table({"mixture": [0.0], "a": ["skipped"]}))["separator"])


def test_a_method_of_failed_cells_alone_has_no_value_rather_than_the_floor() -> None:
    row = of({"mixture": [0.0, 1.0], "a": ["crashed", "not_installed"]}, "a")
    assert math.isnan(row["value"])
    assert (row["n_tracks"], row["n_failed"], row["flags"]) == (0, 2, "failed,no_value")


def test_without_a_floor_only_tracks_of_every_method_count() -> None:
    scores: dict[str, list[Score | None]] = {"a": [1.0, 2.0, 3.0], "b": [5.0, "error", 7.0], "c": ["error"] * 3}
    assert of(scores, "a")["value"] == 2.0
    row = of(scores, "b")
    assert (row["value"], row["n_tracks"], row["n_left_out"], row["n_imputed"]) == (6.0, 2, 1, 0)
    assert math.isnan(row["improvement"])
    assert row["flags"] == "failed,no_floor"


@pytest.mark.parametrize("over", ["median_of_medians", "mean_of_medians"])
def test_infinite_values_are_ordered_counted_and_raise_no_warning(over: str) -> None:
    inf = math.inf
    scores: dict[str, list[Score | None]] = {"mixture": [0.0, inf], "a": [inf, inf], "b": [-inf, inf], "c": [1.0, -inf]}
    assert of(scores, "a", aggregation=over)["value"] == inf
    assert of(scores, "a", aggregation=over)["n_inf"] == 2
    assert of(scores, "a", aggregation=over)["improvement"] == inf  # inf on the first track, 0 on the second
    assert of(scores, "b", aggregation=over)["value"] == -inf  # never NaN, never in the method's favour
    assert of(scores, "c", aggregation=over)["improvement"] == -inf


def test_methods_are_told_apart_by_their_parameters_and_flags_are_kept() -> None:
    both = pd.concat([table({"a": [1.0]}), table({"a": [2.0]}, params="x=1", flags="trimmed")])
    found = aggregate(both).set_index(["separator", "params"])
    assert list(found.index) == [("a", ""), ("a", "x=1")]
    assert found.loc[("a", "x=1"), "flags"] == "no_floor,trimmed"
    (scores,) = score_matrices(both)
    assert list(scores.values.columns) == ["a", "a:x=1"]  # one name where there is one column


def test_subsets_targets_and_presets_are_aggregated_apart() -> None:
    parts = [table({"a": [float(i)]}, **c) for i, c in enumerate([{}, {"subset": "train"}, {"preset": "v3"}])]
    assert list(aggregate(pd.concat(parts))["value"]) == [0.0, 1.0, 2.0]


def test_an_empty_table_gives_an_empty_table_with_all_columns() -> None:
    assert list(aggregate(table({})).columns) == list(AGGREGATE_COLUMNS)


def test_a_malformed_table_is_refused_by_name() -> None:
    good = table({"a": [1.0]})
    with pytest.raises(RunError, match="no column 'preset'"):
        aggregate(good.drop(columns="preset"))
    with pytest.raises(RunError, match=r"repeats 1 of its rows.*separator='a'"):
        aggregate(pd.concat([good, good]))
    with pytest.raises(RunError, match="unknown status 'fine'"):
        aggregate(good.assign(status="fine"))
    with pytest.raises(RunError, match="no column 'separator'; 'method' is called 'separator' now"):
        aggregate(good.rename(columns={"separator": "method"}))
    with pytest.raises(UnknownNameError, match="did you mean 'median_of_medians'"):
        aggregate(good, aggregation="median_of_median")


cells = st.one_of(st.floats(-60, 60), st.just(math.nan), st.sampled_from(["error", "skipped"]), st.none())


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(-60, 60), cells, cells), min_size=1, max_size=8))
def test_aggregates_are_taken_over_the_values_of_the_matrix(rows: list[tuple[Score, Score, Score]]) -> None:
    tracks = table(dict(zip(("mixture", "a", "b"), map(list, zip(*rows, strict=True)), strict=True)))
    (scores,) = score_matrices(tracks)
    for _, row in aggregate(tracks).iterrows():
        if row["separator"] in scores.left_out:
            assert row["n_lacking"] or (row["n_tracks"], row["n_imputed"]) == (0, 0)
            assert row["n_tracks"] in (0, len(rows) - row["n_lacking"])
            continue
        used = scores.values[row["separator"]]
        assert row["n_tracks"] == len(used) == len(rows)
        assert row["n_imputed"] == scores.imputed[row["separator"]].sum()
        assert row["value"] == pytest.approx(np.median(used))
        assert row["improvement"] == pytest.approx(np.median(used - scores.values["mixture"]))


def test_the_mean_of_means_reads_the_frame_means() -> None:
    tracks = table({"mixture": [0.0, 1.0], "a": [5.0, 7.0]}, n_frames=10, n_valid=8)
    framed = tracks.assign(mean=tracks["value"] + 100)
    found = aggregate(framed, aggregation="mean_of_means").set_index("separator")
    assert found.loc["a", "value"] == 106
    assert set(found["aggregation"]) == {"mean_of_means"}
    assert aggregate(framed, aggregation="mean_of_medians").set_index("separator").loc["a", "value"] == 6
    (scores,) = score_matrices(framed, aggregation="mean_of_means")
    assert scores.values.to_numpy().T.ravel().tolist() == [100, 101, 105, 107]


def test_a_metric_of_the_whole_track_is_its_own_mean() -> None:
    assert of({"a": [5.0, 7.0, 9.5]}, "a", aggregation="mean_of_means")["value"] == pytest.approx(21.5 / 3)


def test_medians_of_frames_do_not_pass_for_means() -> None:
    with pytest.raises(RunError, match=r"no mean over frames \(column 'mean'\) of 'SDR'"):
        aggregate(table({"a": [5.0]}, n_frames=10), aggregation="mean_of_means")


def test_frames_are_counted_beside_the_number() -> None:
    row = of({"mixture": [0.0, 0.0, 0.0], "a": [5.0, 6.0, "error"]}, "a")
    assert (row["n_frames"], row["n_frames_left_out"]) == (2, 0)
    silent = aggregate(table({"a": [5.0, 6.0]}, n_frames=10, n_valid=8)).iloc[0]
    assert (silent["n_frames"], silent["n_frames_left_out"]) == (20, 4)


def test_only_complete_tracks_count_where_that_is_the_rule() -> None:
    scores: dict[str, list[Score | None]] = {
        "mixture": [0.0, 0, 0, 0],
        "a": [1.0, "error", 3, 4],
        "b": [5.0, 6, 7, None],
    }
    row = of(scores, "a", missing="complete")
    assert (row["value"], row["n_tracks"], row["n_left_out"], row["n_imputed"]) == (2.0, 2, 2, 0)
    assert (row["improvement"], row["missing"]) == (2.0, "complete")
    assert of(scores, "a")["missing"] == "floor"
    broken = of(scores | {"broken": ["crashed"] * 4}, "b", missing="complete")
    assert (broken["value"], broken["n_tracks"]) == (6.0, 2)  # a method without any value takes no track away
    with pytest.raises(UnknownNameError, match="rule for missing values"):
        aggregate(table(scores), missing="zero")


def test_the_gap_to_an_oracle_is_paired() -> None:
    scores: dict[str, list[Score | None]] = {"mixture": [0.0, 0, 0], "irm": [10.0, 20, 30], "a": [9.0, 12, 29]}
    row = of(scores, "a", oracle="irm")
    assert (row["gap"], row["gap_to"]) == (1.0, "irm")  # not 20 - 12
    assert of(scores, "irm", oracle="irm")["gap"] == 0
    assert of(scores, "a", oracle="irm", lower_is_better=["SDR"])["gap"] == -1
    assert math.isnan(of(scores, "a")["gap"])
    assert math.isnan(of(scores | {"irm": ["error"] * 3}, "a", oracle="irm")["gap"])
    with pytest.raises(UnknownNameError, match="unknown separator 'iRm'"):
        of(scores, "a", oracle="iRm")


def test_the_doubt_between_infinities_favours_no_method_whichever_way_is_better() -> None:
    scores: dict[str, list[Score | None]] = {"mixture": [0.0, 0.0], "c": [math.inf, -math.inf]}
    assert of(scores, "c")["value"] == -math.inf
    assert of(scores, "c", lower_is_better=["SDR"])["value"] == math.inf
