"""What a notebook shows of results: the tables of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from typing import Any, Self

import pandas as pd

from mss_bench.report.blocks import blocks
from mss_bench.report.facts import trained_on
from mss_bench.report.idle import Idle
from mss_bench.report.options import Style
from mss_bench.report.score_tables import score_table
from mss_bench.report.table import CellValue, Column, Table, TableCell
from mss_bench.stats.aggregate import AGGREGATE_COLUMNS
from mss_bench.stats.compare import Comparison

__all__ = ["AggregateTable", "ShownComparison", "shown"]


def shown(*parts: Table | str) -> str:
    """Return tables and sentences as HTML; all that they hold is escaped."""
    from mss_bench.report.html import templates

    macros: Any = templates().get_template("macros.html.j2").module
    pieces = []
    for part in parts:
        if isinstance(part, Table):
            pieces += [f"<p><b>{escape(part.title)}</b></p>"] * bool(part.title) + [str(macros.table(part))]
        else:
            pieces.append(f"<p>{escape(part)}</p>")
    return "\n".join(pieces)


class AggregateTable(pd.DataFrame):
    """The aggregated table: a DataFrame that a notebook shows as a report does, as long as it has all columns."""

    @property
    def _constructor(self) -> Callable[..., AggregateTable]:
        return AggregateTable

    @classmethod
    def of(
        cls, table: pd.DataFrame, run: Mapping[str, Any], banner: Sequence[str] = (), idle: Idle | None = None
    ) -> Self:
        """Make one of an aggregated table, the content of ``run.json``, and what is said above numbers of the run."""
        made = cls(table)
        made.attrs = {"quantities": list(run.get("quantities", ())), "separators": list(run.get("separators", ()))}
        made.attrs |= {"banner": list(banner), "idle": idle or Idle()}
        return made

    def _repr_html_(self) -> str | None:
        if self.empty or not set(AGGREGATE_COLUMNS) <= set(self.columns):
            return super()._repr_html_()  # type: ignore[no-any-return, misc]
        facts = {name: self.attrs.get(name, ()) for name in ("quantities", "separators", "banner")}
        training, idle = trained_on(facts["separators"]), self.attrs.get("idle", Idle())
        arranged = blocks(pd.DataFrame(self), facts["quantities"], training=training, idle=idle)
        return shown(*facts["banner"], *(score_table([block], Style()) for block in arranged))


@dataclass(frozen=True)
class ShownComparison(Comparison):
    """A comparison that a notebook shows as a table, with its sentence below."""

    banner: str = ""  # that cells of either are missing

    @classmethod
    def of(cls, comparison: Comparison, banner: str = "") -> Self:
        """Make one of a comparison, and what is said above numbers of the run."""
        return cls(**{field.name: getattr(comparison, field.name) for field in fields(comparison)}, banner=banner)

    def __str__(self) -> str:
        return f"{super().__str__()}; {self.banner}" if self.banner else super().__str__()

    def table(self) -> Table:
        """Return both methods and their differences, one row each; a typical value is of differences alone."""
        statistics = [str(name) for name in dict.fromkeys(self.values.columns.get_level_values(0))]
        values = [pd.DataFrame(self.values[name]) for name in statistics]
        rows: list[list[CellValue]] = [
            [name, *(_with_interval(of, name) for of in values), ""] for name in (self.a, self.b)
        ]
        known = set(map(str, self.difference.index))
        differences = [_with_interval(self.difference, s) if s in known else "–" for s in (*statistics, "typical")]
        place = ", ".join(filter(None, (self.unit["metric"], self.unit["target"], self.unit["group"])))
        return Table(
            f"{place}: {self.a} and {self.b}",
            ["separator", *(Column(s, "right") for s in (*statistics, "typical"))],
            [rows, [["difference", *differences]]],
            [super().__str__()],
        )

    def _repr_html_(self) -> str:
        return shown(*filter(None, [self.banner]), self.table())


def _with_interval(table: pd.DataFrame, name: str) -> TableCell:
    """Return the number of a row with its interval, where there is one."""
    row = table.loc[[name]].to_dict("records")[0]
    cell = TableCell.number(float(row["value"]))
    if pd.isna(row.get("low")):
        return cell
    low, high = (TableCell.number(float(row[end])).text for end in ("low", "high"))
    return TableCell(f"{cell.text} [{low}, {high}]", cell.value)
