"""Metric cards: what a metric's numbers are, what they cost, react to, what listeners say, where not to trust them.

Unit, direction, range, reference and caution are declared on the metric's class. What it reacts to was measured: every
quantity on every ladder of `mss_bench.metrics.perceptual.degradations`, on excerpts of the built-in songs, by
``reports/metrics/make.py``; the outcome comes with the package as ``reactions.csv`` and ``costs.csv``.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mss_bench.errors import ConfigError
from mss_bench.metrics.base import Metric, Quantity
from mss_bench.metrics.evidence import EVIDENCE, evidence_text

__all__ = [
    "COSTS",
    "FOLLOWS",
    "HARDLY",
    "NO_EVIDENCE",
    "REACTIONS",
    "Cost",
    "Reaction",
    "Reactions",
    "card_lines",
    "cost_text",
    "loss",
    "losses",
    "range_text",
    "reaction_text",
    "read_costs",
    "read_reactions",
    "speed_text",
    "write_costs",
    "write_reactions",
]

REACTIONS = Path(__file__).with_name("reactions.csv")
COSTS = Path(__file__).with_name("costs.csv")

_REACTION_COLUMNS = ("metric", "quantity", "ladder", "clean", "worst", "loss", "trend")
_COST_COLUMNS = ("metric", "score", "prepare", "note")

AUDIBLE, DROWNED = 40.0, -10.0
"""dB: ratios above the first, levels below its negative, and ratios below the second count alike."""

STRONG, HARDLY = 0.5, 0.05
"""Parts of a quantity's greatest loss on any ladder from which it reacts strongly, and up to which hardly."""

NO_EVIDENCE = "no study is known here that compared this number with listeners"

FOLLOWS = 0.9
"""Rank correlation with the steps from which a quantity follows a ladder."""


@dataclass(frozen=True)
class Reaction:
    """Change of a quantity on one ladder, in the excerpt in which it reacts more.

    Parameters
    ----------
    clean : float
        For the reference itself.
    worst : float
        At the strongest step.
    trend : float
        Spearman's correlation between the step and how bad the value is: 1 where each step is worse than the last.
    """

    clean: float
    worst: float
    trend: float


Reactions = Mapping[tuple[str, str], Mapping[str, Reaction]]
"""Metric and quantity to ladder to reaction; without ladders where nothing was measured."""


@dataclass(frozen=True)
class Cost:
    """Seconds of music for a CPU second.

    Parameters
    ----------
    score : float
        For one target of one estimate; NaN where not measured.
    prepare : float
        For what a track's references cost once, all four stems.
    note : str
        How it was measured, or why it was not.
    """

    score: float
    prepare: float
    note: str


def loss(quantity: Quantity, reaction: Reaction) -> float:
    """Return how much worse a quantity is at the strongest step than for the reference, negative if better.

    Ratios in dB count from -10 to 40 dB: a softer error is hardly heard, and in a louder one the target is lost.
    """
    clean, worst = reaction.clean, reaction.worst
    if math.isnan(clean) or math.isnan(worst):
        return math.nan
    if quantity.unit == "dB" and quantity.higher_is_better:
        clean, worst = (max(DROWNED, min(value, AUDIBLE)) for value in (clean, worst))
    elif quantity.unit == "dB" and quantity.least < 0:
        clean, worst = max(clean, -AUDIBLE), max(worst, -AUDIBLE)
    return clean - worst if quantity.higher_is_better else worst - clean


def losses(quantity: Quantity, reactions: Mapping[str, Reaction]) -> dict[str, float]:
    """Return the loss on each ladder on which there is one."""
    values = {ladder: loss(quantity, reaction) for ladder, reaction in reactions.items()}
    return {ladder: value for ladder, value in values.items() if not math.isnan(value)}


def reaction_text(quantity: Quantity, reactions: Mapping[str, Reaction]) -> str:
    """Return what a quantity reacts to, in words; empty where nothing was measured."""
    found = losses(quantity, reactions)
    top = max(map(abs, found.values()), default=0.0)
    if top == 0:
        return "none of the ladders" if found else ""
    ordered = sorted(found, key=lambda ladder: -found[ladder])
    groups = {
        "strongly to {}": [x for x in ordered if found[x] >= STRONG * top],
        "to {}": [x for x in ordered if HARDLY * top < found[x] < STRONG * top],
        "hardly to {}": [x for x in ordered if abs(found[x]) <= HARDLY * top],
        "better with {}": [x for x in ordered if found[x] < -HARDLY * top],
    }
    return "; ".join(text.format(", ".join(names)) for text, names in groups.items() if names)


def range_text(quantity: Quantity) -> str:
    """Return the range in words: ``0 to 100``, ``from 0``, ``unbounded``."""
    low, high = (math.isfinite(bound) for bound in (quantity.least, quantity.most))
    if low and high:
        return f"{quantity.least:g} to {quantity.most:g}"
    return f"from {quantity.least:g}" if low else f"up to {quantity.most:g}" if high else "unbounded"


def cost_text(cost: Cost) -> str:
    """Return a cost in words."""
    if math.isnan(cost.score):
        return cost.note
    speeds = (
        f"{speed_text(cost.score)} times as fast as real time for a target, {speed_text(cost.prepare)} times for a "
        "track's references"
    )
    return f"{speeds} ({cost.note})" if cost.note else speeds


def speed_text(speed: float) -> str:
    """Return a speed with two digits."""
    return f"{float(f'{speed:.2g}'):g}"


def read_reactions(path: Path = REACTIONS) -> Reactions:
    """Read reactions from a file that `write_reactions` wrote.

    Raises
    ------
    ConfigError
        The file is missing or of another form.
    """
    reactions: dict[tuple[str, str], dict[str, Reaction]] = {}
    for row in _rows(path, _REACTION_COLUMNS):
        own = reactions.setdefault((row["metric"], row["quantity"]), {})
        if row["ladder"]:
            own[row["ladder"]] = Reaction(*(_number(row[key]) for key in ("clean", "worst", "trend")))
    return reactions


def write_reactions(path: Path, classes: Mapping[str, type[Metric]], reactions: Reactions) -> None:
    """Write a row for every quantity and ladder; one of names alone for a quantity that was not measured."""
    rows = []
    for name, cls in classes.items():
        for quantity in cls.quantities:
            found = reactions.get((name, quantity.name), {})
            for ladder, r in found.items():
                numbers = (r.clean, r.worst, loss(quantity, r), r.trend)
                rows.append([name, quantity.name, ladder, *map(_text, numbers)])
            if not found:
                rows.append([name, quantity.name, *[""] * 5])
    _write(path, _REACTION_COLUMNS, rows)


def read_costs(path: Path = COSTS) -> dict[str, Cost]:
    """Read costs from a file that `write_costs` wrote.

    Raises
    ------
    ConfigError
        The file is missing or of another form.
    """
    rows = _rows(path, _COST_COLUMNS)
    return {row["metric"]: Cost(_number(row["score"]), _number(row["prepare"]), row["note"]) for row in rows}


def write_costs(path: Path, costs: Mapping[str, Cost]) -> None:
    """Write a row for every metric."""
    _write(path, _COST_COLUMNS, [[n, _text(c.score, 2), _text(c.prepare, 2), c.note] for n, c in costs.items()])


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != columns:
                raise ConfigError(f"{path} has the columns {reader.fieldnames}, expected {', '.join(columns)}")
            return list(reader)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; make it with reports/metrics/make.py") from None


def _write(path: Path, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([columns, *rows])


def _number(text: str) -> float:
    return float(text) if text else math.nan


def _text(value: float, digits: int = 4) -> str:
    return "" if math.isnan(value) else f"{value + 0.0:.{digits}g}"


def card_lines(name: str, cls: type[Metric]) -> list[str]:
    """Return cost, reactions, evidence and caution of a metric, as ``mss-bench metrics show`` prints them, as known."""
    lines = []
    if (cost := read_costs().get(name)) is not None:
        lines.append(f"cost: {cost_text(cost)}")
    reactions = read_reactions()
    for quantity in cls.quantities:
        if text := reaction_text(quantity, reactions.get((name, quantity.name), {})):
            lines.append(f"{quantity.name} reacts {text}")
    if name in EVIDENCE:
        lines += [f"evidence: {text}" for text in map(evidence_text, EVIDENCE[name])] or [f"evidence: {NO_EVIDENCE}"]
    if cls.caution:
        lines.append(f"caution: {cls.caution}")
    return lines
