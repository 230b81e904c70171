"""How much of each true source an estimate holds: gains in patches of time and frequency, and energies by them.

In every patch of 0.4 s and a third of an octave an estimate is explained by the sum of the references, each with a gain
of its own, that is nearest to it:

    c = argmin |Y - sum_j c_j S_j|^2,    G_ij = Re <S_i, S_j>,    d_j = Re <S_j, Y>,    (G + ridge) c = d

over the frames, bins and channels of the patch. The same Gram matrices then give the energy of any sum of references
with gains, ``b^T G b``, so that no sum is ever rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples
from mss_bench.dsp.loudness import k_weighting
from mss_bench.dsp.stft import STFT

__all__ = ["NEGLIGIBLE", "SHORTEST", "Patches", "Products", "Spectra", "View", "k_power", "level"]

Spectra = NDArray[np.complexfloating[Any, Any]]
"""Spectrograms ``(arrays, channels, frames, bins)``."""

SHORTEST = 0.4
"""Seconds of a signal that has at least one patch."""

NEGLIGIBLE = 1e-12
"""Least ratio of energies that is told from 0: -120 dB."""

_FRAMES = 8
"""Frames of a patch."""

_FRAME = 0.1
"""Seconds of a frame, about; half of it is the hop."""

_LEAST_BINS = 3
_LOWEST = 40.0
_RIDGE = 1e-9
"""Relative to the energy of each reference in the patch."""

_PATCHES_AT_ONCE = 8


def level(ratio: float) -> float:
    """Return ``10 log10`` of a ratio of energies, at least -120 dB."""
    return float(10 * np.log10(ratio + NEGLIGIBLE))


def k_power(frequency: Floats, sample_rate: int) -> Floats:
    """Return by how much the K-weighting of ITU-R BS.1770 multiplies the power at each frequency in Hz."""
    from scipy.signal import freqz_sos

    _, response = freqz_sos(k_weighting(sample_rate), worN=frequency, fs=sample_rate)
    return np.asarray(np.abs(response) ** 2)


@dataclass(frozen=True)
class View:
    """What is looked at: which mixes of the signals, and how much the power at each frequency counts.

    Parameters
    ----------
    weight : (bins,)
    mix : callable, optional
        From spectrograms of all arrays to those of the sources and then the signals that are explained by them.
    """

    weight: Floats
    mix: Callable[[Spectra], Spectra] = lambda spectra: spectra


class Patches:
    """The grid of patches at a sample rate.

    Parameters
    ----------
    sample_rate : int
        Hz.

    Attributes
    ----------
    frequency : (bins,)
        Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._size = 1 << max(4, round(float(np.log2(_FRAME * sample_rate))))
        self._stft = STFT(self._size, self._size // 2)
        self.frequency = self._stft.frequencies(sample_rate)
        self._bands = _bands(self.frequency)

    def mean_square(self, energies: Floats) -> Floats:
        """Return the mean square of the samples of a patch, summed over channels, from its energy."""
        # 2 / size takes one side of a spectrum to the energy of its frame; a patch has _FRAMES hops of samples
        return energies * (2 / self._size / (_FRAMES * self._size // 2))

    def products(self, arrays: Sequence[Samples], n_sources: int, views: Sequence[View]) -> list[Products]:
        """Return the products of the signals, the first of them the sources, for each view.

        Parameters
        ----------
        arrays : sequence of (channels, samples) float array
        n_sources : int
            How many of a view's spectrograms are the sources.
        views : sequence of View
        """
        parts: list[list[Floats]] = [[] for _ in views]
        step = _PATCHES_AT_ONCE * _FRAMES * self._size // 2
        for start in range(0, arrays[0].shape[1], step):
            spectra = self._spectra([array[:, start : start + step] for array in arrays])
            for part, view in zip(parts, views, strict=True):
                part.append(self._multiplied(view.mix(spectra), view.weight))
        return [Products.of(np.concatenate(part), n_sources) for part in parts]

    def _spectra(self, arrays: Sequence[Samples]) -> Spectra:
        """Return spectrograms, filled up with zeros to whole patches."""
        parts = [self._stft.forward(np.asarray(array)) for array in arrays]
        frames = -(-parts[0].shape[1] // _FRAMES) * _FRAMES
        kind = np.result_type(*parts)
        out = np.zeros((len(parts), len(parts[0]), frames, self._stft.bins), dtype=kind)
        for row, part in zip(out, parts, strict=True):
            row[:, : part.shape[1]] = part
        return out

    def _multiplied(self, spectra: Spectra, weight: Floats) -> Floats:
        """Return ``Re <X_i, X_j>`` in every patch, ``(patches, bands, arrays, arrays)``, in double precision."""
        arrays, channels, frames, _ = spectra.shape
        patches = frames // _FRAMES
        products = np.zeros((patches, len(self._bands), arrays, arrays))
        for band, bins in enumerate(self._bands):
            if weight[bins].max() < NEGLIGIBLE:
                continue
            part = spectra[..., bins] * np.sqrt(weight[bins])
            rows = part.reshape(arrays, channels, patches, _FRAMES, -1).transpose(2, 0, 1, 3, 4)
            real = rows.reshape(patches, arrays, -1).view(np.float64)
            products[:, band] = real @ real.transpose(0, 2, 1)
        return products


def _bands(frequency: Floats) -> list[slice]:
    """Cut third octaves of a few bins each; the lowest takes everything below, the highest what is left."""
    edges = [1]
    centre = _LOWEST
    while centre < frequency[-1]:
        edge = int(np.searchsorted(frequency, centre * 2 ** (1 / 6)))
        if edge - edges[-1] >= _LEAST_BINS and len(frequency) - edge >= _LEAST_BINS:
            edges.append(edge)
        centre *= 2 ** (1 / 3)
    return [slice(a, b) for a, b in pairwise([*edges, len(frequency)])]


@dataclass(frozen=True)
class Products:
    """Products of J sources, and of K signals with them and with themselves, in every patch of a track.

    Parameters
    ----------
    gram : (patches, bands, J, J)
    cross : (patches, bands, J, K)
    power : (patches, bands, K)
    """

    gram: Floats
    cross: Floats
    power: Floats

    @classmethod
    def of(cls, products: Floats, n_sources: int) -> Products:
        """Split the products ``(patches, bands, J + K, J + K)`` of all."""
        power = np.diagonal(products, axis1=2, axis2=3)[..., n_sources:]
        return cls(products[:, :, :n_sources, :n_sources], products[:, :, :n_sources, n_sources:], power)

    @property
    def gains(self) -> Floats:
        """Return the gains ``(patches, bands, J, K)`` that explain the signals best; 0 for a source that is silent."""
        norm = np.sqrt(np.diagonal(self.gram, axis1=2, axis2=3))
        scale = np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)[..., None]
        # Sources are brought to one level, so that the ridge weighs on faint ones as on loud ones.
        scaled = self.gram * scale * scale.swapaxes(2, 3) + _RIDGE * np.eye(norm.shape[2])
        return np.asarray(scale * np.linalg.solve(scaled, scale * self.cross))

    def energy(self, gains: Floats, sources: Sequence[int]) -> Floats:
        """Return the energy ``(patches,)`` of the sum of some sources with gains that broadcast to ``(..., J)``."""
        chosen = np.broadcast_to(gains, self.gram.shape[:3])[..., list(sources)]
        gram = self.gram[:, :, list(sources)][..., list(sources)]
        return np.asarray(np.maximum(np.einsum("pbi,pbij,pbj->p", chosen, gram, chosen, optimize=True), 0.0))
