"""Everything on a pair of methods: the difference, how sure it is, how large, and what more tracks would show."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.effect import paired
from mss_bench.stats.intervals import bootstrap, differences
from mss_bench.stats.matrix import check_pairs, score_matrix
from mss_bench.stats.power import TracksNeeded, tracks_needed
from mss_bench.stats.resample import STATISTICS
from mss_bench.stats.signed_rank import wilcoxon
from mss_bench.stats.units import difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same tracks. Differences are *a - b* in the unit of the metric."""

    a: str
    b: str
    unit: dict[str, str]  # dataset, subset, group, target, metric, preset
    higher_is_better: bool
    n_tracks: int
    n_left_out: int  # tracks that count for no method
    n_imputed: dict[str, int]  # by method: tracks on which a stand-in stands
    values: pd.DataFrame  # index a, b; median and mean over tracks with intervals
    difference: pd.DataFrame  # index median, mean: of the differences, with intervals
    by_track: pd.Series[float]  # the differences, sorted
    p: float  # Wilcoxon's signed-rank test, two-sided, uncorrected
    rank_biserial: float  # positive where a is better, as are the following
    cliffs_delta: float
    wins: int
    ties: int
    losses: int
    needed: TracksNeeded

    def to_dict(self) -> dict[str, Any]:
        """Return the scalars, with those of the tables as ``median_difference_low`` and the like: a row of a table."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        row = {name: value for name, value in values.items() if isinstance(value, str | bool | int | float)}
        row = self.unit | row | {f"n_imputed_{m}": self.n_imputed[name] for m, name in (("a", self.a), ("b", self.b))}
        for statistic, interval in self.difference.iterrows():
            row |= {f"{statistic}_difference{end}": interval[name] for name, end in _ENDS.items()}
        return row | {"tracks_needed": self.needed.n_tracks}

    def __str__(self) -> str:
        median = self.difference.loc["median"]
        sure = f"{median['low']:+.2f} to {median['high']:+.2f} at {median['level']:.0%} confidence"
        needed = f"{self.needed.n_tracks} tracks" if self.needed.n_tracks else self.needed.reason
        imputed = ", ".join(f"{n} of {name}" for name, n in self.n_imputed.items() if n)
        group = f" ({self.unit['group']})" if self.unit["group"] else ""
        return (
            f"{self.a} - {self.b}, {self.unit['metric']} of {self.unit['target']}{group}: "
            f"median difference {median['value']:+.2f} ({sure}) over {self.n_tracks} tracks; better on {self.wins}, "
            f"alike on {self.ties}, worse on {self.losses}; p = {self.p:.3g} (Wilcoxon, one pair), "
            f"rank-biserial {self.rank_biserial:+.2f}; to tell them apart in {self.needed.power:.0%} of cases: {needed}"
            + (f"; stand-ins: {imputed}" if imputed else "")
        )


_ENDS = {"value": "", "low": "_low", "high": "_high", "interval": "_interval"}


def compare(
    tracks: pd.DataFrame,
    a: str,
    b: str,
    metric: str = "SDR",
    target: str = "vocals",
    *,
    where: dict[str, str] | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
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
    level, draws, seed
        As for `mss_bench.stats.intervals.bootstrap`.
    **options
        Of `mss_bench.stats.matrix.score_matrices`: `aggregation`, `missing`, `lower_is_better`.

    Returns
    -------
    Comparison
        The tracks that count are those of the whole table, as in its aggregates. Which of two methods is better was
        asked of one pair: where many pairs are looked at, use `mss_bench.stats.significance.posthoc`.

    Raises
    ------
    UnknownNameError
        There is no such metric, target or method.
    RunError
        A method has no value, fewer than 3 tracks count, or several units are left.
    """
    import pandas as pd

    scores = score_matrix(tracks, metric, target, where=where, **options)
    for name in (a, b):
        if name in scores.left_out:
            raise RunError(f"{name} has no {metric} of {target} on any track; see the failures of the run")
        if name not in scores.values:
            raise UnknownNameError("separator", name, map(str, scores.values.columns))
    check_pairs([(a, b)], [a, b])
    matrix = scores.values[[a, b]]
    apart, values = [], {}
    for s in STATISTICS:
        apart.append(differences(matrix, s, pairs=[(a, b)], level=level, draws=draws, seed=seed))
        values[s] = bootstrap(matrix, s, level=level, draws=draws, seed=seed)
    between = difference(*matrix.to_numpy(dtype=np.float64).T)
    effect = paired(matrix, [(a, b)], higher_is_better=scores.higher_is_better).iloc[0]
    return Comparison(
        a=a,
        b=b,
        unit=scores.unit,
        higher_is_better=scores.higher_is_better,
        n_tracks=len(matrix),
        n_left_out=scores.n_left_out,
        n_imputed={name: int(scores.imputed[name].sum()) for name in (a, b)},
        values=pd.concat(values, axis=1),
        difference=pd.concat(apart).set_index("statistic").drop(columns=["a", "b"]),
        by_track=pd.Series(between, index=matrix.index, name=f"{a} - {b}").sort_values(),
        p=float(wilcoxon(between[:, None])[0]),
        rank_biserial=float(effect["rank_biserial"]),
        cliffs_delta=float(effect["cliffs_delta"]),
        wins=int(effect["wins"]),
        ties=int(effect["ties"]),
        losses=int(effect["losses"]),
        needed=tracks_needed(matrix, a, b, seed=seed),
    )
