"""Constructed mixtures for the position models: sources that overlap little in time and frequency, at given places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RATE = 44100
SECONDS = 6
DEGREES = (20.0, 45.0, 70.0)
"""The usual places: amplitudes (cos phi, sin phi), so that 45 is the centre."""

Signal = NDArray[np.float64]


def melody(rng: np.random.Generator, lowest: int = -24, rests: float = 0.4, seconds: int = SECONDS) -> Signal:
    """Plucked notes of random pitch, four a second, a share of them left out: at unit variance.

    The lowest is `lowest` semitones above 440 Hz.
    """
    step = RATE // 4
    out = np.zeros(seconds * RATE)
    time = np.arange(step) / RATE
    for first in range(0, out.size, step):
        if rng.random() < rests:
            continue
        pitch = 440 * 2 ** (rng.integers(lowest, 15) / 12)
        decay = np.exp(-4 * time) * np.minimum(1, time / 0.02) * np.minimum(1, (time[-1] - time) / 0.02)
        note = sum(rng.uniform(0.3, 1) / k * np.sin(2 * np.pi * (k * pitch * time + rng.random())) for k in range(1, 9))
        out[first : first + step] = decay * note
    return np.asarray(out / np.std(out))


def panned(source: Signal, degrees: float, delay: float = 0.0) -> Signal:
    """Make a source at an angle, the right channel late by `delay` samples (any fraction)."""
    spectrum = np.fft.rfft(source) * np.exp(-2j * np.pi * np.fft.rfftfreq(source.size) * delay)
    phi = np.deg2rad(degrees)
    return np.stack([np.cos(phi) * source, np.sin(phi) * np.fft.irfft(spectrum, n=source.size)])


def sparse_sources(
    seed: int,
    degrees: Sequence[float] = DEGREES,
    delays: Sequence[float] | None = None,
    seconds: int = SECONDS,
    rests: float = 0.4,
) -> dict[str, Signal]:
    """One melody at each place, equally strong, named by number."""
    rng = np.random.default_rng(seed)
    places = zip(degrees, delays or [0.0] * len(degrees), strict=True)
    return {
        f"source_{k}": panned(melody(rng, rests=rests, seconds=seconds), phi, delay)
        for k, (phi, delay) in enumerate(places, start=1)
    }


def centre_and_rest(seed: int, degrees: Sequence[float] = DEGREES) -> dict[str, Signal]:
    """Make a melody above 220 Hz at the second angle (the centre), between two that are as strong together."""
    rng = np.random.default_rng(seed)
    left, centre, right = degrees
    rest = panned(melody(rng, rests=0.6), left) + panned(melody(rng, rests=0.6), right)
    vocals = panned(melody(rng, lowest=-12), centre)
    return {"vocals": vocals, "accompaniment": rest * (np.linalg.norm(vocals) / np.linalg.norm(rest))}
