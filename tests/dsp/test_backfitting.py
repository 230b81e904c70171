"""Backfitting with smoothers that know their source."""

from __future__ import annotations

import numpy as np

from mss_bench.dsp.backfitting import backfit, wiener_blocks
from mss_bench.dsp.median import running_median


def _scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Make a row of constant power and a column, in noise phases, from two directions."""
    shape = (60, 50)
    phases = np.exp(2j * np.pi * rng.random((2, *shape)))
    powers = np.full((2, *shape), 1e-3)
    powers[0, :, 20:22], powers[1, 30:32] = 1.0, 1.0
    gains = np.array([[1.0, 0.3], [0.3, 1.0]])
    return gains[:, :, None, None] * np.sqrt(powers)[:, None] * phases[:, None], powers


def test_smoothers_and_directions_tell_sources_apart() -> None:
    images, _ = _scene(np.random.default_rng(0))
    mixture = images.sum(axis=0)
    first = np.mean(np.abs(mixture) ** 2, axis=0).T.astype(np.float32) / 2
    errors = []
    for iterations in (1, 5):
        powers = [first.copy(), first.copy()]
        smoothers = [lambda p: running_median(p, 9, axis=-1), lambda p: running_median(p, 9, axis=-2)]
        covariances = backfit(mixture, powers, smoothers, iterations)
        estimates = np.zeros_like(images)
        for part, blocks in wiener_blocks(mixture, powers, covariances):
            for source, block in zip(estimates, blocks, strict=True):
                source[part] = block
        np.testing.assert_allclose(estimates.sum(axis=0), mixture, atol=1e-9)
        errors.append(float(np.linalg.norm(estimates - images) / np.linalg.norm(images)))
    assert errors[1] < 0.15
    assert errors[1] < 0.8 * errors[0]


def test_nothing_is_known_before_the_first_iteration() -> None:
    mixture = np.ones((2, 4, 3), dtype=complex)
    powers = [np.ones((3, 4), dtype=np.float32)] * 2
    covariances = backfit(mixture, powers, [np.array, np.array], 0)
    np.testing.assert_array_equal(covariances[0], np.tile(np.eye(2), (3, 1, 1)))
    for part, estimates in wiener_blocks(mixture, powers, covariances):
        np.testing.assert_allclose(estimates[0], mixture[part] / 2)
