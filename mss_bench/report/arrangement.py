"""From an aggregated table to blocks: rows sorted, first places, ties, intervals and leakage marked.

A block is one metric of one target group. Its methods are sorted by their mean over the targets; methods that deliver
only some of the targets follow, sorted by their improvement, as a mean over fewer targets compares with nothing;
methods without any value come last. Oracles are kept apart, sorted the same way. Other orders can be asked for.

The first place, printed bold, and what is statistically tied with it, go to methods alone: not to oracles, nor to
values with stand-ins or infinite ones, nor to a method that was trained on what is evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mss_bench.core.schema import FLOOR
from mss_bench.errors import UnknownNameError
from mss_bench.report.findings import Finding, Findings
from mss_bench.report.layout import TARGETS, UNITLESS, Block, Cell, Quantities, Row, metric_order, ordered
from mss_bench.report.leakage import overlap
from mss_bench.report.notes import notes
from mss_bench.stats.matrix import OVER_TARGETS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SORTS", "blocks"]

SORTS = ("mean", "gain", "name", "given")
"""Orders of rows; the name of a target is one, too."""


def blocks(
    aggregated: pd.DataFrame,
    quantities: Quantities = (),
    digits: int = 2,
    *,
    findings: Findings | None = None,
    training: Mapping[str, Sequence[str]] | None = None,
    sort: str = "mean",
    metrics: Sequence[str] = (),
    targets: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> list[Block]:
    """Arrange an aggregated table into blocks.

    Parameters
    ----------
    aggregated : DataFrame
        From `mss_bench.stats.aggregate.aggregate`.
    quantities : sequence of mapping
        Units and directions of the metrics; unknown ones are in dB and better when higher.
    digits : int
        Decimals that will be printed: values that print alike share the first place.
    findings : mapping, optional
        From `mss_bench.report.findings.examine`.
    training : mapping, optional
        From `trained_on`.
    sort : str
        One of `SORTS` or a target; blocks without that target are sorted by the mean.
    metrics, targets, methods : sequence of str
        The order of blocks, of columns, and of rows where `sort` is ``given``; by default the usual one.

    Returns
    -------
    list of Block
        Sorted by data set, subset and group as they appear, then by metric.

    Raises
    ------
    UnknownNameError
        `sort` is neither an order nor a target.
    """
    if sort not in SORTS and not aggregated.empty and sort not in set(aggregated["target"]):
        raise UnknownNameError("order of rows", sort, [*SORTS, *set(map(str, aggregated["target"]))])
    known = {str(q["name"]): q for q in quantities}
    arrange = _Arrangement(digits, findings or {}, training or {}, sort, tuple(targets), tuple(methods))
    found: list[Block] = []
    for (dataset, subset, group), part in aggregated.groupby(["dataset", "subset", "group"], sort=False):
        presets = part.groupby("metric", sort=False)["preset"].unique()
        order = ordered(part["metric"], metrics) if metrics else metric_order(part["metric"], quantities)
        for metric in order:
            facts = known.get(metric, {})
            for preset in presets[metric]:
                table = part[(part["metric"] == metric) & (part["preset"] == preset)]
                head: dict[str, Any] = {
                    "dataset": str(dataset),
                    "subset": str(subset),
                    "group": str(group),
                    "metric": metric,
                    "preset": str(preset),
                    "label": metric if len(presets[metric]) == 1 else f"{metric} [{preset}]",
                    "unit": str(facts.get("unit", "" if metric in UNITLESS else "dB")),
                    "higher_is_better": bool(facts.get("higher_is_better", True)),
                    "aggregation": str(table["aggregation"].iloc[0]),
                    "missing": str(table["missing"].iloc[0]),
                }
                found.append(arrange.block(table, head))
    return found


@dataclass(frozen=True)
class _Arrangement:
    """How blocks are arranged."""

    digits: int
    findings: Findings
    training: Mapping[str, Sequence[str]]
    sort: str
    targets: tuple[str, ...]
    methods: tuple[str, ...]

    def block(self, table: pd.DataFrame, head: dict[str, Any]) -> Block:
        targets = ordered(table["target"], self.targets or TARGETS)
        records = [{str(k): v for k, v in record.items()} for record in table.to_dict("records")]
        place = (head["dataset"], head["subset"], head["group"])
        findings = {t: self.findings.get((*place, t, head["metric"], head["preset"])) for t in targets}
        sign = 1.0 if head["higher_is_better"] else -1.0
        by_method: dict[str, list[dict[str, Any]]] = {}
        for record in records:
            by_method.setdefault(record["method"], []).append(record)
        rows = [self._row(found, targets, findings, head) for found in by_method.values()]
        for target in targets:
            rows = _with_best(rows, target, findings[target], sign, self.digits)
        over = None
        if len(targets) > 1 and OVER_TARGETS not in targets:
            over = self.findings.get((*place, OVER_TARGETS, head["metric"], head["preset"]))
            rows = _with_best([_with_mean(row, over) for row in rows], OVER_TARGETS, over, sign, self.digits)
        rows.sort(key=lambda row: self._rank(row, sign))
        return Block(
            **head,
            targets=targets,
            methods=[row for row in rows if not row.oracle],
            oracles=[row for row in rows if row.oracle],
            n_tracks={t: max(r["n_tracks"] for r in records if r["target"] == t) for t in targets},
            n_left_out={t: max(r["n_left_out"] for r in records if r["target"] == t) for t in targets},
            notes=notes(rows, records, targets),
            findings={t: f for t, f in findings.items() if f is not None},
            over_targets=over,
        )

    def _row(
        self, records: list[dict[str, Any]], targets: list[str], findings: Mapping[str, Finding | None],
        head: Mapping[str, str],
    ) -> Row:  # fmt: skip
        first = records[0]
        cells = {r["target"]: _cell(r, findings[r["target"]]) for r in records}
        flags = {f: 0 for r in records for f in r["flags"].split(",") if f}

        def mean(name: str) -> float:
            return _mean([getattr(cells[t], name) if t in cells else math.nan for t in targets])

        return Row(
            method=first["method"],
            oracle=bool(first["oracle"]),
            floor=first["separator"] == FLOOR and not first["params"],
            cells=cells,
            mean=mean("value"),
            improvement=mean("improvement"),
            n_failed=max(cell.n_failed for cell in cells.values()),
            flags=", ".join(sorted(flags)),
            gap=mean("gap"),
            leaks=tuple(overlap(self.training.get(first["method"], ()), head["dataset"], head["subset"])),
        )

    def _rank(self, row: Row, sign: float) -> tuple[Any, ...]:
        """Where a row stands: by what was asked for, then complete, partial and empty methods."""
        usual = _rank(row, sign)
        if self.sort == "name":
            return (row.method.casefold(), row.method)
        if self.sort == "given":
            return (self.methods.index(row.method) if row.method in self.methods else len(self.methods), usual)
        if self.sort == "gain" and not math.isnan(row.improvement):
            return (0, -row.improvement)
        value = row.cells[self.sort].value if self.sort in row.cells else math.nan
        if not math.isnan(value):
            return (0, -sign * value)
        return usual if self.sort == "mean" else (1, *usual)


def _interval(method: str, finding: Finding | None) -> tuple[float, float]:
    if finding is None or finding.intervals is None or method not in finding.intervals.index:
        return math.nan, math.nan
    low, high = finding.intervals.loc[[method], ["low", "high"]].to_numpy(dtype=float)[0]
    return float(low), float(high)


def _with_mean(row: Row, finding: Finding | None) -> Row:
    """The row with its mean over the targets as a cell; a method that lacks a target has none."""
    if math.isnan(row.mean):
        return row
    cells = list(row.cells.values())
    low, high = _interval(row.method, finding)
    counts = {name: max(getattr(c, name) for c in cells) for name in ("n_imputed", "n_inf", "n_failed", "n_undefined")}
    n_tracks = len(finding.scores.values) if finding is not None else min(c.n_tracks for c in cells)
    return replace(row, over=Cell(row.mean, row.improvement, n_tracks, **counts, gap=row.gap, low=low, high=high))


def _cell(record: Mapping[str, Any], finding: Finding | None) -> Cell:
    low, high = _interval(record["method"], finding)
    return Cell(
        value=record["value"],
        improvement=record["improvement"],
        gap=record["gap"],
        n_tracks=int(record["n_tracks"]),
        n_imputed=int(record["n_imputed"]),
        n_inf=int(record["n_inf"]),
        n_failed=int(record["n_failed"]),
        n_undefined=int(record["n_undefined"]),
        low=low,
        high=high,
    )


def _with_best(rows: list[Row], target: str, finding: Finding | None, sign: float, digits: int) -> list[Row]:
    """The rows with the first place of a target marked, and what is tied with it; nobody is first among one."""
    competing = {row.method: cell for row in rows if not row.oracle and (cell := row.cell(target)) is not None}
    leaking = {row.method for row in rows if row.leaks}
    runs_for_it = {
        method: cell.value
        for method, cell in competing.items()
        if method not in leaking and not cell.n_imputed and math.isfinite(cell.value)
    }
    if len(competing) < 2 or not runs_for_it:
        return rows
    first = max(runs_for_it, key=lambda name: sign * runs_for_it[name])
    best = round(runs_for_it[first], digits)
    tied = set(finding.tied(first)) if finding is not None else set()
    marked = []
    for row in rows:
        if row.method in runs_for_it:
            is_best = round(runs_for_it[row.method], digits) == best
            cell = replace(competing[row.method], best=is_best, tied=row.method in tied)
            whole = row.over is not None and target == OVER_TARGETS
            row = replace(row, over=cell) if whole else replace(row, cells=row.cells | {target: cell})
        marked.append(row)
    return marked


def _mean(values: list[float]) -> float:
    """Mean over targets; -inf where infinities of both signs meet."""
    return -math.inf if -math.inf in values else sum(values) / len(values)


def _rank(row: Row, sign: float) -> tuple[int, float]:
    """Complete methods by mean, then partial ones by improvement, then those without a value."""
    if not math.isnan(row.mean):
        return (0, -sign * row.mean)
    gains = [c.improvement for c in row.cells.values() if not math.isnan(c.improvement)]
    values = [sign * c.value for c in row.cells.values() if not math.isnan(c.value)]
    return (1, -_mean(gains or values)) if values else (2, 0.0)
