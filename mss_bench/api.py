"""The Python interface: `run` a comparison, `load` a run, work with its tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.results.schema import SCHEMA_VERSION
from mss_bench.results.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

    from mss_bench.datasets.catalog import Dataset

__all__ = ["Results", "load", "run"]


class Results:
    """A finished run: its tables and what is made of them.

    Attributes
    ----------
    path : Path
        The run folder.
    run : dict
        ``run.json``: options, versions, machine, data set, quantities.
    tracks, frames, costs, failures : pandas.DataFrame
        The tables, read when first used; columns in `mss_bench.results.schema`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.run: dict[str, Any] = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.path} is not a run folder: it has no run.json") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / 'run.json'} cannot be read: {error}") from error
        if self.run.get("schema") != SCHEMA_VERSION:
            raise RunError(
                f"{self.path} has tables of version {self.run.get('schema')}, this mss_bench reads {SCHEMA_VERSION}; "
                "run the same command again to make them anew"
            )

    def __repr__(self) -> str:
        return f"Results({str(self.path)!r}, {len(self.tracks)} scores, {len(self.failures)} failures)"

    @cached_property
    def tracks(self) -> pd.DataFrame:
        return read_table(self.path, "tracks")

    @cached_property
    def frames(self) -> pd.DataFrame:
        return read_table(self.path, "frames")

    @cached_property
    def costs(self) -> pd.DataFrame:
        return read_table(self.path, "costs")

    @cached_property
    def failures(self) -> pd.DataFrame:
        return read_table(self.path, "failures")

    def open_dataset(self) -> Dataset:
        """The data set of the run, as it is on disk now.

        Raises
        ------
        MssBenchError
            Where it is not there any more.
        """
        from mss_bench.runner.options import RunOptions

        known = {f.name for f in fields(RunOptions)}
        return RunOptions(**{k: v for k, v in self.run["options"].items() if k in known}).open_dataset()

    def aggregate(self, **options: Any) -> pd.DataFrame:
        """One row a method, target and metric; options of `mss_bench.stats.aggregate.aggregate`."""
        from mss_bench.stats.aggregate import aggregate

        lower = [q["name"] for q in self.run["quantities"] if not q["higher_is_better"]]
        return aggregate(self.tracks, **({"lower_is_better": lower} | options))

    def summary(self, width: int = 100) -> str:
        """The console table."""
        from mss_bench.reports.console import summary

        text = summary(self.tracks, self.failures, width=width, quantities=self.run["quantities"])
        missing = self.run.get("missing", 0)
        return f"{text}\n\n{missing} planned cells have no result yet: run the same command again." if missing else text

    def report(self, out: str | Path | None = None, formats: Sequence[str] | None = None) -> list[Path]:
        """Write tables, plots and a page, by default into the run's ``report`` folder.

        Returns
        -------
        list of Path
            The files.
        """
        from mss_bench.reports.report import DEFAULT_FORMATS, write_report

        folder = Path(out) if out is not None else self.path / "report"
        chosen = tuple(formats) if formats else DEFAULT_FORMATS
        quantities = self.run["quantities"]
        return write_report(folder, self.tracks, self.failures, self.costs, self.run, chosen, quantities=quantities)


def run(
    dataset: Any = "demo", separators: Any = (), metrics: Any = (), *, quiet: bool = False, **options: Any
) -> Results:
    """Run separators over a data set, score them and return the results.

    The same call again computes only what is missing or changed.

    Parameters
    ----------
    dataset : str or Dataset
        ``"demo"``, ``"musdb18hq"``, ``"demo:n_songs=12"``, ...
    separators : sequence of str or mapping
        ``"hpss:power=2"`` or ``{"name": "hpss", "power": 2}``; empty for every built-in one.
    metrics : sequence of str or mapping
        Empty for BSS Eval v4, uSDR and SI-SDR.
    quiet : bool
        Show no progress.
    **options
        As in `mss_bench.runner.options.RunOptions`: subset, tracks, max_tracks, duration, jobs, out, ...

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
    >>> results = mss_bench.run("demo", ["hpss", "irm"], max_tracks=1)  # doctest: +SKIP
    >>> results.aggregate().query("metric == 'SDR'")  # doctest: +SKIP
    """
    from mss_bench.runner.options import RunOptions
    from mss_bench.runner.run import prepare, start

    known = [f.name for f in fields(RunOptions)]
    for name in options:
        if name not in known:
            raise UnknownNameError("option of run", name, known)
    prepared = prepare(RunOptions(dataset, separators, metrics, **options))
    if start(prepared, quiet=quiet).interrupted:
        raise KeyboardInterrupt
    return load(prepared.folder)


def load(path: str | Path) -> Results:
    """Open a run folder.

    Raises
    ------
    RunError
        Where there is none.
    """
    return Results(path)
