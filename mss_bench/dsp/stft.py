"""Short-time Fourier transform with perfect reconstruction.

One transform for every method of the package. Frames are windowed by the square root of a periodic Hann window before
the transform and again, normalised, after the inverse one:

    X[t, f] = sum_n w[n] x[t H + n - (N - H)] e^(-2 pi i f n / N),
    x[n] = sum_t w_s[n - t H] irfft(X[t])[n - t H],    w_s[n] = w[n] / sum_k w[n + k H]^2,

so that an unchanged spectrogram gives back the signal, and a changed one gives the signal whose windowed spectrogram is
nearest to it in the least-squares sense [1]_. The signal is padded with zeros by ``N - H`` at its start and by at least
as much at its end: every sample lies under the same number of frames, whatever the length, one sample included.

Spectrograms are ``(channels, frames, bins)``: a frame is contiguous. The precision of the input is kept: float32 gives
complex64, float64 gives complex128.

References
----------
.. [1] D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform", IEEE Trans. Acoustics,
   Speech and Signal Processing 32(2), 1984.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from mss_bench.errors import ConfigError

__all__ = ["STFT", "Spectrogram"]

Spectrogram = NDArray[np.complexfloating[Any, Any]]
"""An array ``(channels, frames, bins)``."""

# Samples of windowed frames that are held at a time, so that memory stays near that of the spectrogram itself.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class STFT:
    """Transform signals to spectrograms and back.

    Parameters
    ----------
    n_fft : int
        Samples of a frame, at least 2 and even.
    hop : int
        Samples between frames, from 1 to ``n_fft // 2``: with less overlap the window's ends would not be made up for.

    Raises
    ------
    ConfigError
        Another frame or hop.

    Examples
    --------
    >>> import numpy as np
    >>> stft = STFT(2048, 512)
    >>> signal = np.random.default_rng(0).standard_normal((2, 44100)).astype(np.float32)
    >>> spectrogram = stft.forward(signal)
    >>> spectrogram.shape, spectrogram.dtype
    ((2, 90, 1025), dtype('complex64'))
    >>> bool(np.abs(stft.inverse(spectrogram, 44100) - signal).max() < 1e-5)
    True
    """

    n_fft: int = 2048
    hop: int = 1024

    def __post_init__(self) -> None:
        if self.n_fft < 2 or self.n_fft % 2:
            raise ConfigError(f"n_fft={self.n_fft}: expected an even number of samples, at least 2")
        if not 1 <= self.hop <= self.n_fft // 2:
            raise ConfigError(f"hop={self.hop}: expected 1 to {self.n_fft // 2} samples (half of n_fft={self.n_fft})")

    @property
    def bins(self) -> int:
        """Return how many frequencies a frame has, from 0 to half of the sample rate."""
        return self.n_fft // 2 + 1

    def frames(self, samples: int) -> int:
        """Return how many frames a signal of that many samples has."""
        return -(-(samples + self._pad) // self.hop)

    def frequencies(self, sample_rate: int) -> NDArray[np.float64]:
        """Return the centre of each bin in Hz."""
        return np.arange(self.bins, dtype=np.float64) * np.float64(sample_rate / self.n_fft)

    def forward(self, signal: NDArray[np.floating[Any]]) -> Spectrogram:
        """Transform a signal to its spectrogram.

        Parameters
        ----------
        signal : (channels, samples) float32 or float64

        Returns
        -------
        (channels, frames, bins) complex64 or complex128
        """
        channels, samples = signal.shape
        window = self._window.astype(signal.dtype)
        n_frames = self.frames(samples)
        padded = np.zeros((channels, (n_frames - 1) * self.hop + self.n_fft), dtype=signal.dtype)
        padded[:, self._pad : self._pad + samples] = signal
        framed = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft, axis=-1)[:, :: self.hop]
        out = np.empty((channels, n_frames, self.bins), dtype=np.result_type(signal.dtype, np.complex64))
        step = max(1, _BLOCK // (self.n_fft * channels))
        for first in range(0, n_frames, step):
            out[:, first : first + step] = scipy.fft.rfft(framed[:, first : first + step] * window, axis=-1)
        return out

    def inverse(self, spectrogram: Spectrogram, samples: int) -> NDArray[Any]:
        """Transform a spectrogram to its signal.

        Parameters
        ----------
        spectrogram : (channels, frames, bins) complex
            Of a signal of `samples` samples, changed or not. It may hold the lower bins alone: the others are zero.
        samples : int

        Returns
        -------
        (channels, samples) float32 or float64
        """
        channels, n_frames, _ = spectrogram.shape
        dtype = np.empty(0, dtype=spectrogram.dtype).real.dtype
        parts = -(-self.n_fft // self.hop)
        synthesis = np.pad(self._synthesis, (0, parts * self.hop - self.n_fft)).astype(dtype)
        out = np.zeros((channels, n_frames + parts - 1, self.hop), dtype=dtype)
        step = max(1, _BLOCK // (self.n_fft * channels))
        framed = np.zeros((channels, step, parts * self.hop), dtype=dtype)
        for first in range(0, n_frames, step):
            count = min(step, n_frames - first)
            block = framed[:, :count]
            block[..., : self.n_fft] = scipy.fft.irfft(spectrogram[:, first : first + count], n=self.n_fft, axis=-1)
            block *= synthesis
            # Cut into pieces of one hop, all first pieces are added at once, then all second ones.
            pieces = block.reshape(channels, count, parts, self.hop)
            for part in range(parts):
                out[:, first + part : first + part + count] += pieces[:, :, part]
        return np.ascontiguousarray(out.reshape(channels, -1)[:, self._pad : self._pad + samples])

    @property
    def _pad(self) -> int:
        return self.n_fft - self.hop

    @cached_property
    def _window(self) -> NDArray[np.float64]:
        # The square root of a periodic Hann window, sin^2.
        return np.sin(np.pi * np.arange(self.n_fft) / self.n_fft)

    @cached_property
    def _synthesis(self) -> NDArray[np.float64]:
        parts = -(-self.n_fft // self.hop)
        square = np.pad(self._window**2, (0, parts * self.hop - self.n_fft)).reshape(parts, self.hop).sum(axis=0)
        return np.asarray(self._window / np.tile(square, parts)[: self.n_fft])
