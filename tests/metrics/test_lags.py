"""Lag correlations are those of the definition, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.metrics._frames import Frames
from mss_bench.metrics._room import Room
from mss_bench.metrics._signals import Signals
from mss_bench.metrics.bss_eval.lags import KeptSpectra, correlate


def directly(x, y, n_lags):
    """``c[l, i, j] = sum_t y_j[t] x_i[t - l]``, one product at a time."""
    samples = x.shape[1]
    out = np.zeros((n_lags, len(x), len(y)))
    for lag in range(min(n_lags, samples)):
        out[lag] = x[:, : samples - lag] @ y[:, lag:].T
    return out


@pytest.mark.parametrize(
    ("samples", "window", "hop", "n_lags"),
    [
        (5000, 1000, 1000, 64),
        (5000, 1000, 250, 64),
        (5000, 1000, 300, 64),
        (5000, 1000, 1700, 64),
        (5000, 30, 30, 64),
        (5030, 2500, 2500, 64),
        (5000, 9000, 9000, 64),
        (40, 9000, 9000, 64),
        (300, 100, 100, 1),
        (300, 100, 100, 2),
        (200_000, 200_000, 1, 16),
    ],
)
def test_frames_and_total(samples, window, hop, n_lags):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, samples)), rng.standard_normal((2, samples))
    frames = Frames(samples, window, hop, n_lags - 1)
    lags = correlate(Signals([x[:2], x[2:]]), Signals([y]), frames)
    np.testing.assert_allclose(lags.total, directly(x, y, n_lags), rtol=0, atol=1e-12 * samples)
    assert len(frames.spans) == max(1, (samples - window) // hop + 1)
    for (a, b), found, energy in zip(frames.spans, lags.frames, lags.energy, strict=True):
        np.testing.assert_allclose(found, directly(x[:, a:b], y[:, a:b], n_lags), rtol=0, atol=1e-12 * samples)
        np.testing.assert_allclose(energy, (y[:, a:b] ** 2).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("megabytes", [0.0, 0.1, 100.0])
@pytest.mark.parametrize(("window", "hop"), [(1000, 1000), (1000, 250), (1000, 300), (9000, 9000)])
def test_kept_spectra_change_no_bit_and_take_no_more_than_their_room(window, hop, megabytes):
    rng = np.random.default_rng(0)
    x = Signals([rng.standard_normal((4, 5000))])
    frames, room = Frames(5000, window, hop, 63), Room(megabytes)
    kept = KeptSpectra(room)
    sets = [x, *(Signals([rng.standard_normal((m, 5000))]) for m in (4, 4, 1, 4))]
    for y in [*sets, *sets]:
        ours, plain = correlate(x, y, frames, kept), correlate(x, y, frames)
        for name in ("frames", "total", "energy"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(plain, name))
        assert room.taken <= megabytes * 2**20
    assert room.wanted > 0
    assert (room.taken == room.wanted) == (megabytes == 100)
    wanted = room.wanted
    correlate(x, sets[1], frames, kept)
    assert room.wanted == wanted  # what was refused once is not asked for again


def test_differences_are_taken_in_float64():
    loud = np.full((1, 10), 1000.0, dtype=np.float32)
    close = np.nextafter(loud, np.float32(2000))
    exact = close.astype(np.float64) - loud
    np.testing.assert_array_equal(Signals([close], minus=[loud]).read(0, 10), exact)
    np.testing.assert_array_equal(Signals([close.astype(np.float64)], minus=[loud]).read(2, 5), exact[:, 2:5])
