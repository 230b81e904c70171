"""The decomposition of BSS Eval v4: from arrays to energy ratios, in samples and without names of policies.

See `mss_bench.metrics.bss_eval` for the mathematics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mss_bench.metrics._energies import filtered, linear_form, quadratic_forms
from mss_bench.metrics._frames import Frames
from mss_bench.metrics._lags import LagCorrelations, correlate
from mss_bench.metrics._projection import Projector
from mss_bench.metrics._signals import Floats, Samples, Signals

__all__ = ["QUANTITIES", "PreparedReferences", "Ratios", "decompose", "prepare_references"]

QUANTITIES = ("SDR", "ISR", "SIR", "SAR")

_TOLERANCE = 1e-7
"""Bound on the relative rounding error from which an energy is computed from the signal itself. The bound adds
magnitudes; errors met in practice are some hundred times smaller."""

_DOUBT_DB = 0.1
"""Movement under a tenfold ridge from which a quantity is ill-conditioned."""

_CEILING_DB = 100.0
"""Beyond this a value is a matter of rounding; its movements do not count."""


@dataclass(frozen=True)
class PreparedReferences:
    """What the references of a track cost once.

    Parameters
    ----------
    references : dict of str to (channels, samples) float array
        As given, not copied.
    frames : Frames
    lags : LagCorrelations
        Of all reference channels, source after source, with each other.
    everything : Projector
        On the delayed channels of all sources.
    own : dict of str to Projector
        On those of each source alone.
    """

    references: dict[str, Samples]
    frames: Frames
    lags: LagCorrelations
    everything: Projector
    own: dict[str, Projector]

    @property
    def channels(self) -> int:
        """Channels of a source."""
        return len(next(iter(self.references.values())))

    def columns(self, target: str) -> slice:
        """Where the channels of a source lie among those of all."""
        index = list(self.references).index(target)
        return slice(index * self.channels, (index + 1) * self.channels)


@dataclass(frozen=True)
class Ratios:
    """Values of one estimate.

    Parameters
    ----------
    values : dict of str to (n_frames,)
        SDR, ISR, SIR and SAR in dB.
    ill_conditioned : frozenset of str
        Quantities that move by more than 0.1 dB in some frame when the ridge grows tenfold.
    """

    values: dict[str, Floats]
    ill_conditioned: frozenset[str]


@dataclass(frozen=True)
class _Filters:
    """Filters ``(n_lags, n, channels)`` that take the references to the projections of an error ``y - s``."""

    everything: Floats
    own: Floats
    unit: Floats
    """The one that takes them to the source itself."""


def prepare_references(references: dict[str, Samples], frames: Frames) -> PreparedReferences:
    """Correlate the references and factorise the Gram matrices of their delayed versions."""
    channels = next(iter(references.values())).shape[0]
    n = channels * len(references)
    signals = Signals(list(references.values()))
    lags = correlate(signals, signals, frames)
    own = {}
    for first, target in zip(range(0, n, channels), references, strict=True):
        mine = slice(first, first + channels)
        own[target] = Projector(lags.total[:, mine, mine])
    return PreparedReferences(references, frames, lags, Projector(lags.total), own)


def decompose(
    prepared: PreparedReferences, estimates: Mapping[str, Samples], valid: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Ratios]:
    """Ratios of estimates in every frame.

    Parameters
    ----------
    estimates : mapping of str to (channels, samples) float array
        Of some of the sources, finite.
    valid : mapping of str to (n_frames,) bool
        Frames whose values are wanted; others are filled as it comes.
    """
    channels = prepared.channels
    errors = Signals(list(estimates.values()), minus=[prepared.references[t] for t in estimates])
    cross = correlate(Signals(list(prepared.references.values())), errors, prepared.frames)
    solved = prepared.everything.solve(cross.total)
    stiffer = prepared.everything.solve(cross.total, stiffer=True) if prepared.everything.doubtful else solved
    out = {}
    for index, (target, array) in enumerate(estimates.items()):
        channel = slice(index * channels, (index + 1) * channels)
        lags = LagCorrelations(cross.frames[..., channel], cross.total[..., channel], cross.energy[:, channel])
        estimate = _Estimate(prepared, target, array, lags)
        values = estimate.ratios(estimate.filters(solved[..., channel], stiffer=False), valid[target])
        moved = frozenset[str]()
        if prepared.everything.doubtful or prepared.own[target].doubtful:
            looked_at = valid[target] & np.any([v < _CEILING_DB for v in values.values()], axis=0)
            other = estimate.ratios(estimate.filters(stiffer[..., channel], stiffer=True), looked_at)
            moved = frozenset(q for q in QUANTITIES if _moves(values[q][looked_at], other[q][looked_at]))
        out[target] = Ratios(values, moved)
    return out


@dataclass(frozen=True)
class _Estimate:
    prepared: PreparedReferences
    target: str
    array: Samples
    lags: LagCorrelations
    """Of the references with the error."""

    def filters(self, everything: Floats, *, stiffer: bool) -> _Filters:
        mine, projector = self.prepared.columns(self.target), self.prepared.own[self.target]
        own, unit = np.zeros_like(everything), np.zeros_like(everything)
        own[:, mine] = projector.solve(self.lags.total[:, mine], stiffer=stiffer and projector.doubtful)
        unit[0, mine] = np.eye(self.prepared.channels)
        return _Filters(everything, own, unit)

    def ratios(self, filters: _Filters, valid: NDArray[np.bool_]) -> dict[str, Floats]:
        mine = self.prepared.columns(self.target)
        source = self.prepared.lags.energy[:, mine].sum(axis=1)
        error = self.lags.energy.sum(axis=1)
        own_error, own_image, interference, image, artifacts = self._energies(filters, error, valid)
        return {
            "SDR": _decibels(source, error),
            "ISR": _decibels(source, own_error),
            "SIR": _decibels(own_image, interference),
            "SAR": _decibels(image, artifacts),
        }

    def _energies(self, filters: _Filters, error: Floats, valid: NDArray[np.bool_]) -> Floats:
        """``|P_j y - s|^2, |P_j y|^2, |P y - P_j y|^2, |P y|^2, |y - P y|^2`` as ``(5, n_frames)``."""
        everything, own, unit = filters.everything, filters.own, filters.unit
        lags = self.prepared.lags.frames
        energies, bounds = quadratic_forms(lags, [own, unit + own, everything - own, unit + everything, everything])
        product, product_bound = linear_form(lags, self.lags.frames, error, everything)
        energies[4] += error - 2 * product
        bounds[4] += 2 * product_bound
        unsafe = valid & np.any(bounds > _TOLERANCE * energies, axis=0)
        for frame in np.flatnonzero(unsafe):
            energies[:, frame] = self._measured_energies(filters, int(frame))
        return energies

    def _measured_energies(self, filters: _Filters, frame: int) -> Floats:
        """The energies of `_energies` in one frame, from the signals themselves."""
        span = self.prepared.frames.spans[frame]
        references = Signals(list(self.prepared.references.values()))
        source = Signals([self.prepared.references[self.target]])
        errors = Signals([self.array], minus=[self.prepared.references[self.target]])
        energies = np.zeros(5)
        for (a, b), (all_error, own_error) in filtered(references, span, [filters.everything, filters.own]):
            padded = np.zeros((2, *all_error.shape))
            inside = min(b, span[1])
            if inside > a:
                source.read(a, inside, padded[0, :, : inside - a])
                errors.read(a, inside, padded[1, :, : inside - a])
            signal, error = padded
            parts = (own_error, signal + own_error, all_error - own_error, signal + all_error, error - all_error)
            energies += [np.vdot(part, part) for part in parts]
        return energies


def _moves(values: Floats, others: Floats) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(np.any((np.abs(values - others) > _DOUBT_DB) & (values < _CEILING_DB)))


def _decibels(numerator: Floats, denominator: Floats) -> Floats:
    """``10 log10`` of a ratio of energies: +inf over nothing, NaN where both are nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values: Floats = 10 * np.log10(numerator / denominator)
    return values
