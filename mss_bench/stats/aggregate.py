"""From scores of tracks to one number a method, target and metric.

Aggregation
    The value of a track is the median over its frames (the track table holds it), the value of a method the median
    over its tracks: the *median of medians* of SiSEC 2018. ``over="mean"`` takes the mean over tracks instead.

Which tracks count
    Numbers are compared only where they were taken over the same tracks. For each data set, subset, group, target,
    metric and preset (a *unit*) a track counts

    - where the floor (separator ``mixture``) has a value. A method without a value of its own there (failed, undefined
      or missing) gets the floor's, or its own worst value where that is worse still: the floor scores about 30 dB of
      SAR, for the mixture has hardly any artefacts, and no failure may raise a method. The stand-in is flagged
      ``imputed`` and counted;
    - where the unit has no floor value on any track: where every method that has values has one (complete tracks).

    All other tracks are left out for all methods alike, and counted: chiefly those whose reference is silent, where
    every method is undefined. A method of which every cell failed has no value (NaN, flag ``no_value``) rather than
    the floor's. A target that a method never delivers (status ``skipped`` everywhere, or no row) has no row.

    So no failure, and no silent estimate, takes a hard track out of a method's average or raises it, and tables never
    mark a value with stand-ins as best.

Improvement
    The median (or mean) over the same tracks of the paired difference *value - floor*, positive where the method is
    better. It is not the difference of the two aggregates.

References
    F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.results.schema import FLOOR, TRACK_COLUMNS, Status

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AGGREGATE_COLUMNS", "AGGREGATIONS", "COMPARABLE_COLUMNS", "aggregate", "comparable", "method_label"]

AGGREGATIONS = {
    "median": "median over tracks of each track's value (its median over frames)",
    "mean": "mean over tracks of each track's value (its median over frames)",
}
"""Names of the aggregations and what they are, in words."""

AGGREGATE_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "method": "string",  # separator, or separator:params
    "separator": "string",
    "params": "string",
    "oracle": "bool",
    "group": "string",
    "target": "string",
    "metric": "string",
    "preset": "string",
    "aggregation": "string",  # a key of AGGREGATIONS
    "value": "float64",
    "improvement": "float64",  # over the floor, positive is better; NaN where there is no floor
    "n_tracks": "int64",  # tracks that the value was taken over
    "n_own": "int64",  # of these, with a value of the method's own
    "n_imputed": "int64",  # of these, with the floor's value standing in
    "n_inf": "int64",  # of these, infinite
    "n_left_out": "int64",  # tracks of the unit that count for no method
    "n_failed": "int64",  # failed cells of the method, on any track
    "n_undefined": "int64",  # cells that ran and gave no number, on any track
    "n_missing": "int64",  # skipped or absent cells, on any track
    "flags": "string",  # failed, imputed, no_value, no_floor, and the rows' flags; comma-separated
}
"""Columns of the aggregated table."""

COMPARABLE_COLUMNS: dict[str, str] = {
    "dataset": "string",
    "subset": "string",
    "group": "string",
    "target": "string",
    "metric": "string",
    "preset": "string",
    "track": "string",
    "method": "string",
    "separator": "string",
    "params": "string",
    "oracle": "bool",
    "value": "float64",  # the method's own, or the stand-in where imputed
    "floor": "float64",  # NaN where there is none
    "imputed": "bool",
}
"""Columns of the table of values that an aggregate is taken over."""

_UNIT = ["dataset", "subset", "group", "target", "metric", "preset"]
_TEXT = [*_UNIT, "track", "separator", "params", "status", "flags"]
_ABSENT, _RAN, _FAILED = 0, 1, 2

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]


def method_label(separator: str, params: str) -> str:
    """The name of a method in tables: ``separator``, or ``separator:params`` where it has parameters."""
    return f"{separator}:{params}" if params else separator


def aggregate(tracks: pd.DataFrame, *, over: str = "median", lower_is_better: Collection[str] = ()) -> pd.DataFrame:
    """Aggregate a track table over tracks.

    Parameters
    ----------
    tracks : DataFrame
        Columns of `mss_bench.results.schema.TRACK_COLUMNS` (the keys, ``value``, ``status``, ``oracle`` and ``flags``
        are read).
    over : {"median", "mean"}
        How the values of the tracks become one.
    lower_is_better : collection of str
        Metrics of which a smaller value is better; it turns the sign of their improvement.

    Returns
    -------
    DataFrame
        Columns of `AGGREGATE_COLUMNS`, one row per method, data set, subset, group, target, metric and preset, in the
        order of first appearance. Empty where `tracks` is.

    Raises
    ------
    RunError
        A column is missing, a cell appears twice, or a status is unknown.
    UnknownNameError
        `over` is not an aggregation.
    """
    import pandas as pd

    if over not in AGGREGATIONS:
        raise UnknownNameError("aggregation", over, AGGREGATIONS)
    rows: list[dict[str, Any]] = []
    for key, unit in _units(tracks, lower_is_better):
        rows.extend(key | {"aggregation": over} | row for row in unit.rows(over))
    return pd.DataFrame(rows, columns=list(AGGREGATE_COLUMNS)).astype(AGGREGATE_COLUMNS)


def comparable(tracks: pd.DataFrame, *, lower_is_better: Collection[str] = ()) -> pd.DataFrame:
    """The values that `aggregate` is taken over: the tracks that count, stand-ins filled in.

    Within a unit every method that has a value at all has one on the same tracks, so the rows pair up for plots and
    tests.

    Parameters
    ----------
    tracks, lower_is_better
        As for `aggregate`.

    Returns
    -------
    DataFrame
        Columns of `COMPARABLE_COLUMNS`, one row per method, track, data set, subset, group, target, metric and preset.

    Raises
    ------
    RunError
        As for `aggregate`.
    """
    import pandas as pd

    parts: list[dict[str, NDArray[Any]]] = []
    for key, unit in _units(tracks, lower_is_better):
        methods = [i for i, own in enumerate(unit.own) if own.any()]
        n_methods, n_tracks = len(methods), int(unit.counts.sum())
        identities = [unit.identity(i) for i in methods]
        part = {name: np.full(n_methods * n_tracks, text, dtype=object) for name, text in key.items()}
        for name in ("method", "separator", "params", "oracle"):
            part[name] = np.repeat(np.array([each[name] for each in identities], dtype=object), n_tracks)
        part["track"] = np.tile(unit.tracks[unit.counts], n_methods)
        part["value"] = np.concatenate([unit.used(i) for i in methods]) if methods else np.empty(0)
        part["floor"] = np.tile(unit.floor[unit.counts], n_methods)
        part["imputed"] = ~unit.own[methods][:, unit.counts].ravel()
        parts.append(part)
    empty = np.empty(0, dtype=object)
    frame = pd.DataFrame({name: np.concatenate([empty, *(p[name] for p in parts)]) for name in COMPARABLE_COLUMNS})
    return frame.astype(COMPARABLE_COLUMNS)


def _checked(tracks: pd.DataFrame) -> pd.DataFrame:
    """The table with text columns free of missing values, or an error that says what is wrong with it."""
    needed = [*_TEXT, "value", "oracle"]
    absent = [c for c in needed if c not in tracks.columns]
    if absent:
        raise RunError(
            f"the track table has no column {', '.join(map(repr, absent))}; expected {', '.join(TRACK_COLUMNS)}"
        )
    table = tracks[needed].reset_index(drop=True)
    table[_TEXT] = table[_TEXT].astype("object").where(table[_TEXT].notna(), "")
    table["value"] = table["value"].astype("float64")
    unknown = sorted(set(table["status"]) - set(Status))
    if unknown:
        raise RunError(f"the track table has the unknown status {unknown[0]!r}; expected one of {', '.join(Status)}")
    cell = [*_UNIT, "track", "separator", "params"]
    twice = table.duplicated(cell)
    if twice.any():
        first = table[twice].iloc[0]
        found = ", ".join(f"{c}={first[c]!r}" for c in cell)
        raise RunError(f"the track table holds {int(twice.sum())} cells twice, first {found}; rebuild it from the run")
    return table


def _units(tracks: pd.DataFrame, lower_is_better: Collection[str]) -> Iterator[tuple[dict[str, str], _Unit]]:
    """The units of a track table in the order of first appearance, each with its key."""
    table = _checked(tracks)
    ids = table.groupby(["separator", "params"], sort=False).ngroup().to_numpy()
    names = [(str(s), str(p)) for s, p in table[["separator", "params"]].drop_duplicates().itertuples(index=False)]
    for key, index in table.groupby(_UNIT, sort=False).indices.items():
        text = [str(part) for part in cast("tuple[str, ...]", key)]
        named = dict(zip(_UNIT, text, strict=True))
        sign = -1.0 if named["metric"] in lower_is_better else 1.0
        yield named, _Unit.fill(table.iloc[index], ids[index], names, sign)


@dataclass(frozen=True)
class _Unit:
    """The cells of one unit as arrays ``(methods, tracks)``, and the rule of which tracks count."""

    methods: list[tuple[str, str]]  # separator and parameters
    tracks: NDArray[np.object_]
    values: Floats  # NaN where there is none
    state: NDArray[np.int8]  # absent, ran or failed
    oracle: Bools
    flags: list[str]
    sign: float  # -1 where lower is better

    @classmethod
    def fill(cls, table: pd.DataFrame, method_ids: Ints, names: list[tuple[str, str]], sign: float) -> _Unit:
        ids, row = np.unique(method_ids, return_inverse=True)
        tracks, column = np.unique(table["track"].to_numpy(dtype=object), return_inverse=True)
        status = table["status"].to_numpy()
        ok, skipped = status == Status.OK, status == Status.SKIPPED
        values = np.full((len(ids), len(tracks)), np.nan)
        values[row, column] = np.where(ok, table["value"].to_numpy(), np.nan)
        state = np.full(values.shape, _ABSENT, dtype=np.int8)
        state[row, column] = np.where(ok, _RAN, np.where(skipped, _ABSENT, _FAILED))
        oracle = np.zeros(len(ids), dtype=bool)
        oracle[row] = table["oracle"].to_numpy(dtype=bool)
        flags: list[set[str]] = [set() for _ in ids]
        for method, text in zip(row, table["flags"], strict=True):
            if text:
                flags[method].update(filter(None, map(str.strip, str(text).split(","))))
        texts = [",".join(sorted(f)) for f in flags]
        return cls([names[i] for i in ids], tracks, values, state, oracle, texts, sign)

    @cached_property
    def floor(self) -> Floats:
        """The floor's value on every track, NaN where it has none."""
        if (FLOOR, "") in self.methods:
            return np.asarray(self.values[self.methods.index((FLOOR, ""))])
        return np.full(len(self.tracks), np.nan)

    @cached_property
    def counts(self) -> Bools:
        """The tracks that count."""
        has_floor = ~np.isnan(self.floor)
        if has_floor.any():
            return has_floor
        defined = ~np.isnan(self.values)
        valued = defined.any(axis=1)
        return np.asarray(defined[valued].all(axis=0) & valued.any())

    @cached_property
    def own(self) -> Bools:
        """Where a method has a value of its own on a track that counts."""
        return ~np.isnan(self.values) & self.counts

    def used(self, i: int) -> Floats:
        """The values of a method on the tracks that count, stand-ins filled in; none where it has none of its own."""
        if not self.own[i].any():
            return np.empty(0)
        worst = (self.sign * self.values[i][self.own[i]]).min()
        stand_in = self.sign * np.minimum(self.sign * self.floor, worst)
        return np.asarray(np.where(self.own[i], self.values[i], stand_in)[self.counts])

    def identity(self, i: int) -> dict[str, Any]:
        """The columns that say which method a row is of."""
        separator, params = self.methods[i]
        return {
            "method": method_label(separator, params),
            "separator": separator,
            "params": params,
            "oracle": self.oracle[i],
        }

    def rows(self, over: str) -> Iterator[dict[str, Any]]:
        """One row of the aggregated table per method that delivers the target at all."""
        no_floor = bool(np.isnan(self.floor).all())
        for i, state in enumerate(self.state):
            if not state.any():
                continue
            used = self.used(i)
            gain = np.empty(0) if no_floor or not used.size else self.sign * _difference(used, self.floor[self.counts])
            row: dict[str, Any] = {
                "value": _centre(used, over),
                "improvement": _centre(gain, over),
                "n_tracks": used.size,
                "n_own": int(self.own[i].sum()),
                "n_imputed": used.size - int(self.own[i].sum()),
                "n_inf": int(np.isinf(used).sum()),
                "n_left_out": int((~self.counts).sum()),
                "n_failed": int((state == _FAILED).sum()),
                "n_undefined": int(((state == _RAN) & np.isnan(self.values[i])).sum()),
                "n_missing": int((state == _ABSENT).sum()),
            }
            flags = _flags(row, no_floor=no_floor, cells=self.flags[i])
            yield self.identity(i) | row | {"flags": flags}


def _difference(values: Floats, floor: Floats) -> Floats:
    """``values - floor``, where two equal infinities differ by 0."""
    same = values == floor
    return np.where(same, 0.0, np.where(same, 0.0, values) - np.where(same, 0.0, floor))


def _centre(values: Floats, over: str) -> float:
    """Median or mean without warnings; NaN of nothing.

    Infinities are ordered like numbers. Where +inf and -inf would have to be averaged the result is -inf: the doubt
    never favours a method.
    """
    if values.size == 0:
        return float("nan")
    if over == "median":
        ordered = np.sort(values)
        values = ordered[[(values.size - 1) // 2, values.size // 2]]
    return float("-inf") if np.isneginf(values).any() else float(values.mean())


def _flags(row: dict[str, Any], *, no_floor: bool, cells: str) -> str:
    names = {
        "failed": row["n_failed"] > 0,
        "imputed": row["n_imputed"] > 0,
        "no_value": row["n_own"] == 0,
        "no_floor": no_floor,
    }
    return ",".join([name for name, is_set in names.items() if is_set] + ([cells] if cells else []))
