"""What a run will do: cells (a track and a separator), each with its keys and the scores it is to have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mss_bench.core.schema import FLOOR
from mss_bench.core.spec import Spec, build, format_params
from mss_bench.core.tracks import TargetGroup, Targets, Track, TrackId
from mss_bench.errors import ConfigError, RunError
from mss_bench.metrics import Metric, metrics
from mss_bench.running.keys import HashCache, digest
from mss_bench.running.source import source_hash
from mss_bench.separators import Separator, separators

__all__ = ["Plan", "PlannedCell", "PlannedScore", "make_plan"]


@dataclass(frozen=True)
class PlannedScore:
    """One metric on one target group of one cell."""

    key: str
    preimage: dict[str, Any]
    group: TargetGroup
    metric: Spec
    preset: str
    quantities: tuple[str, ...]
    expected: tuple[str, ...]


@dataclass(frozen=True)
class PlannedCell:
    """One separator on one track."""

    track: Track
    targets: Targets
    method: Spec
    separator: str
    params: str
    oracle: bool
    deterministic: bool
    estimate_key: str
    preimage: dict[str, Any]
    scores: tuple[PlannedScore, ...]
    skip: str = ""
    stamps: tuple[tuple[str, tuple[int, int, int]], ...] = ()  # of the files, when their content was hashed
    all_tracks: tuple[TrackId, ...] = ()  # of the run, where the separator is told which track it separates
    trained_on: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""

    @property
    def label(self) -> str:
        """What people call the method: name, alias, parameters."""
        return f"{self.separator}:{self.params}" if self.params else self.separator

    def describe(self) -> dict[str, Any]:
        """What the tables need of the cell, for ``plan.json``."""
        return {
            "estimate_key": self.estimate_key,
            "track": vars(self.track.id),
            "separator": self.separator,
            "params": self.params,
            "oracle": self.oracle,
            "skip": self.skip,
            "scores": [
                {
                    "key": s.key,
                    "group": s.group.name,
                    "metric": s.metric.name,
                    "preset": s.preset,
                    "quantities": list(s.quantities),
                    "expected": list(s.expected),
                }
                for s in self.scores
            ],
        }


@dataclass(frozen=True)
class Plan:
    """All cells of a run, track by track."""

    cells: tuple[PlannedCell, ...]
    metrics: tuple[Metric, ...]
    fingerprint: str
    seed: int
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Method:
    spec: Spec
    instance: Separator
    params: dict[str, Any]
    shown: str
    source: str
    environment: dict[str, Any]

    @property
    def column(self) -> str:
        return self.spec.alias or self.spec.name


def make_plan(
    tracks: Sequence[Track],
    targets: Targets,
    groups: Sequence[TargetGroup],
    methods: Sequence[Spec],
    metric_specs: Sequence[Spec],
    *,
    seed: int = 0,
    hashes: HashCache | None = None,
) -> Plan:
    """Plan every method on every track, the floor first.

    Raises
    ------
    UnknownNameError, ConfigError
        Unknown separator, metric or parameter; two methods under one label.
    """
    hashes = hashes or HashCache()
    made = [_method(spec) for spec in methods]
    if not any(m.column == FLOOR and not m.shown for m in made):
        made.insert(0, _method(Spec(FLOOR)))
    made = _distinct(made)
    built = [(spec, *build(metrics, spec)) for spec in metric_specs]
    _refuse_shared_quantities([(spec, metric) for spec, metric, _ in built])
    cells, seen = [], {}
    for method in made:
        if method.instance.needs_track:
            method.instance.tracks = tuple(t.id for t in tracks)
    for track in tracks:
        mixture, references = hashes.mixture(track), hashes.references(track)
        seen[f"{track.id.subset}/{track.name}"] = {"mixture": mixture, "references": references}
        for method in made:
            cells.append(_cell(track, targets, groups, method, built, mixture, references, seed, hashes))
    hashes.save()
    notices = sorted({f"{c.label}: {c.skip}" for c in cells if c.skip})
    notices += [notice for spec, metric, _ in built if (notice := _without_targets(spec, metric, groups))]
    return Plan(tuple(cells), tuple(m for _, m, _ in built), digest(seen), seed, notices)


def _method(spec: Spec) -> _Method:
    instance, params = build(separators, spec)
    if instance.path_parameters and type(instance).files is Separator.files:
        raise ConfigError(
            f"separator {spec.name} declares the path parameters {', '.join(instance.path_parameters)} but no files(); "
            "their content would not be part of the key"
        )
    # An alias stands for the parameters too: a folder's path has no place in a paper's table.
    shown = "" if spec.alias else format_params(params)
    return _Method(spec, instance, params, shown, source_hash(type(instance)), instance.environment())


def _distinct(made: list[_Method]) -> list[_Method]:
    by_label: dict[tuple[str, str], _Method] = {}
    for method in made:
        label = (method.column, method.shown)
        other = by_label.setdefault(label, method)
        if (other.spec.name, other.params) != (method.spec.name, method.params):
            raise ConfigError(
                f"{other.spec} and {method.spec} would both be called {method.column!r} in the tables; give one as=NAME"
            )
    if FLOOR in {m.column for m in made if m.spec.name != FLOOR}:
        raise ConfigError(f"{FLOOR!r} is the floor of every run; give the separator another alias")
    return list(by_label.values())


def _refuse_shared_quantities(built: Sequence[tuple[Spec, Metric]]) -> None:
    seen: dict[tuple[str, str], Spec] = {}
    for spec, metric in built:
        for quantity in metric.quantities:
            other = seen.setdefault((quantity.name, metric.preset), spec)
            if other is not spec:
                raise ConfigError(
                    f"metrics {other} and {spec} both report {quantity.name} (preset {metric.preset}); ask for one of "
                    "them, or give them different presets"
                )


def _cell(
    track: Track,
    targets: Targets,
    groups: Sequence[TargetGroup],
    method: _Method,
    built: Sequence[tuple[Spec, Metric, dict[str, Any]]],
    mixture: dict[str, Any],
    references: dict[str, Any],
    seed: int,
    hashes: HashCache,
) -> PlannedCell:
    separator = method.instance
    preimage: dict[str, Any] = {
        "track": vars(track.id),  # two songs of the same content are two cells
        "separator": method.spec.name,
        "version": separator.version,
        "params": {k: v for k, v in method.params.items() if k not in separator.path_parameters},
        "source": method.source,
        "mixture": mixture,
        "targets": dict(targets),
        "seed": seed,
    }
    if method.environment:
        preimage["environment"] = method.environment
    skip, own = "", []
    try:
        produced = set(separator.produces(targets, track.id))
        own = separator.files(track.id)
        preimage["files"] = _contents(own, hashes)
        preimage["delivers"] = sorted(produced)
    except RunError as error:  # the method has nothing for this track and says so
        produced, skip = set(), str(error)
    if separator.needs_references:
        preimage["references"] = references
    produced |= set(targets.derivable(produced))
    if not produced and not skip:
        skip = f"delivers {_sets(separator)}, none of which is a target of {track.id.dataset} ({', '.join(targets)})"
    estimate_key = digest(preimage)
    scores = []
    for group in groups:
        delivered = tuple(t for t in group.targets if t in produced)
        for spec, metric, params in built:
            expected = tuple(t for t in delivered if t in (metric.targets or delivered))
            if expected:
                content = references | _played(track, metric, hashes)
                files = _contents(metric.files(), hashes)
                scores.append(_score(estimate_key, content, group, targets, spec, metric, params, files, expected))
    return PlannedCell(
        track, targets, method.spec, method.column, method.shown, separator.needs_references, separator.deterministic,
        estimate_key, preimage, tuple(scores), skip,
        hashes.stamps([*track.files(), *own, *_weights(built)]), separator.tracks, separator.trained_on,
        separator.licence, separator.citation,
    )  # fmt: skip


def _without_targets(spec: Spec, metric: Metric, groups: Sequence[TargetGroup]) -> str:
    """Why a metric has nothing to score in a whole run; empty where it has."""
    known = list(dict.fromkeys(t for group in groups for t in group.targets))
    if not metric.targets or set(metric.targets) & set(known):
        return ""
    return f"{spec}: scores {', '.join(metric.targets)}, the data set's targets are {', '.join(known)}"


def _played(track: Track, metric: Metric, hashes: HashCache) -> dict[str, Any]:
    """The content of the annotations, for a metric that looks at them."""
    if not metric.needs_annotations:
        return {}
    return {"annotations": None if track.annotations is None else hashes.file(track.annotations)}


def _weights(built: Sequence[tuple[Spec, Metric, dict[str, Any]]]) -> list[Path]:
    """Files that metrics read."""
    return [file for _, metric, _ in built for file in metric.files()]


def _contents(files: Sequence[Path], hashes: HashCache) -> dict[str, str]:
    """Content by name below the common folder: names can say what a file is, where the folder lies says nothing."""
    if not files:
        return {}
    common = Path(os.path.commonpath([f.absolute().parent for f in files]))
    return {str(f.absolute().relative_to(common)): hashes.file(f) for f in files}


def _sets(separator: Separator) -> str:
    return " or ".join("/".join(s) for s in separator.target_sets) or "no target"


def _score(
    estimate_key: str,
    references: dict[str, Any],
    group: TargetGroup,
    targets: Targets,
    spec: Spec,
    metric: Metric,
    params: dict[str, Any],
    files: dict[str, str],
    expected: tuple[str, ...],
) -> PlannedScore:
    preimage: dict[str, Any] = {
        "estimate_key": estimate_key,
        "references": references,
        "group": {"name": group.name, "targets": {t: list(targets[t]) for t in group.targets}},
        "metric": {
            "name": spec.name,
            "version": metric.version,
            "params": {k: v for k, v in params.items() if k not in metric.path_parameters},
            "source": source_hash(type(metric)),
        },
    }
    if files:
        preimage["metric"]["files"] = files
    quantities = tuple(q.name for q in metric.quantities)
    return PlannedScore(digest(preimage), preimage, group, spec, metric.preset, quantities, expected)
