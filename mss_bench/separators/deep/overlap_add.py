"""Chunked overlap-add: how a model sees a track that it cannot be given whole.

The signal is cut into chunks of C values, of whose output the outermost B on both sides are thrown away (a model knows
least of what lies at its borders); what remains, K = C - 2 B, overlaps with its neighbours by a fade and is summed,

    y[n] = sum_k w[n - k S] y_k[n - k S + B] / sum_k w[n - k S],    S = K - round(overlap K),

with w rising and falling linearly within the overlap. Where B is at least half of a convolutional model's receptive
field, the result is that of the whole signal at once. Chunks are independent of each other, so that a batch of them is
only a matter of speed and memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import InvalidOutputError

__all__ = ["PADDINGS", "Chunks", "overlap_add"]

PADDINGS = ("reflect", "zeros")
"""What may stand before the first and after the last value of a signal."""

Run = Callable[[NDArray[Any]], NDArray[Any]]
"""A model: ``(batch, ..., length)`` to ``(batch, ..., length)``, with other axes between."""


@dataclass(frozen=True)
class Chunks:
    """How a signal is cut.

    Parameters
    ----------
    length : int
        Of a chunk, as the model is given it; 0 for the whole signal at once.
    overlap : float
        Of what remains of a chunk without its borders, from 0 to below 1.
    border : int
        Values at both ends of a chunk that are thrown away; also of a whole signal, which is padded by it.
    padding : str
        ``reflect`` or ``zeros``.
    """

    length: int = 0
    overlap: float = 0.1
    border: int = 0
    padding: str = "reflect"

    @property
    def kept(self) -> int:
        """Return the length of a chunk without its borders."""
        return self.length - 2 * self.border

    @property
    def fade(self) -> int:
        """Return how many values two neighbours share."""
        return min(round(self.overlap * self.kept), self.kept - 1)  # chunks advance by 1 at least

    def starts(self, length: int) -> range:
        """Return where chunks begin, without their borders, in a signal of that length."""
        # What the last chunk shares with the one before needs no chunk of its own; a short signal has one all the same.
        step = self.kept - self.fade
        return range(0, max(1, length - self.fade), step)

    def weights(self) -> NDArray[np.float32]:
        """Return the weights of a chunk without its borders, all above 0."""
        # From 1 and not from 0: the first and the last value of a signal lie under one chunk alone.
        there = np.arange(1, self.kept + 1) / (self.fade + 1)
        return np.minimum(np.minimum(there, there[::-1]), 1).astype(np.float32)


def overlap_add(signal: NDArray[Any], run: Run, chunks: Chunks, batch: int = 1) -> NDArray[Any]:
    """Run a model on a signal chunk by chunk.

    Parameters
    ----------
    signal : (..., length) array
    run : callable
        The model: an array ``(n, ..., chunk)`` with n from 1 to `batch` to one ``(n, ..., chunk)``, whose axes between
        may be others.
    chunks : Chunks
    batch : int
        How many chunks the model is given at a time.

    Returns
    -------
    (..., length) array
        With the axes of the model's output, without the batch's.

    Raises
    ------
    InvalidOutputError
        The model returned another number of items, or another length.
    """
    length = signal.shape[-1]
    if not chunks.length:
        padded = _padded(signal, chunks.border, chunks.border, chunks.padding)
        whole = _checked(run(padded[None]), 1, padded.shape[-1])[0]
        return np.asarray(whole[..., chunks.border : chunks.border + length])
    starts, weights, kept = chunks.starts(length), chunks.weights(), chunks.kept
    end = starts[-1] + kept
    padded = _padded(signal, chunks.border, end - length + chunks.border, chunks.padding)
    total = np.zeros(end, dtype=np.float32)
    out: NDArray[Any] | None = None
    for first in range(0, len(starts), batch):
        group = starts[first : first + batch]
        given = np.stack([padded[..., s : s + chunks.length] for s in group])
        output = _checked(run(given), len(group), chunks.length)
        if out is None:
            out = np.zeros((*output.shape[1:-1], end), dtype=output.dtype)
        for start, chunk in zip(group, output, strict=True):
            out[..., start : start + kept] += weights * chunk[..., chunks.border : chunks.border + kept]
            total[start : start + kept] += weights
    assert out is not None  # there is always a first chunk
    return np.asarray((out / total)[..., :length])


def _padded(signal: NDArray[Any], before: int, after: int, padding: str) -> NDArray[Any]:
    if not (before or after):
        return signal
    widths = [(0, 0)] * (signal.ndim - 1) + [(before, after)]
    # NumPy mirrors again and again where the padding is longer than the signal.
    return np.pad(signal, widths, mode="reflect") if padding == "reflect" else np.pad(signal, widths)


def _checked(output: NDArray[Any], count: int, length: int) -> NDArray[Any]:
    if output.shape[0] != count or output.shape[-1] != length:
        raise InvalidOutputError(
            f"the model returned {output.shape[0]} item(s) of length {output.shape[-1]}, expected {count} of {length}"
        )
    return output
