"""One self-contained HTML page: tables, figures, failures, provenance; no network, no file beside it."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mss_bench.reports.failures import Failures
from mss_bench.reports.layout import Block, Cell, Quantities, Row, number
from mss_bench.reports.sheets import Style, explanations
from mss_bench.reports.significance import OVERALL, RANKING, how_tested, overall, ranking
from mss_bench.stats.aggregate import method_label

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Picture", "page"]

_HEADLINE = ("command", "dataset", "subset", "started", "ended", "seed", "version")
"""Provenance shown first, in this order; everything else follows."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Parameters
    ----------
    png : bytes
    alt : str
        What it shows, for readers who do not see it.
    folded : bool
        Whether it is shown on a click only.
    """

    png: bytes
    alt: str
    folded: bool = False

    @property
    def uri(self) -> str:
        """The image as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


def page(
    blocks: Sequence[Block],
    *,
    failures: Failures,
    costs: pd.DataFrame | None = None,
    run: Mapping[str, Any] | None = None,
    quantities: Quantities = (),
    pictures: Mapping[tuple[str, str], Sequence[Picture]] | None = None,
    title: str = "",
    style: Style | None = None,
) -> str:
    """The page as text; every name and value in it is escaped.

    Parameters
    ----------
    blocks : sequence of Block
        From `mss_bench.reports.layout.blocks`.
    failures : Failures
        From `mss_bench.reports.failures.group_failures`.
    costs : DataFrame, optional
        The cost table.
    run : mapping, optional
        The content of ``run.json``; any part may be absent.
    quantities : sequence of mapping
        Definitions of metrics; those that occur are listed.
    pictures : mapping, optional
        Figures by `Block.name` and `Block.label`; under an empty label, those of the whole group.
    title : str
        By default made from the data set's name.
    style : Style, optional
        Decimals and intervals.

    Returns
    -------
    str
        A complete HTML document.
    """
    style = style or Style()
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mss_bench.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    datasets = ", ".join(dict.fromkeys(f"{b.dataset} {b.subset}".strip() for b in blocks))
    shown = {b.metric for b in blocks}
    figures = pictures or {}
    groups = [
        {
            "id": f"group-{i}",
            "name": name,
            "tables": [_table(b, style.digits, figures.get((name, b.label), ())) for b in found],
            "pictures": figures.get((name, ""), ()),
        }
        for i, (name, found) in enumerate((n, list(f)) for n, f in groupby(blocks, key=lambda b: b.name))
    ]
    return environment.get_template("report.html.j2").render(
        title=title or f"Source separation: {datasets or 'no scores'}",
        facts=_facts(blocks, failures),
        explanation=" ".join(explanations(blocks, style)),
        tested=next((how_tested(f) for b in blocks for f in b.findings.values()), ""),
        groups=groups,
        failures=failures,
        costs=_costs(costs),
        quantities=[q for q in quantities if q["name"] in shown],
        provenance=_provenance(run or {}),
    )


def _facts(blocks: Sequence[Block], failures: Failures) -> list[tuple[str, str]]:
    """The numbers at the head of the page."""
    methods = {r.method for b in blocks for r in b.rows}
    oracles = {r.method for b in blocks for r in b.oracles}
    tracks = max((n + b.n_left_out[t] for b in blocks for t, n in b.n_tracks.items()), default=0)
    return [
        ("methods", f"{len(methods) - len(oracles)}"),
        ("oracles", f"{len(oracles)}"),
        ("tracks", f"{tracks}"),
        ("failed cells", f"{failures.n_failed} of {failures.n_cells}"),
    ]


def _table(block: Block, digits: int, pictures: Sequence[Picture]) -> dict[str, Any]:
    several = len(block.targets) > 1
    rows = [
        {
            "method": row.name,
            "kind": "floor" if row.floor else "oracle" if row.oracle else "method",
            "cells": [
                *([_number(row.mean, digits) | {"marks": row.marks}] if several else []),
                _number(row.improvement, digits, signed=True),
                *(_target(row.cells.get(t), digits) for t in block.targets),
            ],
            "failed": row.n_failed,
            "flags": _other_flags(row),
        }
        for row in block.rows
    ]
    return {
        "title": block.caption,
        "label": block.label,
        "headings": [*(["mean"] if several else []), "gain", *block.targets],
        "higher_is_better": block.higher_is_better,
        "rows": rows,
        "any_failed": any(row.n_failed for row in block.rows),
        "any_flags": any(_other_flags(row) for row in block.rows),
        "notes": block.notes,
        "pictures": pictures,
        "tests": _tests(block),
        "rankings": [_ranking(block, target, digits) for target in block.findings],
    }


def _tests(block: Block) -> dict[str, Any] | None:
    """Friedman's test of every target, and what was refused."""
    if not block.findings:
        return None
    found = overall(block)
    refusals = dict.fromkeys(f"{each.target}: {text}" for each in found for text in each.refusals)
    return {"headings": OVERALL, "rows": [each.cells for each in found], "refusals": list(refusals)}


def _ranking(block: Block, target: str, digits: int) -> dict[str, Any]:
    rows = [{"method": name, "texts": texts} for name, texts in ranking(block, target, digits).rows]
    return {"target": target, "headings": RANKING, "rows": rows}


def _other_flags(row: Row) -> str:
    """The flags that no other column tells."""
    told = {"failed", "imputed", "no_value", "no_floor"}
    return ", ".join(flag for flag in row.flags.split(", ") if flag not in told)


def _number(value: float, digits: int, *, signed: bool = False) -> dict[str, Any]:
    text = number(value, digits, signed=signed).replace("-", "−")
    return {"text": text, "key": _sort_key(value), "marks": "", "best": False, "hint": ""}


def _sort_key(value: float) -> str:
    """What the page's script sorts by: a number that JavaScript reads, nothing for a missing one."""
    if math.isnan(value):
        return ""
    return repr(value) if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def _target(cell: Cell | None, digits: int) -> dict[str, Any]:
    if cell is None:
        return _number(math.nan, digits) | {"hint": "not delivered"}
    if math.isnan(cell.value):
        return _number(math.nan, digits) | {"text": "failed" if cell.n_failed else "undefined"}
    hints = [f"{cell.n_tracks} tracks", f"gain {number(cell.improvement, digits, signed=True)}"]
    hints += [f"the floor stands in on {cell.n_imputed}"] if cell.n_imputed else []
    hints += [f"infinite on {cell.n_inf}"] if cell.n_inf else []
    if not math.isnan(cell.low):
        hints.append(f"interval {number(cell.low, digits)} to {number(cell.high, digits)}")
    return _number(cell.value, digits) | {"marks": cell.marks, "best": cell.bold, "hint": ", ".join(hints)}


def _costs(costs: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Time and memory by method, the fastest first."""
    if costs is None or costs.empty:
        return []
    rows: list[dict[str, Any]] = []
    for (separator, params), part in costs.groupby(["separator", "params"], sort=False):
        ratio = float((part["separate_seconds"] / part["audio_seconds"]).median())
        score = float((part["score_seconds"] / part["audio_seconds"]).median())
        cells = [_number(ratio, 4), _number(score, 4), _number(float(part["peak_memory_mb"].max()), 0)]
        rows.append({"method": method_label(str(separator), str(params)), "cells": cells, "ratio": ratio})
    return sorted(rows, key=lambda row: (math.isnan(row["ratio"]), row["ratio"]))


def _provenance(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Keys of ``run.json`` and their values in a line or, where they are nested, as JSON."""
    keys = [*(k for k in _HEADLINE if k in run), *(k for k in run if k not in _HEADLINE)]
    return [(key, _text(run[key])) for key in keys if run[key] not in (None, "", [], {})]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(f"{k}: {v if isinstance(v, str) else json.dumps(v, default=str)}" for k, v in value.items())
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return "\n".join(value)
    return json.dumps(value, default=str, ensure_ascii=False)
