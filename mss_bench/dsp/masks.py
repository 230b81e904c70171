"""Masks on spectrograms.

Every mask lies in [0, 1] and is a ratio of magnitudes, so that the level of the mixture plays no part: no absolute
floor is added anywhere, and where all magnitudes are zero the mixture is shared equally.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["binary_masks", "ratio", "soft_masks"]


def binary_masks(magnitudes: Sequence[NDArray[np.floating[Any]]]) -> list[NDArray[Any]]:
    """Return 1 where a magnitude is the greatest and 0 elsewhere; the first of equals wins.

    Parameters
    ----------
    magnitudes : sequence of arrays of one shape
        Not negative.

    Returns
    -------
    list of arrays of the type of the magnitudes
        They sum to 1 everywhere.
    """
    winner = np.zeros(magnitudes[0].shape, dtype=np.intp)
    greatest = magnitudes[0].copy()
    for index, magnitude in enumerate(magnitudes[1:], start=1):
        winner[magnitude > greatest] = index
        np.maximum(greatest, magnitude, out=greatest)
    return [(winner == index).astype(greatest.dtype) for index in range(len(magnitudes))]


def soft_masks(magnitudes: Sequence[NDArray[np.floating[Any]]], power: float) -> list[NDArray[Any]]:
    """Return each magnitude's share, ``M_j = V_j^p / sum_k V_k^p``.

    Parameters
    ----------
    magnitudes : sequence of arrays of one shape
        Not negative.
    power : float
        1 shares by magnitude, 2 by power (the Wiener filter); above 0.

    Returns
    -------
    list of arrays
        They sum to 1 everywhere.
    """
    # Divided by the largest first, since powers of small float32 magnitudes would vanish.
    largest = reduce(np.maximum, magnitudes)
    shares = [ratio(magnitude, largest) for magnitude in magnitudes]
    if power == 2:
        shares = [np.square(share, out=share) for share in shares]
    elif power != 1:  # the two common exponents are much faster without np.power
        shares = [np.power(share, power, out=share) for share in shares]
    total = reduce(np.add, shares)
    return [np.divide(share, total, out=share) for share in shares]


def ratio(part: NDArray[np.floating[Any]], whole: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Return ``part / whole``, and 1 where the whole is zero.

    Parameters
    ----------
    part : array
        From 0 to the whole.
    whole : array
        Of the part's shape or broadcast to it.
    """
    return np.asarray(np.divide(part, whole, out=np.ones_like(part), where=whole > 0))
