"""The report's page: tables, figures, failures, provenance; no network.

Figures are in the page itself or beside it, as their addresses say.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mss_bench.core.schema import method_label
from mss_bench.report.contents import Contents
from mss_bench.report.failures import Failures
from mss_bench.report.options import Options, Style
from mss_bench.report.score_tables import Block, default_columns, score_table
from mss_bench.report.significance import explanations, how_tested, overall, ranking
from mss_bench.report.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Environment

__all__ = ["Picture", "TrackLink", "data_uri", "html_page", "sort_key", "templates"]

_HEADLINE = ("command", "dataset", "subset", "started", "ended", "seed", "version")
"""Provenance shown first, in this order; everything else follows."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page."""

    uri: str  # where it is, or the image itself, from `data_uri`
    alt: str  # what it shows, for readers who do not see it
    folded: bool = False  # shown on a click only
    target: str = ""  # empty where it is of all


@dataclass(frozen=True)
class TrackLink:
    """A page of a track, and how many sounds it has."""

    href: str
    name: str
    subset: str
    sounds: int


def data_uri(png: bytes) -> str:
    """Return an image as an address that is the image."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def templates(*packages: str) -> Environment:
    """Return the templates of packages and of reports: all that they are given is escaped, nothing may be missing."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, "mss_bench.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sort_key"] = sort_key
    return environment


def sort_key(value: float | str | None) -> str:
    """Return what the page's script sorts by: a number that JavaScript reads, nothing for a missing one."""
    if not isinstance(value, int | float):
        return str(value or "")
    if math.isnan(value):
        return ""
    return repr(value) if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def html_page(
    contents: Contents,
    options: Options,
    *,
    failures: Failures,
    costs: pd.DataFrame | None,
    run: Mapping[str, Any],
    tracks: Sequence[TrackLink],
) -> str:
    """Return the page of a report, a complete document; every name and value in it is escaped.

    Parameters
    ----------
    contents : Contents
    options : Options
    failures : Failures
        From `mss_bench.report.failures.group_failures`.
    costs : DataFrame, optional
        The cost table.
    run : mapping
        The content of ``run.json``; any part may be absent.
    tracks : sequence of TrackLink
        Pages of single tracks.
    """
    blocks, style = contents.blocks, options.style
    groups: list[dict[str, Any]] = []
    for name, of_group in groupby(blocks, key=lambda block: block.name):
        first, *others = list(of_group)
        tables = [_section(block, style.digits) for block in (first, *others)]
        tables[0]["others"] = [block.label for block in others]
        groups.append({"id": f"group-{len(groups)}", "name": name, "tables": tables, "pictures": ()})
    datasets = ", ".join(dict.fromkeys(f"{b.dataset} {b.subset}".strip() for b in blocks))
    template = templates().get_template("report.html.j2")
    return template.render(
        title=f"Source separation: {datasets or 'no scores'}",
        facts=_facts(blocks, failures),
        # Intervals stand below each table, not in its cells.
        explanation=explanations(blocks, style.with_values(columns=(), intervals=False)),
        tested=next((how_tested(f) for b in blocks for f in b.findings.values()), ""),
        groups=groups,
        filters=[
            ("target", list(dict.fromkeys(target for block in blocks for target in block.targets))),
            ("metric", list(dict.fromkeys(block.label for block in blocks))),
        ],
        tracks=tracks,
        failures=failures,
        costs=_costs(costs),
        quantities=[q for q in contents.quantities if q["name"] in {block.metric for block in blocks}],
        provenance=_provenance(run),
    )


def _facts(blocks: Sequence[Block], failures: Failures) -> list[tuple[str, str]]:
    """Return the numbers at the head of the page."""
    methods = {row.separator for block in blocks for row in block.rows}
    oracles = {row.separator for block in blocks for row in block.rows if row.oracle}
    tracks = max((n + b.n_left_out[t] for b in blocks for t, n in b.n_tracks.items()), default=0)
    return [
        ("methods", f"{len(methods) - len(oracles)}"),
        ("oracles", f"{len(oracles)}"),
        ("tracks", f"{tracks}"),
        ("failed cells", f"{failures.counts.failed} of {failures.counts.planned}"),
        *([("missing cells", f"{failures.counts.missing}")] if failures.counts.missing else []),
    ]


def _section(block: Block, digits: int) -> dict[str, Any]:
    """Return the table of a block with its tests and figures."""
    columns = [*default_columns(block), *(["failed"] if any(row.mean["n_failed"] for row in block.rows) else [])]
    # Flags take a wide column, which is there only where something is flagged.
    table = score_table([block], Style(columns=(*columns, "flags"), digits=digits))
    if not any(row[-1].text for row in table.rows):
        table = score_table([block], Style(columns=columns, digits=digits))
    return {
        "label": block.label,
        "caption": block.caption,
        "targets": block.targets,
        "scores": table,
        "tests": overall(block) if block.findings else None,
        "rankings": [(target, ranking(block, target, digits)) for target in block.tested],
        "pictures": (),
        "others": [],
    }


def _costs(costs: pd.DataFrame | None) -> Table | None:
    """Return time and memory by method, the fastest first."""
    if costs is None or costs.empty:
        return None
    rows: list[tuple[str, float, float, float]] = []
    for (separator, params), part in costs.groupby(["separator", "params"], sort=False):
        separation = float((part["separate_seconds"] / part["audio_seconds"]).median())
        scoring = float((part["score_seconds"] / part["audio_seconds"]).median())
        memory = float(part["peak_memory_mb"].max())
        rows.append((method_label(str(separator), str(params)), separation, scoring, memory))
    rows.sort(key=lambda row: (math.isnan(row[1]), row[1]))
    columns = [
        Column("separation", unit="s/s", digits=4), Column("scoring", unit="s/s", digits=4),
        Column("memory", unit="MB", digits=0),
    ]  # fmt: skip
    return Table("", ["separator", *columns], [rows])


def _provenance(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the keys of ``run.json`` with their values in a line or, where they are nested, as JSON."""
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
