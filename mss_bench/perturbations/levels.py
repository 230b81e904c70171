"""Level, polarity, channels, noise and band."""

from __future__ import annotations

import numpy as np

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio
from mss_bench.perturbations.base import Perturbation, Transform

__all__ = ["BandLoss", "Gain", "Mono", "Noise", "Polarity"]


class Gain(Perturbation):
    """Change the level; nothing is clipped."""

    name = "gain"
    alike = True
    strength = "db"
    ladder = (-6.0, -12.0, -24.0)

    db: float = param(
        -12.0, at_least=-60, at_most=60, unit="dB", doc="Gain; lower, the epsilon of some metrics counts."
    )

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        factor = np.float32(10 ** (self.db / 20))
        return lambda array: array * factor


class Polarity(Perturbation):
    """Turn all samples over, which nobody hears."""

    name = "polarity"
    alike = True

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        return np.negative


class Mono(Perturbation):
    """Fold all channels down to their mean, which every channel then has."""

    name = "mono"
    alike = True

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        return lambda array: np.repeat(array.mean(axis=0, keepdims=True, dtype=np.float64), len(array), axis=0)


class Noise(Perturbation):
    """Add white noise, other in each channel. References stay clean."""

    name = "noise"
    strength = "snr"
    ladder = (40.0, 30.0, 20.0)

    snr: float = param(30.0, at_least=-20, at_most=120, unit="dB", doc="Level of the music above that of the noise.")

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        level = float(np.sqrt(np.mean(np.square(signal, dtype=np.float64)))) * 10 ** (-self.snr / 20)
        noise = level * rng.standard_normal(signal.shape, dtype=np.float32)
        return lambda array: array + noise.astype(np.float32)


class BandLoss(Perturbation):
    """Take away what is above a frequency, and what is below another. References keep their whole band.

    Filters of 8th order (Butterworth) run forwards and backwards: no phase, and twice the loss.
    """

    name = "band_loss"
    strength = "above"
    ladder = (16000.0, 8000.0, 4000.0)

    above: float = param(8000.0, at_least=100, at_most=100000, unit="Hz", doc="Nothing is left above.")
    below: float = param(0.0, at_least=0, at_most=10000, unit="Hz", doc="Nothing is left below (default: all is).")

    def setup(self) -> None:
        super().setup()
        if self.below >= self.above:
            self.refuse("below", f"less than above, {self.above:g} Hz")

    def without_effect(self, sample_rate: int) -> str:
        idle = self.above >= sample_rate / 2 and not 0 < self.below < sample_rate / 2
        return f"songs at {sample_rate} Hz have no band above {sample_rate / 2:g} Hz" if idle else ""

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        from scipy.signal import butter, sosfiltfilt

        filters = []
        if self.above < sample_rate / 2:
            filters.append(butter(8, self.above, "lowpass", fs=sample_rate, output="sos"))
        if 0 < self.below < sample_rate / 2:
            filters.append(butter(8, self.below, "highpass", fs=sample_rate, output="sos"))

        def transform(array: Audio) -> Audio:
            out = np.asarray(array, dtype=np.float64)
            for sos in filters:
                padding = min(3 * 17, out.shape[1] - 1)  # the usual one, as far as a short signal has it
                out = sosfiltfilt(sos, out, axis=1, padlen=padding)
            return out.astype(np.float32)

        return transform
