"""From models of the sources to their estimates: the filters that every method shares.

A method models how strong each source is in every bin, as magnitudes V_j; a filter turns that into estimates whose sum
is the mixture X. The same magnitudes can go through each of them, so that what the filter does can be told from what
the model does:

``binary``
    All of a bin goes to its strongest source, ``Y_j = X [j = argmax V]``: least interference, most artifacts.
``soft``
    Shares by magnitude with an exponent p, ``Y_j = X V_j^p / sum_k V_k^p``.
``wiener``
    Shares by power, p = 2: the least mean square error where the sources are independent Gaussians of these powers.
``multichannel``
    The multichannel Wiener filter: the estimates of ``wiener`` tell from which direction each source comes in every
    frequency (its spatial covariance R_j), and ``Y_j = P_j R_j (sum_k P_k R_k)^-1 X``: one iteration of
    expectation and maximisation [1]_. With one channel it is ``wiener``.

References
----------
.. [1] N. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source separation using a full-rank
   spatial covariance model", IEEE Trans. Audio, Speech, and Language Processing 18(7), 2010.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.masks import binary_masks, soft_masks
from mss_bench.dsp.stft import Spectrogram
from mss_bench.dsp.wiener import bin_blocks, rough_spatial_model, wiener_filter

__all__ = ["MASKS", "channel_groups", "filter_blocks", "filter_sources"]

MASKS = ("binary", "soft", "wiener", "multichannel")
"""What the parameter `mask` of a method may be."""

# Values of a block of frames: masks and estimates of a few sources stay near a second-level cache.
_BLOCK = 1 << 16


def channel_groups(channels: int, mask: str) -> list[slice]:
    """Return the channels that a mask filters together: all of them, or each for itself, which needs less memory."""
    return [slice(None)] if mask == "multichannel" else [slice(c, c + 1) for c in range(channels)]


def filter_sources(
    mixture: Spectrogram, magnitudes: Sequence[NDArray[np.floating[Any]]], mask: str, power: float = 1.0
) -> list[Spectrogram]:
    """Estimate all sources by magnitudes; the estimates add up to the mixture.

    Parameters
    ----------
    mixture : (channels, frames, bins) complex
        Left as it is.
    magnitudes : sequence of (channels or 1, frames, bins) arrays
        How strong each source is, not negative; one for all channels, or one for each. All of one shape.
    mask : str
        One of `MASKS`.
    power : float
        The exponent of ``soft``; the others do not look at it.

    Returns
    -------
    list of (channels, frames, bins) arrays of the type of `mixture`
        Where no source has any magnitude the mixture is shared equally (by ``binary`` given to the first).
    """
    out = [np.empty_like(mixture) for _ in magnitudes]
    for part, estimates in filter_blocks(mixture, magnitudes, mask, power):
        for whole, estimate in zip(out, estimates, strict=True):
            whole[part] = estimate
    return out


def filter_blocks(
    mixture: Spectrogram, magnitudes: Sequence[NDArray[np.floating[Any]]], mask: str, power: float = 1.0
) -> Iterator[tuple[tuple[slice, slice, slice], list[Spectrogram]]]:
    """Estimate as `filter_sources`, but part by part, where not all estimates fit in memory.

    Parameters
    ----------
    mixture, magnitudes, mask, power
        As for `filter_sources`.

    Yields
    ------
    part : tuple of slices
        Of the mixture, which is not looked at again there: an estimate may be written in its place.
    estimates : list of arrays of the shape of ``mixture[part]``
    """
    channels, frames, bins = mixture.shape
    if mask == "multichannel" and channels > 1:  # a spatial covariance is a mean over all frames
        for columns in bin_blocks(mixture.shape):
            part = (slice(None), slice(None), columns)
            first = _masked(mixture[part], [magnitude[part] for magnitude in magnitudes], mask, power)
            yield part, wiener_filter(mixture[part], [rough_spatial_model(estimate) for estimate in first])
        return
    # All other masks look at one bin alone: any split gives the same values.
    height = max(1, _BLOCK // (channels * bins))
    for row in range(0, frames, height):
        part = (slice(None), slice(row, row + height), slice(None))
        yield part, _masked(mixture[part], [magnitude[part] for magnitude in magnitudes], mask, power)


def _masked(
    mixture: Spectrogram, magnitudes: Sequence[NDArray[np.floating[Any]]], mask: str, power: float
) -> list[Spectrogram]:
    if mask == "binary":
        masks = binary_masks(magnitudes)
    else:
        masks = soft_masks(magnitudes, power if mask == "soft" else 2.0)
    return [mixture * gain for gain in masks]
