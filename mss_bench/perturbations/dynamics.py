"""Dynamics: clipping, distortion, compression, and the limiter of a loud master."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio
from mss_bench.dsp.loudness import BLOCK, integrated_loudness
from mss_bench.perturbations.base import Perturbation, Transform

__all__ = ["Clipping", "Compression", "Distortion", "Limiter"]


class Clipping(Perturbation):
    """Cut the peaks off. References stay clean."""

    name = "clipping"
    strength = "db"
    ladder = (3.0, 6.0, 12.0)

    db: float = param(6.0, above=0, at_most=60, unit="dB", doc="How far below the song's peak it clips.")

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        most = np.float32(_peak(signal) * 10 ** (-self.db / 20))
        return lambda array: np.clip(array, -most, most)


class Distortion(Perturbation):
    """Overdrive: a soft curve, tanh, that the signal is driven into; the level stays about what it was.

    References stay clean, except where it is the sound of an instrument: ``distortion:stems=bass``.
    """

    name = "distortion"
    strength = "drive"
    ladder = (6.0, 12.0, 24.0)

    drive: float = param(12.0, above=0, at_most=60, unit="dB", doc="Gain of the song's peak above full drive.")

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        peak, drive = _peak(signal) or 1.0, 10 ** (self.drive / 20)
        level = np.sqrt(np.mean(np.square(signal, dtype=np.float64)))
        driven = np.sqrt(np.mean(np.square(np.tanh(drive / peak * signal.astype(np.float64)))))
        factor = level / driven if driven else 1.0
        return lambda array: factor * np.tanh(drive / peak * array.astype(np.float64))


class Compression(Perturbation):
    """Compress: above a threshold the level rises more slowly, and the loss is made up by a gain.

    The gain follows the level of the song, of all channels together, and the references go through the same curve.
    """

    name = "compression"
    alike = True
    strength = "ratio"
    ladder = (2.0, 4.0, 10.0)

    ratio: float = param(4.0, at_least=1, at_most=100, doc="dB that the level rises for one dB above the threshold.")
    threshold: float = param(
        -12.0, at_least=-80, at_most=0, unit="dB", doc="Threshold, against the greatest level of the song."
    )
    attack: float = param(10.0, above=0, at_most=1000, unit="ms", doc="Time in which the gain goes down.")
    release: float = param(150.0, above=0, at_most=5000, unit="ms", doc="Time in which it comes back.")

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        hop = max(1, sample_rate // 1000)
        power = _blocks(np.square(signal, dtype=np.float64).mean(axis=0), hop).mean(axis=1)
        level = 10 * np.log10(np.maximum(power, 1e-20))
        over = np.maximum(level - level.max(initial=-200.0) - self.threshold, 0)
        wanted = -over * (1 - 1 / self.ratio)
        smoothed = _smoothed(wanted, hop / sample_rate, self.attack / 1000, self.release / 1000)
        at = (np.arange(signal.shape[1]) - hop / 2) / hop
        curve = np.interp(at, np.arange(len(smoothed)), smoothed)
        before = float(np.square(signal, dtype=np.float64).sum())
        after = float((np.square(signal, dtype=np.float64) * 10 ** (curve / 10)).sum())
        gain = 10 ** (curve / 20) * (np.sqrt(before / after) if after else 1.0)
        return lambda array: array * gain


class Limiter(Perturbation):
    """Make it loud, as masters are: a gain, and a limiter that keeps the peaks below a ceiling.

    As in MUSDB-XL [1]_ the gain curve of the mixture is that of every stem: what is separated is the loud master. The
    gain raises the mixture to the wanted loudness, of which the limiter then takes some back. It looks ahead, and every
    sample of all channels stays below the ceiling.

    References
    ----------
    .. [1] C.-B. Jeon and K. Lee, "Towards robust music source separation on loud commercial music", ISMIR 2022.
    """

    name = "limiter"
    alike = True
    strength = "loudness"
    ladder = (-14.0, -9.0, -6.0)

    loudness: float = param(-9.0, at_least=-40, at_most=0, unit="LUFS", doc="Loudness that the gain aims at.")
    ceiling: float = param(-0.3, at_least=-20, at_most=0, unit="dBFS", doc="What no sample exceeds.")
    lookahead: float = param(1.5, above=0, at_most=50, unit="ms", doc="Time in which the gain goes down before a peak.")
    release: float = param(60.0, above=0, at_most=5000, unit="ms", doc="Time in which it comes back.")

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        from scipy.ndimage import minimum_filter1d, uniform_filter1d

        short = signal.shape[1] < BLOCK * sample_rate
        before = -np.inf if short else integrated_loudness(signal[:2], sample_rate)
        drive = 10 ** ((self.loudness - before) / 20) if np.isfinite(before) else 1.0
        peaks = drive * np.abs(signal).max(axis=0).astype(np.float64)
        needed = np.minimum(1.0, 10 ** (self.ceiling / 20) / np.maximum(peaks, 1e-12))
        reach = max(1, round(self.lookahead / 1000 * sample_rate))
        # The least of what is needed around each sample; its mean over as many is smooth, and low enough for each.
        held = minimum_filter1d(needed, 2 * reach + 1, mode="nearest")
        held = _released(held, np.exp(-1 / (self.release / 1000 * sample_rate)))
        curve = drive * np.minimum(uniform_filter1d(held, 2 * reach + 1, mode="nearest"), needed)
        return lambda array: array * curve


def _peak(signal: Audio) -> float:
    return float(np.abs(signal).max(initial=0.0))


def _blocks(samples: NDArray[np.float64], hop: int) -> NDArray[np.float64]:
    """Return samples in blocks ``(blocks, hop)``, the last of which is filled with its last sample."""
    blocks = max(1, -(-len(samples) // hop))
    return np.pad(samples, (0, blocks * hop - len(samples)), mode="edge").reshape(blocks, hop)


def _smoothed(wanted: NDArray[np.float64], step: float, attack: float, release: float) -> NDArray[np.float64]:
    """Return gains in dB that follow the wanted ones with a time to go down and another to come back."""
    down, up = np.exp(-step / attack), np.exp(-step / release)
    out, gain = np.empty_like(wanted), 0.0
    for i, target in enumerate(wanted.tolist()):
        pole = down if target < gain else up
        gain = pole * gain + (1 - pole) * target
        out[i] = gain
    return out


def _released(held: NDArray[np.float64], pole: float) -> NDArray[np.float64]:
    """Return gains that go down at once and come back exponentially.

    ``1 - out[i] = max(1 - held[i], pole * (1 - out[i - 1]))``, which is a running maximum once the decay is divided
    out; in pieces, as its exponents would overflow.
    """
    reduction, last = 1 - held, 0.0
    out = np.empty_like(reduction)
    piece = max(1, int(-50 / np.log(pole)))
    for start in range(0, len(reduction), piece):
        part = reduction[start : start + piece]
        decay = pole ** np.arange(1, len(part) + 1)
        out[start : start + piece] = np.maximum.accumulate(np.maximum(part / decay, last)) * decay
        last = float(out[start + len(part) - 1])
    return 1 - out
