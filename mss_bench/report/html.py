"""The report's page: tables, figures, failures, provenance; no network.

Figures are in the page itself or beside it, as their addresses say.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mss_bench.report.failures import Failures
from mss_bench.report.layout import Block, Cell, Quantities, Row, number
from mss_bench.report.sheets import Style, explanations
from mss_bench.report.significance import OVERALL, RANKING, how_tested, overall, ranking
from mss_bench.stats.aggregate import method_label
from mss_bench.stats.matrix import OVER_TARGETS

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Environment

__all__ = ["Picture", "TrackLink", "cell", "data_uri", "page", "sort_key", "templates"]

_HEADLINE = ("command", "dataset", "subset", "started", "ended", "seed", "version")
"""Provenance shown first, in this order; everything else follows."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Parameters
    ----------
    uri : str
        Where it is: beside the page, or the image itself, from `data_uri`.
    alt : str
        What it shows, for readers who do not see it.
    folded : bool
        Whether it is shown on a click only.
    target : str
        That it is of; empty where of all.
    """

    uri: str
    alt: str
    folded: bool = False
    target: str = ""


@dataclass(frozen=True)
class TrackLink:
    """A page of a track, and how many sounds it has."""

    href: str
    name: str
    subset: str
    sounds: int


def data_uri(png: bytes) -> str:
    """An image as an address that is the image."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def templates() -> Environment:
    """Templates of the package: everything that they are given is escaped, nothing may be missing."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("mss_bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(
    blocks: Sequence[Block],
    *,
    failures: Failures,
    costs: pd.DataFrame | None = None,
    run: Mapping[str, Any] | None = None,
    quantities: Quantities = (),
    pictures: Mapping[tuple[str, str], Sequence[Picture]] | None = None,
    tracks: Sequence[TrackLink] = (),
    title: str = "",
    style: Style | None = None,
) -> str:
    """The page as text; every name and value in it is escaped.

    Parameters
    ----------
    blocks : sequence of Block
        From `mss_bench.report.layout.blocks`.
    failures : Failures
        From `mss_bench.report.failures.group_failures`.
    costs : DataFrame, optional
        The cost table.
    run : mapping, optional
        The content of ``run.json``; any part may be absent.
    quantities : sequence of mapping
        Definitions of metrics; those that occur are listed.
    pictures : mapping, optional
        Figures by `Block.name` and `Block.label`; under an empty label, those of the whole group.
    tracks : sequence of TrackLink
        Pages of single tracks.
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
    datasets = ", ".join(dict.fromkeys(f"{b.dataset} {b.subset}".strip() for b in blocks))
    shown = {b.metric for b in blocks}
    figures = pictures or {}
    groups = [
        {
            "id": f"group-{i}",
            "name": name,
            "tables": [
                _table(b, style.digits, figures.get((name, b.label), ()))
                | {"main": b is found[0], "others": [other.label for other in found[1:]]}
                for b in found
            ],
            "pictures": figures.get((name, ""), ()),
        }
        for i, (name, found) in enumerate((n, list(f)) for n, f in groupby(blocks, key=lambda b: b.name))
    ]
    return (
        templates()
        .get_template("report.html.j2")
        .render(
            title=title or f"Source separation: {datasets or 'no scores'}",
            facts=_facts(blocks, failures),
            # Intervals stand below each table, not in its cells.
            explanation=" ".join(explanations(blocks, replace(style, intervals=False))),
            tested=next((how_tested(f) for b in blocks for f in b.findings.values()), ""),
            groups=groups,
            filters=[
                ("target", list(dict.fromkeys(t for b in blocks for t in b.targets))),
                ("metric", list(dict.fromkeys(b.label for b in blocks))),
            ],
            tracks=tracks,
            failures=failures,
            costs=_costs(costs),
            quantities=[q for q in quantities if q["name"] in shown],
            provenance=_provenance(run or {}),
        )
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
            "method": row.method,
            "name": row.name,
            "kind": _kind(row),
            "cells": [
                *([_mean(row, digits)] if several else []),
                _number(row.improvement, digits, signed=True),
                *(cell(row.cells.get(t), digits) for t in block.targets),
            ],
            "failed": row.n_failed,
            "flags": _other_flags(row),
        }
        for row in block.rows
    ]
    return {
        "title": block.caption,
        "label": block.label,
        "headings": [
            *({"text": text, "target": ""} for text in ([OVER_TARGETS] if several else []) + ["gain"]),
            *({"text": target, "target": target} for target in block.targets),
        ],
        "higher_is_better": block.higher_is_better,
        "rows": rows,
        "any_failed": any(row.n_failed for row in block.rows),
        "any_flags": any(_other_flags(row) for row in block.rows),
        "notes": block.notes,
        "pictures": pictures,
        "tests": _tests(block),
        "rankings": [_ranking(block, target, digits) for target in block.tested],
    }


def _tests(block: Block) -> dict[str, Any] | None:
    """Friedman's test of every target, and what was refused."""
    if not block.findings:
        return None
    found = overall(block)
    reasons = dict.fromkeys(text for each in found for text in each.refusals)
    refusals = [f"{', '.join(each.target for each in found if text in each.refusals)}: {text}" for text in reasons]
    rows = [{"target": _filtered(block, each.target), "texts": each.cells} for each in found]
    return {"headings": OVERALL, "rows": rows, "refusals": refusals}


def _filtered(block: Block, target: str) -> str:
    """By which target the page's filter takes a row: that of the mean over targets is of all."""
    return target if target in block.targets else ""


def _kind(row: Row) -> str:
    return "floor" if row.floor else "oracle" if row.oracle else "method"


def _ranking(block: Block, target: str, digits: int) -> dict[str, Any]:
    rows = [
        {"method": row.method, "name": row.name, "kind": _kind(row), "texts": texts}
        for row, texts in ranking(block, target, digits).rows
    ]
    title = target if target in block.targets else "mean over targets"
    return {"target": _filtered(block, target), "title": title, "headings": RANKING, "rows": rows}


def _mean(row: Row, digits: int) -> dict[str, Any]:
    """The mean over targets; that of a method that lacks one is missing rather than undefined."""
    return _number(math.nan, digits) if row.over is None else cell(row.over, digits)


def _other_flags(row: Row) -> str:
    """The flags that no other column tells."""
    told = {"failed", "imputed", "no_value", "no_floor"}
    return ", ".join(flag for flag in row.flags.split(", ") if flag not in told)


def _number(value: float, digits: int, *, signed: bool = False) -> dict[str, Any]:
    text = number(value, digits, signed=signed).replace("-", "−")
    return {"text": text, "key": sort_key(value), "marks": "", "best": False, "hint": ""}


def sort_key(value: float) -> str:
    """What the page's script sorts by: a number that JavaScript reads, nothing for a missing one."""
    if math.isnan(value):
        return ""
    return repr(value) if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def cell(found: Cell | None, digits: int) -> dict[str, Any]:
    """A cell of a page's table."""
    if found is None:
        return _number(math.nan, digits) | {"hint": "not delivered"}
    if math.isnan(found.value):
        return _number(math.nan, digits) | {"text": "failed" if found.n_failed else "undefined"}
    hints = [f"{found.n_tracks} tracks", f"gain {number(found.improvement, digits, signed=True)}"]
    hints += [f"the floor stands in on {found.n_imputed}"] if found.n_imputed else []
    hints += [f"infinite on {found.n_inf}"] if found.n_inf else []
    if not math.isnan(found.low):
        hints.append(f"interval {number(found.low, digits)} to {number(found.high, digits)}")
    return _number(found.value, digits) | {"marks": found.marks, "best": found.bold, "hint": ", ".join(hints)}


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
