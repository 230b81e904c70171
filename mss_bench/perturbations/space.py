"""Rooms, and copies of an instrument."""

from __future__ import annotations

import numpy as np

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio
from mss_bench.perturbations.base import Perturbation, Transform

__all__ = ["Chorus", "Reverberation"]


class Reverberation(Perturbation):
    """Play it in a room: noise that decays exponentially, with a draw of its own for each channel, as its response.

    The references go through the same response. The direct sound stays where it was; the level is what it was, so that
    strengths differ in the room alone.
    """

    name = "reverberation"
    alike = True
    strength = "seconds"
    ladder = (0.3, 0.8, 2.0)

    seconds: float = param(0.8, above=0, at_most=20, unit="s", doc="Time in which the sound decays by 60 dB (RT60).")
    direct: float = param(
        0.0, at_least=-60, at_most=60, unit="dB", doc="Energy of the direct sound, against that of the room's."
    )
    predelay: float = param(5.0, at_least=0, at_most=500, unit="ms", doc="Time until the room answers.")

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        from scipy.signal import oaconvolve

        length = max(1, round(self.seconds * sample_rate))
        decay = 10 ** (-3 * np.arange(length) / (self.seconds * sample_rate))
        # Sample by sample for all channels: a longer response begins as a shorter one does.
        tail = rng.standard_normal((length, len(signal))).T * decay
        tail *= np.sqrt(10 ** (-self.direct / 10) / np.square(tail).sum(axis=1, keepdims=True))
        response = np.pad(tail, ((0, 0), (max(1, round(self.predelay / 1000 * sample_rate)), 0)))
        response[:, 0] = 1.0
        response /= np.sqrt(1 + 10 ** (-self.direct / 10))
        return lambda array: oaconvolve(array.astype(np.float64), response, axes=1)[:, : array.shape[1]]


class Chorus(Perturbation):
    """Add copies whose delay swings, as if several played: each channel has swings of its own.

    The references go through the same delays.
    """

    name = "chorus"
    alike = True
    strength = "depth"
    ladder = (0.5, 2.0, 5.0)

    depth: float = param(2.0, above=0, at_most=20, unit="ms", doc="How far the delay swings to either side.")
    speed: float = param(0.8, above=0, at_most=20, unit="Hz", doc="How often it swings.")
    voices: int = param(2, at_least=1, at_most=8, doc="Copies.")
    mix: float = param(0.5, above=0, at_most=1, doc="Part of the copies, in amplitude.")

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        phases = rng.uniform(0, 2 * np.pi, (self.voices, len(signal)))
        samples = np.arange(signal.shape[1])
        turns = 2 * np.pi * self.speed / sample_rate * samples

        def transform(array: Audio) -> Audio:
            out = (1 - self.mix) * array.astype(np.float64)
            for channel, audio in enumerate(array.astype(np.float64)):
                for phase in phases[:, channel]:
                    delay = (10 + self.depth * (1 + np.sin(turns + phase))) / 1000 * sample_rate
                    copy = np.interp(samples - delay, samples, audio, left=0.0)
                    out[channel] += self.mix / self.voices * copy
            return out.astype(np.float32)

        return transform
