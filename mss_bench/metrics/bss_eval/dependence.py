"""Which references are, but for rounding, copies, sums or filterings of others.

Such a reference adds nothing to a span but its last bits: a stem panned in floating point (right = 0.7 left, rounded),
a stem stored a second time at another level, an "other" that is the rounded sum of the rest, a stem in which nothing is
above some frequency. Here the last bits are left out, a copy by `Projector`, the rest by its ridge. museval fits them
like any signal, with filters that are rounding themselves, and its ISR, SIR and SAR move by several dB. A dependence
that is exact (left = right, right = left / 2) leaves no such bits, and both agree.

Where a whole reference is a copy of another, SIR cannot tell the two apart: what leaks of one counts as the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.metrics._signals import Signals, pieces
from mss_bench.metrics.bss_eval.energies import FilterBank
from mss_bench.metrics.bss_eval.projection import Projector

__all__ = ["Dependence", "find_dependence"]

_EXACT = 1e-18
"""Energy that is left of a signal, relative to it, up to which a dependence is exact: what double precision leaves of
16-bit music is below 1e-20, rounding to float32 leaves 1e-16."""

_INVOLVED = 1e-3
"""Share of the filters' energy from which a signal takes part in a dependence."""


@dataclass(frozen=True)
class Dependence:
    """References that depend on one another.

    Parameters
    ----------
    rounded : frozenset of str
        Sources of which only rounding tells that they do not depend on others, in the span of all.
    rounded_alone : frozenset of str
        Those of which the channels of the source itself do.
    copies : mapping of str to frozenset of str
        Source to the sources of which one of its channels is a copy, or whose copy it is.
    """

    rounded: frozenset[str]
    rounded_alone: frozenset[str]
    copies: Mapping[str, frozenset[str]]

    def of(self, target: str, quantity: str) -> list[str]:
        """Return the sources that ISR, SIR or SAR of a target suffer from, sorted."""
        found = set[str]()
        if quantity != "ISR":
            found |= self.rounded
        if quantity != "SAR":
            found |= {target} & self.rounded_alone
        if quantity == "SIR" and target in self.copies:
            found |= self.copies[target] | {target}
        return sorted(found)


def find_dependence(
    names: Sequence[str], signals: Signals, everything: Projector, own: Sequence[Projector]
) -> Dependence:
    """Look for dependences, at a cost where the projectors met one.

    Parameters
    ----------
    names : sequence of str
        The sources.
    signals : Signals
        Their channels, source after source.
    everything : Projector
        On all of them.
    own : sequence of Projector
        On those of each source.
    """
    channels = signals.n // len(names)
    copies: dict[str, set[str]] = {}
    for pair in everything.copies:
        first, second = (names[i // channels] for i in pair)
        if first != second:
            copies.setdefault(first, set()).add(second)
            copies.setdefault(second, set()).add(first)
    alone = {
        name
        for index, (name, projector) in enumerate(zip(names, own, strict=True))
        if _rounded(signals.part(index * channels, (index + 1) * channels), projector)
    }
    rounded = {names[i // channels] for i in _rounded(signals, everything)}
    return Dependence(frozenset(rounded), frozenset(alone), {t: frozenset(c) for t, c in copies.items()})


def _rounded(signals: Signals, projector: Projector) -> set[int]:
    """Return the signals that depend on one another but for rounding."""
    found = {i for pair in projector.copies if not _is_exact(signals, *pair) for i in pair}
    filters = projector.vanishing()
    if filters is not None:
        left = sum(
            float(np.vdot(chunk, chunk))
            for _, (chunk,) in FilterBank([filters]).apply(signals, (0, signals.n_samples))
        )  # fmt: skip
        if _EXACT < left < projector.ridge:
            shares = projector.shares(filters)
            found |= set(np.flatnonzero(shares > _INVOLVED * shares.sum()).tolist())
    return found


def _is_exact(signals: Signals, copy: int, original: int) -> bool:
    """Return whether one signal is the other up to its gain, to the precision in which that can be said."""
    gram: Floats = np.zeros((2, 2))
    for start, stop in pieces(signals.n_samples):
        both = np.stack([signals.read(start, stop)[i] for i in (copy, original)])
        gram += both @ both.T
    gain, left = gram[0, 1] / gram[1, 1], 0.0
    for start, stop in pieces(signals.n_samples):
        piece = signals.read(start, stop)
        rest = piece[copy] - gain * piece[original]
        left += float(rest @ rest)
    return left <= _EXACT * float(gram[0, 0])
