"""The arrangement that console, tables and pages share: blocks of methods against targets.

A block is one metric of one target group. Its methods are sorted by their mean over the targets; methods that deliver
only some of the targets follow, sorted by their improvement, as a mean over fewer targets compares with nothing;
methods without any value come last. Oracles are kept apart, sorted the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mss_bench.results.schema import FLOOR

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Block", "Cell", "Quantities", "Row", "blocks", "lower_is_better", "metric_order", "number", "wrap_name"]

Quantities = Sequence[Mapping[str, Any]]
"""What is known of metrics: ``name``, ``unit``, ``higher_is_better``, ``definition``, each optional but the first."""

_METRICS = ("SDR", "SIR", "ISR", "SAR", "uSDR", "SI-SDR")
_TARGETS = ("vocals", "drums", "bass", "other", "accompaniment")
_UNITLESS = ("PESQ", "STOI", "ESTOI")


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
    best: bool = False

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
    targets: list[str]
    methods: list[Row]  # sorted, the floor among them
    oracles: list[Row]
    n_tracks: dict[str, int]  # tracks that count, by target
    n_left_out: dict[str, int]
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """Methods, then oracles."""
        return [*self.methods, *self.oracles]

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
    return _ordered(names, [*_METRICS, *(str(q["name"]) for q in quantities)])


def _ordered(names: Iterable[str], known: Sequence[str]) -> list[str]:
    distinct = list(dict.fromkeys(names))
    return sorted(distinct, key=lambda name: known.index(name) if name in known else len(known) + distinct.index(name))


def blocks(aggregated: pd.DataFrame, quantities: Quantities = (), digits: int = 2) -> list[Block]:
    """Arrange an aggregated table into blocks.

    Parameters
    ----------
    aggregated : DataFrame
        From `mss_bench.stats.aggregate.aggregate`.
    quantities : sequence of mapping
        Units and directions of the metrics; unknown ones are in dB and better when higher.
    digits : int
        Decimals that will be printed: values that print alike share the first place.

    Returns
    -------
    list of Block
        Sorted by data set, subset and group as they appear, then by metric.
    """
    known = {str(q["name"]): q for q in quantities}
    found: list[Block] = []
    for (dataset, subset, group), part in aggregated.groupby(["dataset", "subset", "group"], sort=False):
        presets = part.groupby("metric", sort=False)["preset"].unique()
        for metric in metric_order(part["metric"], quantities):
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
                }
                found.append(_block(table, head, digits))
    return found


def _block(table: pd.DataFrame, head: dict[str, Any], digits: int) -> Block:
    targets = _ordered(table["target"], _TARGETS)
    records = table.to_dict("records")
    sign = 1.0 if head["higher_is_better"] else -1.0
    best = {t: _best([r for r in records if r["target"] == t], sign, digits) for t in targets}
    by_method: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_method.setdefault(record["method"], []).append({str(k): v for k, v in record.items()})
    rows = [_row(method, found, targets, best, digits) for method, found in by_method.items()]
    rows.sort(key=lambda row: _rank(row, sign))
    return Block(
        **head,
        targets=targets,
        methods=[row for row in rows if not row.oracle],
        oracles=[row for row in rows if row.oracle],
        n_tracks={t: max(r["n_tracks"] for r in records if r["target"] == t) for t in targets},
        n_left_out={t: max(r["n_left_out"] for r in records if r["target"] == t) for t in targets},
        notes=_notes(rows, records, targets),
    )


def _best(records: list[dict[Any, Any]], sign: float, digits: int) -> float | None:
    """The best value of a target as printed: no oracle and nothing with stand-ins takes the first place."""
    values = [
        float(r["value"]) for r in records if not r["oracle"] and not r["n_imputed"] and not math.isnan(r["value"])
    ]
    return round(sign * max(sign * v for v in values), digits) if values else None


def _row(
    method: str, records: list[dict[str, Any]], targets: list[str], best: dict[str, float | None], digits: int
) -> Row:
    cells: dict[str, Cell] = {}
    for r in records:
        counts = {name: int(r[name]) for name in ("n_tracks", "n_imputed", "n_inf", "n_failed", "n_undefined")}
        is_best = not r["oracle"] and not r["n_imputed"] and round(r["value"], digits) == best[r["target"]]
        cells[r["target"]] = Cell(
            value=r["value"],
            improvement=r["improvement"],
            best=is_best,
            **counts,
        )
    flags = {f: 0 for r in records for f in r["flags"].split(",") if f}
    return Row(
        method=method,
        oracle=bool(records[0]["oracle"]),
        floor=records[0]["separator"] == FLOOR and not records[0]["params"],
        cells=cells,
        mean=_mean([cells[t].value if t in cells else math.nan for t in targets]),
        improvement=_mean([cells[t].improvement if t in cells else math.nan for t in targets]),
        n_failed=max(cell.n_failed for cell in cells.values()),
        flags=", ".join(sorted(flags)),
    )


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


_TOLD = {"failed", "imputed", "no_value", "no_floor"}  # flags that the tables show otherwise


def _notes(rows: list[Row], records: list[dict[Any, Any]], targets: list[str]) -> list[str]:
    """What a reader must know beside the numbers, in sentences."""
    notes: list[str] = []
    for row in rows:
        stood_in = {t: c for t, c in row.cells.items() if c.n_imputed}
        if stood_in:
            worst = max(stood_in.values(), key=lambda c: c.n_imputed)
            where = "" if len(stood_in) == len(row.cells) else f" ({', '.join(stood_in)})"
            counts = f"{worst.n_imputed} of {worst.n_tracks} tracks{where}"
            notes.append(f"* {row.method}: the floor (or its own worst where that is worse) stands in on {counts}.")
        infinite = {t: c.n_inf for t, c in row.cells.items() if c.n_inf}
        if infinite:
            where = ", ".join(f"{t} {n}" for t, n in infinite.items())
            notes.append(f"† {row.method}: infinite on single tracks ({where}).")
        kinds = sorted({f.strip().partition(":")[0] for f in row.flags.split(",")} - _TOLD - {""})
        if kinds:
            notes.append(f"‡ {row.method}: {', '.join(kinds)} on some tracks (see flags in the track table).")
        if all(math.isnan(c.value) for c in row.cells.values()):
            notes.append(f"{row.method}: no value on any track.")
    for target in targets:
        of_target = [r for r in records if r["target"] == target]
        left_out = max(r["n_left_out"] for r in of_target)
        if left_out:
            total = left_out + max(r["n_tracks"] for r in of_target)
            notes.append(
                f"{target}: {left_out} of {total} tracks left out for all methods, undefined there (a silent reference)"
                " or without a floor."
            )
    if all("no_floor" in str(r["flags"]).split(",") for r in records):
        notes.append("No floor (mixture) in this table: no improvements, and only tracks that every method has count.")
    return notes


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
