"""Distances of magnitude spectrograms: L1-freq and MR-STFT.

- L1-freq, of ZFTurbo's training code: ``100 / (1 + 10 mean| |Y| - |S| |)``, with FFTs of 2048 samples, a hop of 1024
  and a rectangular window; the mean is over channels, frames and bins. It depends on the level of the audio.
- MR-STFT [1]_, the mean over several resolutions of spectral convergence plus log-magnitude distance:
  ``| |Y| - |S| |_F / | |S| |_F + mean| ln |Y| - ln |S| |``, with periodic Hann windows and magnitudes of at least
  ``sqrt(eps)``. Norms and means are over channels, frames and bins. Lower is better.

Sizes are in samples and hold at every sample rate: values at different rates are not comparable. Both have values for
silent estimates; for references that are silent throughout only in the presets that name a tool. A signal too short to
be padded by reflection has no value, and that is said.

References
----------
.. [1] R. Yamamoto, E. Song, J.-M. Kim: Parallel WaveGAN. ICASSP 2020. C. Steinmetz, J. Reiss: auraloss. DMRN+15, 2020.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mss_bench.core.arrays import Samples
from mss_bench.core.parameters import param
from mss_bench.errors import ConfigError
from mss_bench.metrics._magnitudes import Magnitudes, hann
from mss_bench.metrics.base import Prepared, Quantity, SilentReferences, Value

__all__ = ["MRSTFT", "L1Freq"]


class L1Freq(SilentReferences):
    """Mean absolute difference of magnitude spectrograms, mapped to 0 to 100."""

    name = "l1_freq"
    version = "2"
    quantities = (
        Quantity(
            "L1-freq", "", True, "100 / (1 + 10 mean| |STFT y| - |STFT s| |), rectangular window", least=0, most=100
        ),
    )
    citation = "R. Solovyev: Music-Source-Separation-Training, https://github.com/ZFTurbo, 2023"
    caution = (
        "It depends on the level and the sample rate of the audio and, with a rectangular window, on what a loud tone "
        "leaks into other bins; songs are not to be compared by it. Phases do not count."
    )
    presets: ClassVar = {"default": {}, "zfturbo": {"silent_reference": "scored"}}

    n_fft: int = param(2048, at_least=2, unit="samples", doc="Length of the FFT, an even number.")
    hop: int = param(1024, at_least=1, unit="samples", doc="Step from frame to frame.")

    def setup(self) -> None:
        self._magnitudes = Magnitudes(self.n_fft, self.hop)

    def measure(self, track: Prepared[None], target: str, estimate: Samples) -> Value:
        if reason := self._magnitudes.too_short(track.samples):
            return reason
        total, count = 0.0, 0
        for s, y in zip(track.references[target], estimate, strict=True):
            for a, b in zip(self._magnitudes.blocks(s), self._magnitudes.blocks(y), strict=True):
                total += float(np.abs(b - a).sum())
                count += a.size
        return 100 / (1 + 10 * total / count)


class MRSTFT(SilentReferences):
    """Multi-resolution distance of magnitude spectrograms; 0 is the best.

    The preset ``"default"`` has windows of full length with a quarter of it as hop, ``"auraloss"`` that package's
    defaults.
    """

    name = "mr_stft"
    version = "2"
    quantities = (
        Quantity(
            "MR-STFT",
            "",
            False,
            "mean over resolutions of |Y - S|_F / |S|_F + mean|ln Y - ln S| of magnitudes",
            least=0,
        ),
    )
    citation = "R. Yamamoto, E. Song, J.-M. Kim: Parallel WaveGAN, ICASSP 2020"
    caution = (
        "Phases do not count, nor does what they do to the stereo image, and logarithms make soft bins weigh as much "
        "as loud ones: a low-pass or exact silence costs more than it is heard. Values at different sample rates are "
        "not comparable."
    )
    presets: ClassVar = {
        "default": {},
        "auraloss": {
            "n_ffts": (1024, 2048, 512),
            "hops": (120, 240, 50),
            "windows": (600, 1200, 240),
            "silent_reference": "scored",
        },
    }

    n_ffts: tuple[int, ...] = param((1024, 2048, 4096), at_least=2, unit="samples", doc="FFT of each resolution.")
    hops: tuple[int, ...] = param((256, 512, 1024), at_least=1, unit="samples", doc="Hop of each.")
    windows: tuple[int, ...] = param((1024, 2048, 4096), at_least=1, unit="samples", doc="Window, at most the FFT.")
    eps: float = param(1e-8, above=0, doc="Least power of a bin.")

    def setup(self) -> None:
        counts = {key: len(getattr(self, key)) for key in ("n_ffts", "hops", "windows")}
        if len(set(counts.values())) != 1 or not self.n_ffts:
            raise ConfigError(f"mr_stft: found {counts} sizes, expected as many of each and at least one")
        for window, n_fft in zip(self.windows, self.n_ffts, strict=True):
            if window > n_fft:
                raise ConfigError(f"mr_stft: a window of {window} samples was asked for, expected 1 to {n_fft}")
        self._resolutions = [
            Magnitudes(n_fft, hop, hann(window, n_fft))
            for n_fft, hop, window in zip(self.n_ffts, self.hops, self.windows, strict=True)
        ]

    def measure(self, track: Prepared[None], target: str, estimate: Samples) -> Value:
        for magnitudes in self._resolutions:
            if reason := magnitudes.too_short(track.samples):
                return reason
        return float(np.mean([self._distance(m, track.references[target], estimate) for m in self._resolutions]))

    def _distance(self, magnitudes: Magnitudes, reference: Samples, estimate: Samples) -> float:
        least, error, energy, logarithms, count = np.sqrt(self.eps), 0.0, 0.0, 0.0, 0
        for s, y in zip(reference, estimate, strict=True):
            for a, b in zip(magnitudes.blocks(s), magnitudes.blocks(y), strict=True):
                np.maximum(a, least, out=a)  # before the differences: auraloss takes both terms of limited magnitudes
                np.maximum(b, least, out=b)
                difference = b - a
                error += float(np.vdot(difference, difference))
                energy += float(np.vdot(a, a))
                np.divide(b, a, out=b)  # one logarithm of the ratio instead of two
                logarithms += float(np.abs(np.log(b, out=b), out=b).sum())
                count += a.size
        return float(np.sqrt(error / energy)) + logarithms / count
