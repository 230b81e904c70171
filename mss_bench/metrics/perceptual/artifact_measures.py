"""Measures of single artifacts, each gathered over the pieces of a track.

Every class takes pieces through ``add`` and gives its number by ``value``, which is NaN where nothing was found that it
could be measured on. Only bins count in which the reference dominates its mixture
(`mss_bench.metrics.perceptual.spectra`).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats
from mss_bench.metrics.perceptual.spectra import Mask, Spectra, bin_gains, octave_bands

__all__ = ["HighFrequencyLoss", "ImageShift", "MusicalNoise", "PhaseInconsistency"]


class MusicalNoise:
    """Log kurtosis ratio: how much more the estimate's magnitudes stick out of their surroundings than the reference's.

    In patches of one second and half an octave, ``ln(kurt |Y| / kurt |S|)`` with ``kurt x = E x^4 / (E x^2)^2``; the
    median over patches, 0 at least. Each frame of a band is first brought to the reference's level by the median ratio
    of its bins, so that filters, gaps and gains do not count, and then both are divided by that level, so that soft
    frames count as much as loud ones.
    """

    _SECONDS = 1.0
    _LEAST_BINS = 8  # that count in a frame, for a median worth the name
    _LEAST_FRAMES = 10  # of a patch
    _GONE = 1e-3  # gain of a frame, relative to the patch's median, below which the estimate has dropped it

    def __init__(self) -> None:
        self._ratios: list[float] = []

    def add(self, spectra: Spectra) -> None:
        """Add a piece."""
        bands = [slice(b[0], b[-1] + 1) for b in octave_bands(spectra.frequency, 500.0, 16000.0, 2)]
        for reference, estimate in zip(spectra.reference, spectra.estimate, strict=True):
            s, y = (np.asarray(x.real**2 + x.imag**2, dtype=np.float64) for x in (reference, estimate))
            counts = spectra.dominant & (s > 0)
            counts &= bin_gains(s, y, counts, least=0.1)[1]
            for rows in _stretches(len(s), self._SECONDS / spectra.hop):
                for bins in bands:
                    self._add_patch(s[rows, bins], y[rows, bins], counts[rows, bins])

    def _add_patch(self, s: Floats, y: Floats, counts: Mask) -> None:
        full = counts.sum(axis=1) >= self._LEAST_BINS
        if np.count_nonzero(full) < self._LEAST_FRAMES:
            return
        s, y, counts = s[full], y[full], counts[full]
        gain = _median_ratio(y, s, counts)
        kept = gain > self._GONE * np.median(gain)
        if np.count_nonzero(kept) < self._LEAST_FRAMES:
            return
        s, y, counts = s[kept], y[kept] / gain[kept, None], counts[kept]
        level = (np.sum(s * counts, axis=1) / counts.sum(axis=1))[:, None]
        self._ratios.append(float(np.log(_kurtosis((y / level)[counts]) / _kurtosis((s / level)[counts]))))

    @property
    def value(self) -> float:
        """Return the ratio; 0 where the estimate's bins stick out no more than the reference's."""
        return max(0.0, float(np.median(self._ratios))) if self._ratios else float("nan")


def _stretches(frames: int, length: float) -> list[slice]:
    """Cut frames into equal stretches of about a length."""
    edges = np.linspace(0, frames, max(1, round(frames / length)) + 1).round().astype(int)
    return [slice(a, b) for a, b in pairwise(edges.tolist())]


def _median_ratio(y: Floats, s: Floats, counts: Mask) -> Floats:
    """Return the median of ``y / s`` over what counts in each row."""
    ratio = np.full(s.shape, np.inf)
    np.divide(y, s, out=ratio, where=counts)
    ratio.sort(axis=1)
    rows, number = np.arange(len(s)), counts.sum(axis=1)
    return np.asarray((ratio[rows, (number - 1) // 2] + ratio[rows, number // 2]) / 2)


def _kurtosis(power: Floats) -> float:
    """Return the kurtosis of magnitudes, given their squares."""
    return float(np.mean(power**2) / np.mean(power) ** 2)


class HighFrequencyLoss:
    """Level that is lost in the treble, beyond what is lost in the middle.

    Levels of bands of a third of an octave, reference over estimate in dB: the mean over the bands from `lowest` to two
    octaves above it of what exceeds the median of the four octaves below; no band counts for more than 60 dB.

    Parameters
    ----------
    lowest : float
        Hz.
    """

    _LEAST_BINS = 20  # over all frames, for a band to count
    _MOST = 60.0  # dB: a band that is gone has no level

    def __init__(self, lowest: float) -> None:
        self._lowest = lowest
        self._sums: NDArray[np.float64] | None = None

    def add(self, spectra: Spectra) -> None:
        """Add a piece."""
        s, y = (
            np.sum((x.real**2 + x.imag**2) * spectra.dominant, axis=(0, 1))
            for x in (spectra.reference, spectra.estimate)
        )
        parts = [
            octave_bands(spectra.frequency, *span, 3)
            for span in ((self._lowest / 16, self._lowest), (self._lowest, self._lowest * 4))
        ]
        self._split = len(parts[0])
        sums = np.array(
            [(s[bins].sum(), y[bins].sum(), spectra.dominant[:, bins].sum()) for part in parts for bins in part]
        ).reshape(-1, 3)
        self._sums = sums if self._sums is None else self._sums + sums

    @property
    def value(self) -> float:
        """Return the loss in dB."""
        if self._sums is None:
            return float("nan")
        counts = self._sums[:, 2] >= self._LEAST_BINS
        loss = np.full(len(counts), np.nan)
        least = self._sums[counts, 0] * 10 ** (-self._MOST / 10)
        loss[counts] = 10 * np.log10(self._sums[counts, 0] / np.maximum(self._sums[counts, 1], least))
        middle, treble = loss[: self._split], loss[self._split :]
        if np.isnan(middle).all() or np.isnan(treble).all():
            return float("nan")
        return float(np.nanmean(np.maximum(treble - np.nanmedian(middle), 0.0)))


class ImageShift:
    """How far the stereo image is moved: level and time differences of the channels, estimate against reference.

    Level: the median, weighted by energy, of the differences in dB over frames and bands of a third of an octave. Time:
    the delay that explains best how the phase difference of the channels has changed. Both are absolute values.
    """

    _LOWEST = 100.0
    _LONGEST = 1e-3
    _STEP = 5e-6

    def __init__(self) -> None:
        self._levels: list[Floats] = []
        self._weights: list[Floats] = []
        self._cross: NDArray[np.complex128] | None = None

    def add(self, spectra: Spectra) -> None:
        """Add a piece of two channels."""
        s, y = ((x.real**2 + x.imag**2) * spectra.dominant for x in (spectra.reference, spectra.estimate))
        for bins in octave_bands(spectra.frequency, 200.0, 12800.0, 3):
            before, after = s[:, :, bins].sum(axis=2), y[:, :, bins].sum(axis=2)
            both = (before.min(axis=0) > 0) & (after.min(axis=0) > 0)
            (left, right), (new_left, new_right) = before[:, both], after[:, both]
            self._levels.append(10 * np.log10(new_left / new_right * (right / left)))
            self._weights.append(left + right)
        before, after = (x[0] * x[1].conj() * spectra.dominant for x in (spectra.reference, spectra.estimate))
        change = after * before.conj()
        size = np.sqrt(np.abs(change))
        # `change` is a product of two cross-spectra; its square root weighs bins by energy, not by the square of it.
        cross = np.divide(change, size, out=np.zeros_like(change), where=size > 0).sum(axis=0)
        audible = spectra.frequency > self._LOWEST
        self._frequency = spectra.frequency[audible]
        self._cross = self._cross + cross[audible] if self._cross is not None else cross[audible]

    @property
    def level(self) -> float:
        """Return the error of the level difference in dB."""
        values = np.concatenate([*self._levels, np.empty(0)])
        weights = np.concatenate([*self._weights, np.empty(0)])
        if not weights.sum() > 0:
            return float("nan")
        order = np.argsort(values)
        middle = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
        return float(abs(values[order[min(middle, len(order) - 1)]]))

    @property
    def time(self) -> float:
        """Return the error of the time difference in microseconds, 1000 at most."""
        if self._cross is None or not np.abs(self._cross).any():
            return float("nan")
        delays = np.arange(-self._LONGEST, self._LONGEST + self._STEP / 2, self._STEP)
        fit = (np.exp(-2j * np.pi * np.outer(delays, self._frequency)) @ self._cross).real
        best = int(np.argmax(fit))
        fraction = 0.0
        if 0 < best < len(fit) - 1:
            # Vertex of the parabola through the three.
            below, here, above = fit[best - 1 : best + 2]
            fraction = (below - above) / (2 * (below - 2 * here + above))
        return float(abs(delays[best] + fraction * self._STEP) * 1e6)


class PhaseInconsistency:
    """Part of the energy whose phase wanders against the reference's, 0 to 1.

    ``1 - sum_f |sum_t w e^(i (arg Y - arg S))| / sum w`` with ``w = |S|^2``, in stretches of two seconds. A phase that
    is turned but keeps still does not count: gains, delays and filters have no effect.
    """

    _SECONDS = 2.0

    def __init__(self) -> None:
        self._still = self._all = 0.0

    def add(self, spectra: Spectra) -> None:
        """Add a piece."""
        s, y = spectra.reference, spectra.estimate
        weight = (s.real**2 + s.imag**2) * spectra.dominant
        change = y * s.conj()
        size = np.abs(change)
        turn = np.divide(change, size, out=np.zeros_like(change), where=size > 0) * weight
        for rows in _stretches(s.shape[1], self._SECONDS / spectra.hop):
            self._still += float(np.abs(turn[:, rows].sum(axis=1)).sum())
            self._all += float(weight[:, rows].sum())

    @property
    def value(self) -> float:
        """Return the part."""
        return max(0.0, 1 - self._still / self._all) if self._all > 0 else float("nan")
