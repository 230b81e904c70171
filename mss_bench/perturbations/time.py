"""Other clocks: sample rates, speed, and where the song begins. References go along."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio
from mss_bench.errors import AudioError
from mss_bench.perturbations.base import Perturbation, Transform

__all__ = ["Resampling", "Shift", "Speed"]


class Resampling(Perturbation):
    """Resample to another rate and back, which loses the band above half of the lower one."""

    name = "resampling"
    alike = True
    strength = "rate"
    ladder = (48000, 32000, 22050)

    rate: int = param(22050, at_least=4000, at_most=192000, unit="Hz", doc="The rate in between.")

    def without_effect(self, sample_rate: int) -> str:
        return "it is the rate of the songs" if self.rate == sample_rate else ""

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        def transform(array: Audio) -> NDArray[np.floating]:
            there = audio.resample(array, sample_rate, self.rate)
            return audio.resample(there, self.rate, sample_rate)[:, : array.shape[1]]

        return transform


class Speed(Perturbation):
    """Play faster or slower, as a turntable does: tempo and pitch change together, by resampling."""

    name = "speed"
    alike = True
    strength = "percent"
    ladder = (1.0, 3.0, 6.0)
    keeps_time = False
    keeps_length = False

    percent: float = param(3.0, at_least=-50, at_most=100, unit="%", doc="By how much faster; slower where negative.")

    def setup(self) -> None:
        super().setup()
        if self.percent == 0:
            self.refuse("percent", "a number from -50 to 100 other than 0")

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        # Played at its rate, audio that was resampled to a lower one is faster.
        return lambda array: audio.resample(array, round(sample_rate * (1 + self.percent / 100)), sample_rate)


class Shift(Perturbation):
    """Begin later: silence is put before the song, whose end is cut off."""

    name = "shift"
    alike = True
    strength = "ms"
    ladder = (0.02, 1.0, 10.0)
    keeps_time = False

    ms: float = param(10.0, above=0, at_most=10000, unit="ms", doc="Delay, of one sample at least: ms=0.02 is one.")

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        samples, length = max(1, round(self.ms / 1000 * sample_rate)), signal.shape[1]
        if samples >= length > 1:
            raise AudioError(
                f"shift:ms={self.ms:g} leaves nothing of a song of {length / sample_rate:g} s; choose a shorter one"
            )
        return lambda array: np.pad(array, ((0, 0), (samples, 0)))[:, : array.shape[1]]
