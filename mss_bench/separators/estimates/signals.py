"""Correlations of two signals, as the estimate doctor needs them.

Arrays are ``(channels, samples)``; sums run over both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio

__all__ = ["Lag", "Spectra", "correlation", "dot", "find_lag", "shifted"]

MAX_LAG = 0.2
"""Seconds."""
_MAX_BLOCKS = 24  # of about 1.5 s: more add time, and no certainty
_PROMINENCE = 8.0  # noise alone reaches about 4.4 times its rms over the 17,640 lags at 44.1 kHz


def dot(a: Audio, b: Audio) -> float:
    """Return the inner product over channels and samples."""
    return float(sum(float(np.dot(u, v)) for u, v in zip(a, b, strict=True)))


def correlation(a: Audio, b: Audio) -> float:
    """Return the normalised inner product, -1 to 1; 0 where one is silent."""
    energy = dot(a, a) * dot(b, b)
    return dot(a, b) / math.sqrt(energy) if energy > 0 else 0.0


def shifted(array: Audio, samples: int) -> Audio:
    """Return an array without its first samples, or without its last where the number is negative."""
    return array[:, samples:] if samples >= 0 else array[:, :samples]


@dataclass(frozen=True)
class Spectra:
    """Spectra of blocks spread evenly over a signal.

    Parameters
    ----------
    values : (blocks, channels, bins) complex64
    power : (channels, bins) float32
        Mean over the blocks.
    block : int
        Samples.
    max_lag : int
        Samples.
    """

    values: NDArray[np.complex64]
    power: NDArray[np.float32]
    block: int
    max_lag: int

    @classmethod
    def of(cls, array: Audio, sample_rate: int) -> Spectra:
        """Transform a signal; signals of one length and rate get the same blocks."""
        from scipy import fft

        samples = array.shape[-1]
        max_lag = min(round(MAX_LAG * sample_rate), samples // 4)
        # Blocks of several times the longest lag: what a lag moves out of a block is lost to the correlation.
        block = 1 << math.ceil(math.log2(max(6 * MAX_LAG * sample_rate, 64)))
        size = min(block, samples)
        count = min(_MAX_BLOCKS, max(1, math.ceil(1.5 * samples / size) - 1))
        starts = np.linspace(0, samples - size, count).astype(int)
        blocks = np.stack([array[:, start : start + size] for start in starts]).astype(np.float32, copy=False)
        values = fft.rfft(blocks * np.hanning(size).astype(np.float32), block, axis=-1)
        return cls(values, np.mean(values.real**2 + values.imag**2, axis=0), block, max_lag)


@dataclass(frozen=True)
class Lag:
    """Where one signal fits another best.

    Parameters
    ----------
    samples : int
        Positive where the first comes late.
    prominence : float
        The peak of the generalised cross-correlation against its rms over all lags.
    gain : float
        dB by which moving the first back betters its scale-invariant SDR against the second.
    """

    samples: int
    prominence: float
    gain: float

    @property
    def clear(self) -> bool:
        """Return whether the peak stands far above the noise."""
        return self.prominence >= _PROMINENCE


def find_lag(first_spectra: Spectra, second_spectra: Spectra, first: Audio, second: Audio) -> Lag:
    """Return the lag of the first signal behind the second, within `MAX_LAG`, in either polarity."""
    from scipy import fft

    cross = np.einsum("bcf,bcf->cf", second_spectra.values.conj(), first_spectra.values) / len(first_spectra.values)
    power = first_spectra.power * second_spectra.power
    # Bins that hold nothing but rounding errors would count as much as music.
    floor = 1e-12 * float(np.max(power))
    coherence = cross / np.sqrt(power + max(floor, float(np.finfo(np.float32).tiny)))
    curve = np.asarray(fft.irfft(coherence.sum(axis=0), first_spectra.block), dtype=np.float64)
    limit = first_spectra.max_lag
    near = np.abs(np.roll(curve, limit)[: 2 * limit + 1])
    rms = float(np.sqrt(np.mean(near**2)))
    samples = int(np.argmax(near)) - limit
    if rms == 0.0:
        return Lag(0, 0.0, 0.0)
    there = correlation(shifted(first, samples), shifted(second, -samples)) ** 2
    here = correlation(first, second) ** 2
    gain = 10 * math.log10(max(1 - here, 1e-12) / max(1 - there, 1e-12))
    return Lag(samples, float(near.max()) / rms, gain)
