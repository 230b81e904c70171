"""How two signals lie to each other in time: correlation, lag and drift.

Arrays are ``(channels, samples)``; sums run over both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio

__all__ = ["Drift", "Lag", "Spectra", "correlation", "dot", "find_drift", "find_lag", "shifted"]

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


_SECTIONS = 16
_SECTION_SECONDS = 0.75
_SECTION_HZ = 5000.0  # above, a drift of 0.1 % turns the phase within a section
_SECTION_PROMINENCE = 6.0
_LEAST_CHANGE = 6.0  # samples; a filter's group delay wanders by a few


@dataclass(frozen=True)
class Drift:
    """A lag that changes at a constant rate.

    Parameters
    ----------
    ppm : float
        Parts per million by which the first signal's clock runs slow: it comes later and later where positive.
    start : float
        Its lag at the beginning, in samples.
    change : float
        Samples by which the lag grows over the whole signal.
    gain : float
        dB by which undoing it betters the first signal's scale-invariant SDR against the second.
    """

    ppm: float
    start: float
    change: float
    gain: float

    def undone(self, array: Audio) -> Audio:
        """Return the signal on the other's clock, by linear interpolation."""
        index = np.arange(array.shape[-1])
        times = index * (1 + self.ppm * 1e-6) + self.start
        return np.stack([np.interp(times, index, channel) for channel in array]).astype(np.float32)


def find_drift(first: Audio, second: Audio, sample_rate: int, judge: Audio | None = None) -> Drift | None:
    """Return the drift of the first signal against the second, where there is one.

    The lag is measured in sections that lie evenly over the signal (phase transform), and a line laid through the lags
    (Theil and Sen). It is a drift where the line passes close to them and undoing it betters the fit.

    Parameters
    ----------
    first, second : (channels, samples)
    sample_rate : int
        Hz.
    judge : (channels, samples), optional
        What the fit is measured against (default: the second signal).
    """
    judge = second if judge is None else judge
    samples = first.shape[-1]
    size = min(1 << math.ceil(math.log2(_SECTION_SECONDS * sample_rate)), samples // 4)
    if size < 1024:
        return None
    starts = np.linspace(0, samples - size, _SECTIONS).astype(int)
    found = [_section_lag(first[:, i : i + size], second[:, i : i + size], sample_rate) for i in starts]
    clear = [k for k, (_, prominence) in enumerate(found) if prominence >= _SECTION_PROMINENCE]
    if len(clear) < _SECTIONS // 2:
        return None
    times, lags = starts[clear] + size / 2, np.array([found[k][0] for k in clear], dtype=float)
    i, j = np.triu_indices(len(clear), 1)
    slope = float(np.median((lags[j] - lags[i]) / (times[j] - times[i])))
    start = float(np.median(lags - slope * times))
    off = float(np.median(np.abs(lags - slope * times - start)))
    change = slope * samples
    if abs(change) < max(_LEAST_CHANGE, 4 * off):
        return None
    drift = Drift(1e6 * slope, start, change, 0.0)
    here, there = correlation(first, judge) ** 2, correlation(drift.undone(first), judge) ** 2
    gain = 10 * math.log10(max(1 - here, 1e-12) / max(1 - there, 1e-12))
    return replace(drift, gain=gain) if gain >= 0.5 else None


def _section_lag(first: Audio, second: Audio, sample_rate: int) -> tuple[int, float]:
    """Return the lag within a short section and how far its peak stands above the rms of all lags."""
    from scipy import fft

    size = first.shape[-1]
    window = np.hanning(size).astype(np.float32)
    one, two = fft.rfft(first * window, axis=-1), fft.rfft(second * window, axis=-1)
    power = two.real**2 + two.imag**2
    cross = one * two.conj()
    magnitude = np.abs(cross)
    used = (power > 1e-5 * np.max(power, initial=0.0)) & (magnitude > 0)
    used &= np.arange(power.shape[-1]) * sample_rate / size < _SECTION_HZ
    if not used.any():
        return 0, 0.0
    phase = np.where(used, cross / np.where(magnitude > 0, magnitude, 1), 0)
    limit = min(round(MAX_LAG * sample_rate), size // 4)
    curve = np.abs(np.roll(np.asarray(fft.irfft(phase.sum(axis=0), size)), limit)[: 2 * limit + 1])
    curve = np.convolve(curve, np.ones(5) / 5, "same")  # a drift smears the peak over some samples
    peak = int(np.argmax(curve))
    return peak - limit, float(curve[peak] / np.sqrt(np.mean(curve**2)))
