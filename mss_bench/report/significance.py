"""How the values came about and what tests say of them, in sentences and as tables: for CSV, Markdown and the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.report.findings import STANDING, Finding, Findings
from mss_bench.report.options import Style
from mss_bench.report.score_tables import Block, default_columns, name_cell
from mss_bench.report.table import Column, Table, TableCell, number
from mss_bench.stats.choices import AGGREGATIONS, MISSING, POSTHOC
from mss_bench.stats.effect import paired
from mss_bench.stats.intervals import KINDS, usual_kind
from mss_bench.stats.matrix import OVER_TARGETS
from mss_bench.stats.units import UNIT

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "explanations", "friedman_table", "how_tested", "means_table", "overall", "pairs_table", "ranking", "scores_table",
]  # fmt: skip


def explanations(blocks: Sequence[Block], style: Style) -> str:
    """Return how the values came about and what is bold, in sentences."""
    if not blocks:
        return ""
    first = blocks[0]
    several = any(len(b.targets) > 1 for b in blocks) and style.by == "metric"
    of = ", mean over the targets" if several else ""
    meanings = {
        "mean": "mean: over the targets." if several else "",
        "gain": f"gain: improvement over the floor (the scaled mixture), paired by track{of}.",
        "gap": f"gap: how much better the oracle is, paired by track{of}.",
        "failed": "failed: tracks with a failed cell.",
    }
    shown = [f"Values: {AGGREGATIONS[first.aggregation]}."]
    shown += [meanings[c] for c in style.columns or default_columns(first) if meanings.get(c)]
    shown.append(f"Tracks: {MISSING[first.missing]}.")
    finding = next((f for b in blocks for f in b.findings.values()), None)
    tested = any(f.p is not None for b in blocks for f in b.findings.values())
    out = "oracles, values with stand-ins and methods trained on what is evaluated are left out"
    if finding is None or not tested:
        shown.append(f"Bold: the best of a column; {out}.")
    else:
        test = finding.how
        corrected = "" if test.posthoc in ("nemenyi", "conover_iman") else ", Holm's correction"
        how = f"{POSTHOC[test.posthoc]}{corrected}, p at least {test.alpha:g}"
        shown.append(f"Bold: the best of a column and what does not differ from it ({how}); {out}.")
    if style.intervals and finding is not None:
        test = finding.how
        kind = KINDS[usual_kind(finding.statistic)]
        shown.append(f"In brackets: {test.level:.0%} confidence intervals ({kind}).")
    return " ".join(shown)


def how_tested(finding: Finding) -> str:
    """Return what was done, in sentences."""
    test = finding.how
    corrected = "" if test.posthoc in ("nemenyi", "conover_iman") else ", Holm's correction for all pairs"
    kind = KINDS[usual_kind(finding.statistic)]
    return (
        "Friedman's test asks whether any methods differ, Kendall's W (0 to 1) how much the tracks agree on their"
        f" order. Which pairs do: {POSTHOC[test.posthoc]}{corrected}; methods that share a letter do not differ (p at"
        f" least {test.alpha:g}). Oracles are not tested. Intervals: {test.level:.0%}, {kind}; they say how far"
        " a number may be off for other tracks of the same kind. The mean over targets is tested by each track's mean."
    )


def overall(block: Block) -> Table:
    """Return Friedman's test of the mean over targets and of every target of a block, or why there is none."""
    rows: list[list[TableCell | str | int]] = []
    refused: dict[str, list[str]] = {}
    for target, finding in block.tested.items():
        tested = finding.scores.without(finding.scores.oracles).values
        test = finding.friedman
        best = next((r.separator for r in block.rows if (score := r.score(target)) is not None and score["best"]), "")
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
    return Table(f"{block.name}: {block.caption}", ["target", *middle, "not different from the best"], [rows], notes)


def ranking(block: Block, target: str, digits: int) -> Table:
    """Return intervals, ranks and letters of ties of a target: the best mean rank first, then oracles.

    Methods without a value are left out.
    """
    finding = block.tested[target]
    scores, ranks, intervals = finding.scores, finding.ranks, finding.intervals
    order = list(ranks.index) if ranks is not None else []
    order += [name for name in scores.values.columns if name not in order]
    known = {row.separator: row for row in block.rows}
    groups: dict[bool, list[list[TableCell | str]]] = {False: [], True: []}
    for name in map(str, order):
        row = known.get(name)
        score = row.score(target) if row is not None else None
        if row is None or score is None:
            continue
        ends = [math.nan, math.nan] if intervals is None else [float(intervals.loc[name, e]) for e in ("low", "high")]  # type: ignore[arg-type]
        interval = "–" if math.isnan(ends[0]) else " to ".join(number(end, digits) for end in ends)
        rank = ["–", "–", "–"]
        if ranks is not None and name in ranks.index:
            rank = [f"{score['mean_rank']:.2f}", f"{score['rank']:g}", f"{score['rank_low']} to {score['rank_high']}"]
        value = TableCell.number(score["value"], digits)
        groups[row.oracle].append([name_cell(row), value, interval, *rank, finding.letters.get(name, "")])
    numbers = (Column(heading, "right") for heading in ("value", "interval", "mean rank", "rank", "rank interval"))
    title = "mean over targets" if target == OVER_TARGETS and target not in block.targets else target
    return Table(f"{title}, {block.label}", ["separator", *numbers, "ties"], list(groups.values()))


def friedman_table(findings: Findings) -> pd.DataFrame:
    """Return one row a unit: Friedman's test with its effect size, or the refusal."""
    import pandas as pd

    rows = []
    for key, finding in findings.items():
        test = finding.friedman
        tested = finding.scores.without(finding.scores.oracles).values
        row: dict[str, object] = dict(zip(UNIT, key, strict=True))
        row |= {"n_tracks": len(tested), "n_separators": tested.shape[1]}
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
    """Return one row a metric and separator that has every target: the mean over targets, its interval, rank, ties."""
    import pandas as pd

    means = [row.score(OVER_TARGETS) for block in blocks for row in block.rows if block.has_mean]
    columns = ["dataset", "subset", "group", "metric", "preset", "targets", "separator", "params", "oracle"]
    columns += ["value", "low", "high", "improvement", "n_tracks", *STANDING[2:], "best", "best_or_tied"]
    return pd.DataFrame([mean for mean in means if mean is not None], columns=columns)


def scores_table(aggregated: pd.DataFrame, blocks: Sequence[Block]) -> pd.DataFrame:
    """Return the aggregated table with intervals, ranks, first places and training data beside the values."""
    import pandas as pd

    keys = [*UNIT, "separator", "params"]
    scores = [score for block in blocks for row in block.rows for score in row.scores.values()]
    added = pd.DataFrame(scores, columns=[*keys, *STANDING, "best", "best_or_tied", "trained_on_this"])
    return aggregated.merge(added, how="left", on=keys, validate="one_to_one")
