"""Faults of level that a signal shows against the true one: a gain, an offset from zero, channels folded into one.

Arrays are ``(channels, samples)``. ``y`` is the signal, ``s`` what it should be, ``x`` the mixture that holds ``s``.

How a gain is told from poor separation
---------------------------------------
Where the target stands alone (bins of the STFT in which ``s`` is 20 dB above ``x - s``) the mixture *is* the target,
and whatever separates passes it on as it is: the ratio ``Re(y s*) / |s|^2`` is 1 there with little spread, however much
is lost or leaks elsewhere. A gain moves the whole distribution; a poor method spreads it, or lets the rest through
where that stands alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio
from mss_bench.dsp.alignment import dot

__all__ = ["Gain", "find_gain", "find_offset", "fold_limit", "is_folded"]

_FRAME = 2048
_MAX_FRAMES = 400
_ALONE = 100.0  # power ratio: 20 dB
_LEAST_BINS = 200
_MOST_SPREAD = 0.15
"""Interquartile range of the ratio, relative to its median: masks and networks that work leave 0.03 to 0.11 around 1,
methods that hold half of a target 0.2 and more."""
_MOST_LEAK = 0.25
"""Ratio where the rest stands alone, relative to the former: a scaled mixture has 1."""
_LEAST_GAIN = 0.06  # 0.5 dB: below, an error of -25 dB
_OFFSET = 10 ** (-40 / 20)
_FOLDED = 1e-5  # of the energy: -50 dB
_SIDE = 1e-3  # -30 dB: folding would cost nothing that is seen


@dataclass(frozen=True)
class Gain:
    """A constant factor between a signal and what it should be.

    Parameters
    ----------
    level : float
        dB; negative where the signal is too quiet.
    cost : float
        dB by which undoing it betters the SDR.
    """

    level: float
    cost: float


def find_gain(y: Audio, s: Audio, x: Audio) -> Gain | None:
    """Return the gain of a signal, where there is one."""
    if y.shape[-1] < _FRAME:
        return None
    starts = np.linspace(0, y.shape[-1] - _FRAME, min(_MAX_FRAMES, 2 * y.shape[-1] // _FRAME)).astype(int)
    window = np.hanning(_FRAME).astype(np.float32)

    def spectra(array: Audio) -> np.ndarray:
        return np.fft.rfft(np.stack([array[:, i : i + _FRAME] for i in starts]) * window, axis=-1)

    true, rest, signal = spectra(s), spectra(x - s), spectra(y)
    power, others = true.real**2 + true.imag**2, rest.real**2 + rest.imag**2
    alone = (power > _ALONE * others) & (power > 1e-6 * np.max(power, initial=0.0))
    if np.count_nonzero(alone) < _LEAST_BINS:
        return None
    ratio, weight = (signal[alone] * true[alone].conj()).real / power[alone], power[alone]
    order = np.argsort(ratio)
    share = np.cumsum(weight[order]) / float(np.sum(weight))
    lower, middle, upper = (float(ratio[order[np.searchsorted(share, part)]]) for part in (0.25, 0.5, 0.75))
    spread = upper - lower
    if middle <= 0 or spread > _MOST_SPREAD * middle or abs(middle - 1) < max(_LEAST_GAIN, spread):
        return None
    without = others > _ALONE * power
    leak = float(np.sum((signal[without] * rest[without].conj()).real) / max(np.sum(others[without]), 1e-30))
    if abs(leak) > _MOST_LEAK * middle:
        return None
    errors = [max(dot(e, e), 1e-12 * dot(s, s)) for e in (y - s, y / np.float32(middle) - s)]
    cost = 10 * math.log10(errors[0] / errors[1])
    return Gain(20 * math.log10(middle), cost) if cost > 0 else None


def find_offset(y: Audio, *allowed: Audio) -> NDArray[np.float64]:
    """Return each channel's offset from zero; 0 where it is small beside the level, or others have one like it.

    Parameters
    ----------
    y : (channels, samples)
    *allowed : (channels, samples)
        What it should be, or is made of: an offset of theirs may be its own.

    Returns
    -------
    (channels, 1)
    """
    offsets, level = _means_and_rms(y)
    others = [_means_and_rms(array) for array in allowed]
    own = max(np.abs(means).max() for means, _ in others)
    # Of a signal that was turned up or down the offset went with it.
    relative = max(np.abs(means).max() / max(rms, 1e-9) for means, rms in others) * level
    excess = np.abs(offsets) - 1.5 * max(own, relative)
    return np.where(excess > max(_OFFSET * others[0][1], 1e-4), offsets, 0.0)


def _means_and_rms(array: Audio) -> tuple[NDArray[np.float64], float]:
    """Return the means of the channels, and the level of all."""
    return np.mean(array, axis=-1, dtype=np.float64, keepdims=True), math.sqrt(dot(array, array) / array.size)


def is_folded(y: Audio) -> bool:
    """Return whether two channels are the same."""
    if len(y) != 2:
        return False
    middle, side = y[:1] + y[1:], y[:1] - y[1:]
    return dot(side, side) <= _FOLDED * dot(middle, middle)


def fold_limit(s: Audio) -> float:
    """Return the SDR in dB that a signal folded to mono can reach at most; infinite where that is no loss."""
    middle, side = s[:1] + s[1:], s[:1] - s[1:]
    energies = dot(middle, middle), dot(side, side)
    share = energies[1] / max(sum(energies), 1e-30)
    return -10 * math.log10(share) if share > _SIDE else math.inf
