"""Music for the tests of task metrics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import TrackAudio
from mss_bench.datasets.catalog import get_dataset
from mss_bench.separators import separators

Arrays = dict[str, NDArray[np.float32]]

METHODS = ("mixture", "nmf:iterations=10", "irm")


@pytest.fixture(scope="session")
def music() -> Callable[[float], Arrays]:
    """``music(seconds)`` at 8 kHz: a sung line, strokes of noise and a bass, each with times of its own."""

    def make(seconds: float) -> Arrays:
        rate = 8000
        rng = np.random.default_rng(0)
        time = np.arange(round(rate * seconds)) / rate

        def tones(hertz: list[float], length: float, harmonics: int) -> NDArray[np.float64]:
            phase = 2 * np.pi * np.cumsum(np.array(hertz)[(time / length).astype(int) % len(hertz)]) / rate
            return np.asarray(sum(np.sin(h * phase) / h for h in range(1, harmonics + 1)))

        vocals = tones([220.0, 277.2, 329.6], 0.37, 5) * ((time % 0.37) < 0.3)
        drums = rng.standard_normal(time.size) * np.exp(-(time % 0.25) / 0.03) * (time > 0.2)
        bass = tones([55.0, 82.4, 65.4, 49.0], 0.3, 2) * np.exp(-(time % 0.3) / 0.3)
        parts = {"vocals": (0.3 * vocals, 0.8), "drums": (0.15 * drums, 1.2), "bass": (0.2 * bass, 0.9)}
        return {name: np.stack([x, right * x]).astype(np.float32) for name, (x, right) in parts.items()}

    return make


@pytest.fixture(scope="session")
def track() -> TrackAudio:
    """Four seconds of a demo song, with what was played."""
    return get_dataset("demo").tracks(names=["test-01 Northern Postcard"], duration=4.0)[0].load()


@pytest.fixture(scope="session")
def made(track: TrackAudio) -> dict[str, Arrays]:
    """Estimates of the song: the references, the mixture's share, a blind method's and an oracle's."""
    targets = get_dataset("demo").targets
    found = {"reference": {stem: track.references[stem] for stem in targets.stems}}
    for name in METHODS:
        separator = build(separators, Spec.parse(name))[0]
        separator.load()
        estimates = separator.separate(
            track.mixture.copy(), track.sample_rate, targets=targets, rng=np.random.default_rng(0),
            references=track.references if separator.needs_references else None,
        )  # fmt: skip
        found[name.partition(":")[0]] = {stem: estimates[stem] for stem in targets.stems}
    return found
