"""Tables of a report as Markdown, CSV and LaTeX, from an aggregated table."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from mss_bench.reports.layout import Block, Cell, Quantities, Row, blocks, number, wrap_name
from mss_bench.stats.aggregate import AGGREGATIONS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv", "latex", "latex_escape", "markdown", "markdown_escape"]

_BEST = "Bold: the best of a column; oracles and values with stand-ins are left out of the comparison."
_NAME_WIDTH = 34  # characters of a method's name in a line of a LaTeX table


def csv(aggregated: pd.DataFrame) -> str:
    """The aggregated table as it is, one row per method, target and metric: numbers in full, infinity as ``inf``."""
    return aggregated.to_csv(index=False, lineterminator="\n")


def markdown(aggregated: pd.DataFrame, *, quantities: Quantities = (), digits: int = 2) -> str:
    """Tables in GitHub's Markdown, one per target group and metric.

    Parameters
    ----------
    aggregated : DataFrame
        From `mss_bench.stats.aggregate.aggregate`.
    quantities : sequence of mapping
        Units and directions of metrics.
    digits : int
        Decimals.

    Returns
    -------
    str
        How the values came about, then the tables, with a final newline; where `aggregated` is empty, a line that says
        so.
    """
    if aggregated.empty:
        return "No scores.\n"
    parts = [" ".join([_explanation(aggregated["aggregation"].iloc[0]), _BEST]) + "\n"]
    for block in blocks(aggregated, quantities, digits):
        heading = ["method", *_means(block), *block.targets]
        lines = [f"### {markdown_escape(block.title)}", "", _pipe([markdown_escape(h) for h in heading])]
        lines.append(_pipe(["---", *["---:"] * (len(heading) - 1)]))
        for row in block.rows:
            name = markdown_escape(row.method)
            kind = " (oracle)" if row.oracle else " (floor)" if row.floor else ""
            cells = _cells(row, block, digits, _markdown_cell)
            lines.append(_pipe([f"*{name}*{kind}" if row.oracle else name + kind, *cells]))
        notes = [f"- {markdown_escape(note)}" for note in block.notes]
        parts.append("\n".join([*lines, "", *notes, *([""] if notes else [])]))
    return "\n".join(parts)


def latex(aggregated: pd.DataFrame, *, quantities: Quantities = (), digits: int = 2) -> str:
    r"""Tables in LaTeX, one ``table`` environment per target group and metric, to be read with ``\input``.

    They need the package ``booktabs``. Long names are broken into lines, special characters escaped, the best value of
    a column is bold, oracles stand below a rule, and footnotes name stand-ins and tracks left out.

    Parameters
    ----------
    aggregated : DataFrame
        From `mss_bench.stats.aggregate.aggregate`.
    quantities : sequence of mapping
        Units and directions of metrics.
    digits : int
        Decimals.

    Returns
    -------
    str
        ASCII text wherever the names are.
    """
    if aggregated.empty:
        return "% No scores.\n"
    tables = [_latex_table(block, digits) for block in blocks(aggregated, quantities, digits)]
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(tables)


def _latex_table(block: Block, digits: int) -> str:
    heading = ["Method", *_means(block), *block.targets]
    label = re.sub(r"[^a-z0-9]+", "-", f"{block.name} {block.label}".lower()).strip("-")
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_escape(block.title)}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{@{{}}l{'r' * (len(heading) - 1)}@{{}}}}",
        r"\toprule",
        " & ".join(map(latex_escape, heading)) + r" \\",
        r"\midrule",
        *(_latex_row(row, block, digits) for row in block.methods),
    ]
    if block.oracles:
        if block.methods:
            lines.append(r"\midrule")
        lines += [rf"\multicolumn{{{len(heading)}}}{{@{{}}l}}{{\emph{{Oracles}}}} \\"]
        lines += [_latex_row(row, block, digits) for row in block.oracles]
    lines += [r"\bottomrule", r"\end{tabular}"]
    for note in [_explanation(block.aggregation), _BEST, *block.notes]:
        lines.append(r"\par\smallskip{\footnotesize " + latex_escape(note) + "}")
    return "\n".join([*lines, r"\end{table}", ""])


def _latex_row(row: Row, block: Block, digits: int) -> str:
    lines = [latex_escape(part) for part in wrap_name(row.method, _NAME_WIDTH)]
    name = lines[0] if len(lines) == 1 else r"\begin{tabular}[t]{@{}l@{}}" + r" \\ ".join(lines) + r"\end{tabular}"
    name += " (floor)" if row.floor else ""
    return " & ".join([name, *_cells(row, block, digits, _latex_cell)]) + r" \\"


def _means(block: Block) -> list[str]:
    return ["mean", "gain"] if len(block.targets) > 1 else ["gain"]


def _explanation(aggregation: str) -> str:
    return (
        f"Values: {AGGREGATIONS[aggregation]}; mean: over the targets; gain: improvement over the floor (the scaled"
        " mixture), paired by track."
    )


def _cells(row: Row, block: Block, digits: int, cell: Callable[[str, str, bool], str]) -> list[str]:
    """The numbers of a row; `cell` sets a number, its marks and whether it is the best."""
    texts = [cell(number(row.improvement, digits, signed=True), "", False)]
    if len(block.targets) > 1:
        texts.insert(0, cell(number(row.mean, digits), row.marks, False))
    for target in block.targets:
        found = row.cells.get(target)
        texts.append(cell(*_target(found, digits)) if found else cell("–", "", False))
    return texts


def _target(cell: Cell, digits: int) -> tuple[str, str, bool]:
    if math.isnan(cell.value):
        return ("failed" if cell.n_failed else "undefined"), "", False
    return number(cell.value, digits), cell.marks, cell.best


def _markdown_cell(text: str, marks: str, best: bool) -> str:
    return (f"**{text}**" if best else text) + markdown_escape(marks)


_LATEX_NUMBERS = {"–": "--", "∞": r"$\infty$", "+∞": r"$+\infty$", "-∞": r"$-\infty$"}


def _latex_cell(text: str, marks: str, best: bool) -> str:
    signed = f"${text[0]}${text[1:]}" if text[:1] in {"-", "+"} else text
    shown = _LATEX_NUMBERS.get(text, signed)
    shown = rf"\textbf{{{shown}}}" if best else shown
    return shown + (rf"\textsuperscript{{{latex_escape(marks)}}}" if marks else "")


def _pipe(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def markdown_escape(text: str) -> str:
    """Text that Markdown, and the HTML inside it, take literally; newlines become spaces."""
    escaped = re.sub(r"([\\`*_{}\[\]|~#])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # after a line break it would be an argument
    "*": "{*}",
    "–": "--",
    "∞": r"$\infty$",
    "†": r"\dag{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
}


def latex_escape(text: str) -> str:
    """Text that LaTeX prints as it is; newlines become spaces."""
    escaped = "".join(_LATEX_ESCAPES.get(sign, sign) for sign in " ".join(text.replace("--", "-\0-").split()))
    return escaped.replace("\0", "{}")
