"""What a report shows, in five lines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mss_bench.core.text import counted
from mss_bench.report.blocks import Block
from mss_bench.report.contents import Contents
from mss_bench.report.costs import speeds
from mss_bench.report.facts import measured_on
from mss_bench.report.failures import Failures
from mss_bench.report.labels import renamed
from mss_bench.report.table import number
from mss_bench.stats.matrix import OVER_TARGETS
from mss_bench.stats.verdicts import Family

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["conclusions"]


def conclusions(
    contents: Contents,
    failures: Failures,
    costs: pd.DataFrame | None = None,
    run: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
) -> list[str]:
    """Return what the first table of a report shows: how much was compared, who is best, ahead, and by how much.

    Parameters
    ----------
    contents : Contents
    failures : Failures
    costs : DataFrame, optional
        The cost table.
    run : mapping, optional
        The content of ``run.json``.
    labels : mapping of str to str, optional
        What methods are called.
    """
    if not contents.blocks:
        return [*failures.banner, "No scores: the track table is empty."]
    columns = [(block, target) for block in contents.blocks for target in block.with_mean if target in block.tested]
    first = contents.blocks[0], contents.blocks[0].with_mean[0]
    block, target = next(((b, t) for b, t in columns if b.tested[t].family.compares), first)
    of = "the mean of the targets" if target == OVER_TARGETS and block.has_mean else target
    of += "" if block.higher_is_better else ", lower is better"
    of += " (fewer than two methods have every target)" if target != block.with_mean[0] else ""
    lines = [*failures.banner, _scope(block, failures)]
    finding = block.tested.get(target)
    if finding is None:
        return lines
    field = finding.family
    said = [f"Of {of}, {field.scores.counted_for}."] if field.scores.counted else []
    said += [f"{block.label} of {of}: {field.sentence}", *_unranked(block, target)]
    said += [*_ahead(field, block.unit), *_room(block, target, field)]
    said += _cost(field.best, costs, run or {})
    return lines + [renamed(line, labels or {}) for line in said]


def _scope(block: Block, failures: Failures) -> str:
    n_oracles = sum(row.oracle for row in block.rows)
    songs = counted(max(block.n_tracks.values(), default=0), "song")
    oracles = f" and {counted(n_oracles, 'oracle')}" if n_oracles else ""
    methods = counted(len(block.rows) - n_oracles, "method")
    over = "median" if block.aggregation == "median_of_medians" else "mean"
    return (
        f"{block.name}: {methods}{oracles} on {songs}; each number is a {over} over songs. "
        f"{failures.counts.completeness}"
    )


def _unranked(block: Block, target: str) -> list[str]:
    """Return which methods are compared with none, as they were not computed on every song that counts."""
    rows = [(row.separator, score) for row in block.rows if row.ranked and (score := row.score(target)) is not None]
    lacking = [name for name, score in rows if score["n_lacking"]]
    verb = "lacks" if len(lacking) == 1 else "lack"
    return [
        f"{', '.join(lacking)} {verb} songs that count, and {'has' if verb == 'lacks' else 'have'} no rank."
    ] * bool(lacking)


def _ahead(field: Family, unit: str) -> list[str]:
    """Return how far the best is ahead of the next."""
    if not field.runner_up:
        return []
    pair = field.pair(field.best, field.runner_up)
    if math.isnan(pair.p):  # which the sentence before has said
        return []
    n = int(field.scores.imputed[pair.b].sum())
    standing_in = f"; stand-ins: {n} of {pair.b}" if n else ""
    return [f"{pair.a} and {pair.b}, the next: {pair.said(unit)}; {pair.verdict}{standing_in}."]


def _room(block: Block, target: str, field: Family) -> list[str]:
    """Return how far the best is from the best oracle and the floor."""
    scored = [(row, row.score(target)) for row in block.rows]
    known = [(row, float(score["value"])) for row, score in scored if score and math.isfinite(score["value"])]
    by_name = {row.separator: value for row, value in known}
    if field.best not in by_name:
        return []
    sign = 1.0 if block.higher_is_better else -1.0
    gain = next(float(score["improvement"]) for row, score in scored if score and row.separator == field.best)
    apart: list[tuple[str, str, float]] = []
    if (room := block.room(target, field.best)) is not None:
        apart.append(("the best oracle", room[0], -room[1]))
    for floor in (row.separator for row, _ in known if row.kind == "floor"):
        # The gain where there is one: it is paired by song, as in its column.
        apart.append(
            ("the floor", floor, sign * (by_name[field.best] - by_name[floor]))
            if math.isnan(gain)
            else ("the floor", f"{floor}; its gain, which is paired by song", gain)
        )
    better, worse = ("above", "below") if block.higher_is_better else ("better than", "worse than")
    unit = f" {block.unit}" if block.unit else ""
    parts = [f"{number(abs(x))}{unit} {better if x > 0 else worse} {what} ({name})" for what, name, x in apart]
    return [f"{field.best} ({number(by_name[field.best])}) is {' and '.join(parts)}."] if parts else []


def _cost(best: str, costs: pd.DataFrame | None, run: Mapping[str, Any]) -> list[str]:
    """Return what the best takes, and where that was measured."""
    seconds = speeds(costs).get(best, math.nan) if costs is not None else math.nan
    if not best or math.isnan(seconds):
        return []
    return [f"{best} takes {seconds:.3g} s per second of audio ({measured_on(run, costs)})."]
