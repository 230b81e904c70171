"""Robust principal component analysis: a loop is of low rank, glides over it are sparse."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.rpca import RPCA, low_rank_and_sparse


def _gains(song: Stems, separate: Callable[..., Stems], gains: Callable[..., list[float]], rate: int) -> list[float]:
    mixture = sum(song.values())
    return gains(song, separate(RPCA(n_fft=1024, hop=512), mixture, rate=rate), mixture)


def test_glides_are_taken_from_a_loop(
    separate: Callable[..., Stems], gains: Callable[..., list[float]], factor_signals: ModuleType
) -> None:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        song = {"accompaniment": factor_signals.loop(rng), "vocals": factor_signals.glides(rng)}
        found += _gains(song, separate, gains, factor_signals.RATE)
    assert np.mean(found) > 12
    assert min(found) > 11


def test_a_voice_that_repeats_is_of_low_rank_and_lost(
    separate: Callable[..., Stems], gains: Callable[..., list[float]], factor_signals: ModuleType
) -> None:
    rng = np.random.default_rng(0)
    song = {"accompaniment": factor_signals.loop(rng), "vocals": factor_signals.loop(rng)}
    assert max(_gains(song, separate, gains, factor_signals.RATE)) < 2


def test_a_matrix_of_low_rank_and_sparse_outliers_is_taken_apart() -> None:
    rng = np.random.default_rng(0)
    low_rank = (rng.standard_normal((120, 4)) @ rng.standard_normal((4, 90))).astype(np.float32)
    sparse = np.where(rng.random((120, 90)) < 0.05, 10 * rng.standard_normal((120, 90)), 0).astype(np.float32)
    for flip in (lambda matrix: matrix, np.transpose):
        found, outliers = low_rank_and_sparse(flip(low_rank + sparse))
        np.testing.assert_allclose(found, flip(low_rank), atol=2e-3)
        np.testing.assert_allclose(outliers, flip(sparse), atol=2e-3)


def test_the_minimum_is_that_of_a_full_singular_value_decomposition() -> None:
    v = np.abs(np.random.default_rng(0).standard_normal((40, 30)))
    weight, mu = 1 / np.sqrt(40), 1.25 / np.linalg.norm(v, 2)
    y, sparse = v / max(np.linalg.norm(v, 2), np.abs(v).max() / weight), np.zeros_like(v)
    for _ in range(60):
        u, s, vt = np.linalg.svd(v - sparse + y / mu, full_matrices=False)
        low_rank = (u * np.maximum(s - 1 / mu, 0)) @ vt
        rest = v - low_rank + y / mu
        sparse = np.sign(rest) * np.maximum(np.abs(rest) - weight / mu, 0)
        y += mu * (v - low_rank - sparse)
        mu *= 1.5
    found, outliers = low_rank_and_sparse(v.astype(np.float32))
    np.testing.assert_allclose(found, low_rank, atol=1e-3)
    np.testing.assert_allclose(outliers, sparse, atol=1e-3)


def test_nothing_below_the_high_pass_is_voice(separate: Callable[..., Stems]) -> None:
    time = np.arange(8 * 16000) / 16000
    rumble = np.sin(2 * np.pi * (40 * time + 3 * np.sin(2 * time)))[None]
    assert np.linalg.norm(separate(RPCA(high_pass=300.0), rumble, rate=16000)["vocals"]) < 0.01 * np.linalg.norm(rumble)


def test_chunks_are_separated_each_for_itself(separate: Callable[..., Stems], factor_signals: ModuleType) -> None:
    rng = np.random.default_rng(0)
    mixture = factor_signals.loop(rng) + factor_signals.glides(rng)
    half = mixture.shape[1] // 2
    whole = separate(RPCA(chunk=5.0), mixture, rate=factor_signals.RATE)["vocals"]
    first = separate(RPCA(), mixture[:, :half], rate=factor_signals.RATE)["vocals"]
    inside = slice(0, half - 8192)
    assert np.linalg.norm((whole[:, :half] - first)[:, inside]) < 0.05 * np.linalg.norm(first)


@pytest.mark.parametrize("samples", [1, 50, 3000])
def test_what_is_short_still_adds_up(separate: Callable[..., Stems], samples: int) -> None:
    noise = np.random.default_rng(0).standard_normal((2, samples))
    np.testing.assert_allclose(sum(separate(RPCA(), noise).values()), noise, atol=1e-5)


@pytest.mark.parametrize("mask", ["binary", "soft", "wiener", "multichannel"])
def test_every_filter_adds_up(separate: Callable[..., Stems], mask: str) -> None:
    noise = np.random.default_rng(0).standard_normal((2, 20000))
    np.testing.assert_allclose(sum(separate(RPCA(mask=mask), noise).values()), noise, atol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"sparsity": 0}, "rpca: sparsity is 0, expected a number above 0"),
        ({"chunk": -1.0}, "rpca: chunk is -1.0"),
        ({"mask": "hard"}, "rpca: mask is 'hard', expected binary, soft, wiener or multichannel"),
        ({"iterations": 0}, "rpca: iterations is 0"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        RPCA(**parameters)
