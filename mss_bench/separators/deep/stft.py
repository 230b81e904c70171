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

from mss_bench.core.parameters import Parameterized, check, param
from mss_bench.dsp.stft import STFT, Spectrogram
from mss_bench.errors import ConfigError
from mss_bench.separators.deep.overlap_add import cut

__all__ = ["WINDOWS", "ModelSTFT"]

WINDOWS = ("hann", "sqrt_hann", "hamming")
"""Periodic windows."""


class ModelSTFT(Parameterized):
    """The short-time Fourier transform whose frames a model is given."""

    n_fft: int = param(at_least=2, unit="samples", doc="Length of the frames.")
    hop: int = param(at_least=1, unit="samples", doc="Step from frame to frame.")
    window: str = param("hann", choices=WINDOWS, doc="Periodic window, before the transform and after its inverse.")
    centre: bool = param(
        True,
        doc="Frame t is centred on sample t hop, as in `torch.stft`; otherwise the first frame begins n_fft - hop "
        "before the first sample, with zeros.",
    )
    reflect: bool = param(True, doc="With `centre`, mirror the signal at its ends; otherwise there are zeros.")
    normalised: bool = param(False, doc="Divide by the root of n_fft.")
    bins: int | None = param(
        None, at_least=1, doc="The model is given the lowest so many, the rest of its output is 0; all by default."
    )
    zeroed: int = param(0, at_least=0, doc="The lowest so many are set to 0 before the model is given them.")

    @check("hop", "n_fft")
    def _frames_overlap(self) -> None:
        try:
            STFT(self.n_fft, self.hop)
        except ConfigError as error:
            raise ConfigError(f"stft: {error}") from error

    @check("bins", "n_fft")
    def _bins_exist(self) -> None:
        if self.bins and self.bins > self.n_fft // 2 + 1:
            self.refuse("bins", f"at most {self.n_fft // 2 + 1} for n_fft={self.n_fft}")

    def setup(self) -> None:
        self._frames = _Frames(self.n_fft, self.hop, self.window)
        self._before = self.n_fft // 2 if self.centre else self.n_fft - self.hop  # samples of frame 0 before the signal
        self._padding = "reflect" if self.centre and self.reflect else "zeros"
        self.bins = self.bins or self._frames.bins
        self._scale = float(self.n_fft**-0.5)

    def frames(self, samples: int) -> int:
        """Return how many frames a signal of that many samples has."""
        return 1 + samples // self.hop if self.centre else -(-(samples + self._before) // self.hop)

    def forward(self, signal: Any, first: int = 0, stop: int | None = None) -> Spectrogram:
        """Transform a signal, ``(channels, samples)``, to the bins that the model is given, from one frame to another.

        Of the signal nothing is asked but its shape and its parts.
        """
        samples = signal.shape[-1]
        count = (self.frames(samples) if stop is None else stop) - first
        start = first * self.hop - self._before
        end = start + (count - 1) * self.hop + self.n_fft
        part = cut(lambda a, b: signal[..., a:b], start, end, samples, self._padding)
        frames = self._frames.forward(part)[:, :count, : self.bins]
        return frames * self._scale if self.normalised else frames

    def add(self, signal: NDArray[np.floating[Any]], spectrogram: Spectrogram, first: int) -> None:
        """Add to a signal what frames make of it, from a frame on; once all are added, `finish` it."""
        frames = spectrogram / self._scale if self.normalised else spectrogram
        part = self._frames.inverse(frames, (frames.shape[1] - 1) * self.hop + self.n_fft)
        start = first * self.hop - self._before
        low, high = max(start, 0), min(start + part.shape[-1], signal.shape[-1])
        signal[:, low:high] += part[:, low - start : high - start]

    def finish(self, signal: NDArray[np.floating[Any]]) -> None:
        """Make up for the ends of a signal, whose samples lie under fewer frames than the others."""
        samples, parts = signal.shape[-1], -(-self.n_fft // self.hop)
        square = np.pad(self._frames.values**2, (0, parts * self.hop - self.n_fft))
        ends = np.arange(samples) if samples < 2 * self.n_fft else np.r_[: self.n_fft, samples - self.n_fft : samples]
        newest, offset = np.divmod(ends + self._before, self.hop)
        whole, there = np.zeros(ends.size), np.zeros(ends.size)
        for part in range(parts):
            weight = square[offset + part * self.hop]
            whole += weight
            there += np.where((newest >= part) & (newest - part < self.frames(samples)), weight, 0)
        signal[:, ends] *= (whole / there).astype(signal.dtype)

    def inverse(self, spectrogram: Spectrogram, samples: int) -> NDArray[Any]:
        """Transform a spectrogram, of those bins or of all, to its signal."""
        signal = np.zeros((spectrogram.shape[0], samples), dtype=np.empty(0, spectrogram.dtype).real.dtype)
        self.add(signal, spectrogram, 0)
        self.finish(signal)
        return signal


@dataclass(frozen=True)
class _Frames(STFT):
    """The transform of `mss_bench.dsp.stft` with another window, whose first frame begins with the signal."""

    window: str = "hann"

    @property
    def values(self) -> NDArray[np.float64]:
        """Return the values of the window."""
        return self._window

    @property
    def _pad(self) -> int:
        return 0

    @cached_property
    def _window(self) -> NDArray[np.float64]:
        phase = 2 * np.pi * np.arange(self.n_fft) / self.n_fft
        if self.window == "hamming":
            return np.asarray(0.54 - 0.46 * np.cos(phase))
        hann = 0.5 - 0.5 * np.cos(phase)
        return np.asarray(np.sqrt(hann) if self.window == "sqrt_hann" else hann)
