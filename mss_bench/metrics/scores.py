"""What goes into a metric and comes out of it: prepared tracks, quantities, values and scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats, Samples

__all__ = ["Measured", "Outcome", "Prepared", "Quantity", "Score", "Value"]

T = TypeVar("T")


@dataclass(frozen=True)
class Quantity:
    """One number that a metric reports.

    Parameters
    ----------
    name : str
        Column name in the field's writing: ``"SDR"``, ``"SI-SDR"``.
    unit : str
        ``"dB"``, ``"LU"``, ``"ms"``, ``"µs"`` or ``""``.
    higher_is_better : bool
    definition : str
        The formula or its source, in a line.
    least, most : float
        The range; unbounded by default. A ratio in dB of a perfect estimate is +inf.
    """

    name: str
    unit: str
    higher_is_better: bool
    definition: str
    least: float = -math.inf
    most: float = math.inf


@dataclass(frozen=True)
class Score:
    """One quantity of one target.

    Parameters
    ----------
    target : str
    quantity : str
        A `Quantity.name` of the metric.
    values : (n,) float64
        One value a frame, or a single one of scope ``"track"``. NaN where undefined, +inf where perfect.
    scope : {"frame", "track"}
    window, hop : float
        Seconds; 0 for scope ``"track"``.
    flags : tuple of str
        Warnings that belong to the number, e.g. ``"ill_conditioned"``.
    reason : str
        Why values are missing; needed where every value is NaN.
    condition : float
        Estimated condition number of the linear system that the values come from: the digits that the last bits of the
        references may cost. NaN where there is no such system.
    """

    target: str
    quantity: str
    values: NDArray[np.float64]
    scope: Literal["frame", "track"] = "track"
    window: float = 0.0
    hop: float = 0.0
    flags: tuple[str, ...] = ()
    reason: str = ""
    condition: float = math.nan

    @property
    def n_frames(self) -> int:
        """Return the number of values, 1 for scope ``"track"``."""
        return int(np.size(self.values))

    @property
    def n_valid(self) -> int:
        """Return the number of values that are not NaN."""
        return int(np.count_nonzero(~np.isnan(self.values)))

    @property
    def n_inf(self) -> int:
        """Return the number of perfect values."""
        return int(np.isposinf(self.values).sum())

    @property
    def value(self) -> float:
        """Return the median over the valid values, NaN if there are none."""
        values = np.ravel(self.values)
        valid = values[~np.isnan(values)]
        with np.errstate(invalid="ignore"):  # a median between -inf and inf is undefined and comes out as NaN
            return float(np.median(valid)) if len(valid) else float("nan")

    @property
    def why_missing(self) -> str:
        """Return why there is no value; empty if there is one."""
        return "" if self.n_valid else self.reason or "undefined in every frame"


Value = float | Floats | str
"""What a metric finds for a quantity: a number, one number per frame, or in words why there is none."""


@dataclass(frozen=True)
class Measured:
    """A value with what is to be known about it, for metrics that solve linear systems.

    Parameters
    ----------
    value : float, (frames,) float64 or str
    flags : tuple of str
    condition : float
        As in `Score`.
    """

    value: Value
    flags: tuple[str, ...] = ()
    condition: float = math.nan


Outcome = Value | Measured | tuple[Value | Measured, ...]
"""What a metric finds for a target: a tuple where it has several quantities, or one reason why none has a value."""


@dataclass(frozen=True)
class Prepared(Generic[T]):
    """A track whose references were checked, with what a metric computes once.

    Parameters
    ----------
    references : dict of str to (channels, samples) float array
        Of the targets of the group, in its order; as given, not copied.
    mixture : (channels, samples) float array
        As given, not checked.
    sample_rate : int
        Hz.
    derived : T
        What `Metric.derive` returned.
    silent : frozenset of str
        Targets whose reference is exactly 0 in all channels throughout.
    """

    references: dict[str, Samples]
    mixture: Samples
    sample_rate: int
    derived: T
    silent: frozenset[str] = frozenset()

    @property
    def channels(self) -> int:
        """Return the number of channels."""
        return int(next(iter(self.references.values())).shape[0])

    @property
    def samples(self) -> int:
        """Return the number of samples of a channel."""
        return int(next(iter(self.references.values())).shape[1])
