"""Matrices of a track table: which tracks and methods they hold, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
import pytest

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.aggregate import aggregate
from mss_bench.stats.matrix import check_matrix, score_matrices, score_matrix
from mss_bench.stats.significance import friedman

Tracks = Callable[..., pd.DataFrame]
SCORES = pd.DataFrame(
    {"mixture": [0.0, 1, 2, 3], "b": [5.0, 6, 7, 8], "a": [4.0, 9, 6, 7]}, index=["t3", "t1", "t0", "t2"]
)


def lose(tracks: pd.DataFrame, separator: str, track: str, **cells: object) -> pd.DataFrame:
    """The table with one row changed."""
    return tracks.assign(
        **{
            n: tracks[n].where((tracks["separator"] != separator) | (tracks["track"] != track), c)
            for n, c in cells.items()
        }
    )


def test_methods_keep_their_order_and_tracks_are_sorted(tracks_of: Tracks) -> None:
    found = score_matrix(tracks_of(SCORES), "SDR", "vocals")
    pd.testing.assert_frame_equal(found.values, SCORES.sort_index(), check_names=False, check_index_type=False)
    assert not found.imputed.any(axis=None)
    assert (found.left_out, found.n_left_out, found.oracles, found.missing) == ([], 0, [], "floor")
    assert found.unit["metric"] == "SDR"


def test_stand_ins_are_marked_and_complete_tracks_have_none(tracks_of: Tracks) -> None:
    tracks = lose(tracks_of(SCORES), "a", "t1", status="timeout", value=math.nan)
    floor = score_matrix(tracks, "SDR", "vocals")
    assert floor.values.loc["t1", "a"] == 1.0
    assert floor.imputed.sum().to_dict() == {"mixture": 0, "b": 0, "a": 1}
    complete = score_matrix(tracks, "SDR", "vocals", missing="complete")
    assert list(complete.values.index) == ["t0", "t2", "t3"]
    assert (complete.n_left_out, complete.missing) == (1, "complete")
    assert not complete.imputed.any(axis=None)


def test_a_method_without_values_is_left_out_by_name(tracks_of: Tracks) -> None:
    tracks = tracks_of(SCORES.assign(broken=math.nan))
    tracks["status"] = tracks["status"].where(tracks["separator"] != "broken", "crashed")
    found = score_matrix(tracks, "SDR", "vocals")
    assert found.left_out == ["broken"]
    assert "broken" not in found.values
    assert friedman(found).n_separators == 3


def test_medians_of_the_matrices_are_the_aggregates_of_sisec_2018(sisec: pd.DataFrame) -> None:
    table = aggregate(sisec).set_index(["target", "metric", "separator"])["value"].sort_index()
    matrices = list(score_matrices(sisec))
    assert len(matrices) == 20
    for found in matrices:
        expected = table.loc[found.unit["target"], found.unit["metric"]]
        assert found.values.median().to_dict() == pytest.approx(expected.to_dict())
        assert {"IRM1", "MWF"} <= set(found.oracles)
        ranked = found.without(found.oracles)
        assert not {"IRM1", "MWF"} & set(ranked.values.columns)
        assert (ranked.oracles, ranked.imputed.shape) == ([], ranked.values.shape)


def test_one_unit_must_be_meant(tracks_of: Tracks) -> None:
    both = pd.concat([tracks_of(SCORES), tracks_of(SCORES + 1, preset="v3")])
    with pytest.raises(RunError, match="SDR of vocals was scored in 2 ways; choose with where= one preset: v3, v4"):
        score_matrix(both, "SDR", "vocals")
    assert score_matrix(both, "SDR", "vocals", where={"preset": "v3"}).values.loc["t3", "mixture"] == 1.0
    with pytest.raises(UnknownNameError, match="unknown preset 'v5'"):
        score_matrix(both, "SDR", "vocals", where={"preset": "v5"})
    with pytest.raises(UnknownNameError, match="unknown column of a unit 'colour'"):
        score_matrix(both, "SDR", "vocals", where={"colour": "red"})
    with pytest.raises(UnknownNameError, match="did you mean 'SDR'"):
        score_matrix(both, "SDRR", "vocals")
    with pytest.raises(UnknownNameError, match="unknown target 'flute'"):
        score_matrix(both, "SDR", "flute")


def test_malformed_tables_are_refused(tracks_of: Tracks) -> None:
    tracks = tracks_of(SCORES)
    with pytest.raises(RunError, match="no column 'target'"):
        score_matrix(tracks.drop(columns="target"), "SDR", "vocals")
    with pytest.raises(RunError, match="repeats 1 of its rows"):
        score_matrix(pd.concat([tracks, tracks.iloc[:1]]), "SDR", "vocals")
    with pytest.raises(RunError, match="a value that is no number"):
        score_matrix(tracks.assign(value="high"), "SDR", "vocals")
    with pytest.raises(UnknownNameError, match="rule for missing values"):
        score_matrix(tracks, "SDR", "vocals", missing="zero")


def test_where_no_track_counts_the_matrix_is_empty_and_tests_refuse_it(tracks_of: Tracks) -> None:
    found = score_matrix(tracks_of(SCORES * math.nan), "SDR", "vocals")
    assert found.values.empty
    assert found.left_out == ["mixture", "b", "a"]
    with pytest.raises(RunError, match="needs at least 3 methods, got 0"):
        friedman(found)


def test_plain_arrays_are_taken_too() -> None:
    values, methods = check_matrix(pd.DataFrame([[1, 2], [3, 4], [5, 6]]), "it")
    assert values.dtype == float
    assert methods == ["0", "1"]
