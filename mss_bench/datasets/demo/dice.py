"""Seeded randomness that gives the same numbers on every machine and with every NumPy.

Only `numpy.random.Generator.random` on PCG64 is used, whose doubles are the top 53 bits of the raw stream; NumPy may
change how its other distributions use that stream, and some of them depend on the platform's mathematical functions.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dice"]

T = TypeVar("T")


class Dice:
    """A stream of random choices named by what it is for.

    Parameters
    ----------
    *name : int or str
        E.g. ``(1, "test", 3, "melody")``. Streams of different names are independent, so that a new part of the
        generator leaves what the others draw unchanged.
    """

    def __init__(self, *name: int | str) -> None:
        words = [zlib.crc32(word.encode()) if isinstance(word, str) else word for word in name]
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Draw a number in [low, high)."""
        return low + (high - low) * float(self._generator.random())

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return self.uniform() < probability

    def index(self, n: int) -> int:
        """Draw an integer in [0, n)."""
        return int(self.uniform() * n)

    def between(self, low: int, high: int) -> int:
        """Draw an integer in [low, high], both included."""
        return low + self.index(high - low + 1)

    def pick(self, options: Sequence[T]) -> T:
        """Pick one of the options, all equally likely."""
        return options[self.index(len(options))]

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        """Pick one of the options, likely in proportion to its weight."""
        left = self.uniform() * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            left -= weight
            if left < 0:
                return option
        return options[-1]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """Return the options in a random order."""
        rest = list(options)
        return [rest.pop(self.index(len(rest))) for _ in range(len(options))]

    def noise(self, n: int) -> NDArray[np.float64]:
        """Return white noise of `n` samples, uniform on [-1, 1)."""
        return 2.0 * self._generator.random(n) - 1.0
