"""Where a stereo signal lies by the constant-power panning law.

A source at the angle phi has the gains cos phi and sin phi in the left and the right channel, whose squares add up to 1
wherever it is: 0 degrees is left alone, 45 the centre, 90 right alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio
from mss_bench.dsp.stft import STFT

__all__ = ["panning_angle", "panning_histogram"]

_STFT = STFT(4096, 1024)


def panning_angle(signal: Audio) -> float:
    """Return the angle in degrees that has the energies of a signal's channels; 45 for silence.

    Parameters
    ----------
    signal : (2, samples) array
    """
    left, right = np.sqrt(np.sum(np.square(signal, dtype=np.float64), axis=1))
    return float(np.degrees(np.arctan2(right, left))) if left or right else 45.0


def panning_histogram(signal: Audio, bins: int = 61) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the energy of a stereo signal over panning angle.

    Parameters
    ----------
    signal : (2, samples) array
    bins : int

    Returns
    -------
    degrees : (bins,)
        The arc tangent of |R| / |L| in each bin of the spectrogram.
    energy : (bins,)
        In each range of angles.
    """
    left, right = np.abs(_STFT.forward(np.asarray(signal, dtype=np.float32)))
    angle = np.degrees(np.arctan2(right, left)).ravel()
    energy = (np.square(left, dtype=np.float64) + np.square(right, dtype=np.float64)).ravel()
    counts, edges = np.histogram(angle, bins=bins, range=(0.0, 90.0), weights=energy)
    return (edges[1:] + edges[:-1]) / 2, counts
