"""From an aggregated table to blocks of methods against targets: sorted, with first places, ties and leakage marked.

A block is one metric of one target group. Its methods are sorted by their mean over the targets; methods that deliver
only some of the targets follow, sorted by their improvement, as a mean over fewer targets compares with nothing;
methods without any value come last. Oracles are kept apart, sorted the same way. Other orders can be asked for.

The first place, printed bold, and what is statistically tied with it, go to methods alone: not to oracles, nor to
values with stand-ins or infinite ones, nor to a method that was trained on what is evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mss_bench.core.schema import is_floor
from mss_bench.errors import UnknownNameError
from mss_bench.report.findings import Finding, Findings
from mss_bench.report.leakage import overlap
from mss_bench.stats.matrix import OVER_TARGETS

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "SORTS",
    "TARGETS",
    "Block",
    "MethodRow",
    "MethodScore",
    "Quantities",
    "blocks",
    "lower_is_better",
    "name_maps",
    "ordered",
    "trained_on",
]  # fmt: skip

Quantities = Sequence[Mapping[str, Any]]
"""What is known of metrics: ``name``, ``unit``, ``higher_is_better``, ``definition``, each optional but the first."""

SORTS = ("mean", "gain", "name", "given")
"""Orders of rows; the name of a target is one, too."""

TARGETS = ("vocals", "drums", "bass", "other", "accompaniment")
"""Targets in the order of columns; others follow as they come."""

_METRICS = ("SDR", "SIR", "ISR", "SAR", "uSDR", "SI-SDR")
_UNITLESS = ("PESQ", "STOI", "ESTOI")


@dataclass(frozen=True)
class MethodScore:
    """An aggregated value of a method, of one target or the mean over all."""

    value: float  # NaN where every cell of the method failed
    improvement: float
    gap: float  # to the oracle that was asked for
    n_tracks: int
    n_imputed: int
    n_inf: int
    n_failed: int
    n_undefined: int
    low: float = math.nan  # of the confidence interval; NaN where there is none
    high: float = math.nan
    best: bool = False
    tied: bool = False  # with the best, statistically

    @property
    def bold(self) -> bool:
        """Return whether tables print it bold."""
        return self.best or self.tied

    @property
    def marks(self) -> str:
        """Return ``*`` where the floor stands in, ``†`` where single tracks are infinite."""
        return ("*" if self.n_imputed else "") + ("†" if self.n_inf else "")


@dataclass(frozen=True)
class MethodRow:
    """A method of a block."""

    method: str
    oracle: bool
    floor: bool
    scores: dict[str, MethodScore]  # by target; a target that is not delivered is absent
    mean: MethodScore  # over the targets; its value is NaN unless every target has one
    flags: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()  # training data that are evaluated here

    @property
    def kind(self) -> str:
        """Return ``method``, ``oracle`` or ``floor``."""
        return "floor" if self.floor else "oracle" if self.oracle else "method"

    def score(self, target: str) -> MethodScore | None:
        """Return the score of a target or, as `OVER_TARGETS`, of the mean; None where there is none."""
        if target == OVER_TARGETS and target not in self.scores:
            return None if math.isnan(self.mean.value) else self.mean
        return self.scores.get(target)


@dataclass(frozen=True)
class Block:
    """One metric of one target group, methods against targets."""

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
    rows: list[MethodRow]  # sorted, oracles last
    n_tracks: dict[str, int]  # tracks that count, by target
    n_left_out: dict[str, int]
    has_floor: bool
    findings: dict[str, Finding] = field(default_factory=dict)  # by target; empty where none were asked for
    over_targets: Finding | None = None  # of the mean over targets

    @property
    def methods(self) -> list[MethodRow]:
        """Return the rows that are no oracles, the floor among them."""
        return [row for row in self.rows if not row.oracle]

    @property
    def has_mean(self) -> bool:
        """Return whether a mean over the targets says more than they do; a data set may have a target of that name."""
        return len(self.targets) > 1 and OVER_TARGETS not in self.targets

    @property
    def tested(self) -> dict[str, Finding]:
        """Return findings by target, those of the mean over targets first."""
        over = {} if self.over_targets is None else {OVER_TARGETS: self.over_targets}
        return over | self.findings

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
        """Return e.g. ``SDR (dB), 50 tracks``."""
        lower = "" if self.higher_is_better else ", lower is better"
        return f"{self.quantity}{lower}, {track_count(self.n_tracks.values())}"

    @property
    def title(self) -> str:
        """Return e.g. ``musdb18 test, 4stem: SDR (dB), 50 tracks``."""
        return f"{self.name}: {self.caption}"

    def of_target(self, target: str) -> Block:
        """Return the block of one target alone."""
        rows = [
            replace(row, scores={target: score}, mean=score)
            for row in self.rows
            if (score := row.scores.get(target)) is not None
        ]
        return replace(
            self,
            targets=[target],
            rows=rows,
            n_tracks={target: self.n_tracks[target]},
            n_left_out={target: self.n_left_out[target]},
            over_targets=None,
        )


def track_count(counts: Iterable[int]) -> str:
    """Return ``50 tracks``, ``1 track`` or ``49-50 tracks``."""
    least, most = min(counts := list(counts)), max(counts)
    number = str(most) if least == most else f"{least}-{most}"
    return f"{number} track{'' if number == '1' else 's'}"


def lower_is_better(quantities: Quantities) -> set[str]:
    """Return the names of the metrics of which a smaller value is better."""
    return {str(q["name"]) for q in quantities if not q.get("higher_is_better", True)}


def name_maps(separators: Iterable[Mapping[str, Any]]) -> str:
    """Return what the names of stems were said to mean, by method; empty where nothing was said."""
    maps = [f"{s['label']} {s['map']}" for s in separators if s.get("map") and "label" in s]
    return f"Names of stems were mapped: {', '.join(maps)}." if maps else ""


def trained_on(separators: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return training data by method, from the ``separators`` of ``run.json``."""
    return {str(s["label"]): [str(d) for d in s.get("trained_on") or ()] for s in separators if "label" in s}


def ordered(names: Iterable[str], known: Sequence[str] = TARGETS) -> list[str]:
    """Return names without repetition, those that are known first and in that order."""
    distinct = list(dict.fromkeys(names))
    return sorted(distinct, key=lambda name: known.index(name) if name in known else len(known) + distinct.index(name))


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
    arrangement = _Arrangement(digits, findings or {}, training or {}, sort, targets or TARGETS, methods)
    arranged: list[Block] = []
    for (dataset, subset, group), part in aggregated.groupby(["dataset", "subset", "group"], sort=False):
        presets = part.groupby("metric", sort=False)["preset"].unique()
        for metric in ordered(part["metric"], metrics or [*_METRICS, *known]):
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
                    "unit": str(facts.get("unit", "" if metric in _UNITLESS else "dB")),
                    "higher_is_better": bool(facts.get("higher_is_better", True)),
                    "aggregation": str(table["aggregation"].iloc[0]),
                    "missing": str(table["missing"].iloc[0]),
                }
                records = [{str(k): v for k, v in record.items()} for record in table.to_dict("records")]
                arranged.append(arrangement.block(head, records))
    return arranged


Record = dict[str, Any]  # a row of the aggregated table


@dataclass(frozen=True)
class _Arrangement:
    """How blocks are arranged."""

    digits: int
    findings: Findings
    training: Mapping[str, Sequence[str]]
    sort: str
    targets: Sequence[str]
    methods: Sequence[str]

    def block(self, head: dict[str, Any], records: list[Record]) -> Block:
        targets = ordered((r["target"] for r in records), self.targets)
        of_target = {target: [r for r in records if r["target"] == target] for target in targets}
        place = (head["dataset"], head["subset"], head["group"])
        tested = {t: self.findings.get((*place, t, head["metric"], head["preset"])) for t in (*targets, OVER_TARGETS)}
        block = Block(
            **head,
            targets=targets,
            rows=[],
            n_tracks={t: max(r["n_tracks"] for r in of_target[t]) for t in targets},
            n_left_out={t: max(r["n_left_out"] for r in of_target[t]) for t in targets},
            has_floor=not all("no_floor" in r["flags"].split(",") for r in records),
            findings={t: finding for t in targets if (finding := tested[t]) is not None},
        )
        if block.has_mean:
            block = replace(block, over_targets=tested[OVER_TARGETS])
        by_method: dict[str, list[Record]] = {}
        for record in records:
            by_method.setdefault(record["method"], []).append(record)
        rows = [self._row(of_method, block) for of_method in by_method.values()]
        for target in [*targets, *([OVER_TARGETS] if block.has_mean else [])]:
            rows = self._with_first_places(rows, target, block)
        sign = 1.0 if block.higher_is_better else -1.0
        return replace(block, rows=sorted(rows, key=lambda row: (row.oracle, *self._rank(row, sign))))

    def _row(self, records: list[Record], block: Block) -> MethodRow:
        first = records[0]
        scores = {r["target"]: _score(r, block.findings.get(r["target"])) for r in records}
        return MethodRow(
            method=first["method"],
            oracle=bool(first["oracle"]),
            floor=is_floor(first["separator"], first["params"]),
            scores=scores,
            mean=_mean_score(first["method"], scores, block),
            flags=tuple(sorted({flag for r in records for flag in r["flags"].split(",") if flag})),
            leaks=tuple(overlap(self.training.get(first["method"], ()), block.dataset, block.subset)),
        )

    def _with_first_places(self, rows: list[MethodRow], target: str, block: Block) -> list[MethodRow]:
        """Return the rows with the first place of a target marked, and what is tied with it.

        Nothing is marked where only one method competes.
        """
        competing = {row.method: score for row in rows if not row.oracle and (score := row.score(target)) is not None}
        # Stand-ins, infinite values and leaking methods may be ahead, but are not named as the best.
        eligible = {
            row.method: competing[row.method].value
            for row in rows
            if row.method in competing
            and not row.leaks
            and not competing[row.method].n_imputed
            and math.isfinite(competing[row.method].value)
        }
        if len(competing) < 2 or not eligible:
            return rows
        first = (max if block.higher_is_better else min)(eligible, key=lambda method: eligible[method])
        best = round(eligible[first], self.digits)
        finding = block.tested.get(target)
        # Tied is what does not differ from the first place, whatever lies between them in the table.
        tied = set(finding.tied(first)) if finding is not None else set()
        marked = []
        for row in rows:
            if row.method in eligible:
                is_best = round(eligible[row.method], self.digits) == best
                score = replace(competing[row.method], best=is_best, tied=row.method in tied)
                of_target = target in row.scores
                row = replace(row, scores=row.scores | {target: score}) if of_target else replace(row, mean=score)
            marked.append(row)
        return marked

    def _rank(self, row: MethodRow, sign: float) -> tuple[Any, ...]:
        """Return where a row stands: by what was asked for, then complete, partial and empty methods."""
        usual = _usual_rank(row, sign)
        if self.sort == "name":
            return (row.method.casefold(), row.method)
        if self.sort == "given":
            return (self.methods.index(row.method) if row.method in self.methods else len(self.methods), usual)
        if self.sort == "gain" and not math.isnan(row.mean.improvement):
            return (0, -row.mean.improvement)
        value = row.scores[self.sort].value if self.sort in row.scores else math.nan
        if not math.isnan(value):
            return (0, -sign * value)
        return usual if self.sort == "mean" else (1, *usual)


def _usual_rank(row: MethodRow, sign: float) -> tuple[int, float]:
    """Return complete methods by mean, then partial ones by improvement, then those without a value."""
    if not math.isnan(row.mean.value):
        return (0, -sign * row.mean.value)
    gains = [s.improvement for s in row.scores.values() if not math.isnan(s.improvement)]
    values = [sign * s.value for s in row.scores.values() if not math.isnan(s.value)]
    return (1, -_mean(gains or values)) if values else (2, 0.0)


_VALUES = ("value", "improvement", "gap")
_COUNTS = ("n_imputed", "n_inf", "n_failed", "n_undefined")


def _score(record: Record, finding: Finding | None) -> MethodScore:
    low, high = _interval(record["method"], finding)
    facts: dict[str, Any] = {name: record[name] for name in (*_VALUES, *_COUNTS, "n_tracks")}
    return MethodScore(**facts, low=low, high=high)


def _mean_score(method: str, scores: Mapping[str, MethodScore], block: Block) -> MethodScore:
    """Return the mean over the targets as a score; NaN where a target lacks a value."""

    def values(name: str) -> list[float]:
        return [getattr(scores[t], name) if t in scores else math.nan for t in block.targets]

    means = {name: _mean(values(name)) for name in _VALUES}
    # The mean is marked as its worst target is: a single stand-in keeps it from the first place.
    counts = {name: max(getattr(score, name) for score in scores.values()) for name in _COUNTS}
    finding = block.over_targets
    n_tracks = len(finding.scores.values) if finding is not None else min(s.n_tracks for s in scores.values())
    low, high = _interval(method, finding)
    facts: dict[str, Any] = means | counts
    return MethodScore(**facts, n_tracks=n_tracks, low=low, high=high)


def _interval(method: str, finding: Finding | None) -> tuple[float, float]:
    if finding is None or finding.intervals is None or method not in finding.intervals.index:
        return math.nan, math.nan
    low, high = finding.intervals.loc[[method], ["low", "high"]].to_numpy(dtype=float)[0]
    return float(low), float(high)


def _mean(values: list[float]) -> float:
    """Return the mean; -inf where infinities of both signs meet."""
    return -math.inf if -math.inf in values else sum(values) / len(values)
