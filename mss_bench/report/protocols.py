"""Numbers by scoring protocols: which of a run's scores a protocol means, aggregated as it says, and under its name.

A number carries the name of a protocol where the run differed from it in nothing, has all of its tracks, and the method
has values of its own on all that count. Otherwise it is shown with what is different, so that nobody takes it for one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mss_bench.core.schema import is_floor, method_label
from mss_bench.core.text import counted
from mss_bench.protocols import other_tracks
from mss_bench.report.facts import lower_is_better
from mss_bench.report.idle import Idle
from mss_bench.report.table import Column, Note, Table, TableCell
from mss_bench.stats.aggregate import aggregate
from mss_bench.stats.matrix import OVER_TARGETS
from mss_bench.stats.units import centre

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ProtocolScore", "ProtocolScores", "protocol_scores", "protocol_table", "protocol_tables", "protocols_csv",
    "tables_of",
]  # fmt: skip


@dataclass(frozen=True)
class ProtocolScore:
    """A number of a method by a protocol."""

    separator: str  # as it is written: hpss:power=2
    oracle: bool
    metric: str
    target: str  # `OVER_TARGETS` for the mean over targets
    value: float  # NaN where there is none
    lacks: str  # why the method has no number by the protocol, empty where it has


@dataclass(frozen=True)
class ProtocolScores:
    """The numbers of a run by one protocol.

    Parameters
    ----------
    facts : mapping
        What ``run.json`` says of it.
    scores : list of ProtocolScore
    differs : list of str
        In what the run differs from it.
    """

    facts: Mapping[str, Any]
    scores: list[ProtocolScore]
    differs: list[str]

    @property
    def name(self) -> str:
        """Return the protocol's name."""
        return str(self.facts["name"])

    @property
    def quantities(self) -> list[str]:
        """Return the quantities that were scored, the usual one first."""
        scored = {score.metric for score in self.scores}
        return [name for name in self.facts["quantities"] if name in scored]

    @property
    def targets(self) -> list[str]:
        """Return the targets, led by their mean where the protocol has one."""
        targets = list(self.facts["targets"])
        return [OVER_TARGETS, *targets] if self.facts["mean"] and len(targets) > 1 else targets


def protocol_scores(tracks: pd.DataFrame, run: Mapping[str, Any]) -> list[ProtocolScores]:
    """Return the numbers of a run by each of its protocols.

    Parameters
    ----------
    tracks : DataFrame
        The track table.
    run : mapping
        The content of ``run.json``.
    """
    idle = Idle.of(tracks, run.get("separators", ()))
    lower = lower_is_better(run.get("quantities", ()))
    return [_scores(tracks, facts, idle, lower) for facts in run.get("protocols", ())]


def _scores(tracks: pd.DataFrame, facts: Mapping[str, Any], idle: Idle, lower: Collection[str]) -> ProtocolScores:
    targets, expected = dict(facts["targets"]), list(facts["tracks"])
    meant = {
        (metric, preset, t, group) for metric, preset in facts["quantities"].items() for t, group in targets.items()
    }
    key = tracks[["metric", "preset", "target", "group"]].astype("object").itertuples(index=False, name=None)
    table = tracks[[row in meant for row in key]]
    differs = [*facts["differs"], *filter(None, [other_tracks(expected, list(table["track"].unique()))])]
    if table["track"].isin(expected).any():  # else they are of another data set
        table = table[table["track"].isin(expected)]
    of_all = table["track"].nunique()
    stemless = {t: of_all - int(table["track"][table["target"] == t].nunique()) for t in targets}
    records = aggregate(table, aggregation=facts["aggregation"], lower_is_better=lower).to_dict("records")

    def place(row: Mapping[Any, Any]) -> tuple[str, str]:
        return str(row["metric"]), method_label(row["separator"], row["params"])

    scores: list[ProtocolScore] = []
    for (metric, label), group in groupby(sorted(records, key=place), key=place):
        rows = {str(row["target"]): row for row in group}
        common = (label, bool(next(iter(rows.values()))["oracle"]), metric)
        meaningless = {t for t, row in rows.items() if label in idle.blank_in(row)}
        own = [ProtocolScore(*common, t, *_value(rows.get(t), stemless[t], t in meaningless)) for t in targets]
        lacks = next((score.lacks for score in own if score.lacks), "")
        mean = centre(_array([score.value for score in own]), "mean")
        scores += [ProtocolScore(*common, OVER_TARGETS, mean, lacks), *own]
    return ProtocolScores(facts, scores, differs)


def _array(values: list[float]) -> Any:
    import numpy as np

    return np.array(values, dtype=np.float64)


def _value(row: Mapping[Any, Any] | None, stemless: int, meaningless: bool) -> tuple[float, str]:
    """Return the value of an aggregated row, and why it is no number by a protocol; empty where it is one."""
    if row is None or meaningless or row["n_own"] == 0:
        return math.nan, "not delivered" if row is None else "says nothing of it" if meaningless else "no value"
    counts = {"n_lacking": "never computed on {}", "n_imputed": "failed on {}, where a stand-in stands"}
    # Tracks where the floor has no value, too, do not count: what failed there is no silent reference.
    counts |= {"n_failed": "failed on {}", "n_missing": "never computed on {}"}
    lacks = next((text.format(counted(int(row[n]), "track")) for n, text in counts.items() if row[n]), "")
    have = "has" if stemless == 1 else "have"
    return float(row["value"]), lacks or (f"{counted(stemless, 'track')} {have} no such stem" if stemless else "")


def protocols_csv(scores: Sequence[ProtocolScores]) -> pd.DataFrame:
    """Return a row a protocol, separator, metric and target; ``labelled`` where it carries the protocol's name."""
    import pandas as pd

    rows = [
        {"protocol": each.name, **vars(score), "labelled": not (each.differs or score.lacks),
         "differs": "; ".join(each.differs)}
        for each in scores for score in each.scores if score.target in each.targets
    ]  # fmt: skip
    return pd.DataFrame(rows)


def protocol_tables(
    tracks: pd.DataFrame, run: Mapping[str, Any], *, first: bool = False, called: Mapping[str, str] | None = None
) -> list[Table]:
    """Return the numbers of a run by its protocols as tables, separators against targets.

    Parameters
    ----------
    tracks : DataFrame
        The track table.
    run : mapping
        The content of ``run.json``.
    first : bool
        Only the usual quantity of each protocol.
    called : mapping of str to str, optional
        What separators are called, by their names.
    """
    every = protocol_scores(tracks, run)
    return [table for scores in every for table in tables_of(scores, run, first=first, called=called)]


def tables_of(
    scores: ProtocolScores, run: Mapping[str, Any], *, first: bool = False, called: Mapping[str, str] | None = None
) -> list[Table]:
    """Return the tables of one protocol: one a quantity, or one of all quantities of its only target."""
    if len(scores.targets) == 1:
        tables = [protocol_table(scores, scores.quantities, run, called)]
    else:
        chosen = scores.quantities[:1] if first else scores.quantities
        tables = [protocol_table(scores, [quantity], run, called) for quantity in chosen]
    return [table for table in tables if table.rows]


def protocol_table(
    scores: ProtocolScores, quantities: list[str], run: Mapping[str, Any], called: Mapping[str, str] | None = None
) -> Table:
    """Return the table of one quantity, with targets as columns, or of several of the only target."""
    units = {str(q["name"]): str(q.get("unit", "")) for q in run.get("quantities", ())}
    alone = len(scores.targets) == 1
    columns = [(q, scores.targets[0]) for q in quantities] if alone else [(quantities[0], t) for t in scores.targets]
    by_place = {(score.separator, score.metric, score.target): score for score in scores.scores}
    lower = quantities[0] in lower_is_better(run.get("quantities", ()))
    sign = 1.0 if lower else -1.0

    def order(label: str) -> tuple[bool, float]:
        value = by_place[label, *columns[0]].value if (label, *columns[0]) in by_place else math.nan
        return math.isnan(value), sign * value

    names = {score.separator: score.oracle for score in scores.scores if score.metric in quantities}
    groups: list[list[list[TableCell]]] = [[], []]
    without: dict[str, str] = {}
    for label in sorted(names, key=order):
        own = [by_place.get((label, *column)) for column in columns]
        tag = "floor" if is_floor(label) else "oracle" if names[label] else ""
        groups[names[label]].append([TableCell(label, tag=tag), *map(_cell, own)])
        reasons = [score.lacks for score in own if score and score.lacks and not math.isnan(score.value)]
        without |= {label: reasons[0]} if reasons else {}
    notes: list[Note | str] = [f"{scores.facts['title']}: {scores.facts['definition']}."]
    notes += [f"Not labelled {scores.name}: {'; '.join(scores.differs)}."] if scores.differs else []
    notes += [Note(f"no number by {scores.name}", "¶", without)] if without else []
    what = (
        columns[0][1] if alone else quantities[0] + (f" ({units[quantities[0]]})" if units.get(quantities[0]) else "")
    )
    nameless = scores.differs or len(without) == len(names)  # a name of the table that no row has would be read into it
    title = f"By the definition of {scores.name}, without its name" if nameless else f"Protocol {scores.name}"
    headings = [Column(q, unit=units.get(q, "")) if alone else Column(t) for q, t in columns]
    name = f"{scores.name} {quantities[0]}"
    return Table(f"{title}: {what}", ["separator", *headings], groups, notes, name=name, labels=called)


def _cell(score: ProtocolScore | None) -> TableCell:
    if score is None or math.isnan(score.value):
        return TableCell("–", math.nan, hint=score.lacks if score else "not delivered")
    return TableCell.number(score.value)
