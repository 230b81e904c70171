"""How the values came about and what tests say of them, in sentences and as tables: for CSV, Markdown and the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.text import percent
from mss_bench.report.blocks import Block, SeparatorRow
from mss_bench.report.findings import STANDING, Finding, Findings
from mss_bench.report.labels import renamed
from mss_bench.report.options import Style
from mss_bench.report.score_tables import default_columns, name_cell
from mss_bench.report.table import Column, Table, TableCell, number
from mss_bench.stats.choices import AGGREGATIONS, MISSING
from mss_bench.stats.effect import paired
from mss_bench.stats.intervals import FEWEST_DRAWN, KINDS, usual_kind
from mss_bench.stats.matrix import OVER_TARGETS
from mss_bench.stats.signed_rank import FEWEST
from mss_bench.stats.units import UNIT
from mss_bench.stats.verdicts import BEATEN_SOONER, Family

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "explanations", "friedman_table", "how_tested", "marks", "means_table", "overall", "pairs_table", "ranking",
    "scores_table",
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
        "gain": f"gain: improvement over the floor (the scaled mixture), paired by song{of}.",
        "gap": f"gap: how much better the oracle is, paired by song{of}.",
        "failed": "failed: songs with a failed cell.",
    }
    shown = [f"Values: {AGGREGATIONS[first.aggregation]}."]
    shown += [meanings[c] for c in style.columns or default_columns(first) if meanings.get(c)]
    rows = [row for block in blocks for row in block.rows]
    stood_in = any(score["n_imputed"] for row in rows for score in row.scores.values())
    if first.missing != "floor" or stood_in:
        shown.append(f"Songs: {MISSING[first.missing]}.")
    shown.append(_bold(rows, stood_in, " and what is not told apart from it" if style.bold == "tied" else ""))
    findings = [f for b in blocks for f in b.tested.values()]
    shown += [renamed(text, style.labels.by_name) for text in marks([f.family for f in findings])]
    if style.intervals and findings:
        first_of = findings[0]
        shown.append(f"In brackets: {percent(first_of.how.level)} confidence intervals ({_kind(first_of)}).")
    return " ".join(shown)


def _bold(rows: Sequence[SeparatorRow], stood_in: bool, tied: str) -> str:
    """Return what is bold, and which of the rows that are there cannot be."""
    never = {
        "oracles": any(row.oracle for row in rows),
        "the floor": any(row.kind == "floor" for row in rows),
        "what does nothing": any(row.kind == "does nothing" for row in rows),
        "values with stand-ins": stood_in,
        "values over fewer songs": any(score["n_lacking"] for row in rows for score in row.scores.values()),
        "methods trained on what is evaluated": any(row.leaks for row in rows),
    }
    names = [name for name, there in never.items() if there]
    left_out = f"; {' and '.join(filter(None, [', '.join(names[:-1]), names[-1]]))} are left out" if names else ""
    return f"Bold: the best of a column{tied}{left_out}."


def marks(families: Sequence[Family], *, of_columns: bool = True) -> list[str]:
    """Return what the marks of verdicts mean, or that the tracks are too few for any, of which column on request."""
    several = [f for f in families if f.compares]
    enough = [f for f in several if f.enough]
    few = [f for f in several if not f.enough]
    said = []
    if enough:
        said.append(f"≈: not told apart from the best ({enough[0].how}, p at least {enough[0].alpha:g}).")
    if any(f.may_be_best for f in several):
        sooner = f"; {BEATEN_SOONER}" if any(f.may_be_best for f in few) else ""
        sure = percent(1 - several[0].alpha)
        said.append(f"°: may be the best ({sure}; no other beats it in a one-sided test){sooner}.")
    if few:
        songs, methods, needed = (
            _range(numbers)
            for numbers in ([f.n_tracks for f in few], [len(f.ranked) for f in few], [f.n_min for f in few])
        )
        of = few[0].scores.unit
        target = "the mean of the targets" if of.get("target") == OVER_TARGETS else of.get("target")
        column = f"{of['metric']} of {target}: " if of_columns and target else ""
        ahead = f"; {column}{few[0].ahead}" if few[0].ahead else ""
        if enough or " to " in songs + methods:
            takes = f"{songs} songs; {methods} methods take {needed}"
            said.append(f"Columns with too few songs ({takes}) tell no pair apart{ahead}.")
        else:
            with_songs = f"With {songs} song{'s' * (songs != '1')}"
            said.append(f"{with_songs} no pair of {methods} methods can be told apart (it takes {needed}){ahead}.")
    return said


def _range(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return str(least) if least == most else f"{least} to {most}"


def _kind(finding: Finding) -> str:
    """Return the kind of intervals in words, of a single target; the mean over targets has its own."""
    return KINDS["bootstrap" if finding.how.interval == "bootstrap" else usual_kind(finding.statistic)]


def how_tested(finding: Finding) -> str:
    """Return what was done, in sentences."""
    test = finding.how
    return (
        f"Whether two methods differ is asked of their own scores on the same songs: {finding.family.how}. The"
        " family is all pairs of the ranked methods of a column: no oracles, nothing that does nothing, was"
        " trained on what is evaluated or lacks songs. Methods that share a letter are not told apart (p at least"
        f" {test.alpha:g}), all others are. The test is about the typical difference (Hodges and Lehmann's), which"
        " need not follow the order of medians or means. Kendall's W (0 to 1, after Friedman's test) is how much"
        f" the songs agree on the order; it is no permission to look at pairs. Intervals: {percent(test.level)},"
        f" {_kind(finding)}; they say how far a number may be off for other songs of the same kind. Below {FEWEST}"
        " songs there are neither tests nor intervals. The mean over targets is tested by each song's mean, and"
        f" has an interval from {FEWEST_DRAWN} songs (bootstrap of all targets alike)."
    )


def overall(block: Block) -> Table:
    """Return what the tests say of the mean over targets and of every target of a block."""
    rows: list[list[TableCell | str | int]] = []
    for target, finding in block.tested.items():
        verdicts, test = finding.family, finding.friedman
        agreement = f"{test.w:.2f}" if test is not None else "–"
        tied = ", ".join(verdicts.tied) or ("none" if verdicts.enough and verdicts.best else "–")
        names = [", ".join(verdicts.leaders) or "–", tied, ", ".join(verdicts.may_be_best) or "–"]
        rows.append([target, verdicts.n_tracks, len(verdicts.ranked), verdicts.n_min, agreement, *names])
    numbers = (Column(heading, "right") for heading in ("songs", "methods", "songs needed", "Kendall's W"))
    refused: dict[str, list[str]] = {}
    for target, finding in block.tested.items():
        if not finding.family.enough or not finding.family.best:
            refused.setdefault(finding.family.sentence, []).append(target)
    notes = [f"{', '.join(targets)}: {sentence}" for sentence, targets in refused.items()]
    texts = ("best", "not told apart from it", "may be the best")
    return Table(f"{block.name}: {block.caption}", ["target", *numbers, *texts], [rows], notes)


def ranking(block: Block, target: str, digits: int) -> Table:
    """Return intervals, ranks and letters of a target: ranked methods, the best first, then the others, then oracles.

    Methods without a value are left out.
    """
    finding = block.tested[target]
    verdicts = finding.family
    order = [*verdicts.ranked, *(name for name in verdicts.values if name not in verdicts.ranked)]
    known = {row.separator: row for row in block.rows}
    groups: dict[bool, list[list[TableCell | str]]] = {False: [], True: []}
    for name in order:
        row = known.get(name)
        score = row.score(target) if row is not None else None
        if row is None or score is None:
            continue
        interval = "–" if math.isnan(score["low"]) else " to ".join(number(score[e], digits) for e in ("low", "high"))
        ranks = [number(score["rank"], 0), number(score["mean_rank"], 2)]
        value = replace(TableCell.number(score["value"], digits), bold=score["best"])
        groups[row.oracle].append([name_cell(row), value, interval, *ranks, score["ties"]])
    numbers = (Column(heading, "right") for heading in ("value", "interval", "rank", "mean rank"))
    title = "mean over targets" if target == OVER_TARGETS and target not in block.targets else target
    return Table(f"{title}, {block.label}", ["separator", *numbers, "letters"], list(groups.values()))


def friedman_table(findings: Findings) -> pd.DataFrame:
    """Return one row a unit: what may be told apart, and the agreement of the tracks."""
    import pandas as pd

    rows = []
    for key, finding in findings.items():
        test, verdicts = finding.friedman, finding.family
        row: dict[str, object] = dict(zip(UNIT, key, strict=True))
        row |= {
            "n_tracks": verdicts.n_tracks, "n_separators": len(verdicts.ranked), "n_min": verdicts.n_min,
            "test": verdicts.test, "correction": verdicts.correction, "best": "; ".join(verdicts.leaders),
            "tied": "; ".join(verdicts.tied), "may_be_best": "; ".join(verdicts.may_be_best),
            "sentence": verdicts.sentence,
        }  # fmt: skip
        names = ("statistic", "df", "p", "w", "f", "f_p")
        row |= {f"friedman_{name}": getattr(test, name) if test else np.nan for name in names}
        rows.append(row | {"refused": "; ".join(finding.refusals)})
    return pd.DataFrame(rows)


def pairs_table(findings: Findings) -> pd.DataFrame:
    """Return one row a unit and pair of ranked methods: p values and effect sizes; empty where no pair was tested."""
    import pandas as pd

    parts = []
    for key, finding in findings.items():
        verdicts = finding.family
        if not verdicts.enough:
            continue
        i, j = np.triu_indices(len(verdicts.ranked), 1)
        table = paired(
            finding.scores.values[verdicts.ranked], higher_is_better=finding.scores.higher_is_better
        )  # fmt: skip
        table.insert(2, "p", verdicts.p.to_numpy()[i, j])
        table.insert(3, "p_alone", verdicts.p_alone.to_numpy()[i, j])
        table.insert(4, "test", verdicts.test)
        for i_column, (name, value) in enumerate(zip(UNIT, key, strict=True)):
            table.insert(i_column, name, value)
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*UNIT, "a", "b", "p"])


def means_table(blocks: Sequence[Block]) -> pd.DataFrame:
    """Return one row a metric and separator that has every target: the mean over targets, its interval, rank, ties."""
    import pandas as pd

    means = [row.score(OVER_TARGETS) for block in blocks for row in block.rows if block.has_mean]
    columns = ["dataset", "subset", "group", "metric", "preset", "targets", "separator", "params", "oracle"]
    columns += ["value", "low", "high", "improvement", "n_tracks", *STANDING[2:]]
    return pd.DataFrame([mean for mean in means if mean is not None], columns=columns)


def scores_table(aggregated: pd.DataFrame, blocks: Sequence[Block]) -> pd.DataFrame:
    """Return the aggregated table with intervals, ranks, first places and training data beside the values."""
    import pandas as pd

    keys = [*UNIT, "separator", "params"]
    scores = [score for block in blocks for row in block.rows for score in row.scores.values()]
    added = pd.DataFrame(scores, columns=[*keys, *STANDING, "trained_on_this"])
    return aggregated.merge(added, how="left", on=keys, validate="one_to_one")
