"""Every estimate against every reference in every window, as ``museval.metrics`` orders them and we score them."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.metrics._frames import Frames
from mss_bench.metrics.bss_eval.assignment import best_order, pair_ratios
from mss_bench.metrics.bss_eval.decomposition import QUANTITIES, prepare_references
from mss_bench.metrics.bss_eval.v3 import prepare_window

__all__ = ["IllConditionedWarning", "Pairs", "orders", "score_pairs", "warn_of_doubts"]


class IllConditionedWarning(UserWarning):
    """Warning that ISR, SIR or SAR of a source depend on rounding errors of the references.

    They change by more than 0.1 dB when the ridge is ten times as large, or references are, but for rounding, copies,
    sums or filterings of each other. museval's values are no more reliable in such a case; it does not warn.
    """


class Pairs(NamedTuple):
    """Every estimate against every reference.

    Parameters
    ----------
    values : dict of str to (references, estimates, windows)
        By quantity, NaN where a window or pair does not count.
    doubtful : (references, estimates, windows) bool
        Some quantity is ill-conditioned.
    condition : float
        The worst of the systems'.
    rounded : frozenset of str
        Sources that depend on others but for rounding.
    """

    values: dict[str, Floats]
    doubtful: NDArray[np.bool_]
    condition: float
    rounded: frozenset[str]


def score_pairs(
    references: dict[str, Samples],
    estimates: dict[str, Samples],
    valid: NDArray[np.bool_],
    frames: Frames,
    framewise: bool,
    all_pairs: bool,
) -> Pairs:
    """Score every estimate against every reference (or the own one alone) in the windows that count."""
    n = len(references)
    values = {q: np.full((n, n, len(valid)), np.nan) for q in QUANTITIES}
    doubtful, condition = np.zeros((n, n, len(valid)), dtype=bool), 1.0
    rounded = frozenset[str]()
    windows = np.flatnonzero(valid)
    for part in windows[:, np.newaxis] if framewise else [np.arange(len(valid))]:
        if framewise:
            start, stop = frames.spans[part[0]]
            prepared = prepare_window(references, (start, stop), frames.reach)
            cut = {t: array[:, start:stop] for t, array in estimates.items()}
        else:
            prepared, cut = prepare_references(references, frames), estimates
        ratios = pair_ratios(prepared, cut, valid[part], all_pairs=all_pairs)
        condition = max(condition, prepared.condition)
        rounded |= prepared.dependence.rounded | prepared.dependence.rounded_alone
        for q in QUANTITIES:
            values[q][..., part] = ratios.values[q]
            doubtful[..., part] |= ratios.ill_conditioned[q][..., np.newaxis]
    if n == 1:  # museval has no interference to divide by
        values["SIR"][..., valid] = np.inf
    return Pairs(values, doubtful, condition, rounded)


def warn_of_doubts(pairs: Pairs, order: NDArray[np.intp]) -> None:
    """Warn of the sources that are ill-conditioned, given the estimate of each in every window, or depend on others."""
    defined = ~np.isnan(pairs.values["SAR"])
    doubtful = np.take_along_axis(pairs.doubtful & defined, order[:, np.newaxis], axis=1)
    texts = []
    if doubtful.any():
        sources = ", ".join(str(index) for index, windows in enumerate(doubtful) if windows.any())
        texts.append(
            f"ISR, SIR and SAR of source {sources} hang on the last bits of the references, whose system has a "
            f"condition number of {pairs.condition:.0e}: they move by more than 0.1 dB under a tenfold ridge"
        )
    if pairs.rounded:
        texts.append(
            f"the references of {', '.join(sorted(pairs.rounded))} are, but for rounding, copies, sums or filterings "
            "of each other, as a stem panned in floating point is. Their last bits are left out here and fitted by "
            "museval, whose ISR, SIR and SAR may differ by several dB"
        )
    if texts:
        warnings.warn("; ".join(texts), IllConditionedWarning, stacklevel=3)


def orders(sir: Floats, framewise: bool, permute: bool) -> NDArray[np.intp]:
    """Return the estimate of each reference, ``(sources, 1)`` or ``(sources, windows)``."""
    means = np.moveaxis(sir, 2, 0) if framewise else sir.mean(axis=2)[np.newaxis]
    return np.stack([best_order(mean) if permute else np.arange(len(sir)) for mean in means], axis=1)
