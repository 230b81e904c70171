"""Signals on which the kernel models hold, or do not: clicks, chords, a voice, loops and glides.

Not a test module; `conftest.py` hands it to the tests as the fixture `kernel_signals`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 22050
LOOP = 2.0

Signal = NDArray[np.float64]


def clicks(rng: np.random.Generator, seconds: float = 6.0, rate: int = 44100) -> Signal:
    """Make a short burst of noise every quarter of a second."""
    out = np.zeros(round(seconds * rate))
    length = rate // 110
    for start in np.arange(0.1, seconds - 0.1, 0.25):
        first = int(rate * (start + 0.02 * rng.random()))
        out[first : first + length] += rng.standard_normal(length) * np.exp(-np.arange(length) / (0.15 * length))
    return _level(out)


def chords(rng: np.random.Generator, seconds: float = 6.0, rate: int = 44100, jitter: float = 0.0) -> Signal:
    """Make a chord about every second, each of three notes with eight partials."""
    time = np.arange(round(seconds * rate)) / rate
    out, start = np.zeros(time.size), 0
    while start < time.size:
        part = slice(start, start + round(rate * (1 + jitter * rng.uniform(-1, 1))))
        edge = np.arange(time[part].size)
        fade = np.minimum(1, np.minimum(edge, edge[::-1]) / (0.045 * rate))
        for note in rng.integers(48, 72, 3):
            frequency = 440 * 2 ** ((note - 69) / 12)
            for k in range(1, 9):
                out[part] += fade * np.sin(2 * np.pi * k * frequency * time[part] + 6 * rng.random()) / k
        start = part.stop
    return _level(out)


def voice(seconds: float = 6.0, rate: int = 44100) -> Signal:
    """Make a harmonic tone that glides and wavers."""
    time = np.arange(round(seconds * rate)) / rate
    wobble = 330 * time + 3.0 * np.sin(2 * np.pi * 2.2 * time) + 0.8 * np.sin(2 * np.pi * 5.5 * time)
    return _level(np.sum([np.sin(2 * np.pi * k * wobble) / k for k in range(1, 12)], axis=0))


def bar(rng: np.random.Generator, seconds: float = LOOP) -> Signal:
    """Four chords and eight strokes."""
    time = np.arange(int(seconds * RATE)) / RATE
    out = np.zeros(time.size)
    for beat in range(4):
        on = (time >= beat * seconds / 4) * (time < (beat + 1) * seconds / 4)
        for frequency in rng.uniform(150, 1500, 3):
            out += on * sum(np.sin(2 * np.pi * k * frequency * time) / k for k in range(1, 6))
    for start in np.arange(8) * seconds / 8:
        first = int(start * RATE)
        out[first : first + 600] += 4 * rng.standard_normal(600) * np.exp(-np.arange(600) / 100)
    return out


def loop(rng: np.random.Generator, seconds: float = 20.0, period: float = LOOP) -> Signal:
    """Repeat a bar again and again."""
    return _level(np.resize(bar(rng, period), round(seconds * RATE)))


def slowing_loop(rng: np.random.Generator, seconds: float = 30.0, rest: float = 0.05) -> Signal:
    """Repeat a bar again and again, with a rest after it that is longer each time."""
    once, out = bar(rng), []
    for k in range(int(seconds / LOOP)):
        out += [once, np.zeros(round(k * rest * RATE))]
    return _level(np.concatenate(out)[: round(seconds * RATE)])


def two_loops(rng: np.random.Generator) -> Signal:
    """Make a loop of 2 s for 15 s, then another one of 1.5 s for 15 s."""
    return np.concatenate([loop(rng, 15.0, LOOP), loop(rng, 15.0, 1.5)], axis=-1)


def glides(rng: np.random.Generator, active: float = 1.0, seconds: int = 20) -> Signal:
    """Make a harmonic tone that wanders; silent but for a share of the half seconds."""
    steps = np.cumsum(rng.standard_normal(seconds * 4))
    pitch = 300 * 2 ** (np.interp(np.arange(seconds * RATE) / RATE, np.arange(seconds * 4) / 4, steps) / 8)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    out = _level(np.sum([np.sin(k * phase) / k for k in range(1, 10)], axis=0))
    return out * np.repeat(rng.random(seconds * 2) < active, RATE // 2)


def riff(rng: np.random.Generator, seconds: float, period: float = 1.5) -> Signal:
    """Make a glide of a second and a half, again and again: neither steady nor broad, but it repeats."""
    time = np.arange(int(period * RATE)) / RATE
    pitch = 400 * 2 ** (np.cumsum(rng.standard_normal(12)) / 4)
    phase = 2 * np.pi * np.cumsum(np.interp(time, np.arange(13) * period / 12, [*pitch, pitch[0]])) / RATE
    return _level(np.resize(np.sum([np.sin(k * phase) / k for k in range(1, 8)], axis=0), round(seconds * RATE)))


def panned(source: Signal, degrees: float) -> Signal:
    """Two channels; 0 is left, 45 the centre, 90 right."""
    angle = np.deg2rad(degrees)
    return np.concatenate([np.cos(angle) * source, np.sin(angle) * source])


def _level(signal: Signal) -> Signal:
    """One channel of unit power."""
    return signal[None] / np.std(signal)
