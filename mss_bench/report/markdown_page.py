"""A whole report in Markdown: tables, significance, figures, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mss_bench.report.blocks import Block
from mss_bench.report.facts import commands, name_maps
from mss_bench.report.failures import Failures
from mss_bench.report.figures import Drawing
from mss_bench.report.markdown import markdown_escape
from mss_bench.report.options import Style
from mss_bench.report.score_tables import score_tables
from mss_bench.report.significance import explanations, how_tested, overall, ranking
from mss_bench.report.table import Table

__all__ = ["markdown_page", "significance"]


def markdown_page(
    blocks: Sequence[Block],
    style: Style,
    failures: Failures,
    run: Mapping[str, Any],
    figures: Sequence[Drawing],
    costs: Table,
    protocols: Sequence[Table] = (),
) -> str:
    """Return the text of ``report.md``, which links its figures in ``figures/``.

    Parameters
    ----------
    blocks : sequence of Block
    style : Style
    failures : Failures
    run : mapping
        The content of ``run.json``.
    figures : sequence of Drawing
        Those that are linked.
    costs : Table
        Time and memory.
    protocols : sequence of Table
        From `mss_bench.report.protocols.protocol_tables`.
    """
    parts = ["# Report"]
    parts += [f"> **{markdown_escape(sentence)}**" for sentence in failures.banner]
    parts += [f"Command: {markdown_escape(command)}" for command in commands(run)]
    parts.append(explanations(blocks, style) or "No scores.")
    if maps := name_maps(run.get("separators", ())):
        parts.append(markdown_escape(maps))
    parts += [table.markdown() for table in (*protocols, *score_tables(blocks, style))]
    parts += significance(blocks, style.digits)
    parts += ["## Figures", "Of the first metric of each group of targets."] if figures else []
    parts += [f"![{markdown_escape(figure.alt)}](figures/{figure.name}.png)" for figure in figures]
    parts += ["## Time and memory", costs.markdown()] if costs.rows else []
    parts += ["## Failures", failures.sentence, *([failures.table().markdown()] if failures.groups else [])]
    parts += [
        _folded(f"Traceback of {group.separator}, {group.status}", group.log) for group in failures.groups if group.log
    ]
    return "\n\n".join(text for part in parts if (text := part.strip("\n"))) + "\n"


def _folded(title: str, log: str) -> str:
    """Return a text that opens on a click, where the reader of the Markdown has such a thing."""
    # Plugins write logs: as HTML, for no fence of Markdown is safe from what they hold.
    return f"<details><summary>{escape(title)}</summary>\n\n<pre>{escape(log.strip())}</pre>\n</details>"


def significance(blocks: Sequence[Block], digits: int) -> list[str]:
    """Return the parts of the section "Significance"; none without findings."""
    tested = [block for block in blocks if block.findings]
    if not tested:
        return []
    parts = ["## Significance", markdown_escape(how_tested(next(iter(tested[0].findings.values()))))]
    in_full: set[str] = set()
    for block in tested:
        parts.append(overall(block).markdown())
        if block.name not in in_full:  # the first metric; the page has the others
            in_full.add(block.name)
            parts += [ranking(block, target, digits).markdown(level=4) for target in block.tested]
    return parts
