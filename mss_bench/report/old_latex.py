r"""Tables of a report in LaTeX, for ``\input``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mss_bench.report.latex import latex_escape
from mss_bench.report.layout import Block, wrap_name
from mss_bench.report.sheets import Entry, Line, Sheet, Style, explanations, sheets

__all__ = ["latex"]

_NAME_WIDTH = 34  # characters of a method's name in a line
_NARROW_NAME = 24  # where columns leave no room
_COLUMN = 46  # characters of a small font in one of two columns
_PAGE = 96  # in both


def latex(blocks: Sequence[Block], style: Style | None = None) -> str:
    r"""Tables in LaTeX, one per target group and metric, or per target, to be read with ``\input``.

    They need the package ``booktabs``. Long names are broken into lines, special characters escaped, what is best of a
    column or tied with it is bold, oracles stand below a rule, and footnotes name leakage, stand-ins and tracks left
    out. A table too wide for one of two columns spans both (``table*``).

    Parameters
    ----------
    blocks : sequence of Block
        From `mss_bench.report.arrangement.blocks`.
    style : Style, optional
        Columns, digits, intervals.

    Returns
    -------
    str
        With letters of Latin scripts as they are; other characters outside ASCII stand by their code points, as no
        common font has them all.
    """
    if not blocks:
        return "% No scores.\n"
    style = style or Style()
    told = explanations(blocks, style)
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(_table(sheet, told) for sheet in sheets(blocks, style))


def _table(sheet: Sheet, told: list[str]) -> str:
    label = re.sub(r"[^a-z0-9]+", "-", sheet.name.lower()).strip("-")
    names = _NAME_WIDTH if _width(sheet, _NAME_WIDTH) <= _PAGE else _NARROW_NAME
    width = _width(sheet, names)
    wide = "*" if width > _COLUMN else ""
    size = r"\small" if width <= _PAGE else r"\footnotesize" if width <= 1.1 * _PAGE else r"\scriptsize"
    columns = "l" + "r" * len(sheet.headings)
    lines = [
        rf"\begin{{table{wide}}}",
        r"\centering",
        rf"\caption{{{latex_escape(sheet.title)}}}",
        rf"\label{{tab:{label}}}",
        size,
        rf"\setlength{{\tabcolsep}}{{{4 if width <= _PAGE else 3 if width <= 1.25 * _PAGE else 1.5}pt}}",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        " & ".join(map(latex_escape, ["Method", *sheet.headings])) + r" \\",
        r"\midrule",
        *(_row(line, names) for line in sheet.methods),
    ]
    if sheet.oracles:
        if sheet.methods:
            lines.append(r"\midrule")
        lines += [rf"\multicolumn{{{len(columns)}}}{{@{{}}l}}{{\emph{{Oracles}}}} \\"]
        lines += [_row(line, names) for line in sheet.oracles]
    lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip\raggedright\footnotesize"]
    lines += [latex_escape(" ".join(told)), *(r"\par " + latex_escape(note) for note in sheet.notes)]
    return "\n".join([*lines, rf"\end{{table{wide}}}", ""])


def _width(sheet: Sheet, name_width: int) -> float:
    """Characters of the longest row, roughly."""
    names = [min(len(line.row.name), name_width) + 8 * line.row.floor for line in sheet.lines]
    texts = [
        max([len(heading), *(_length(line.entries[i]) for line in sheet.lines)])
        for i, heading in enumerate(sheet.headings)
    ]
    return max(names, default=0) + sum(texts) + 2 * len(texts)


def _length(entry: Entry) -> float:
    return len(entry.text + entry.marks) + (0.8 * len("".join(entry.interval)) + 4 if entry.interval else 0)


def _row(line: Line, name_width: int) -> str:
    parts = [latex_escape(part) for part in wrap_name(line.row.method, name_width)]
    name = parts[0] if len(parts) == 1 else r"\begin{tabular}[t]{@{}l@{}}" + r" \\ ".join(parts) + r"\end{tabular}"
    name += r"\textsuperscript{\S}" if line.row.leaks else ""
    name += " (floor)" if line.row.floor else ""
    return " & ".join([name, *map(_cell, line.entries)]) + r" \\"


_NUMBERS = {"–": "--", "∞": r"$\infty$", "+∞": r"$+\infty$", "-∞": r"$-\infty$"}


def _number(text: str) -> str:
    signed = f"${text[0]}${text[1:]}" if text[:1] in {"-", "+"} else text
    return _NUMBERS.get(text, signed)


def _cell(entry: Entry) -> str:
    shown = _number(entry.text)
    shown = rf"\textbf{{{shown}}}" if entry.bold else shown
    shown += rf"\textsuperscript{{{latex_escape(entry.marks)}}}" if entry.marks else ""
    if entry.interval is None:
        return shown
    return shown + r" {\scriptsize[" + ", ".join(map(_number, entry.interval)) + "]}"
