"""Distances of magnitude spectrograms: L1-freq and MR-STFT.

- L1-freq, of ZFTurbo's training code: ``100 / (1 + 10 mean| |Y| - |S| |)``, with FFTs of 2048 samples, a hop of 1024
  and a rectangular window; the mean is over channels, frames and bins. It depends on the level of the audio.
- MR-STFT [1]_, the mean over several resolutions of spectral convergence plus log-magnitude distance:
  ``| |Y| - |S| |_F / | |S| |_F + mean| ln |Y| - ln |S| |``, with periodic Hann windows and magnitudes of at least
  ``sqrt(eps)``. Norms and means are over channels, frames and bins. Lower is better.

Sizes are in samples and hold at every sample rate: values at different rates are not comparable. Both are defined for
silent references and estimates. A signal too short to be padded by reflection has no value, and that is said.

References
----------
.. [1] R. Yamamoto, E. Song, J.-M. Kim: Parallel WaveGAN. ICASSP 2020. C. Steinmetz, J. Reiss: auraloss. DMRN+15, 2020.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._magnitudes import Magnitudes, hann
from mss_bench.metrics._signals import Samples
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.presets import resolve

__all__ = ["MRSTFT", "L1Freq"]


class _Spectral(Metric):
    """One number a song from the spectrograms of reference and estimate."""

    def prepare(self, track: TrackAudio, group: TargetGroup) -> dict[str, Samples]:
        """The references, checked.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored.
        """
        return checked_references(track, group)

    def score(self, state: dict[str, Samples], estimates: Stems) -> list[Score]:
        """The distance of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN, and signals that are too short, give NaN with the reason.
        """
        _, spoiled = scorable_estimates(state, estimates)
        scores = []
        for target in (t for t in state if t in estimates):
            reason = spoiled.get(target) or self._why_undefined(state[target].shape[1])
            value = np.nan if reason else self._value(state[target], estimates[target])
            scores.append(Score(target, self.quantities[0].name, np.array([value]), reason=reason))
        return scores

    @abstractmethod
    def _why_undefined(self, samples: int) -> str:
        """Why signals of that length have no value; empty where they have one."""

    @abstractmethod
    def _value(self, reference: Samples, estimate: Samples) -> float: ...


class L1Freq(_Spectral):
    """Mean absolute difference of magnitude spectrograms, mapped to 0 to 100.

    Parameters
    ----------
    preset : {"zfturbo"}, optional
    n_fft, hop : int, optional
        Samples. Default 2048 and 1024.

    Raises
    ------
    ConfigError
        A parameter out of its range.
    """

    name = "l1_freq"
    version = "1"
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

    def __init__(self, *, preset: str | None = None, n_fft: int | None = None, hop: int | None = None) -> None:
        values, self.preset = resolve(self.name, preset, {"n_fft": n_fft, "hop": hop})
        self._magnitudes = Magnitudes(values["n_fft"], values["hop"])

    def _why_undefined(self, samples: int) -> str:
        return self._magnitudes.too_short(samples)

    def _value(self, reference: Samples, estimate: Samples) -> float:
        total, count = 0.0, 0
        for s, y in zip(reference, estimate, strict=True):
            for a, b in zip(self._magnitudes.blocks(s), self._magnitudes.blocks(y), strict=True):
                total += float(np.abs(b - a).sum())
                count += a.size
        return 100 / (1 + 10 * total / count)


class MRSTFT(_Spectral):
    """Multi-resolution distance of magnitude spectrograms; 0 is the best.

    Parameters
    ----------
    preset : {"default", "auraloss"}, optional
        FFTs of 1024, 2048 and 4096 samples with a quarter's hop and windows of full length, or auraloss' defaults: FFTs
        of 1024, 2048 and 512, hops of 120, 240 and 50, windows of 600, 1200 and 240.
    n_ffts, hops, windows : sequence of int, optional
        Samples, one number a resolution; windows at most as long as FFTs.
    eps : float, optional
        Least power of a bin, above 0. Default 1e-8.

    Raises
    ------
    ConfigError
        Sizes of different numbers, or a parameter out of its range.
    """

    name = "mr_stft"
    version = "1"
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

    def __init__(
        self,
        *,
        preset: str | None = None,
        n_ffts: Sequence[int] | None = None,
        hops: Sequence[int] | None = None,
        windows: Sequence[int] | None = None,
        eps: float | None = None,
    ) -> None:
        sizes = {"n_ffts": n_ffts, "hops": hops, "windows": windows}
        given = {key: None if value is None else tuple(value) for key, value in sizes.items()}
        values, self.preset = resolve(self.name, preset, given | {"eps": eps})
        counts = {key: len(values[key]) for key in sizes}
        if len(set(counts.values())) != 1 or not values["n_ffts"]:
            raise ConfigError(f"mr_stft: found {counts} sizes, expected as many of each and at least one")
        for window, n_fft in zip(values["windows"], values["n_ffts"], strict=True):
            if not 1 <= window <= n_fft:
                raise ConfigError(f"mr_stft: a window of {window} samples was asked for, expected 1 to {n_fft}")
        if not 0 < values["eps"] < np.inf:
            raise ConfigError(f"mr_stft: eps is {values['eps']!r}, expected a number above 0")
        self.eps: float = values["eps"]
        self._resolutions = [
            Magnitudes(n_fft, hop, hann(window, n_fft))
            for n_fft, hop, window in zip(values["n_ffts"], values["hops"], values["windows"], strict=True)
        ]

    def _why_undefined(self, samples: int) -> str:
        return next(filter(None, (magnitudes.too_short(samples) for magnitudes in self._resolutions)), "")

    def _value(self, reference: Samples, estimate: Samples) -> float:
        return float(np.mean([self._distance(m, reference, estimate) for m in self._resolutions]))

    def _distance(self, magnitudes: Magnitudes, reference: Samples, estimate: Samples) -> float:
        least, error, energy, logarithms, count = np.sqrt(self.eps), 0.0, 0.0, 0.0, 0
        for s, y in zip(reference, estimate, strict=True):
            for a, b in zip(magnitudes.blocks(s), magnitudes.blocks(y), strict=True):
                np.maximum(a, least, out=a)
                np.maximum(b, least, out=b)
                difference = b - a
                error += float(np.vdot(difference, difference))
                energy += float(np.vdot(a, a))
                np.divide(b, a, out=b)
                logarithms += float(np.abs(np.log(b, out=b), out=b).sum())
                count += a.size
        return float(np.sqrt(error / energy)) + logarithms / count
