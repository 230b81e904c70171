"""The frequencies at which the network works: fine where partials have to be told apart, coarse above.

With ideal masks these bands cost 0.2 dB against bins, and they make everything after them seven times cheaper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.stft import STFT

__all__ = ["BANDS", "POOLING", "TRANSFORM", "WIDTHS", "band_sums"]

TRANSFORM = STFT(4096, 2048)
"""With ideal masks a hop of 2048 costs 0.1 dB against 1024, and half of the time."""

POOLING = ((144, 1), (68, 4), (46, 16), (14, 64))
"""So many bands of so many bins each, from 0 Hz on; the last bin, half of the sample rate, goes with the last band."""

BANDS = sum(count for count, _ in POOLING)

WIDTHS = np.repeat(*np.array(POOLING).T[::-1])
"""Bins of each band."""


def band_sums(values: NDArray[Any]) -> NDArray[Any]:
    """Sum over the bins of each band: ``(..., frames, bins, parts)`` to ``(..., bands, frames)``.

    Parameters
    ----------
    values : array
        `parts` are summed as well, e.g. the squares of real and imaginary parts.
    """
    sums, first = [], 0
    for count, width in POOLING:
        part = values[..., first : first + count * width, :]
        sums.append(part.reshape(*values.shape[:-2], count, -1).sum(axis=-1))
        first += count * width
    return np.ascontiguousarray(np.concatenate(sums, axis=-1).swapaxes(-1, -2))
