"""A run from options to tables: plan, execute, write what the tables are made of."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mss_bench.core.files import write_atomic
from mss_bench.core.schema import SCHEMA_VERSION
from mss_bench.datasets.catalog import Dataset
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.metrics import Metric, metrics
from mss_bench.running.execute import Outcome, execute, pending
from mss_bench.running.keys import HashCache
from mss_bench.running.lock import epoch, finalising, locked
from mss_bench.running.media import write_media
from mss_bench.running.options import RunOptions
from mss_bench.running.plan import Plan, make_plan
from mss_bench.running.progress import Progress
from mss_bench.running.provenance import now, provenance
from mss_bench.running.tables import TABLES, build_tables, cells_digest
from mss_bench.running.worker import Task
from mss_bench.separators import separators

__all__ = ["Prepared", "prepare", "start"]


@dataclass(frozen=True)
class Prepared:
    """A run before it starts."""

    options: RunOptions
    dataset: Dataset
    folder: Path
    plan: Plan

    @property
    def media(self) -> list[str]:
        """Names of the tracks of which excerpts are kept."""
        names = list(dict.fromkeys(cell.track.name for cell in self.plan.cells))
        return [name for name in names if "all" in self.options.media or name in self.options.media]

    def tasks(self, epoch: str = "") -> list[Task]:
        """What is left to compute, for the client of that token."""
        options = self.options
        plugins = tuple(str(Path(p).resolve()) for p in options.plugins)
        return pending(
            self.folder, self.plan, save=options.save_estimates, media=self.media, device=options.device,
            plugins=plugins, shard=options.shard_numbers(), epoch=epoch,
        )  # fmt: skip


def prepare(options: RunOptions) -> Prepared:
    """Resolve names, find the tracks, hash contents, make the plan; computes nothing yet.

    Raises
    ------
    MssBenchError
        Whatever is wrong with the options or the data set.
    """
    separators.use_files(())
    metrics.use_files(())
    for plugin in options.plugins:
        if not separators.add_file(plugin) + metrics.add_file(plugin):
            raise RunError(f"plugin {plugin} has no Separator or Metric class with a name of its own")
    dataset = options.open_dataset()
    tracks = dataset.tracks(options.subset, options.tracks, options.max_tracks, options.duration)
    for name in options.media:
        if name not in {"all", *(track.name for track in tracks)}:
            raise UnknownNameError("track of --media", name, ["all", *(track.name for track in tracks)])
    plan = make_plan(
        tracks, dataset.targets, dataset.groups, options.separator_specs(), options.metric_specs(),
        seed=options.seed, hashes=HashCache(options.rehash),
    )  # fmt: skip
    return Prepared(options, dataset, options.folder(dataset), plan)


def start(prepared: Prepared, *, quiet: bool = False, say: Callable[[str], None] | None = None) -> Outcome:
    """Compute what is missing and write the tables.

    Parameters
    ----------
    prepared : Prepared
    quiet : bool
        No progress.
    say : callable, optional
        Takes notices, one line each; standard error by default.
    """
    say = say or (lambda text: print(text, file=sys.stderr))
    run, options = prepared.folder, prepared.options
    with locked(run, options.shard), epoch(run, options.shard) as token:
        began = now()
        text = json.dumps({"cells": [c.describe() for c in prepared.plan.cells]}, indent=1, ensure_ascii=False)
        _write_if_changed(run / "plan.json", text)
        if options.shard is None:  # nobody else writes here: these are of a process that was killed
            for leftover in (run / "cells").glob(".*.tmp"):
                leftover.unlink(missing_ok=True)
        tasks = prepared.tasks(token)
        progress = Progress(len(tasks), quiet=quiet, log=run / "logs" / "run.log")
        for notice in dict.fromkeys([*prepared.dataset.notices, *separators.problems, *prepared.plan.notices]):
            say(f"note: {notice}")
        if tasks:  # so that what is finished can be read whatever happens to this process
            _write_run_json(prepared, began, len(tasks))
        outcome = execute(
            run, prepared.plan, tasks, jobs=options.job_count(), limits=options.limits(), fail_fast=options.fail_fast,
            shard=options.shard_numbers(), scheduler=options.scheduler, progress=progress,
        )  # fmt: skip
        for lost in outcome.lost:
            say(f"lost on the cluster: {lost}; what was finished is kept, the same command computes the rest")
        if tasks or _stale(run):
            with finalising(run):
                missing = build_tables(run)
                _write_run_json(prepared, began, missing, cells_digest(run))  # last: it vouches for the tables
        if prepared.media and not (outcome.interrupted or outcome.stopped_at_failure):
            with finalising(run):
                for notice in write_media(run, prepared.plan, prepared.media):
                    say(f"note: {notice}")
    return outcome


def _write_if_changed(path: Path, text: str) -> None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return
    write_atomic(path, text)


def _stale(run: Path) -> bool:
    """Whether the tables are not those of the plan and its cells."""
    try:
        tables_of = json.loads((run / "run.json").read_text(encoding="utf-8")).get("tables_of")
    except (OSError, ValueError, AttributeError):
        return True
    return tables_of != cells_digest(run) or not all((run / f"{name}.parquet").is_file() for name in TABLES)


def _write_run_json(prepared: Prepared, began: str, missing: int, tables_of: str = "") -> None:
    dataset = prepared.dataset
    content = {
        "schema": SCHEMA_VERSION,
        **provenance(),
        "options": prepared.options.describe(),
        "jobs": prepared.options.job_count(),
        "threads_per_worker": 1,
        "dataset": {
            "name": dataset.name,
            "layout": dataset.layout,
            "licence": dataset.licence,
            "citation": dataset.citation,
            "homepage": dataset.homepage,
            "fingerprint": prepared.plan.fingerprint,
            "groups": {g.name: list(g.targets) for g in dataset.groups},
        },
        "separators": _separators(prepared.plan),
        "quantities": [q for metric in prepared.plan.metrics for q in _quantities(metric)],
        "seed": prepared.options.seed,
        "missing": missing,
        "tables_of": tables_of,
        "started": began,
        "ended": now(),
    }
    write_atomic(prepared.folder / "run.json", json.dumps(content, indent=1, ensure_ascii=False, default=str))


def _quantities(metric: Metric) -> list[dict[str, Any]]:
    shared = {"family": metric.name, "preset": metric.preset, "version": metric.version, "citation": metric.citation}
    return [vars(q) | shared for q in metric.quantities]


def _separators(plan: Plan) -> list[dict[str, Any]]:
    """Facts of every method of the run, by its label in the tables."""
    found: dict[str, dict[str, Any]] = {}
    for cell in plan.cells:
        cls = separators.load(cell.method.name)
        found.setdefault(
            cell.label,
            {
                "label": cell.label,
                "name": cell.method.name,
                "version": cls.version,
                "params": cell.preimage["params"],
                "environment": cell.preimage.get("environment", {}),
                "oracle": cell.oracle,
                "trained_on": list(cell.trained_on),
                "licence": cell.licence,
                "citation": cell.citation,
            },
        )
    return list(found.values())
