"""What the statistics say of each unit of a report: tests, intervals, ranks and ties, or why there are none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from mss_bench.errors import RunError
from mss_bench.report.options import Statistics
from mss_bench.stats.intervals import intervals
from mss_bench.stats.matrix import OVER_TARGETS, ScoreMatrix, mean_over_targets
from mss_bench.stats.ranking import groups, mean_ranks, ranks, tied_with
from mss_bench.stats.significance import FriedmanResult, friedman, posthoc
from mss_bench.stats.units import UNIT

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STANDING", "Finding", "Findings", "examine", "standing", "unit_key"]

_RANKS = ("mean_rank", "rank", "rank_low", "rank_high")

STANDING = ("low", "high", *_RANKS, "ties")
"""What a finding says of one separator: its interval, its ranks, and the letters of the groups that it is tied in."""

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """The statistics of one unit; each is absent where it is refused, and `refusals` says why.

    Tests and ranks are of the methods that are no oracles, intervals of all.
    """

    scores: ScoreMatrix
    how: Statistics
    statistic: str  # of the aggregation, over tracks: median or mean
    friedman: FriedmanResult | None = None
    p: pd.DataFrame | None = None  # of every pair, corrected
    intervals: pd.DataFrame | None = None
    ranks: pd.DataFrame | None = None  # sorted by mean rank
    groups: list[list[str]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def tied(self, best: str) -> list[str]:
        """Return the methods that do not differ from `best`, itself among them; none where nothing was tested."""
        return tied_with(self.p, best, self.how.alpha) if self.p is not None and best in self.p.index else []

    @cached_property
    def letters(self) -> dict[str, str]:
        """Return the letters of the groups that each method is in: methods that share a letter do not differ."""
        letters: dict[str, str] = {}
        for i, group in enumerate(self.groups):
            for name in group:
                letters[name] = letters.get(name, "") + _letter(i)
        return letters


Findings = Mapping[tuple[str, ...], Finding]
"""Findings by data set, subset, group, target, metric and preset."""


def unit_key(unit: Mapping[str, str]) -> tuple[str, ...]:
    """Return the key of a unit in `Findings`."""
    return tuple(unit[name] for name in UNIT)


def standing(finding: Finding | None, separator: str) -> dict[str, Any]:
    """Return `STANDING` of a separator: NaN and no letters where nothing was computed."""
    columns: dict[str, Any] = dict.fromkeys(STANDING, math.nan) | {"ties": ""}
    if finding is None:
        return columns
    if finding.intervals is not None and separator in finding.intervals.index:
        ends = finding.intervals.loc[[separator], ["low", "high"]].to_numpy(dtype=float)[0]
        columns["low"], columns["high"] = ends.tolist()
    if finding.ranks is not None and separator in finding.ranks.index:
        ranks = finding.ranks.loc[separator].to_dict()
        columns |= {name: ranks[name] for name in _RANKS}
    return columns | {"ties": finding.letters.get(separator, "")}


def examine(matrices: Iterable[ScoreMatrix], statistic: str, how: Statistics) -> dict[tuple[str, ...], Finding]:
    """Compute every statistic of every unit.

    Parameters
    ----------
    matrices : iterable of ScoreMatrix
    statistic : {"median", "mean"}
        What the aggregation takes over tracks.
    how : Statistics

    Returns
    -------
    dict
        By `unit_key`; where a metric has several targets also of their mean, the target being `OVER_TARGETS`. A unit
        with too few tracks or methods has refusals instead.

    Raises
    ------
    UnknownNameError, ConfigError
        The options of `how` are wrong.
    """
    findings: dict[tuple[str, ...], Finding] = {}
    alike: dict[tuple[str, ...], list[ScoreMatrix]] = {}
    for scores in matrices:
        findings[unit_key(scores.unit)] = _examine(scores, statistic, how)
        alike.setdefault(unit_key(scores.unit | {"target": OVER_TARGETS}), []).append(scores)
    for key, several in alike.items():
        if len(several) > 1 and key not in findings:  # a data set may have a target of that name
            findings[key] = _examine(mean_over_targets(several), statistic, how)
    return findings


def _examine(scores: ScoreMatrix, statistic: str, how: Statistics) -> Finding:
    refusals: list[str] = []

    # Each statistic has its own least number of tracks and methods: what one refuses, another may still give.
    def attempt(make: Callable[[], T]) -> T | None:
        try:
            return make()
        except RunError as error:
            refusals.append(str(error))
            return None

    tested = scores.without(scores.oracles)
    drawn = {"level": how.level, "draws": how.draws, "seed": how.seed}
    overall = attempt(lambda: friedman(tested))
    p = attempt(lambda: posthoc(tested, how.posthoc))
    ends = attempt(lambda: intervals(scores, statistic, **drawn))  # type: ignore[arg-type]
    order = attempt(lambda: mean_ranks(tested))
    table = None
    if order is not None:
        table = ranks(tested, statistic, **drawn).loc[list(order.index)]  # type: ignore[arg-type]
    tied = groups(p, [str(name) for name in order.index], how.alpha) if p is not None and order is not None else []
    return Finding(scores, how, statistic, overall, p, ends, table, tied, list(dict.fromkeys(refusals)))


def _letter(i: int) -> str:
    """Return a, b, ..., z, then a1, b1, ..."""
    turn, place = divmod(i, 26)
    return chr(ord("a") + place) + (str(turn) if turn else "")
