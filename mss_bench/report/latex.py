r"""Tables in LaTeX, for ``\input``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from mss_bench.core.text import wrap
from mss_bench.report.table import Table, TableCell

__all__ = ["latex_escape", "render", "slug"]

# Widths in characters.
_NAME = 34  # of a row's name in a line
_NARROW_NAME = 24  # where columns leave no room
_COLUMN_NAME = 20  # in a table of one column
_COLUMN = 46  # of a small font in one of two columns
_PAGE = 96  # in both

# What is narrow enough keeps its size.
_SHRINK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # after a line break it would be an argument
    "*": "{*}",  # the same
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "×": r"$\times$",
    "−": "$-$",
    "∞": r"$\infty$",
    "≈": r"$\approx$",
    "°": r"\textdegree{}",
    "¶": r"\P{}",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "ρ": r"$\rho$",
    "τ": r"$\tau$",
    "µ": r"$\mu$",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "§": r"\S{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
}

# Letters of Latin-1 and Latin Extended-A which LaTeX's Unicode input has in its default font encoding.
_PLAIN = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿĀāĂăĆćĈĉĊċČčĎďĒēĔĕĖėĚěĜĝĞğĠġĤĥĨĩĪīĬĭİıĴĵĹĺŁłŃńŇňŌōŎŏŐő"
    "ŒœŔŕŘřŚśŜŝŞşŠšŤťŨũŪūŬŭŮůŰűŴŵŶŷŸŹźŻżŽž"
)


def latex_escape(text: str) -> str:
    """Return text that LaTeX prints as it is; newlines become spaces, characters that fonts lack their code points."""
    # An empty group keeps two hyphens, or a hyphen and a dash, from becoming one dash.
    escaped = "".join(map(_sign, " ".join(re.sub("[-–—](?=[-–—])", "\\g<0>\0", text).split())))
    return escaped.replace("\0", "{}")


def _running(text: str) -> str:
    """Return text for a caption or a note: words that are longer than a line of a column may break."""
    words = (wrap(word, _NARROW_NAME) for word in text.split())
    return " ".join(r"\allowbreak{}".join(map(latex_escape, pieces)) for pieces in words)


def _sign(sign: str) -> str:
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    if sign == "\0" or (sign.isascii() and sign.isprintable()) or sign in _PLAIN:
        return sign
    return rf"\texttt{{U+{ord(sign):04X}}}"


def render(table: Table, *, column: bool = False, caption: str = "", label: str = "") -> str:
    r"""Return a table in LaTeX; see `Table.latex`.

    Parameters
    ----------
    table : Table
    column : bool
        Keep to one of two columns: in small type, and shrunk (``\resizebox`` of the package graphicx) where that is
        still too wide.
    caption, label : str
        By default the title, and a label made of the name.
    """
    label = label or f"tab:{slug(table.name)}"
    most = _COLUMN if column else _PAGE
    name_width = _COLUMN_NAME if column else _NAME if _width(table, _NAME) <= _PAGE else _NARROW_NAME
    width = _width(table, name_width)
    wide = "*" if width > _COLUMN and not column else ""
    # A column leaves no choice: what is a little too wide is shrunk, as the next smaller type would be too small.
    size = (
        r"\small" if width <= most else r"\footnotesize" if width <= (1.3 if column else 1.1) * most else r"\scriptsize"
    )
    separation = 4 if width <= most else 3 if width <= 1.25 * most else 1.5
    alignment = "".join("r" if column.align == "right" else "l" for column in table.columns)
    lines = [
        rf"\begin{{table{wide}}}",
        r"\centering",
        rf"\caption{{{_running(caption or table.title)}}}",
        rf"\label{{{label}}}",
        size,
        rf"\setlength{{\tabcolsep}}{{{separation}pt}}",
        *([_SHRINK] if column else []),
        rf"\begin{{tabular}}{{@{{}}{alignment}@{{}}}}",
        r"\toprule",
        " & ".join(latex_escape(_capital(column.text, i)) for i, column in enumerate(table.columns)) + r" \\",
    ]
    for group in table.groups:
        lines.append(r"\midrule")
        if tag := _shared_tag(group):
            title = rf"\emph{{{latex_escape(tag.capitalize())}s}}"
            lines.append(rf"\multicolumn{{{len(table.columns)}}}{{@{{}}l}}{{{title}}} \\")
        for row in group:
            lines.append(" & ".join([_name(row[0], name_width, tag), *map(_cell, row[1:])]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}" + "}" * column]
    if table.notes:
        lines += [r"\par\smallskip\raggedright\footnotesize", *(_running(note) + r"\par" for note in table.notes)]
    return "\n".join([*lines, rf"\end{{table{wide}}}", ""])


def slug(name: str) -> str:
    """Return a name as a label may have it: ``demo-test-4stem-sdr``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _capital(text: str, i: int) -> str:
    return text if i else text[:1].upper() + text[1:]


def _shared_tag(group: Sequence[Sequence[TableCell]]) -> str:
    """Return the tag that every row of a group has, for a line above them: names with it would be too wide."""
    tags = {row[0].tag for row in group}
    return tags.pop() if len(tags) == 1 else ""


def _width(table: Table, name_width: int) -> float:
    """Return the characters of the longest row, roughly."""
    names = [
        min(len(row[0].text), name_width) + len(row[0].marks) + (len(row[0].tag) + 3) * (row[0].tag not in ("", tag))
        for group in table.groups
        for tag in [_shared_tag(group)]
        for row in group
    ]
    texts = [
        max([len(column.text), *(_length(row[i]) for row in table.rows)]) for i, column in enumerate(table.columns) if i
    ]
    return max(names, default=0) + sum(texts) + 2 * len(texts)


def _length(cell: TableCell) -> float:
    return len(cell.text + cell.marks) + (0.8 * len("".join(cell.interval)) + 4 if cell.interval else 0)


def _name(cell: TableCell, width: int, shared_tag: str) -> str:
    parts = [latex_escape(part) for part in wrap(cell.text, width)]
    name = parts[0] if len(parts) == 1 else r"\begin{tabular}[t]{@{}l@{}}" + r" \\ ".join(parts) + r"\end{tabular}"
    return _decorated(name, cell if cell.tag != shared_tag else replace(cell, tag=""))


def _cell(cell: TableCell) -> str:
    text = _number(cell.text) if cell.value is not None else latex_escape(cell.text)
    return _decorated(text, cell)


def _decorated(text: str, cell: TableCell) -> str:
    text = rf"\textbf{{{text}}}" if cell.bold else text
    text += f" ({latex_escape(cell.tag)})" if cell.tag else ""
    text += rf"\textsuperscript{{{latex_escape(cell.marks)}}}" if cell.marks else ""
    if cell.interval is not None:
        text += r" {\scriptsize[" + ", ".join(map(_number, cell.interval)) + "]}"
    return text


def _number(text: str) -> str:
    """Return a number with the minus of formulas instead of a hyphen."""
    if text[:1] in {"−", "+"} and text[1:] != "∞":
        return f"${text[0].replace('−', '-')}${text[1:]}"
    return {"+∞": r"$+\infty$", "−∞": r"$-\infty$"}.get(text) or latex_escape(text)
