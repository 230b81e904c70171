"""The report's page: one HTML file that needs no network, with everything that its script draws as JSON inside."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mss_bench.core.text import percent
from mss_bench.report.contents import Contents
from mss_bench.report.facts import commands, measured_on
from mss_bench.report.failures import Failures
from mss_bench.report.idle import NO_ARTEFACTS
from mss_bench.report.labels import renamed
from mss_bench.report.options import Options
from mss_bench.report.page_model import Model, cost_facts, page_model
from mss_bench.report.score_tables import score_table
from mss_bench.report.significance import explanations, how_tested, overall
from mss_bench.stats.choices import POSTHOC
from mss_bench.stats.intervals import FEWEST_DRAWN
from mss_bench.stats.signed_rank import FEWEST

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Environment
    from markupsafe import Markup

    from mss_bench.report.table import Table


__all__ = ["Picture", "TrackLink", "data_uri", "html_page", "page_title", "relabel", "sort_key", "templates"]

_HEADLINE = ("commands", "dataset", "subset", "started", "ended", "seed", "mss_bench", "revision", "machine")
"""Provenance shown first, in this order; everything else follows."""

_ELSEWHERE = ("schema", "command", "separators", "quantities", "missing", "cells", "tables_of", "checksum", "protocols")
"""Provenance that other parts of the page show, or that says nothing to a reader."""

_FILES = {
    "report.md": "the tables in Markdown", "tables.tex": "the tables in LaTeX",
    "scores.csv": "a row a method, target and metric", "means.csv": "a row a method and metric: the mean over targets",
    "tests.csv": "a row a target and metric", "pairs.csv": "a row a pair of methods",
    "protocols.csv": "a row a protocol, method, target and metric", "protocols.tex": "numbers by protocols in LaTeX",
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A figure of a page."""

    uri: str  # where it is, or the image itself, from `data_uri`
    alt: str  # what it shows, for readers who do not see it


@dataclass(frozen=True)
class TrackLink:
    """A page of a track, and how many sounds it has."""

    href: str
    dataset: str
    subset: str
    name: str
    sounds: int


def data_uri(picture: bytes, kind: str = "image/png") -> str:
    """Return an image as an address that is the image."""
    return f"data:{kind};base64," + base64.b64encode(picture).decode("ascii")


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
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False, "allow_nan": False}
    environment.filters["compact"] = _compact
    return environment


def _compact(script: str) -> Markup:
    """Return a script without indentation and comment lines, which a page carries in vain."""
    from markupsafe import Markup

    lines = (line.strip() for line in script.splitlines())
    return Markup("\n".join(line for line in lines if line and not line.startswith("//")))


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
    files: Sequence[str] = (),
    protocols: Sequence[Table] = (),
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
    files : sequence of str
        Names of files beside the page.
    protocols : sequence of Table
        From `mss_bench.report.protocols.protocol_tables`.
    """
    blocks, style = contents.blocks, options.style
    separators = run.get("separators", ())
    speed = cost_facts(costs)
    links = {(t.dataset, t.subset, t.name): t.href for t in tracks}
    model = page_model(contents, digits=style.digits, costs=speed, links=links)
    relabel(model, style.labels.by_name)
    model |= {"costs": bool(speed), "machine": measured_on(run, costs)}
    finding = next((f for b in blocks for f in b.tested.values()), None)
    model |= wording(contents, options)
    return (
        templates()
        .get_template("report.html.j2")
        .render(
            title=page_title(contents),
            lead=_lead(contents, failures, model["statistic"]),
            model=model,
            failures=failures,
            **texts(contents, options),
            cost_help=_cost_help(costs, run) if speed else "",
            protocols=protocols,
            tests=[overall(b) for b in blocks if b.findings],
            tested=how_tested(finding) if finding is not None else "",
            methods=[(str(s["label"]), _about(s)) for s in separators],
            quantities=definitions(contents),
            explanation=explanations(blocks, style.with_values(by="metric", columns=(), intervals=False)),
            provenance=_provenance(run),
            songs=tracks,
            files=[(name, _FILES[name]) for name in files if name in _FILES],
        )
    )


def relabel(model: Model, labels: Mapping[str, str]) -> None:
    """Call the methods of a model, and those that its sentences name, what they are called."""
    for method in model["methods"]:
        method["name"] = labels.get(method["name"], method["name"])
    for column in (c for group in model["groups"] for metric in group["metrics"] for c in metric["columns"]):
        if "said" in column:
            column["said"] = renamed(column["said"], labels)


def page_title(contents: Contents) -> str:
    """Return what a report is of: data sets with their subsets."""
    places = [f"{b.dataset}, {b.subset} set" if b.subset else b.dataset for b in contents.blocks]
    return "; ".join(dict.fromkeys(places)) or "No scores"


def wording(contents: Contents, options: Options) -> Model:
    """Return words of the model that depend on the options of the report."""
    statistics = options.statistics
    statistic = "median" if options.of_run({}).aggregation == "median_of_medians" else "mean"
    return {
        "statistic": statistic,
        "level": percent(statistics.level) if statistics else "",
        "sure": percent(1 - statistics.alpha) if statistics else "",
        "blank": NO_ARTEFACTS,
        "fewest": FEWEST,
        "drawn": FEWEST_DRAWN,
    }


def texts(contents: Contents, options: Options) -> dict[str, Any]:
    """Return what the template of the pictures prints: words of its help, and the tables for readers without script."""
    statistics = options.statistics
    notes: dict[str, None] = {}
    tables = []
    style = options.style.with_values(by="metric", columns=(), intervals=False)
    for block in contents.blocks:
        table = score_table([block], style)
        tables.append(table)
        notes.update(dict.fromkeys(table.notes))
    said = {"test": "nothing", "alpha": "all: no tests were asked for", "corrected": ""}
    if statistics:
        said = {
            "test": POSTHOC[statistics.posthoc], "alpha": percent(statistics.alpha),
            "corrected": "The p values are corrected for all pairs of the column.",
        }  # fmt: skip
    return {"tables": tables, "notes": list(notes), **wording(contents, options), **said}


def definitions(contents: Contents) -> list[tuple[str, str]]:
    """Return what the metrics of a report mean, by name and unit."""
    shown = {block.metric for block in contents.blocks}
    pairs = []
    for q in contents.quantities:
        if q["name"] in shown:
            better = "" if q.get("higher_is_better", True) else " Lower is better."
            unit = f" ({q['unit']})" if q.get("unit") else ""
            pairs.append((f"{q['name']}{unit}", f"{q.get('definition') or ''}.{better}".lstrip(".").strip()))
    return pairs


def _lead(contents: Contents, failures: Failures, statistic: str) -> str:
    """Return what the page is about in a sentence or two."""
    rows = {row.separator: row for block in contents.blocks for row in block.rows}
    n_oracles = sum(row.oracle for row in rows.values())
    songs = {str(song) for m in contents.matrices.values() for song in m.values.index}
    oracles = f" and {counted(n_oracles, 'oracle')}" if n_oracles else ""
    counts = failures.counts
    complete = "" if failures.banner else f" {counts.completeness}"
    methods = counted(len(rows) - n_oracles, "method")
    return f"{methods}{oracles} on {counted(len(songs), 'song')}; each number is a {statistic} over songs.{complete}"


def counted(n: int, word: str) -> str:
    """Return a number with its noun: ``1 song``, ``2 songs``."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _cost_help(costs: pd.DataFrame | None, run: Mapping[str, Any]) -> str:
    """Return what speed and memory are, and on what they were measured."""
    return (
        "Speed is seconds of audio separated in a second, the median over songs; memory the most that the worker and "
        f"all it started held while separating. Measured on: {measured_on(run, costs)}. Methods that only read "
        "finished estimates have neither."
    )


def _about(separator: Mapping[str, Any]) -> str:
    """Return what is known of a method in a line."""
    params = ", ".join(f"{k}={v}" for k, v in dict(separator.get("params") or {}).items())
    trained = ", ".join(map(str, separator.get("trained_on") or ()))
    parts = [
        str(separator.get("citation") or ""),
        f"parameters: {params}" if params else "",
        f"trained on {trained}" if trained else "",
        f"licence {separator['licence']}" if separator.get("licence") else "",
        f"names of stems: {separator['map']}" if separator.get("map") else "",
    ]
    return "; ".join(part for part in parts if part) or "–"


def _provenance(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the keys of ``run.json`` with their values in a line or, where they are nested, as JSON."""
    shown = {key: value for key, value in run.items() if key not in _ELSEWHERE}
    if made_by := commands(run):
        shown["commands"] = made_by
    keys = [*(k for k in _HEADLINE if k in shown), *(k for k in shown if k not in _HEADLINE)]
    return [(key, _text(shown[key])) for key in keys if shown[key] not in (None, "", [], {})]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(f"{k}: {v if isinstance(v, str) else json.dumps(v, default=str)}" for k, v in value.items())
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return "\n".join(value)
    return json.dumps(value, default=str, ensure_ascii=False)
