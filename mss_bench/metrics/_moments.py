"""Energies and products of a reference and an estimate, of each channel, in one reading of the audio.

Kept are those of the reference s and of the difference d = y - s, not of the estimate y: for an estimate that is good
at all d is small, and ``|g s - y|^2 = (g - 1)^2 |s|^2 - 2 (g - 1) <s, d> + |d|^2`` keeps its digits. Where it does not,
the audio is read once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.metrics._levels import Scaling, level, scaling_exponent

__all__ = ["Moments", "Reference", "channel_means"]

_ROUNDING = 1e-24
"""Energy of a constant after its mean is removed, relative to before, in float64."""

_CANCELLED = 1e-6
"""Share of its terms from which a sum of energies still has ten digits."""

_PIECE = 1 << 15
"""Samples of a channel that are held at a time: with the buffers they fit into the processor's cache."""


class Reference(NamedTuple):
    """A reference with what is known of its channels.

    Parameters
    ----------
    array : (channels, samples) float array
        As given.
    mean : (channels,)
        What is subtracted from reference and estimate: 0 unless means are removed.
    energy : (channels,)
        Energy after that, once divided by ``2**scaling_exponent(level)``.
    level : int or None
        Binary exponent of its level, None where silent.
    """

    array: Samples
    mean: Floats
    energy: Floats
    level: int | None

    @classmethod
    def of(cls, array: Samples, zero_mean: bool) -> Reference:
        """Measure a reference."""
        mean, exponent = channel_means(array, zero_mean), level(array)
        return cls(array, mean, _energies(array, mean, scaling_exponent(exponent)), exponent)


def channel_means(array: Samples, zero_mean: bool) -> Floats:
    """Return what is subtracted from each channel: its mean, or 0."""
    return array.mean(axis=1, dtype=np.float64) if zero_mean else np.zeros(len(array))


def _energies(array: Samples, means: Floats, shift: int) -> Floats:
    """Return the energy of each channel over ``2**(2 shift)`` once its mean is subtracted; exactly 0 for a constant."""
    total, buffer = np.zeros(len(array)), np.empty(_PIECE)
    for channel, samples in enumerate(array):
        for start in range(0, array.shape[1], _PIECE):
            part = samples[start : start + _PIECE]
            s = buffer[: len(part)]
            np.subtract(part, means[channel], out=s, dtype=np.float64)
            if shift:
                np.ldexp(s, -shift, out=s)
            total[channel] += np.dot(s, s)
    raw = total + array.shape[1] * np.ldexp(means, -shift) ** 2
    return np.where(total > _ROUNDING * raw, total, 0.0)  # what rounding leaves of a constant is no signal


class Moments:
    """The energies of one target that ratios are made of.

    Parameters
    ----------
    reference : Reference
    estimate : (channels, samples) float array
        Of finite samples.
    zero_mean : bool
        Whether means are removed.
    scaling : Scaling
        What is done to reference and estimate before they are measured.

    Attributes
    ----------
    reference, product, difference : (channels,)
        ``|s|^2``, ``<s, d>`` and ``|d|^2`` of each channel, as scaled.
    samples : int
    """

    def __init__(self, reference: Reference, estimate: Samples, zero_mean: bool, scaling: Scaling) -> None:
        self._array, self._mean, self._estimate = reference.array, reference.mean, estimate
        self._estimate_mean = channel_means(estimate, zero_mean)
        self.scaling = scaling
        self.samples: int = estimate.shape[1]
        self.reference = np.ldexp(reference.energy, 2 * (scaling_exponent(reference.level) - scaling.source))
        self.product, self.difference = np.zeros(len(estimate)), np.zeros(len(estimate))
        for channel, s, d in self._pieces(scaling):
            self.product[channel] += np.dot(s, d)
            self.difference[channel] += np.dot(d, d)

    @property
    def distortion(self) -> Floats:
        """Return ``|y - s|^2`` of each channel with the true gain between the two, at the level of the louder one."""
        if not self.scaling.gain:
            return self.difference
        total = np.zeros_like(self.difference)
        s, y = self.scaling.at_louder
        for channel, _, d in self._pieces(Scaling(self.scaling.source + s, self.scaling.estimate + y)):
            total[channel] += np.dot(d, d)
        return total

    def constant(self, value: float) -> float:
        """Return a constant that is added to energies, scaled as they are."""
        return math.ldexp(value, -2 * self.scaling.source)

    def error(self, gain_less_one: Floats) -> Floats:
        """Return ``|g s - y|^2`` of each channel for the gains g ``(channels,)``, given as g - 1."""
        g = gain_less_one
        terms = np.array([g**2 * self.reference, -2 * g * self.product, self.difference])
        total: Floats = terms.sum(axis=0)
        # A sum of terms that cancel has no digits left: there the audio is read again.
        cancelled = total < _CANCELLED * np.abs(terms).sum(axis=0)
        if cancelled.any():
            exact = np.zeros_like(total)
            for channel, s, d in self._pieces(self.scaling):
                s *= g[channel]
                s -= d
                exact[channel] += np.dot(s, s)
            total = np.where(cancelled, exact, total)
        return total

    def silent_channels(self) -> NDArray[np.bool_]:
        """Return in which channels the estimate is silent, once its mean is removed where that is done."""
        energy = self.reference + 2 * self.product + self.difference
        # a difference of energies cannot tell silence from faint sound; it can tell both from the rest
        if (energy > _CANCELLED * (self.reference + self.difference)).all():
            return np.zeros(len(energy), dtype=np.bool_)
        return np.equal(_energies(self._estimate, self._estimate_mean, self.scaling.estimate), 0.0)

    def _pieces(self, scaling: Scaling) -> Iterator[tuple[int, Floats, Floats]]:
        """Yield channel, reference and difference, a piece at a time, in buffers that are used again."""
        buffers = np.empty((2, _PIECE))
        for channel, (reference, estimate) in enumerate(zip(self._array, self._estimate, strict=True)):
            offset, other = self._mean[channel], self._estimate_mean[channel]
            for start in range(0, self.samples, _PIECE):
                part = reference[start : start + _PIECE]
                s, d = buffers[:, : len(part)]
                s[...], d[...] = part, estimate[start : start + _PIECE]
                if offset:
                    s -= offset
                if other:
                    d -= other
                if scaling.source:
                    np.ldexp(s, -scaling.source, out=s)
                if scaling.estimate:
                    np.ldexp(d, -scaling.estimate, out=d)
                d -= s
                yield channel, s, d
