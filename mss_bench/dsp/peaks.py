"""Peaks of the short-time spectrum, with frequencies between the bins.

A sinusoid is a peak of the magnitude spectrum. Under a Hann window the logarithm of its main lobe is close to a
parabola, so that three bins a, b, c around a maximum at bin k give its frequency and amplitude far more finely than the
bins are spaced [1]_:

    p = (a - c) / (2 (a - 2 b + c)),  frequency = (k + p) sample_rate / N,  log amplitude = b - (a - c) p / 4.

References
----------
.. [1] J. O. Smith and X. Serra, "PARSHL: An analysis/synthesis program for non-harmonic sounds based on a sinusoidal
   representation", Proc. ICMC, 1987.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = ["Peaks", "count_peaks", "find_peaks", "link_peaks"]

# Samples of windowed frames that are held at a time.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Peaks:
    """Hold the peaks of all frames in one list, by frame and within a frame by frequency.

    Parameters
    ----------
    frame : (peaks,) int64
    hertz : (peaks,) float64
    amplitude : (peaks,) float64
        Of the sinusoid in the signal.
    frames : int
        How many there are, those without a peak included.
    """

    frame: NDArray[np.int64]
    hertz: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    frames: int


def find_peaks(
    signal: NDArray[np.floating[Any]],
    sample_rate: int,
    *,
    n_fft: int,
    hop: int,
    frames: int,
    first: int = 0,
    highest: float = 5500.0,
    floor: float = 50.0,
) -> Peaks:
    """Find the spectral peaks of a signal.

    Parameters
    ----------
    signal : (samples,)
    sample_rate : int
        Hz.
    n_fft, hop : int
        Samples of a frame and between frames.
    frames : int
        How many frames to look at; beyond the signal there is silence.
    first : int
        Sample at the centre of the first frame; may be negative.
    highest : float
        Hz, up to which peaks are sought.
    floor : float
        Decibels below the frame's strongest peak, at which peaks are left out.
    """
    bins = max(3, min(n_fft // 2 + 1, int(highest * n_fft / sample_rate) + 2))
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(signal.dtype)
    before = n_fft // 2 - first
    after = max(0, (frames - 1) * hop + n_fft - before - signal.size)
    padded = np.pad(signal[max(0, -before) :], (max(0, before), after))
    framed = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][:frames]
    step = max(1, _BLOCK // n_fft)
    parts = [
        _peaks_of(np.abs(scipy.fft.rfft(framed[start : start + step] * window, axis=-1)[:, :bins]), start, floor)
        for start in range(0, frames, step)
    ]
    frame, position, magnitude = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Peaks(frame, position * (sample_rate / n_fft), magnitude * (4.0 / n_fft), frames)


def count_peaks(curve: NDArray[np.floating[Any]], prominence: float = 0.1) -> int:
    """Count the peaks of a curve that rise above the valleys around them by a share of its maximum, ends included."""
    from scipy import signal

    return len(signal.find_peaks(np.pad(curve, 1), prominence=prominence * max(float(curve.max()), 1e-30))[0])


def link_peaks(peaks: Peaks) -> NDArray[np.int64]:
    """Link peaks that continue each other to tracks, after McAulay and Quatieri [1]_.

    Two peaks of successive frames are linked where each is the nearest in frequency to the other in its frame and they
    are at most 3 % apart. A peak without a successor ends its track, one without a predecessor begins a track.

    Parameters
    ----------
    peaks : Peaks

    Returns
    -------
    (peaks,) int64
        The number of each peak's track.

    References
    ----------
    .. [1] R. McAulay and T. Quatieri, "Speech analysis/synthesis based on a sinusoidal representation", IEEE Trans.
       Acoustics, Speech, and Signal Processing 34(4), 1986.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = peaks.frame.size
    after, before = _nearest(peaks, 1), _nearest(peaks, -1)
    here = np.flatnonzero(after >= 0)
    there = after[here]
    same = (before[there] == here) & (np.abs(peaks.hertz[there] - peaks.hertz[here]) < 0.03 * peaks.hertz[here])
    here, there = here[same], there[same]
    graph = coo_array((np.ones(here.size, dtype=np.int8), (here, there)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _nearest(peaks: Peaks, step: int) -> NDArray[np.int64]:
    """Return for each peak the one nearest in frequency, `step` frames on; -1 where that frame has none."""
    if not peaks.frame.size:
        return np.empty(0, dtype=np.int64)
    # Frames laid end to end on one axis, so far apart that the nearest peak is of the frame itself where it has any.
    apart = 4.0 * float(peaks.hertz.max()) + 1.0
    place = peaks.frame * apart + peaks.hertz
    wanted = place + step * apart
    right = np.clip(np.searchsorted(place, wanted), 1, max(1, place.size - 1))
    right = np.minimum(right, place.size - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(place[left] - wanted) <= np.abs(place[right] - wanted), left, right)
    return np.where(peaks.frame[nearest] == peaks.frame + step, nearest, -1)


def _peaks_of(
    magnitude: NDArray[np.floating[Any]], start: int, floor: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return frame, bin with its fraction, and magnitude of the peaks of some frames."""
    inner = magnitude[:, 1:-1]
    audible = inner > inner.max(axis=1, keepdims=True) * 10.0 ** (-floor / 20.0)
    frame, below = np.nonzero((inner > magnitude[:, :-2]) & (inner >= magnitude[:, 2:]) & audible)
    centre = np.asarray(inner[frame, below], dtype=np.float64)
    # Neighbours count as -80 dB at least: what is lower is not of the same main lobe, and 0 has no logarithm.
    left, right = (
        np.log(np.maximum(magnitude[frame, below + side] / centre, 1e-4).astype(np.float64)) for side in (0, 2)
    )
    curvature = left + right
    offset = np.divide(0.5 * (left - right), curvature, out=np.zeros_like(centre), where=curvature < 0)
    return frame + start, below + 1 + offset, centre * np.exp(-0.25 * (left - right) * offset)
