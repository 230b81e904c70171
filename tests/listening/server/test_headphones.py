"""The tones of the headphone check are what they must be."""

from __future__ import annotations

import io
import wave

import numpy as np

from mss_bench.listening.server.flow import tones


def _sound(order: list[str]) -> np.ndarray:
    with wave.open(io.BytesIO(tones(order))) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 44100)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T / 32768


def test_over_loudspeakers_another_tone_is_the_quietest_than_over_headphones() -> None:
    sound = _sound(["same", "antiphase", "quiet"])
    parts = [sound[:, k * 66150 : k * 66150 + 44100] for k in range(3)]
    at_an_ear = [20 * np.log10(np.std(p[0])) for p in parts]
    in_the_room = [np.std(p.sum(axis=0)) for p in parts]
    assert abs(at_an_ear[0] - at_an_ear[1]) < 0.01
    assert abs(at_an_ear[0] - at_an_ear[2] - 6.02) < 0.05
    assert np.argmin(at_an_ear) == 2
    assert np.argmin(in_the_room) == 1


def test_the_tones_begin_and_end_softly() -> None:
    sound = _sound(["same", "quiet", "antiphase"])
    assert np.abs(np.diff(sound, axis=-1)).max() < 0.2 * 2 * np.pi * 200 / 44100 * 1.05
    assert np.abs(sound[:, [0, -1]]).max() < 1e-3
