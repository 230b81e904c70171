"""Templates for methods that model the magnitudes of the sources on a spectrogram.

`SpectrogramSeparator` has the frames, `MaskSeparator` the filter that turns magnitudes into estimates; a method derives
from either or from both and is left with its model. What their estimates keep to is declared here and holds unless a
method declares otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio
from mss_bench.dsp.blocks import BLOCK, Magnitudes, filter_in_blocks
from mss_bench.dsp.filters import MASKS, channel_groups, filter_blocks
from mss_bench.dsp.stft import STFT, Spectrogram
from mss_bench.separators.base import Separator

__all__ = ["VOICE_AND_REST", "MaskSeparator", "SpectrogramSeparator"]

VOICE_AND_REST = (("vocals", "accompaniment"),)
"""The target sets of methods that look for the voice and call the rest accompaniment."""


class SpectrogramSeparator(Separator):
    """Transform the mixture with the frames of two parameters.

    Attributes
    ----------
    stft : STFT
    """

    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"

    n_fft: int = param(4096, at_least=2, unit="samples", doc="Length of the frames, even.")
    hop: int = param(1024, at_least=1, unit="samples", doc="Step from frame to frame, at most half of `n_fft`.")

    def setup(self) -> None:
        super().setup()
        self.stft = STFT(self.n_fft, self.hop)


class MaskSeparator(Separator):
    """Share the mixture among sources by one of the filters of `mss_bench.dsp.filters`."""

    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"

    mask: str = param("soft", choices=MASKS, doc="Filter from magnitudes to estimates, see `mss_bench.dsp.filters`.")
    power: float = param(1.0, above=0, doc="Exponent of ``soft``: 1 shares by magnitude, 2 by power.")

    block: int = BLOCK
    """Frames times bins that `estimates` holds of each source at a time."""

    def estimates(self, stft: STFT, x: Spectrogram, samples: int, magnitudes: Magnitudes) -> list[Audio]:
        """Estimate all sources from their magnitudes, a block of frames at a time.

        Parameters
        ----------
        stft : STFT
        x : (channels, frames, bins) complex
            Spectrogram of the mixture.
        samples : int
            Length of the mixture.
        magnitudes : callable
            From a block of `x` and the slice of its frames to the magnitudes of all sources there.
        """
        return filter_in_blocks(stft, x, samples, magnitudes, self.mask, self.power, self.block)

    def first_estimate(
        self, stft: STFT, mixture: Audio, model: Callable[[NDArray[Any]], Sequence[NDArray[Any]]]
    ) -> Audio:
        """Estimate the first of several sources; the rest of the mixture are the others.

        Parameters
        ----------
        stft : STFT
        mixture : (channels, samples)
        model : callable
            From the magnitude of the channels that are filtered together to that of each source.
        """
        out = np.empty_like(mixture)
        for part in channel_groups(len(mixture), self.mask):
            x = stft.forward(mixture[part])
            for block, (first, *_) in filter_blocks(x, model(np.abs(x)), self.mask, self.power):
                x[block] = first
            out[part] = stft.inverse(x, mixture.shape[-1])
        return out
