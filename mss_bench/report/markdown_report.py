"""A whole report in Markdown: tables, significance, figures, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mss_bench.report import tables
from mss_bench.report.failures import Failures
from mss_bench.report.figures import Drawing
from mss_bench.report.layout import Block
from mss_bench.report.sheets import Style
from mss_bench.report.significance import markdown_findings

__all__ = ["markdown_report"]


def markdown_report(
    blocks: Sequence[Block], style: Style, failures: Failures, run: Mapping[str, Any], figures: Sequence[Drawing]
) -> str:
    """The text of ``report.md``, which links its figures in ``figures/``.

    Parameters
    ----------
    blocks : sequence of Block
    style : Style
    failures : Failures
    run : mapping
        The content of ``run.json``.
    figures : sequence of Drawing
        Those that are linked.
    """
    escape = tables.markdown_escape
    lines = ["# Report", ""]
    if run.get("command"):
        command = run["command"] if isinstance(run["command"], str) else " ".join(map(str, run["command"]))
        lines += [f"Command: {escape(command)}", ""]
    lines += [tables.markdown(blocks, style)]
    significance = markdown_findings(blocks, style.digits)
    lines += [significance] if significance else []
    lines += ["## Figures", "", "Of the first metric of each group of targets.", ""] if figures else []
    for figure in figures:
        lines += [f"![{escape(figure.alt)}](figures/{figure.name}.png)", ""]
    lines += ["## Failures", ""]
    if not failures.groups:
        return "\n".join([*lines, f"None in {failures.n_cells} cells.", ""])
    skipped = f", {failures.n_skipped} skipped" if failures.n_skipped else ""
    lines += [f"{failures.n_failed} of {failures.n_cells} cells failed{skipped}.", ""]
    lines += ["| method | status | cells | concerns | reason |", "| --- | --- | ---: | --- | --- |"]
    for group in failures.groups:
        cells = [group.method, group.status, str(group.count), group.scope or "separation", group.reason]
        lines.append(tables.pipe(list(map(escape, cells))))
    return "\n".join([*lines, ""])
