"""Everything on a pair of methods: the difference, how sure it is, how large, and what more tracks would show."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.schema import Status, is_floor, method_label
from mss_bench.core.text import counted, percent
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.effect import cliffs_delta
from mss_bench.stats.intervals import differences, intervals
from mss_bench.stats.matrix import ScoreMatrix, check_pairs, score_matrices, score_matrix
from mss_bench.stats.resample import STATISTICS
from mss_bench.stats.signed_rank import FEWEST
from mss_bench.stats.units import centre
from mss_bench.stats.verdicts import Family, Pair, Verdict, family, signed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same tracks. Differences are *a - b* in the unit of the metric."""

    unit: dict[str, str]  # dataset, subset, group, target, metric, preset
    higher_is_better: bool
    pair: Pair  # difference, interval, wins, p alone and within the family, verdict, tracks needed
    family: Family  # all ranked methods of the same column
    n_left_out: int  # tracks that count for no method
    n_imputed: dict[str, int]  # by method: tracks on which a stand-in stands
    n_lacking: dict[str, int]  # by method: tracks that do not count, as it alone or with others has no value there
    values: pd.DataFrame  # index a, b; columns median and mean over tracks, with intervals
    difference: pd.DataFrame  # index typical, median, mean: of the differences, with intervals
    by_track: pd.Series[float]  # the differences, sorted
    cliffs_delta: float  # positive where a is better
    measured_in: str = ""  # the unit of the metric, as dB

    @property
    def a(self) -> str:
        """Return the first method."""
        return self.pair.a

    @property
    def b(self) -> str:
        """Return the second method."""
        return self.pair.b

    @property
    def mean_depends_on(self) -> str:
        """Return the track that moves the mean difference by more than half its interval; empty where none does."""
        return str(self.difference.loc["mean", "depends_on"]) if "mean" in self.difference.index else ""

    def to_dict(self) -> dict[str, Any]:
        """Return a row of a table: numbers of the pair, and ``median_difference_low`` and the like."""
        pair = self.pair
        row: dict[str, Any] = self.unit | {
            "a": pair.a, "b": pair.b, "higher_is_better": self.higher_is_better, "n_tracks": pair.n_tracks,
            "n_left_out": self.n_left_out, "n_imputed_a": self.n_imputed[pair.a], "n_imputed_b": self.n_imputed[pair.b],
            "n_lacking_a": self.n_lacking[pair.a], "n_lacking_b": self.n_lacking[pair.b],
            "wins": pair.wins, "ties": pair.ties, "losses": pair.losses, "p": pair.p, "p_family": pair.p_family,
            "verdict": str(pair.verdict), "rank_biserial": pair.rank_biserial, "cliffs_delta": self.cliffs_delta,
        }  # fmt: skip
        row |= {"typical_difference": pair.difference} | {f"typical_difference_{e}": getattr(pair, e) for e in _ENDS}
        for statistic in STATISTICS:
            if statistic in self.difference.index:
                of = self.difference.loc[statistic]
                row |= {f"{statistic}_difference": of["value"]} | {f"{statistic}_difference_{e}": of[e] for e in _ENDS}
        return row | {"tracks_needed": pair.needed.n_tracks}

    def __str__(self) -> str:
        pair, needed = self.pair, self.pair.needed
        imputed = ", ".join(f"{n} of {name}" for name, n in self.n_imputed.items() if n)
        group = f" ({self.unit['group']})" if self.unit["group"] else ""
        lower = "" if self.higher_is_better else ", lower is better"
        of = f"{self.unit['metric']} of {self.unit['target']}{group}{lower}"
        parts = [f"{pair.a} - {pair.b}, {of}: {pair.said(self.measured_in)}"]
        if pair.alone is not Verdict.TOO_FEW:
            exact = "exact" if pair.exact else "normal approximation"
            parts.append(f"p = {pair.p:.3g} for this pair alone (Wilcoxon, {exact})")
            parts += self._within()
            parts.append(f"rank-biserial {signed(pair.rank_biserial)}")
            songs = f"{needed.n_tracks} songs" if needed.n_tracks else needed.reason
            to_tell = f"to tell them apart in {percent(needed.power)} of cases: " if pair.by_track.any() else ""
            parts.append(f"{to_tell}{songs}")
        if self.on_own_songs:
            own = counted(pair.n_tracks, "song")
            parts.append(f"the pair alone on the {own} that both have, the table: {self._counted}")
        elif self._counted:
            parts.append(self._counted)
        if imputed:
            parts.append(f"stand-ins: {imputed}")
        return "; ".join(parts)

    @property
    def lacking(self) -> str:
        """Return which of the two has no score on how many songs, in words; empty where both have all."""
        return ", ".join(f"{name} has no score on {counted(n, 'song')}" for name, n in self.n_lacking.items() if n)

    @property
    def on_own_songs(self) -> bool:
        """Return whether the pair alone was compared on songs that other methods of the table lack."""
        return self.pair.n_tracks != self.family.n_tracks

    @property
    def _counted(self) -> str:
        return self.family.scores.counted_for

    def _within(self) -> list[str]:
        """Return what the family of the table says of the pair, where both belong to it."""
        pair, n = self.pair, len(self.family.ranked)
        floor = is_floor(pair.b)
        if pair.verdict is Verdict.TOO_FEW:
            if floor:
                return ["the floor is no member of the table's family"]
            return [f"within the {n} methods of the table no pair can be told apart before {self.family.n_min} songs"]
        if math.isnan(pair.p_family):
            return []
        family = f"the comparisons of {n} methods with the floor" if floor else f"the {n} methods of the table"
        return [f"p = {pair.p_family:.3g} within {family} (Holm): {pair.verdict}"]


_ENDS = ("low", "high")


def compare(
    tracks: pd.DataFrame,
    a: str,
    b: str,
    metric: str = "SDR",
    target: str = "vocals",
    *,
    where: dict[str, str] | None = None,
    level: float = 0.95,
    unranked: Collection[str] = (),
    **options: Any,
) -> Comparison:
    """Compare two methods on a metric and target.

    Parameters
    ----------
    tracks : DataFrame
        Columns of `mss_bench.core.schema.TRACK_COLUMNS`.
    a, b : str
        The methods, as tables name them.
    metric, target, where
        As for `mss_bench.stats.matrix.score_matrix`.
    level, unranked
        As for `mss_bench.stats.verdicts.family`.
    **options
        Of `mss_bench.stats.matrix.score_matrices`: `aggregation`, `missing`, `lower_is_better`.

    Returns
    -------
    Comparison
        Its pair has p alone, for a pair that was planned, and within the family of the table, for one that was looked
        for. The tracks that count are those of the whole table, as in its aggregates; where no floor says which, all
        but p within the family is of the tracks that the two have. Intervals of fewer than 6 tracks are absent, and the
        verdict is that they are too few.

    Raises
    ------
    UnknownNameError
        There is no such metric, target or method.
    RunError
        A method has no value, no track counts, several units are left, or the two are one.
    """
    import pandas as pd

    check_pairs([(a, b)], [a, b])
    scores = score_matrix(tracks, metric, target, where=where, **options)
    all_songs = scores.by_floor or options.get("missing") == "complete"
    alone = scores if all_songs else _of_both(tracks, a, b, scores, options)
    for name in (a, b):
        if name not in alone.values:
            raise _no_scores(tracks, name, scores, options.get("missing") == "complete")
    statistic = "median" if options.get("aggregation", "median_of_medians") == "median_of_medians" else "mean"
    field = family(scores, statistic, unranked=unranked, level=level)
    if len(alone.values) != field.n_tracks:
        pair = family(alone, statistic, level=level).pair(a, b)
        inside = a in field.ranked and b in field.ranked
        within = field.pair(a, b) if inside else pair
        pair = replace(pair, p_family=within.p_family if inside else math.nan, verdict=within.verdict)
    else:
        pair = field.pair(a, b) if not is_floor(b) else field.over_floor(a)
    matrix = alone.values[[a, b]]
    values, apart = {}, []
    for s in STATISTICS:
        if pair.n_tracks >= FEWEST:
            values[s] = intervals(matrix, s, level=level)
            apart.append(differences(matrix, s, pairs=[(a, b)], level=level))
        else:
            values[s] = pd.DataFrame(
                {"value": [centre(matrix[name].to_numpy(dtype=float), s) for name in (a, b)]}, [a, b]
            )
    if apart:
        apart.insert(0, differences(matrix, pairs=[(a, b)], level=level))
    empty = pd.DataFrame(columns=["a", "b", "statistic"])
    sign = 1.0 if scores.higher_is_better else -1.0
    return Comparison(
        unit=scores.unit,
        higher_is_better=scores.higher_is_better,
        pair=pair,
        family=field,
        n_left_out=alone.n_left_out,
        n_imputed={name: int(alone.imputed[name].sum()) for name in (a, b)},
        n_lacking=_lacking(tracks, a, b, alone),
        values=pd.concat(values, axis=1),
        difference=(pd.concat(apart) if apart else empty).set_index("statistic").drop(columns=["a", "b"]),
        by_track=pd.Series(pair.by_track, index=matrix.index, name=f"{a} - {b}").sort_values(),
        cliffs_delta=sign * cliffs_delta(*matrix.to_numpy(dtype=np.float64).T),
    )


def _of_both(tracks: pd.DataFrame, a: str, b: str, scores: ScoreMatrix, options: dict[str, Any]) -> ScoreMatrix:
    """Return the scores of two methods alone, on the tracks that both have."""
    unit = _of_unit(tracks, scores)
    return next(score_matrices(unit[unit["label"].isin([a, b])].drop(columns="label"), **options), scores)


def _of_unit(tracks: pd.DataFrame, scores: ScoreMatrix) -> pd.DataFrame:
    """Return the rows of a unit, with the label of their method."""
    for column, wanted in scores.unit.items():
        tracks = tracks[tracks[column].fillna("").astype(str) == wanted]
    return tracks.assign(
        label=[method_label(s, p) for s, p in zip(tracks["separator"], tracks["params"].fillna(""), strict=True)]
    )


def _lacking(tracks: pd.DataFrame, a: str, b: str, counted: ScoreMatrix) -> dict[str, int]:
    """Return how many songs do not count for want of a method's score, where any other has one."""
    unit = _of_unit(tracks, counted)
    scored = unit[(unit["status"] == Status.OK) & unit["value"].notna()]
    songs = set(scored["track"]) & set(unit.loc[unit["label"].isin([a, b]), "track"]) - set(counted.values.index)
    return {name: len(songs - set(scored.loc[scored["label"] == name, "track"])) for name in (a, b)}


def _no_scores(tracks: pd.DataFrame, name: str, scores: ScoreMatrix, on_common: bool) -> RunError | UnknownNameError:
    """Return why a method cannot be compared, and what to do."""
    metric, target = scores.unit["metric"], scores.unit["target"]
    labels = [method_label(s, p) for s, p in zip(tracks["separator"], tracks["params"].fillna(""), strict=True)]
    own = tracks[[label == name for label in labels]]
    if not len(own):
        return UnknownNameError("separator", name, map(str, scores.values.columns))
    own = own[(own["metric"] == metric) & (own["target"] == target)]
    if not len(own):
        return RunError(
            f"{name} does not separate {target}: there is no {metric} of it to compare; name a target that both have "
            "(--target), if there is one"
        )
    if not own["value"].isna().all():
        if on_common:
            return RunError(f"no song has {metric} of {target} of every method: {name} shares none with the others")
        return RunError(
            f"{name} was never computed on some songs that count: compare on the songs that every method has "
            "(--missing complete, in Python missing='complete')"
        )
    if (own["status"] == Status.OK).all():
        return RunError(
            f"{name} has no {metric} of {target} on any song: it is undefined on all of them, as that of a silent "
            "estimate; compare another metric"
        )
    return RunError(f"{name} has no {metric} of {target} on any song: see the failures of the run")
