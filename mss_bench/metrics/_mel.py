"""Mel filter banks, as librosa (Slaney's scale) and torchaudio (HTK's) make them by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.arrays import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["htk_weights", "mel_weights"]


def htk_weights(sample_rate: int, n_fft: int, n_mels: int) -> csr_array:
    """Return HTK's mel filter bank ``(n_mels, n_fft // 2 + 1)``: triangles of height 1, 2595 log10(1 + f / 700)."""
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    return _triangles(700 * (10 ** (np.linspace(0.0, top, n_mels + 2) / 2595) - 1), sample_rate, n_fft)


def mel_weights(sample_rate: int, n_fft: int, n_mels: int) -> csr_array:
    """Return Slaney's mel filter bank ``(n_mels, n_fft // 2 + 1)``: triangles of equal area on a mel scale.

    The scale is linear up to 1 kHz (200/3 Hz a mel) and logarithmic above (27 mel a factor of 6.4).
    """
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(sample_rate / 2), n_mels + 2))
    return _triangles(edges, sample_rate, n_fft, equal_area=True)


def _triangles(edges: Floats, sample_rate: int, n_fft: int, *, equal_area: bool = False) -> csr_array:
    from scipy.sparse import csr_array

    slopes = edges[:, np.newaxis] - np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    widths = np.diff(edges)[:, np.newaxis]
    triangles = np.maximum(0.0, np.minimum(-slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]))
    return csr_array(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis] if equal_area else triangles)


_LINEAR, _KNEE, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    return hz / _LINEAR if hz < _KNEE else _KNEE / _LINEAR + float(np.log(hz / _KNEE)) / _STEP


def _mel_to_hz(mel: Floats) -> Floats:
    knee = _KNEE / _LINEAR
    return np.where(mel < knee, mel * _LINEAR, _KNEE * np.exp(_STEP * (mel - knee)))
