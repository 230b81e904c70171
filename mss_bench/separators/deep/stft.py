"""The short-time Fourier transform that a model was trained with, and its inverse.

Models bring their own transform: window, where the frames stand, scale. The inverse is the weighted overlap-add of
`mss_bench.dsp.stft`, with the same window again, and exact up to the ends of the signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.stft import STFT, Spectrogram

__all__ = ["WINDOWS", "ModelSTFT"]

WINDOWS = ("hann", "sqrt_hann", "hamming")
"""Periodic windows."""


@dataclass(frozen=True)
class ModelSTFT(STFT):
    """A transform with a choice of window and position.

    Parameters
    ----------
    n_fft, hop : int
        As in `mss_bench.dsp.stft.STFT`, whose transform this is with ``sqrt_hann`` and ``centre=False``.
    window : str
        One of `WINDOWS`.
    centre : bool
        Frame t is centred on sample ``t * hop``; there are ``1 + samples // hop`` of them. Else the first frame begins
        ``n_fft - hop`` before the first sample.
    reflect : bool
        With `centre` the signal is mirrored at its ends; else there are zeros.
    normalised : bool
        Divided by the root of `n_fft`.

    Examples
    --------
    >>> import numpy as np
    >>> stft = ModelSTFT(1024, 256)
    >>> signal = np.random.default_rng(0).standard_normal((2, 10000)).astype(np.float32)
    >>> stft.forward(signal).shape
    (2, 40, 513)
    >>> bool(np.abs(stft.inverse(stft.forward(signal), 10000) - signal).max() < 1e-5)
    True
    """

    window: str = "hann"
    centre: bool = True
    reflect: bool = True
    normalised: bool = False

    def frames(self, samples: int) -> int:
        return 1 + samples // self.hop if self.centre else super().frames(samples)

    def forward(self, signal: NDArray[np.floating[Any]]) -> Spectrogram:
        samples = signal.shape[-1]
        if self.centre and self.reflect:
            # Mirrored by whole hops, so that the wanted frames are some of those of the longer signal.
            more = -(-self._pad // self.hop)
            mirrored = np.pad(signal, ((0, 0), (more * self.hop, self._pad)), mode="reflect")
            frames = super().forward(mirrored)[:, more : more + self.frames(samples)]
        else:
            frames = super().forward(signal)
        return frames * self._scale if self.normalised else frames

    def inverse(self, spectrogram: Spectrogram, samples: int) -> NDArray[Any]:
        signal = super().inverse(spectrogram / self._scale if self.normalised else spectrogram, samples)
        return signal * self._ends(samples).astype(signal.dtype) if self.centre else signal

    def _ends(self, samples: int) -> NDArray[np.float64]:
        """Return what makes up for the fewer frames under which the samples at both ends lie."""
        # A sample lies under `parts` frames; the squares of their windows are summed, there and in the middle.
        parts, frames = -(-self.n_fft // self.hop), self.frames(samples)
        square = np.pad(self._window**2, (0, parts * self.hop - self.n_fft)).reshape(parts, self.hop)
        there = np.zeros((frames + parts - 1, self.hop))
        for part in range(parts):
            there[part : part + frames] += square[part]
        here = slice(self._pad, self._pad + samples)
        whole = np.broadcast_to(square.sum(axis=0), there.shape)
        return np.asarray(whole.ravel()[here] / there.ravel()[here])

    @property
    def _pad(self) -> int:
        return self.n_fft // 2 if self.centre else super()._pad

    @property
    def _scale(self) -> float:
        return float(self.n_fft**-0.5)

    @cached_property
    def _window(self) -> NDArray[np.float64]:
        phase = 2 * np.pi * np.arange(self.n_fft) / self.n_fft
        if self.window == "hamming":
            return np.asarray(0.54 - 0.46 * np.cos(phase))
        hann = 0.5 - 0.5 * np.cos(phase)
        return np.asarray(np.sqrt(hann) if self.window == "sqrt_hann" else hann)
