"""The Schur algorithm makes the factor that a dense factorisation makes."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.metrics._frames import Frames
from mss_bench.metrics._signals import Signals
from mss_bench.metrics.bss_eval.lags import correlate
from mss_bench.metrics.bss_eval.toeplitz import ToeplitzProduct, cholesky, norm, schur


def blocks_of(signals, n_lags):
    """Correlations of signals with each other, scaled to a unit diagonal."""
    x = Signals([signals])
    samples = signals.shape[1]
    lags = correlate(x, x, Frames(samples, samples, samples, n_lags - 1)).total
    sizes = np.sqrt(np.diagonal(lags[0]))
    return lags / np.outer(sizes, sizes)


def dense(blocks):
    n_lags, n, _ = blocks.shape
    matrix = np.empty((n_lags, n, n_lags, n))
    for k in range(n_lags):
        for m in range(n_lags):
            matrix[k, :, m] = blocks[k - m] if k >= m else blocks[m - k].T
    return matrix.reshape(n_lags * n, -1)


@pytest.fixture(params=[(1, 40), (3, 1), (4, 30)], ids=str)
def blocks(request):
    n, n_lags = request.param
    return blocks_of(np.random.default_rng(0).standard_normal((n, 900)), n_lags)


@pytest.mark.parametrize("factorise", [cholesky, schur])
def test_factor(blocks, factorise):
    factor = np.tril(factorise(blocks))
    np.testing.assert_allclose(factor @ factor.T, dense(blocks), rtol=0, atol=1e-14)


def test_product_and_norm(blocks):
    n_lags, n, _ = blocks.shape
    vectors = np.random.default_rng(1).standard_normal((n_lags, n, 2))
    expected = dense(blocks) @ vectors.reshape(n_lags * n, 2)
    np.testing.assert_allclose(ToeplitzProduct(blocks)(vectors).reshape(expected.shape), expected, rtol=0, atol=1e-12)
    assert 1 <= norm(blocks) / np.linalg.norm(dense(blocks), 1) < 2


@pytest.mark.parametrize("factorise", [cholesky, schur])
def test_no_factor_of_an_indefinite_matrix(blocks, factorise):
    blocks = blocks.copy()
    blocks[0] -= 1.5 * np.eye(len(blocks[0]))
    assert factorise(blocks) is None


def test_hardly_definite_matrix():
    """Red noise, which is close to its own past: condition number above 1e7."""
    noise = np.random.default_rng(0).standard_normal((3, 4000))
    red = np.cumsum(np.cumsum(noise - noise.mean(axis=1, keepdims=True), axis=1), axis=1)
    blocks = blocks_of(red, 60)
    blocks[0] += 1e-12 * np.eye(3)
    assert np.linalg.cond(dense(blocks)) > 1e7
    factor = np.tril(schur(blocks))
    np.testing.assert_allclose(factor @ factor.T, dense(blocks), rtol=0, atol=1e-13)
