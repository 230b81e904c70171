"""From the aggregated table to what is printed of it: one block a metric and group, one row a separator.

`blocks` sorts the rows of the aggregated table and adds what a reader looks for: intervals, ranks, first places, and
training data that are evaluated here. `mss_bench.report.score_tables` prints them.

Order
    Separators are sorted by their mean over the targets; those that deliver only some of the targets follow, sorted by
    their improvement, as a mean over fewer targets compares with nothing; those without any value come last. Oracles
    are kept apart, sorted the same way. Other orders can be asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mss_bench.core.schema import does_nothing, is_floor, method_label
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.report.findings import Finding, Findings, standing
from mss_bench.report.idle import Idle
from mss_bench.report.leakage import overlap
from mss_bench.stats.matrix import OVER_TARGETS
from mss_bench.stats.signed_rank import DIGITS
from mss_bench.stats.units import UNIT

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "SORTS", "TARGETS", "Block", "Quantities", "ScoreRow", "SeparatorRow", "blocks", "ordered", "song_count",
]  # fmt: skip

Quantities = Sequence[Mapping[str, Any]]
"""What is known of metrics: ``name``, ``unit``, ``higher_is_better``, ``definition``, each optional but the first."""

ScoreRow = dict[str, Any]
"""A row of the aggregated table with further columns: `mss_bench.report.findings.STANDING`, ``trained_on_this``. The
mean over targets is such a row, too, with the columns that a mean has."""

SORTS = ("mean", "gain", "name", "given")
"""Orders of rows; the name of a target is one, too."""

TARGETS = ("vocals", "drums", "bass", "other", "accompaniment")
"""Targets in the order of columns; others follow as they come."""

_METRICS = ("SDR", "SIR", "ISR", "SAR", "uSDR", "SI-SDR")
_UNITLESS = ("PESQ", "STOI", "ESTOI")
_VALUES = ("value", "improvement", "gap")
_COUNTS = ("n_imputed", "n_inf", "n_lacking", "n_failed", "n_undefined")


@dataclass(frozen=True)
class SeparatorRow:
    """The scores of a separator in a block."""

    separator: str  # as it is written: hpss:power=2
    oracle: bool
    scores: dict[str, ScoreRow]  # by target; a target that is not delivered is absent
    mean: ScoreRow  # over the targets; its value is NaN unless every target has one
    leaks: tuple[str, ...] = ()  # training data that are evaluated here
    idle: bool = False  # it does nothing
    imitates: bool = False  # which its scores say, and its name does not

    @property
    def kind(self) -> str:
        """Return ``method``, ``oracle``, ``floor`` or ``does nothing``."""
        if is_floor(self.separator):
            return "floor"
        return "oracle" if self.oracle else "does nothing" if self.idle else "method"

    @property
    def ranked(self) -> bool:
        """Return whether the row competes for first places: a method that may be compared with the others."""
        return self.kind == "method" and not self.leaks

    @property
    def flags(self) -> list[str]:
        """Return the flags of all targets."""
        return sorted({flag for score in self.scores.values() for flag in score["flags"].split(",") if flag})

    def score(self, target: str) -> ScoreRow | None:
        """Return the score of a target or, as `OVER_TARGETS`, of the mean; None where there is none."""
        if target == OVER_TARGETS and target not in self.scores:
            return None if math.isnan(self.mean["value"]) else self.mean
        return self.scores.get(target)


@dataclass(frozen=True)
class Block:
    """One metric of one target group, separators against targets."""

    dataset: str
    subset: str
    group: str
    metric: str
    preset: str
    label: str  # the metric, with its preset where the group has it with several
    unit: str
    higher_is_better: bool
    aggregation: str
    missing: str  # the rule for missing cells
    targets: list[str]
    n_tracks: dict[str, int]  # tracks that count, by target
    n_left_out: dict[str, int]
    has_floor: bool
    tested: dict[str, Finding] = field(default_factory=dict)  # by target, the mean first; empty without tests
    rows: list[SeparatorRow] = field(default_factory=list)  # sorted, oracles last
    said_average: bool = False  # whether headings say the aggregation, where numbers by others stand beside

    @property
    def has_mean(self) -> bool:
        """Return whether there is a mean over several targets; a data set may have a target of that name."""
        return len(self.targets) > 1 and OVER_TARGETS not in self.targets

    @property
    def with_mean(self) -> list[str]:
        """Return the targets, led by their mean (`OVER_TARGETS`) where it says more than they do."""
        return [OVER_TARGETS, *self.targets] if self.has_mean else self.targets

    @property
    def findings(self) -> dict[str, Finding]:
        """Return findings by target, without those of the mean over targets."""
        return {target: self.tested[target] for target in self.targets if target in self.tested}

    @property
    def name(self) -> str:
        """Return data set, subset and group, e.g. ``musdb18 test, 4stem``."""
        return f"{self.dataset} {self.subset}".strip() + (f", {self.group}" if self.group else "")

    @property
    def quantity(self) -> str:
        """Return metric and unit, ``SDR (dB)``."""
        return self.label + (f" ({self.unit})" if self.unit else "")

    @property
    def caption(self) -> str:
        """Return e.g. ``SDR (dB), 50 songs``."""
        lower = "" if self.higher_is_better else ", lower is better"
        return f"{self.quantity}{lower}, {song_count(self.n_tracks.values())}{self.averaged}"

    @property
    def averaged(self) -> str:
        """Return the aggregation as the end of a heading; empty where that does not say it."""
        return f", {self.aggregation.replace('_', ' ')}" if self.said_average else ""

    def room(self, target: str, name: str) -> tuple[str, float] | None:
        """Return the best oracle of a target, and how much better it is than a method; None without both."""
        scores = {row.separator: score for row in self.rows if (score := row.score(target)) is not None}
        values = {other: float(score["value"]) for other, score in scores.items() if math.isfinite(score["value"])}
        sign = 1.0 if self.higher_is_better else -1.0
        oracles = [row.separator for row in self.rows if row.oracle and row.separator in values]
        if not oracles or name not in values:
            return None
        best = max(oracles, key=lambda oracle: sign * values[oracle])
        return best, sign * (values[best] - values[name])

    def of_target(self, target: str) -> Block:
        """Return the block of one target alone."""
        scores = [(row, row.scores[target]) for row in self.rows if target in row.scores]
        rows = [replace(row, scores={target: score}, mean=score) for row, score in scores]
        return replace(self, targets=[target], rows=rows)


def song_count(counts: Iterable[int]) -> str:
    """Return ``50 songs``, ``1 song`` or ``49-50 songs``."""
    least, most = min(counts := list(counts)), max(counts)
    number = str(most) if least == most else f"{least}-{most}"
    return f"{number} song{'' if number == '1' else 's'}"


def ordered(names: Iterable[str], known: Sequence[str] = TARGETS) -> list[str]:
    """Return names without repetition, those that are known first and in that order."""
    distinct = list(dict.fromkeys(names))
    return sorted(distinct, key=lambda name: known.index(name) if name in known else len(known) + distinct.index(name))


def blocks(
    aggregated: pd.DataFrame,
    quantities: Quantities = (),
    *,
    findings: Findings | None = None,
    training: Mapping[str, Sequence[str]] | None = None,
    idle: Idle | None = None,
    sort: str = "mean",
    metrics: Sequence[str] = (),
    targets: Sequence[str] = (),
    separators: Sequence[str] = (),
) -> list[Block]:
    """Arrange an aggregated table into blocks.

    Parameters
    ----------
    aggregated : DataFrame
        From `mss_bench.stats.aggregate.aggregate`.
    quantities : sequence of mapping
        Units and directions of the metrics; unknown ones are in dB and better when higher.
    findings : mapping, optional
        From `mss_bench.report.findings.examine`.
    training : mapping, optional
        From `mss_bench.report.facts.trained_on`.
    idle : Idle, optional
        What does nothing; by default what is called so.
    sort : str
        One of `SORTS` or a target; blocks without that target are sorted by the mean.
    metrics, targets, separators : sequence of str
        The order of blocks, of columns, and of rows where `sort` is ``given``; by default the usual one.

    Returns
    -------
    list of Block
        Sorted by data set, subset and group as they appear, then by metric.

    Raises
    ------
    RunError
        The table was made by an earlier version.
    UnknownNameError
        `sort` is neither an order nor a target.
    """
    if "method" in aggregated:
        raise RunError(
            "the aggregated table has a column 'method', as earlier versions made it; the columns 'separator' and "
            "'params' name a row now: aggregate the tracks again"
        )
    if sort not in SORTS and not aggregated.empty and sort not in set(aggregated["target"]):
        raise UnknownNameError("order of rows", sort, [*SORTS, *set(map(str, aggregated["target"]))])
    known = {str(q["name"]): q for q in quantities}
    arranged: list[Block] = []
    for _, part in aggregated.groupby(["dataset", "subset", "group"], sort=False):
        presets = part.groupby("metric", sort=False)["preset"].unique()
        for metric in ordered(part["metric"], metrics or [*_METRICS, *known]):
            for preset in presets[metric]:
                of_block = part[(part["metric"] == metric) & (part["preset"] == preset)]
                records = [{str(k): v for k, v in record.items()} for record in of_block.to_dict("records")]
                label = metric if len(presets[metric]) == 1 else f"{metric} [{preset}]"
                block = _without_rows(records, label, known.get(metric, {}), targets or TARGETS)
                keys = {t: (block.dataset, block.subset, block.group, t, metric, preset) for t in block.with_mean}
                block.tested.update({t: findings[key] for t, key in keys.items() if findings and key in findings})
                block.rows.extend(_rows(block, records, training or {}, idle or Idle()))
                for target in block.with_mean:
                    if target not in block.tested:
                        _mark_best(block, target)
                block.rows.sort(key=lambda row, of=block: (row.oracle, *_place(row, of, sort, separators)))  # type: ignore[misc]
                arranged.append(block)
    return arranged


def _without_rows(records: list[ScoreRow], label: str, facts: Mapping[str, Any], order: Sequence[str]) -> Block:
    first = records[0]
    of_target: dict[str, list[ScoreRow]] = {target: [] for target in ordered((r["target"] for r in records), order)}
    for record in records:
        of_target[record["target"]].append(record)
    return Block(
        dataset=first["dataset"],
        subset=first["subset"],
        group=first["group"],
        metric=first["metric"],
        preset=first["preset"],
        label=label,
        unit=str(facts.get("unit", "" if first["metric"] in _UNITLESS else "dB")),
        higher_is_better=bool(facts.get("higher_is_better", True)),
        aggregation=first["aggregation"],
        missing=first["missing"],
        targets=list(of_target),
        n_tracks={t: max(r["n_tracks"] for r in own) for t, own in of_target.items()},
        n_left_out={t: max(r["n_left_out"] for r in own) for t, own in of_target.items()},
        has_floor=not all("no_floor" in r["flags"].split(",") for r in records),
    )


def _rows(
    block: Block, records: list[ScoreRow], training: Mapping[str, Sequence[str]], idle: Idle
) -> Iterator[SeparatorRow]:
    """Yield a row a separator, unsorted, with what the findings of the block say of it."""
    by_separator: dict[str, list[ScoreRow]] = {}
    for record in records:
        by_separator.setdefault(method_label(record["separator"], record["params"]), []).append(record)
    for separator, own in by_separator.items():
        leaks = tuple(overlap(training.get(separator, ()), block.dataset, block.subset))
        scores = {r["target"]: r for r in own}
        over_targets = block.tested.get(OVER_TARGETS) if block.has_mean else None
        mean = _mean_score(scores, block, over_targets)
        for score, finding in [*((r, block.tested.get(t)) for t, r in scores.items()), (mean, over_targets)]:
            score |= standing(finding, separator) | {"trained_on_this": "; ".join(leaks)}
        is_idle = separator in idle.methods or does_nothing(separator)
        yield SeparatorRow(
            separator, bool(own[0]["oracle"]), scores, mean, leaks, is_idle, separator in idle.imitations
        )


def _mean_score(scores: Mapping[str, ScoreRow], block: Block, finding: Finding | None) -> ScoreRow:
    """Return the mean over the targets as a score; NaN where a target lacks a value."""
    first = next(iter(scores.values()))
    mean = {name: first[name] for name in (*UNIT, "separator", "params", "oracle")}
    mean |= {"target": OVER_TARGETS, "targets": ", ".join(block.targets)}
    mean |= {name: _mean([scores[t][name] if t in scores else math.nan for t in block.targets]) for name in _VALUES}
    # The mean is marked as its worst target is: a single stand-in keeps it from the first place.
    mean |= {name: max(score[name] for score in scores.values()) for name in _COUNTS}
    # Tests of the mean are over the tracks that count for every target.
    mean["n_tracks"] = len(finding.scores.values) if finding else min(score["n_tracks"] for score in scores.values())
    return mean


def _mean(values: list[float]) -> float:
    """Return the mean; -inf where infinities of both signs meet."""
    return -math.inf if -math.inf in values else sum(values) / len(values)


def _mark_best(block: Block, target: str) -> None:
    """Mark the best of a target that was not tested; nothing where only one competes, or all have the same value."""
    competing = [score for row in block.rows if row.ranked and (score := row.score(target)) is not None]
    # Stand-ins and infinite values may be ahead, but are not named as the best.
    eligible = [s for s in competing if not s["n_imputed"] and not s["n_lacking"] and math.isfinite(s["value"])]
    if len({round(score["value"], DIGITS) for score in competing}) < 2 or not eligible:
        return
    top = (max if block.higher_is_better else min)(score["value"] for score in eligible)
    for score in eligible:
        score["best"] = round(score["value"], DIGITS) == round(top, DIGITS)


def _place(row: SeparatorRow, block: Block, sort: str, separators: Sequence[str]) -> tuple[Any, ...]:
    """Return where a row stands: by what was asked for, then complete, partial and empty rows."""
    sign = 1.0 if block.higher_is_better else -1.0
    usual: tuple[int, float] = (2, 0.0)
    gains = [s["improvement"] for s in row.scores.values() if not math.isnan(s["improvement"])]
    values = [sign * s["value"] for s in row.scores.values() if not math.isnan(s["value"])]
    if not math.isnan(row.mean["value"]) and not row.mean["n_lacking"]:
        usual = (0, -sign * row.mean["value"])
    elif values:
        usual = (1, -_mean(gains or values))
    if sort == "name":
        return (row.separator.casefold(), row.separator)
    if sort == "given":
        return (separators.index(row.separator) if row.separator in separators else len(separators), usual)
    if sort == "gain" and not math.isnan(row.mean["improvement"]):
        return (0, -row.mean["improvement"])
    value = row.scores[sort]["value"] if sort in row.scores else math.nan
    if not math.isnan(value):
        return (0, -sign * value)
    return usual if sort == "mean" else (1, *usual)
