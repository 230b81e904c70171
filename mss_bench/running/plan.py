"""Plan a run: its cells (a separator on a track), each with its keys and the scores to compute."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mss_bench.core.parameters import default_values
from mss_bench.core.schema import FLOOR, is_floor
from mss_bench.core.spec import Spec, build, format_params
from mss_bench.core.stages import watched
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import TargetGroup, Targets, Track, TrackId
from mss_bench.errors import ConfigError, RunError
from mss_bench.metrics import Metric, metrics, refuse_shared_quantities
from mss_bench.perturbations.track import PerturbedTrack
from mss_bench.running.delivery import Delivery
from mss_bench.running.keys import CONFORM, HashCache, digest, file_hash, source_hash
from mss_bench.running.planned import PlannedCell, PlannedScore, Stamps
from mss_bench.separators import Separator, separators
from mss_bench.separators.deep.model import TrainedModel
from mss_bench.separators.ensemble import Ensemble, Members, members_of

__all__ = ["Plan", "make_plan"]


_INHERITED = ("trained_on", "licence", "citation")  # facts of an ensemble that are those of its members


@dataclass(frozen=True)
class Plan:
    """All cells of a run, track by track."""

    cells: tuple[PlannedCell, ...]
    metrics: tuple[Metric, ...]
    fingerprint: str
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Expectation:
    """What a method will deliver for a song, and what follows for its cell.

    `preimage` and `facts` are additions to the method's own, and `scores` have neither keys nor what belongs to a song
    in their preimages.
    """

    delivery: Delivery
    preimage: dict[str, Any]
    facts: dict[str, Any]
    scores: tuple[tuple[PlannedScore, _Scoring], ...]


@dataclass(frozen=True)
class _Method:
    """A separator of the run and its instance; `shown` are its parameters as the tables write them.

    `preimage` and `facts` are what does not depend on the track.
    """

    spec: Spec
    instance: Separator
    params: dict[str, Any]
    shown: str
    preimage: dict[str, Any]
    facts: dict[str, Any]
    members: tuple[str, ...] = ()  # of an ensemble, as specs
    # By what it says of a song: of thousands of songs it says the same.
    expectations: dict[tuple[tuple[str, ...], ...], _Expectation] = field(default_factory=dict)

    @property
    def column(self) -> str:
        return self.spec.alias or self.spec.name

    def replicates(self, repeats: int) -> range:
        """Return the numbers of the replicates that are run: one for each seed, or that of a checkpoint."""
        if self.spec.replicate:
            return range(self.spec.replicate, self.spec.replicate + 1)
        return range(1, 1 + (repeats if self.instance.random else 1))


@dataclass(frozen=True)
class _Scoring:
    """A metric of the run and its instance."""

    spec: Spec
    instance: Metric
    preimage: dict[str, Any]


@dataclass(frozen=True)
class _Song:
    """A track, what determines its audio (references also with their annotations), and the stamps of its files."""

    track: Track
    targets: Targets
    mixture: dict[str, Any]
    references: dict[str, Any]
    annotated: dict[str, Any]
    stamps: Stamps


def make_plan(
    tracks: Sequence[Track],
    targets: Targets,
    groups: Sequence[TargetGroup],
    methods: Sequence[Spec],
    metric_specs: Sequence[Spec],
    *,
    seed: int = 0,
    repeats: int = 1,
    hashes: HashCache | None = None,
    known_tracks: Sequence[TrackId] = (),
) -> Plan:
    """Plan every method on every track, the floor first; `known_tracks` are all of the data set.

    A random method is planned under the seeds from `seed` on, as many as `repeats`.

    Raises
    ------
    UnknownNameError, ConfigError
        Unknown separator, metric or parameter; two methods under one label.
    """
    hashes = hashes or HashCache()
    made = [_method(spec) for spec in methods]
    # Every run needs the floor: improvements are measured from it, and it stands in for failed cells.
    if not any(is_floor(m.column, m.shown) for m in made):
        made.insert(0, _method(Spec(FLOOR)))
    made = _with_members(_distinct(made))
    scorings = [_scoring(spec, hashes) for spec in metric_specs]
    refuse_shared_quantities([(str(scoring.spec), scoring.instance) for scoring in scorings])
    for method in made:
        # Before anything else: a reader of estimates needs all names of tracks to tell which file belongs to which.
        if method.instance.needs_track:
            method.instance.tracks = tuple(t.id for t in tracks)
            method.instance.known_tracks = tuple(known_tracks)
    cells, contents = [], {}
    specs = [(str(method.spec), method) for method in made]
    metric_files = [file for s in scorings for file in s.instance.files()]
    for track in watched(tracks, "hashing the audio of the tracks"):
        mixture, references = hashes.mixture(track), hashes.references(track)
        contents[f"{track.id.subset}/{track.name}"] = {"mixture": mixture, "references": references}
        annotations = None
        if track.annotations is not None and any(s.instance.needs_annotations for s in scorings):
            annotations = hashes.file(track.annotations)
        song = _Song(
            track, targets, mixture, references, references | {"annotations": annotations},
            hashes.stamps([*track.files(), *metric_files]),
        )  # fmt: skip
        of_track: dict[str, list[PlannedCell]] = {}
        for name, method in specs:
            of_method = of_track.setdefault(name, [])
            for replicate in method.replicates(repeats):
                own_seed = seed + (0 if method.spec.replicate else replicate - 1)
                # A member that is not random has one replicate.
                members = tuple(of_track[m][min(replicate, len(of_track[m])) - 1] for m in method.members)
                of_method.append(_cell(song, groups, method, scorings, own_seed, replicate, hashes, members))
            cells += of_method
    _refuse_different_members(cells)
    for method in made:
        _refuse_unknown_stems(method, [cell for cell in cells if cell.method == method.spec])
    hashes.save()
    notices = _notices(cells, made, scorings, groups, repeats)
    return Plan(tuple(cells), tuple(s.instance for s in scorings), digest(contents), notices)


def _notices(
    cells: Sequence[PlannedCell],
    made: Sequence[_Method],
    scorings: Sequence[_Scoring],
    groups: Sequence[TargetGroup],
    repeats: int,
) -> list[str]:
    """Return what a plan leaves out, and what is not as its command might suggest."""
    notices = sorted({f"{c.label}: {said}" for c in cells for said in ([c.skip] if c.skip else c.delivery.notices)})
    once = [m.column for m in made if repeats > 1 and len(m.replicates(repeats)) == 1 and m.column != FLOOR]
    if once:
        notices.append(f"{', '.join(dict.fromkeys(once))}: not random, run once and not {repeats} times")
    known = list(dict.fromkeys(t for group in groups for t in group.targets))
    for scoring in scorings:
        wanted = scoring.instance.targets
        if wanted and not set(wanted) & set(known):
            notices.append(f"{scoring.spec}: scores {', '.join(wanted)}, the data set's targets are {', '.join(known)}")
    return notices


def _method(spec: Spec) -> _Method:
    instance, params = build(separators, spec)
    if instance.path_parameters and type(instance).files is Separator.files:
        raise ConfigError(
            f"separator {spec.name} declares the path parameters {', '.join(instance.path_parameters)} but no files(); "
            "their content would not be part of the key"
        )
    # An alias stands for the parameters too: a folder's path has no place in a paper's table.
    shown = "" if spec.alias else format_params(params)
    preimage: dict[str, Any] = {
        "separator": spec.name, "version": instance.version, "params": _without_paths(params, instance),
        "source": source_hash(type(instance)), "conform": file_hash(CONFORM),
    }  # fmt: skip
    if environment := instance.environment():
        preimage["environment"] = environment
    declared = ("version", "trained_on", "licence", "citation", "only_reads", "random")
    facts = {name: getattr(instance, name) for name in declared}
    facts["params"] = _without_paths(default_values(type(instance), params) | params, instance)
    return _Method(spec, instance, params, shown, preimage, facts)


def _with_members(made: list[_Method]) -> list[_Method]:
    """Return the methods with ensembles last, which follow from the others."""
    by_spec = {str(method.spec): method for method in made if not isinstance(method.instance, Ensemble)}
    ensembles = []
    for method in made:
        if isinstance(method.instance, Ensemble):
            members = [by_spec[str(m)] for m in members_of(method.instance, [m.spec for m in by_spec.values()])]
            method.instance.adopt([member.instance for member in members])
            facts = method.facts | {name: getattr(method.instance, name) for name in _INHERITED}
            # What was only read took an unknown time before.
            facts["only_reads"] = any(member.facts["only_reads"] for member in members)
            facts["params"] = facts["params"] | {"of": str(method.instance.of)}
            ensembles.append(replace(method, facts=facts, members=tuple(str(member.spec) for member in members)))
    return [*by_spec.values(), *ensembles]


def _refuse_different_members(cells: Sequence[PlannedCell]) -> None:
    """Refuse ensembles of which not a single song can be combined, though their members deliver something."""
    usable = {cell.label for cell in cells if not cell.skip}
    for cell in cells:
        if cell.members and cell.label not in usable and not any(member.skip for member in cell.members):
            raise ConfigError(f"{cell.label}: {cell.skip}")


def _refuse_unknown_stems(method: _Method, cells: Sequence[PlannedCell]) -> None:
    """Refuse a trained model none of whose stems means a target, as names of a checkpoint are its maker's."""
    if isinstance(method.instance, TrainedModel) and not any(c.delivery.targets or not c.delivery.names for c in cells):
        target = next(iter(cells[0].targets))
        raise ConfigError(
            f"{method.column}: {cells[0].skip}; map={target}={method.instance.described.delivers[0]} says what a name "
            "means"
        )


def _scoring(spec: Spec, hashes: HashCache) -> _Scoring:
    metric, params = build(metrics, spec)
    preimage: dict[str, Any] = {
        "name": spec.name, "version": metric.version, "params": _without_paths(params, metric),
        "source": source_hash(type(metric)),
    }  # fmt: skip
    if files := _contents(metric.files(), hashes):
        preimage["files"] = files
    return _Scoring(spec, metric, preimage)


def _distinct(made: list[_Method]) -> list[_Method]:
    by_label: dict[tuple[str, str], list[_Method]] = {}
    for method in made:
        others = by_label.setdefault((method.column, method.shown), [])
        for other in others:
            numbers = {other.spec.replicate, method.spec.replicate}
            if 0 not in numbers and len(numbers) == 2 and other.spec.name == method.spec.name:
                continue  # two checkpoints of one row
            if (other.spec.name, other.params) != (method.spec.name, method.params):
                raise ConfigError(
                    f"{other.spec} and {method.spec} would both be called {method.column!r} in the tables; give one "
                    "as=NAME, or number checkpoints of one method with replicate=1, replicate=2"
                )
            break
        else:
            others.append(method)
    if FLOOR in {m.column for m in made if m.spec.name != FLOOR}:
        raise ConfigError(f"{FLOOR!r} is the floor of every run; give the separator another alias")
    return [method for methods in by_label.values() for method in methods]


def _cell(
    song: _Song,
    groups: Sequence[TargetGroup],
    method: _Method,
    scorings: Sequence[_Scoring],
    seed: int,
    replicate: int,
    hashes: HashCache,
    members: tuple[PlannedCell, ...] = (),
) -> PlannedCell:
    separator, track, targets = method.instance, song.track, song.targets
    preimage: dict[str, Any] = method.preimage | {
        "track": vars(track.id),  # two songs of the same content are two cells
        "mixture": song.mixture,
        "targets": dict(targets),
        "seed": seed,
    }
    if members:
        preimage["members"] = [member.estimate_key for member in members]
    skip, files, expected = "", [], _Expectation(Delivery(), {}, method.facts | {"map": ""}, ())
    try:
        if isinstance(separator, Ensemble):
            for member in members:
                if member.skip:
                    raise RunError(f"{member.label}: {member.skip}")
            separator.expect({member.label: member.delivery.mapped for member in members}, targets)
        expected = _expected(song, groups, method, scorings)
        files = separator.files(track.id)
        preimage["files"] = _contents(files, hashes)
        preimage |= expected.preimage
    except RunError as error:  # the method has nothing for this track and says so
        skip = str(error)
    # Only oracles see the references; other methods' estimates stay valid when a reference is corrected.
    if separator.needs_references:
        preimage["references"] = song.references
    delivery = expected.delivery
    if not delivery.targets and not skip:
        sets = " or ".join("/".join(s) for s in separator.target_sets) or ", ".join(delivery.names) or "nothing"
        skip = f"delivers {sets}, none of which is a target of {track.id.dataset} ({', '.join(targets)})"
    estimate_key = digest(preimage)
    origin = separators.origin(method.spec.name)
    return PlannedCell(
        track=track,
        targets=targets,
        method=method.spec,
        separator=method.column,
        params=method.shown,
        oracle=separator.needs_references,
        deterministic=separator.deterministic,
        estimate_key=estimate_key,
        preimage=preimage,
        scores=tuple(_of_song(song, estimate_key, *score) for score in expected.scores),
        skip=skip,
        stamps=song.stamps,
        method_stamps=hashes.stamps(files),
        origin=origin,
        isolated=origin != "mss_bench" or separator.foreign_code,
        all_tracks=separator.tracks,
        facts=expected.facts,
        delivery=delivery,
        replicate=replicate,
        members=members,
        perturbed=_perturbed(track),
    )


def _expected(
    song: _Song, groups: Sequence[TargetGroup], method: _Method, scorings: Sequence[_Scoring]
) -> _Expectation:
    """Ask a method what it will deliver for a song, and put together what follows, once for all songs alike."""
    separator, track, targets, given = method.instance, song.track, song.targets, "map" in method.params
    alike = separator.delivers(targets, track.id), separator.notes(targets, track.id), track.absent
    if alike not in method.expectations:
        delivery = Delivery.of(separator, targets, track.id, given=given, absent=track.absent, name=method.column)
        preimage: dict[str, Any] = {"delivers": sorted(delivery.mapped)}
        # With `--map none`, estimates are scored that `examination.misnamed` would reject: the key must differ.
        if delivery.stem_map or (delivery.stem_map.declined and not separator.needs_track):
            preimage["map"] = str(delivery.stem_map)
        facts = method.facts | {"map": str(delivery.stem_map)}
        if given:
            facts["params"] = facts["params"] | {"map": facts["map"]}
        scores = tuple(_scores(track, targets, groups, delivery, scorings))
        method.expectations[alike] = _Expectation(delivery, preimage, facts, scores)
    return method.expectations[alike]


def _of_song(song: _Song, estimate_key: str, score: PlannedScore, scoring: _Scoring) -> PlannedScore:
    """Return a score of a cell, with its key."""
    references = song.annotated if scoring.instance.needs_annotations else song.references
    preimage = score.preimage | {"estimate_key": estimate_key, "references": references}
    return replace(score, key=digest(preimage), preimage=preimage)


def _perturbed(track: Track) -> dict[str, Any]:
    if not isinstance(track, PerturbedTrack):
        return {}
    return {"perturbation": track.chain.label, "strength": track.chain.strength}


def _scores(
    track: Track,
    targets: Targets,
    groups: Sequence[TargetGroup],
    delivery: Delivery,
    scorings: Sequence[_Scoring],
) -> Iterator[tuple[PlannedScore, _Scoring]]:
    """Yield the scores of the cells of a method on a track and those like it, without what belongs to the track."""
    not_there = targets.made_of(track.absent)
    for whole in groups:
        group = whole.without(not_there)
        delivered = tuple(t for t in whole.targets if t in delivery.targets)
        for scoring in scorings:
            metric = scoring.instance
            wanted = tuple(t for t in delivered if t in (metric.targets or delivered))
            if not wanted:
                continue
            expected = tuple(t for t in wanted if t not in not_there)
            score = PlannedScore(
                key="",
                preimage={
                    "group": {"name": group.name, "targets": {t: list(targets[t]) for t in group.targets}},
                    "scored": list(expected),
                    "metric": scoring.preimage,
                },
                group=group,
                metric=scoring.spec,
                preset=metric.preset,
                quantities=tuple(q.name for q in metric.quantities),
                expected=expected,
                left_out={
                    t: why
                    for t, why in delivery.left_out.items()
                    if t in group.targets and t in (metric.targets or group.targets)
                },
                absent={t: f"the song has no {' and no '.join(targets[t])}" for t in wanted if t in not_there},
                origin=metrics.origin(scoring.spec.name),
            )
            yield score, scoring


def _without_paths(params: dict[str, Any], owner: Separator | Metric) -> dict[str, Any]:
    """Return the parameters that go into a key; those that name files are left out, as their content is in it."""
    # The map of names has its own entry in the key, which holds the map of a manifest, too; so have members.
    return {
        name: value
        for name, value in params.items()
        if name not in owner.path_parameters and not isinstance(value, StemMap | Members)
    }


def _contents(files: Sequence[Path], hashes: HashCache) -> dict[str, str]:
    """Return hashes by path below the common folder: names may matter to a method, the place of the folder does not."""
    if not files:
        return {}
    common = Path(os.path.commonpath([f.absolute().parent for f in files]))
    return {str(f.absolute().relative_to(common)): hashes.file(f) for f in files}
