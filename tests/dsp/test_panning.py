"""Directions by the constant-power law."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.dsp.panning import panning_angle, panning_histogram


def test_positions_of_panned_noise() -> None:
    noise = np.random.default_rng(0).standard_normal(44100).astype(np.float32)
    for degrees in (20.0, 45.0, 80.0):
        angle = np.radians(degrees)
        panned = np.stack([np.cos(angle) * noise, np.sin(angle) * noise])
        positions, energy = panning_histogram(panned)
        assert abs(positions[np.argmax(energy)] - degrees) < 1
        assert panning_angle(panned) == pytest.approx(degrees, abs=1e-3)
    assert panning_histogram(np.zeros((2, 44100), dtype=np.float32))[1].sum() == 0
    assert panning_angle(np.zeros((2, 10), dtype=np.float32)) == 45
