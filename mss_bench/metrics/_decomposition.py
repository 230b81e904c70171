"""The decomposition of BSS Eval v4: from arrays to energy ratios, without policies and names of tools.

See `mss_bench.metrics.bss_eval` for the mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mss_bench.metrics._frames import Frames
from mss_bench.metrics._lags import LagCorrelations, correlate
from mss_bench.metrics._projection import Projector
from mss_bench.metrics._ratios import QUANTITIES, ROUGH, Filters, FramedEstimate, Ratios
from mss_bench.metrics._signals import Floats, Samples, Signals

__all__ = ["QUANTITIES", "Decomposition", "PreparedReferences", "decompose", "prepare_references"]

_DOUBT_DB = 0.1
"""Movement under a tenfold ridge from which a quantity is ill-conditioned."""

_CEILING_DB = 100.0
"""Beyond this a value is a matter of rounding; its movements do not count."""


@dataclass(frozen=True)
class Projectors:
    """Projections on the delayed channels of all sources, and on those of each source alone."""

    everything: Projector
    own: dict[str, Projector]

    def stiffer(self, targets: Iterable[str]) -> Projectors:
        """Those with ten times the ridge, where that may matter."""
        everything = self.everything.stiffer() if self.everything.doubtful else self.everything
        return Projectors(
            everything, {t: self.own[t].stiffer() if self.own[t].doubtful else self.own[t] for t in targets}
        )


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
    projectors : Projectors
    """

    references: dict[str, Samples]
    frames: Frames
    lags: LagCorrelations
    projectors: Projectors

    @property
    def channels(self) -> int:
        """Channels of a source."""
        return len(next(iter(self.references.values())))

    def columns(self, target: str) -> slice:
        """Where the channels of a source lie among those of all."""
        index = list(self.references).index(target)
        return slice(index * self.channels, (index + 1) * self.channels)

    def interference_possible(self, target: str) -> bool:
        """Whether the other references add anything to the span of one."""
        # its span lies in that of all, so that equal dimensions mean equal spans
        return len(self.projectors.own[target].members) < len(self.projectors.everything.members)


@dataclass(frozen=True)
class Decomposition:
    """What became of one estimate.

    Parameters
    ----------
    ratios : dict of str to (n_frames,)
        SDR, ISR, SIR and SAR in dB.
    ill_conditioned : frozenset of str
        Quantities that move by more than 0.1 dB in some frame when the ridge grows tenfold.
    """

    ratios: Ratios
    ill_conditioned: frozenset[str]


def prepare_references(references: dict[str, Samples], frames: Frames) -> PreparedReferences:
    """Correlate the references and factorise the Gram matrices of their delayed versions."""
    signals = Signals(list(references.values()))
    lags = correlate(signals, signals, frames)
    channels = signals.n // len(references)
    own = {}
    for first, target in zip(range(0, signals.n, channels), references, strict=True):
        mine = slice(first, first + channels)
        own[target] = Projector(lags.total[:, mine, mine])
    return PreparedReferences(references, frames, lags, Projectors(Projector(lags.total), own))


def decompose(
    prepared: PreparedReferences, estimates: Mapping[str, Samples], valid: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Decomposition]:
    """Ratios of estimates in every frame.

    Parameters
    ----------
    estimates : mapping of str to (channels, samples) float array
        Of some of the sources, finite.
    valid : mapping of str to (n_frames,) bool
        Frames whose values are wanted; the others may hold anything.
    """
    references = Signals(list(prepared.references.values()))
    errors = Signals(list(estimates.values()), minus=[prepared.references[t] for t in estimates])
    cross = correlate(references, errors, prepared.frames)
    framed = {}
    for first, (target, array) in zip(range(0, errors.n, prepared.channels), estimates.items(), strict=True):
        channel = slice(first, first + prepared.channels)
        lags = LagCorrelations(cross.frames[..., channel], cross.total[..., channel], cross.energy[:, channel])
        framed[target] = FramedEstimate(
            references=prepared.references,
            target=target,
            array=array,
            spans=prepared.frames.spans,
            reference_lags=prepared.lags,
            lags=lags,
            valid=valid[target],
        )
    filters = _solve(framed, prepared.projectors)
    ratios = {t: estimate.ratios(filters[t]) for t, estimate in framed.items()}
    moved = _ill_conditioned(prepared.projectors, framed, filters, ratios)
    return {t: Decomposition(ratios[t], moved[t]) for t in estimates}


def _solve(framed: Mapping[str, FramedEstimate], projectors: Projectors) -> dict[str, Filters]:
    """Filters of the errors of several estimates."""
    everything = _at_once(projectors.everything.solve, [estimate.lags.total for estimate in framed.values()])
    filters = {}
    for (target, estimate), taps in zip(framed.items(), everything, strict=True):
        own = np.zeros_like(taps)
        own[:, estimate.columns] = projectors.own[target].solve(estimate.lags.total[:, estimate.columns])
        filters[target] = Filters(taps, own)
    return filters


def _shifted(
    framed: Mapping[str, FramedEstimate], projectors: Projectors, filters: Mapping[str, Filters]
) -> dict[str, Filters]:
    """The filters with ten times the ridge, to first order."""
    everything = _at_once(projectors.everything.shifted, [filters[target].everything for target in framed])
    shifted = {}
    for (target, estimate), taps in zip(framed.items(), everything, strict=True):
        own = np.zeros_like(taps)
        own[:, estimate.columns] = projectors.own[target].shifted(filters[target].own[:, estimate.columns])
        shifted[target] = Filters(taps, own)
    return shifted


def _at_once(function: Callable[[Floats], Floats], parts: list[Floats]) -> list[Floats]:
    """A function of columns applied to those of several arrays together: one pass over the factor serves all."""
    if not parts:
        return []
    return np.split(function(np.concatenate(parts, axis=2)), len(parts), axis=2)


def _ill_conditioned(
    projectors: Projectors, framed: dict[str, FramedEstimate], filters: dict[str, Filters], ratios: dict[str, Ratios]
) -> dict[str, frozenset[str]]:
    """Which quantities of each estimate hang on the ridge; factorises again only where a first look says they may."""
    doubted = {
        t: estimate for t, estimate in framed.items() if projectors.everything.doubtful or projectors.own[t].doubtful
    }
    shifted = _shifted(doubted, projectors, filters)
    suspects = {t: e for t, e in doubted.items() if _moved(e, ratios[t], shifted[t], _DOUBT_DB / 2)}
    moved = dict.fromkeys(framed, frozenset[str]())
    if suspects:
        stiffer = _solve(suspects, projectors.stiffer(suspects))
        for target, estimate in suspects.items():
            moved[target] = _moved(estimate, ratios[target], stiffer[target], _DOUBT_DB)
    return moved


def _moved(estimate: FramedEstimate, ratios: Ratios, filters: Filters, threshold: float) -> frozenset[str]:
    """Quantities that differ by more than a threshold with other filters in some valid frame."""
    with np.errstate(invalid="ignore"):
        wanted = {q: estimate.valid & (values < _CEILING_DB) for q, values in ratios.items()}
        others = estimate.ratios(filters, ROUGH, wanted)
        moved = [q for q, values in ratios.items() if np.any((np.abs(values - others[q]) > threshold) & wanted[q])]
    return frozenset(moved)
