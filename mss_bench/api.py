"""The Python interface: `run` a comparison, `load` a run, work with its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from mss_bench.core.calls import checked_call
from mss_bench.errors import ConfigError, RunError
from mss_bench.running.options import RunOptions
from mss_bench.running.store import read_info
from mss_bench.running.tables import cell_counts, plain_counts, read_table, stale

if TYPE_CHECKING:
    import pandas as pd

    from mss_bench.datasets import Dataset
    from mss_bench.report.combine import RunTables
    from mss_bench.report.idle import Idle
    from mss_bench.report.notebook import AggregateTable, ShownComparison
    from mss_bench.report.options import Options
    from mss_bench.report.plots.accessor import Plots
    from mss_bench.report.report import Report
    from mss_bench.stats.matrix import ScoreMatrix

__all__ = ["Results", "load", "run"]


class _Rules(TypedDict, total=False):
    """Which values a track and a method have."""

    aggregation: str
    missing: str


class _ComparisonRules(_Rules, total=False):
    level: float


class Results:
    """A finished run, or several over the same data as one: tables and what is made of them.

    Attributes
    ----------
    path : Path
        The run folder, of several the first.
    paths : list of Path
        All of them.
    run : dict
        ``run.json``: options, versions, machine, data set, quantities; of several the first's, with the methods and
        quantities of all.
    tracks, frames, costs, failures : pandas.DataFrame
        The tables, read when first used; columns in `mss_bench.core.schema`.
    plot : Plots
        Figures: ``results.plot.box("SDR", "vocals")``.
    """

    def __init__(self, path: str | Path, *further: str | Path) -> None:
        self.paths = [Path(path), *map(Path, further)]
        self.path = self.paths[0]
        self._read = [read_info(path) for path in self.paths]

    def __repr__(self) -> str:
        names = ", ".join(repr(str(path)) for path in self.paths)
        return f"Results({names}, {len(self.tracks)} scores, {len(self.failures)} failures)"

    def _repr_html_(self) -> str:
        from mss_bench.report.notebook import shown
        from mss_bench.report.summary import summary_parts

        folders = [str(path) for path in self.paths]
        return shown(*summary_parts(self.tracks, self.failures, run=self.run, folders=folders))

    @cached_property
    def outdated(self) -> list[Path]:
        """Return the runs whose tables are older than their cells."""
        return [path for path in self.paths if stale(path)]

    @cached_property
    def _infos(self) -> list[dict[str, Any]]:
        """Return ``run.json`` of each run, with the cells as they stand now: what `mss-bench status` counts."""
        from mss_bench.core.schema import CellCounts

        def current(path: Path, info: dict[str, Any]) -> dict[str, Any]:
            if path not in self.outdated or not (path / "plan.json").is_file():
                return info
            return info | {
                "cells": plain_counts({m: sum(own.values(), CellCounts()) for m, own in cell_counts(path).items()})
            }

        return [current(path, info) for path, info in zip(self.paths, self._read, strict=True)]

    @cached_property
    def _tables(self) -> RunTables:
        """Return the track, failure and cost tables of all runs."""
        from mss_bench.report.combine import RunTables, combine

        def read(path: Path, info: dict[str, Any]) -> RunTables:
            tracks, failures, costs = (read_table(path, name) for name in ("tracks", "failures", "costs"))
            ends = partial(cell_counts, path) if (path / "plan.json").is_file() else None
            return RunTables(str(path), tracks, failures, costs, info, ends)

        return combine([read(path, info) for path, info in zip(self.paths, self._infos, strict=True)])

    @cached_property
    def run(self) -> dict[str, Any]:
        return self._infos[0] if len(self.paths) == 1 else dict(self._tables.run)

    @cached_property
    def tracks(self) -> pd.DataFrame:
        return read_table(self.path, "tracks") if len(self.paths) == 1 else self._tables.tracks

    @cached_property
    def frames(self) -> pd.DataFrame:
        import pandas as pd

        from mss_bench.report.frames import FRAME

        tables = [read_table(path, "frames") for path in self.paths]
        return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True).drop_duplicates(FRAME)

    @cached_property
    def costs(self) -> pd.DataFrame:
        return read_table(self.path, "costs") if len(self.paths) == 1 else self._tables.costs

    @cached_property
    def failures(self) -> pd.DataFrame:
        return read_table(self.path, "failures") if len(self.paths) == 1 else self._tables.failures

    @cached_property
    def plot(self) -> Plots:
        from mss_bench.report.plots.accessor import Plots

        return Plots(self)

    def open_dataset(self) -> Dataset:
        """Return the data set of the run, as it is on disk now.

        Raises
        ------
        MssBenchError
            Where it is not there any more.
        """
        from mss_bench.running.options import RunOptions

        return RunOptions.recorded(self.run["options"]).open_dataset()

    @checked_call("results.aggregate", _Rules)
    def aggregate(self, *, oracle: str = "", **options: Unpack[_Rules]) -> AggregateTable:
        """Return one row for each separator, target and metric; options of `mss_bench.stats.aggregate.aggregate`."""
        from mss_bench.report.failures import group_failures
        from mss_bench.report.notebook import AggregateTable
        from mss_bench.stats.aggregate import aggregate

        rules: dict[str, Any] = {**self._directions(), **options}
        table = self._idle.without_sar(aggregate(self.tracks, oracle=oracle, **rules))
        banner = group_failures(self.tracks, self.failures, self.run).banner
        return AggregateTable.of(table, self.run, banner, self._idle)

    @checked_call("results.scores", _Rules)
    def scores(
        self, metric: str = "", target: str = "", *, group: str = "", preset: str = "", **options: Unpack[_Rules]
    ) -> ScoreMatrix:
        """Return the matrix tracks x separators (``.values``) that every statistic takes; ``.unit`` says of what.

        It has no gaps: ``.left_out`` names separators without a score on every track that counts. The SAR of what adds
        no artefacts, as the floor, means nothing, and is left out where this suite computed it.

        Parameters
        ----------
        metric, target, group, preset : str
            By default SDR, the vocals, of the groups with that target the one with most stems, and the first preset; or
            the first that the run has.
        aggregation, missing : str
            As for `mss_bench.stats.aggregate.aggregate`.

        Raises
        ------
        UnknownNameError
            There is no such metric, target, group, preset or rule.
        RunError
            Nothing was scored.
        """
        from mss_bench.report.selection import usual_unit

        unit = usual_unit(self.tracks, metric, target, group, preset)
        return self._idle.without(self._all_scores(unit.pop("metric"), unit.pop("target"), unit, **options))

    def _all_scores(self, metric: str, target: str, where: dict[str, str], **options: Any) -> ScoreMatrix:
        """Return the scores of a unit with those that say nothing."""
        from mss_bench.stats.matrix import score_matrix

        return score_matrix(self.tracks, metric, target, where=where, **self._directions(), **options)

    @checked_call("results.compare", _ComparisonRules)
    def compare(
        self, a: str, b: str, metric: str = "", target: str = "", *, group: str = "", preset: str = "",
        **options: Unpack[_ComparisonRules],
    ) -> ShownComparison:  # fmt: skip
        """Compare two methods on the same tracks: difference, interval, p value, effect size, tracks needed.

        Metric, target, group and preset as for `scores`, of what both methods have; options of
        `mss_bench.stats.compare.compare`. Print the result for a sentence, or take its attributes.

        Raises
        ------
        UnknownNameError
            There is no such separator, metric, target, group or preset.
        RunError
            One of them has no value.

        Examples
        --------
        >>> import mss_bench
        >>> results = mss_bench.load("runs/demo")
        >>> comparison = results.compare("repet_sim", "hpss_vocals")
        >>> str(comparison).partition(":")[0]
        'repet_sim - hpss_vocals, SDR of vocals (4stem)'
        """
        from mss_bench.report.failures import group_failures
        from mss_bench.report.idle import NO_ARTEFACTS
        from mss_bench.report.notebook import ShownComparison
        from mss_bench.report.selection import shared_unit
        from mss_bench.stats.compare import compare

        if wrong := [name for name in (a, b) if not isinstance(name, str)]:
            raise ConfigError(f"a separator is {wrong[0]!r}, expected its name as the tables have it")
        unit = shared_unit(self.tracks, a, b, metric, target, group, preset)
        metric, target = unit.pop("metric"), unit.pop("target")
        blank = self._idle.blank_in(self._all_scores(metric, target, unit).unit)
        if named := [name for name in (a, b) if name in blank]:
            raise RunError(f"the SAR of {named[0]} means nothing: {NO_ARTEFACTS}; compare another metric, e.g. SDR")
        rules: dict[str, Any] = {**self._directions(), **options}
        rules["unranked"] = self.unranked | blank
        compared = compare(self.tracks, a, b, metric, target, where=unit, **rules)
        measured_in = next((q.get("unit") or "" for q in self.run["quantities"] if q["name"] == metric), "")
        banner = group_failures(self.tracks, self.failures, self.run, {a, b}).counts.banner_of(f"{a} and {b}")
        return ShownComparison.of(replace(compared, measured_in=measured_in), banner)

    @cached_property
    def _idle(self) -> Idle:
        """Return what does nothing in the track table."""
        from mss_bench.report.idle import Idle

        return Idle.of(self.tracks, self.run.get("separators", ()))

    @property
    def unranked(self) -> frozenset[str]:
        """Return the methods that compete with none beside oracles: they do nothing, or were trained on these songs."""
        from mss_bench.report.facts import trained_here

        place = [str(self.tracks[column].iloc[0]) for column in ("dataset", "subset")]
        return self._idle.methods | trained_here(self.run.get("separators", ()), *place)

    def _directions(self) -> dict[str, Any]:
        return {"lower_is_better": [q["name"] for q in self.run["quantities"] if not q["higher_is_better"]]}

    @checked_call("results.summary")
    def summary(self, width: int = 100, encoding: str | None = None) -> str:
        """Return the table that the console shows, in signs that an encoding has: by default that of ``sys.stdout``."""
        from mss_bench.report.summary import summary

        folders = [str(path) for path in self.paths]
        return summary(self.tracks, self.failures, width=width, run=self.run, encoding=encoding, folders=folders)

    @checked_call("results.report")
    def report(
        self, out: str | Path | None = None, formats: Sequence[str] | None = None, options: Options | None = None
    ) -> Report:
        """Write tables, figures and a page, by default into the run's ``report`` folder.

        Parameters
        ----------
        out : path, optional
            The folder; to be named where there are several runs.
        formats : sequence of str, optional
            Some of `mss_bench.report.options.FORMATS`; those of `options` by default.
        options : mss_bench.report.options.Options, optional
            Which metrics, targets, separators, columns, figures, statistics.

        Returns
        -------
        Report
            A list of the files; its ``conclusions`` say in a few lines what they show.

        Raises
        ------
        RunError
            There are several runs and no folder, or it cannot be written.
        UnknownNameError
            An option names what is not there.
        """
        from mss_bench.report.options import Options
        from mss_bench.report.report import write_report

        if out is None and len(self.paths) > 1:
            raise RunError(f"a report of {len(self.paths)} runs belongs to none of them; name a folder with -o, --out")
        folder = Path(out) if out is not None else self.path / "report"
        chosen = options or Options()
        if formats:
            chosen = chosen.with_values(formats=tuple(formats))
        frames = [path / "frames.parquet" for path in self.paths]
        tables = (self.tracks, self.failures, self.costs, self.run)
        media = [path / "media" for path in self.paths]
        return write_report(folder, *tables, chosen, frames=frames, media=media)


@checked_call("mss_bench.run", RunOptions)
def run(
    dataset: Any = None, separators: Any = (), metrics: Any = (), *, quiet: bool = False, **options: Any
) -> Results:
    """Run separators over a data set, score them and return the results.

    The same call again computes only what is missing or changed.

    Parameters
    ----------
    dataset : str or Dataset, optional
        ``"demo"`` (the default, unless a protocol says otherwise), ``"musdb18hq"``, ``"demo:n_songs=12"``, ...
    separators : sequence of str or mapping
        ``"hpss:power=2"`` or ``{"name": "hpss", "power": 2}``; ``"all"`` for every one, empty for all but slow ones.
    metrics : sequence of str or mapping
        Empty for BSS Eval v4, uSDR and SI-SDR.
    quiet : bool
        Show no progress.
    **options
        As in `mss_bench.running.options.RunOptions`: protocols, subset, tracks, max_tracks, duration, jobs, out, ...

    Returns
    -------
    Results

    Raises
    ------
    MssBenchError
        Whatever is wrong with the options or the data set. A separator that fails is a row of ``failures``.
    KeyboardInterrupt
        After Ctrl-C, when what was finished is on disk and the tables are written.

    Examples
    --------
    >>> import mss_bench
    >>> results = mss_bench.run("demo", ["hpss", "irm"], max_tracks=1, duration=5.0, out="runs/example", quiet=True)
    >>> sorted(results.aggregate()["separator"].unique())
    ['hpss', 'irm', 'mixture']
    """
    from mss_bench.running.start import prepare, start

    prepared = prepare(RunOptions(dataset=dataset, separators=separators, metrics=metrics, **options))
    if start(prepared, quiet=quiet).interrupted:
        raise KeyboardInterrupt
    return load(prepared.folder)


def load(path: str | Path, *further: str | Path) -> Results:
    """Open a run folder, or several over the same data as one.

    Raises
    ------
    RunError
        Where there is none, or, when tables of several are read, where their data or metrics differ.
    """
    return Results(path, *further)
