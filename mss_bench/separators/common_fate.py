"""The common fate model: sources of one pitch, told apart by how they waver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio
from mss_bench.dsp.filters import filter_sources
from mss_bench.dsp.nmf import Factors, divergence, factorise, normalised, random_factors
from mss_bench.dsp.stft import Spectrogram
from mss_bench.separators.base import as_published
from mss_bench.separators.blind import BlindMaskSeparator

__all__ = ["CommonFate", "Patches"]

# Values of the common fate transform that are held at a time.
_BLOCK = 1 << 22


class CommonFate(BlindMaskSeparator):
    """Separate sources of one pitch by how they waver: the common fate model.

    Partials of one source rise, fall and waver together, and the ear takes them together for it. A small patch of the
    complex spectrogram shows how it wavers there as a pattern in its two-dimensional Fourier transform, and a source is
    modelled as one such pattern at each frequency, which comes and goes as a whole:

        X(t, f) = STFT of the mixture;   P(a, b, u, v) = FFT2 of the windowed patch u in time, v in frequency,
        |P(a, b, u, v, c)| ~ Lambda = sum_j A(a, b, v, j) H(u, j) C(c, j),   least Kullback-Leibler divergence,
        A <- A * (sum_uc H C |P| / Lambda) / (sum_uc H C),   H and C likewise,
        source j:  P A H C / Lambda, transformed back and added up.

    With two instruments in unison, one with vibrato, plain NMF fails, since their spectra are the same; their
    patterns are not. There is one pattern a source: it is meant for few sustained sounds rather than for a song of many
    notes, and sources that are never apart in time stay together. The result depends on the start; the best of
    `restarts` is taken. A patch of 1 x 1 is plain NMF with one spectrum a source. It takes longer than any method that
    is not slow, and songs are not what it is meant for: a run leaves it out unless it is named.

    References
    ----------
    .. [1] F.-R. Stöter, A. Liutkus, R. Badeau, B. Edler and P. Magron, "Common fate model for unison source
       separation", Proc. ICASSP, 2016.
    """

    name = "common_fate"
    family = "factorisation"
    slow = True
    random = True
    citation = "F.-R. Stöter et al., Common fate model for unison source separation, ICASSP 2016"
    presets = as_published()
    unlike_paper = "The best of several random starts is kept"
    assumption = "Each source wavers in its own way, the same one whenever it sounds, and not always with the others."

    sources = 0
    patch_frames: int = param(
        10, at_least=1, unit="frames", doc="Height of a patch; patches overlap by half, under a sine window."
    )
    patch_bins: int = param(10, at_least=1, unit="bins", doc="Width of a patch.")
    iterations: int = param(100, at_least=1, doc="Number of updates.")
    restarts: int = param(3, at_least=1, doc="Number of random starts.")
    mask = "soft"
    power = 1.0
    n_fft = 1024
    hop = 512

    def find_sources(
        self, mixture: Audio, sample_rate: int, *, count: int, rng: np.random.Generator
    ) -> Sequence[Audio]:
        if not mixture.any():
            return [np.zeros_like(mixture) for _ in range(count)]
        x = self.stft.forward(mixture)
        patches = Patches(x.shape, self.patch_frames, self.patch_bins)
        factors = self._factorise(patches, x, count, rng)
        sources = [patches.canvas(x.dtype) for _ in range(count)]
        padded = patches.pad(x)
        # The spectrogram, its copy with zeros around it and the sources would not all fit beside each other.
        del x
        for columns in patches.blocks():
            block = patches.forward(padded, columns)
            # A block of columns holds some of the spectra A and all activations.
            own = Factors(factors.w[:, patches.values(columns)], factors.h, factors.q)
            models = [own.model(slice(j, j + 1)) for j in range(count)]
            for source, estimate in zip(sources, filter_sources(block, models, self.mask, self.power), strict=True):
                patches.add(source, estimate, columns)
        del padded
        return [self.stft.inverse(patches.crop(sources.pop(0)), mixture.shape[-1]) for _ in range(count)]

    def _factorise(self, patches: Patches, x: Spectrogram, count: int, rng: np.random.Generator) -> Factors:
        """Return the factors of the best start: A as spectra, H as activations, C as gains."""
        padded = patches.pad(x)
        magnitude = np.empty((len(x), patches.rows, patches.size * patches.columns), dtype=np.float32)
        for columns in patches.blocks():
            np.abs(patches.forward(padded, columns), out=magnitude[..., patches.values(columns)])
        v = normalised(magnitude, beta=1)
        del magnitude, padded

        def fit() -> Factors:
            factors = random_factors(v, count, rng)
            factorise(v, factors, 1, self.iterations, fixed=("q",) if len(x) == 1 else ())
            return factors

        return min((fit() for _ in range(self.restarts)), key=lambda factors: divergence(v, factors, 1))


class Patches:
    """Transform overlapping patches of a spectrogram by a two-dimensional Fourier transform, and back.

    Parameters
    ----------
    shape : tuple of int
        ``(channels, frames, bins)`` of the spectrogram.
    height, width : int
        Frames and bins of a patch. One begins every half patch.

    Attributes
    ----------
    rows, columns : int
        Patches along time and frequency.
    size : int
        Values of a patch.
    """

    def __init__(self, shape: tuple[int, ...], height: int, width: int) -> None:
        self.shape, self.height, self.width, self.size = shape, height, width, height * width
        self._steps = step, across = max(1, height // 2), max(1, width // 2)
        self._lead = height - step, width - across
        self.rows = -(-(shape[1] + self._lead[0]) // step)
        self.columns = -(-(shape[2] + self._lead[1]) // across)
        self._window = np.outer(_sine(height), _sine(width)).astype(np.float32)
        self._padded = ((self.rows - 1) * step + height, (self.columns - 1) * across + width)

    def blocks(self) -> Iterator[slice]:
        """Return the columns of patches that are to be held at a time."""
        step = max(1, _BLOCK // (self.shape[0] * self.rows * self.size))
        return (slice(first, min(first + step, self.columns)) for first in range(0, self.columns, step))

    def values(self, columns: slice) -> slice:
        """Return where the values of these columns lie among those of all columns."""
        return slice(columns.start * self.size, columns.stop * self.size)

    def canvas(self, dtype: np.dtype[Any]) -> Spectrogram:
        """Return zeros, to which `add` adds."""
        return np.zeros((self.shape[0], *self._padded), dtype=dtype)

    def pad(self, x: Spectrogram) -> Spectrogram:
        """Return the spectrogram with zeros around it, so that each bin lies under the same number of patches."""
        out = self.canvas(x.dtype)
        self.crop(out)[...] = x
        return out

    def crop(self, canvas: Spectrogram) -> Spectrogram:
        """Return the part of a canvas that is the spectrogram, as a view."""
        (top, left), (_, frames, bins) = self._lead, self.shape
        return canvas[:, top : top + frames, left : left + bins]

    def forward(self, padded: Spectrogram, columns: slice) -> Spectrogram:
        """Transform some columns of patches; return ``(channels, rows, patches * size)``."""
        from scipy.fft import fft2

        first, last = columns.start * self._steps[1], (columns.stop - 1) * self._steps[1] + self.width
        views = np.lib.stride_tricks.sliding_window_view(
            padded[..., first:last], (self.height, self.width), axis=(1, 2)
        )
        patches = views[:, :: self._steps[0], :: self._steps[1]] * self._window
        return np.asarray(fft2(patches, axes=(-2, -1), overwrite_x=True)).reshape(len(padded), self.rows, -1)

    def add(self, canvas: Spectrogram, transform: Spectrogram, columns: slice) -> None:
        """Transform some columns back and add them where they came from; unchanged they give what `pad` took."""
        from scipy.fft import ifft2

        patches = transform.reshape(len(transform), self.rows, -1, self.height, self.width)
        patches = ifft2(patches, axes=(-2, -1)) * self._synthesis()
        down, across = self._steps
        left, count = columns.start * across, columns.stop - columns.start
        for a in range(self.height):
            for b in range(self.width):
                into = canvas[:, a : a + self.rows * down : down, left + b : left + b + count * across : across]
                into += patches[..., a, b]

    def _synthesis(self) -> NDArray[np.float32]:
        """Return the window divided by the sum of the squares of all windows over a bin."""
        weights = []
        for length, step in zip((self.height, self.width), self._steps, strict=True):
            window = _sine(length)
            total = [np.sum(window[k % step :: step] ** 2) for k in range(length)]
            weights.append(window / total)
        return np.outer(*weights).astype(np.float32)


def _sine(length: int) -> NDArray[np.float64]:
    return np.sin(np.pi * (np.arange(length) + 0.5) / length)
