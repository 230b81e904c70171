"""What ``run.json`` says of a run folder: options, versions, machine, data set, methods and quantities of all in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.core.files import json_text, write_atomic
from mss_bench.core.schema import SCHEMA_VERSION, is_floor, method_label, perturbed_name
from mss_bench.core.spec import Spec, format_params
from mss_bench.errors import RunError
from mss_bench.metrics import Metric
from mss_bench.running.by_protocol import described
from mss_bench.running.keys import digest
from mss_bench.running.plan import Plan
from mss_bench.running.provenance import now, provenance
from mss_bench.running.record import label_of
from mss_bench.running.store import Record, read_cell, read_info, read_plan

if TYPE_CHECKING:
    from mss_bench.running.start import PreparedRun

__all__ = ["describe_run", "restricted"]


def describe_run(prepared: PreparedRun, began: str, ends: Mapping[str, Mapping[str, int]], tables_of: str = "") -> None:
    """Write ``run.json``: of this command, with the methods and metrics of earlier ones that the record still has.

    ``options`` are those of the one command that would plan the whole record.

    Parameters
    ----------
    prepared : PreparedRun
    began : str
        When the command was started.
    ends : mapping
        How the cells of the record stand, by method: counts from `mss_bench.running.tables.plain_counts`.
    tables_of : str
        What the tables were made of, see `mss_bench.running.tables.cells_digest`; empty where they are not made yet.
    """
    run, dataset, plan = prepared.folder, prepared.dataset, prepared.plan
    cells = read_plan(run)["cells"]
    earlier: Record = {}
    with suppress(RunError):
        earlier = read_info(run)
    made = provenance()
    command = {"command": made["command"], "started": began, "mss_bench": made["mss_bench"]}
    commands = [c for c in earlier.get("commands", []) if c.get("command") != command["command"]]
    content = {
        "schema": SCHEMA_VERSION,
        **made,
        "options": prepared.options.describe(),
        "jobs": prepared.options.job_count(),
        "threads_per_worker": prepared.options.thread_count(),
        "dataset": {
            "name": perturbed_name(dataset.name, prepared.perturbation),
            "layout": dataset.layout,
            "licence": dataset.licence,
            "citation": dataset.citation,
            "homepage": dataset.homepage,
            "fingerprint": _fingerprint(run, plan, cells),
            "groups": {g.name: list(g.targets) for g in dataset.groups},
            "fit": dataset.fit.flags(),
            "errata": dict(earlier.get("dataset", {}).get("errata", {}))
            | {cell.track.name: cell.track.erratum for cell in plan.cells if cell.track.erratum},
        },
        "separators": _united(_separators(plan), earlier.get("separators", []), ("label",)),
        "quantities": _united(_quantities(prepared), earlier.get("quantities", []), ("name", "preset")),
        "protocols": _united(described(prepared), earlier.get("protocols", []), ("name",)),
        "seed": prepared.options.seed,
        "cells": ends,
        "tables_of": tables_of,
        "commands": [*commands, command],
        "started": began,
        "ended": now(),
    }
    content |= {name: earlier[name] for name in ("merged",) if name in earlier}
    if earlier:
        content["options"] = _joined_options(content["options"], earlier["options"], plan, cells)
    write_atomic(run / "run.json", json_text(restricted(content, cells)))


def restricted(info: Mapping[str, Any], cells: Sequence[Record]) -> dict[str, Any]:
    """Return what ``run.json`` says, without methods and metrics that no cell of the record has."""
    labels = list(dict.fromkeys(label_of(cell) for cell in cells))
    used = {(q, s["preset"]) for cell in cells for s in cell["scores"] for q in s["quantities"]}
    known = {entry["label"]: entry for entry in info.get("separators", [])}
    quantities = [q for q in info["quantities"] if not used or (q["name"], q.get("preset")) in used]
    options = dict(info["options"])
    specs = {label: _spec_of(known.get(label, {}), label, options.get("separators", ())) for label in labels}
    families = {q["family"] for q in info["quantities"] if "family" in q}
    still = {q["family"] for q in quantities if "family" in q}
    given = [_label(spec) for spec in options.get("separators", ())]
    order = sorted(specs, key=lambda label: given.index(label) if label in given else len(given))
    options["separators"] = [specs[n] for n in order if specs[n] and (n in given or not is_floor(n))]
    options["metrics"] = [
        metric for metric in options.get("metrics", ())
        if (name := Spec.parse(metric).name) in still or name not in families
    ]  # fmt: skip
    return {
        **info,
        "options": options,
        "separators": [known.get(label, {"label": label, "name": label.partition(":")[0]}) for label in labels],
        "quantities": quantities,
    }


def _united(own: list[Record], earlier: Sequence[Record], names: tuple[str, ...]) -> list[Record]:
    """Return entries of this command, and those of earlier ones that it does not have."""
    there = {tuple(entry.get(name) for name in names) for entry in own}
    return own + [entry for entry in earlier if tuple(entry.get(name) for name in names) not in there]


def _joined_options(
    own: dict[str, Any], earlier: Mapping[str, Any], plan: Plan, cells: Sequence[Record]
) -> dict[str, Any]:
    """Return options that plan the whole record."""
    labels = {cell.label for cell in plan.cells}
    if {label_of(cell) for cell in cells} <= labels and list(own["tracks"]) == list(earlier.get("tracks", ())):
        joined = own | {"max_tracks": _most(own.get("max_tracks"), earlier.get("max_tracks"))}
    else:
        joined = dict(own)
        tracks = sorted({cell["track"]["name"] for cell in cells})
        every = any(not (o.get("tracks") or o.get("max_tracks")) for o in (own, earlier))
        joined |= {"tracks": [] if every else tracks, "max_tracks": None}
    further = [s for s in earlier.get("separators", ()) if _label(s) not in {*labels, *map(_label, own["separators"])}]
    joined["separators"] = [*own["separators"], *further]
    asked = {str(Spec.parse(m)) for m in own["metrics"]}
    joined["metrics"] = [*own["metrics"], *(m for m in earlier.get("metrics", ()) if str(Spec.parse(m)) not in asked)]
    for name in ("plugins", "catalogs"):
        joined[name] = list(dict.fromkeys([*own[name], *earlier.get(name, ())]))
    if further:
        joined["map"] = None  # it stands with each separator
    return joined


def _most(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def _label(spec: Any) -> str:
    parsed = Spec.parse(spec)
    return parsed.alias or method_label(parsed.name, format_params(parsed.params))


def _spec_of(entry: Mapping[str, Any], label: str, given: Collection[Any]) -> Any:
    """Return what a method was asked for by; of folders of earlier versions by its label."""
    return entry.get("spec") or next((spec for spec in given if _label(spec) == label), None)


def _fingerprint(run: Path, plan: Plan, cells: Sequence[Record]) -> str:
    """Return the digest of the audio of all tracks of the record, as `Plan.fingerprint` is of those of a plan."""
    contents: dict[str, Any] = {}
    for planned in plan.cells:
        if planned.scores:
            track, references = planned.track.id, planned.scores[0].preimage["references"]
            contents[f"{track.subset}/{track.name}"] = _audio(planned.preimage["mixture"], references)
    planned_tracks = {f"{cell.track.id.subset}/{cell.track.name}" for cell in plan.cells}
    further = [c for c in cells if f"{c['track']['subset']}/{c['track']['name']}" not in planned_tracks]
    if not further:
        return plan.fingerprint
    for known in further:
        name = f"{known['track']['subset']}/{known['track']['name']}"
        cell = read_cell(run, known["estimate_key"]) if name not in contents else None
        references = next((s.preimage.get("references") for s in cell.scores.values()), None) if cell else None
        if cell and references:
            contents[name] = _audio(cell.preimage["mixture"], references)
    return digest(contents)


def _audio(mixture: Any, references: Mapping[str, Any]) -> dict[str, Any]:
    return {"mixture": mixture, "references": {n: v for n, v in references.items() if n != "annotations"}}


def _quantities(prepared: PreparedRun) -> list[Record]:
    return [q for metric in prepared.plan.metrics for q in _quantities_of(metric)]


def _quantities_of(metric: Metric) -> list[Record]:
    shared = {"family": metric.name, "preset": metric.preset, "version": metric.version, "citation": metric.citation}
    return [vars(q) | shared for q in metric.quantities]


def _separators(plan: Plan) -> list[Record]:
    """Return the facts of every method of a plan."""
    first = {cell.label: cell for cell in reversed(plan.cells)}
    labels = dict.fromkeys(cell.label for cell in plan.cells)
    return [
        {
            "label": label,
            "name": first[label].method.name,
            "spec": first[label].method.plain(),
            "environment": first[label].preimage.get("environment", {}),
            "oracle": first[label].oracle,
            **first[label].facts,
        }
        for label in labels
    ]
