"""Projections agree with a dense least-squares solution, and hold where that has none of its own."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.metrics._frames import Frames
from mss_bench.metrics._signals import Signals
from mss_bench.metrics.bss_eval import projection as module
from mss_bench.metrics.bss_eval.lags import correlate
from mss_bench.metrics.bss_eval.projection import RIDGE, Projector

TAPS, SAMPLES = 12, 600


def lags_of(x, y):
    return correlate(Signals([x]), Signals([y]), Frames(x.shape[1], x.shape[1], x.shape[1], TAPS - 1)).total


def projection(x, filters):
    """``sum_i h_i * x_i`` of one output channel."""
    return sum(np.convolve(x[i], filters[:, i, 0]) for i in range(len(x)))


def dense_projection(x, y):
    delayed = [np.concatenate([np.zeros(lag), s, np.zeros(TAPS - 1 - lag)]) for s in x for lag in range(TAPS)]
    matrix = np.stack(delayed, axis=1)
    padded = np.concatenate([y[0], np.zeros(TAPS - 1)])
    return matrix @ np.linalg.lstsq(matrix, padded, rcond=None)[0]


@pytest.fixture
def signals():
    rng = np.random.default_rng(0)
    return rng.standard_normal((4, SAMPLES)), rng.standard_normal((1, SAMPLES))


def test_least_squares(signals):
    x, y = signals
    projector = Projector(lags_of(x, x))
    found = projection(x, projector.solve(lags_of(x, y)))
    np.testing.assert_allclose(found, dense_projection(x, y), rtol=0, atol=1e-9)
    assert projector.members == [0, 1, 2, 3]
    assert projector.ridge == RIDGE
    assert not projector.doubtful


@pytest.mark.parametrize(
    ("spoil", "members"),
    [
        (lambda x: np.stack([x[0], x[0], x[2], x[3]]), [0, 2, 3]),
        (lambda x: np.stack([x[0], -0.3 * x[0], x[2], 0 * x[3]]), [0, 2]),
        (lambda x: 0 * x, []),
    ],
)
def test_copies_and_silence_add_nothing_to_the_span(signals, spoil, members):
    x, y = signals
    x = spoil(x)
    projector = Projector(lags_of(x, x))
    assert projector.members == members
    filters = projector.solve(lags_of(x, y))
    np.testing.assert_allclose(projection(x, filters), dense_projection(x, y), rtol=0, atol=1e-9)
    assert not np.delete(filters, members, axis=1).any()


def test_hidden_dependence_is_regularised(signals):
    """A sum of others and a delayed copy are no copies at lag 0: only the ridge makes a factor exist."""
    x, y = signals
    x = np.stack([x[0], x[1], x[0] + x[1], np.roll(x[0], 1)])
    x[:, -TAPS:] = 0
    projector = Projector(lags_of(x, x))
    assert projector.members == [0, 1, 2, 3]
    assert projector.doubtful
    assert RIDGE <= projector.ridge < 1e-11
    found = projection(x, projector.solve(lags_of(x, y)))
    np.testing.assert_allclose(found, dense_projection(x, y), rtol=0, atol=1e-3)


def test_gain_of_a_signal_is_of_no_consequence(signals):
    x, y = signals
    gains = np.array([[1e-6], [1.0], [1e3], [1.0]])
    plain = projection(x, Projector(lags_of(x, x)).solve(lags_of(x, y)))
    scaled = x * gains
    found = projection(scaled, Projector(lags_of(scaled, scaled)).solve(lags_of(scaled, y)))
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-9)


def test_first_order_shift_follows_the_exact_one(signals):
    x, y = signals
    projector = Projector(lags_of(x, x), ridge=1e-6)
    right = lags_of(x, y)
    filters = projector.solve(right)
    exact = projector.stiffer().solve(right) - filters
    first_order = projector.shifted(filters) - filters
    np.testing.assert_allclose(first_order, exact, rtol=1e-3, atol=1e-12)
    assert np.linalg.norm(first_order) >= np.linalg.norm(exact)


@pytest.mark.parametrize("noise", [1.0, 1e-5])
def test_large_systems_lose_nothing(signals, monkeypatch, noise):
    """The Schur algorithm with refinement gives what a dense factorisation does, near dependence included."""
    x, y = signals
    x = np.cumsum(x, axis=1) + noise * np.roll(x, 1, axis=0)
    gram, right = lags_of(x, x), lags_of(x, y)
    expected = projection(x, Projector(gram).solve(right))
    monkeypatch.setattr(module, "_LARGE", 1)
    found = projection(x, Projector(gram).solve(right))
    assert np.any(found != expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_hopeless_systems_are_factorised_densely(signals, monkeypatch):
    x, y = signals
    x = np.stack([x[0], x[1], x[0] + x[1], x[3]])
    expected = Projector(lags_of(x, x))
    monkeypatch.setattr(module, "_LARGE", 1)
    found = Projector(lags_of(x, x))
    assert found.ridge == expected.ridge
    np.testing.assert_array_equal(found.solve(lags_of(x, y)), expected.solve(lags_of(x, y)))
