"""Everything on a pair of methods: the difference, how sure it is, how large, and what more tracks would show."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.schema import is_floor, method_label
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.effect import cliffs_delta
from mss_bench.stats.intervals import differences, intervals
from mss_bench.stats.matrix import score_matrix
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
    values: pd.DataFrame  # index a, b; columns median and mean over tracks, with intervals
    difference: pd.DataFrame  # index typical, median, mean: of the differences, with intervals
    by_track: pd.Series[float]  # the differences, sorted
    cliffs_delta: float  # positive where a is better

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
        parts = [f"{pair.a} - {pair.b}, {self.unit['metric']} of {self.unit['target']}{group}{lower}: {pair.sentence}"]
        if pair.alone is not Verdict.TOO_FEW:
            exact = "exact" if pair.exact else "normal approximation"
            parts.append(f"p = {pair.p:.3g} for this pair alone (Wilcoxon, {exact})")
            family = f"the {len(self.family.ranked)} methods of the table"
            if pair.verdict is Verdict.TOO_FEW:
                parts.append(f"within {family} no pair can be told apart before {self.family.n_min} songs")
            elif pair.p_family == pair.p_family:
                parts.append(f"p = {pair.p_family:.3g} within {family} (Holm): {pair.verdict}")
            parts.append(f"rank-biserial {signed(pair.rank_biserial)}")
            songs = f"{needed.n_tracks} songs" if needed.n_tracks else needed.reason
            parts.append(f"to tell them apart in {needed.power:.0%} of cases: {songs}")
        if self.family.scores.counted:
            parts.append(self.family.scores.counted)
        if imputed:
            parts.append(f"stand-ins: {imputed}")
        return "; ".join(parts)


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
        The tracks that count are those of the whole table, as in its aggregates. Its pair has p alone, for a pair that
        was planned, and within the family of the table, for one that was looked for. Intervals of fewer than 6 tracks
        are absent, and the verdict is that they are too few.

    Raises
    ------
    UnknownNameError
        There is no such metric, target or method.
    RunError
        A method has no value, no track counts, or several units are left.
    """
    import pandas as pd

    scores = score_matrix(tracks, metric, target, where=where, **options)
    for name in (a, b):
        if name in scores.left_out:
            raise RunError(
                f"{name} has no {metric} of {target} on any track, or was never computed on some that count: see the "
                "failures of the run, or compare on the tracks that every method has (missing='complete')"
            )
        if name not in scores.values:
            known = tracks[["separator", "params"]].drop_duplicates()
            if name in map(method_label, known["separator"], known["params"]):
                raise RunError(f"{name} does not separate {target}: there is no {metric} of it to compare")
            raise UnknownNameError("separator", name, map(str, scores.values.columns))
    statistic = "median" if options.get("aggregation", "median_of_medians") == "median_of_medians" else "mean"
    field = family(scores, statistic, unranked=unranked, level=level)
    pair = field.pair(a, b) if not is_floor(b) else field.over_floor(a)
    matrix = scores.values[[a, b]]
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
        n_left_out=scores.n_left_out,
        n_imputed={name: int(scores.imputed[name].sum()) for name in (a, b)},
        values=pd.concat(values, axis=1),
        difference=(pd.concat(apart) if apart else empty).set_index("statistic").drop(columns=["a", "b"]),
        by_track=pd.Series(pair.by_track, index=matrix.index, name=f"{a} - {b}").sort_values(),
        cliffs_delta=sign * cliffs_delta(*matrix.to_numpy(dtype=np.float64).T),
    )
