"""One model of a table, and one renderer a format: `Table.console`, `Table.markdown`, `Table.latex`, `Table.csv`.

Run reports, boards, listening reports and the lists of the command line are all tables of this kind::

    table = Table(
        "demo test, vocals",
        ["method", Column("SDR", unit="dB"), "SIR", Column("SAR", optional=True)],
        [
            [["nmf", 1.05, 1.89, 7.32], ["hpss", TableCell("0.31", 0.31, bold=True, marks="*"), 5.0, 6.0]],
            [[TableCell("irm", tag="oracle"), 11.17, 19.21, 10.82]],  # a second group, below a rule
        ],
        [Note("the floor stands in", "*", {"hpss": "1 of 6 tracks"}), Note("resampled on some tracks", "‡", ["irm"])],
    )
    print(table.console(80))

A row is a sequence of cells, the first of which names it; strings and numbers become cells. A note names the rows that
it speaks of, and the table puts its mark at their names, unless the mark stands at one of their cells already.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mss_bench.core.text import spreadsheet_text, true_minus

__all__ = ["CellValue", "Column", "Note", "Table", "TableCell", "TableRow", "number"]


def number(value: float, digits: int = 2, *, signed: bool = False) -> str:
    """Return a number for people: ``–`` for NaN, ``∞`` for infinity, a true minus, no negative zero."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return ("+" if signed else "") + "∞" if value > 0 else "−∞"
    value = round(value, digits) + 0.0  # -0.0 + 0.0 is 0.0
    return true_minus(f"{value:{'+' if signed else ''}.{digits}f}")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    heading : str
    align : {"left", "right", ""}
        By default numbers stand right and everything else left.
    unit : str
        Printed behind the heading: ``SDR (dB)``.
    digits : int
        Decimals of cells that are given as floats.
    optional : bool
        A terminal that is too narrow leaves the column out, the last such column first, and says so.
    """

    heading: str
    align: Literal["left", "right", ""] = ""
    unit: str = ""
    digits: int = 2
    optional: bool = False

    @property
    def text(self) -> str:
        """Return the heading with its unit."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading


@dataclass(frozen=True)
class TableCell:
    """A cell of a table.

    Parameters
    ----------
    text : str
        What is printed.
    value : float, int or str, optional
        What stands behind the text: pages sort by it, CSV holds it in full.
    marks : str
        Marks of footnotes, each a character.
    bold : bool
        The best of its column, and nothing else.
    interval : tuple of str, optional
        Ends of an interval, printed behind the text.
    tag : str
        A remark behind the text, in brackets: ``oracle``.
    hint : str
        What a page shows when the pointer rests on the cell.
    """

    text: str
    value: float | int | str | None = None
    marks: str = ""
    bold: bool = False
    interval: tuple[str, str] | None = None
    tag: str = ""
    hint: str = ""

    @classmethod
    def number(cls, value: float, digits: int = 2, *, signed: bool = False) -> TableCell:
        """Make a cell of a number."""
        return cls(number(value, digits, signed=signed), value)

    @property
    def plain(self) -> str:
        """Return the cell as unformatted text."""
        text = f"{self.text} ({self.tag})" if self.tag else self.text
        text += f" [{self.interval[0]}, {self.interval[1]}]" if self.interval else ""
        return f"{text}{'' if self.value is not None else ' '}{self.marks}" if self.marks else text


CellValue = TableCell | str | bool | int | float | None
TableRow = Sequence[CellValue]


@dataclass(frozen=True)
class Note:
    """A footnote.

    Parameters
    ----------
    text : str
        What is said.
    mark : str
        A character that stands at what the note speaks of.
    of : sequence of str, or mapping of str to str
        Names of rows (or of what else the text needs), a mapping with a detail of each.
    """

    text: str
    mark: str = ""
    of: Sequence[str] | Mapping[str, str] = ()

    def line(self, everything: str = "") -> str:
        """Return the note in a line; `everything` stands for the names where it is given."""
        by_detail: dict[str, list[str]] = {}
        for name in self.of:
            by_detail.setdefault(self.of[name] if isinstance(self.of, Mapping) else "", []).append(name)
        parts = []
        for detail, names in by_detail.items():
            listed = everything if everything and len(by_detail) == 1 else ", ".join(names)
            parts.append(f"{listed} ({detail})" if detail else listed)
        start = f"{self.mark} {self.text}" if self.mark else self.text
        return f"{start}: {'; '.join(parts)}." if parts else start


class Table:
    """A table.

    Parameters
    ----------
    title : str
    columns : sequence of Column or str
        The first names the rows.
    groups : sequence of sequence of TableRow
        Rows in groups that a rule separates; empty groups are left out.
    notes : sequence of Note or str
        What stands below.
    name : str
        What a file or a label is called after; by default the title.
    labels : mapping of str to str, optional
        What rows are called, and where notes speak of them, by the names that they are given here.

    Attributes
    ----------
    columns : list of Column
    groups : list of list of list of TableCell
    notes : list of str
        The notes as lines.
    """

    def __init__(
        self, title: str, columns: Sequence[Column | str], groups: Sequence[Sequence[TableRow]],
        notes: Sequence[Note | str] = (), *, name: str = "", labels: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.title, self.name = title, name or title
        self.columns = [Column(column) if isinstance(column, str) else column for column in columns]
        self.groups = [
            [[_cell(value, column) for value, column in zip(row, self.columns, strict=True)] for row in group]
            for group in groups
            if group
        ]
        self.columns = [
            column if column.align else replace(column, align="right" if i and self._numeric(i) else "left")
            for i, column in enumerate(self.columns)
        ]
        labels = labels or {}
        self.notes = [note if isinstance(note, str) else self._with_marks(note, labels) for note in notes]
        for row in self.rows:  # marks are set by the names that notes have
            row[0] = replace(row[0], text=labels.get(row[0].text, row[0].text))

    @property
    def rows(self) -> list[list[TableCell]]:
        """Return the rows of all groups."""
        return [row for group in self.groups for row in group]

    def _numeric(self, i: int) -> bool:
        return any(isinstance(row[i].value, int | float) for row in self.rows)

    def _with_marks(self, note: Note, labels: Mapping[str, str]) -> str:
        """Put the mark of a note at its rows and return its line; a note on every row needs no marks."""
        unmarked = [row for row in self.rows if not any(note.mark in cell.marks for cell in row)] if note.mark else []
        if len(unmarked) == len(self.rows) > 1 and all(row[0].text in note.of for row in unmarked):
            return replace(note, mark="").line(f"every {self.columns[0].heading}")
        for row in unmarked:
            if row[0].text in note.of:
                row[0] = replace(row[0], marks=row[0].marks + note.mark)
        called = [labels.get(name, name) for name in note.of]
        of = dict(zip(called, note.of.values(), strict=True)) if isinstance(note.of, Mapping) else called
        return replace(note, of=of).line()

    def console(self, width: int = 80, *, encoding: str | None = None) -> str:
        """Return the table as lines of at most `width` cells of a terminal (at least 40), without a final newline.

        Long texts wrap, optional columns are left out, and columns that still do not fit continue below.

        Parameters
        ----------
        width : int
        encoding : str, optional
            Of the terminal, by default that of ``sys.stdout``: what it lacks is replaced.
        """
        from mss_bench.report.console import render

        return render(self, max(width, 40), encoding)

    def markdown(self, level: int = 3) -> str:
        """Return the table in GitHub's Markdown with a final newline, below a heading of a level."""
        from mss_bench.report.markdown import render

        return render(self, level)

    def latex(self) -> str:
        r"""Return the table as a ``table`` environment for ``\input``; it needs the package ``booktabs``.

        Long names are broken into lines, a table too wide for one of two columns spans both (``table*``).
        """
        from mss_bench.report.latex import render

        return render(self)

    def _repr_html_(self) -> str:
        from mss_bench.report.notebook import shown

        return shown(self)

    def csv(self) -> str:
        """Return headings and rows as CSV: numbers in full, missing ones empty."""
        out = io.StringIO()
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow([spreadsheet_text(column.text) for column in self.columns])
        lines.writerows([[_exported(cell) for cell in row] for row in self.rows])
        return out.getvalue()


def _cell(value: CellValue, column: Column) -> TableCell:
    if isinstance(value, TableCell):
        return _with_minus(value) if isinstance(value.value, int | float) else value
    if isinstance(value, bool):
        return TableCell("yes" if value else "no")
    if isinstance(value, int):
        return TableCell(true_minus(str(value)), value)
    if isinstance(value, float):
        return TableCell.number(value, column.digits)
    return TableCell("" if value is None else value)


def _with_minus(cell: TableCell) -> TableCell:
    """Return the cell of a number with the minus that all tables have, whoever made its text."""
    ends = cell.interval and (true_minus(cell.interval[0]), true_minus(cell.interval[1]))
    return replace(cell, text=true_minus(cell.text), interval=ends)


def _exported(cell: TableCell) -> float | str:
    if cell.value is None:
        return spreadsheet_text(cell.text)
    return "" if isinstance(cell.value, float) and math.isnan(cell.value) else cell.value
