"""Spatial clustering: right where sources have directions of their own, wrong where they have one or a delay."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.datasets.demo import render
from mss_bench.dsp.filters import MASKS
from mss_bench.errors import AudioError, ConfigError
from mss_bench.separators.contract import check_separator
from mss_bench.separators.spatial_clustering import SpatialClustering, _features, _Mixture

Gains = Callable[..., list[float]]


def test_three_sparse_sources_come_apart(position_signals: ModuleType, oracle_gains: Gains) -> None:
    songs = [position_signals.sparse_sources(seed) for seed in range(3)]
    found = [g for song in songs for g in oracle_gains(SpatialClustering(), song)]
    assert np.mean(found) > 16.5
    assert min(found) > 13


@pytest.mark.parametrize("mask", MASKS)
def test_every_filter_separates(mask: str, position_signals: ModuleType, oracle_gains: Gains) -> None:
    assert np.mean(oracle_gains(SpatialClustering(mask=mask), position_signals.sparse_sources(0))) > 14.5


@pytest.mark.parametrize("degrees", [(40.0, 45.0, 50.0), (0.0, 45.0, 90.0)])
def test_sources_near_each_other_or_at_the_very_sides_are_told_apart(
    degrees: tuple[float, ...], position_signals: ModuleType, oracle_gains: Gains
) -> None:
    assert min(oracle_gains(SpatialClustering(), position_signals.sparse_sources(1, degrees))) > 11


def test_phase_alone_tells_sources_apart(position_signals: ModuleType, oracle_gains: Gains) -> None:
    # Two sources, equally loud in both channels; one of them has its right channel inverted.
    song = position_signals.sparse_sources(0, (45.0, 45.0))
    song["source_2"][1] *= -1
    assert min(oracle_gains(SpatialClustering(), song)) > 12


def test_what_is_at_one_place_stays_together(position_signals: ModuleType, oracle_gains: Gains) -> None:
    # A third of the mixture for each would gain 4.8 dB.
    song = position_signals.sparse_sources(0, (45.0, 45.0, 45.0))
    assert np.mean(oracle_gains(SpatialClustering(), song)) < 5.5


def test_a_long_delay_breaks_the_model(position_signals: ModuleType, oracle_gains: Gains) -> None:
    near, late = (
        np.mean(oracle_gains(SpatialClustering(), position_signals.sparse_sources(0, (40.0, 45.0, 50.0), delays)))
        for delays in ((0.0, 0.0, 0.0), (-30.0, 0.0, 30.0))
    )
    assert late < near - 8


def test_posteriors_follow_the_density() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 50)) + 1j * rng.standard_normal((2, 50))
    z = x / np.linalg.norm(x, axis=0)
    model = _Mixture(np.array([[1.2, 0.8, 0.5, -0.3], [1.0, 1.0, 0.0, 0.0], [0.1, 1.9, 0.0, 0.2]]), np.full(3, 1 / 3))
    densities = []
    for a, b, real, imaginary in model.shapes:
        shape = np.array([[a, real + 1j * imaginary], [real - 1j * imaginary, b]])
        near = np.einsum("in,ij,jn->n", z.conj(), np.linalg.inv(shape), z).real
        densities.append(1 / (np.linalg.det(shape).real * near**2) / 3)
    np.testing.assert_allclose(model.posteriors(_features(x)), densities / np.sum(densities, axis=0), rtol=1e-9)


@pytest.mark.parametrize("mask", MASKS[:-1])
def test_filters_keep_the_contract(mask: str) -> None:
    results = check_separator(SpatialClustering(mask=mask, restarts=2, assignment="oracle"))
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []


def test_panned_instruments_come_apart_better_than_equal_shares(oracle_gains: Gains, gains: Gains) -> None:
    song = {name: stem[:, : 6 * 44100] for name, stem in render("test", 0, "sources:3").stems.items()}
    mixture = sum(song.values())
    shares = gains(song, dict.fromkeys(song, mixture / 3), mixture)
    assert np.mean(oracle_gains(SpatialClustering(), song)) > np.mean(shares) + 8


def test_a_mono_mixture_is_refused(separate: Callable[..., Stems]) -> None:
    with pytest.raises(AudioError, match="spatial_clustering: the mixture has 1 channel, expected 2"):
        separate(SpatialClustering(), np.zeros((1, 100)))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"emphasis": -1}, "emphasis is -1, expected a number of at least 0"),
        ({"restarts": 0}, "restarts is 0, expected a whole number of at least 1"),
        ({"iterations": 1.5}, "iterations is 1.5, expected a whole number"),
        ({"mask": "hard"}, "mask is 'hard', expected binary, soft"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        SpatialClustering(**parameters)
