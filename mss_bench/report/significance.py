"""Tests, ranks and ties of a report as tables: for CSV, Markdown and the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.report.findings import Finding, Findings
from mss_bench.report.layout import Block, Row, number
from mss_bench.report.tables import markdown_escape, pipe
from mss_bench.stats.effect import paired
from mss_bench.stats.significance import POSTHOC
from mss_bench.stats.units import UNIT

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "OVERALL",
    "RANKING",
    "Overall",
    "Ranking",
    "friedman_table",
    "how_tested",
    "markdown_findings",
    "means_table",
    "overall",
    "p_text",
    "pairs_table",
    "ranking",
    "with_findings",
]

OVERALL = ("target", "tracks", "methods", "chi-square (df)", "p", "Kendall's W", "not different from the best")
RANKING = ("value", "interval", "mean rank", "rank", "rank interval", "ties")


@dataclass(frozen=True)
class Overall:
    """Friedman's test of a unit as texts, or why there is none."""

    target: str
    tracks: str
    methods: str
    statistic: str
    p: str
    w: str
    tied: str
    refusals: tuple[str, ...]

    @property
    def cells(self) -> list[str]:
        """In the order of the headings `OVERALL`."""
        return [self.target, self.tracks, self.methods, self.statistic, self.p, self.w, self.tied]


@dataclass(frozen=True)
class Ranking:
    """Methods of a unit with intervals, ranks and letters of ties; `rows` are in the order of the headings."""

    target: str
    rows: list[tuple[Row, list[str]]]  # method and texts


def how_tested(finding: Finding) -> str:
    """What was done, in sentences."""
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


def p_text(p: float) -> str:
    """``< 0.001``, ``0.012``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def overall(block: Block) -> list[Overall]:
    """Friedman's test of the mean over targets and of every target of a block that has findings."""
    found = []
    for target, finding in block.tested.items():
        tested = finding.scores.without(finding.scores.oracles)
        test = finding.friedman
        best = next((r.method for r in block.methods if (cell := r.cell(target)) is not None and cell.best), "")
        tied = set(finding.tied(best)) - {best} if best else set()
        order = [str(name) for name in finding.ranks.index] if finding.ranks is not None else []
        names = ", ".join(name for name in order if name in tied) or "none"
        found.append(
            Overall(
                target=target,
                tracks=str(len(tested.values)),
                methods=str(tested.values.shape[1]),
                statistic=f"{test.statistic:.1f} ({test.df})" if test else "–",
                p=p_text(test.p) if test else "–",
                w=f"{test.w:.2f}" if test else "–",
                tied=f"{best}: {names}" if best and finding.p is not None else "–",
                refusals=tuple(finding.refusals),
            )
        )
    return found


def ranking(block: Block, target: str, digits: int) -> Ranking:
    """Methods of a target, the best mean rank first, then oracles; those without a value are left out."""
    finding = block.tested[target]
    scores, ranks, intervals = finding.scores, finding.ranks, finding.intervals
    order = list(ranks.index) if ranks is not None else []
    order += [name for name in scores.values.columns if name not in order]
    known = {row.method: row for row in block.rows}
    rows = []
    for name in map(str, order):
        row = known.get(name)
        cell = row.cell(target) if row is not None else None
        if row is None or cell is None:
            continue
        ends = [math.nan, math.nan] if intervals is None else [float(intervals.loc[name, e]) for e in ("low", "high")]  # type: ignore[arg-type]
        interval = "–" if math.isnan(ends[0]) else " to ".join(number(end, digits) for end in ends)
        texts = [number(cell.value, digits), interval, "–", "–", "–", finding.letters.get(name, "")]
        if ranks is not None and name in ranks.index:
            of = ranks.loc[name]
            texts[2:5] = [f"{of['mean_rank']:.2f}", f"{of['rank']:g}", f"{of['rank_low']} to {of['rank_high']}"]
        rows.append((row, texts))
    return Ranking(target, rows)


def markdown_findings(blocks: Sequence[Block], digits: int) -> str:
    """The section "Significance" of a report in Markdown; nothing without findings."""
    if not any(block.findings for block in blocks):
        return ""
    finding = next(f for block in blocks for f in block.findings.values())
    lines = ["## Significance", "", markdown_escape(how_tested(finding)), ""]
    seen: set[str] = set()
    for block in blocks:
        if not block.findings:
            continue
        lines += [f"### {markdown_escape(block.title)}", "", pipe(OVERALL), pipe(["---", *["---:"] * 5, "---"])]
        found = overall(block)
        lines += [pipe([markdown_escape(cell) for cell in each.cells]) for each in found]
        notes = {note: [e.target for e in found if note in e.refusals] for e in found for note in e.refusals}
        lines += ["", *(f"- {markdown_escape(', '.join(of) + ': ' + note)}" for note, of in notes.items())]
        lines += [""] if notes else []
        if block.name in seen:  # in full for the first metric; the page has the others
            continue
        seen.add(block.name)
        for target in block.tested:
            lines += [f"**{markdown_escape(f'{target}, {block.label}')}**", "", pipe(["method", *RANKING])]
            lines.append(pipe(["---", *["---:"] * (len(RANKING) - 1), "---"]))
            for row, texts in ranking(block, target, digits).rows:
                kind = " (oracle)" if row.oracle else " (floor)" if row.floor else ""
                lines.append(pipe([markdown_escape(cell) for cell in (row.name + kind, *texts)]))
            lines.append("")
    return "\n".join(lines)


def friedman_table(findings: Findings) -> pd.DataFrame:
    """One row a unit: Friedman's test with its effect size, or the refusal."""
    import pandas as pd

    rows = []
    for key, finding in findings.items():
        test = finding.friedman
        tested = finding.scores.without(finding.scores.oracles).values
        row: dict[str, object] = dict(zip(UNIT, key, strict=True)) | {
            "n_tracks": len(tested),
            "n_methods": tested.shape[1],
        }
        names = ("statistic", "df", "p", "w", "f", "f_p")
        row |= {f"friedman_{name}": getattr(test, name) if test else np.nan for name in names}
        rows.append(row | {"refused": "; ".join(finding.refusals)})
    return pd.DataFrame(rows)


def pairs_table(findings: Findings) -> pd.DataFrame:
    """One row a unit and pair of methods: p value and effect sizes; empty where no pair was tested."""
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
    """One row a metric and method that has every target: the mean over targets, its interval, rank and ties."""
    import pandas as pd

    places = ("dataset", "subset", "group", "metric", "preset")
    names = ("mean_rank", "rank", "rank_low", "rank_high")
    rows = []
    for block in blocks:
        finding = block.over_targets
        ranked = finding.ranks if finding is not None else None
        for row in block.rows:
            if (cell := row.over) is None:
                continue
            of: Mapping[Any, Any] = {}
            if ranked is not None and row.method in ranked.index:
                of = ranked.loc[row.method].to_dict()
            rows.append(
                {name: getattr(block, name) for name in places}
                | {"targets": ", ".join(block.targets), "method": row.method, "oracle": row.oracle}
                | {"value": cell.value, "low": cell.low, "high": cell.high, "improvement": cell.improvement}
                | {"n_tracks": cell.n_tracks}
                | {name: of.get(name, np.nan) for name in names}
                | {"ties": finding.letters.get(row.method, "") if finding else "", "best": cell.best}
                | {"best_or_tied": cell.bold}
            )
    columns = (*places, "targets", "method", "oracle", "value", "low", "high", "improvement", "n_tracks", *names)
    return pd.DataFrame(rows, columns=[*columns, "ties", "best", "best_or_tied"])


def with_findings(aggregated: pd.DataFrame, blocks: Sequence[Block]) -> pd.DataFrame:
    """The aggregated table with intervals, ranks, first places and training data beside the values."""
    import pandas as pd

    where = {(b.dataset, b.subset, b.group, t, b.metric, b.preset): b for b in blocks for t in b.targets}
    rows = []
    for record in aggregated[[*UNIT, "method"]].to_dict("records"):
        block = where[tuple(record[name] for name in UNIT)]
        row = next(r for r in block.rows if r.method == record["method"])
        cell, finding = row.cells[record["target"]], block.findings.get(record["target"])
        ranks = finding.ranks if finding is not None else None
        of: Mapping[Any, Any] = {}
        if ranks is not None and row.method in ranks.index:
            of = ranks.loc[row.method].to_dict()
        rows.append(
            {"low": cell.low, "high": cell.high}
            | {name: of.get(name, np.nan) for name in ("mean_rank", "rank", "rank_low", "rank_high")}
            | {"ties": finding.letters.get(row.method, "") if finding else "", "best": cell.best}
            | {"best_or_tied": cell.bold, "trained_on_this": "; ".join(row.leaks)}
        )
    beside = pd.DataFrame(rows, index=aggregated.index)
    return pd.concat([aggregated, beside], axis=1)
