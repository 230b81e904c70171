"""The record of a run folder: every cell that a command has planned there, in ``plan.json``.

A later command adds its cells. Where the folder has the same method on the same track, the later plan stands in place
of the earlier one; scores of further metrics stay as long as the estimates are the same. Rows of one table must be
comparable: what would not be is refused, with what differs and what to do.

``plan.json`` holds ``cells``, and ``run``: what all of them share (`conditions`). A cell has digests of what it was
made from (``about``, and ``definition`` of a score), so that one that is added can be compared with those there.
Folders of earlier versions have neither; there the cells on disk are asked.
"""

from __future__ import annotations

import functools
import shlex
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from mss_bench.core.files import json_text, read_whole, write_atomic
from mss_bench.core.garbage import collection_paused
from mss_bench.core.schema import FLOOR, method_label
from mss_bench.core.text import shortened
from mss_bench.errors import RunError
from mss_bench.running.keys import digest
from mss_bench.running.planned import PlannedCell
from mss_bench.running.store import DamagedError, Record, cell_path, read_cell, read_info, read_plan

__all__ = [
    "OPTIONS", "Changes", "conditions_of", "described", "extend", "label_of", "place_of", "read_record",
    "refuse_incomparable", "refuse_other_run", "refuse_other_separators", "separators_of", "write_record",
]  # fmt: skip

OPTIONS = {
    "dataset": "--dataset", "subset": "--subset", "duration": "--duration", "seed": "--seed",
    "perturbation": "--perturb",
}  # fmt: skip
"""What all cells of a folder share, and the option that chooses it."""

_METHOD = ("separator", "version", "params", "source", "environment")
_REMEDY = "run {them} again in this command, remove {them} with 'mss-bench results remove {run} -s NAME', or {other}"
_ELSEWHERE = "choose another folder with --out"


class Changes(NamedTuple):
    """What of earlier commands is no longer in the tables, in words, and whether it is so through damage."""

    notices: list[str]
    lost: bool


def label_of(cell: Record) -> str:
    """Return the name of a planned cell's method."""
    return method_label(cell["separator"], cell["params"])


def place_of(cell: Record) -> tuple[str, ...]:
    """Return what a folder has once: the track, the method and the replicate of a cell."""
    track, replicate = cell["track"], str(cell.get("replicate", 1))
    return track["dataset"], track["subset"], track["name"], cell["separator"], cell["params"], replicate


def described(cell: PlannedCell, digests: dict[tuple[Any, ...], str]) -> Record:
    """Return a cell as the record has it.

    Parameters
    ----------
    cell : PlannedCell
    digests : dict
        What was found for other cells of the same plan, which share methods, metrics and audio.
    """

    def once(key: tuple[Any, ...], content: Callable[[], dict[str, Any]]) -> str:
        if key not in digests:
            digests[key] = digest(content())
        return digests[key]

    description = cell.describe()
    method = {name: cell.preimage[name] for name in _METHOD if name in cell.preimage}
    # Objects that a plan shares between its cells are told by their identity.
    same_method: tuple[Any, ...] = (*map(id, method.values()),)
    if not cell.all_tracks:  # of a reader of estimates they belong to the track
        method["files"] = cell.preimage.get("files", {})
        same_method += (repr(method["files"]),)
    if cell.members:
        method["members"] = [described(member, digests)["about"]["method"] for member in cell.members]
        same_method += (*method["members"],)
    mixture = cell.preimage["mixture"]
    about = {
        "separator": cell.method.name,
        "method": once(same_method, lambda: method),
        "mixture": once((id(mixture),), lambda: _mixture(mixture)),
    }
    if cell.scores:
        references = cell.scores[0].preimage["references"]
        about["references"] = once((id(references),), lambda: _references(references))
    for entry, score in zip(description["scores"], cell.scores, strict=True):
        preimage = score.preimage
        same = (id(preimage["metric"]), repr(preimage["group"]))
        entry["definition"] = once(same, functools.partial(_definition, preimage))
    return description | {"about": about}


def _content(mixture: Any, references: Mapping[str, Any] | None) -> dict[str, str]:
    """Return digests of the audio of a track, as far as it is known."""
    content = {"mixture": digest(_mixture(mixture))}
    return content if references is None else content | {"references": digest(_references(references))}


def _mixture(mixture: Any) -> dict[str, Any]:
    return {"content": mixture}


def _references(references: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in references.items() if name != "annotations"}


def _definition(preimage: Mapping[str, Any]) -> dict[str, Any]:
    return {name: preimage[name] for name in ("metric", "group")}


def read_record(run: Path) -> list[Record]:
    """Return the planned cells of a folder; none where it has no record, a damaged one, or nothing was ever computed.

    Raises
    ------
    RunError
        When the file cannot be read now.
    """
    if not (run / "plan.json").exists():
        return []
    try:
        cells: list[Record] = read_plan(run)["cells"]
    except DamagedError:  # `extend` says what is lost
        return []
    # A command that was mistyped and stopped before its first cell binds nobody.
    return cells if any(cell_path(run, cell["estimate_key"]).exists() for cell in cells) else []


def conditions_of(run: Path) -> dict[str, Any]:
    """Return what all cells of a folder share (`OPTIONS`), as far as the folder tells."""
    plan = read_plan(run)
    if isinstance(plan.get("run"), dict):
        return {"perturbation": "", **plan["run"]}  # which records of earlier versions do not name
    cells = plan["cells"]
    if not cells:
        return {}
    known: dict[str, Any] = {"dataset": cells[0]["track"]["dataset"]}
    known["perturbation"] = ""
    known["subset"] = sorted({cell["track"]["subset"] for cell in cells})
    with suppress(RunError):
        options = read_info(run)["options"]
        known |= {name: options[name] for name in ("duration", "seed") if name in options}
    return known


def refuse_other_run(run: Path, there: Mapping[str, Any], asked: Mapping[str, Any], other: str = "") -> None:
    """Refuse cells of another data set, subset, duration or seed than those of a folder.

    Parameters
    ----------
    run : Path
    there, asked : mapping
        Conditions of the folder, and of what is to join it.
    other : str
        What has the other conditions; this command by default.

    Raises
    ------
    RunError
        It names the options and both values.
    """
    shared = [name for name in OPTIONS if name in there and name in asked]
    differ = [name for name in shared if _plain(there[name]) != _plain(asked[name])]
    if not differ:
        return
    said = "; ".join(f"{OPTIONS[n]} is {_shown(asked[n])} {other or 'here'}, {_shown(there[n])} there" for n in differ)
    which = "data" if differ == ["dataset"] else "run"
    advice = "merge them apart, and report each by itself" if other else _ELSEWHERE
    raise RunError(f"{run} is of another {which}: {said}; numbers of both make no one table: {advice}")


def refuse_other_separators(run: Path, there: Iterable[Record], asked: Mapping[str, str], other: str = "") -> None:
    """Refuse a separator under a name that another one has in a folder.

    Parameters
    ----------
    run : Path
    there : iterable of mapping
        Cells of its record.
    asked : mapping
        Registered names of the separators that are to join it, by what the tables call them.
    other : str
        The folder that has them; this command by default.

    Raises
    ------
    RunError
        It names both separators and the option.
    """
    for label, name in separators_of(run, [cell for cell in there if label_of(cell) in asked]).items():
        if name != asked[label]:
            advice = "run one of them anew under another name (as=OTHER)" if other else (
                f"call this one otherwise ({asked[label]}:as=OTHER), or remove the other with 'mss-bench results "
                f"remove {shlex.quote(str(run))} -s {shlex.quote(label)}'"
            )  # fmt: skip
            raise RunError(
                f"{label!r} is the separator {asked[label]} {f'in {other}' if other else 'here'}, and {name} in {run}; "
                f"one name in a table is of one separator: {advice}"
            )


def separators_of(run: Path, cells: Iterable[Record]) -> dict[str, str]:
    """Return the registered names of the separators of cells by their labels, as far as record or files tell them."""
    names: dict[str, str] = {}
    for planned in cells:
        if label_of(planned) in names:
            continue
        name = planned.get("about", {}).get("separator", "")
        if not name and (cell := read_cell(run, planned["estimate_key"])) is not None:
            name = cell.preimage.get("separator", "")
        if name:
            names[label_of(planned)] = name
    return names


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "not given"
    return ",".join(value) or "none" if isinstance(value, list | tuple) else f"{value}"


@collection_paused()
def extend(
    run: Path, cells: Sequence[PlannedCell], conditions: Mapping[str, Any], redrawn: Collection[str] = ()
) -> Changes:
    """Add the cells of a command to the record of a folder whose tables are held.

    Parameters
    ----------
    run : Path
    cells : sequence of PlannedCell
    conditions : mapping
        Of this command, see `conditions_of`.
    redrawn : collection of str
        Keys of estimates that are made anew although nothing has changed, by a method that is not deterministic: their
        earlier scores are of other estimates.

    Returns
    -------
    Changes

    Raises
    ------
    RunError
        The folder is of another run, or the cells that stay are not comparable with those that are added.
    """
    digests: dict[tuple[Any, ...], str] = {}
    new, earlier = [described(cell, digests) for cell in cells], read_record(run)
    forgotten = [] if earlier else _forgotten(run, new)
    if earlier:
        refuse_other_run(run, conditions_of(run), conditions)
    refuse_other_separators(run, earlier, {cell.label: cell.method.name for cell in cells})
    taken = {place_of(cell) for cell in new}
    kept = [cell for cell in earlier if place_of(cell) not in taken]
    there = {place_of(cell): cell for cell in earlier}
    lost: defaultdict[str, set[str]] = defaultdict(set)
    asked = {(score["metric"], score["preset"]) for cell in new for score in cell["scores"]}
    for cell in new:
        before = there.get(place_of(cell))
        if before is None:
            continue
        further = _further_scores(before, cell)
        same = before["estimate_key"] == cell["estimate_key"] and cell["estimate_key"] not in redrawn
        references = (before.get("about") or _about(run, before)).get("references")
        if same and references == cell["about"].get("references", references):
            cell["scores"] = _in_order([*before["scores"], *cell["scores"]], cell["scores"], further)
        else:
            lost[label_of(cell)] |= {s["metric"] for s in further if (s["metric"], s["preset"]) not in asked}
    refuse_incomparable(run, kept, new)
    own, others = ([label_of(cell) for cell in cells] for cells in (new, earlier))
    methods = list(dict.fromkeys([*own, *others] if set(others) <= set(own) else [*others, *own]))
    together = sorted([*kept, *new], key=lambda cell: methods.index(label_of(cell)))
    write_record(run, _by_track(together, [cell["track"] for cell in new], conditions), conditions)
    dropped = [
        f"{label}: scores of {', '.join(sorted(metrics))} were of earlier estimates or references and are no longer "
        f"in the tables; ask for them again with -m {','.join(sorted(metrics))}"
        for label, metrics in lost.items()
        if metrics
    ]
    return Changes([*forgotten, *dropped], bool(forgotten))


def _forgotten(run: Path, cells: Sequence[Record]) -> list[str]:
    """Return what a folder without a readable record has had beside some cells, by what else describes it."""
    try:
        read_plan(run)
    except DamagedError as error:
        reason = str(error).partition("; repeat")[0]
    except RunError:
        reason = f"{run / 'plan.json'} is missing"
    else:
        return []
    labels, problem = {label_of(cell) for cell in cells}, ""
    try:
        others = [str(e["label"]) for e in read_info(run).get("separators", []) if e["label"] not in labels]
        problem = shortened(others)
    except DamagedError:
        problem = "what other commands ran"
    except RunError:  # a new folder
        return []
    return [f"{reason}: {problem} is no longer in the tables; run it again, nothing is computed twice"] * bool(problem)


def _further_scores(before: Record, cell: Record) -> list[Record]:
    """Return the scores of the earlier plan in whose place no score of the later one stands."""
    taken = {column for score in cell["scores"] for column in _columns(score)}
    return [score for score in before["scores"] if not taken.intersection(_columns(score))]


def _columns(score: Record) -> list[tuple[str, str, str]]:
    """Return the numbers of a table that a score fills."""
    return [(score["group"], quantity, score["preset"]) for quantity in score["quantities"]]


def _in_order(every: Sequence[Record], asked: Sequence[Record], further: Sequence[Record]) -> list[Record]:
    """Return the scores of a cell group by group, whichever command asked for them first."""
    first = asked if not further else every
    groups = list(dict.fromkeys(score["group"] for score in first))
    metrics = list(dict.fromkeys((score["metric"], score["preset"]) for score in first))
    order = {score["key"]: score for score in [*further, *asked]}
    return sorted(
        order.values(), key=lambda s: (groups.index(s["group"]), metrics.index((s["metric"], s["preset"])))
    )  # fmt: skip


def _by_track(cells: list[Record], planned: Sequence[Record], conditions: Mapping[str, Any]) -> list[Record]:
    """Return cells track by track in the data set's order, whatever the order of the commands."""
    subsets = list(conditions.get("subset", ()))

    def rank(track: Record) -> tuple[int, str]:
        return subsets.index(track["subset"]) if track["subset"] in subsets else len(subsets), track["name"]

    own = list(dict.fromkeys((track["subset"], track["name"]) for track in planned))
    by_name = [rank({"subset": subset, "name": name}) for subset, name in own]
    if by_name == sorted(by_name):
        return sorted(cells, key=lambda cell: rank(cell["track"]))
    # A data set with an order of its own: what was there comes first.
    first = list(dict.fromkeys(rank(cell["track"]) for cell in cells))
    return sorted(cells, key=lambda cell: first.index(rank(cell["track"])))


def write_record(run: Path, cells: Iterable[Record], conditions: Mapping[str, Any]) -> None:
    """Write the record, where it has changed."""
    content = {"run": dict(conditions), "cells": list(cells)}
    text = json_text(content)
    with suppress(OSError):
        if read_whole(run / "plan.json") == text.encode("utf-8", "backslashreplace"):
            return
    write_atomic(run / "plan.json", text)


def refuse_incomparable(run: Path, kept: Sequence[Record], added: Sequence[Record], other: str = "") -> None:
    """Refuse cells that would stand in a table with numbers of other audio, metrics or methods of the same name.

    Parameters
    ----------
    run : Path
        Folder of the cells that are kept.
    kept, added : sequence of mapping
        Cells of the record.
    other : str
        Where the added ones are from; this command by default.

    Raises
    ------
    RunError
        It says what differs, of which method and what to do.
    """
    audio: dict[tuple[str, ...], dict[str, str]] = {}
    methods: dict[tuple[str, ...], str] = {}
    definitions: dict[tuple[str, str, str], str] = {}
    for cell in added:
        about = cell.get("about") or _about(run if not other else Path(other), cell)
        audio.setdefault(_track_of(cell), {}).update({n: about[n] for n in ("mixture", "references") if n in about})
        if "method" in about:
            methods[place_of(cell)[3:]] = about["method"]
        for score in cell["scores"]:
            if definition := score.get("definition") or about.get(score["key"], ""):
                definitions |= dict.fromkeys(_columns(score), definition)
    changed: defaultdict[str, set[str]] = defaultdict(set)
    for cell in kept:
        about, label = cell.get("about") or _about(run, cell), label_of(cell)
        if about.get("method", "") != methods.get(place_of(cell)[3:], about.get("method", "")):
            changed[f"the code of {label} (or its parameters or files)"].add(label)
        track = audio.get(_track_of(cell), {})
        if any(about[name] != track.get(name, about[name]) for name in ("mixture", "references") if name in about):
            changed[f"the audio of {cell['track']['name']!r}"].add(label)
        for score in cell["scores"]:
            definition = score.get("definition") or about.get(score["key"], "")
            if definition and any(definitions.get(c, definition) != definition for c in _columns(score)):
                what = f"the metric {score['metric']} ({score['preset']}; its version, code or targets)"
                changed[what].add(label)
    if not changed:
        return
    what, labels = next(iter(changed.items()))
    more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
    where = f"{run} and {other}" if other else str(run)
    them = shortened(sorted(set().union(*changed.values()) - {FLOOR}) or [FLOOR])
    advice = (
        "run them anew in one folder"
        if other
        else _REMEDY.format(them=them, run=shlex.quote(str(run)), other=_ELSEWHERE)
    )
    since = "differs between" if other else "has changed since"
    verb = "" if other else f" {shortened(sorted(labels - {FLOOR}) or [FLOOR])} was run in"
    raise RunError(f"{what} {since}{verb} {where}{more}; such numbers make no one table: {advice}")


def _track_of(cell: Record) -> tuple[str, ...]:
    return place_of(cell)[:3]


def _about(run: Path, planned: Record) -> dict[str, str]:
    """Return the digests of a cell of an earlier version from its file, those of its scores by their keys."""
    cell = read_cell(run, planned["estimate_key"])
    if cell is None or "mixture" not in cell.preimage:
        return {}
    preimages = {key: score.preimage for key, score in cell.scores.items() if "metric" in score.preimage}
    references = next((p["references"] for p in preimages.values() if "references" in p), None)
    return _content(cell.preimage["mixture"], references) | {k: digest(_definition(p)) for k, p in preimages.items()}
