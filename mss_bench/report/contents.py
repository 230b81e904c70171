"""Contents of a report: the rows that its options choose, aggregated, tested and arranged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mss_bench.core.schema import FLOOR
from mss_bench.report.blocks import Block, Quantities, blocks
from mss_bench.report.facts import lower_is_better, trained_on
from mss_bench.report.findings import Findings, examine, unit_key
from mss_bench.report.idle import Idle
from mss_bench.report.options import Options
from mss_bench.report.selection import chosen_separators, labels, select
from mss_bench.stats.aggregate import aggregate
from mss_bench.stats.matrix import OVER_TARGETS, ScoreMatrix, mean_over_targets, score_matrices

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Contents", "arrange"]


@dataclass(frozen=True)
class Contents:
    """Contents of a report: what the options choose of the tables, arranged."""

    tracks: pd.DataFrame
    aggregated: pd.DataFrame
    blocks: list[Block]
    findings: Findings
    quantities: Quantities
    matrices: Mapping[tuple[str, ...], ScoreMatrix]  # by `unit_key`

    def matrix(self, block: Block, target: str) -> ScoreMatrix | None:
        """Return the scores of a target of a block, or of the mean over its targets, song by song."""
        place = (block.dataset, block.subset, block.group)
        own = [self.matrices.get((*place, t, block.metric, block.preset)) for t in block.targets]
        if target == OVER_TARGETS and block.has_mean:
            return mean_over_targets([m for m in own if m is not None]) if None not in own else None
        return own[block.targets.index(target)]


def arrange(
    tracks: pd.DataFrame,
    options: Options | None = None,
    *,
    quantities: Quantities = (),
    separators: Sequence[Mapping[str, Any]] = (),
    protocols: Sequence[Mapping[str, Any]] = (),
) -> Contents:
    """Choose rows of a track table, aggregate and test them, and arrange them into blocks.

    Parameters
    ----------
    tracks : DataFrame
        The track table.
    options : Options, optional
    quantities, separators, protocols : sequence of mapping
        Facts of metrics, methods and scoring protocols, as in ``run.json``.

    Raises
    ------
    UnknownNameError
        There is no such metric, target, separator, aggregation or rule.
    RunError
        The track table is malformed.
    """
    options = (options or Options()).of_run({})
    chosen = chosen_separators(tracks, options.separators)
    gap_to = options.gap_to
    if gap_to and gap_to not in set(labels(tracks)):  # a separator's name means its first variant
        gap_to = chosen_separators(tracks, [gap_to])[0]
    wanted = [*chosen, gap_to] if chosen and gap_to else chosen
    metrics = expand_families(options.metrics, quantities)
    table = select(tracks, metrics, options.targets, wanted, options.groups)
    rule: dict[str, Any] = {
        "aggregation": options.aggregation,
        "missing": options.missing,
        "lower_is_better": lower_is_better(quantities),
    }
    idle = Idle.of(tracks, separators)
    aggregated = idle.without_sar(aggregate(table, oracle=gap_to, **rule))
    hidden = {FLOOR, gap_to} - set(chosen) - {""} if chosen else set()
    aggregated = aggregated[~labels(aggregated).isin(hidden)].reset_index(drop=True)
    findings = {}
    matrices = [idle.without(scores, hidden) for scores in score_matrices(table, **rule)]
    if options.statistics is not None:
        statistic = "median" if options.aggregation == "median_of_medians" else "mean"
        findings = examine(
            matrices, statistic, options.statistics, training=trained_on(separators), idle=idle.methods
        )  # fmt: skip
    arranged = blocks(
        aggregated,
        quantities,
        findings=findings,
        training=trained_on(separators),
        idle=idle,
        sort=options.sort,
        metrics=metrics,
        targets=options.targets,
        separators=chosen,
    )
    if {protocol["aggregation"] for protocol in protocols} - {options.aggregation}:
        arranged = [replace(block, said_average=True) for block in arranged]
    by_unit = {unit_key(scores.unit): scores for scores in matrices}
    return Contents(table[~labels(table).isin(hidden)], aggregated, arranged, findings, quantities, by_unit)


def expand_families(metrics: Sequence[str], quantities: Quantities) -> list[str]:
    """Return the metrics with every family of them written out, bss_eval as SDR, ISR, SIR and SAR.

    A name of both, as 2f is, means the quantity: reports show quantities.
    """
    families: dict[str, list[str]] = {}
    for quantity in quantities:
        families.setdefault(str(quantity.get("family", "")), []).append(str(quantity["name"]))
    names = {str(quantity["name"]) for quantity in quantities}
    return [n for metric in metrics for n in ([metric] if metric in names else families.get(metric, [metric]))]
