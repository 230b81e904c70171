"""The low part of a signal, by a gain on its spectrogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.masks import low_pass_gain
from mss_bench.dsp.stft import STFT

__all__ = ["audible_gain", "low_pass"]


def audible_gain(frequencies: NDArray[np.float64], cutoff: float) -> NDArray[np.float32]:
    """`mss_bench.dsp.masks.low_pass_gain` without the bins that it lowers by more than 140 dB.

    Parameters
    ----------
    frequencies : (bins,)
        Hz, rising.
    cutoff : float
        Hz; at 0 no bin is left.

    Returns
    -------
    (count,) float32
        Of the lowest bins.
    """
    if cutoff <= 0:
        return np.empty(0, dtype=np.float32)
    gain = low_pass_gain(frequencies, cutoff)
    return gain[: int(np.count_nonzero(gain > 1e-7))]


def low_pass(signal: NDArray[Any], sample_rate: int, cutoff: float, stft: STFT) -> NDArray[Any]:
    """What lies below a cutoff, with a slope of 48 dB an octave and no delay; the rest of the signal is the high part.

    Parameters
    ----------
    signal : (channels, samples)
    sample_rate : int
        Hz.
    cutoff : float
        Hz; at 0 the low part is silent.
    stft : STFT
        Its bins should be narrow beside the cutoff.
    """
    gain = audible_gain(stft.frequencies(sample_rate), cutoff)
    out = np.zeros_like(signal)
    for channel in range(len(signal) if gain.size else 0):
        low = stft.forward(signal[channel : channel + 1])[..., : gain.size] * gain
        out[channel] = stft.inverse(low, signal.shape[-1])[0]
    return out
