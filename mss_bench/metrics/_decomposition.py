"""The decomposition of BSS Eval v4: from arrays to energy ratios, without policies and names of tools.

See `mss_bench.metrics.bss_eval` for the mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mss_bench.metrics._frames import Frames
from mss_bench.metrics._lags import LagCorrelations, correlate
from mss_bench.metrics._levels import level, scaling, shifted, unusual
from mss_bench.metrics._projection import Projector
from mss_bench.metrics._ratios import QUANTITIES, ROUGH, Filters, FramedEstimate, Ratios
from mss_bench.metrics._signals import Floats, Samples, Signals

__all__ = ["QUANTITIES", "Decomposition", "PreparedReferences", "decompose", "decompose_sets", "prepare_references"]

_DOUBT_DB = 0.1
"""Movement under a tenfold ridge from which a quantity is ill-conditioned."""

_CEILING_DB = 100.0
"""Beyond this a value is a matter of rounding; its movements do not count."""

_SHARED_SETS = 4
"""Sets that are scored in one pass, at most: more of them save little and take memory."""

_SHARED_BYTES = 256 << 20
"""Memory for the correlations of the sets that are scored in one pass, unless a single one needs more."""

_KEPT_BYTES = 1 << 30
"""Memory for the references' correlations; beyond it they are made anew, some frames at a time, for every estimate."""

Mask = NDArray[np.bool_]


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
    levels : dict of str to int or None
        Binary exponents of their levels, None where silent.
    signals : dict of str to (channels, samples) float array
        The references as they are correlated: as given, or scaled by a power of two where the level is unusual.
    frames : Frames
    lags : LagCorrelations
        Of all reference channels, source after source, with each other; of the whole track alone where there are too
        many frames to keep.
    projectors : Projectors
    """

    references: dict[str, Samples]
    levels: dict[str, int | None]
    signals: dict[str, Samples]
    frames: Frames
    lags: LagCorrelations
    projectors: Projectors

    @property
    def channels(self) -> int:
        """Channels of a source."""
        return len(next(iter(self.references.values())))

    @property
    def condition(self) -> float:
        """Estimated condition number of the system of all references."""
        return self.projectors.everything.condition

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
    levels = {t: level(array) for t, array in references.items()}
    scaled = {t: shifted(array, unusual(levels[t])) for t, array in references.items()}
    signals = Signals(list(scaled.values()))
    kept = frames.count <= _frames_at_once(signals.n, frames)
    lags = correlate(signals, signals, frames if kept else frames.whole)
    channels = signals.n // len(references)
    own = {}
    for first, target in zip(range(0, signals.n, channels), references, strict=True):
        mine = slice(first, first + channels)
        own[target] = Projector(lags.total[:, mine, mine])
    return PreparedReferences(references, levels, scaled, frames, lags, Projectors(Projector(lags.total), own))


def decompose(
    prepared: PreparedReferences, estimates: Mapping[str, Samples], valid: Mapping[str, Mask]
) -> dict[str, Decomposition]:
    """Ratios of estimates in every frame.

    Parameters
    ----------
    estimates : mapping of str to (channels, samples) float array
        Of some of the sources, finite.
    valid : mapping of str to (n_frames,) bool
        Frames whose values are wanted; the others may hold anything.
    """
    return decompose_sets(prepared, [estimates], [valid])[0]


def decompose_sets(
    prepared: PreparedReferences, sets: Sequence[Mapping[str, Samples]], valid: Sequence[Mapping[str, Mask]]
) -> list[dict[str, Decomposition]]:
    """`decompose` of several sets of estimates, which share the reading and transforming of the references."""
    parts = [_decompose_sets(part, sets, masks) for part, masks in _parts(prepared, valid)]
    return [{t: _joined([part[i][t] for part in parts]) for t in estimates} for i, estimates in enumerate(sets)]


def _frames_at_once(n: int, frames: Frames) -> int:
    """How many frames' correlations of n signals with each other may be in memory."""
    return max(1, _KEPT_BYTES // (8 * (frames.reach + 1) * n * n))


def _parts(
    prepared: PreparedReferences, valid: Sequence[Mapping[str, Mask]]
) -> Iterator[tuple[PreparedReferences, Sequence[Mapping[str, Mask]]]]:
    """The references with the correlations of all frames, or, if those are not kept, of some at a time."""
    signals = Signals(list(prepared.signals.values()))
    size = _frames_at_once(signals.n, prepared.frames)
    if prepared.frames.count <= size:
        yield prepared, valid
        return
    for frames in prepared.frames.parts(-(-size // 4)):  # the errors' correlations and temporaries come on top
        first, stop = frames.selected or (0, frames.count)
        part = replace(prepared, frames=frames, lags=correlate(signals, signals, frames))
        yield part, [{t: mask[first:stop] for t, mask in masks.items()} for masks in valid]


def _joined(parts: Sequence[Decomposition]) -> Decomposition:
    """Consecutive frames of one estimate."""
    ratios = {q: np.concatenate([part.ratios[q] for part in parts]) for q in QUANTITIES}
    return Decomposition(ratios, frozenset().union(*(part.ill_conditioned for part in parts)))


def _decompose_sets(
    prepared: PreparedReferences, sets: Sequence[Mapping[str, Samples]], valid: Sequence[Mapping[str, Mask]]
) -> list[dict[str, Decomposition]]:
    # the correlations of a whole set of errors take as much as those of the references
    at_once = max(1, min(_SHARED_SETS, _SHARED_BYTES // prepared.lags.frames.nbytes))
    firsts = range(0, len(sets), at_once)
    passes = (_decompose(prepared, sets[i : i + at_once], valid[i : i + at_once]) for i in firsts)
    return [decomposed for each in passes for decomposed in each]


def _decompose(
    prepared: PreparedReferences, sets: Sequence[Mapping[str, Samples]], valid: Sequence[Mapping[str, Mask]]
) -> list[dict[str, Decomposition]]:
    framed = _framed(prepared, sets, valid)
    filters = _solve(framed, prepared.projectors)
    ratios = [estimate.ratios(each) for estimate, each in zip(framed, filters, strict=True)]
    found = map(Decomposition, ratios, _ill_conditioned(prepared.projectors, framed, filters, ratios))
    return [{target: next(found) for target in estimates} for estimates in sets]


def _framed(
    prepared: PreparedReferences, sets: Sequence[Mapping[str, Samples]], valid: Sequence[Mapping[str, Mask]]
) -> list[FramedEstimate]:
    """All estimates of several sets with the correlations of their errors."""
    flat = [(t, y, mask[t]) for estimates, mask in zip(sets, valid, strict=True) for t, y in estimates.items()]
    if not flat:
        return []
    references = Signals(list(prepared.signals.values()))
    scalings = [scaling(prepared.levels[t], level(y)) for t, y, _ in flat]
    sources, shifts = [prepared.signals[t] for t, _, _ in flat], [each.estimate for each in scalings]
    errors = Signals([y for _, y, _ in flat], minus=sources, shifts=shifts)
    cross = correlate(references, errors, prepared.frames)
    framed = []
    for i, (target, array, mask) in enumerate(flat):
        channel = slice(i * prepared.channels, (i + 1) * prepared.channels)
        framed.append(
            FramedEstimate(
                references=prepared.signals,
                target=target,
                array=array,
                scaling=scalings[i],
                spans=prepared.frames.spans,
                reference_lags=prepared.lags,
                lags=LagCorrelations(cross.frames[..., channel], cross.total[..., channel], cross.energy[:, channel]),
                valid=mask,
            )
        )
    return framed


def _solve(framed: Sequence[FramedEstimate], projectors: Projectors) -> list[Filters]:
    """Filters of the errors of several estimates."""
    everything = _at_once(projectors.everything.solve, [estimate.lags.total for estimate in framed])
    filters = []
    for estimate, taps in zip(framed, everything, strict=True):
        own = np.zeros_like(taps)
        own[:, estimate.columns] = projectors.own[estimate.target].solve(estimate.lags.total[:, estimate.columns])
        filters.append(Filters(taps, own))
    return filters


def _shifted(framed: Sequence[FramedEstimate], projectors: Projectors, filters: Sequence[Filters]) -> list[Filters]:
    """The filters with ten times the ridge, to first order."""
    everything = _at_once(projectors.everything.shifted, [each.everything for each in filters])
    shifted = []
    for estimate, given, taps in zip(framed, filters, everything, strict=True):
        own = np.zeros_like(taps)
        own[:, estimate.columns] = projectors.own[estimate.target].shifted(given.own[:, estimate.columns])
        shifted.append(Filters(taps, own))
    return shifted


def _at_once(function: Callable[[Floats], Floats], parts: list[Floats]) -> list[Floats]:
    """A function of columns applied to those of several arrays together: one pass over the factor serves all."""
    return np.split(function(np.concatenate(parts, axis=2)), len(parts), axis=2) if parts else []


def _ill_conditioned(
    projectors: Projectors, framed: Sequence[FramedEstimate], filters: Sequence[Filters], ratios: Sequence[Ratios]
) -> list[frozenset[str]]:
    """Which quantities of each estimate hang on the ridge; factorises again only where a first look says they may."""
    moved = [frozenset[str]()] * len(framed)
    doubted = [i for i, e in enumerate(framed) if projectors.everything.doubtful or projectors.own[e.target].doubtful]
    shifted = _shifted([framed[i] for i in doubted], projectors, [filters[i] for i in doubted])
    suspects = [
        i for i, other in zip(doubted, shifted, strict=True) if _moved(framed[i], ratios[i], other, _DOUBT_DB / 2)
    ]
    if suspects:
        estimates = [framed[i] for i in suspects]
        stiffer = _solve(estimates, projectors.stiffer({e.target for e in estimates}))
        for i, other in zip(suspects, stiffer, strict=True):
            moved[i] = _moved(framed[i], ratios[i], other, _DOUBT_DB)
    return moved


def _moved(estimate: FramedEstimate, ratios: Ratios, filters: Filters, threshold: float) -> frozenset[str]:
    """Quantities that differ by more than a threshold with other filters in some valid frame."""
    with np.errstate(invalid="ignore"):
        wanted = {q: estimate.valid & (values < _CEILING_DB) for q, values in ratios.items()}
        others = estimate.ratios(filters, ROUGH, wanted)
        moved = [q for q, values in ratios.items() if np.any((np.abs(values - others[q]) > threshold) & wanted[q])]
    return frozenset(moved)
