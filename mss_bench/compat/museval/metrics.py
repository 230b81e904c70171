"""``museval.metrics`` over this package's engine; see `mss_bench.compat.museval`.

Sources are read where they lie, array by array: nothing is stacked, and no estimate is copied but one that is padded.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mss_bench.compat.museval.pairs import IllConditionedWarning, orders, score_pairs, warn_of_doubts
from mss_bench.core.arrays import Floats, Samples
from mss_bench.errors import AudioError
from mss_bench.metrics._checks import first_bad_sample
from mss_bench.metrics._frames import Frames, SilencePolicy
from mss_bench.metrics.bss_eval.v3 import sources_sdr

__all__ = [
    "MAX_SOURCES",
    "Framing",
    "IllConditionedWarning",
    "MusevalError",
    "Scores",
    "Sources",
    "as_sources",
    "bss_eval",
    "bss_eval_images",
    "bss_eval_images_framewise",
    "bss_eval_sources",
    "bss_eval_sources_framewise",
    "to_length",
    "validate",
]

MAX_SOURCES = 100
"""More sources are taken for exchanged axes and refused; set ``museval.metrics.MAX_SOURCES`` to allow them."""

Sources = list[NDArray[Any]]
"""One array ``(samples, channels)`` a source."""

_SILENT = {
    "reference": "All the reference sources should be non-silent (not all-zeros), but at least one of the reference "
    "sources is all 0s, which introduces ambiguity to the evaluation",
    "estimate": "All the estimated sources should be non-silent (not all-zeros), but at least one of the estimated "
    "sources is all 0s",
}


class MusevalError(AudioError, ValueError):
    """An error that museval raises as a ValueError."""


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
    references, estimates = as_sources(reference_sources, "reference"), as_sources(estimated_sources, "estimate")
    frames = _frames(len(references[0]) if references else 0, window, hop, filters_len)
    _validate(references, estimates, filters_len)
    true, estimated = _channels_first(references), _channels_first(estimates)
    framewise = framewise_filters or frames.spans == [(0, frames.n_samples)]
    if bsseval_sources_version and not framewise:
        raise MusevalError("bsseval_sources_version needs framewise_filters, or a window as long as the signal")
    spoiled = [t for t, array in estimated.items() if _bad_sample(array.T) is not None]
    # A spoiled estimate is replaced by its reference, which cannot disturb the others; its values are dropped below.
    usable = {t: true[t] if t in spoiled else array for t, array in estimated.items()}
    policy = SilencePolicy("channel_sum")
    silent = [policy.silent(array, frames.spans) for array in (*true.values(), *usable.values())]
    pairs = score_pairs(true, usable, ~np.any(silent, axis=0), frames, framewise, compute_permutation)
    values = pairs.values
    for target in spoiled:
        for ratios in values.values():
            ratios[:, list(true).index(target)] = np.nan
    perm = orders(values["SIR"], framewise_filters, compute_permutation)
    order = np.broadcast_to(perm, (len(true), len(frames.spans)))
    own = {q: np.take_along_axis(ratios, order[:, np.newaxis], axis=1)[:, 0] for q, ratios in values.items()}
    if bsseval_sources_version:
        own["SDR"], own["ISR"] = sources_sdr(own["SIR"], own["SAR"]), np.full(order.shape, np.nan)
    warn_of_doubts(pairs, order)
    return Scores(own["SDR"], own["ISR"], own["SIR"], own["SAR"], perm)


def as_sources(given: ArrayLike, kind: str) -> Sources:
    """Return arrays ``(samples, channels)``, one a source, without a copy where arrays were given.

    Parameters
    ----------
    given : (sources, samples, channels)
        An array or a sequence of arrays; ``(sources, samples)`` for mono, ``(samples,)`` for one source.
    kind : str
        "reference" or "estimate", for messages.

    Raises
    ------
    MusevalError
        No numbers, too many axes, nothing in it, or sources of differing channels.
    """
    if any(isinstance(array, np.ma.MaskedArray) for array in (given, *(given if isinstance(given, list) else ()))):
        raise MusevalError(f"the {kind} sources are a masked array; pass filled(0) of it, or what is meant")
    if isinstance(given, (list, tuple)) and given and all(isinstance(array, np.ndarray) for array in given):
        sources = list(given)
    else:
        try:
            stacked = np.asarray(given)
        except ValueError as error:
            raise MusevalError(
                f"the {kind} sources are no array (sources, samples, channels): their parts differ in length"
            ) from error
        sources = list(np.atleast_3d(stacked)) if stacked.ndim < 2 else list(stacked)
    for index, array in enumerate(sources):
        if array.dtype.kind not in "iuf":
            raise MusevalError(f"the {kind} sources are of {array.dtype}, expected numbers")
        if array.ndim not in (1, 2):
            raise MusevalError(
                f"The number of dimensions is too high (must be at most 3): {kind} source {index} is of shape "
                f"{array.shape}; expected (samples, channels)"
                if array.ndim
                else f"{kind} source {index} is a single number; expected (samples, channels)"
            )
    sources = [array[:, np.newaxis] if array.ndim == 1 else array for array in sources]
    if not all(array.size for array in sources) or not sources:
        shape = (len(sources), *sources[0].shape) if sources else np.shape(given)
        raise MusevalError(f"the {kind} sources are empty: {shape} is (sources, samples, channels)")
    _check_axes(sources, kind)
    return sources


def to_length(estimates: Sources, n_samples: int) -> Sources:
    """Cut estimates, or pad them with zeros, to a number of samples; those that have it are not copied."""
    return [
        array[:n_samples] if len(array) >= n_samples else np.pad(array, [(0, n_samples - len(array)), (0, 0)])
        for array in estimates
    ]


class Framing:
    """Iterate over the windows of a signal, as slices of its samples.

    Parameters
    ----------
    window, hop : float
        Whole numbers of samples; infinite for the whole signal.
    length : int
        Samples.

    Examples
    --------
    >>> list(Framing(10, 5, 19))
    [slice(0, 10, None), slice(5, 15, None)]
    """

    def __init__(self, window: float, hop: float, length: int) -> None:
        self.window, self.hop, self.length, self.current = window, hop, length, 0
        self._spans = _frames(length, window, hop, 1).spans

    @property
    def nwin(self) -> int:
        """Return the number of windows."""
        return len(self._spans)

    def __iter__(self) -> Framing:
        return self

    def __next__(self) -> slice:
        if self.current >= self.nwin:
            raise StopIteration
        self.current += 1
        return slice(*self._spans[self.current - 1])

    next = __next__


def validate(reference_sources: ArrayLike, estimated_sources: ArrayLike) -> None:
    """Refuse what `bss_eval` does: shapes that do not fit, silence, too many sources.

    Raises
    ------
    MusevalError
    """
    _validate(as_sources(reference_sources, "reference"), as_sources(estimated_sources, "estimate"), 1)


def bss_eval_sources(
    reference_sources: ArrayLike, estimated_sources: ArrayLike, compute_permutation: bool = True
) -> tuple[Floats, Floats, Floats, NDArray[np.intp]]:
    """Compute SDR, SIR and SAR of BSS Eval v3 sources on the whole signal, and the order of the estimates."""
    return bss_eval_sources_framewise(
        reference_sources, estimated_sources, math.inf, math.inf, compute_permutation=compute_permutation
    )


def bss_eval_sources_framewise(
    reference_sources: ArrayLike,
    estimated_sources: ArrayLike,
    window: float = 30 * 44100,
    hop: float = 15 * 44100,
    compute_permutation: bool = False,
) -> tuple[Floats, Floats, Floats, NDArray[np.intp]]:
    """Compute SDR, SIR and SAR of BSS Eval v3 sources in windows, and the order of the estimates in each."""
    scores = bss_eval(
        reference_sources, estimated_sources, window, hop, compute_permutation,
        framewise_filters=True, bsseval_sources_version=True,
    )  # fmt: skip
    return scores.sdr, scores.sir, scores.sar, scores.perm


def bss_eval_images(
    reference_sources: ArrayLike, estimated_sources: ArrayLike, compute_permutation: bool = True
) -> Scores:
    """Compute BSS Eval v3 images on the whole signal."""
    return bss_eval_images_framewise(
        reference_sources, estimated_sources, math.inf, math.inf, compute_permutation=compute_permutation
    )


def bss_eval_images_framewise(
    reference_sources: ArrayLike,
    estimated_sources: ArrayLike,
    window: float = 30 * 44100,
    hop: float = 15 * 44100,
    compute_permutation: bool = False,
) -> Scores:
    """Compute BSS Eval v3 images in windows."""
    return bss_eval(
        reference_sources, estimated_sources, window, hop, compute_permutation, framewise_filters=True
    )  # fmt: skip


def _check_axes(sources: Sources, kind: str) -> None:
    """Refuse what is no ``(sources, samples, channels)``, before anything of the size of a wrong axis is made."""
    shape = (len(sources), *sources[0].shape)
    if len(sources) > MAX_SOURCES:
        raise MusevalError(
            f"the {kind} sources are {len(sources)}, expected at most {MAX_SOURCES}: {shape} is (sources, samples, "
            "channels). Exchange the axes, or set museval.metrics.MAX_SOURCES to a larger number"
        )
    samples, channels = sources[0].shape
    if channels > samples:
        raise MusevalError(
            f"the {kind} sources have {samples} samples and {channels} channels: {shape} is (sources, samples, "
            "channels). If its axes are exchanged, pass array.swapaxes(1, 2)"
        )
    if odd := [array.shape[1] for array in sources if array.shape[1] != channels]:
        raise MusevalError(f"the {kind} sources differ in channels: {channels} and {odd[0]}; expected the same of all")


def _validate(references: Sources, estimates: Sources, filters_len: int) -> None:
    shapes = [{array.shape for array in arrays} for arrays in (references, estimates)]
    for kind, found in zip(("reference", "estimate"), shapes, strict=True):
        if len(found) > 1:
            lengths = sorted(length for length, _ in found)
            raise MusevalError(f"the {kind} sources have {lengths} samples; expected the same of all")
    whole = [(len(arrays), *arrays[0].shape) for arrays in (references, estimates)]
    if whole[0] != whole[1]:
        raise MusevalError(
            "The shape of estimated sources and the true sources should match. "
            f"reference_sources.shape = {whole[0]}, estimated_sources.shape = {whole[1]}"
        )
    _check_memory(whole[0], filters_len)
    for kind, arrays in (("reference", references), ("estimate", estimates)):
        for index, array in enumerate(arrays):
            if kind == "reference" and (problem := _bad_sample(array)) is not None:
                raise MusevalError(f"reference source {index} holds {problem}; expected numbers")
            if SilencePolicy("channel_sum").silent(array.T, [(0, len(array))])[0]:
                raise MusevalError(f"{_SILENT[kind]}: source {index}")


def _check_memory(shape: tuple[int, ...], filters_len: int) -> None:
    """Refuse systems of equations that are larger than the machine."""
    import psutil

    sources, _, channels = shape
    unknowns = sources * channels * filters_len
    gigabytes, machine = 8 * unknowns**2 / 1e9, psutil.virtual_memory().total / 1e9
    if gigabytes > machine:
        raise MusevalError(
            f"{sources} sources of {channels} channels with {filters_len} taps make a system of {unknowns} unknowns, "
            f"{gigabytes:,.0f} GB, and this machine has {machine:,.0f} GB. {shape} is (sources, samples, channels): "
            "exchange its axes if they are others, or score fewer sources at a time"
        )


def _bad_sample(array: NDArray[Any]) -> str | None:
    """Return where the first NaN or infinite sample of ``(samples, channels)`` lies; None where there is none."""
    if array.flags.c_contiguous and array.dtype.kind == "f":  # one pass in the order of memory is twice as fast
        flat = array.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(np.dot(flat, flat)):
                return None
    return first_bad_sample(array.T)


def _channels_first(arrays: Sequence[NDArray[Any]]) -> dict[str, Samples]:
    floats = [array if array.dtype.kind == "f" else array.astype(np.float64) for array in arrays]
    return {f"source {index}": array.T for index, array in enumerate(floats)}


def _frames(n_samples: int, window: Any, hop: Any, filter_length: Any) -> Frames:
    def size(name: str, samples: Any) -> int:
        number = isinstance(samples, numbers.Real) and not isinstance(samples, bool)
        if not number or not samples > 0 or (math.isfinite(samples) and samples != int(samples)):
            raise MusevalError(f"{name} is {samples!r:.60}, expected a whole number of samples, or infinity")
        return int(samples) if math.isfinite(samples) else n_samples

    if not isinstance(filter_length, numbers.Integral) or filter_length < 1:
        raise MusevalError(f"filters_len is {filter_length!r:.60}, expected at least 1 tap, a whole number")
    return Frames(n_samples, size("window", window), size("hop", hop), int(filter_length) - 1)
