"""A made-up voice and what it is to be told from, for the methods that follow a melody.

Not a test module; `conftest.py` hands it to the tests as the fixture `voice_signals`.
"""

from __future__ import annotations

import numpy as np

RATE, SECONDS = 44100, 8
TIME = np.arange(SECONDS * RATE) / RATE


def voice(rng: np.random.Generator, stretch: float = 0.0) -> np.ndarray:
    """Two notes a second with short glides and vibrato, thirty partials ``k f0 (1 + stretch k)`` of amplitude 1/k."""
    notes = np.clip(220 * 2 ** (np.cumsum(rng.choice([-3, -2, -1, 0, 1, 2, 3], 2 * SECONDS)) / 12), 110, 500)
    corners = np.repeat(np.arange(1, 2 * SECONDS), 2) / 2 + np.tile([-0.03, 0.03], 2 * SECONDS - 1)
    pitch = np.interp(TIME, corners, np.repeat(notes, 2)[1:-1])
    pitch *= 2 ** (0.4 / 12 * np.sin(2 * np.pi * 5.5 * TIME + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    partials = (np.sin(k * (1 + stretch * k) * phase + rng.uniform(0, 6)) / k for k in range(1, 31))
    return _unit(np.sum(list(partials), axis=0))


def inharmonic(rng: np.random.Generator) -> np.ndarray:
    """Make the voice with partials stretched as no voice's are: the tenth lies where the fifteenth should."""
    return voice(rng, stretch=0.05)


def white_noise(rng: np.random.Generator) -> np.ndarray:
    return _unit(rng.standard_normal(TIME.size))


def pink_noise(rng: np.random.Generator) -> np.ndarray:
    """Power falls by 3 dB an octave from 20 Hz on."""
    spectrum = np.fft.rfft(rng.standard_normal(TIME.size))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(TIME.size, 1 / RATE) / 20, 1))
    return _unit(np.fft.irfft(spectrum, TIME.size))


def percussion(rng: np.random.Generator) -> np.ndarray:
    """Four bursts of noise a second, dry or ringing."""
    out = np.zeros(TIME.size)
    for start in np.arange(0.1, SECONDS - 0.2, 0.25):
        first = int(RATE * (start + 0.02 * rng.random()))
        out[first : first + 4000] += rng.standard_normal(4000) * np.exp(-np.arange(4000) / rng.choice([200, 800]))
    return _unit(out)


BACKGROUNDS = {"white noise": white_noise, "percussion": percussion, "pink noise": pink_noise}


def _unit(signal: np.ndarray) -> np.ndarray:
    return np.asarray(signal / np.std(signal))
