"""What console, tables and pages share: blocks of methods against targets, their order, numbers and names as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mss_bench.report.findings import Finding
from mss_bench.stats.matrix import OVER_TARGETS

__all__ = [
    "TARGETS",
    "UNITLESS",
    "Block",
    "Cell",
    "Quantities",
    "Row",
    "lower_is_better",
    "metric_order",
    "number",
    "ordered",
    "target_order",
    "trained_on",
    "wrap_name",
]

Quantities = Sequence[Mapping[str, Any]]
"""What is known of metrics: ``name``, ``unit``, ``higher_is_better``, ``definition``, each optional but the first."""

_METRICS = ("SDR", "SIR", "ISR", "SAR", "uSDR", "SI-SDR")
TARGETS = ("vocals", "drums", "bass", "other", "accompaniment")
UNITLESS = ("PESQ", "STOI", "ESTOI")


@dataclass(frozen=True)
class Cell:
    """One aggregated value."""

    value: float  # NaN where every cell of the method failed
    improvement: float
    n_tracks: int
    n_imputed: int
    n_inf: int
    n_failed: int
    n_undefined: int
    gap: float = math.nan  # to the oracle that was asked for
    low: float = math.nan  # of the confidence interval; NaN where there is none
    high: float = math.nan
    best: bool = False
    tied: bool = False  # with the best, statistically

    @property
    def bold(self) -> bool:
        """Whether tables print it bold."""
        return self.best or self.tied

    @property
    def marks(self) -> str:
        """``*`` where the floor stands in, ``†`` where single tracks are infinite."""
        return ("*" if self.n_imputed else "") + ("†" if self.n_inf else "")


@dataclass(frozen=True)
class Row:
    """One method of a block."""

    method: str
    oracle: bool
    floor: bool
    cells: dict[str, Cell]  # by target; a target that is not delivered is absent
    mean: float  # over the targets; NaN unless every target has a value
    improvement: float  # the same
    n_failed: int  # tracks with a failed cell, the worst target
    flags: str
    gap: float = math.nan  # the same as the mean
    leaks: tuple[str, ...] = ()  # training data that are evaluated here
    over: Cell | None = None  # the mean as a cell of its own, with its interval; None where it is not tested

    def cell(self, target: str) -> Cell | None:
        """What is known of a target, or of the mean over targets; None where it is not delivered."""
        return self.over if target == OVER_TARGETS and self.over is not None else self.cells.get(target)

    @property
    def name(self) -> str:
        """The method, with ``§`` where it was trained on what is evaluated."""
        return self.method + (" §" if self.leaks else "")

    @property
    def marks(self) -> str:
        """The marks of the mean: all of its cells'."""
        return "" if math.isnan(self.mean) else "".join(dict.fromkeys("".join(c.marks for c in self.cells.values())))


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
    methods: list[Row]  # sorted, the floor among them
    oracles: list[Row]
    n_tracks: dict[str, int]  # tracks that count, by target
    n_left_out: dict[str, int]
    notes: list[str] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)  # by target; empty where none were asked for
    over_targets: Finding | None = None  # of the mean over targets

    @property
    def rows(self) -> list[Row]:
        """Methods, then oracles."""
        return [*self.methods, *self.oracles]

    @property
    def tested(self) -> dict[str, Finding]:
        """Findings by target, those of the mean over targets first."""
        over = {} if self.over_targets is None else {OVER_TARGETS: self.over_targets}
        return over | self.findings

    @property
    def name(self) -> str:
        """Data set, subset and group, e.g. ``musdb18 test, 4stem``."""
        return f"{self.dataset} {self.subset}".strip() + (f", {self.group}" if self.group else "")

    @property
    def caption(self) -> str:
        """E.g. ``SDR (dB), 50 tracks``."""
        counts = sorted(set(self.n_tracks.values()))
        tracks = "-".join(map(str, dict.fromkeys([counts[0], counts[-1]])))
        unit = f" ({self.unit})" if self.unit else ""
        lower = "" if self.higher_is_better else ", lower is better"
        return f"{self.label}{unit}{lower}, {tracks} track{'' if tracks == '1' else 's'}"

    @property
    def title(self) -> str:
        """E.g. ``musdb18 test, 4stem: SDR (dB), 50 tracks``."""
        return f"{self.name}: {self.caption}"


def lower_is_better(quantities: Quantities) -> set[str]:
    """Names of the metrics of which a smaller value is better."""
    return {str(q["name"]) for q in quantities if not q.get("higher_is_better", True)}


def metric_order(names: Iterable[str], quantities: Quantities = ()) -> list[str]:
    """Metrics in the order of the tables: the field's usual ones, then as declared, then as they come."""
    return ordered(names, [*_METRICS, *(str(q["name"]) for q in quantities)])


def target_order(names: Iterable[str]) -> list[str]:
    """Targets in the order of the tables: the field's usual ones, then as they come."""
    return ordered(names, TARGETS)


def trained_on(separators: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Training data by method, from the ``separators`` of ``run.json``."""
    return {str(s["label"]): [str(d) for d in s.get("trained_on") or ()] for s in separators if "label" in s}


def ordered(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """Names without repetition, those that are known first and in that order."""
    distinct = list(dict.fromkeys(names))
    return sorted(distinct, key=lambda name: known.index(name) if name in known else len(known) + distinct.index(name))


def number(value: float, digits: int = 2, *, signed: bool = False) -> str:
    """A number for people: ``–`` for NaN, ``∞`` for infinity, no negative zero."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return ("+" if signed else "") + "∞" if value > 0 else "-∞"
    value = round(value, digits) + 0.0
    return f"{value:{'+' if signed else ''}.{digits}f}"


def wrap_name(name: str, width: int) -> list[str]:
    """A method's name in lines of at most `width` characters, broken after ``:``, ``,``, ``/`` where it can be."""
    lines: list[str] = []
    rest = " ".join(name.split())
    while len(rest) > width:
        cut = max((rest.rfind(mark, 0, width) + 1 for mark in ":,/ =_-"), default=0)
        cut = cut if cut > width // 2 else width
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*lines, rest] if rest or not lines else lines
