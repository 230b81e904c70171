"""The contract of a metric.

A metric works in two steps, because a benchmark scores many estimates against the same references:
`Metric.prepare` does once per track and target group what needs no estimate, `Metric.score` the rest per method. The
constructor's keyword parameters are the metric's parameters, as for a separator. Metrics compute in float64.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import Parameterized
from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio

__all__ = ["Metric", "Quantity", "Score"]


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
        """Values, 1 for scope ``"track"``."""
        return int(np.size(self.values))

    @property
    def n_valid(self) -> int:
        """Values that are not NaN."""
        return int(np.count_nonzero(~np.isnan(self.values)))

    @property
    def n_inf(self) -> int:
        """Perfect values."""
        return int(np.isposinf(self.values).sum())

    @property
    def value(self) -> float:
        """Median over the valid values; NaN where there is none."""
        values = np.ravel(self.values)
        valid = values[~np.isnan(values)]
        with np.errstate(invalid="ignore"):  # a median between -inf and inf is undefined and comes out as NaN
            return float(np.median(valid)) if len(valid) else float("nan")

    @property
    def why_missing(self) -> str:
        """Empty where there is a value."""
        return "" if self.n_valid else self.reason or "undefined in every frame"


class Metric(Parameterized, ABC):
    """Base class of every metric.

    Attributes
    ----------
    name : str
        Name in the registry and on the command line.
    version : str
        Part of the score key, as is the code of the class, of its bases and of what they import from the parts of
        this package that compute (comments, docstrings and layout aside). Other packages' code is not: raise the
        version when a new release of one changes a number.
    quantities : tuple of Quantity
        What it reports, in the order of the tables.
    citation : str
    caution : str
        Where it must not be trusted, in a sentence or two.
    extra : str
        The optional dependencies of this package that it needs, e.g. ``"peass"``; empty for none.
    slow : bool
        Takes so long that "all metrics" leaves it out: it is asked for by name.
    path_parameters : tuple of str
        Parameters that say where files lie; `files` names them and their content is part of the key, the place is not.
    joint : bool
        One number for all targets of the group together, repeated for each.
    targets : tuple of str
        The targets that it has numbers for, e.g. the vocals for a measure of their melody; empty for all. An instance
        may set its own. A group without any of them is not scored.
    needs_annotations : bool
        Looks at what was played, whose content is then part of the score key. An instance may set its own.
    preset : str
        Name of the convention that the parameters follow, e.g. ``"museval"``; a column of the track table. An instance
        may set its own.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    quantities: ClassVar[tuple[Quantity, ...]] = ()
    citation: ClassVar[str] = ""
    caution: ClassVar[str] = ""
    extra: ClassVar[str] = ""
    slow: ClassVar[bool] = False
    path_parameters: ClassVar[tuple[str, ...]] = ()
    joint: ClassVar[bool] = False
    targets: tuple[str, ...] = ()
    needs_annotations: bool = False
    preset: str = "default"

    @classmethod
    def available(cls) -> bool:
        """Whether what `extra` installs is there; a metric that is not is left out of "all metrics"."""
        return True

    def files(self) -> list[Path]:
        """Files whose content determines the scores, e.g. a network's weights; part of the score key."""
        return []

    @abstractmethod
    def prepare(self, track: TrackAudio, group: TargetGroup) -> Any:
        """What a track's references cost once.

        Parameters
        ----------
        track : TrackAudio
            ``references`` holds one array for every target of the group, in its order: the full set spans the
            projections whatever a method delivers.
        group : TargetGroup

        Returns
        -------
        state
            Passed to every `score`; never changed by it.
        """

    @abstractmethod
    def score(self, state: Any, estimates: Stems) -> list[Score]:
        """Score the estimates of one method.

        Parameters
        ----------
        state
            From `prepare`.
        estimates : dict of str to (channels, samples) float array
            Some or all of the group's targets, each of the references' shape.

        Returns
        -------
        list of Score
            One for each quantity and delivered target, of `targets` where the metric names them.
        """
