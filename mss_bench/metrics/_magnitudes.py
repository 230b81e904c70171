"""Magnitude spectrograms as the tools of PyTorch make them, a block of frames at a time.

Frames are centred: the signal is padded by half a frame at both ends, by reflection or with zeros, and frame t lies
around sample ``t * hop``. `mss_bench.dsp.stft` is another transform: it can be inverted, and pads otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.errors import ConfigError
from mss_bench.metrics._checks import too_short

__all__ = ["Magnitudes", "hann"]

_BLOCK = 1 << 18
"""Windowed samples that are held at a time."""


@dataclass(frozen=True)
class Magnitudes:
    """A short-time Fourier transform without its phase.

    Parameters
    ----------
    n_fft, hop : int
        Samples; `n_fft` even.
    window : (n_fft,) float array, optional
        None for a rectangular one.
    padding : {"reflect", "zeros"}

    Raises
    ------
    ConfigError
        Sizes out of their range.
    """

    n_fft: int
    hop: int
    window: Floats | None = None
    padding: Literal["reflect", "zeros"] = "reflect"

    def __post_init__(self) -> None:
        if self.n_fft < 2 or self.n_fft % 2:
            raise ConfigError(f"an FFT of {self.n_fft} samples was asked for, expected an even number of at least 2")
        if self.hop < 1:
            raise ConfigError(f"a hop of {self.hop} samples was asked for, expected at least 1")

    @cached_property
    def least(self) -> int:
        """Return the samples that a signal needs for its padding."""
        return self.n_fft // 2 + 1 if self.padding == "reflect" else 1

    def too_short(self, samples: int) -> str:
        """Return why a signal of that length has no spectrogram; empty where it has one."""
        return too_short(samples, self.least, f"for an FFT of {self.n_fft}")

    def frames(self, samples: int) -> int:
        """Return the number of frames of a signal of that many samples."""
        return samples // self.hop + 1

    def blocks(self, channel: Samples) -> Iterator[Floats]:
        """Yield magnitudes ``(frames, n_fft // 2 + 1)`` of one channel ``(samples,)``, a block of frames at a time."""
        return (np.abs(block) for block in self.spectra(channel))

    def spectra(self, channel: Samples) -> Iterator[NDArray[np.complex128]]:
        """Yield what `blocks` yields the magnitudes of."""
        from scipy import fft

        n_frames, step = self.frames(len(channel)), max(1, _BLOCK // self.n_fft)
        for first in range(0, n_frames, step):
            count = min(step, n_frames - first)
            start = first * self.hop - self.n_fft // 2
            part = self._padded(channel, start, start + (count - 1) * self.hop + self.n_fft)
            framed = np.lib.stride_tricks.sliding_window_view(part, self.n_fft)[:: self.hop]
            yield np.asarray(fft.rfft(framed if self.window is None else framed * self.window, axis=-1))

    def _padded(self, channel: Samples, start: int, stop: int) -> Floats:
        """Return samples ``[start, stop)``, which may lie up to half a frame outside of the signal."""
        before, after = max(0, -start), max(0, stop - len(channel))
        if not (before or after):
            return channel[start:stop].astype(np.float64)
        out = np.zeros(stop - start)
        out[before : len(out) - after] = channel[max(0, start) : stop]
        if self.padding == "reflect":
            # by index, since in a short signal the reflection of one end can reach the other's padding
            index = np.abs(np.arange(start, stop))
            index = np.where(index >= len(channel), 2 * (len(channel) - 1) - index, index)
            out[:] = channel[index]
        return out


def hann(length: int, n_fft: int) -> Floats:
    """Return a periodic Hann window in the middle of a frame of zeros."""
    window = np.zeros(n_fft)
    first = (n_fft - length) // 2
    window[first : first + length] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    return window
