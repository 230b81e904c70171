"""Statistics of a mean over targets: paired by track, every target resampled alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mss_bench.stats.intervals import intervals
from mss_bench.stats.matrix import OVER_TARGETS, ScoreMatrix, mean_over_targets
from mss_bench.stats.ranking import ranks

RNG = np.random.default_rng(3)
TRACKS = [f"t{i}" for i in range(24)]


def _matrix(target: str, tracks: list[str] = TRACKS, methods: tuple[str, ...] = ("a", "b", "c", "o")) -> ScoreMatrix:
    values = pd.DataFrame(RNG.normal(0, 3, (len(tracks), len(methods))), index=tracks, columns=list(methods))
    unit = {"dataset": "d", "subset": "s", "group": "g", "target": target, "metric": "SDR", "preset": "v4"}
    imputed = pd.DataFrame(False, index=values.index, columns=values.columns)
    return ScoreMatrix(unit, values, imputed, ["o"], [], 0, True, "floor")


@pytest.fixture
def matrices() -> list[ScoreMatrix]:
    return [_matrix("vocals"), _matrix("drums"), _matrix("bass")]


def test_it_is_of_the_tracks_and_methods_that_every_target_has(matrices: list[ScoreMatrix]) -> None:
    shorter = _matrix("other", TRACKS[2:], ("b", "a", "o"))
    shorter.imputed.loc["t3", "a"] = True
    whole = mean_over_targets([*matrices, shorter])
    assert whole.unit["target"] == OVER_TARGETS
    assert list(whole.values.columns) == ["a", "b", "o"]
    assert list(whole.values.index) == TRACKS[2:]
    assert (whole.oracles, whole.left_out, whole.n_left_out) == (["o"], ["c"], 2)
    expected = np.mean([m.values.loc["t4", "a"] for m in (*matrices, shorter)])
    assert whole.values.loc["t4", "a"] == pytest.approx(expected)
    assert whole.imputed.sum().to_dict() == {"a": 1, "b": 0, "o": 0}
    assert [list(p.columns) for p in whole.without(["o"]).parts] == [["a", "b"]] * 4


def test_intervals_of_the_mean_of_medians_are_those_of_naive_resampling(matrices: list[ScoreMatrix]) -> None:
    found = intervals(mean_over_targets(matrices), "median", draws=500, seed=4)
    stacked = np.stack([m.values.to_numpy() for m in matrices])
    drawn = np.random.default_rng(4).integers(0, 24, (500, 24))
    naive = np.median(stacked[:, drawn], axis=2).mean(axis=0)  # the same tracks for every target
    np.testing.assert_allclose(found["value"], np.median(stacked, axis=1).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found[["low", "high"]].to_numpy().T, np.quantile(naive, [0.025, 0.975], axis=0))
    few = intervals(mean_over_targets([replace(m, values=m.values[:19]) for m in matrices]), "median")
    assert few[["low", "high"]].isna().all(axis=None)  # too few for a bootstrap


def test_of_means_they_are_those_of_each_tracks_mean(matrices: list[ScoreMatrix]) -> None:
    whole = mean_over_targets(matrices)
    for make in (intervals, ranks):
        joint, plain = make(whole, "mean", draws=300), make(replace(whole, parts=()), "mean", draws=300)
        pd.testing.assert_frame_equal(joint, plain, rtol=1e-9)


def test_ranks_are_by_what_the_table_shows(matrices: list[ScoreMatrix]) -> None:
    for sign in (True, False):
        whole = mean_over_targets([replace(m, higher_is_better=sign) for m in matrices])
        table = ranks(whole, "median", draws=200)
        shown = np.mean([m.values.median() for m in matrices], axis=0)
        order = [whole.values.columns[i] for i in np.argsort(-shown if sign else shown)]
        assert list(table.index) == order
        assert table.loc[order[0], "value"] == pytest.approx(shown.max() if sign else shown.min())


def test_infinite_scores_never_give_nan(matrices: list[ScoreMatrix]) -> None:
    matrices[0].values.loc["t1", "a"] = np.inf
    matrices[1].values.loc["t1", "a"] = -np.inf
    whole = mean_over_targets(matrices)
    assert whole.values.loc["t1", "a"] == -np.inf
    found = intervals(whole, "median", draws=200)
    assert not found[["value", "low", "high"]].isna().any(axis=None)
    assert intervals(whole, "mean").loc["a", "value"] == -np.inf
