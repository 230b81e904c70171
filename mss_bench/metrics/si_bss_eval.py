"""SI-SIR and SI-SAR: what of the error of SI-SDR is other sources, and what is neither.

The error ``e = y - alpha s``, ``alpha = <s, y> / |s|^2``, is split by the references S of the whole group, without
filters and without delays:

    e_i = S (S'S)^-1 S'e    interference: the part of the error that gains on the references explain,
    SI-SIR = 10 log10(|alpha s|^2 / |e_i|^2),
    SI-SAR = 10 log10(|alpha s|^2 / |e - e_i|^2).

Because S'S is small, each estimate costs about as much as reading it. fast_bss_eval has ``|alpha s + e_i|^2`` in the
numerator of SI-SAR, as BSS Eval v3 has: ``sar="projection"``.

References that are scaled copies of others add nothing to the span, and their directions are left out of (S'S)^-1.

References
----------
J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey: SDR - half-baked or well done? ICASSP 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.core.parameters import param
from mss_bench.core.tracks import TrackAudio
from mss_bench.metrics._levels import level, scaling, scaling_exponent
from mss_bench.metrics._moments import channel_means
from mss_bench.metrics._signals import Signals, pieces
from mss_bench.metrics.base import Metric, Outcome, Prepared, Quantity

__all__ = ["SIBSSEval"]

_COPY = 1e-12
"""Eigenvalue of normalised references, relative to their number, up to which a direction is one of rounding."""

_CANCELLED = 1e-6
"""Share of the error below which the artifacts are taken from the audio, not from a difference of energies."""


class Grams(NamedTuple):
    """Gram matrices of the references, with what was done to these before.

    Parameters
    ----------
    levels : list of int or None
        Binary exponents of their levels, by which they are scaled where that is unusual.
    means : (channels, sources)
    gram, inverse : (systems, sources, sources)
        One system a channel, or one for all; the inverse leaves out directions that are only rounding.
    ranks : (systems,) int
        Directions that are left.
    """

    levels: list[int | None]
    means: Floats
    gram: Floats
    inverse: Floats
    ranks: NDArray[np.int_]


class SIBSSEval(Metric):
    """Scale-invariant ratios to interference and to artifacts, of a whole song."""

    name = "si_bss_eval"
    version = "1"
    quantities = (
        Quantity("SI-SIR", "dB", True, "10 log10(|a s|^2 / |e_i|^2), e_i = projection of y - a s on the references"),
        Quantity("SI-SAR", "dB", True, "10 log10(|a s|^2 / |e - e_i|^2), e = y - a s"),
    )
    citation = "J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey: SDR - half-baked or well done?, ICASSP 2019"
    caution = (
        "References are allowed one gain and no filter: leakage that comes late, filtered or with a moved image, and "
        "a delayed target itself, count as artifacts. A high SI-SIR is no proof that nothing of the others is heard."
    )
    presets: ClassVar = {"default": {}, "fast_bss_eval": {"sar": "projection"}}

    per_channel: bool = param(
        True,
        doc="One decomposition a channel and the mean in dB, without channels in which the reference is silent; "
        "otherwise one gain a source over all channels.",
    )
    zero_mean: bool = param(False, doc="Subtract the mean of each channel of all signals first.")
    sar: Literal["target", "projection"] = param(
        "target", doc="Numerator of SI-SAR: ``|alpha s|^2`` or ``|alpha s + e_i|^2``."
    )

    def derive(self, track: TrackAudio) -> Grams:
        means = np.stack([channel_means(array, self.zero_mean) for array in track.references.values()], axis=1)
        levels = [level(array) for array in track.references.values()]
        n_channels, n_sources = means.shape
        gram = np.zeros((n_channels, n_sources, n_sources))
        for s in _sources(track.references, means, levels):
            gram += s @ s.transpose(0, 2, 1)
        gram = self._systems(gram)
        inverses, ranks = zip(*map(_inverse, gram), strict=True)
        return Grams(levels, means, gram, np.array(inverses), np.array(ranks))

    def measure(self, track: Prepared[Grams], target: str, estimate: Samples) -> Outcome:
        index = list(track.references).index(target)
        heard = track.derived.gram[:, index, index] > 0
        if not heard.any():
            return f"reference {target!r} is silent throughout"
        parts = _Parts(self, track, index, estimate)
        if not (parts.energy[heard] > 0).all():
            where = "" if not parts.energy.any() else f" in channel {np.flatnonzero(heard & (parts.energy <= 0))[0]}"
            return f"estimate {target!r} is silent throughout{where}"
        signal = parts.signal + (parts.interference if self.sar == "projection" else 0.0)
        sar = _mean_db(signal[heard], parts.artifacts[heard])
        contested = heard & (track.derived.ranks > 1)
        if not contested.any():
            lone = len(track.references) == 1
            why = "there is no other reference" if lone else "no other reference adds to the span of this one"
            return f"SI-SIR is undefined: {why}", sar
        return _mean_db(parts.signal[contested], parts.interference[contested]), sar

    def _systems(self, of_channels: Floats) -> Floats:
        return of_channels if self.per_channel else of_channels.sum(axis=0, keepdims=True)


class _Parts:
    """Energies ``(systems,)`` of what an estimate is made of."""

    def __init__(self, metric: SIBSSEval, track: Prepared[Grams], index: int, estimate: Samples) -> None:
        state = self._state = track.derived
        self._references, self._estimate = track.references, estimate
        self._mean = channel_means(estimate, metric.zero_mean)
        self._shift = scaling(state.levels[index], level(estimate)).estimate
        n_channels, n_sources = state.means.shape
        correlations, energy, difference = np.zeros((n_channels, n_sources)), np.zeros(n_channels), np.zeros(n_channels)
        # of d = y - s, as for SI-SDR: the error of a good estimate keeps its digits
        for s, y in self._pieces():
            energy += np.einsum("ct,ct->c", y, y)
            d = np.subtract(y, s[:, index], out=y)
            correlations += (s @ d[:, :, np.newaxis])[:, :, 0]
            difference += np.einsum("ct,ct->c", d, d)
        correlations, self.energy = metric._systems(correlations), metric._systems(energy)
        difference = metric._systems(difference)
        reference = state.gram[:, index, index]
        product = correlations[:, index]
        gains = np.divide(product, reference, out=np.zeros_like(product), where=reference > 0)
        self.signal = (1 + gains) ** 2 * reference
        towards = correlations - gains[:, np.newaxis] * state.gram[:, :, index]  # S'e
        weights = np.einsum("kij,kj->ki", state.inverse, towards)
        self.interference = np.maximum(np.einsum("ki,ki->k", weights, towards), 0.0)
        error = difference - gains * product
        self.artifacts = error - self.interference
        if (self.artifacts < _CANCELLED * (difference + np.abs(gains * product))).any():
            weights[:, index] += gains  # e - S w = d - S (w + (alpha - 1) at the target)
            self.artifacts = metric._systems(self._residual(weights, index))

    def _residual(self, weights: Floats, index: int) -> Floats:
        """Return ``|d - S w|^2`` of each channel."""
        total = np.zeros(len(self._mean))
        weights = np.broadcast_to(weights, (len(total), weights.shape[1]))
        for s, y in self._pieces():
            y -= s[:, index]
            y -= np.einsum("ci,cit->ct", weights, s)
            total += np.einsum("ct,ct->c", y, y)
        return total

    def _pieces(self) -> Iterator[tuple[Floats, Floats]]:
        """Yield references ``(channels, sources, samples)`` and estimate ``(channels, samples)``, a piece at a time."""
        signals, mean = Signals([self._estimate], shifts=[self._shift]), np.ldexp(self._mean, -self._shift)
        sources = _sources(self._references, self._state.means, self._state.levels)
        for s, span in zip(sources, pieces(signals.n_samples), strict=True):
            yield s, signals.read(*span) - mean[:, np.newaxis]


def _sources(references: dict[str, Samples], means: Floats, levels: list[int | None]) -> Iterator[Floats]:
    """Yield references ``(channels, sources, samples)`` less their means, at usual levels, a piece at a time."""
    shifts = [scaling_exponent(exponent) for exponent in levels]
    signals, means = Signals(list(references.values()), shifts=shifts), np.ldexp(means, -np.array(shifts))
    for span in pieces(signals.n_samples):
        stacked = signals.read(*span).reshape(means.shape[1], means.shape[0], -1)
        yield np.ascontiguousarray(stacked.transpose(1, 0, 2)) - means[:, :, np.newaxis]


def _inverse(gram: Floats) -> tuple[Floats, int]:
    """Return the inverse of a Gram matrix on the space that the sources span, and its dimensions."""
    scale = np.sqrt(np.diag(gram))
    scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    # Normalised first, so that a faint source is not taken for a direction of rounding.
    values, vectors = np.linalg.eigh(gram * np.outer(scale, scale))
    kept = values > _COPY * len(gram)
    vectors = vectors[:, kept] * scale[:, np.newaxis]
    return (vectors / values[kept]) @ vectors.T, int(kept.sum())


def _mean_db(signal: Floats, error: Floats) -> float:
    with np.errstate(divide="ignore"):
        return float(np.mean(10 * np.log10(signal / error)))
