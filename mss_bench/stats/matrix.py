"""Matrices tracks x methods: what tests, intervals and ranks are taken of.

Every statistic on a matrix is paired by track, so a matrix has no gaps: the rule for missing values is applied once, in
`score_matrices`, and counted. Infinite values (perfect estimates) are kept: rank statistics order them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.stats.aggregate import frames_of
from mss_bench.stats.units import UNIT, Unit, units

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "OVER_TARGETS",
    "ScoreMatrix",
    "check_level",
    "check_matrix",
    "check_pairs",
    "mean_of",
    "mean_over_targets",
    "score_matrices",
    "score_matrix",
]

OVER_TARGETS = "mean"
"""Stands for the target in the unit of a mean over targets."""

MIN_TRACKS = 3
"""Fewer tracks carry no statistics."""


@dataclass(frozen=True)
class ScoreMatrix:
    """The scores of one unit, paired by track."""

    unit: dict[str, str]  # dataset, subset, group, target, metric, preset
    values: pd.DataFrame  # index tracks, columns separators as `method_label` writes them, no NaN
    imputed: pd.DataFrame  # the same shape: True where a stand-in stands
    oracles: list[str]  # methods that saw the references
    left_out: list[str]  # methods that deliver the target, without any value or never computed on a track that counts
    n_left_out: int  # tracks that count for no method
    higher_is_better: bool
    missing: str  # the rule for missing values, a key of `mss_bench.stats.units.MISSING`
    parts: tuple[pd.DataFrame, ...] = ()  # of a mean over targets, the scores of each target: shaped as `values`
    by_floor: bool = False  # tracks count where the floor has a value, rather than where every method has one
    scarcest: tuple[str, int] = ("", 0)  # of methods that decide which tracks count, that with fewest, and its tracks

    @property
    def counted(self) -> str:
        """Return how many songs count and which, in words; empty where all do."""
        if not self.n_left_out:
            return ""
        who = "the floor" if self.by_floor else "every method"
        where = " for every target" if self.parts else ""
        n = len(self.values)
        return f"{n} of {n + self.n_left_out} songs count: those on which {who} has a score{where}"

    @property
    def counted_for(self) -> str:
        """Return `counted` and, where every method decides, which has the fewest songs."""
        name, own = self.scarcest
        return self.counted + (f" (fewest: {name}, on {own})" if self.counted and name else "")

    @classmethod
    def of(cls, values: pd.DataFrame) -> ScoreMatrix:
        """Make a matrix of scores alone, tracks x methods: higher is better, and no method is an oracle.

        Raises
        ------
        RunError
            The matrix is malformed.
        """
        check_matrix(values, "a comparison of methods", min_tracks=1, min_separators=1)
        return cls(
            unit={}, values=values, imputed=values.isna(), oracles=[], left_out=[], n_left_out=0,
            higher_is_better=True, missing="complete",
        )  # fmt: skip

    def without(self, separators: Collection[str]) -> ScoreMatrix:
        """Return the matrix without some methods, e.g. its `oracles`; unknown names are passed over."""
        kept = [name for name in self.values.columns if name not in set(separators)]
        oracles = [name for name in self.oracles if name in kept]
        parts = tuple(part[kept] for part in self.parts)
        left_out = [name for name in self.left_out if name not in set(separators)]
        return replace(
            self, values=self.values[kept], imputed=self.imputed[kept], oracles=oracles, parts=parts, left_out=left_out
        )


def score_matrices(
    tracks: pd.DataFrame,
    *,
    aggregation: str = "median_of_medians",
    missing: str = "floor",
    lower_is_better: Collection[str] = (),
) -> Iterator[ScoreMatrix]:
    """Return one matrix a unit: data set, subset, group, target, metric and preset.

    Parameters
    ----------
    tracks, aggregation, missing, lower_is_better
        As for `mss_bench.stats.aggregate.aggregate`; of `aggregation` the first step alone is taken, over frames.

    Yields
    ------
    ScoreMatrix
        In the order of first appearance; tracks sorted by name, methods as they appear. Empty where no track counts.

    Raises
    ------
    RunError, UnknownNameError
        As for `aggregate`.
    """
    frames = frames_of(aggregation)
    for key, unit in units(tracks, frames=frames, missing=missing, lower_is_better=lower_is_better):
        yield _matrix(key, unit, missing)


def mean_over_targets(matrices: Sequence[ScoreMatrix]) -> ScoreMatrix:
    """Return the matrix of each track's mean over the targets, of the tracks and methods that all targets have.

    Tests are of these means. A median over tracks of them is not what a report calls the mean over targets, which is
    the mean of the targets' medians: intervals and ranks are of the latter, from `ScoreMatrix.parts`, every target
    resampled alike.

    Parameters
    ----------
    matrices : sequence of ScoreMatrix
        One a target, alike but for it.
    """
    first = matrices[0]
    methods = [name for name in first.values.columns if all(name in m.values.columns for m in matrices)]
    tracks = [name for name in first.values.index if all(name in m.values.index for m in matrices)]
    parts = tuple(m.values.loc[tracks, methods] for m in matrices)
    stacked = np.stack([part.to_numpy(dtype=np.float64) for part in parts])
    values = parts[0].copy()
    values[:] = mean_of(stacked)
    imputed = parts[0].astype(bool).copy()
    imputed[:] = np.any([m.imputed.loc[tracks, methods].to_numpy(dtype=bool) for m in matrices], axis=0)
    seen = dict.fromkeys(str(name) for m in matrices for name in (*m.values.columns, *m.left_out))
    return replace(
        first,
        unit=first.unit | {"target": OVER_TARGETS},
        values=values,
        imputed=imputed,
        oracles=[name for name in first.oracles if name in methods],
        left_out=[name for name in seen if name not in methods],
        n_left_out=max(m.n_left_out + len(m.values) for m in matrices) - len(tracks),
        parts=parts,
        scarcest=min((m.scarcest for m in matrices), key=lambda scarce: scarce[1]),
    )


def mean_of(stacked: Floats) -> Floats:
    """Return the mean over the first axis; -inf where infinities of both signs meet."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(stacked).any(axis=0), -np.inf, stacked.mean(axis=0))


def score_matrix(
    tracks: pd.DataFrame, metric: str, target: str, *, where: dict[str, str] | None = None, **options: Any
) -> ScoreMatrix:
    """Return the matrix of one metric and target.

    Parameters
    ----------
    tracks : DataFrame
        Columns of `mss_bench.core.schema.TRACK_COLUMNS`.
    metric, target : str
        As in those columns.
    where : dict, optional
        Further columns, of ``dataset``, ``subset``, ``group`` and ``preset``, and what they must hold; needed where
        metric and target alone leave several. Of several groups of targets the one with most targets is taken.
    **options
        Of `score_matrices`.

    Raises
    ------
    UnknownNameError
        The table has no such metric, target, ...
    RunError
        Several units are left.
    """
    rows = tracks
    for column, wanted in ({"metric": metric, "target": target} | (where or {})).items():
        if column not in UNIT:
            raise UnknownNameError("column of a unit", column, UNIT)
        if column not in tracks.columns:
            raise RunError(f"the track table has no column {column!r}; expected what mss-bench run wrote")
        known = rows[column].dropna().astype(str)
        if not (known == wanted).any():
            raise UnknownNameError(column, wanted, set(known))
        rows = rows[(rows[column] == wanted).fillna(False).astype(bool)]
    matrices = list(score_matrices(rows, **options))
    several = [name for name in UNIT if len({m.unit[name] for m in matrices}) > 1]
    if several == ["group"]:  # the one that asks most of a method, as for the vocals the four stems
        sizes = tracks.groupby("group")["target"].nunique()
        matrices = [max(matrices, key=lambda matrix: int(sizes[matrix.unit["group"]]))]
    if len(matrices) > 1:
        choices = "; ".join(f"{n}: {', '.join(sorted({m.unit[n] for m in matrices}))}" for n in several)
        raise RunError(f"{metric} of {target} was scored in {len(matrices)} ways; choose with where= one {choices}")
    return matrices[0]


def _matrix(key: dict[str, str], unit: Unit, missing: str) -> ScoreMatrix:
    import pandas as pd

    labels = unit.labels
    methods = [labels[i] for i in unit.valued]
    index = pd.Index(list(map(str, unit.tracks[unit.counts])), name="track")
    columns = pd.Index(methods, name="separator")
    shape = (len(index), len(methods))
    values = np.stack([unit.used(i) for i in unit.valued], axis=1) if methods else np.empty(shape)
    return ScoreMatrix(
        unit=key,
        values=pd.DataFrame(values, index=index, columns=columns),
        imputed=pd.DataFrame(~unit.own[unit.valued][:, unit.counts].T.reshape(shape), index=index, columns=columns),
        oracles=[labels[i] for i in unit.valued if unit.oracle[i]],
        left_out=[name for name, state in zip(labels, unit.state, strict=True) if name not in methods and state.any()],
        n_left_out=int((~unit.counts).sum()),
        higher_is_better=unit.sign > 0,
        missing=missing,
        by_floor=unit.by_floor,
        scarcest=_scarcest(unit),
    )


def _scarcest(unit: Unit) -> tuple[str, int]:
    """Return which method has a value on the fewest tracks, and on how many; no name where the floor decides."""
    own = (~np.isnan(unit.values)).sum(axis=1)
    valued = np.flatnonzero(own)
    if unit.by_floor or not valued.size:
        return "", 0
    i = valued[own[valued].argmin()]
    return unit.labels[i], int(own[i])


def check_matrix(
    matrix: pd.DataFrame | ScoreMatrix, needed_for: str, *, min_tracks: int = MIN_TRACKS, min_separators: int = 2
) -> tuple[Floats, list[str]]:
    """Return the numbers of a matrix tracks x methods and the names of its methods, checked.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Index tracks, columns methods.
    needed_for : str
        What asks, as it begins the message: "the Friedman test".
    min_tracks, min_separators : int
        The least that the statistic is defined for.

    Raises
    ------
    RunError
        Too few tracks or methods, a track or method twice, a missing value or one that is no number.
    """
    import pandas as pd

    table = matrix.values if isinstance(matrix, ScoreMatrix) else pd.DataFrame(matrix)
    methods = [str(name) for name in table.columns]
    for kind, names in (("method", methods), ("track", [str(name) for name in table.index])):
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise RunError(f"{needed_for} needs one value a track and method; {kind} {twice[0]!r} is there twice")
    if len(methods) < min_separators:
        got = f"{len(methods)} ({', '.join(methods)})" if methods else "0"
        raise RunError(f"{needed_for} needs at least {min_separators} method{'s'[: min_separators > 1]}, got {got}")
    if len(table) < min_tracks:
        raise RunError(f"{needed_for} needs at least {min_tracks} tracks, got {len(table)}")
    try:
        values = table.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise RunError(f"{needed_for} needs numbers: {error}") from None
    gaps = np.argwhere(np.isnan(values))
    if len(gaps):
        track, method = gaps[0]
        raise RunError(
            f"{needed_for} is paired by track and found {len(gaps)} missing values, the first of method "
            f"{methods[method]!r} on track {str(table.index[track])!r}; drop those tracks, or make the matrix with "
            "score_matrix, which fills or drops them by a stated rule"
        )
    return values, methods


def check_pairs(pairs: Collection[tuple[str, str]] | None, methods: list[str]) -> list[tuple[int, int]]:
    """Return pairs of methods as columns; every pair once where none are named.

    Raises
    ------
    UnknownNameError
        A method is not there.
    RunError
        A pair names one method twice.
    """
    if pairs is None:
        return [(i, j) for i in range(len(methods)) for j in range(i + 1, len(methods))]
    columns = []
    for a, b in pairs:
        for name in (a, b):
            if name not in methods:
                raise UnknownNameError("separator", name, methods)
        if a == b:
            raise RunError(f"a method cannot be compared with itself: {a!r}; name two methods")
        columns.append((methods.index(a), methods.index(b)))
    return columns


def check_level(name: str, value: float) -> None:
    """Raise `ConfigError` unless 0 < `value` < 1."""
    if not (isinstance(value, int | float) and 0.0 < value < 1.0):
        raise ConfigError(f"{name} must lie between 0 and 1, got {value!r}; usual are 0.95 for levels, 0.05 for alpha")
