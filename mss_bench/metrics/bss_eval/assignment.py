"""Every estimate against every reference, and which estimate belongs to which.

The order of estimates is the one of greatest mean SIR, as in BSS Eval since version 2. It is found by an assignment
solver in polynomial time, not by trying all N! orders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.metrics.bss_eval.decomposition import QUANTITIES, PreparedReferences, decompose

__all__ = ["PairRatios", "best_order", "pair_ratios"]

_CEILING_DB = 1e6
"""What an infinite ratio counts for where ratios are averaged: more than any finite one."""

Order = NDArray[np.intp]
"""Which estimate belongs to each reference."""


@dataclass(frozen=True)
class PairRatios:
    """Ratios of estimates as estimates of several references.

    Parameters
    ----------
    values : dict of str to (n, n, n_frames)
        SDR, ISR, SIR and SAR in dB by reference and estimate; NaN where a pair was not asked for.
    ill_conditioned : dict of str to (n, n) bool
    """

    values: dict[str, Floats]
    ill_conditioned: dict[str, NDArray[np.bool_]]

    def of(self, quantity: str, order: Order) -> Floats:
        """Return the values ``(n, n_frames)`` of the estimates in an order."""
        return self.values[quantity][np.arange(len(order)), order]

    def doubtful(self, quantity: str, order: Order) -> NDArray[np.bool_]:
        """Return whether a quantity is ill-conditioned, ``(n,)``, for the estimates in an order."""
        return self.ill_conditioned[quantity][np.arange(len(order)), order]


def pair_ratios(
    prepared: PreparedReferences, estimates: dict[str, Samples], valid: NDArray[np.bool_], *, all_pairs: bool
) -> PairRatios:
    """Decompose estimates, each against its own reference or against all.

    Parameters
    ----------
    prepared : PreparedReferences
    estimates : dict of str to (channels, samples) float array
        Of n of the sources, finite.
    valid : (n_frames,) bool
        Frames whose values are wanted; the others are NaN.
    all_pairs : bool
        Also take each for an estimate of the others' references.
    """
    targets = list(estimates)
    n = len(targets)
    values = {q: np.full((n, n, len(valid)), np.nan) for q in QUANTITIES}
    doubtful = {q: np.zeros((n, n), dtype=bool) for q in QUANTITIES}
    masks = dict.fromkeys(targets, valid)
    for shift in range(n if all_pairs else 1) if valid.any() else ():
        order = [(i + shift) % n for i in range(n)]
        shifted = {target: estimates[targets[j]] for target, j in zip(targets, order, strict=True)}
        for i, decomposed in enumerate(decompose(prepared, shifted, masks).values()):
            for q in QUANTITIES:
                values[q][i, order[i]] = np.where(valid, decomposed.ratios[q], np.nan)
                doubtful[q][i, order[i]] = q in decomposed.ill_conditioned
    return PairRatios(values, doubtful)


def best_order(sir: Floats) -> Order:
    """Find the assignment of greatest mean SIR.

    Parameters
    ----------
    sir : (n, n)
        In dB, by reference and estimate. Where any is NaN nothing can be compared: the order stays as given.

    Returns
    -------
    (n,) int
        The estimate of each reference.
    """
    from scipy.optimize import linear_sum_assignment

    if np.isnan(sir).any():
        return np.arange(len(sir))
    order: Order = linear_sum_assignment(np.clip(sir, -_CEILING_DB, _CEILING_DB), maximize=True)[1]
    return order
