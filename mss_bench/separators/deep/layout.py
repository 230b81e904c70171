"""The order of a model's axes, in words: ``batch channels bins frames``, or ``batch (channels complex) bins frames``.

Inside the package arrays have a fixed order of axes; a layout turns them into what a model takes, and what it gives
back into that order. Parentheses merge axes, the first one slowest; an axis that is not named has the size 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import ConfigError, InvalidOutputError

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """An order of axes.

    Parameters
    ----------
    text : str
        Names of axes, separated by blanks; those in parentheses are one axis of the array.

    Raises
    ------
    ConfigError
        Parentheses that do not match, or a name that stands twice.

    Examples
    --------
    >>> import numpy as np
    >>> layout = Layout("batch (channels complex) bins")
    >>> layout.arrange(np.zeros((3, 5, 2, 2)), ("batch", "bins", "channels", "complex")).shape
    (3, 4, 5)
    """

    text: str

    def __post_init__(self) -> None:
        names = self.names
        if not names or not re.fullmatch(r"\s*((\w+|\(\s*\w+(\s+\w+)*\s*\))(\s+|$))+", self.text):
            raise ConfigError(
                f"{self.text!r} is not a list of axes; expected e.g. batch (channels complex) bins frames"
            )
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"{self.text!r} names {name} twice")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the axes in order, those in parentheses one by one."""
        return tuple(re.findall(r"\w+", self.text))

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Return for each axis of the array the names that it merges."""
        return tuple(tuple(re.findall(r"\w+", part)) for part in re.findall(r"\([^)]*\)|\w+", self.text))

    def arrange(self, array: NDArray[Any], axes: Sequence[str]) -> NDArray[Any]:
        """Return an array in this layout.

        Parameters
        ----------
        array : array
        axes : sequence of str
            Its axes. Those that the layout does not name have the size 1.

        Raises
        ------
        ConfigError
            An axis that the layout does not name has another size.
        """
        sizes = dict(zip(axes, array.shape, strict=True))
        for name, size in sizes.items():
            if name not in self.names and size != 1:
                raise ConfigError(f"the layout {self.text!r} lacks {name}, which has the size {size}")
        # Axes that the layout does not name go, then the others are put in order, then merged.
        present = [name for name in self.names if name in sizes]
        array = array.squeeze(tuple(k for k, name in enumerate(axes) if name not in self.names))
        kept = [name for name in axes if name in self.names]
        array = array.transpose([kept.index(name) for name in present])
        return np.ascontiguousarray(array.reshape([math.prod(sizes.get(n, 1) for n in g) for g in self.groups]))

    def restore(self, array: NDArray[Any], sizes: Mapping[str, int]) -> NDArray[Any]:
        """Return a view of an array of this layout with its axes in the order of `sizes`.

        Parameters
        ----------
        array : array
        sizes : mapping of str to int
            What each axis is to have. Those that the layout does not name are made.

        Raises
        ------
        InvalidOutputError
            The array has another shape.
        """
        expected = tuple(math.prod(sizes[n] for n in group) for group in self.groups)
        if array.shape != expected:
            raise InvalidOutputError(
                f"the model returned the shape {array.shape}, expected {expected}: {self._described(sizes)}"
            )
        missing = [name for name in sizes if name not in self.names]
        for name in missing:
            if sizes[name] != 1:
                raise InvalidOutputError(f"the layout {self.text!r} lacks {name}, which has the size {sizes[name]}")
        array = array.reshape([sizes[n] for n in self.names] + [1] * len(missing))
        order = [*self.names, *missing]
        return array.transpose([order.index(name) for name in sizes])

    def _described(self, sizes: Mapping[str, int]) -> str:
        return ", ".join(" x ".join(f"{n} {sizes[n]}" for n in group) for group in self.groups)
