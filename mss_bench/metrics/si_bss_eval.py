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
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import checked_references, scorable_estimates
from mss_bench.metrics._levels import level, scaling, unusual
from mss_bench.metrics._moments import channel_means
from mss_bench.metrics._signals import Floats, Samples, Signals, pieces
from mss_bench.metrics.base import Metric, Quantity, Score
from mss_bench.metrics.presets import resolve

__all__ = ["SIBSSEval", "SIBSSEvalState"]

_COPY = 1e-12
"""Eigenvalue of normalised references, relative to their number, up to which a direction is one of rounding."""

_CANCELLED = 1e-6
"""Share of the error below which the artifacts are taken from the audio, not from a difference of energies."""


@dataclass(frozen=True)
class SIBSSEvalState:
    """References of a track, as given, with the means that are subtracted and their Gram matrices.

    Parameters
    ----------
    references : dict of str to (channels, samples) float array
    levels : list of int or None
        Binary exponents of their levels, by which they are scaled where that is unusual.
    means : (channels, sources)
    gram, inverse : (systems, sources, sources)
        One system a channel, or one for all; the inverse leaves out directions that are none.
    ranks : (systems,) int
        Directions that are left.
    """

    references: dict[str, Samples]
    levels: list[int | None]
    means: Floats
    gram: Floats
    inverse: Floats
    ranks: NDArray[np.int_]


class SIBSSEval(Metric):
    """Scale-invariant ratios to interference and to artifacts, of a whole song.

    Parameters
    ----------
    preset : {"default", "fast_bss_eval"}, optional
    per_channel : bool, optional
        One decomposition a channel and the mean in dB, leaving out channels in which the reference is silent (default);
        otherwise one gain a source over all channels.
    zero_mean : bool, optional
        Subtract the mean of each channel of all signals first. Default False.
    sar : {"target", "projection"}, optional
        Numerator of SI-SAR: ``|alpha s|^2`` (default) or ``|alpha s + e_i|^2``.

    Raises
    ------
    ConfigError
        An unknown preset or `sar`.
    """

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

    def __init__(
        self,
        *,
        preset: str | None = None,
        per_channel: bool | None = None,
        zero_mean: bool | None = None,
        sar: Literal["target", "projection"] | None = None,
    ) -> None:
        given = {"per_channel": per_channel, "zero_mean": zero_mean, "sar": sar}
        values, self.preset = resolve(self.name, preset, given)
        if values["sar"] not in ("target", "projection"):
            raise ConfigError(f"si_bss_eval: sar is {values['sar']!r}, expected 'target' or 'projection'")
        self.per_channel: bool = values["per_channel"]
        self.zero_mean: bool = values["zero_mean"]
        self.sar: Literal["target", "projection"] = values["sar"]

    def prepare(self, track: TrackAudio, group: TargetGroup) -> SIBSSEvalState:
        """Gram matrices of the references.

        Raises
        ------
        ConfigError, AudioError
            References that cannot be scored.
        """
        references = checked_references(track, group)
        means = np.stack([channel_means(array, self.zero_mean) for array in references.values()], axis=1)
        levels = [level(array) for array in references.values()]
        n_channels, n_sources = means.shape
        gram = np.zeros((n_channels, n_sources, n_sources))
        for s in _sources(references, means, levels):
            gram += s @ s.transpose(0, 2, 1)
        gram = self._systems(gram)
        inverses, ranks = zip(*map(_inverse, gram), strict=True)
        return SIBSSEvalState(references, levels, means, gram, np.array(inverses), np.array(ranks))

    def score(self, state: SIBSSEvalState, estimates: Stems) -> list[Score]:
        """SI-SIR and SI-SAR of every delivered target.

        Raises
        ------
        AudioError
            Estimates that cannot be scored; one with NaN, a silent reference or estimate, and for SI-SIR a single
            reference, give NaN with the reason.
        """
        _, spoiled = scorable_estimates(state.references, estimates)
        scores = []
        for index, target in enumerate(state.references):
            if target not in estimates:
                continue
            values, reasons = [np.nan, np.nan], [spoiled.get(target, "")] * 2
            if target not in spoiled:
                values, reasons = self._values(state, index, target, estimates[target])
            for quantity, value, reason in zip(self.quantities, values, reasons, strict=True):
                scores.append(Score(target, quantity.name, np.array([value]), reason=reason))
        return scores

    def _values(
        self, state: SIBSSEvalState, index: int, target: str, estimate: Samples
    ) -> tuple[list[float], list[str]]:
        heard = state.gram[:, index, index] > 0
        if not heard.any():
            return [np.nan] * 2, [f"reference {target!r} is silent throughout"] * 2
        parts = _Parts(self, state, index, estimate)
        if not (parts.energy[heard] > 0).all():
            where = "" if not parts.energy.any() else f" in channel {np.flatnonzero(heard & (parts.energy <= 0))[0]}"
            return [np.nan] * 2, [f"estimate {target!r} is silent throughout{where}"] * 2
        signal = parts.signal + (parts.interference if self.sar == "projection" else 0.0)
        sar = _mean_db(signal[heard], parts.artifacts[heard])
        contested = heard & (state.ranks > 1)
        if not contested.any():
            lone = len(state.references) == 1
            why = "there is no other reference" if lone else "no other reference adds to the span of this one"
            return [np.nan, sar], [f"SI-SIR is undefined: {why}", ""]
        return [_mean_db(parts.signal[contested], parts.interference[contested]), sar], ["", ""]

    def _systems(self, of_channels: Floats) -> Floats:
        return of_channels if self.per_channel else of_channels.sum(axis=0, keepdims=True)


class _Parts:
    """Energies ``(systems,)`` of what an estimate is made of."""

    def __init__(self, metric: SIBSSEval, state: SIBSSEvalState, index: int, estimate: Samples) -> None:
        self._state, self._estimate, self._mean = state, estimate, channel_means(estimate, metric.zero_mean)
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
            weights[:, index] += gains
            self.artifacts = metric._systems(self._residual(weights, index))

    def _residual(self, weights: Floats, index: int) -> Floats:
        """``|d - S w|^2`` of each channel."""
        total = np.zeros(len(self._mean))
        weights = np.broadcast_to(weights, (len(total), weights.shape[1]))
        for s, y in self._pieces():
            y -= s[:, index]
            y -= np.einsum("ci,cit->ct", weights, s)
            total += np.einsum("ct,ct->c", y, y)
        return total

    def _pieces(self) -> Iterator[tuple[Floats, Floats]]:
        """References ``(channels, sources, samples)`` and estimate ``(channels, samples)``, a piece at a time."""
        signals, mean = Signals([self._estimate], shifts=[self._shift]), np.ldexp(self._mean, -self._shift)
        spans, state = pieces(signals.n_samples), self._state
        for s, span in zip(_sources(state.references, state.means, state.levels), spans, strict=True):
            yield s, signals.read(*span) - mean[:, np.newaxis]


def _sources(references: dict[str, Samples], means: Floats, levels: list[int | None]) -> Iterator[Floats]:
    """The references ``(channels, sources, samples)`` less their means, at usual levels, a piece at a time."""
    shifts = [unusual(each) for each in levels]
    signals, means = Signals(list(references.values()), shifts=shifts), np.ldexp(means, -np.array(shifts))
    for span in pieces(signals.n_samples):
        stacked = signals.read(*span).reshape(means.shape[1], means.shape[0], -1)
        yield np.ascontiguousarray(stacked.transpose(1, 0, 2)) - means[:, :, np.newaxis]


def _inverse(gram: Floats) -> tuple[Floats, int]:
    """Inverse of a Gram matrix on the space that the sources span, and its dimensions."""
    scale = np.sqrt(np.diag(gram))
    scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    values, vectors = np.linalg.eigh(gram * np.outer(scale, scale))
    kept = values > _COPY * len(gram)
    vectors = vectors[:, kept] * scale[:, np.newaxis]
    return (vectors / values[kept]) @ vectors.T, int(kept.sum())


def _mean_db(signal: Floats, error: Floats) -> float:
    with np.errstate(divide="ignore"):
        return float(np.mean(10 * np.log10(signal / error)))
