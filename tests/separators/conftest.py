"""What the tests of the methods share: targets, a call, and the gain over the mixture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.registry import import_file
from mss_bench.separators import Separator
from mss_bench.separators.assignment import by_references
from mss_bench.separators.blind import BlindSeparator

RATE = 44100
TARGETS = Targets(("vocals", "drums", "bass", "other"), {"accompaniment": ("drums", "bass", "other")})


@pytest.fixture
def targets() -> Targets:
    return TARGETS


@pytest.fixture
def separate() -> Callable[..., Stems]:
    """Call a separator as the runner does."""

    def call(separator: Separator, mixture: Audio, references: Stems | None = None, rate: int = RATE) -> Stems:
        rng = np.random.default_rng(0)
        mixture = np.asarray(mixture, dtype=np.float32)
        return separator.separate(mixture, rate, targets=TARGETS, rng=rng, references=references)

    return call


@pytest.fixture
def gains() -> Callable[..., list[float]]:
    """Improvement over the mixture in dB of each source: whole-signal ratio of energies, minus that of the mixture."""

    def measure(references: Mapping[str, Audio], estimates: Mapping[str, Audio], mixture: Audio) -> list[float]:
        return [
            10 * float(np.log10(np.sum((mixture - true) ** 2.0) / np.sum((estimates[name] - true) ** 2.0)))
            for name, true in references.items()
        ]

    return measure


@pytest.fixture
def voice_signals() -> ModuleType:
    """Import the module ``voice_signals.py``: a made-up voice and backgrounds."""
    return import_file(Path(__file__).with_name("voice_signals.py"))


@pytest.fixture
def factor_signals() -> ModuleType:
    """Import the module ``factor_signals.py``: notes, clicks, loops, glides and tones in unison."""
    return import_file(Path(__file__).with_name("factor_signals.py"))


@pytest.fixture
def kernel_signals() -> ModuleType:
    """Import the module ``kernel_signals.py``: clicks, chords, a voice, loops and glides."""
    return import_file(Path(__file__).with_name("kernel_signals.py"))


@pytest.fixture
def position_signals() -> ModuleType:
    """Import the module ``position_signals.py``: melodies panned to given places."""
    return import_file(Path(__file__).with_name("position_signals.py"))


@pytest.fixture
def oracle_gains(gains: Callable[..., list[float]]) -> Callable[..., list[float]]:
    """Gains of a blind method over the mixture, its sources named by the true ones."""

    def measure(separator: BlindSeparator, references: Mapping[str, Audio], seed: int = 0) -> list[float]:
        mixture = np.asarray(sum(references.values()), dtype=np.float32)
        rng = np.random.default_rng(seed)
        found = separator.find_sources(mixture, RATE, count=len(references), rng=rng)
        np.testing.assert_allclose(sum(found), mixture, atol=1e-4 * np.abs(mixture).max())
        return gains(references, by_references(found, references), mixture)

    return measure
