"""Levels of signals, as powers of two: whatever their gain, energies are to overflow and underflow nowhere.

Ratios of energies do not change when signals are scaled, and a power of two changes no digit. Signals of a usual level
are left as they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mss_bench.core.arrays import Samples

__all__ = ["DOUBLE_DB", "Scaling", "level", "louder", "scaled", "scaling", "scaling_exponent"]

DOUBLE_DB = 20 * math.log10(2)
"""A factor of two in dB."""

_USUAL = 30
"""Levels between 2**-30 and 2**30 are usual: their energies, and products of these, are far from the limits."""

_NEAR = 10
"""Up to a gain of 2**10 an estimate keeps its digits beside its reference."""


def level(array: Samples) -> int | None:
    """Return the binary exponent of the root mean square of finite samples ``(channels, samples)``; None of silence."""
    with np.errstate(over="ignore", under="ignore"):
        energy = sum(float(np.dot(channel, channel)) for channel in array) / array.size
    if 2.0**-100 < energy < 2.0**100:  # where float32, too, has lost nothing
        return round(math.log2(energy) / 2)
    peak = float(np.abs(array).max())
    if peak == 0:
        return None
    exponent = math.frexp(peak)[1]
    normalised = scaled(array, exponent)
    return exponent + round(math.log2(np.vdot(normalised, normalised) / array.size) / 2)


def scaling_exponent(exponent: int | None) -> int:
    """Return the exponent of a level that needs scaling, 0 of any other."""
    return exponent if exponent is not None and abs(exponent) > _USUAL else 0


def scaled(array: Samples, exponent: int) -> Samples:
    """Return samples divided by ``2**exponent``; for 0 the array as it is."""
    return np.ldexp(array.astype(np.float64), -exponent) if exponent else array


def louder(*levels: int | None) -> int | None:
    """Return the highest of several levels, None where all are silent."""
    return max((exponent for exponent in levels if exponent is not None), default=None)


class Scaling(NamedTuple):
    """How a reference s and an estimate y are brought to one level.

    Parameters
    ----------
    source, estimate : int
        Either is divided by two to this power.
    """

    source: int
    estimate: int

    @property
    def gain(self) -> int:
        """Return the binary exponent of the estimate's gain against its reference; 0 unless they are far apart."""
        return self.source - self.estimate

    @property
    def at_louder(self) -> tuple[int, int]:
        """Return the exponents by which both, as scaled, are divided further for the true gain between them."""
        return max(-self.gain, 0), max(self.gain, 0)

    @property
    def source_db(self) -> float:
        """Return the dB that take an energy of the source, as scaled, to the level of the louder of the two."""
        return -DOUBLE_DB * self.at_louder[0]

    @property
    def estimate_db(self) -> float:
        """Return the same for an energy of the estimate."""
        return -DOUBLE_DB * self.at_louder[1]


def scaling(reference: int | None, estimate: int | None) -> Scaling:
    """Return how signals of these levels are measured: as they are, if the levels are usual and not far apart."""
    if reference is None or estimate is None:
        return Scaling(*[scaling_exponent(louder(reference, estimate))] * 2)
    gain = reference - estimate if abs(reference - estimate) > _NEAR else 0
    return Scaling(scaling_exponent(reference), scaling_exponent(reference) - gain)
