"""The decomposition of BSS Eval v4: from arrays to energy ratios, without policies and names of tools.

See `mss_bench.metrics.bss_eval.v4` for the mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.metrics._frames import Frames, Mask
from mss_bench.metrics._levels import level, scaled, scaling, scaling_exponent
from mss_bench.metrics._room import Room
from mss_bench.metrics._signals import Signals
from mss_bench.metrics.bss_eval.dependence import Dependence, find_dependence
from mss_bench.metrics.bss_eval.lags import KeptSpectra, LagCorrelations, correlate
from mss_bench.metrics.bss_eval.projection import Projector
from mss_bench.metrics.bss_eval.ratios import QUANTITIES, ROUGH, Filters, FramedEstimate, Ratios

__all__ = ["QUANTITIES", "Decomposition", "PreparedReferences", "decompose", "prepare_references"]

_DOUBT_DB = 0.1
"""Movement under a tenfold ridge from which a quantity is ill-conditioned."""

_CEILING_DB = 100.0
"""Beyond this a value is a matter of rounding; its movements do not count."""

_KEPT_BYTES = 1 << 30
"""Memory for the references' correlations; beyond it they are made anew, some frames at a time, for every estimate."""


@dataclass(frozen=True)
class Projectors:
    """Projections on the delayed channels of all sources, and on those of each source alone."""

    everything: Projector
    own: dict[str, Projector]

    def stiffer(self, targets: Iterable[str]) -> Projectors:
        """Return those with ten times the ridge, where that may matter."""
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
    dependence : Dependence
        Of references on one another.
    kept : KeptSpectra, optional
        Spectra of the references, which every set of estimates is correlated with.
    """

    references: dict[str, Samples]
    levels: dict[str, int | None]
    signals: dict[str, Samples]
    frames: Frames
    lags: LagCorrelations
    projectors: Projectors
    dependence: Dependence
    kept: KeptSpectra | None = None

    @property
    def channels(self) -> int:
        """Return the number of channels of a source."""
        return len(next(iter(self.references.values())))

    @property
    def condition(self) -> float:
        """Return the estimated condition number of the system of all references."""
        return self.projectors.everything.condition

    def interference_possible(self, target: str) -> bool:
        """Return whether the other references add anything to the span of one."""
        # its span lies in that of all, so that equal dimensions mean equal spans
        return len(self.projectors.own[target].members) < len(self.projectors.everything.members)

    @property
    def why_no_interference(self) -> str:
        """Return why SIR is undefined where interference is not possible."""
        lone = len(self.references) == 1
        why = "there is no other reference" if lone else "no other reference adds to the span of this one"
        return f"SIR is undefined: {why}"


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


def prepare_references(references: dict[str, Samples], frames: Frames, room: Room | None = None) -> PreparedReferences:
    """Correlate the references and factorise the Gram matrices of their delayed versions.

    Parameters
    ----------
    references : dict of str to (channels, samples) float array
    frames : Frames
    room : Room, optional
        Memory for spectra of the references, some 4 MB a second for four stereo sources: of several sets of estimates
        each but the first then takes 0.7 of the time. None are kept by default.
    """
    levels = {t: level(array) for t, array in references.items()}
    rescaled = {t: scaled(array, scaling_exponent(levels[t])) for t, array in references.items()}
    signals = Signals(list(rescaled.values()))
    in_memory = frames.count <= _frames_at_once(signals.n, frames)
    kept = KeptSpectra(room) if room is not None and in_memory else None
    lags = correlate(signals, signals, frames if in_memory else frames.whole, kept)
    channels = signals.n // len(references)
    own = {}
    for first, target in zip(range(0, signals.n, channels), references, strict=True):
        mine = slice(first, first + channels)
        own[target] = Projector(lags.total[:, mine, mine])
    everything = Projector(lags.total)
    dependence = find_dependence(list(references), signals, everything, list(own.values()))
    projectors = Projectors(everything, own)
    return PreparedReferences(references, levels, rescaled, frames, lags, projectors, dependence, kept)


def decompose(
    prepared: PreparedReferences, estimates: Mapping[str, Samples], valid: Mapping[str, Mask]
) -> dict[str, Decomposition]:
    """Compute the ratios of estimates in every frame.

    Parameters
    ----------
    prepared : PreparedReferences
    estimates : mapping of str to (channels, samples) float array
        Of some of the sources, finite.
    valid : mapping of str to (n_frames,) bool
        Frames whose values are wanted; the others may hold anything.
    """
    if not estimates:
        return {}
    parts = [_decompose(part, estimates, masks) for part, masks in _parts(prepared, valid)]
    return {target: _joined([part[target] for part in parts]) for target in estimates}


def _frames_at_once(n: int, frames: Frames) -> int:
    """Return how many frames' correlations of n signals with each other may be in memory."""
    return max(1, _KEPT_BYTES // (8 * (frames.reach + 1) * n * n))


def _parts(
    prepared: PreparedReferences, valid: Mapping[str, Mask]
) -> Iterator[tuple[PreparedReferences, Mapping[str, Mask]]]:
    """Yield the references with the correlations of all frames, or, if those are not kept, of some at a time."""
    signals = Signals(list(prepared.signals.values()))
    size = _frames_at_once(signals.n, prepared.frames)
    if prepared.frames.count <= size:
        yield prepared, valid
        return
    for frames in prepared.frames.parts(-(-size // 4)):  # the errors' correlations and temporaries come on top
        first, stop = frames.selected or (0, frames.count)
        part = replace(prepared, frames=frames, lags=correlate(signals, signals, frames))
        yield part, {t: mask[first:stop] for t, mask in valid.items()}


def _joined(parts: Sequence[Decomposition]) -> Decomposition:
    """Join consecutive frames of one estimate."""
    ratios = {q: np.concatenate([part.ratios[q] for part in parts]) for q in QUANTITIES}
    return Decomposition(ratios, frozenset().union(*(part.ill_conditioned for part in parts)))


def _decompose(
    prepared: PreparedReferences, estimates: Mapping[str, Samples], valid: Mapping[str, Mask]
) -> dict[str, Decomposition]:
    framed = _framed(prepared, estimates, valid)
    filters = _solve(framed, prepared.projectors)
    ratios = [estimate.ratios(own) for estimate, own in zip(framed, filters, strict=True)]
    doubts = _ill_conditioned(prepared.projectors, framed, filters, ratios)
    return {e.target: Decomposition(own, doubt) for e, own, doubt in zip(framed, ratios, doubts, strict=True)}


def _framed(
    prepared: PreparedReferences, estimates: Mapping[str, Samples], valid: Mapping[str, Mask]
) -> list[FramedEstimate]:
    """Correlate the errors of the estimates with the references."""
    scalings = [scaling(prepared.levels[t], level(y)) for t, y in estimates.items()]
    sources, shifts = [prepared.signals[t] for t in estimates], [how.estimate for how in scalings]
    errors = Signals(list(estimates.values()), minus=sources, shifts=shifts)
    cross = correlate(Signals(list(prepared.signals.values())), errors, prepared.frames, prepared.kept)
    framed = []
    for i, (target, array) in enumerate(estimates.items()):
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
                valid=valid[target],
            )
        )
    return framed


def _filters(
    framed: Sequence[FramedEstimate],
    projectors: Projectors,
    method: Callable[[Projector, Floats], Floats],
    given: Sequence[tuple[Floats, Floats]],
) -> list[Filters]:
    """Apply `Projector.solve` to correlations, or `Projector.shifted` to filters, of several estimates.

    Parameters
    ----------
    framed : sequence of FramedEstimate
    projectors : Projectors
    method : callable
        Either of the two.
    given : sequence of pairs of (n_lags, n, channels)
        What it is applied to for each estimate, with the projector on everything and with the source's own.
    """
    # One pass over the factor, the largest array of all, serves the columns of all estimates.
    columns = np.concatenate([wide for wide, _ in given], axis=2)
    everything = np.split(method(projectors.everything, columns), len(framed), axis=2)
    filters = []
    for estimate, taps, (_, narrow) in zip(framed, everything, given, strict=True):
        own = np.zeros_like(taps)
        own[:, estimate.columns] = method(projectors.own[estimate.target], narrow[:, estimate.columns])
        filters.append(Filters(taps, own))
    return filters


def _solve(framed: Sequence[FramedEstimate], projectors: Projectors) -> list[Filters]:
    return _filters(framed, projectors, Projector.solve, [(e.lags.total, e.lags.total) for e in framed])


def _ill_conditioned(
    projectors: Projectors, framed: Sequence[FramedEstimate], filters: Sequence[Filters], ratios: Sequence[Ratios]
) -> list[frozenset[str]]:
    """Return which quantities of each estimate depend on the ridge; factorise again only where a first look says so."""
    moved = [frozenset[str]()] * len(framed)
    doubted = [i for i, e in enumerate(framed) if projectors.everything.doubtful or projectors.own[e.target].doubtful]
    if not doubted:
        return moved
    given = [(filters[i].everything, filters[i].own) for i in doubted]
    shifted = _filters([framed[i] for i in doubted], projectors, Projector.shifted, given)
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
    """Return the quantities that differ by more than a threshold with other filters in some valid frame."""
    with np.errstate(invalid="ignore"):
        wanted = {q: estimate.valid & (values < _CEILING_DB) for q, values in ratios.items()}
        others = estimate.ratios(filters, ROUGH, wanted)
        moved = [q for q, values in ratios.items() if np.any((np.abs(values - others[q]) > threshold) & wanted[q])]
    return frozenset(moved)
