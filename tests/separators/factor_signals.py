"""Signals on which the models of the factorisation methods hold, or do not; shared by their tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16000
SECONDS = 10

Signal = NDArray[np.float64]

LOW_NOTES = (131.0, 165.0, 196.0, 233.0, 277.0)
HIGH_NOTES = (330.0, 392.0, 466.0, 554.0, 659.0)


def time(seconds: float = SECONDS) -> Signal:
    return np.arange(round(seconds * RATE)) / RATE


def level(signal: Signal) -> Signal:
    """Turn an array into a signal of one channel and unit power."""
    return np.atleast_2d(signal) / np.std(signal)


def notes(rng: np.random.Generator, pitches: tuple[float, ...], partials: int = 8, length: float = 0.25) -> Signal:
    """Make a melody of decaying harmonic notes of these pitches in any order, one every `length` seconds."""
    t = time()
    out = np.zeros(t.size)
    step = round(length * RATE)
    for first in range(0, t.size, step):
        on = t[: min(step, t.size - first)]
        pitch = rng.choice(pitches)
        tone = sum(np.sin(2 * np.pi * (k * pitch * on + rng.random())) / k for k in range(1, partials + 1))
        out[first : first + step] += rng.uniform(0.3, 1.0) * tone * np.exp(-3 * on) * np.minimum(1.0, 100 * on)
    return level(out)


def clicks(rng: np.random.Generator) -> Signal:
    """Short bursts of noise at irregular moments, about three a second."""
    out = np.zeros(time().size)
    for first in np.cumsum(rng.uniform(0.2, 0.5, 4 * SECONDS)):
        start = round(first * RATE)
        burst = rng.standard_normal(600) * np.exp(-np.arange(600) / 100)
        piece = out[start : start + 600]
        piece += burst[: piece.size]
    return level(out)


def chords(rng: np.random.Generator) -> Signal:
    """Three notes at a time, held for half a second."""
    return level(sum(notes(rng, LOW_NOTES, length=0.5) for _ in range(3)))


def loop(rng: np.random.Generator, seconds: float = 2.0) -> Signal:
    """Two seconds of four chords and eight strokes, again and again."""
    t = time(seconds)
    out = np.zeros(t.size)
    for beat in range(4):
        on = (t >= beat * seconds / 4) * (t < (beat + 1) * seconds / 4)
        for pitch in rng.uniform(150, 1500, 3):
            out += on * sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 6))
    for start in np.arange(8) * seconds / 8:
        first = round(start * RATE)
        out[first : first + 600] += 4 * rng.standard_normal(600) * np.exp(-np.arange(600) / 100)
    return level(np.tile(out, SECONDS * RATE // t.size + 1)[: SECONDS * RATE])


def glides(rng: np.random.Generator) -> Signal:
    """Make a harmonic tone whose pitch wanders all the time."""
    t = time()
    steps = np.cumsum(rng.standard_normal(SECONDS * 4))
    pitch = 300 * 2 ** (np.interp(t, np.arange(SECONDS * 4) / 4, steps) / 8)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    return level(sum(np.sin(k * phase) / k for k in range(1, 10)))


def envelope(rng: np.random.Generator, length: float = 0.5, active: float = 0.6) -> Signal:
    """On and off at random, in pieces of `length` seconds, with soft edges."""
    t = time()
    on = np.repeat(rng.random(int(SECONDS / length) + 1) < active, round(length * RATE))[: t.size]
    edge = np.hanning(round(0.02 * RATE))
    return np.convolve(on, edge / edge.sum(), mode="same")


def unison(rng: np.random.Generator, rate: float, depth: float, pitch: float = 440.0) -> Signal:
    """Make a tone of that pitch with a vibrato of `rate` Hz and `depth` semitones, without an envelope."""
    t = time()
    bend = depth / 12 * np.log(2) * np.sin(2 * np.pi * (rate * t + rng.random()))
    phase = 2 * np.pi * np.cumsum(pitch * np.exp(bend)) / RATE
    return level(sum(np.sin(k * phase + rng.uniform(0, 6.28)) / k for k in range(1, 10)))
