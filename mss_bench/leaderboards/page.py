"""``index.html`` of a board: the pictures of a run's report, without cost, and with rules and origins below them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from mss_bench.core.schema import FLOOR
from mss_bench.leaderboards.board import ORIGINS, Board, Entry
from mss_bench.leaderboards.completeness import Completeness
from mss_bench.leaderboards.entry_facts import filter_facts, filters
from mss_bench.leaderboards.incomplete import PAIRWISE
from mss_bench.leaderboards.ratings import RATINGS, rating_picture
from mss_bench.report.contents import arrange
from mss_bench.report.html import relabel, templates, texts, wording
from mss_bench.report.options import Options
from mss_bench.report.page_model import page_model
from mss_bench.report.significance import how_tested, overall
from mss_bench.report.table import Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["board_page"]


def board_page(
    board: Board, tables: Sequence[Table], entries: Sequence[Entry], state: Completeness | None, head: Sequence[str],
    origin: str,
) -> str:  # fmt: skip
    """Return the page of a board, a complete document; every name and text in it is escaped.

    Parameters
    ----------
    board : Board
    tables : sequence of Table
        What the board's Markdown shows: on the page they are for readers without script, or, where there are no entries
        with scores of songs to draw, all there is.
    entries : sequence of Entry
        Those of a board of scores; none of one of published aggregates.
    state : Completeness or None
        What of the entries is compared; None where there are none.
    head : sequence of str
        What is compared, then what must be known before the numbers are read.
    origin : str
        Where it comes from.
    """
    environment = templates("mss_bench.leaderboards")
    environment.filters["prose"] = _prose
    content: dict[str, Any] = {"model": None, "tests": [], "tested": ""}
    compared = None if state is None else state.ranked(board)
    if compared is not None and not compared.empty:
        content |= _pictures(board, entries, compared)
    page = environment.get_template("board.html.j2")
    methods = [(entry.method, _about(entry)) for entry in sorted(entries, key=lambda entry: entry.method.lower())]
    return page.render(
        {"title": board.title, "board": board, "intro": head[0], "remarks": head[1:], "origin": origin}
        | {"methods": methods, "notes": []}
        | content
        | {"tables": tables, "apart": [t for t in tables[1:] if t.title != RATINGS] if entries else []}
        | {"pairwise": PAIRWISE}
        | {"rating": next((rating_picture(table) for table in tables if table.title == RATINGS), None)}
    )


def _pictures(board: Board, entries: Sequence[Entry], table: pd.DataFrame) -> dict[str, Any]:
    """Return the model that the script draws of the rows that are compared, and the words around it."""
    table = table.copy()
    shown, metrics, present = ({*table[name].unique()} for name in ("separator", "metric", "target"))
    if board.floor:
        table["separator"] = table["separator"].replace(board.floor, FLOOR)
    targets = tuple(t for t in board.targets if t in present)
    by = board.rank_target if board.rank_target in (*targets, "mean") else targets[0]
    options = Options(
        metrics=tuple(m for m in dict.fromkeys((board.rank_metric, *board.metrics)) if m in metrics), targets=targets,
        aggregation=board.aggregation, missing="complete", sort=by,
    )  # fmt: skip
    costs = {
        (FLOOR if e.method == board.floor else e.method): {
            name: math.nan if value is None else float(value)
            for name, value in (("speed", e.speed), ("memory", e.memory), ("parameters", e.parameters))
        }
        for e in entries
    }
    quantities = [
        {"name": name, "unit": board.units.get(name, "dB"), "higher_is_better": name not in board.lower_is_better}
        for name in board.metrics
    ]
    facts: list[Mapping[str, Any]] = [
        {
            "label": FLOOR if e.method == board.floor else e.method, "name": FLOOR if e.does_nothing else e.method,
            "trained_on": [] if board.training_songs else list(e.trained_on),
        }
        for e in entries
        if e.method in shown
    ]  # fmt: skip
    contents = arrange(table, options, quantities=quantities, separators=facts)
    model = page_model(contents, digits=options.style.digits, costs=costs, mean=board.rank_target == "mean")
    own = [e for e in entries if e.method in shown]
    told = {FLOOR if e.method == board.floor else e.method: filter_facts(e) for e in own}
    for method in model["methods"]:
        method["facts"] = told[method["name"]]
    model["filters"] = filters(own)
    relabel(model, {FLOOR: board.floor} if board.floor else {})
    machines = {e.measured_on for e in own} - {""}
    measured = {"costs": any(e.speed for e in own), "machine": "; ".join(sorted(machines))}
    model |= measured | {"start": by} | wording(contents, options)
    findings = [f for block in contents.blocks for f in block.findings.values()]
    return {
        "model": model,
        **texts(contents, options),
        "tests": [overall(block) for block in contents.blocks if block.findings],
        "tested": how_tested(findings[0]) if findings else "",
        "cost_help": "",
        "explanation": "",
    }


def _about(entry: Entry) -> str:
    """Return what is known of an entry in a line."""
    trained = ", ".join(entry.trained_on)
    parts = [
        entry.description, ORIGINS[entry.origin], f"trained on {trained}" if trained else "",
        f"licence {entry.licence}" if entry.licence else "",
        ", ".join(f"{key}: {value}" for key, value in entry.provenance.items()),
    ]  # fmt: skip
    return "; ".join(part for part in parts if part)


def _prose(text: str) -> Markup:
    """Return text of a board as HTML: escaped, and what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
