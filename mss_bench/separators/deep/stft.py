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
        self._stft = (_Centred if self.centre else _Windowed)(self.n_fft, self.hop, self.window)
        self.bins = self.bins or self._stft.bins
        self._scale = float(self.n_fft**-0.5)

    def forward(self, signal: NDArray[np.floating[Any]]) -> Spectrogram:
        """Transform a signal to the bins of its spectrogram that the model is given."""
        if self.centre and self.reflect:
            # Mirrored by whole hops, so that the wanted frames are some of those of the longer signal.
            pad = self.n_fft // 2
            more = -(-pad // self.hop)
            mirrored = np.pad(signal, ((0, 0), (more * self.hop, pad)), mode="reflect")
            frames = self._stft.forward(mirrored)[:, more : more + self._stft.frames(signal.shape[-1])]
        else:
            frames = self._stft.forward(signal)
        frames = frames[..., : self.bins]
        return frames * self._scale if self.normalised else frames

    def inverse(self, spectrogram: Spectrogram, samples: int) -> NDArray[Any]:
        """Transform a spectrogram, of those bins or of all, to its signal."""
        return self._stft.inverse(spectrogram / self._scale if self.normalised else spectrogram, samples)


@dataclass(frozen=True)
class _Windowed(STFT):
    """The transform of `mss_bench.dsp.stft` with another window."""

    window: str = "hann"

    @cached_property
    def _window(self) -> NDArray[np.float64]:
        phase = 2 * np.pi * np.arange(self.n_fft) / self.n_fft
        if self.window == "hamming":
            return np.asarray(0.54 - 0.46 * np.cos(phase))
        hann = 0.5 - 0.5 * np.cos(phase)
        return np.asarray(np.sqrt(hann) if self.window == "sqrt_hann" else hann)


class _Centred(_Windowed):
    """A transform with frame t centred on sample ``t * hop``; there are ``1 + samples // hop`` of them."""

    def frames(self, samples: int) -> int:
        return 1 + samples // self.hop

    def inverse(self, spectrogram: Spectrogram, samples: int) -> NDArray[Any]:
        # The samples at both ends lie under fewer frames than the others, which is to be made up for. A sample lies
        # under `parts` frames; the squares of their windows are summed, there and in the middle.
        parts, frames = -(-self.n_fft // self.hop), self.frames(samples)
        square = np.pad(self._window**2, (0, parts * self.hop - self.n_fft)).reshape(parts, self.hop)
        there = np.zeros((frames + parts - 1, self.hop))
        for part in range(parts):
            there[part : part + frames] += square[part]
        here = slice(self._pad, self._pad + samples)
        whole = np.broadcast_to(square.sum(axis=0), there.shape)
        ends = np.asarray(whole.ravel()[here] / there.ravel()[here])
        signal = super().inverse(spectrogram, samples)
        return np.asarray(signal * ends.astype(signal.dtype))

    @property
    def _pad(self) -> int:
        return self.n_fft // 2
