"""Signals and shorthands that the tests of metrics share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.metrics import Metric, Score

Arrays = Mapping[str, NDArray[np.floating]]
Scores = dict[tuple[str, str], Score]
Evaluate = Callable[..., Scores]


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    """``evaluate(metric, references, estimates, sample_rate)``: scores by target and quantity."""

    def run(metric: Metric, references: Arrays, estimates: Arrays, sample_rate: int = 8000) -> Scores:
        mixture = next(iter(references.values()))  # no metric here looks at it
        state = metric.prepare(
            TrackAudio(dict(references), mixture, sample_rate), TargetGroup("group", tuple(references))
        )
        return {(s.target, s.quantity): s for s in metric.score(state, dict(estimates))}

    return run


@pytest.fixture
def noise() -> Callable[..., dict[str, NDArray[np.float64]]]:
    """``noise(names, seconds, channels, seed)``: coloured 16-bit noise at 8 kHz, a little panned."""

    def make(
        names: str = "abc", seconds: float = 2.5, channels: int = 2, seed: int = 0
    ) -> dict[str, NDArray[np.float64]]:
        rng = np.random.default_rng(seed)
        sources = {}
        for index, name in enumerate(names):
            white = rng.integers(-6000, 6001, (channels, round(8000 * seconds) + 1)) / 32768
            coloured = white[:, 1:] + (0.3 * index - 0.4) * white[:, :-1]
            sources[name] = coloured + 0.4 * coloured[::-1]
        return sources

    return make


@pytest.fixture
def blurred() -> Callable[..., dict[str, NDArray[np.float64]]]:
    """``blurred(references, seed)``: estimates with interference, filtering and noise."""

    def make(references: Arrays, seed: int = 1) -> dict[str, NDArray[np.float64]]:
        rng = np.random.default_rng(seed)
        mixture = sum(references.values())
        estimates = {}
        for name, s in references.items():
            delayed = np.roll(s, 3, axis=1)
            estimates[name] = 0.9 * s + 0.1 * delayed + 0.2 * mixture + rng.integers(-300, 301, s.shape) / 32768
        return estimates

    return make
