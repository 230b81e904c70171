"""The FFT ear model: from samples to the excitation that they cause along the basilar membrane.

A frame of 2048 samples at 48 kHz is windowed and transformed; its power spectrum is weighted by the outer and middle
ear, summed into 109 bands of a quarter Bark, raised by the ear's own noise, and spread to neighbouring bands with a
slope that depends on the level. Smearing in time gives the excitation patterns that masking is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from mss_bench.core.arrays import Floats, Samples

__all__ = [
    "FRAME",
    "FRAME_RATE",
    "HOP",
    "N_BANDS",
    "RATE",
    "Bands",
    "bands",
    "decay",
    "ear_weighting",
    "excitation",
    "frame_window",
    "internal_noise",
    "smear",
    "spread",
]

RATE = 48000
FRAME = 2048
HOP = 1024
FRAME_RATE = RATE / HOP
"""Frames a second."""
FULL_SCALE = 32768.0
"""Samples of 1.0 are this many units of the standard, which assumes 16 bits."""
LISTENING_LEVEL = 92.0
"""Sound pressure level in dB of a sine at full scale."""

N_BANDS = 109
_BARK_STEP = 0.25
_LOWEST, _HIGHEST = 80.0, 18000.0
_LEAST_POWER = 1e-12
_EXPONENT = 0.4
_LOWER_SLOPE = 10.0 ** (-2.7 * _BARK_STEP)
_BLOCK = 256
"""Frames that are worked on at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Bands:
    """Frequencies of the bands in Hz, each ``(109,)``."""

    lower: Floats
    centre: Floats
    upper: Floats


@cache
def bands() -> Bands:
    """Return bands of a quarter Bark from 80 Hz to 18 kHz, where the last one is cut: ``z = 7 asinh(f / 650)``.

    The closed form: the printed tables of several documents have misprints.
    """
    lowest, highest = (7 * np.arcsinh(f / 650) for f in (_LOWEST, _HIGHEST))
    lower = lowest + _BARK_STEP * np.arange(N_BANDS)
    upper = np.minimum(lower + _BARK_STEP, highest)
    return Bands(*(650 * np.sinh(z / 7) for z in (lower, (lower + upper) / 2, upper)))


def ear_weighting(frequency: Floats) -> Floats:
    """Return the response of outer and middle ear, as a factor of power; 0 at 0 Hz."""
    weight = np.zeros_like(frequency)
    khz = frequency[frequency > 0] / 1000
    decibels = -2.184 * khz**-0.8 + 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) - 0.001 * khz**3.6
    weight[frequency > 0] = 10 ** (decibels / 10)
    return weight


def internal_noise(frequency: Floats) -> Floats:
    """Return the power of the noise that blood flow makes in the ear."""
    noise: Floats = 10 ** (0.1456 * (frequency / 1000) ** -0.8)
    return noise


@cache
def frame_window() -> Floats:
    """Return the Hann window ``(2048,)`` with the gain that gives a full-scale sine of 1019.5 Hz its 92 dB."""
    calibration = 1019.5 / RATE
    bin_below = np.floor(FRAME * calibration)
    distance = (FRAME - 1) * min((bin_below + 1) / FRAME - calibration, calibration - bin_below / FRAME)
    # a sine between two bins peaks lower: its greatest bin over the peak of the window's spectrum
    peak = np.sin(np.pi * distance) / (np.pi * distance * (1 - distance**2))
    gain = 10 ** (LISTENING_LEVEL / 20) / (peak * FULL_SCALE / 4 * (FRAME - 1))
    window: Floats = gain * 0.5 * (1 - np.cos(2 * np.pi * np.arange(FRAME) / (FRAME - 1)))
    return window


def decay(fastest: float, at_100_hz: float) -> Floats:
    """Return the factor ``(109,)`` a frame of a first-order filter; its time constant falls with the band's centre.

    Parameters
    ----------
    fastest, at_100_hz : float
        Time constants in seconds, at high frequencies and at 100 Hz.
    """
    constant = fastest + 100 / bands().centre * (at_100_hz - fastest)
    factor: Floats = np.exp(-1 / (FRAME_RATE * constant))
    return factor


def excitation(signal: Samples, n_frames: int) -> Floats:
    """Compute the excitation of a signal at 48 kHz, not yet smeared in time.

    Parameters
    ----------
    signal : (channels, samples)
        Full scale is 1. Frame t begins at sample ``1024 t``; what lies beyond the end is 0.
    n_frames : int

    Returns
    -------
    (channels, 109, n_frames) float64
    """
    out = np.empty((len(signal), N_BANDS, n_frames))
    for samples, patterns in zip(signal, out, strict=True):
        for first in range(0, n_frames, _BLOCK):
            count = min(_BLOCK, n_frames - first)
            start, length = first * HOP, (count - 1) * HOP + FRAME
            part = np.zeros(length)
            known = samples[start : start + length]
            part[: len(known)] = known
            patterns[:, first : first + count] = spread(_pitch_pattern(part))
    return out


def _pitch_pattern(part: Floats) -> Floats:
    """Return power in the bands ``(109, frames)`` of consecutive frames, with the ear's own noise."""
    framed = np.lib.stride_tricks.sliding_window_view(part, FRAME)[::HOP]
    spectrum = np.fft.rfft(framed * (FULL_SCALE * frame_window()), axis=1)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return np.maximum(_grouping() @ power.T, _LEAST_POWER) + internal_noise(bands().centre)[:, None]


@cache
def _grouping() -> Floats:
    """Return the weight ``(109, 1025)`` of bins in bands: the ear's response times the part that lies in the band."""
    width = RATE / FRAME
    frequency = np.arange(FRAME // 2 + 1) * np.float64(width)
    lower, upper = bands().lower[:, None], bands().upper[:, None]
    overlap = np.minimum(upper, frequency + width / 2) - np.maximum(lower, frequency - width / 2)
    weight: Floats = np.maximum(overlap, 0) / width * ear_weighting(frequency)
    return weight


def spread(power: Floats) -> Floats:
    """Spread power in bands ``(109, frames)`` to their neighbours, so that an even spectrum of 1 stays even."""
    spread_power: Floats = _spread(power) / _evenness()
    return spread_power


@cache
def _evenness() -> Floats:
    return _spread(np.ones((N_BANDS, 1)))


@cache
def _lower_spreading() -> Floats:
    """Return ``(109, 109)``: what a band gives itself and the bands below it, in the compressed domain."""
    distance = np.arange(N_BANDS) - np.arange(N_BANDS)[:, None]
    spreading: Floats = np.where(distance >= 0, _LOWER_SLOPE ** (_EXPONENT * np.maximum(distance, 0)), 0.0)
    return spreading


def _spread(power: Floats) -> Floats:
    index = np.arange(N_BANDS)[:, None]
    slope = 10 ** ((-2.4 - 23 / bands().centre[:, None]) * _BARK_STEP) * power ** (0.2 * _BARK_STEP)
    below = (1 - _LOWER_SLOPE ** (index + 1)) / (1 - _LOWER_SLOPE)
    above = (1 - slope ** (N_BANDS - index)) / (1 - slope)
    masker = (power / (below + above - 1)) ** _EXPONENT
    out: Floats = _lower_spreading() @ masker
    slope **= _EXPONENT
    for distance in range(1, N_BANDS):
        masker, slope = masker[:-1], slope[:-1]
        masker *= slope
        out[distance:] += masker
    out **= 1 / _EXPONENT
    return out


def smear(patterns: Floats) -> Floats:
    """Smear excitation ``(channels, bands, frames)`` in time: what has been heard masks what follows."""
    kept = decay(0.008, 0.030)
    state = np.zeros(patterns.shape[:2])
    out = np.empty_like(patterns)
    for frame in range(patterns.shape[2]):
        state = kept * state + (1 - kept) * patterns[:, :, frame]
        out[:, :, frame] = state
    return np.maximum(out, patterns, out=out)
