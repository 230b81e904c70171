"""Tables of a listening test, for a page, a paper and a spreadsheet."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from csv import writer
from dataclasses import dataclass, field
from typing import Any

from mss_bench.report.latex import latex_escape
from mss_bench.report.markdown import markdown_escape

__all__ = ["Cell", "Table", "csv", "latex", "markdown", "p_text"]

Cell = str | int | float | bool


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    name : str
        Of its CSV file.
    title : str
    headings : sequence of str
    rows : sequence of sequence of Cell
        Numbers as they are; a row's first cell names it.
    digits : int
        Decimals of what is no whole number; columns whose heading begins with ``p `` are p values.
    notes : list of str
    """

    name: str
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    digits: int = 2
    notes: list[str] = field(default_factory=list)

    def texts(self) -> list[list[str]]:
        """The cells as they are shown."""
        return [
            [self._text(cell, heading) for cell, heading in zip(row, self.headings, strict=True)] for row in self.rows
        ]

    def numeric(self) -> list[bool]:
        """Which columns are of numbers."""
        return [
            bool(self.rows)
            and all(isinstance(row[i], int | float) and not isinstance(row[i], bool) for row in self.rows)
            for i in range(len(self.headings))
        ]

    def _text(self, cell: Cell, heading: str) -> str:
        if isinstance(cell, bool):
            return "yes" if cell else "no"
        if isinstance(cell, float):
            if math.isnan(cell):
                return "–"
            return p_text(cell) if heading.startswith("p ") else f"{cell:.{self.digits}f}".replace("-", "−")
        return str(cell)


def p_text(p: float) -> str:
    """A p value as papers write it."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def csv(table: Table) -> str:
    """Numbers in full."""
    out = io.StringIO()
    lines = writer(out, lineterminator="\n")
    lines.writerow(table.headings)
    lines.writerows([["" if _missing(cell) else cell for cell in row] for row in table.rows])
    return out.getvalue()


def _missing(cell: Any) -> bool:
    return isinstance(cell, float) and math.isnan(cell)


def markdown(table: Table) -> str:
    """A heading, the table and its notes, in GitHub's Markdown."""
    marks = ["---:" if number else "---" for number in table.numeric()]
    lines = [f"### {markdown_escape(table.title)}", "", _pipe(map(markdown_escape, table.headings)), _pipe(marks)]
    lines += [_pipe(map(markdown_escape, row)) for row in table.texts()]
    lines += ["", *(f"- {markdown_escape(note)}" for note in table.notes), *([""] if table.notes else [])]
    return "\n".join(lines)


def _pipe(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


_SIGNS = {"−": "$-$", "ρ": r"$\rho$", "τ": r"$\tau$"}


def _latex(text: str) -> str:
    """Escaped, with the signs of formulas that these tables use."""
    parts = re.split(f"([{''.join(_SIGNS)}])", text)
    return "".join(_SIGNS.get(part) or _padded(part) for part in parts)


def _padded(part: str) -> str:
    """Escaped, with the spaces at its ends that the escape would take."""
    inner = latex_escape(part)
    return f"{' ' * part[:1].isspace()}{inner}{' ' * (bool(inner) and part[-1:].isspace())}"


def latex(table: Table) -> str:
    r"""A ``table`` environment with ``booktabs``."""
    columns = "".join("r" if number else "l" for number in table.numeric())
    label = re.sub(r"[^a-z0-9]+", "-", table.name.lower()).strip("-")
    lines = [
        r"\begin{table}", r"\centering", rf"\caption{{{_latex(table.title)}}}", rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule", " & ".join(map(_latex, table.headings)) + r" \\",
        r"\midrule", *(" & ".join(map(_latex, row)) + r" \\" for row in table.texts()), r"\bottomrule",
        r"\end{tabular}", *(r"\par\smallskip{\footnotesize " + _latex(note) + "}" for note in table.notes),
        r"\end{table}", "",
    ]  # fmt: skip
    return "\n".join(lines)
