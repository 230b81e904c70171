"""Crossovers by a gain on the spectrogram, without delay."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.stft import STFT

__all__ = ["audible_gain", "low_pass", "low_pass_gain"]


def low_pass_gain(frequencies: NDArray[np.float64], cutoff: float) -> NDArray[np.float32]:
    """Return the gain ``1 / (1 + (f / cutoff)^8)``: one half at the cutoff, then 48 dB an octave.

    Parameters
    ----------
    frequencies : (bins,)
        Hz.
    cutoff : float
        Hz, above 0.
    """
    return (1.0 / (1.0 + (frequencies / cutoff) ** 8)).astype(np.float32)


def audible_gain(frequencies: NDArray[np.float64], cutoff: float) -> NDArray[np.float32]:
    """Return `low_pass_gain` of the lowest bins only, without those that it lowers by more than 140 dB.

    Parameters
    ----------
    frequencies : (bins,)
        Hz, rising.
    cutoff : float
        Hz; at 0 no bin is left.

    Returns
    -------
    (count,) float32
    """
    if cutoff <= 0:
        return np.empty(0, dtype=np.float32)
    gain = low_pass_gain(frequencies, cutoff)
    return gain[: int(np.count_nonzero(gain > 1e-7))]


def low_pass(signal: NDArray[Any], sample_rate: int, cutoff: float, stft: STFT) -> NDArray[Any]:
    """Return what lies below a cutoff, with a slope of 48 dB an octave; the rest of the signal is the high part.

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
    for channel in range(len(signal) if gain.size else 0):  # one by one: only a few bins of each are ever held
        low = stft.forward(signal[channel : channel + 1])[..., : gain.size] * gain
        out[channel] = stft.inverse(low, signal.shape[-1])[0]
    return out
