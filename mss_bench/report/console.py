"""Tables as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from mss_bench.core.text import encodable, width_of, wrap
from mss_bench.report.table import Table, TableCell

__all__ = ["render"]

_GAP = "  "


def render(table: Table, width: int, encoding: str | None = None) -> str:
    """Return a table as lines of at most `width` cells; see `Table.console`."""

    def plain(text: str) -> str:
        return encodable(text, encoding)

    # Marks stand in a place of their own behind a number, so that digits stay below each other.
    marks = [max((len(row[i].marks) for row in table.rows), default=0) for i in range(len(table.columns))]

    def shown_text(i: int, cell: TableCell) -> str:
        text = plain(cell.plain)
        return text + " " * (marks[i] - len(cell.marks)) if table.columns[i].align == "right" else text

    headings = [plain(column.text) for column in table.columns]
    groups = [[[shown_text(i, cell) for i, cell in enumerate(row)] for row in group] for group in table.groups]
    texts = [headings, *(row for group in groups for row in group)]
    natural = [max(width_of(row[i]) for row in texts) for i in range(len(headings))]
    # Texts may wrap, to no less than a quarter of the line; numbers stay whole, as half a number misleads.
    least = [
        min(natural[i], width // 4) if column.align == "left" else natural[i] for i, column in enumerate(table.columns)
    ]
    shown = list(range(len(headings)))
    optional = [i for i in shown if table.columns[i].optional]
    while optional and _total([least[i] for i in shown]) > width:
        shown.remove(optional.pop())
    # Names wrap first, then optional columns go, and only then do columns continue below.
    lines = wrap(plain(table.title), width, breaks=" ") if table.title else []
    panels = _panels(shown, least, width)
    for panel in panels:
        widths = _widths([natural[c] for c in panel], [least[c] for c in panel], width)
        aligned = [table.columns[c].align for c in panel]
        rule = plain("─") * _total(widths)
        lines += _lines([headings[c] for c in panel], widths, aligned)
        for group in groups:
            lines.append(rule)
            for row in group:
                lines += _lines([row[c] for c in panel], widths, aligned)
        if table.notes or panel is not panels[-1]:
            lines.append(rule)
    hidden = [headings[i] for i in range(len(headings)) if i not in shown]
    notes = [*table.notes, *([f"Hidden (terminal too narrow): {', '.join(hidden)}."] if hidden else [])]
    lines += [line for note in notes for line in wrap(plain(note), width, 2, breaks=" ")]
    return "\n".join(line.rstrip() for line in lines)


def _lines(texts: Sequence[str], widths: Sequence[int], aligned: Sequence[str]) -> list[str]:
    """Return a row as lines: one, or several where a text wraps."""
    wrapped = [
        [text] if align == "right" else wrap(text, width, indent=0 if i else 2)
        for i, (text, width, align) in enumerate(zip(texts, widths, aligned, strict=True))
    ]
    height = max(map(len, wrapped))
    columns = [
        [_padded(line, width, align) for line in [*lines, *[""] * (height - len(lines))]]
        for lines, width, align in zip(wrapped, widths, aligned, strict=True)
    ]
    return [_GAP.join(parts) for parts in zip(*columns, strict=True)]


def _padded(text: str, width: int, align: str) -> str:
    blank = " " * (width - width_of(text))
    return blank + text if align == "right" else text + blank


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _widths(natural: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Return the widths of columns that fit into a line: the widest that can shrink gives way first."""
    widths = list(natural)
    # One character at a time: tables are narrow, and the two widest columns then end up alike.
    while _total(widths) > width:
        i = max((i for i in range(len(widths)) if widths[i] > least[i]), key=lambda i: widths[i], default=None)
        if i is None:
            break
        widths[i] -= 1
    return widths


def _panels(columns: Sequence[int], least: Sequence[int], width: int) -> list[list[int]]:
    """Return the columns in runs that fit into a line, each led by the first column."""
    first, *others = columns
    panels = [[first]]
    for column in others:
        if len(panels[-1]) > 1 and _total([least[c] for c in [*panels[-1], column]]) > width:
            panels.append([first])
        panels[-1].append(column)
    return panels
