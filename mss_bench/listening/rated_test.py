"""What an analysis reads: the ratings of a test, its pack, and metrics of the same systems."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from mss_bench.core.parameters import param
from mss_bench.core.streams import tell
from mss_bench.errors import ConfigError, RatingsError
from mss_bench.listening.importers import PackAndScale, import_ratings
from mss_bench.listening.metric_table import MetricTable, metrics_of_csv, metrics_of_run
from mss_bench.listening.pack_format import read_pack
from mss_bench.listening.sheets import read_sheet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RatedTest"]


class RatedTest(PackAndScale):
    """A test that was rated, with metrics to hold against the ratings, if any."""

    table_flag: ClassVar[str] = "--metric-table"
    """Option that names the table of metrics."""

    ratings: Path = param(
        flag="ratings", metavar="RATINGS",
        doc="From listen import, or a pack that listen serve collected ratings for; with --pack also as webMUSHRA or "
        "pymushra export them.",
    )  # fmt: skip
    run: Path | None = param(None, metavar="RUN", doc="Finished run with the metrics of the systems (default: none).")
    metrics: Path | None = param(
        None,
        flag="--metric-table",
        metavar="CSV",
        doc="Or a table of metrics: item, system, a column a metric (default: none).",
    )
    metric_columns: dict[str, str] = param(
        {},
        metavar="item=COLUMN,...",
        doc="Columns item, system and target of that table, where named otherwise (default: these names).",
    )
    only: tuple[str, ...] = param(
        (), metavar="METRIC,...", doc="Metrics of that table that are looked at (default: all columns of numbers)."
    )
    lower: tuple[str, ...] = param(
        (), metavar="METRIC,...", doc="Metrics of that table of which less is better (default: none)."
    )
    whole_tracks: bool = param(False, doc="Take the run's values of whole tracks, not of excerpts.")
    screening: bool = param(
        True, doc="Leave out the listeners that BS.1534's rules exclude; with --no-screening everybody counts."
    )
    centre: Literal["median", "mean"] | None = param(
        None, doc="What stands for the scores of a signal: the mean is its mean opinion score (default: the median on "
        "a scale of 0 to 100, else the mean).",
    )  # fmt: skip
    normalise: Literal["z", "minmax"] | None = param(
        None, doc="Bring the scores of each listener to one mean and spread, or to one range (default: as given)."
    )

    def setup(self) -> None:
        super().setup()
        if self.run and self.metrics:
            raise ConfigError(f"--run and {self.table_flag} are two sources of metrics; give one")
        for name, given in {
            "--metric-columns": self.metric_columns,
            "--only": self.only,
            "--lower": self.lower,
        }.items():
            if given and not self.metrics:
                raise ConfigError(f"{name} is about a table of metrics; name it with {self.table_flag}")
        if self.whole_tracks and not self.run:
            raise ConfigError("--whole-tracks is about the metrics of a run; name it with --run")
        if self.ratings.is_dir():
            self.pack = self.pack or self.ratings
        contents = read_pack(self.pack) if self.pack else None
        self.seconds = max(trial.seconds for trial in contents.trials) if contents else None
        self.scales = contents.scales() if contents and not self.ends else {}

    def read_ratings(self) -> pd.DataFrame:
        """Return the ratings; of a pack those that were collected for it."""
        file = self.ratings
        if file.is_dir():
            from mss_bench.listening.server.results import write_ratings_file

            file = write_ratings_file(file)
            if len(file.read_text(encoding="utf-8").splitlines()) < 2:
                raise RatingsError(
                    f"nobody has rated {self.ratings} yet; who has begun: "
                    f"mss-bench listen listeners {shlex.quote(str(self.ratings))}"
                )
        imported = import_ratings([file], pack=self.pack, scale=self.scale)
        for note in imported.notes[1:]:  # the first is the count, which every report has
            tell(note)
        return imported.ratings

    def read_metrics(self, ratings: pd.DataFrame) -> dict[str, MetricTable]:
        """Return the metrics of each target that was rated; none where no metrics were named.

        Raises
        ------
        ConfigError
            A table that does not say which of several targets it is of.
        """
        items = {str(target): set(rows["item"]) for target, rows in ratings.groupby("target", sort=False)}
        if self.run:
            seconds = None if self.whole_tracks else self.seconds
            return {target: metrics_of_run(self.run, own, target, seconds=seconds) for target, own in items.items()}
        if not self.metrics:
            return {}
        if len(items) > 1 and self.metric_columns.get("target", "target") not in read_sheet(self.metrics).header:
            raise ConfigError(
                f"the ratings are of {', '.join(items)}, and {self.metrics} does not say which it is of: add a column "
                "target, or name it with --metric-columns target=..."
            )
        return {
            target: metrics_of_csv(
                self.metrics, columns=self.metric_columns, only=self.only, lower_is_better=self.lower, target=target
            )
            for target in items
        }
