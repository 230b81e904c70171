"""The mixed model against its closed form for complete tables, and on incomplete ones."""

from __future__ import annotations

import math
import sys

import numpy as np
import pandas as pd
import pytest

from mss_bench.errors import MissingDependencyError, RunError, UnknownNameError
from mss_bench.stats.mixed import mixed_model


def test_a_complete_table_has_the_closed_form_of_two_way_analysis_of_variance(vocals: pd.DataFrame) -> None:
    matrix = vocals[["MIX", "UHL2", "TAK1", "STL2"]]
    found = mixed_model(matrix, reference="MIX")
    values = matrix.to_numpy()
    n, k = values.shape
    residuals = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    error = (residuals**2).sum() / ((n - 1) * (k - 1))
    between = k * values.mean(axis=1).var(ddof=1)
    assert found.effects["estimate"].tolist() == pytest.approx((values.mean(axis=0) - values[:, 0].mean())[1:])
    assert found.effects["se"].tolist() == pytest.approx([math.sqrt(2 * error / n)] * 3, rel=1e-4)
    assert found.residual_variance == pytest.approx(error, rel=1e-4)
    assert found.track_variance == pytest.approx((between - error) / k, rel=1e-3)
    assert found.icc == pytest.approx(found.track_variance / (found.track_variance + error), rel=1e-4)
    assert found.converged
    assert (found.n_tracks, found.n_missing, found.reference) == (50, 0, "MIX")
    assert found.reference_mean == pytest.approx(matrix["MIX"].mean())
    half = 1.959964 * found.effects["se"]
    assert (found.effects["high"] - found.effects["estimate"]).tolist() == pytest.approx(half.tolist(), rel=1e-6)


def test_missing_scores_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(0)
    track = rng.normal(0, 3, 60)
    matrix = pd.DataFrame({m: track + e + rng.normal(0, 0.5, 60) for m, e in (("mixture", 0), ("a", 1), ("b", 2))})
    hard = np.argsort(track)[:20]
    matrix.iloc[hard, 1] = math.nan  # the plain mean of the others would be too high by 1.5
    found = mixed_model(matrix)
    assert found.n_missing == 20
    assert found.reference == "mixture"
    assert found.effects.loc["a", "estimate"] == pytest.approx(1, abs=0.3)
    assert found.effects.loc["b", "estimate"] == pytest.approx(2, abs=0.3)
    assert found.effects["p"].max() < 1e-6


def test_a_fit_on_the_boundary_says_so_and_raises_no_warning() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(12, 4))
    noise -= noise.mean(axis=1, keepdims=True)  # no variance between tracks at all
    found = mixed_model(pd.DataFrame(noise, columns=list("abcd")))
    assert found.track_variance == pytest.approx(0, abs=1e-3)
    assert found.warnings or found.converged


def test_without_statsmodels_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, vocals: pd.DataFrame) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.regression.mixed_linear_model", None)
    with pytest.raises(MissingDependencyError, match=r"statsmodels.*mss-bench\[stats\]"):
        mixed_model(vocals)


def test_bad_input_is_refused(vocals: pd.DataFrame) -> None:
    few = vocals[["MIX", "UHL2", "TAK1"]]
    with pytest.raises(RunError, match="the mixed model needs at least 3 tracks, got 1"):
        mixed_model(few.iloc[:1])
    with pytest.raises(RunError, match="at least 2 methods, got 1"):
        mixed_model(few[["MIX"]])
    with pytest.raises(RunError, match="no score of method 'MIX'"):
        mixed_model(few.assign(MIX=math.nan))
    with pytest.raises(RunError, match="at least 3 tracks with scores, got 2"):
        mixed_model(few.reset_index(drop=True).where(few.reset_index(drop=True).index.to_series() < 2))
    with pytest.raises(RunError, match="finite scores, got 50 infinite"):
        mixed_model(few.assign(MIX=math.inf))
    with pytest.raises(RunError, match="needs scores that spread"):
        mixed_model(pd.DataFrame({"a": [1.0, 2, 3], "b": [2.0, 3, 4]}))
    with pytest.raises(RunError, match="method 'MIX' is there twice"):
        mixed_model(pd.concat([few, few[["MIX"]]], axis=1))
    with pytest.raises(RunError, match="needs numbers"):
        mixed_model(few.astype(object).assign(MIX="x"))
    with pytest.raises(UnknownNameError):
        mixed_model(few, reference="mixture")
