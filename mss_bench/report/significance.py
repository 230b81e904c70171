"""Tests, ranks and ties of a report as tables: for CSV, Markdown and the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.report.blocks import Block, MethodRow
from mss_bench.report.findings import Finding, Findings
from mss_bench.report.score_tables import name_cell
from mss_bench.report.table import Cell, Column, Table, number
from mss_bench.stats.choices import POSTHOC
from mss_bench.stats.effect import paired
from mss_bench.stats.matrix import OVER_TARGETS
from mss_bench.stats.units import UNIT

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "friedman_table",
    "how_tested",
    "means_table",
    "overall",
    "pairs_table",
    "ranking",
    "with_findings",
]

_RANKS = ("mean_rank", "rank", "rank_low", "rank_high")


def how_tested(finding: Finding) -> str:
    """Return what was done, in sentences."""
    test = finding.how
    corrected = "" if test.posthoc in ("nemenyi", "conover_iman") else ", Holm's correction for all pairs"
    kind = "percentile bootstrap of medians" if finding.statistic == "median" else "BCa bootstrap of means"
    return (
        "Friedman's test asks whether any methods differ, Kendall's W (0 to 1) how much the tracks agree on their"
        f" order. Which pairs do: {POSTHOC[test.posthoc]}{corrected}; methods that share a letter do not differ (p at"
        f" least {test.alpha:g}). Oracles are not tested. Intervals: {test.level:.0%}, {kind} over tracks, {test.draws}"
        f" draws, seed {test.seed}; they say how far a number may be off for other tracks of the same kind. The mean"
        " over targets is tested by each track's mean; its intervals resample all targets alike, over the tracks that"
        " count for every target."
    )


def overall(block: Block) -> Table:
    """Return Friedman's test of the mean over targets and of every target of a block, or why there is none."""
    rows: list[list[Cell | str | int]] = []
    refused: dict[str, list[str]] = {}
    for target, finding in block.tested.items():
        tested = finding.scores.without(finding.scores.oracles).values
        test = finding.friedman
        best = next((r.method for r in block.methods if (score := r.score(target)) is not None and score.best), "")
        tied = set(finding.tied(best)) - {best} if best else set()
        order = [str(name) for name in finding.ranks.index] if finding.ranks is not None else []
        names = ", ".join(name for name in order if name in tied) or "none"
        statistics = ["–", "–", "–"]
        if test is not None:
            p = "< 0.001" if test.p < 0.001 else f"{test.p:.3f}"
            statistics = [f"{test.statistic:.1f} ({test.df})", p, f"{test.w:.2f}"]
        not_different = f"{best}: {names}" if best and finding.p is not None else "–"
        rows.append([target, len(tested), tested.shape[1], *statistics, not_different])
        for reason in finding.refusals:
            refused.setdefault(reason, []).append(target)
    middle = (Column(heading, "right") for heading in ("tracks", "methods", "chi-square (df)", "p", "Kendall's W"))
    notes = [f"{', '.join(targets)}: {reason}" for reason, targets in refused.items()]
    return Table(block.title, ["target", *middle, "not different from the best"], [rows], notes)


def ranking(block: Block, target: str, digits: int) -> Table:
    """Return intervals, ranks and letters of ties of a target: the best mean rank first, then oracles.

    Methods without a value are left out.
    """
    finding = block.tested[target]
    scores, ranks, intervals = finding.scores, finding.ranks, finding.intervals
    order = list(ranks.index) if ranks is not None else []
    order += [name for name in scores.values.columns if name not in order]
    known = {row.method: row for row in block.rows}
    groups: dict[bool, list[list[Cell | str]]] = {False: [], True: []}
    for name in map(str, order):
        row = known.get(name)
        score = row.score(target) if row is not None else None
        if row is None or score is None:
            continue
        ends = [math.nan, math.nan] if intervals is None else [float(intervals.loc[name, e]) for e in ("low", "high")]  # type: ignore[arg-type]
        interval = "–" if math.isnan(ends[0]) else " to ".join(number(end, digits) for end in ends)
        of = _ranks(row, finding)
        rank = ["–", "–", "–"]
        if of:
            rank = [f"{of['mean_rank']:.2f}", f"{of['rank']:g}", f"{of['rank_low']} to {of['rank_high']}"]
        value = Cell.number(score.value, digits)
        groups[row.oracle].append([name_cell(row), value, interval, *rank, finding.letters.get(name, "")])
    numbers = (Column(heading, "right") for heading in ("value", "interval", "mean rank", "rank", "rank interval"))
    title = "mean over targets" if target == OVER_TARGETS and target not in block.targets else target
    return Table(f"{title}, {block.label}", ["method", *numbers, "ties"], list(groups.values()))


def friedman_table(findings: Findings) -> pd.DataFrame:
    """Return one row a unit: Friedman's test with its effect size, or the refusal."""
    import pandas as pd

    rows = []
    for key, finding in findings.items():
        test = finding.friedman
        tested = finding.scores.without(finding.scores.oracles).values
        row: dict[str, object] = dict(zip(UNIT, key, strict=True))
        row |= {"n_tracks": len(tested), "n_methods": tested.shape[1]}
        names = ("statistic", "df", "p", "w", "f", "f_p")
        row |= {f"friedman_{name}": getattr(test, name) if test else np.nan for name in names}
        rows.append(row | {"refused": "; ".join(finding.refusals)})
    return pd.DataFrame(rows)


def pairs_table(findings: Findings) -> pd.DataFrame:
    """Return one row a unit and pair of methods: p value and effect sizes; empty where no pair was tested."""
    import pandas as pd

    parts = []
    for key, finding in findings.items():
        if finding.p is None:
            continue
        table = paired(finding.scores.without(finding.scores.oracles))
        at = [finding.p.index.get_indexer(pd.Index(table[side])) for side in ("a", "b")]
        table.insert(2, "p", finding.p.to_numpy()[at[0], at[1]])
        table.insert(3, "test", finding.how.posthoc)
        for i, (name, value) in enumerate(zip(UNIT, key, strict=True)):
            table.insert(i, name, value)
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*UNIT, "a", "b", "p"])


def means_table(blocks: Sequence[Block]) -> pd.DataFrame:
    """Return one row a metric and method that has every target: the mean over targets, its interval, rank and ties."""
    import pandas as pd

    places = ("dataset", "subset", "group", "metric", "preset")
    rows = []
    for block in blocks:
        for row in block.rows if block.has_mean else []:
            if (score := row.score(OVER_TARGETS)) is None:
                continue
            facts: dict[str, Any] = {name: getattr(block, name) for name in places}
            facts |= {"targets": ", ".join(block.targets), "method": row.method, "oracle": row.oracle}
            facts |= {n: getattr(score, n) for n in ("value", "low", "high", "improvement", "n_tracks")}
            rows.append(facts | _standing(row, block, OVER_TARGETS))
    columns = (*places, "targets", "method", "oracle", "value", "low", "high", "improvement", "n_tracks", *_RANKS)
    return pd.DataFrame(rows, columns=[*columns, "ties", "best", "best_or_tied"])


def with_findings(aggregated: pd.DataFrame, blocks: Sequence[Block]) -> pd.DataFrame:
    """Return the aggregated table with intervals, ranks, first places and training data beside the values."""
    import pandas as pd

    where = {(b.dataset, b.subset, b.group, t, b.metric, b.preset): b for b in blocks for t in b.targets}
    rows = []
    for record in aggregated[[*UNIT, "method"]].to_dict("records"):
        block, target = where[tuple(record[name] for name in UNIT)], record["target"]
        row = next(r for r in block.rows if r.method == record["method"])
        interval = {"low": row.scores[target].low, "high": row.scores[target].high}
        rows.append(interval | _standing(row, block, target) | {"trained_on_this": "; ".join(row.leaks)})
    return pd.concat([aggregated, pd.DataFrame(rows, index=aggregated.index)], axis=1)


def _standing(row: MethodRow, block: Block, target: str) -> dict[str, Any]:
    """Return a row's ranks, letters of ties and first place in a target."""
    finding, score = block.tested.get(target), row.score(target)
    assert score is not None
    of = _ranks(row, finding)
    ties = finding.letters.get(row.method, "") if finding else ""
    ranks = {name: of.get(name, np.nan) for name in _RANKS}
    return ranks | {"ties": ties, "best": score.best, "best_or_tied": score.bold}


def _ranks(row: MethodRow, finding: Finding | None) -> Mapping[Any, Any]:
    if finding is None or finding.ranks is None or row.method not in finding.ranks.index:
        return {}
    return finding.ranks.loc[row.method].to_dict()
