"""Chunked overlap-add: how a model sees a track that it cannot be given whole.

The signal is cut into chunks of C values, of whose output the outermost B on both sides are thrown away (a model knows
least of what lies at its borders); what remains, K = C - 2 B, overlaps with its neighbours by a fade and is summed,

    y[n] = sum_k w[n - k S] y_k[n - k S + B] / sum_k w[n - k S],    S = K - round(overlap K),

with w rising and falling linearly within the overlap. Where B is at least half of a convolutional model's receptive
field, the result is that of the whole signal at once. Chunks are independent of each other, so that a batch of them is
only a matter of speed and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import InvalidOutputError

__all__ = ["PADDINGS", "Chunks", "Take", "cut", "overlap_add", "overlap_blocks"]

PADDINGS = ("reflect", "zeros")
"""What may stand before the first and after the last value of a signal."""

Take = Callable[[int, int], NDArray[Any]]
"""A signal: from which value on and up to which to its part ``(..., length)``."""

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
    out: NDArray[Any] | None = None
    length = signal.shape[-1]
    for start, block in overlap_blocks(lambda a, b: signal[..., a:b], length, run, chunks, batch):
        if block.shape[-1] == length:
            return block
        if out is None:
            out = np.empty((*block.shape[:-1], length), dtype=block.dtype)
        out[..., start : start + block.shape[-1]] = block
    assert out is not None  # there is always a first block
    return out


def overlap_blocks(
    take: Take, length: int, run: Run, chunks: Chunks, batch: int = 1
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Run a model chunk by chunk, and yield its output as soon as it is complete, so that it need not be held whole.

    Parameters
    ----------
    take : callable
        The signal, of which parts are asked for that lie within it.
    length : int
        Of the signal.
    run, chunks, batch
        As of `overlap_add`.

    Yields
    ------
    start : int
    block : (..., n) array
        The output from `start` on, perhaps a part of the very array that the model returned.

    Raises
    ------
    InvalidOutputError
        As `overlap_add`.
    """
    border = chunks.border
    if not chunks.length:
        given = cut(take, -border, length + border, length, chunks.padding)
        whole = _checked(run(given[None]), 1, given.shape[-1])[0]
        yield 0, whole[..., border : border + length]
        return
    starts, weights, kept = chunks.starts(length), chunks.weights(), chunks.kept
    # What the chunks before have left for the values that further chunks will be added to.
    rest: NDArray[Any] = np.zeros(0, dtype=np.float32)
    rest_weight = np.zeros(0, dtype=np.float32)
    for first in range(0, len(starts), batch):
        group = starts[first : first + batch]
        parts = [cut(take, s - border, s - border + chunks.length, length, chunks.padding) for s in group]
        output = _checked(run(np.stack(parts) if len(parts) > 1 else parts[0][None]), len(group), chunks.length)
        size = group[-1] + kept - group[0]
        if not chunks.fade:  # side by side: nothing to add up, and nothing to copy where there is one
            inner = [chunk[..., border : border + kept] for chunk in output]
            block = np.concatenate(inner, axis=-1) if len(inner) > 1 else inner[0]
            yield group[0], block[..., : length - group[0]]
            continue
        total = np.zeros((*output.shape[1:-1], size), dtype=output.dtype)
        weight = np.zeros(size, dtype=np.float32)
        if first:
            total[..., : rest.shape[-1]], weight[: rest.shape[-1]] = rest, rest_weight
        for start, chunk in zip(group, output, strict=True):
            span = slice(start - group[0], start - group[0] + kept)
            total[..., span] += weights * chunk[..., border : border + kept]
            weight[span] += weights
        last = first + batch >= len(starts)
        done = min(length - group[0], size) if last else starts[first + len(group)] - group[0]
        rest, rest_weight = total[..., done:].copy(), weight[done:]
        block = total[..., :done]
        block /= weight[:done]
        yield group[0], block


def cut(take: Take, start: int, stop: int, length: int, padding: str) -> NDArray[Any]:
    """Return a part of a signal that may reach beyond its ends.

    Parameters
    ----------
    take : callable
        The signal, of which parts are asked for that lie within it.
    start, stop : int
        The first value, and the first one behind the last; below 0 and above `length` are those of the padding.
    length : int
        Of the signal.
    padding : str
        ``reflect``, again and again where the part is longer than the signal, or ``zeros``.
    """
    if start >= 0 and stop <= length:
        return take(start, stop)
    if padding == "reflect":
        # Indices go forth and back between the ends.
        period = max(1, 2 * (length - 1))
        index = np.abs((np.arange(start, stop) + length - 1) % period - (length - 1))
        low = int(index.min())
        return take(low, int(index.max()) + 1)[..., index - low]
    low, high = min(max(start, 0), length), max(min(stop, length), 0)
    part = take(low, max(low, high))
    widths = [(0, 0)] * (part.ndim - 1) + [(low - start, stop - start - (low - start) - part.shape[-1])]
    return np.pad(part, widths)


def _checked(output: NDArray[Any], count: int, length: int) -> NDArray[Any]:
    if output.shape[0] != count or output.shape[-1] != length:
        raise InvalidOutputError(
            f"the model returned {output.shape[0]} item(s) of length {output.shape[-1]}, expected {count} of {length}"
        )
    return output
