"""Medians of spectrograms.

The running median works by selection networks. A window of ``L = 2 h + 1`` values is two runs of `h` values around a
middle one. Sorted runs are shared between the windows that contain them and are built by merging shorter shared ones
(Batcher's odd-even merge, [1]_). With the runs sorted, the h-th smallest of both is ``min_i max(a_i, b_{h-i})`` and the
one after it the mirror image; the median is the middle value limited to lie between these two. All of this is
elementwise minima and maxima of shifted arrays, which NumPy vectorises: on blocks that stay in the cache it is many
times faster than `scipy.ndimage`, and equal to it to the last bit, because nothing is computed, only chosen.

References
----------
.. [1] D. Knuth, "The Art of Computer Programming", vol. 3, section 5.3.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import ConfigError

__all__ = ["median_of_arrays", "median_of_frames", "median_of_rows", "running_median"]

# Values of a block: with the runs of a window of 17 the work stays near a second-level cache.
_BLOCK = 16384


def median_of_rows(values: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Compute the median over the first axis, as ``numpy.median(values, axis=0)`` and some four times faster.

    Parameters
    ----------
    values : (rows, ...)
        At least one row, finite.

    Returns
    -------
    (...) array of the type of `values`
    """
    rows, half = len(values), len(values) // 2
    flat = values.reshape(rows, -1)
    out = np.empty(flat.shape[1], dtype=values.dtype)
    step = max(1, 16 * _BLOCK // rows)
    for first in range(0, flat.shape[1], step):
        # A copy of some columns, which is small enough for the cache and may be reordered in place.
        columns = np.ascontiguousarray(flat[:, first : first + step].T)
        columns.partition(half, axis=-1)
        upper = columns[:, half]
        if rows % 2 == 0:  # the mean of the two middle values; what lies left of the upper one is not larger
            upper = (columns[:, :half].max(axis=-1) + upper) / 2
        out[first : first + step] = upper
    return np.asarray(out.reshape(values.shape[1:]))


def median_of_arrays(arrays: Sequence[NDArray[np.floating[Any]]]) -> NDArray[Any]:
    """Compute the elementwise median of a few arrays: for some dozens faster than `median_of_rows`.

    Parameters
    ----------
    arrays : sequence of arrays of one shape and type
        At least one, finite.

    Returns
    -------
    array of their shape and type
        Of an even number the mean of the two middle values.
    """
    rows, half = list(arrays), len(arrays) // 2
    if half == 0:
        return rows[0].copy()
    below, above = _middle(_sorted(rows[:half]), _sorted(rows[len(rows) - half :]))
    if len(rows) % 2 == 0:
        return np.asarray((below + above) / 2)
    return np.asarray(np.maximum(below, np.minimum(rows[half], above)))


def median_of_frames(values: NDArray[np.floating[Any]], index: NDArray[np.intp]) -> NDArray[Any]:
    """Compute for each frame the median over some frames, ``out[t] = median_k values[index[k, t]]``.

    Parameters
    ----------
    values : (frames, bins)
        Finite.
    index : (count, results) of whole numbers
        Which frames; the work grows as ``count log^2 count``, and a few dozen are still fast.

    Returns
    -------
    (results, bins) array of the type of `values`
        Of an even count the mean of the two middle values.
    """
    count, results = index.shape
    out = np.empty((results, values.shape[1]), dtype=values.dtype)
    step = max(1, _BLOCK // values.shape[1])
    for first in range(0, results, step):
        part = slice(first, min(first + step, results))
        out[part] = median_of_arrays([values[index[k, part]] for k in range(count)])
    return out


def running_median(values: NDArray[np.floating[Any]], length: int, axis: int) -> NDArray[Any]:
    """Compute the median over a centred window, with the signal mirrored at its ends (``symmetric`` of `numpy.pad`).

    It equals `scipy.ndimage.median_filter` with ``mode="reflect"`` where the window is not longer than the axis.

    Parameters
    ----------
    values : (..., frames, bins)
        Finite.
    length : int
        Values in the window, odd; it may be longer than the axis.
    axis : {-1, -2}
        The axis along which the window lies.

    Returns
    -------
    array of the shape and type of `values`

    Raises
    ------
    ConfigError
        An even length.
    """
    if length < 1 or length % 2 == 0:
        raise ConfigError(f"a median over {length} values: expected an odd number, at least 1")
    if axis not in (-1, -2):
        raise ValueError(f"axis {axis}: expected -1 or -2")
    out = np.empty_like(values, order="C")
    for index in np.ndindex(values.shape[:-2]):
        (_median_bins if axis == -1 else _median_frames)(values[index], length, out[index])
    return out


def _median_bins(values: NDArray[Any], length: int, out: NDArray[Any]) -> None:
    """Filter along the rows: they are padded and laid end to end, and what straddles two of them is dropped."""
    half, (n_rows, n_columns) = length // 2, values.shape
    width = n_columns + 2 * half
    step = max(1, _BLOCK // width)
    for first in range(0, n_rows, step):
        padded = np.pad(values[first : first + step], ((0, 0), (half, half)), mode="symmetric")
        flat = np.concatenate([padded.ravel(), np.zeros(2 * half, dtype=values.dtype)])
        medians = _shifted_median(flat, length, 1)
        out[first : first + step] = medians.reshape(-1, width)[:, :n_columns]


def _median_frames(values: NDArray[Any], length: int, out: NDArray[Any]) -> None:
    """Filter down the columns: a block of them is laid row after row, so that one step down is a step of its width."""
    half, (n_rows, n_columns) = length // 2, values.shape
    padded = np.pad(values, ((half, half), (0, 0)), mode="symmetric")
    # Neighbouring blocks share the rows of a window: four windows high, little is done twice.
    height = 4 * length
    width = max(1, min(n_columns, _BLOCK // height))
    for row in range(0, n_rows, height):
        for column in range(0, n_columns, width):
            block = padded[row : row + height + 2 * half, column : column + width]
            medians = _shifted_median(block.ravel(), length, block.shape[1])
            out[row : row + height, column : column + width] = medians.reshape(-1, block.shape[1])


def _shifted_median(flat: NDArray[Any], length: int, stride: int) -> NDArray[Any]:
    """Return the medians of ``flat[i], flat[i + stride], ... flat[i + (length - 1) stride]`` for every i."""
    count, half = flat.size - (length - 1) * stride, length // 2
    if half == 0:
        return flat.copy()
    runs = _sorted_runs(flat, half, stride)
    low = [run[:count] for run in runs]
    high = [run[(half + 1) * stride : (half + 1) * stride + count] for run in runs]
    below, above = _middle(low, high)
    middle = flat[half * stride : half * stride + count]
    return np.asarray(np.maximum(below, np.minimum(middle, above, out=above), out=above))


def _middle(low: list[NDArray[Any]], high: list[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the two middle values of two sorted runs of one length."""
    half = len(low)
    below, above = np.minimum(low[-1], high[-1]), np.maximum(low[0], high[0])
    spare = np.empty_like(below)
    for i in range(half - 1):
        np.minimum(below, np.maximum(low[i], high[half - 2 - i], out=spare), out=below)
        np.maximum(above, np.minimum(low[i + 1], high[half - 1 - i], out=spare), out=above)
    return below, above


def _sorted(rows: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Sort arrays of one shape elementwise: one array for each rank."""
    if len(rows) == 1:
        return rows
    middle = len(rows) // 2
    return _merged(_sorted(rows[:middle]), _sorted(rows[middle:]))


def _merged(left: list[NDArray[Any]], right: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Merge two sorted runs."""
    wires = left + right
    comparators, order = _merge_network(tuple(range(len(left))), tuple(range(len(left), len(wires))))
    for i, j in comparators:
        wires[i], wires[j] = np.minimum(wires[i], wires[j]), np.maximum(wires[i], wires[j])
    return [wires[i] for i in order]


def _sorted_runs(flat: NDArray[Any], size: int, stride: int) -> list[NDArray[Any]]:
    """Sort the values ``flat[i], ... flat[i + (size - 1) stride]`` for every i: one array for each rank."""
    known: dict[int, list[NDArray[Any]]] = {1: [flat]}

    def build(size: int) -> list[NDArray[Any]]:
        if size not in known:
            left, right = build(size - size // 2), build(size // 2)
            count, shift = flat.size - (size - 1) * stride, (size - size // 2) * stride
            known[size] = _merged([run[:count] for run in left], [run[shift : shift + count] for run in right])
        return known[size]

    return build(size)


# Comparators of wires, and the wires in rising order behind them.
_Network = tuple[tuple[tuple[int, int], ...], tuple[int, ...]]


@lru_cache(maxsize=1024)
def _merge_network(a: tuple[int, ...], b: tuple[int, ...]) -> _Network:
    """Return the odd-even merge of two sorted lists of wires."""
    if not a or not b:
        return (), a + b
    if len(a) == len(b) == 1:
        return ((a[0], b[0]),), (a[0], b[0])
    odd_pairs, odd = _merge_network(a[::2], b[::2])
    even_pairs, even = _merge_network(a[1::2], b[1::2])
    pairs, order = list(odd_pairs + even_pairs), [odd[0]]
    for i in range(max(len(odd) - 1, len(even))):
        both = [*even[i : i + 1], *odd[i + 1 : i + 2]]
        if len(both) == 2:
            pairs.append((both[0], both[1]))
        order += both
    return tuple(pairs), tuple(order)
