"""Which tracks count, and what stands in where a method has no value: the rule under every number of a table.

A *unit* is one data set, subset, group, target, metric and preset; numbers are compared within one only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import TRACK_COLUMNS, Status, is_floor, method_label
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.choices import MISSING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "UNIT", "Bools", "Floats", "Unit", "centre", "difference", "track_values", "units"]

UNIT = ["dataset", "subset", "group", "target", "metric", "preset"]
"""The columns that numbers must share to be compared."""

_TEXT = [*UNIT, "track", "separator", "params", "status", "flags"]
_NEEDED = [*_TEXT, "value", "oracle", "n_frames", "n_valid"]
_ABSENT, _RAN, _FAILED = 0, 1, 2

Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]


def difference(values: Floats, other: Floats) -> Floats:
    """Return ``values - other``, where two equal infinities differ by 0."""
    same = values == other
    return np.where(same, 0.0, np.where(same, 0.0, values) - np.where(same, 0.0, other))


def centre(values: Floats, over: str) -> float:
    """Return the median or mean (`over`) without warnings; NaN of nothing.

    Infinities are ordered like numbers. Where +inf and -inf would have to be averaged the result is -inf: the doubt
    never favours a method.
    """
    if values.size == 0:
        return float("nan")
    if over == "median":
        ordered = np.sort(values)
        values = ordered[[(values.size - 1) // 2, values.size // 2]]
    return float("-inf") if np.isneginf(values).any() else float(values.mean())


def units(
    tracks: pd.DataFrame, *, frames: str, missing: str, lower_is_better: Collection[str]
) -> Iterator[tuple[dict[str, str], Unit]]:
    """Yield the units of a track table in the order of first appearance, each with its key.

    Parameters
    ----------
    tracks : DataFrame
        Columns of `mss_bench.core.schema.TRACK_COLUMNS`.
    frames : {"median", "mean"}
        What a track's value is over its frames: column ``value`` or ``mean``.
    missing : {"floor", "complete"}
        A key of `MISSING`.
    lower_is_better : collection of str
        Metrics of which a smaller value is better.

    Raises
    ------
    RunError
        A column is missing, a score appears twice, or a status is unknown.
    UnknownNameError
        `missing` is not a rule.
    """
    if missing not in MISSING:
        raise UnknownNameError("rule for missing values", missing, MISSING)
    table = _checked(tracks, frames)
    ids = table.groupby(["separator", "params"], sort=False).ngroup().to_numpy()
    names = [(str(s), str(p)) for s, p in table[["separator", "params"]].drop_duplicates().itertuples(index=False)]
    for key, index in table.groupby(UNIT, sort=False).indices.items():
        text = [str(part) for part in cast("tuple[str, ...]", key)]
        named = dict(zip(UNIT, text, strict=True))
        sign = -1.0 if named["metric"] in lower_is_better else 1.0
        yield named, Unit.fill(table.iloc[index], ids[index], names, sign, complete=missing == "complete")


def _checked(tracks: pd.DataFrame, frames: str) -> pd.DataFrame:
    """Return the table with text columns free of missing values; refuse one that is malformed."""
    absent = [c for c in _NEEDED if c not in tracks.columns]
    if absent:
        renamed = "'method' is called 'separator' now, " if "separator" in absent and "method" in tracks.columns else ""
        names = ", ".join(map(repr, absent))
        raise RunError(f"the track table has no column {names}; {renamed}expected {', '.join(TRACK_COLUMNS)}")
    table = tracks[_NEEDED].reset_index(drop=True)
    table[_TEXT] = table[_TEXT].astype("object").where(table[_TEXT].notna(), "")
    table["value"] = track_values(tracks, frames)
    table["replicates"] = ""
    if "replicates" in tracks.columns:  # tables of earlier versions and of other tools have none
        known = tracks["replicates"].astype("object").where(tracks["replicates"].notna(), "").to_numpy()
        # What was kept of each seed are medians over frames.
        table["replicates"] = np.where((table["n_frames"] > 1) & (frames == "mean"), "", known)
    unknown = sorted(set(table["status"]) - set(Status))
    if unknown:
        raise RunError(f"the track table has the unknown status {unknown[0]!r}; expected one of {', '.join(Status)}")
    identity = [*UNIT, "track", "separator", "params"]
    twice = table.duplicated(identity)
    if twice.any():
        first = table[twice].iloc[0]
        place = ", ".join(f"{c}={first[c]!r}" for c in identity)
        raise RunError(
            f"the track table repeats {int(twice.sum())} of its rows, first {place}; rebuild it from the run"
        )
    return table


def track_values(tracks: pd.DataFrame, frames: str) -> Floats:
    """Return what each row's value over its frames (`frames`: median or mean) is.

    Raises
    ------
    RunError
        A value is no number, or means are asked for and not there.
    """
    try:
        median = tracks["value"].to_numpy(dtype=np.float64, na_value=np.nan)
        if frames == "median":
            return median
        mean = np.full(len(tracks), np.nan)
        if "mean" in tracks.columns:
            mean = tracks["mean"].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise RunError(f"the track table holds a value that is no number ({error}); rebuild it from the run") from None
    framed = tracks["n_frames"].to_numpy() > 1  # of one frame, median and mean are one
    lacking = framed & ~np.isnan(median) & np.isnan(mean)
    if lacking.any():
        raise RunError(
            f"the track table has no mean over frames (column 'mean') of {tracks['metric'][lacking].iloc[0]!r}; "
            "rebuild it from the run, choose metrics of the whole track, or take the mean of medians"
        )
    return np.where(framed, mean, median)


@dataclass(frozen=True)
class Unit:
    """The scores of one unit as arrays ``(separators, tracks)``, and the rule of which tracks count."""

    separators: list[tuple[str, str]]  # the columns `separator` and `params`
    tracks: NDArray[np.object_]
    values: Floats  # NaN where there is none
    frames: Ints
    valid: Ints  # frames that are not NaN
    state: NDArray[np.int8]  # absent, ran or failed
    oracle: Bools
    flags: list[str]
    sign: float  # -1 where lower is better
    complete: bool  # only tracks of every method count, whatever the floor has
    replicates: Mapping[int, Floats] = field(default_factory=dict)  # of methods that ran several times, (times, tracks)

    @classmethod
    def fill(
        cls, table: pd.DataFrame, separator_ids: Ints, names: list[tuple[str, str]], sign: float, *, complete: bool
    ) -> Unit:
        """Arrange the rows of one unit; `separator_ids` are indices into `names`."""
        ids, row = np.unique(separator_ids, return_inverse=True)
        tracks, column = np.unique(table["track"].to_numpy(dtype=object), return_inverse=True)
        status = table["status"].to_numpy()
        ok, skipped = status == Status.OK, status == Status.SKIPPED
        values = np.full((len(ids), len(tracks)), np.nan)
        values[row, column] = np.where(ok, table["value"].to_numpy(), np.nan)
        frames, valid = np.zeros(values.shape, dtype=np.int64), np.zeros(values.shape, dtype=np.int64)
        frames[row, column] = table["n_frames"].to_numpy()
        valid[row, column] = table["n_valid"].to_numpy()
        state = np.full(values.shape, _ABSENT, dtype=np.int8)
        state[row, column] = np.where(ok, _RAN, np.where(skipped, _ABSENT, _FAILED))
        oracle = np.zeros(len(ids), dtype=bool)
        oracle[row] = table["oracle"].to_numpy(dtype=bool)
        flags: list[set[str]] = [set() for _ in ids]
        written = table["flags"].to_numpy(dtype=object)
        for at in np.flatnonzero(written != ""):
            flags[row[at]].update(filter(None, map(str.strip, str(written[at]).split(","))))
        texts = [",".join(sorted(f)) for f in flags]
        replicates: dict[int, Floats] = {}
        texts_of_seeds = table["replicates"].to_numpy(dtype=object)
        for at in np.flatnonzero(texts_of_seeds != ""):
            drawn = np.array(texts_of_seeds[at].split(), dtype=np.float64)
            own = replicates.setdefault(int(row[at]), np.full((len(drawn), len(tracks)), np.nan))
            if len(own) == len(drawn):  # songs that a later command ran more often or less count for no spread
                own[:, column[at]] = drawn
        return cls(
            [names[i] for i in ids], tracks, values, frames, valid, state, oracle, texts, sign, complete, replicates
        )

    @cached_property
    def floor(self) -> Floats:
        """Return the floor's value on every track, NaN where it has none."""
        for separator, values in zip(self.separators, self.values, strict=True):
            if is_floor(*separator):
                return np.asarray(values)
        return np.full(len(self.tracks), np.nan)

    @property
    def by_floor(self) -> bool:
        """Return whether tracks count where the floor has a value, rather than where every method has one."""
        return not self.complete and not bool(np.isnan(self.floor).all())

    @cached_property
    def counts(self) -> Bools:
        """Return the tracks that count."""
        if self.by_floor:
            return ~np.isnan(self.floor)
        defined = ~np.isnan(self.values)
        valued = defined.any(axis=1)
        return np.asarray(defined[valued].all(axis=0) & valued.any())

    @cached_property
    def own(self) -> Bools:
        """Return where a method has a value of its own on a track that counts."""
        return ~np.isnan(self.values) & self.counts

    @property
    def labels(self) -> list[str]:
        """Return each separator as it is written, ``hpss:power=2``."""
        return [method_label(*separator) for separator in self.separators]

    @cached_property
    def valued(self) -> list[int]:
        """Return the methods that have values of their own, and were computed on every track that counts."""
        return [i for i, own in enumerate(self.own) if own.any() and not self.lacking(i)]

    def used(self, i: int) -> Floats:
        """Return a method's values on the tracks that count, stand-ins filled in; empty if it has none of its own.

        Tracks on which it was never computed are left out: a stand-in is for what failed.
        """
        filled = self._filled(i)
        return filled[~np.isnan(filled)]

    def _filled(self, i: int) -> Floats:
        """Return a method's values with stand-ins on the tracks that count, NaN where it was never computed."""
        if not self.own[i].any():
            return np.full(int(self.counts.sum()), np.nan)
        worst = (self.sign * self.values[i][self.own[i]]).min()
        stand_in = np.where(self.state[i] == _ABSENT, np.nan, self.sign * np.minimum(self.sign * self.floor, worst))
        return np.asarray(np.where(self.own[i], self.values[i], stand_in)[self.counts])

    def lacking(self, i: int) -> int:
        """Return on how many of the tracks that count a method was never computed; 0 where it has no value at all."""
        return int((self.counts & (self.state[i] == _ABSENT)).sum()) if self.own[i].any() else 0

    def gain(self, i: int, over: int) -> Floats:
        """Return how much better a method is than another on the tracks that count; empty where one has no value."""
        mine, other = self._filled(i), self._filled(over)
        both = ~np.isnan(mine) & ~np.isnan(other)
        return self.sign * difference(mine[both], other[both])

    def spread(self, i: int, over: str) -> float:
        """Return the standard deviation of a method's number over its seeds; NaN where it has not several of all."""
        drawn = self.replicates.get(i, np.empty((0, 0)))
        if len(drawn) < 2 or not self.own[i].any():
            return float("nan")
        numbers = np.array([centre(values, over) for values in drawn[:, self.own[i]]])
        return float(np.std(numbers, ddof=1)) if np.isfinite(numbers).all() else float("nan")

    def identity(self, i: int) -> dict[str, Any]:
        """Return the columns that say which separator a row is of."""
        separator, params = self.separators[i]
        return {"separator": separator, "params": params, "oracle": self.oracle[i]}

    def tally(self, i: int) -> dict[str, int]:
        """Return the counts beside a method's number."""
        used, own, state = self.used(i), self.own[i], self.state[i]
        return {
            "n_tracks": used.size,
            "n_own": int(own.sum()),
            "n_imputed": used.size - int(own.sum()),
            "n_inf": int(np.isinf(used).sum()),
            "n_lacking": self.lacking(i),
            "n_left_out": int((~self.counts).sum()),
            "n_failed": int((state == _FAILED).sum()),
            "n_undefined": int(((state == _RAN) & np.isnan(self.values[i])).sum()),
            "n_missing": int((state == _ABSENT).sum()),
            "n_frames": int(self.frames[i][own].sum()),
            "n_frames_left_out": int((self.frames[i] - self.valid[i])[own].sum()),
        }
