"""Source and filter of the singing voice: glottal pulses, formant resonators, the level of what comes out."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mss_bench.datasets.demo.synth import SAMPLE_RATE, Signal, harmonic_table

__all__ = ["STEP", "compress", "glottal_tables", "smooth", "vocal_tract"]

STEP = 147
"""Samples of a control step: 300 a second, without remainder."""
_RINGING = 10 * STEP  # the narrowest formant has fallen by 68 dB then
_BANDWIDTHS = (75.0, 100.0, 140.0, 190.0, 260.0)


def smooth(values: Signal, width: int) -> Signal:
    """Return a weighted moving average over `width` values, of which the middle counts most."""
    kernel = np.hanning(width + 2)[1:-1]
    return np.convolve(values, kernel / kernel.sum(), "same")


def vocal_tract(source: Signal, active: NDArray[np.bool_], formants: Signal, scale: float) -> Signal:
    """Filter the source through the fixed higher formants, then through the moving ones.

    The source is cut into overlapping triangular windows; each passes a filter of its own and rings out. Changing the
    coefficients of one running filter instead would click with every step.

    Parameters
    ----------
    source : (samples,)
    active : (steps,) bool
        Whether there is anything to filter around each control step.
    formants : (5, steps)
        Hz at each control step.
    scale : float
        Of the tract: 1 for a long one.
    """
    from scipy.signal import sosfilt

    bandwidths = np.array(_BANDWIDTHS)[:, np.newaxis] * scale
    sections = np.ascontiguousarray(_resonators(formants, bandwidths).transpose(1, 0, 2))
    rise = (np.arange(STEP) + 0.5) / STEP
    window = np.concatenate([rise, rise[::-1]])
    centres = np.arange(5150.0 * scale, 20000.0, 1000.0 * scale)
    bright = np.asarray(sosfilt(_resonators(centres, 0.11 * centres), source))
    padded = np.concatenate([np.zeros(STEP), bright, np.zeros(2 * STEP)])
    out = np.zeros(len(padded) + _RINGING)
    part = np.zeros(2 * STEP + _RINGING)
    fade = np.ones_like(part)
    fade[-_RINGING // 2 :] = 0.5 + 0.5 * np.cos(np.arange(_RINGING // 2) * (2 * np.pi / _RINGING))
    for step in range(min(len(active), len(padded) // STEP - 1)):
        if active[step]:
            first = step * STEP  # of the padded source: the window is centred on the control step
            part[: 2 * STEP] = window * padded[first : first + 2 * STEP]
            out[first : first + len(part)] += fade * sosfilt(sections[step], part)
    return out[STEP : STEP + len(source)]


def compress(signal: Signal) -> Signal:
    """Bring the active part to an RMS of 0.2 and halve differences of level in dB, as a vocal chain does.

    Vowels whose formants lie close together would otherwise be far louder than the others.
    """
    count = -(-len(signal) // STEP)
    power = np.zeros(count * STEP)
    power[: len(signal)] = signal * signal
    power = smooth(power.reshape(count, STEP).sum(axis=1) / STEP, 31)
    active = power > 1e-3 * power.max()
    if not active.any():
        return signal
    reference = float(power[active].sum() / active.sum())
    gains = 0.2 / np.sqrt(reference) * (np.maximum(power, 1e-3 * reference) / reference) ** -0.25
    return np.asarray(signal * np.interp(np.arange(len(signal)), (np.arange(count) + 0.5) * STEP, gains))


def _resonators(frequencies: Signal, bandwidths: Signal) -> Signal:
    """Return second-order sections of unit gain at 0 Hz: the arrays' shape, then 6."""
    radius = np.exp(-np.pi * bandwidths / SAMPLE_RATE)
    middle = -2.0 * radius * np.cos(2.0 * np.pi * frequencies / SAMPLE_RATE)
    last = radius * radius
    sections = np.zeros((*frequencies.shape, 6))
    sections[..., 0] = 1.0 + middle + last
    sections[..., 3], sections[..., 4], sections[..., 5] = 1.0, middle, last
    return sections


@lru_cache(maxsize=64)
def glottal_tables(tension: float, harmonics: int) -> tuple[Signal, Signal]:
    """Return one cycle of the glottal flow's derivative, softly and loudly sung."""
    size = 4096
    position = np.arange(size) / size
    rise, fall = 0.7 * tension, 0.3 * tension
    flow = np.where(position < rise, 0.5 - 0.5 * np.cos(np.pi * position / rise), 0.0)
    closing = (position >= rise) & (position < rise + fall)
    flow[closing] = np.cos(0.5 * np.pi * (position[closing] - rise) / fall)
    number = np.arange(1, harmonics + 1)
    spectrum = np.fft.rfft(flow)[1 : harmonics + 1] * number * 2j * np.pi / size
    tables = []
    for corner in (6.0, 40.0):
        tilted = spectrum / (1.0 + (number / corner) ** 2) ** 0.5
        tilted = tilted / np.sqrt(np.sum(np.abs(tilted) ** 2))
        tables.append(harmonic_table(-2.0 * tilted.imag, 2.0 * tilted.real))
    return tables[0], tables[1]
