"""How many tracks it takes: against statsmodels, closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestPower

from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.stats.power import APPROACHES, smallest_difference, tracks_needed, wilcoxon_power


def two(differences: object) -> pd.DataFrame:
    apart = np.asarray(differences, dtype=float)
    return pd.DataFrame({"a": apart, "b": np.zeros(apart.size)})


def standardised(mean: float, n: int = 40) -> np.ndarray:
    """Normal-looking differences of exactly this mean and standard deviation 1."""
    from scipy import stats

    scores = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return scores / scores.std(ddof=1) + mean


@pytest.mark.parametrize("effect", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_the_t_approach_agrees_with_statsmodels(effect: float, power: float) -> None:
    needed = tracks_needed(two(standardised(effect)), "a", "b", power=power, approach="t").n_tracks
    assert needed == math.ceil(TTestPower().solve_power(effect, power=power, alpha=0.05))
    assert needed == tracks_needed(two(standardised(-effect)), "a", "b", power=power, approach="t").n_tracks


def test_the_smallest_difference_agrees_with_statsmodels() -> None:
    matrix = two(3 * standardised(0.1))
    expected = 3 * TTestPower().solve_power(nobs=40, power=0.8, alpha=0.05)
    assert smallest_difference(matrix, "a", "b") == pytest.approx(expected, rel=1e-6)
    assert smallest_difference(matrix, "a", "b", n_tracks=400) < expected / 3
    assert smallest_difference(two([1.0] * 5), "a", "b") == 0


@pytest.mark.parametrize("effect", [0.3, 0.6])
def test_the_approaches_agree_on_normal_differences(effect: float) -> None:
    matrix = two(standardised(effect, 200))
    by = {name: tracks_needed(matrix, "a", "b", approach=name).n_tracks for name in APPROACHES}
    assert by["noether"] == pytest.approx(by["t"], rel=0.25)  # too many where the effect is large
    assert by["simulation"] == pytest.approx(by["t"], rel=0.12)


def test_simulated_power_is_what_a_fresh_simulation_finds() -> None:
    matrix = two(np.random.default_rng(1).normal(0.4, 1, 60))
    needed = tracks_needed(matrix, "a", "b").n_tracks
    assert needed is not None
    apart = matrix["a"].to_numpy()
    assert wilcoxon_power(apart, needed, seed=99, draws=4000) == pytest.approx(0.8, abs=0.04)
    assert wilcoxon_power(apart, 2 * needed, seed=99) > 0.9
    assert tracks_needed(matrix, "a", "b").n_tracks == needed  # seeded


def test_the_power_without_a_difference_is_the_level() -> None:
    symmetric = np.concatenate([standardised(0), -standardised(0)])
    assert wilcoxon_power(symmetric, 40, draws=4000) == pytest.approx(0.05, abs=0.015)
    assert wilcoxon_power(np.zeros(5), 40) == 0


@pytest.mark.parametrize("approach", APPROACHES)
def test_methods_that_cannot_be_told_apart_have_no_number_but_a_reason(approach: str) -> None:
    found = tracks_needed(two([0.0] * 5), "a", "b", approach=approach)
    assert (found.n_tracks, found.reason) == (None, "the methods score alike on every song")
    found = tracks_needed(two([-3, -2, -1, 1, 2, 3]), "a", "b", approach=approach, max_tracks=500)
    assert found.n_tracks is None
    assert found.reason.startswith("more than 500 songs")


@pytest.mark.parametrize("approach", APPROACHES)
def test_a_clear_difference_takes_few_tracks(approach: str) -> None:
    assert 3 <= (tracks_needed(two([5.0] * 10), "a", "b", approach=approach).n_tracks or 99) <= 11
    assert 3 <= (tracks_needed(two(100 + standardised(0)), "a", "b", approach=approach).n_tracks or 99) <= 11


def test_infinite_differences_count_by_their_sign() -> None:
    matrix = two([math.inf, 1, 2, 3, -1, 1, 2, 3])
    assert tracks_needed(matrix, "a", "b").n_tracks == tracks_needed(matrix.replace(math.inf, 9), "a", "b").n_tracks
    assert tracks_needed(two([math.inf, -math.inf, 1, 2]), "a", "b", approach="noether").n_tracks
    with pytest.raises(RunError, match="needs finite differences, got 1 infinite"):
        tracks_needed(matrix, "a", "b", approach="t")


def test_bad_input_is_refused(vocals: pd.DataFrame) -> None:
    with pytest.raises(RunError, match="a power analysis needs at least 3 tracks, got 1"):
        tracks_needed(vocals.iloc[:1], "MIX", "UHL2")
    with pytest.raises(UnknownNameError):
        tracks_needed(vocals, "MIX", "UHL9")
    with pytest.raises(RunError, match="compared with itself"):
        tracks_needed(vocals, "MIX", "MIX")
    with pytest.raises(UnknownNameError, match="approach"):
        tracks_needed(vocals, "MIX", "UHL2", approach="guess")
    with pytest.raises(ConfigError, match="power must lie between 0 and 1"):
        tracks_needed(vocals, "MIX", "UHL2", power=80)
    with pytest.raises(ConfigError, match="max_tracks"):
        tracks_needed(vocals, "MIX", "UHL2", max_tracks=2)
    with pytest.raises(ConfigError, match="n_tracks must be at least 3"):
        smallest_difference(vocals, "MIX", "UHL2", n_tracks=1)
    with pytest.raises(RunError, match="missing values"):
        smallest_difference(vocals.assign(MIX=math.nan), "MIX", "UHL2")
