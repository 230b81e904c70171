"""Energies and products of a reference and an estimate, of each channel, in one reading of the audio.

Kept are those of the reference s and of the difference d = y - s, not of the estimate y: for an estimate that is good at
all d is small, and ``|g s - y|^2 = (g - 1)^2 |s|^2 - 2 (g - 1) <s, d> + |d|^2`` keeps its digits. Where it does not, the
audio is read once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mss_bench.metrics._signals import Floats, Samples, Signals, pieces

__all__ = ["Moments", "Reader", "References", "centred", "mean", "prepare_references"]

_ROUNDING = 1e-24
"""Energy of a constant after its mean is removed, relative to before, in float64."""

_CANCELLED = 1e-6
"""Share of its terms from which a sum of energies still has ten digits."""

Reader = Callable[[int, int], Floats]
"""Gives the samples ``[start, stop)`` of every channel."""


@dataclass(frozen=True)
class References:
    """References of a track, as given, with what is known of each channel.

    Parameters
    ----------
    arrays : dict of str to (channels, samples) float array
    zero_mean : bool
        Whether means are subtracted from references and estimates.
    means, energies : dict of str to (channels,)
        The mean that is subtracted, and the energy after.
    """

    arrays: dict[str, Samples]
    zero_mean: bool
    means: dict[str, Floats]
    energies: dict[str, Floats]


def prepare_references(arrays: Mapping[str, Samples], zero_mean: bool) -> References:
    """Means and energies of the references."""
    means = {target: mean(array, zero_mean) for target, array in arrays.items()}
    return References(dict(arrays), zero_mean, means, {t: _energies(a, means[t]) for t, a in arrays.items()})


def mean(array: Samples, zero_mean: bool) -> Floats:
    """What is subtracted from each channel: its mean, or 0."""
    return array.mean(axis=1, dtype=np.float64) if zero_mean else np.zeros(len(array))


def centred(array: Samples, means: Floats) -> Reader:
    """Reads pieces of a signal with its means subtracted."""
    return _centred(Signals([array]), means)


def _centred(signals: Signals, means: Floats) -> Reader:
    if not means.any():
        return signals.read
    return lambda start, stop: np.subtract(samples := signals.read(start, stop), means[:, np.newaxis], out=samples)


def _energies(array: Samples, means: Floats) -> Floats:
    """Energy of each channel once its mean is subtracted; exactly 0 for a constant."""
    read = centred(array, means)
    total = np.zeros(len(array))
    for span in pieces(array.shape[1]):
        total += [np.dot(channel, channel) for channel in read(*span)]
    raw = total + array.shape[1] * means**2
    return np.where(total > _ROUNDING * raw, total, 0.0)  # what rounding leaves of a constant is no signal


class Moments:
    """What energy ratios need to know of one target.

    Parameters
    ----------
    references : References
    target : str
    estimate : (channels, samples) float array
        Of finite samples.

    Attributes
    ----------
    reference, product, difference : (channels,)
        ``|s|^2``, ``<s, d>`` and ``|d|^2`` of each channel.
    samples : int
    """

    def __init__(self, references: References, target: str, estimate: Samples) -> None:
        self._array, self._estimate = references.arrays[target], estimate
        self._zero_mean, self._mean = references.zero_mean, references.means[target]
        self._estimate_mean = mean(estimate, references.zero_mean)
        self.samples: int = estimate.shape[1]
        self.reference = references.energies[target]
        self.product, self.difference = np.zeros(len(estimate)), np.zeros(len(estimate))
        for s, d in self._pieces():
            self.product += [np.dot(a, b) for a, b in zip(s, d, strict=True)]
            self.difference += [np.dot(b, b) for b in d]

    def error(self, gain_less_one: Floats) -> Floats:
        """``|g s - y|^2`` of each channel for the gains g ``(channels,)``, given as g - 1."""
        g = gain_less_one
        terms = np.array([g**2 * self.reference, -2 * g * self.product, self.difference])
        total = terms.sum(axis=0)
        lost = total < _CANCELLED * np.abs(terms).sum(axis=0)
        if lost.any():
            exact = np.zeros_like(total)
            for s, d in self._pieces():
                error = np.subtract(s * g[:, np.newaxis], d, out=d)
                exact += [np.dot(channel, channel) for channel in error]
            total = np.where(lost, exact, total)
        return total

    def silent_channels(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Channels in which the estimate is silent, once its mean is removed where that is done."""
        energy = self.reference + 2 * self.product + self.difference
        # a difference of energies cannot tell silence from faint sound; it can tell both from the rest
        if (energy > _CANCELLED * (self.reference + self.difference)).all():
            return np.zeros(len(energy), dtype=np.bool_)
        return _energies(self._estimate, self._estimate_mean) == 0

    def _pieces(self) -> Iterator[tuple[Floats, Floats]]:
        reference = centred(self._array, self._mean)
        difference = _centred(Signals([self._estimate], minus=[self._array]), self._estimate_mean - self._mean)
        for span in pieces(self.samples):
            yield reference(*span), difference(*span)
