"""Tables in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mss_bench.report.table import Table, TableCell

__all__ = ["markdown_escape", "render"]


def markdown_escape(text: str) -> str:
    """Return text that Markdown, and the HTML inside it, take literally; newlines become spaces."""
    # Only characters that Markdown gives a meaning within a line; the HTML it passes through is escaped as well.
    escaped = re.sub(r"([\\`*_{}\[\]|~#$])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def render(table: Table, level: int) -> str:
    """Return a table in Markdown; see `Table.markdown`."""
    lines = [f"{'#' * level} {markdown_escape(table.title)}", ""] if table.title else []
    lines.append(_pipe(markdown_escape(column.text) for column in table.columns))
    lines.append(_pipe("---:" if column.align == "right" else "---" for column in table.columns))
    for i, group in enumerate(table.groups):
        # Markdown has no rules between rows: the names of later groups are set in italics instead.
        lines += [_pipe([_cell(row[0], "*" if i else ""), *map(_cell, row[1:])]) for row in group]
    lines += ["", *(f"- {markdown_escape(note)}" for note in table.notes), *([""] if table.notes else [])]
    return "\n".join(lines)


def _cell(cell: TableCell, italic: str = "") -> str:
    emphasis = "**" if cell.bold else italic
    text = emphasis + markdown_escape(cell.text) + emphasis
    text += f" ({markdown_escape(cell.tag)})" if cell.tag else ""
    text += (" " if cell.marks and cell.value is None else "") + markdown_escape(cell.marks)
    return text + (f" [{cell.interval[0]}, {cell.interval[1]}]" if cell.interval else "")


def _pipe(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
