"""Loudness and true peak after ITU-R BS.1770-4 [1]_.

The K-weighting is computed for any sample rate from its analogue prototype [2]_; at 48 kHz its coefficients are those
that the recommendation prints. A full-scale sine of 997 Hz in one channel reads -3.01 LUFS.

References
----------
.. [1] ITU-R BS.1770-4, "Algorithms to measure audio programme loudness and true-peak audio level", 2015.
.. [2] B. De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES Convention 145, 2018.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import AudioError

__all__ = [
    "BLOCK", "block_power", "decibels", "gated_loudness", "integrated_loudness", "k_weighting", "lufs",
    "true_peak",
]  # fmt: skip

BLOCK = 0.4
"""Seconds of a gating block; blocks overlap by three quarters."""

_ABSOLUTE_GATE = -70.0
_RELATIVE_GATE = -10.0
_OFFSET = -0.691

_BLOCK, _REACH = 32, 10  # samples of a block in the search for true peaks, and to either side of it
_NEARLY = 1 - 1e-4  # of the greatest value in single precision, whose rounding is far less
_CHUNK = 1 << 16  # samples that are weighted at a time: they stay in the processor's cache


def integrated_loudness(signal: NDArray[np.floating[Any]], sample_rate: int) -> float:
    """Compute the gated loudness of a whole signal.

    Parameters
    ----------
    signal : (channels, samples) array
        One or two channels, which count alike. Full scale is 1.
    sample_rate : int
        Hz.

    Returns
    -------
    float
        LUFS; -inf where no block is above -70 LUFS. An incomplete last block is left out, as recommended.

    Raises
    ------
    AudioError
        More than two channels (surround weights are not known), or less than one block.
    """
    return gated_loudness(block_power(signal, sample_rate, BLOCK))


def gated_loudness(power: NDArray[np.float64]) -> float:
    """Compute the loudness of the blocks that are neither silent nor much fainter than the others.

    Parameters
    ----------
    power : (blocks,)
        Mean squares of K-weighted samples, summed over channels.

    Returns
    -------
    float
        LUFS; -inf where no block is above -70 LUFS.
    """
    loud = power[lufs(power) > _ABSOLUTE_GATE]
    if not len(loud):
        return -np.inf
    gate = float(lufs(loud.mean())) + _RELATIVE_GATE
    return float(lufs(loud[lufs(loud) > gate].mean()))


def true_peak(signal: NDArray[np.floating[Any]], sample_rate: int, *, floor: float = -np.inf) -> float:
    """Compute the greatest magnitude of the signal, between its samples too, by fourfold oversampling.

    Parameters
    ----------
    signal : (channels, samples) array
    sample_rate : int
        Hz.
    floor : float
        dBTP; a peak below it is not looked for, which is faster where it lies above most of the signal.

    Returns
    -------
    float
        dBTP, at least `floor`; -inf for silence.
    """
    from scipy.signal import resample_poly

    if not signal.size:
        return floor
    factor = max(1, 4 * 48000 // max(sample_rate, 48000))
    greatest = float(np.abs(signal).max())
    if factor == 1:
        return max(floor, decibels(greatest))
    padded = np.pad(signal, ((0, 0), (_REACH, _REACH + -signal.shape[-1] % _BLOCK)))
    blocks = np.lib.stride_tricks.sliding_window_view(padded, _BLOCK + 2 * _REACH, axis=-1)[:, ::_BLOCK]
    # A block whose samples are so small that nothing between them can be greater than the greatest sample is left out;
    # of the others, single precision finds the few that can hold the peak, double precision their values.
    least = max(greatest, 10 ** (floor / 20))
    blocks = blocks[np.abs(blocks).max(axis=-1) * _most_gain(factor) >= _NEARLY * least]
    rough = _rough_peaks(blocks, factor)
    near = rough >= _NEARLY * max(float(rough.max(initial=0.0)), least)
    # The ends of a block are wrong, as its neighbours go on; they lie inside of another's.
    fine = resample_poly(blocks[near].astype(np.float64), factor, 1, axis=-1)[:, factor * _REACH : -factor * _REACH]
    return max(floor, decibels(max(float(np.abs(fine).max(initial=0.0)), greatest)))


def _rough_peaks(blocks: NDArray[np.floating[Any]], factor: int) -> NDArray[np.float32]:
    """Return the greatest magnitude among each block's oversampled values, in single precision."""
    matrix, some = _oversampling(factor), 512  # blocks at a time, in the processor's cache
    parts = (blocks[k : k + some].astype(np.float32) @ matrix for k in range(0, len(blocks), some))
    peaks = [np.maximum(part.max(axis=-1), -part.min(axis=-1)) for part in parts]
    return np.asarray(np.concatenate([*peaks, np.zeros(0, dtype=np.float32)]))


def _most_gain(factor: int) -> float:
    """Return how many times the greatest sample a value between samples can be at most, and a little more."""
    return 1.001 * float(np.abs(_oversampling(factor)).sum(axis=0).max())


@cache
def _oversampling(factor: int) -> NDArray[np.float32]:
    """Return the matrix from a block and its neighbourhood to the block as `resample_poly` oversamples it."""
    from scipy.signal import resample_poly

    responses = resample_poly(np.eye(_BLOCK + 2 * _REACH), factor, 1, axis=-1)[:, factor * _REACH : -factor * _REACH]
    return np.asarray(responses, dtype=np.float32)


def decibels(amplitude: float) -> float:
    """Return ``20 log10`` of an amplitude; -inf for 0."""
    return float(20 * np.log10(amplitude)) if amplitude > 0 else -np.inf


def k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """Return the filters of the K-weighting as second-order sections ``(2, 6)``: the head's shelf and the high-pass."""
    k = np.tan(np.pi * 1681.974450955533 / sample_rate)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / a0, 2 * (k * k - high) / a0, (high - band * k / q + k * k) / a0,
        1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0,
    ]  # fmt: skip
    k = np.tan(np.pi * 38.13547087602444 / sample_rate)
    q = 0.5003270373238773
    a0 = 1 + k / q + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, high_pass])


def block_power(signal: NDArray[np.floating[Any]], sample_rate: int, seconds: float) -> NDArray[np.float64]:
    """Compute the mean square of the weighted blocks, summed over channels, for `gated_loudness` and `lufs`.

    Parameters
    ----------
    signal : (channels, samples) array
    sample_rate : int
        Hz.
    seconds : float
        Of a block; block k starts at 0.1 k seconds.

    Raises
    ------
    AudioError
        As `integrated_loudness`.
    """
    from scipy.signal import sosfilt

    channels, samples = signal.shape
    if channels > 2:
        raise AudioError(f"loudness of {channels} channels was asked for, expected one or two")
    step, length = round(0.1 * sample_rate), round(seconds * sample_rate)
    if samples < length:
        raise AudioError(
            f"loudness of {samples / sample_rate:.3f} s was asked for; a block has {seconds:g} s: take a longer excerpt"
        )
    filters = k_weighting(sample_rate)
    state = np.zeros((len(filters), channels, 2))
    # Differences of one running sum give all blocks. It is kept where they begin and end alone: whole, that of a song
    # would be as much memory as the song.
    starts = np.arange(0, samples - length + 1, step)
    ends = np.concatenate([starts, starts + length])
    sums, before = np.zeros(len(ends)), 0.0
    for first in range(0, samples, _CHUNK):
        weighted, state = sosfilt(filters, signal[:, first : first + _CHUNK], axis=-1, zi=state)  # in float64
        running = np.einsum("cn,cn->n", weighted, weighted)
        running[0] += before
        np.cumsum(running, out=running)
        here = (ends > first) & (ends <= first + len(running))
        sums[here], before = running[ends[here] - first - 1], running[-1]
    # Rounding can leave them just below zero.
    return np.asarray(np.maximum(sums[len(starts) :] - sums[: len(starts)], 0.0) / length)


def lufs(power: Any) -> Any:
    """Convert `block_power` to LUFS; -inf for silence."""
    with np.errstate(divide="ignore"):
        return _OFFSET + 10 * np.log10(power)
