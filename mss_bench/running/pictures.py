"""Draw a sound: its waveform above its spectrogram, small enough for pages that show many of them."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.stft import STFT

__all__ = ["HIGHEST", "RANGE", "level", "picture"]

WIDTH, WAVE, GAP, SPECTROGRAM = 480, 56, 4, 120  # pixels
RANGE = 80.0
"""Decibels from the brightest to the darkest."""
HIGHEST = 16000.0
"""Hz at the top, or half the sample rate."""

_N_FFT = 2048
_BRIGHTEST, _INK, _PAPER = 253, 254, 255  # in the palette
_INK_COLOUR = (11, 98, 164)
# Of matplotlib's magma, every eighth of it: dark is quiet.
_COLOURS = (
    (0, 0, 4), (29, 17, 71), (81, 18, 124), (131, 38, 129), (183, 55, 121), (230, 81, 100), (252, 137, 97),
    (254, 194, 140), (252, 253, 191),
)  # fmt: skip


def level(array: NDArray[np.floating], sample_rate: int) -> float:
    """Return the highest power in the spectrogram; pictures to be compared share it as their brightest."""
    return float(_power(array, sample_rate).max())


def picture(array: NDArray[np.floating], sample_rate: int, top: float, peak: float) -> bytes:
    """Draw a sound as a PNG image.

    Parameters
    ----------
    array : (channels, samples)
    sample_rate : int
        Hz.
    top : float
        Power that is the brightest, from `level`.
    peak : float
        Amplitude that fills the height.

    Returns
    -------
    bytes
        Time from left to right; above the waveform, the extremes of all channels; below the spectrogram, the mean power
        over channels in decibels, frequencies from 0 to 16 kHz on the mel scale.
    """
    from PIL import Image

    indices = np.full((WAVE + GAP + SPECTROGRAM, WIDTH), _PAPER, dtype=np.uint8)
    indices[:WAVE][_wave(array, peak)] = _INK
    power = _power(array, sample_rate)
    decibels = 10 * np.log10(np.maximum(power / max(top, 1e-20), 10 ** (-RANGE / 10)))
    indices[WAVE + GAP :] = (np.clip(decibels / RANGE + 1, 0, 1) * _BRIGHTEST).round()
    image = Image.fromarray(indices)
    image.putpalette(_palette())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@cache
def _palette() -> bytes:
    levels = np.linspace(0, len(_COLOURS) - 1, _BRIGHTEST + 1)
    shades = np.stack([np.interp(levels, range(len(_COLOURS)), [c[i] for c in _COLOURS]) for i in range(3)], axis=1)
    return bytes(np.concatenate([shades.round(), [_INK_COLOUR, (255, 255, 255)]]).astype(np.uint8))


def _wave(array: NDArray[np.floating], peak: float) -> NDArray[np.bool_]:
    """Return which pixels the waveform covers."""
    ends = np.linspace(0, array.shape[1], WIDTH + 1).astype(int)
    starts = np.minimum(ends[:-1], array.shape[1] - 1)
    high = np.maximum.reduceat(array.max(axis=0), starts) / max(peak, 1e-9)
    low = np.minimum.reduceat(array.min(axis=0), starts) / max(peak, 1e-9)
    rows = 1.0 - (np.arange(WAVE) + 0.5) * 2 / WAVE  # amplitude in the middle of each row
    half = 1.0 / WAVE
    return np.asarray((rows[:, None] <= high + half) & (rows[:, None] >= low - half))


def _power(array: NDArray[np.floating], sample_rate: int) -> NDArray[np.floating]:
    """Return the mean power ``(rows, columns)`` of the picture, the highest frequency first."""
    hop = min(max(1, array.shape[1] // WIDTH), _N_FFT // 2)
    spectrum = STFT(_N_FFT, hop).forward(np.asarray(array, dtype=np.float32))
    power = (np.abs(spectrum) ** 2).mean(axis=0).T
    columns = np.linspace(0, power.shape[1] - 1, WIDTH).round().astype(int)
    mixed = np.asarray(_rows(sample_rate) @ power[:, columns])
    return mixed[::-1]


@cache
def _rows(sample_rate: int) -> NDArray[np.float32]:
    """Return the weights of the bins in each row: triangles on the mel scale, at least as wide as a bin."""
    highest = min(HIGHEST, sample_rate / 2)
    centres = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + highest / 700), SPECTROGRAM) / 2595) - 1)
    bins = np.arange(_N_FFT // 2 + 1) * sample_rate / _N_FFT
    width = np.maximum(np.gradient(centres), sample_rate / _N_FFT)
    weights = np.maximum(0, 1 - np.abs(bins - centres[:, None]) / width[:, None])
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
