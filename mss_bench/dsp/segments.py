"""A long signal in overlapping segments, put together again by cross-fades."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["crossfaded", "segments"]


def segments(samples: int, length: int, step: int) -> list[slice]:
    """Return segments of `length` that begin every `step`; the last one takes the rest and is less than `step` longer.

    Parameters
    ----------
    samples : int
        Length of the signal; with fewer than ``length + step`` it is one segment.
    length, step : int
        ``length / 2 <= step <= length``: at most two segments overlap.

    Examples
    --------
    >>> segments(100, 30, 20)
    [slice(0, 30, None), slice(20, 50, None), slice(40, 70, None), slice(60, 100, None)]
    """
    if not 1 <= step <= length <= 2 * step:
        raise ValueError(f"segments of {length} every {step}: expected a step from half the length to the length")
    count = 1 + max(0, (samples - length) // step)
    stops = [k * step + length for k in range(count - 1)] + [samples]
    return [slice(k * step, stop) for k, stop in enumerate(stops)]


def crossfaded(
    signal: NDArray[Any], length: int, step: int, process: Callable[[NDArray[Any]], NDArray[Any]]
) -> NDArray[Any]:
    """Process each segment, and put the results together with linear cross-fades where two overlap.

    Parameters
    ----------
    signal : (channels, samples)
    length, step : int
        As for `segments`.
    process : callable
        From ``(channels, samples)`` to an array of that shape.

    Returns
    -------
    array of the shape and type of `signal`
        The signal itself, up to rounding, where `process` changes nothing.
    """
    overlap = length - step
    fade = ((np.arange(overlap) + 0.5) / max(1, overlap)).astype(signal.dtype)
    out = np.zeros_like(signal)
    parts = segments(signal.shape[-1], length, step)
    for part in parts:
        piece = np.array(process(signal[..., part]), copy=True)
        if part is not parts[0]:
            piece[..., :overlap] *= fade
        if part is not parts[-1]:
            piece[..., piece.shape[-1] - overlap :] *= fade[::-1]
        out[..., part] += piece
    return out
