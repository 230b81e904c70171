"""Tables of a report as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mss_bench.report.layout import Block
from mss_bench.report.markdown import markdown_escape
from mss_bench.report.sheets import Entry, Line, Style, explanations, sheets

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv", "markdown", "markdown_escape", "pipe"]


def csv(table: pd.DataFrame) -> str:
    """A table as it is: numbers in full, infinity as ``inf``, missing values empty."""
    return table.to_csv(index=False, lineterminator="\n")


def markdown(blocks: Sequence[Block], style: Style | None = None) -> str:
    """Tables in GitHub's Markdown, one per target group and metric, or per target.

    Parameters
    ----------
    blocks : sequence of Block
        From `mss_bench.report.arrangement.blocks`.
    style : Style, optional
        Columns, digits, intervals.

    Returns
    -------
    str
        How the values came about, then the tables, with a final newline; without blocks, a line that says so.
    """
    if not blocks:
        return "No scores.\n"
    style = style or Style()
    parts = [" ".join(explanations(blocks, style)) + "\n"]
    for sheet in sheets(blocks, style):
        lines = [f"### {markdown_escape(sheet.title)}", "", pipe(map(markdown_escape, ["method", *sheet.headings]))]
        lines.append(pipe(["---", *["---:"] * len(sheet.headings)]))
        lines += [_row(line) for line in sheet.lines]
        notes = [f"- {markdown_escape(note)}" for note in sheet.notes]
        parts.append("\n".join([*lines, "", *notes, *([""] if notes else [])]))
    return "\n".join(parts)


def _row(line: Line) -> str:
    name, row = markdown_escape(line.row.name), line.row
    kind = " (oracle)" if row.oracle else " (floor)" if row.floor else ""
    return pipe([f"*{name}*{kind}" if row.oracle else name + kind, *map(_cell, line.entries)])


def _cell(entry: Entry) -> str:
    text = (f"**{entry.text}**" if entry.bold else entry.text) + markdown_escape(entry.marks)
    return text + (f" [{entry.interval[0]}, {entry.interval[1]}]" if entry.interval else "")


def pipe(cells: Sequence[str] | map[str]) -> str:
    """A row of a Markdown table, of cells that are escaped."""
    return "| " + " | ".join(cells) + " |"
