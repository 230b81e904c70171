"""A run from options to tables: plan, compute what is missing, write the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mss_bench.core.garbage import collection_paused
from mss_bench.core.processes import apart
from mss_bench.core.schema import CellCounts, Status
from mss_bench.core.spec import Spec, build
from mss_bench.core.stages import stage
from mss_bench.core.streams import tell
from mss_bench.datasets import Dataset, layouts
from mss_bench.datasets.catalog import unknown_training
from mss_bench.datasets.leftovers import notices
from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.metrics import metrics
from mss_bench.perturbations import perturbations
from mss_bench.perturbations.track import Chain
from mss_bench.protocols import Protocol
from mss_bench.running import by_protocol
from mss_bench.running.description import describe_run
from mss_bench.running.ends import CellEnd, end_of
from mss_bench.running.examination import examine_run
from mss_bench.running.execute import execute
from mss_bench.running.keys import HashCache, file_stamp
from mss_bench.running.lock import epoch, finalising, locked
from mss_bench.running.media import write_media
from mss_bench.running.messages import Task
from mss_bench.running.options import RunOptions
from mss_bench.running.outputs import saved_estimates
from mss_bench.running.plan import Plan, make_plan
from mss_bench.running.planned import PlannedCell, PlannedScore
from mss_bench.running.progress import Progress, RunOutcome
from mss_bench.running.provenance import now
from mss_bench.running.readiness import refuse_unready
from mss_bench.running.record import (
    conditions_of,
    extend,
    label_of,
    read_record,
    refuse_other_run,
    refuse_other_separators,
)
from mss_bench.running.so_far import SoFar
from mss_bench.running.store import (
    Cell,
    Finished,
    cell_path,
    is_finished,
    read_cell,
    read_finished,
    read_plan,
    write_cell,
)
from mss_bench.running.tables import build_tables, cells_digest, plain_counts, stale
from mss_bench.separators import separators

__all__ = ["PreparedRun", "prepare", "start"]


class _Work(NamedTuple):
    """The part of a cell that is still to be computed."""

    scores: tuple[PlannedScore, ...]
    keep_scores: bool  # the scores that the cell already has stay


@dataclass(frozen=True)
class PreparedRun:
    """A run before it starts."""

    options: RunOptions
    dataset: Dataset
    folder: Path
    plan: Plan
    protocols: tuple[Protocol, ...] = ()
    # How cells stood when they were read to see what is left to compute, with the stamp of each file: every cell is
    # read and parsed once, and again only where it was written since.
    ends: dict[str, tuple[tuple[int, ...], CellEnd]] = field(default_factory=dict)

    @property
    def foreign(self) -> bool:
        """Return whether code that is not of this package has been imported for it, whether or not it is used."""
        cells = self.plan.cells
        return (
            bool(self.options.plugins)
            or not type(self.dataset).__module__.startswith("mss_bench.")
            or any(c.origin != "mss_bench" or any(s.foreign for s in c.scores) for c in cells)
        )

    @property
    def media(self) -> list[str]:
        """Return the names of the tracks of which excerpts are kept."""
        names = list(dict.fromkeys(cell.track.name for cell in self.plan.cells))
        return [name for name in names if "all" in self.options.media or name in self.options.media]

    @property
    def perturbation(self) -> str:
        """Return what happens to the mixtures, by this command or by the data set itself; empty where nothing does."""
        return str(self.plan.cells[0].perturbed.get("perturbation", ""))

    @property
    def conditions(self) -> dict[str, Any]:
        """Return what all cells of the run folder must share."""
        subsets = self.dataset.subset_names(self.options.subset)
        return {
            "dataset": self.dataset.name, "subset": subsets, "duration": self.options.duration,
            "seed": self.options.seed, "perturbation": self.perturbation,
        }  # fmt: skip

    def refuse_other_run(self) -> None:
        """Refuse a folder of another data set, subset, duration or seed, or with another separator of the same name.

        Raises
        ------
        RunError
            It names the option.
        """
        if there := read_record(self.folder):
            refuse_other_run(self.folder, conditions_of(self.folder), self.conditions)
            refuse_other_separators(self.folder, there, {c.label: c.method.name for c in self.plan.cells})

    def cells(self) -> list[PlannedCell]:
        """Return the cells of this shard: every n-th track, or every n-th cell where tracks are fewer.

        An ensemble stays with its members.
        """
        cells, shard = self.plan.cells, self.options.shard_numbers()
        if shard is None:
            return list(cells)
        i, n = shard
        tracks = {track: k for k, track in enumerate(dict.fromkeys(c.track.id for c in cells))}
        if len(tracks) >= n or any(cell.members for cell in cells):
            return [c for c in cells if tracks[c.track.id] % n == i - 1]
        return list(cells[i - 1 :: n])

    @collection_paused()
    def tasks(self, epoch: str = "") -> list[Task]:
        """Return what is left to compute: cells without a result, failed ones, and scores that a finished cell lacks.

        `epoch` is the token that lets workers write, see `mss_bench.running.lock`.
        """
        run = self.folder.absolute()  # workers on other machines have working folders of their own
        plugins, media = tuple(str(p.resolve()) for p in self.options.plugins), self.media
        tasks: list[Task] = []
        combined: set[str] = set()
        finished = read_finished(run)
        for cell in sorted(self.cells(), key=lambda cell: not cell.members):
            save = self.options.save_estimates or cell.track.name in media or cell.estimate_key in combined
            work = self._unfinished_work(run, cell, save, finished)
            if work is not None:
                device, kept = self.options.device, self.options.kept_memory()
                tasks.append(Task(run, cell, work.scores, work.keep_scores, save, device, plugins, epoch, kept))
                combined |= {member.estimate_key for member in cell.members}
        ensembles = sum(bool(task.cell.members) for task in tasks)
        return tasks[ensembles:] + tasks[:ensembles]

    def _unfinished_work(self, run: Path, planned: PlannedCell, save: bool, finished: Finished) -> _Work | None:
        """Return what is left to compute of a cell; None where nothing is."""
        if planned.skip:
            return None
        stamp = file_stamp(cell_path(run, planned.estimate_key))
        if not save and is_finished(run, planned.estimate_key, (s.key for s in planned.scores), finished):
            self.ends[planned.estimate_key] = stamp, CellEnd(failed=False, skipped=False, missing=False)
            return None
        cell = read_cell(run, planned.estimate_key, frames=True)
        if cell is not None:
            self.ends[planned.estimate_key] = stamp, end_of(planned.describe(), cell)
        if cell is None or not cell.ok:
            skipped = cell is not None and cell.status == Status.SKIPPED
            return None if skipped else _Work(planned.scores, keep_scores=False)
        missing = tuple(s for s in planned.scores if not cell.has(s.key))
        if not missing and not save:
            return None
        kept = saved_estimates(run, planned, verify=False) is not None
        if not missing and kept:
            return None
        # Estimates of a random method that were not saved cannot be made again: all scores are computed on new ones.
        keep = bool(cell.scores) and (planned.deterministic or kept)
        return _Work(missing if keep else planned.scores, keep)


@collection_paused()
def prepare(options: RunOptions, file: Mapping[str, Any] | None = None) -> PreparedRun:
    """Resolve names, find the tracks, hash contents and make the plan; compute nothing yet.

    Parameters
    ----------
    options : RunOptions
    file : mapping, optional
        The run file that they come from, without what was overridden: messages name its lines.

    Raises
    ------
    MssBenchError
        Whatever is wrong with the options or the data set.
    """
    _use_plugins(options.plugins)
    if file is not None:
        options.check_written(file)
    options, protocols = by_protocol.with_protocols(options)
    for protocol in protocols:
        by_protocol.check_metrics(protocol)
    separator_specs, metric_specs = options.separator_specs(), options.metric_specs()
    for spec in separator_specs:
        build(separators, spec)  # mistyped names are reported before any song of the demo is rendered
    for spec in metric_specs:
        build(metrics, spec)
    dataset, chain = options.open_dataset(), options.chain()
    if chain is not None:
        chain.check(dataset.targets.stems, dataset.sample_rate)
        _refuse_readers(separator_specs, chain)
    with stage("found the tracks"):
        tracks = options.perturbed(
            dataset.tracks(
                options.subset, options.tracks, options.max_tracks, options.duration,
                without_errata=options.without_errata,
            )
        )  # fmt: skip
    for protocol in protocols:
        by_protocol.refuse_lacking(options, protocol, dataset, tracks)
    known = ["all", *(track.name for track in tracks)]
    for name in options.media:
        if name not in known:
            raise UnknownNameError("track of --media", name, known)
    by_track = any(separators.load(spec.name).needs_track for spec in separator_specs)
    known_tracks = dataset.every_track(tracks) if by_track else ()
    hashes = HashCache(options.rehash)
    with stage("hashed audio and files, and planned the cells"):
        plan = make_plan(
            tracks, dataset.targets, dataset.groups, separator_specs, metric_specs,
            seed=options.seed, repeats=options.repeats, hashes=hashes, known_tracks=known_tracks,
        )  # fmt: skip
    facts = {cell.label: cell.facts["trained_on"] for cell in plan.cells}
    training = {n: unknown_training(data, (dataset.name,), options.catalogs) for n, data in facts.items() if data}
    plan.notices.extend(f"{label}: {said}" for label, said in training.items() if said)
    dataset.notices += [*notices(dataset, tracks), *filter(None, [hashes.problem, options.left_out()])]
    dataset.notices += by_protocol.notices(options, protocols, dataset, tracks)
    folder = options.folder(dataset)
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file, expected a run folder or nothing; choose another with --out")
    return PreparedRun(options, dataset, folder, plan, tuple(protocols))


def _use_plugins(plugins: Iterable[Path]) -> None:
    """Register what these files hold; those of an earlier run in this process must not be found by this one."""
    kinds = (separators, metrics, layouts, perturbations)
    for registry in kinds:
        registry.use_files(())
    for plugin in plugins:
        if not [name for registry in kinds for name in registry.add_file(plugin)]:
            raise RunError(
                f"plugin {plugin} has no Separator, Metric, Dataset or Perturbation class with a name of its own"
            )


def _refuse_readers(specs: Iterable[Spec], chain: Chain) -> None:
    """Refuse readers of estimates where mixtures are perturbed."""
    readers = [spec.name for spec in specs if separators.load(spec.name).only_reads]
    if readers:
        raise ConfigError(
            f"{', '.join(readers)} reads estimates that were made of other mixtures than those of --perturb "
            f"{chain.label}; leave it out of this run, or the perturbation"
        )


def start(
    prepared: PreparedRun,
    *,
    quiet: bool = False,
    notify: Callable[[str], None] | None = None,
    show: Callable[[str], str] | None = None,
) -> RunOutcome:
    """Compute what is missing and write the tables.

    Parameters
    ----------
    prepared : PreparedRun
    quiet : bool
        Show no progress; failures are told all the same.
    notify : callable, optional
        Takes notices, one line each; standard error by default.
    show : callable, optional
        Returns what of a run folder is shown while the run goes on, see `mss_bench.running.so_far`; nothing by default.

    Returns
    -------
    RunOutcome
        After an interrupt (Ctrl-C) with `interrupted` set; everything finished is on disk.

    Raises
    ------
    ConfigError
        Finished estimates are another target than their names say, and no map says what they are.
    """
    notify = notify or tell
    run, options = prepared.folder, prepared.options
    with stage("examined references and estimates"):
        findings = examine_run(prepared.dataset, prepared.cells()) if options.doctor else []
    with locked(run, options.shard), epoch(run, options.shard) as token:
        began = now()
        prepared.refuse_other_run()
        tasks = prepared.tasks(token)
        told: list[str] = []
        if options.scheduler is None:  # the workers of a cluster are machines of their own
            told = [options.crowding(len(tasks)), *refuse_unready(tasks, options.job_count())]
        # Before anything is computed: whatever happens from here on, the tables can be rebuilt from record and cells.
        with finalising(run):
            redrawn = [t.cell.estimate_key for t in tasks if not (t.keep_scores or t.cell.deterministic)]
            changes = extend(run, prepared.plan.cells, prepared.conditions, redrawn)
            if tasks:  # so that what is finished can be read whatever happens to this process
                describe_run(prepared, began, _to_do(run, tasks))
        if options.shard is None:  # nobody else writes here: these are of a process that was killed
            for leftover in (run / "cells").glob(".*.tmp"):
                leftover.unlink(missing_ok=True)
        notices = [*prepared.dataset.notices, *separators.problems, *prepared.plan.notices, *changes.notices]
        for notice in dict.fromkeys(filter(None, [*notices, *told])):
            notify(f"note: {notice}")
        for line in findings:
            notify(line)
        with stage("computed cells"):
            outcome = _compute(prepared, tasks, quiet, show)
        outcome.record_lost = changes.lost
        for unit in outcome.lost:
            notify(f"lost on the cluster: {unit}; what was finished is kept, the same command computes the rest")
        # A process that was killed between its last cell and the tables left old ones behind.
        if tasks or stale(run):
            with finalising(run), stage("wrote the tables"):
                # A plugin that was imported here to be planned with may have patched what tables are made with.
                ends = apart(build_tables, str(run)) if prepared.foreign else build_tables(run)
                describe_run(prepared, began, ends, cells_digest(run))  # last: it vouches for the tables
        if prepared.media and not (outcome.interrupted or outcome.stopped_at_failure):
            with finalising(run), stage("kept excerpts and pictures"):
                for notice in write_media(run, prepared.plan, prepared.media):
                    notify(f"note: {notice}")
        _count_ends(prepared, outcome)
    return outcome


def _to_do(run: Path, tasks: Sequence[Task]) -> dict[str, dict[str, int]]:
    """Return how a record stands before its tasks are computed, as far as that is known without reading its cells."""
    missing = {task.cell.estimate_key for task in tasks}
    ends: defaultdict[str, CellCounts] = defaultdict(CellCounts)
    for planned in read_plan(run)["cells"]:
        absent = planned["estimate_key"] in missing
        ends[label_of(planned)] += CellCounts.of(failed=False, skipped=False, missing=absent)
    return plain_counts(ends)


def _count_ends(prepared: PreparedRun, outcome: RunOutcome) -> None:
    """Count what of this command's cells is not there and whole, by what is on disk at the end."""
    for planned in prepared.cells():
        key = planned.estimate_key
        stamp, end = prepared.ends.get(key, ((), None))
        if end is None or stamp != file_stamp(cell_path(prepared.folder, key)):  # it was computed meanwhile
            end = end_of(planned.describe(), read_cell(prepared.folder, key, frames=True))
        outcome.counts += end.counts


def _compute(prepared: PreparedRun, tasks: list[Task], quiet: bool, show: Callable[[str], str] | None) -> RunOutcome:
    """Compute tasks, here or on a cluster; a cell that the method cannot take gets its reason as its result."""
    run, options = prepared.folder, prepared.options
    skipped = [cell for cell in prepared.cells() if cell.skip]
    for planned in skipped:
        cell = read_cell(run, planned.estimate_key)
        if cell is None or cell.reason != planned.skip:
            write_cell(run, Cell.of(planned.describe(), planned.preimage, Status.SKIPPED, planned.skip))
    cached = len(prepared.cells()) - len(tasks) - len(skipped)
    progress = Progress(len(tasks), cached, quiet, run / "logs" / "run.log")
    if not tasks:
        return progress.outcome
    # Of a shard the others' cells are missing, and which of them writes tables last is decided at the end.
    watched = show is not None and not quiet and options.shard is None
    with (
        progress,
        SoFar(run, progress, show, apart if prepared.foreign else None) if show and watched else nullcontext(),
    ):
        # Ensembles combine what the others have left in the run folder.
        for part in [t for t in tasks if not t.cell.members], [t for t in tasks if t.cell.members]:
            if not part or progress.outcome.interrupted or progress.outcome.stopped_at_failure:
                continue
            if options.scheduler is None:
                execute(run, part, options.job_count(), options.limits(), progress, fail_fast=options.fail_fast)
            else:
                from mss_bench.running.cluster import execute_on_cluster

                execute_on_cluster(part, options.scheduler, options.limits(), progress, fail_fast=options.fail_fast)
    return progress.outcome
