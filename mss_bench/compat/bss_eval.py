"""``museval.metrics.bss_eval`` over this package's engine; see `mss_bench.compat.museval`."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.errors import AudioError
from mss_bench.metrics._checks import first_bad_sample
from mss_bench.metrics._frames import Frames, SilencePolicy
from mss_bench.metrics.bss_eval.assignment import best_order, pair_ratios
from mss_bench.metrics.bss_eval.decomposition import QUANTITIES, prepare_references
from mss_bench.metrics.bss_eval.v3 import prepare_window, sources_sdr

__all__ = ["IllConditionedWarning", "MusevalError", "Scores", "bss_eval"]

_SILENT = {
    "reference": "All the reference sources should be non-silent (not all-zeros), but at least one of the reference "
    "sources is all 0s, which introduces ambiguity to the evaluation",
    "estimate": "All the estimated sources should be non-silent (not all-zeros), but at least one of the estimated "
    "sources is all 0s",
}


class MusevalError(AudioError, ValueError):
    """An error that museval raises as a ValueError."""


class IllConditionedWarning(UserWarning):
    """Warning that ISR, SIR or SAR of a source depend on rounding errors of the references.

    They change by more than 0.1 dB when the ridge is ten times as large. museval's values are no more reliable in such
    a case; it does not warn.
    """


class Scores(NamedTuple):
    """What `bss_eval` returns.

    Parameters
    ----------
    sdr, isr, sir, sar : (sources, windows) float64
        In dB.
    perm : (sources, 1) or (sources, windows) int
        The estimate of each reference: one order for the signal, or with framewise filters one a window.
    """

    sdr: Floats
    isr: Floats
    sir: Floats
    sar: Floats
    perm: NDArray[np.intp]


def bss_eval(
    reference_sources: ArrayLike,
    estimated_sources: ArrayLike,
    window: float = 2 * 44100,
    hop: float = 1.5 * 44100,
    compute_permutation: bool = False,
    filters_len: int = 512,
    framewise_filters: bool = False,
    bsseval_sources_version: bool = False,
) -> Scores:
    """Compute SDR, ISR, SIR and SAR of every source in every window.

    Parameters
    ----------
    reference_sources, estimated_sources : (sources, samples, channels)
    window, hop : float
        Whole numbers of samples; infinite for the whole signal.
    compute_permutation : bool
        Put the estimates in the order of greatest mean SIR; a NaN window forces the order as given.
    filters_len : int
        Taps of the distortion filters.
    framewise_filters : bool
        Filters anew in each window (BSS Eval v3).
    bsseval_sources_version : bool
        Measure against the filtered source; ISR is NaN.

    Returns
    -------
    Scores

    Raises
    ------
    MusevalError
        Shapes that do not fit, silent sources, NaN in a reference, windows that are no whole numbers of samples.

    Warns
    -----
    IllConditionedWarning
        Naming the sources, and the condition number of their system.
    """
    references, estimates = (np.atleast_3d(np.asarray(a)) for a in (reference_sources, estimated_sources))
    _validate(references, estimates)
    true, estimated = _channels_first(references), _channels_first(estimates)
    frames = _frames(references.shape[1], window, hop, filters_len)
    framewise = framewise_filters or frames.spans == [(0, frames.n_samples)]
    if bsseval_sources_version and not framewise:
        raise MusevalError("bsseval_sources_version needs framewise_filters, or a window as long as the signal")
    spoiled = [t for t, array in estimated.items() if first_bad_sample(array) is not None]
    # A spoiled estimate is replaced by its reference, which cannot disturb the others; its values are dropped below.
    usable = {t: true[t] if t in spoiled else array for t, array in estimated.items()}
    policy = SilencePolicy("channel_sum")
    silent = [policy.silent(array, frames.spans) for array in (*true.values(), *usable.values())]
    pairs = _pairs(true, usable, ~np.any(silent, axis=0), frames, framewise, compute_permutation)
    values = pairs.values
    for target in spoiled:
        for ratios in values.values():
            ratios[:, list(true).index(target)] = np.nan
    perm = _orders(values["SIR"], framewise_filters, compute_permutation)
    order = np.broadcast_to(perm, (len(true), len(frames.spans)))
    own = {q: np.take_along_axis(ratios, order[:, np.newaxis], axis=1)[:, 0] for q, ratios in values.items()}
    if bsseval_sources_version:
        own["SDR"], own["ISR"] = sources_sdr(own["SIR"], own["SAR"]), np.full(order.shape, np.nan)
    _warn_of_doubts(pairs, order)
    return Scores(own["SDR"], own["ISR"], own["SIR"], own["SAR"], perm)


class _Pairs(NamedTuple):
    """Every estimate against every reference.

    Parameters
    ----------
    values : dict of str to (references, estimates, windows)
        By quantity, NaN where a window or pair does not count.
    doubtful : (references, estimates, windows) bool
        Some quantity is ill-conditioned.
    condition : float
        The worst of the systems'.
    """

    values: dict[str, Floats]
    doubtful: NDArray[np.bool_]
    condition: float


def _pairs(
    references: dict[str, Samples],
    estimates: dict[str, Samples],
    valid: NDArray[np.bool_],
    frames: Frames,
    framewise: bool,
    all_pairs: bool,
) -> _Pairs:
    n = len(references)
    values = {q: np.full((n, n, len(valid)), np.nan) for q in QUANTITIES}
    doubtful, condition = np.zeros((n, n, len(valid)), dtype=bool), 1.0
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
        for q in QUANTITIES:
            values[q][..., part] = ratios.values[q]
            doubtful[..., part] |= ratios.ill_conditioned[q][..., np.newaxis]
    if n == 1:  # museval has no interference to divide by
        values["SIR"][..., valid] = np.inf
    return _Pairs(values, doubtful, condition)


def _warn_of_doubts(pairs: _Pairs, order: NDArray[np.intp]) -> None:
    """Warn of the sources that are ill-conditioned, given the estimate of each in every window."""
    defined = ~np.isnan(pairs.values["SAR"])
    doubtful = np.take_along_axis(pairs.doubtful & defined, order[:, np.newaxis], axis=1)
    if doubtful.any():
        sources = ", ".join(str(index) for index, windows in enumerate(doubtful) if windows.any())
        warnings.warn(
            f"ISR, SIR and SAR of source {sources} hang on the last bits of the references, whose system has a "
            f"condition number of {pairs.condition:.0e}: they move by more than 0.1 dB under a tenfold ridge",
            IllConditionedWarning,
            stacklevel=3,
        )


def _orders(sir: Floats, framewise: bool, permute: bool) -> NDArray[np.intp]:
    """Return the estimate of each reference, ``(sources, 1)`` or ``(sources, windows)``."""
    means = np.moveaxis(sir, 2, 0) if framewise else sir.mean(axis=2)[np.newaxis]
    return np.stack([best_order(mean) if permute else np.arange(len(sir)) for mean in means], axis=1)


def _validate(references: NDArray[Any], estimates: NDArray[Any]) -> None:
    if references.shape != estimates.shape:
        raise MusevalError(
            "The shape of estimated sources and the true sources should match. "
            f"reference_sources.shape = {references.shape}, estimated_sources.shape = {estimates.shape}"
        )
    if references.ndim > 3:
        raise MusevalError(
            f"The number of dimensions is too high (must be at most 3): {references.shape}; "
            "expected (sources, samples, channels)"
        )
    if references.size == 0:
        raise MusevalError(f"the sources are empty: {references.shape} is (sources, samples, channels)")
    for kind, arrays in (("reference", references), ("estimate", estimates)):
        if arrays.dtype.kind not in "iuf":
            raise MusevalError(f"the {kind} sources are of {arrays.dtype}, expected numbers")
        for index, array in enumerate(arrays):
            if kind == "reference" and (problem := first_bad_sample(array.T)) is not None:
                raise MusevalError(f"reference source {index} holds {problem}; expected numbers")
            if not array.sum(axis=1).any():
                raise MusevalError(f"{_SILENT[kind]}: source {index}")


def _channels_first(arrays: NDArray[Any]) -> dict[str, Samples]:
    floats = arrays if arrays.dtype.kind == "f" else arrays.astype(np.float64)
    return {f"source {index}": array.T for index, array in enumerate(floats)}


def _frames(n_samples: int, window: float, hop: float, filter_length: int) -> Frames:
    def size(name: str, samples: float) -> int:
        if not samples > 0 or (math.isfinite(samples) and samples != int(samples)):
            raise MusevalError(f"{name} is {samples!r}, expected a whole number of samples, or infinity")
        return int(samples) if math.isfinite(samples) else n_samples

    if filter_length < 1:
        raise MusevalError(f"filters_len is {filter_length!r}, expected at least 1 tap")
    return Frames(n_samples, size("window", window), size("hop", hop), filter_length - 1)
