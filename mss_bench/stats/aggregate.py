"""From scores of tracks to one number a separator, target and metric.

Aggregation
    =====================  ========================================================================================
    ``median_of_medians``  SiSEC 2018: a track's value is the median over its frames, a method's the median over its
                           tracks
    ``mean_of_medians``    the mean over tracks of the same track values
    ``mean_of_means``      MDX: a track's value is the mean over its frames (a metric of the whole track has one value),
                           a method's the mean over its tracks
    =====================  ========================================================================================

    The name stands in the column ``aggregation`` of every row. Frames that are NaN (silent reference or estimate, as
    the metric's preset declares) are left out of a track's value and counted (``n_frames_left_out``).

Which tracks count
    Numbers are compared only where they were taken over the same tracks. For each data set, subset, group, target,
    metric and preset (a *unit*) a track counts, under ``missing="floor"``,

    - where the floor (separator ``mixture``) has a value. A method that failed there, or ran and is undefined, gets the
      floor's, or its own worst value where that is worse still: the floor has far more SAR than any method, for the
      mixture has hardly any artefacts, and no failure may raise a method. The stand-in is flagged ``imputed`` and
      counted. A method that was *never computed* there (no row, or skipped) gets none: it is ``incomplete``, its number
      is over the tracks that it has and compares with no other's, and it has no part in tests and ranks;
    - where the unit has no floor value on any track: where every method that has values has one (complete tracks).

    Under ``missing="complete"`` only complete tracks count, and nothing stands in.

    All other tracks are left out for all methods alike, and counted: chiefly those whose reference is silent, where
    every method is undefined. A method of which every cell failed has no value (NaN, flag ``no_value``) rather than
    the floor's. A target that a method never delivers (status ``skipped`` everywhere, or no row) has no row.

    So no failure, and no silent estimate, takes a hard track out of a method's average or raises it, and tables never
    mark a value with stand-ins as best.

Seeds
    A method that ran under several seeds (or as several checkpoints) has the mean over them as a track's value; tests
    and intervals are of these. Its ``spread`` is the standard deviation, over seeds, of the number that each seed has.

Improvement and gap
    The median (or mean) over the same tracks of the paired difference *value - floor*, positive where the method is
    better; and of *oracle - value*, positive where the oracle is. They are not differences of the two aggregates.

References
----------
F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018.
Y. Mitsufuji et al., "Music Demixing Challenge 2021", Frontiers in Signal Processing 1, 2022.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import FLOOR, Status
from mss_bench.errors import UnknownNameError
from mss_bench.stats.choices import AGGREGATIONS
from mss_bench.stats.units import Unit, centre, track_values, units

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AGGREGATE_COLUMNS",
    "AGGREGATIONS",
    "aggregate",
    "frames_of",
    "over_tracks",
]

AGGREGATE_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "separator": "string",  # as in the track table
    "params": "string",
    "oracle": "bool",
    "group": "string",
    "target": "string",
    "metric": "string",
    "preset": "string",
    "aggregation": "string",  # a key of AGGREGATIONS
    "missing": "string",  # floor or complete: the rule for missing values
    "value": "float64",
    "spread": "float64",  # standard deviation of the value over seeds or checkpoints; NaN where it ran once
    "n_replicates": "int64",  # seeds or checkpoints that each track's value is the mean of
    "improvement": "float64",  # over the floor, positive is better; NaN where there is no floor
    "gap": "float64",  # to the oracle asked for, positive where the oracle is better; NaN where it has no value
    "gap_to": "string",  # the oracle; empty where none was asked for
    "n_tracks": "int64",  # tracks that the value was taken over
    "n_own": "int64",  # of these, with a value of the method's own
    "n_imputed": "int64",  # of these, with the floor's value standing in
    "n_inf": "int64",  # of these, infinite
    "n_lacking": "int64",  # tracks that count on which the method was never computed: nothing stands in
    "n_left_out": "int64",  # tracks of the unit that count for no method
    "n_failed": "int64",  # failed cells of the method, on any track
    "n_undefined": "int64",  # cells that ran and gave no number, on any track
    "n_missing": "int64",  # skipped or absent cells, on any track
    "n_frames": "int64",  # frames of the tracks with values of the method's own
    "n_frames_left_out": "int64",  # of these, NaN: silent, as the preset declares
    "flags": "string",  # failed, imputed, incomplete, no_value, no_floor, and the rows' flags; comma-separated
}
"""Columns of the aggregated table."""


@dataclass(frozen=True)
class _Steps:
    """The statistics of an aggregation over frames and over tracks: ``median`` or ``mean``."""

    frames: str
    tracks: str


_STEPS = {
    "median_of_medians": _Steps("median", "median"),
    "mean_of_medians": _Steps("median", "mean"),
    "mean_of_means": _Steps("mean", "mean"),
}


def frames_of(aggregation: str) -> str:
    """Return what an aggregation takes over frames: ``median`` or ``mean``.

    Raises
    ------
    UnknownNameError
        `aggregation` is none of `AGGREGATIONS`.
    """
    if aggregation not in _STEPS:
        raise UnknownNameError("aggregation", aggregation, AGGREGATIONS)
    return _STEPS[aggregation].frames


def over_tracks(tracks: pd.DataFrame, aggregation: str) -> dict[tuple[str, str], float]:
    """Return the value of one method over its own tracks, by target and metric; NaN where it has none.

    It is what `aggregate` says of the method alone with ``missing="complete"``, at a fraction of the cost.

    Parameters
    ----------
    tracks : DataFrame
        Rows of one method: ``target``, ``metric``, ``status``, and what `aggregate` needs of values.
    aggregation : str
        A key of `AGGREGATIONS`.

    Raises
    ------
    RunError, UnknownNameError
        As for `aggregate`.
    """
    values = np.where(tracks["status"] == Status.OK, track_values(tracks, frames_of(aggregation)), np.nan)
    over = _STEPS[aggregation].tracks
    numbers: dict[tuple[str, str], float] = {}
    for key, index in tracks.groupby(["target", "metric"], sort=False).indices.items():
        target, metric = cast("tuple[str, str]", key)
        own = values[index]
        numbers[str(target), str(metric)] = centre(own[~np.isnan(own)], over)
    return numbers


def aggregate(
    tracks: pd.DataFrame,
    *,
    aggregation: str = "median_of_medians",
    missing: str = "floor",
    oracle: str = "",
    lower_is_better: Collection[str] = (),
) -> pd.DataFrame:
    """Aggregate a track table over tracks.

    Parameters
    ----------
    tracks : DataFrame
        Columns of `mss_bench.core.schema.TRACK_COLUMNS` (the keys, ``value``, ``status``, ``oracle``, ``n_frames``,
        ``n_valid`` and ``flags`` are read; ``mean`` as well for means of framed metrics).
    aggregation : {"median_of_medians", "mean_of_medians", "mean_of_means"}
        How frames become a track's value and tracks a method's.
    missing : {"floor", "complete"}
        What becomes of tracks on which a method has no value.
    oracle : str
        The separator, with its parameters (``irm:exponent=2``), that the gap is taken to.
    lower_is_better : collection of str
        Metrics of which a smaller value is better; it turns the sign of their improvement and gap.

    Returns
    -------
    DataFrame
        Columns of `AGGREGATE_COLUMNS`, one row per separator with its parameters, data set, subset, group, target,
        metric and preset, in the order of first appearance. Empty where `tracks` is.

    Raises
    ------
    RunError
        A column is missing, a score appears twice, or a status is unknown.
    UnknownNameError
        `aggregation`, `missing` or `oracle` is not known.
    """
    import pandas as pd

    frames = frames_of(aggregation)
    named = {"aggregation": aggregation, "missing": missing, "gap_to": oracle}
    rows: list[dict[str, Any]] = []
    known: set[str] = set()
    for key, unit in units(tracks, frames=frames, missing=missing, lower_is_better=lower_is_better):
        known.update(unit.labels)
        own = (_row(unit, i, aggregation, oracle) for i in range(len(unit.separators)))
        rows.extend(key | named | row for row in own if row)
    if oracle and known and oracle not in known:
        raise UnknownNameError("separator", oracle, known)
    return pd.DataFrame(rows, columns=list(AGGREGATE_COLUMNS)).astype(AGGREGATE_COLUMNS)


def _row(unit: Unit, i: int, aggregation: str, oracle: str) -> dict[str, Any] | None:
    """Return the aggregated row of a method; None where it never delivers the target."""
    if not unit.state[i].any():
        return None
    over = _STEPS[aggregation].tracks
    no_floor = bool(np.isnan(unit.floor).all())
    tally = unit.tally(i)
    row = unit.identity(i) | tally
    # The sign twice: where infinities cannot be averaged `centre` answers -inf, which has to be the worse end.
    row["value"] = unit.sign * centre(unit.sign * unit.used(i), over)
    row["spread"], row["n_replicates"] = unit.spread(i, over), len(unit.replicates.get(i, [0]))
    row["improvement"] = centre(_gain(unit, i, FLOOR), over)
    # Not -centre(...), which would make -0.0 of a gap of 0.
    row["gap"] = 0.0 - centre(_gain(unit, i, oracle), over) if oracle else np.nan
    names = {
        "failed": tally["n_failed"] > 0,
        "imputed": tally["n_imputed"] > 0,
        "incomplete": tally["n_lacking"] > 0,
        "no_value": tally["n_own"] == 0,
        "no_floor": no_floor,
    }
    row["flags"] = ",".join([*(name for name, is_set in names.items() if is_set), *filter(None, [unit.flags[i]])])
    return row


def _gain(unit: Unit, i: int, over: str) -> Floats:
    """Return how much better the named method is than another, by track; nothing where the unit lacks it."""
    return unit.gain(i, unit.labels.index(over)) if over in unit.labels else np.empty(0)
