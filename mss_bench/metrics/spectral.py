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

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.parameters import param
from mss_bench.errors import ConfigError
from mss_bench.metrics._magnitudes import Magnitudes, hann
from mss_bench.metrics._mel import mel_weights
from mss_bench.metrics.base import Prepared, Quantity, SilentReferences, Value

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["MRSTFT", "AuraMRSTFT", "AuraSTFT", "L1Freq"]


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


class _MultiResolution(SilentReferences):
    """What distances of several resolutions share: sizes, weighting and bands."""

    n_ffts: tuple[int, ...] = param((1024, 2048, 4096), at_least=2, unit="samples", doc="FFT of each resolution.")
    hops: tuple[int, ...] = param((256, 512, 1024), at_least=1, unit="samples", doc="Hop of each.")
    windows: tuple[int, ...] = param((1024, 2048, 4096), at_least=1, unit="samples", doc="Window, at most the FFT.")
    eps: float = param(1e-8, above=0, doc="Least power of a bin.")
    weighting: Literal["none", "a"] = param(
        "none",
        doc="What signals are filtered by first: nothing, or the A-weighting as auraloss' FIR filter of 101 taps.",
    )
    bands: int = param(0, at_least=0, doc="Mel bands that magnitudes are summed in; 0 for none.")
    per_channel: bool = param(False, doc="Mean over channels of a distance of each, instead of one of all together.")

    _rate: int = 0
    """Sample rate in Hz that weighting and bands are made for; 0 for that of the track."""

    _relative_to_estimate: bool = False
    """Whether spectral convergence is relative to the estimate, as where a tool hands both over in the other order."""

    def setup(self) -> None:
        counts = {key: len(getattr(self, key)) for key in ("n_ffts", "hops", "windows")}
        if len(set(counts.values())) != 1 or not self.n_ffts:
            raise ConfigError(f"{self.name}: found {counts} sizes, expected as many of each and at least one")
        for window, n_fft in zip(self.windows, self.n_ffts, strict=True):
            if window > n_fft:
                raise ConfigError(f"{self.name}: a window of {window} samples was asked for, expected 1 to {n_fft}")
        self._resolutions = [
            Magnitudes(n_fft, hop, hann(window, n_fft))
            for n_fft, hop, window in zip(self.n_ffts, self.hops, self.windows, strict=True)
        ]

    def distance(self, track: Prepared[None], target: str, estimate: Samples) -> Value:
        """Return the mean over resolutions of spectral convergence plus log-magnitude distance."""
        for magnitudes in self._resolutions:
            if reason := magnitudes.too_short(track.samples):
                return reason
        rate = self._rate or track.sample_rate
        reference, estimate = (self._weighted(x, rate) for x in (track.references[target], estimate))
        if self._relative_to_estimate:
            reference, estimate = estimate, reference
        parts = [(s[None], y[None]) for s, y in zip(reference, estimate, strict=True)]
        pairs = parts if self.per_channel else [(reference, estimate)]
        return float(np.mean([self._distance(m, s, y, rate) for s, y in pairs for m in self._resolutions]))

    def _weighted(self, array: Samples, rate: int) -> Samples:
        if self.weighting == "none":
            return array
        from scipy.signal import oaconvolve

        return np.asarray(oaconvolve(array, a_weighting(rate)[np.newaxis], mode="same", axes=-1))

    def _distance(self, magnitudes: Magnitudes, reference: Samples, estimate: Samples, rate: int) -> float:
        least, error, energy, logarithms, count = np.sqrt(self.eps), 0.0, 0.0, 0.0, 0
        weights = _mel(rate, magnitudes.n_fft, self.bands) if self.bands else None
        for s, y in zip(reference, estimate, strict=True):
            for a, b in zip(magnitudes.blocks(s), magnitudes.blocks(y), strict=True):
                np.maximum(a, least, out=a)  # before the differences: auraloss takes both terms of limited magnitudes
                np.maximum(b, least, out=b)
                if weights is not None:
                    a, b = weights @ a.T, weights @ b.T
                difference = b - a
                error += float(np.vdot(difference, difference))
                energy += float(np.vdot(a, a))
                np.divide(b, a, out=b)  # one logarithm of the ratio instead of two
                logarithms += float(np.abs(np.log(b, out=b), out=b).sum())
                count += a.size
        return float(np.sqrt(error / energy)) + logarithms / count


_GENSVS: dict[str, object] = {
    "n_ffts": (256, 512, 1024, 2048, 4096),
    "hops": (64, 128, 256, 512, 1024),
    "windows": (256, 512, 1024, 2048, 4096),
    "weighting": "a",
    "per_channel": True,
    "silent_reference": "scored",
}


class MRSTFT(_MultiResolution):
    """Multi-resolution distance of magnitude spectrograms; 0 is the best.

    The preset ``"default"`` has windows of full length with a quarter of it as hop, ``"auraloss"`` that package's
    defaults, ``"gensvs"`` the settings of a study of generative separators: five resolutions, A-weighted, channel by
    channel.
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
        "gensvs": _GENSVS,
    }

    def measure(self, track: Prepared[None], target: str, estimate: Samples) -> Value:
        return self.distance(track, target, estimate)


class _Aura(_MultiResolution):
    """A distance of auraloss, mapped to 0 to 100 as ZFTurbo's training code does."""

    citation = "R. Solovyev: Music-Source-Separation-Training, https://github.com/ZFTurbo, 2023"
    caution = (
        "A mapped distance of magnitudes: phases and the stereo image do not count, soft bins weigh as much as loud "
        "ones, and the map squeezes bad values together. Values at different sample rates are not comparable."
    )
    _rate = 44100
    _relative_to_estimate = True

    def measure(self, track: Prepared[None], target: str, estimate: Samples) -> Value:
        distance = self.distance(track, target, estimate)
        return distance if isinstance(distance, str) else 100 / (1 + 10 * float(distance))


class AuraSTFT(_Aura):
    """Similarity of magnitude spectrograms at one resolution, by auraloss; 100 is the best."""

    name = "aura_stft"
    quantities = (
        Quantity("Aura-STFT", "", True, "100 / (1 + 10 L), L the STFT loss of auraloss, FFT 1024", least=0, most=100),
    )
    presets: ClassVar = {"default": {}, "zfturbo": {"silent_reference": "scored"}}

    n_ffts: tuple[int, ...] = param((1024,), at_least=2, unit="samples", doc="FFT of each resolution.")
    hops: tuple[int, ...] = param((256,), at_least=1, unit="samples", doc="Hop of each.")
    windows: tuple[int, ...] = param((1024,), at_least=1, unit="samples", doc="Window, at most the FFT.")


class AuraMRSTFT(_Aura):
    """Similarity of A-weighted mel spectrograms at three resolutions, by auraloss; 100 is the best."""

    name = "aura_mrstft"
    quantities = (
        Quantity(
            "Aura-MRSTFT", "", True, "100 / (1 + 10 L), L the loss of auraloss over three resolutions, 128 mel bands",
            least=0, most=100,
        ),
    )  # fmt: skip
    presets: ClassVar = {"default": {}, "zfturbo": {"silent_reference": "scored"}}

    weighting: Literal["none", "a"] = param("a", doc="What signals are filtered by first: none, or the A-weighting.")
    bands: int = param(128, at_least=0, doc="Mel bands that magnitudes are summed in; 0 for none.")


@lru_cache(maxsize=8)
def _mel(sample_rate: int, n_fft: int, bands: int) -> csr_array:
    return mel_weights(sample_rate, n_fft, bands)


@lru_cache(maxsize=8)
def a_weighting(sample_rate: int) -> Floats:
    """Return auraloss' FIR filter of the A-weighting, ``(101,)``: the analogue one of IEC 61672, fitted to 512 bins."""
    from scipy import signal

    poles = 2 * np.pi * np.array([20.598997, 107.65265, 737.86223, 12194.217])
    numerator = [poles[3] ** 2 * 10 ** (1.9997 / 20), 0, 0, 0, 0]
    denominator = np.poly(-np.array([poles[3], poles[3], poles[0], poles[0], poles[2], poles[1]]))
    b, a = signal.bilinear(numerator, denominator, fs=sample_rate)
    frequencies, response = signal.freqz(b, a, worN=512, fs=sample_rate)
    taps: Floats = signal.firls(101, frequencies, np.abs(response), fs=sample_rate)
    return taps
