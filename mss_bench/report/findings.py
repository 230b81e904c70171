"""What the statistics say of each unit of a report: verdicts, intervals and agreement, or why there are none."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from mss_bench.errors import RunError
from mss_bench.report.leakage import overlap
from mss_bench.report.options import Statistics
from mss_bench.stats.intervals import intervals
from mss_bench.stats.matrix import OVER_TARGETS, ScoreMatrix, mean_over_targets
from mss_bench.stats.ranking import mean_ranks
from mss_bench.stats.significance import FriedmanResult, friedman
from mss_bench.stats.units import UNIT
from mss_bench.stats.verdicts import Family, family

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STANDING", "Finding", "Findings", "examine", "standing", "unit_key"]

STANDING = ("low", "high", "rank", "mean_rank", "best", "tied", "may_be_best", "ties")
"""What a finding says of one separator: its interval, its rank by value and its mean rank over tracks, whether it is
the best, not told apart from it, or in the confidence set of the best, and the letters of its groups."""

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """The statistics of one unit; each is absent where it is refused, and `refusals` says why.

    Verdicts, ranks and agreement are of the ranked methods, intervals of all.
    """

    scores: ScoreMatrix
    how: Statistics
    statistic: str  # of the aggregation, over tracks: median or mean
    family: Family
    friedman: FriedmanResult | None = None  # agreement of the tracks
    intervals: pd.DataFrame | None = None
    mean_ranks: pd.Series[float] | None = None
    refusals: list[str] = field(default_factory=list)

    @cached_property
    def ends(self) -> dict[str, tuple[float, float]]:
        """Return the ends of each method's interval; empty where there are none."""
        if self.intervals is None:
            return {}
        low, high = (self.intervals[name].astype(float).tolist() for name in ("low", "high"))
        return dict(zip(map(str, self.intervals.index), zip(low, high, strict=True), strict=True))


Findings = Mapping[tuple[str, ...], Finding]
"""Findings by data set, subset, group, target, metric and preset."""


def unit_key(unit: Mapping[str, str]) -> tuple[str, ...]:
    """Return the key of a unit in `Findings`."""
    return tuple(unit[name] for name in UNIT)


def standing(finding: Finding | None, separator: str) -> dict[str, Any]:
    """Return `STANDING` of a separator: NaN, false and no letters where nothing was computed."""
    columns: dict[str, Any] = dict.fromkeys(STANDING, math.nan) | {"ties": ""}
    columns |= dict.fromkeys(("best", "tied", "may_be_best"), False)
    if finding is None:
        return columns
    columns["low"], columns["high"] = finding.ends.get(separator, (math.nan, math.nan))
    verdicts = finding.family
    if separator in verdicts.ranked and len(verdicts.ranked) > 1:  # one alone is compared with nothing
        columns["rank"] = verdicts.rank(separator)
        if finding.mean_ranks is not None:
            columns["mean_rank"] = float(finding.mean_ranks[separator])
    columns["best"], columns["tied"] = separator in verdicts.leaders, separator in verdicts.tied
    return columns | {"may_be_best": separator in verdicts.may_be_best, "ties": verdicts.letters.get(separator, "")}


def examine(
    matrices: Iterable[ScoreMatrix],
    statistic: str,
    how: Statistics,
    *,
    training: Mapping[str, Sequence[str]] | None = None,
    idle: Collection[str] = (),
) -> dict[tuple[str, ...], Finding]:
    """Compute every statistic of every unit.

    Parameters
    ----------
    matrices : iterable of ScoreMatrix
    statistic : {"median", "mean"}
        What the aggregation takes over tracks.
    how : Statistics
    training : mapping, optional
        Training data by separator: one that was trained on what is evaluated is not ranked.
    idle : collection of str
        Separators that do nothing, which are not ranked either.

    Returns
    -------
    dict
        By `unit_key`; where a metric has several targets also of their mean, the target being `OVER_TARGETS`.

    Raises
    ------
    UnknownNameError, ConfigError
        The options of `how` are wrong.
    """
    findings: dict[tuple[str, ...], Finding] = {}
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for scores in matrices:
        place = scores.unit["dataset"], scores.unit["subset"]
        leaking = [name for name, data in (training or {}).items() if overlap(data, *place)]
        unranked = {*idle, *leaking}
        found = findings[unit_key(scores.unit)] = _examine(scores, statistic, how, unranked)
        alike.setdefault(unit_key(scores.unit | {"target": OVER_TARGETS}), []).append(found)
    for key, several in alike.items():
        if len(several) > 1 and key not in findings:  # a data set may have a target of that name
            scores = mean_over_targets([found.scores for found in several])
            unranked = {name for name in scores.values.columns if name not in several[0].family.ranked}
            # The table shows the mean of the targets' values, each over the tracks that count for it.
            shown = {n: _mean([found.family.values[n] for found in several]) for n in map(str, scores.values.columns)}
            findings[key] = _examine(scores, statistic, how, unranked, shown)
    return findings


def _mean(values: list[float]) -> float:
    """Return the mean; -inf where infinities of both signs meet."""
    return -math.inf if -math.inf in values else sum(values) / len(values)


def _examine(
    scores: ScoreMatrix,
    statistic: str,
    how: Statistics,
    unranked: Collection[str],
    shown: Mapping[str, float] | None = None,
) -> Finding:
    refusals: list[str] = []

    # Each statistic has its own least number of tracks and methods: what one refuses, another may still give.
    def attempt(make: Callable[[], T]) -> T | None:
        try:
            return make()
        except RunError as error:
            refusals.append(str(error))
            return None

    verdicts = family(
        scores, statistic, unranked=unranked, test=how.posthoc, alpha=how.alpha, level=how.level, values=shown
    )  # fmt: skip
    ranked = scores.without([name for name in scores.values.columns if name not in verdicts.ranked])
    drawn: dict[str, Any] = {"level": how.level, "draws": how.draws, "seed": how.seed}
    return Finding(
        scores=scores,
        how=how,
        statistic=statistic,
        family=verdicts,
        friedman=attempt(lambda: friedman(ranked)),
        intervals=attempt(
            lambda: intervals(scores, statistic, kind="bootstrap" if how.interval == "bootstrap" else "", **drawn)
        ),
        mean_ranks=attempt(lambda: mean_ranks(ranked)),
        refusals=list(dict.fromkeys(refusals)),
    )
