"""PROJET: right where sources come from different directions, wrong where they come from one."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.datasets.demo import render
from mss_bench.dsp.filters import MASKS
from mss_bench.errors import AudioError, ConfigError
from mss_bench.separators.contract import check_separator
from mss_bench.separators.projet import PROJET, _factorise, _Geometry

Gains = Callable[..., list[float]]

SECONDS = 3  # half of what the other position models are tested on: the projections are many


def test_three_sparse_sources_come_apart(position_signals: ModuleType, oracle_gains: Gains) -> None:
    method = PROJET(preset="paper", restarts=1, iterations=60)
    songs = [position_signals.sparse_sources(seed, seconds=2) for seed in range(3)]
    found = [gain for song in songs for gain in oracle_gains(method, song)]
    assert np.mean(found) > 17.5
    assert min(found) > 13


@pytest.mark.parametrize("mask", MASKS)
def test_every_filter_separates(mask: str, position_signals: ModuleType, oracle_gains: Gains) -> None:
    method = PROJET(mask=mask, restarts=1, iterations=60)
    assert np.mean(oracle_gains(method, position_signals.sparse_sources(0, seconds=SECONDS))) > 16


def test_sources_that_differ_in_delay_need_delays(position_signals: ModuleType, oracle_gains: Gains) -> None:
    song = position_signals.sparse_sources(0, (35.0, 55.0), (-6.0, 6.0), seconds=SECONDS)
    without = oracle_gains(PROJET(restarts=1, iterations=40), song)
    found = oracle_gains(PROJET(restarts=1, iterations=40, max_delay=6, delays=5), song)
    assert min(found) > 22
    assert np.mean(found) > np.mean(without) + 6


def test_what_comes_from_one_direction_stays_together(position_signals: ModuleType, oracle_gains: Gains) -> None:
    # A third of the mixture for each would gain 4.8 dB.
    song = position_signals.sparse_sources(0, (45.0, 45.0, 45.0), seconds=SECONDS)
    assert np.mean(oracle_gains(PROJET(restarts=1), song)) < 6


@pytest.mark.parametrize("max_delay", [0.0, 2.0])
def test_a_projection_cancels_its_direction(max_delay: float) -> None:
    model = PROJET(directions=5, projections=5, max_delay=max_delay, delays=3, n_fft=64, hop=16)
    geometry = _Geometry(model)
    cancelled = np.diagonal(geometry.response, axis1=1, axis2=2)
    np.testing.assert_allclose(cancelled, 1e-4, rtol=1e-6)  # no more than the leakage that keeps it from zero
    assert geometry.response.max() == pytest.approx(1.0)


@pytest.mark.parametrize("max_delay", [0.0, 2.0])
def test_updates_lessen_the_divergence(max_delay: float) -> None:
    geometry = _Geometry(PROJET(directions=8, projections=5, max_delay=max_delay, delays=3, n_fft=64, hop=16))
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((2, 30, 33)) + 1j * rng.standard_normal((2, 30, 33))).astype(np.complex64)
    observed = geometry.observe(x)
    start = rng.random((geometry.response.shape[2], 3), dtype=np.float32)
    costs = [
        _factorise(observed, geometry.response, start, iterations, np.random.default_rng(0))[1]
        for iterations in (1, 2, 4, 8, 16, 32)
    ]
    assert costs == sorted(costs, reverse=True)


def test_the_start_of_least_divergence_is_kept(position_signals: ModuleType) -> None:
    song = position_signals.sparse_sources(0, seconds=SECONDS)
    method = PROJET(restarts=4, iterations=10)
    x = method.stft.forward(np.asarray(sum(song.values()), dtype=np.float32))
    geometry, level, kept = method._fit(x, 3, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.choice(x.shape[1], min((1 << 17) // x.shape[2], x.shape[1]), replace=False))
    observed = geometry.observe(x[:, drawn] / level)
    starts = [_factorise(observed, geometry.response, method._start(geometry, 3, rng), 10, rng) for _ in range(4)]
    costs = [cost for _, cost in starts]
    assert len(set(costs)) == 4
    np.testing.assert_array_equal(kept, starts[int(np.argmin(costs))][0])


@pytest.mark.parametrize(
    "parameters", [{"max_delay": 2.0, "delays": 3}, {"mask": "multichannel"}, {"alpha": 1.5, "mask": "soft"}]
)
def test_forms_keep_the_contract(parameters: dict[str, object]) -> None:
    results = check_separator(
        PROJET(restarts=1, iterations=2, directions=12, n_fft=1024, hop=512, assignment="oracle", **parameters)
    )
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []


def test_sources_are_counted(position_signals: ModuleType) -> None:
    method = PROJET(sources="auto", restarts=1, iterations=40, n_fft=2048, hop=1024)
    for degrees in ((20.0, 70.0), (10.0, 45.0, 80.0)):
        song = position_signals.sparse_sources(0, degrees, seconds=SECONDS)
        mixture = np.asarray(sum(song.values()), dtype=np.float32)
        assert method.estimated_sources(mixture, 44100, np.random.default_rng(0)) == len(degrees)


def test_panned_instruments_come_apart_better_than_equal_shares(oracle_gains: Gains, gains: Gains) -> None:
    song = {name: stem[:, : 6 * 44100] for name, stem in render("test", 0, "sources:3").stems.items()}
    mixture = sum(song.values())
    shares = gains(song, dict.fromkeys(song, mixture / 3), mixture)
    assert np.mean(oracle_gains(PROJET(restarts=1, iterations=60), song)) > np.mean(shares) + 8


def test_a_mono_mixture_is_refused(separate: Callable[..., Stems]) -> None:
    with pytest.raises(AudioError, match="projet: the mixture has 1 channel, expected 2"):
        separate(PROJET(), np.zeros((1, 100)))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"restarts": 0}, "restarts is 0, expected a whole number of at least 1"),
        ({"projections": 1}, "projections is 1, expected a whole number of at least 2"),
        ({"max_delay": -1.0}, "max_delay is -1.0, expected a number of at least 0 (in samples)"),
        ({"mask": "hard"}, "mask is 'hard', expected projection, binary"),
        ({"alpha": 0}, "alpha is 0, expected a number above 0"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        PROJET(**parameters)
