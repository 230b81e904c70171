"""Say why a cell is computed (again): nothing is there, it failed, or something that its key counts has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mss_bench.errors import RunError
from mss_bench.running.messages import Task
from mss_bench.running.store import read_cell, read_plan

__all__ = ["changed_parts", "name_of", "reasons"]


def reasons(run: Path, tasks: Sequence[Task]) -> list[str]:
    """Return for each task why it is to be computed.

    Cells are compared with those of the run's last command, which ``plan.json`` names; a cell that this command did not
    have, of another track or with other parameters, is new.
    """
    try:
        last = {name_of(planned): str(planned["estimate_key"]) for planned in read_plan(run)["cells"]}
    except RunError:  # nothing has been computed here yet
        last = {}
    return [_reason(run, task, last.get(name_of(task.cell.describe()), "")) for task in tasks]


def _reason(run: Path, task: Task, last_key: str) -> str:
    key = task.cell.estimate_key
    cell = read_cell(run, key)
    if cell is not None and not cell.ok:
        return f"failed: {cell.status}"
    if cell is not None:
        names = dict.fromkeys(str(score.metric) for score in task.scores if not cell.has(score.key))
        return f"lacks {', '.join(names)}" if names else "its estimates were not saved"
    before = read_cell(run, last_key) if last_key and last_key != key else None
    return "new" if before is None else f"changed: {', '.join(changed_parts(before.preimage, task.cell.preimage))}"


def changed_parts(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the parts of a key that differ: ``source``, ``params``, ``mixture``, ``seed`` ...; `then` was stored."""
    stored = json.loads(json.dumps(now, default=str))
    return [part for part in {**stored, **then} if then.get(part) != stored.get(part)]


def name_of(planned: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a cell is called in a run, whatever its key."""
    track, replicate = planned["track"], str(planned.get("replicate", 1))
    return track["subset"], track["name"], planned["separator"], planned["params"], replicate
