"""Every figure of a run by a short name, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mss_bench.errors import UnknownNameError
from mss_bench.report import plots
from mss_bench.report.facts import lower_is_better
from mss_bench.report.frames import frames_of_track
from mss_bench.report.score_tables import blocks
from mss_bench.report.selection import labels
from mss_bench.report.style import Look, looks
from mss_bench.stats.aggregate import aggregate
from mss_bench.stats.matrix import ScoreMatrix

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["HasTables", "Plots"]


class HasTables(Protocol):
    """What figures are made of: `mss_bench.api.Results`."""

    @property
    def paths(self) -> Sequence[Path]: ...
    @property
    def run(self) -> dict[str, Any]: ...
    @property
    def tracks(self) -> pd.DataFrame: ...
    @property
    def costs(self) -> pd.DataFrame: ...
    def scores(self, metric: str, target: str, **options: Any) -> ScoreMatrix: ...


class Plots:
    """Figures of a run, as ``results.plot``: each returns a matplotlib figure that a notebook shows.

    Metric and target choose the data; where they leave several groups or presets, ``where={"group": "4stem"}`` does.
    Save a figure with ``figure.savefig(...)`` or, for the same bytes every time, `mss_bench.report.plots.save`.
    """

    def __init__(self, results: HasTables) -> None:
        self._results = results

    def box(self, metric: str = "SDR", target: str = "vocals", *, shape: str = "box", **options: Any) -> Figure:
        """Draw boxes or violins by method; options of `Results.scores`."""
        scores = self._results.scores(metric, target, **options)
        return plots.box_plot(scores, quantity=self._quantity(metric), shape=shape, look=self._look)

    def critical_difference(
        self, metric: str = "SDR", target: str = "vocals", *, test: str = "conover", oracles: bool = False,
        **options: Any,
    ) -> Figure:  # fmt: skip
        """Draw mean ranks and which methods are tied; options of `Results.scores`."""
        scores = self._tested(metric, target, oracles, options)
        return plots.critical_difference_plot(scores, test=test, look=self._look)

    def significance(
        self, metric: str = "SDR", target: str = "vocals", *, test: str = "conover", oracles: bool = False,
        **options: Any,
    ) -> Figure:  # fmt: skip
        """Draw the test of every pair of methods; options of `Results.scores`."""
        return plots.significance_plot(self._tested(metric, target, oracles, options), test=test)

    def heat(self, metric: str = "SDR", target: str = "vocals", **options: Any) -> Figure:
        """Draw every track and method; options of `Results.scores`."""
        return plots.heat_map(self._results.scores(metric, target, **options), quantity=self._quantity(metric))

    def scatter(self, x: str = "SIR", y: str = "SDR", target: str = "vocals", **options: Any) -> Figure:
        """Draw one metric against another; options of `Results.scores`."""
        scores = [self._results.scores(metric, target, **options) for metric in (x, y)]
        quantities = (self._quantity(x), self._quantity(y))
        return plots.scatter_plot(*scores, quantities=quantities, look=self._look)

    def cost(self, metric: str = "SDR", group: str = "") -> Figure:
        """Draw quality against computing time of a target group; by default of the first with that metric."""
        quantities, tracks = self._results.run["quantities"], self._results.tracks
        of_metric = aggregate(_where(tracks, metric=metric), lower_is_better=lower_is_better(quantities))
        arranged = blocks(of_metric, quantities)
        if not arranged:
            raise UnknownNameError("metric", metric, map(str, tracks["metric"].unique()))
        if group and all(block.group != group for block in arranged):
            raise UnknownNameError("target group", group, [block.group for block in arranged])
        block = next(block for block in arranged if block.group == group or not group)
        return plots.cost_plot(block, self._results.costs, look=self._look)

    def silence(self, metric: str = "SDR", *, where: dict[str, str] | None = None) -> Figure:
        """Draw shares of frames left out; `where` as for `Results.scores`."""
        return plots.silence_plot(_where(self._results.tracks, metric=metric, **(where or {})), look=self._look)

    def frames(
        self, track: str, metric: str = "SDR", target: str = "vocals", *, where: dict[str, str] | None = None
    ) -> Figure:
        """Draw frame-wise curves of one track, reading its frames alone; `where` as for `Results.scores`."""
        known = set(map(str, self._results.tracks["track"].unique()))
        if track not in known:
            raise UnknownNameError("track", track, known)
        wanted = {"metric": metric, "target": target} | (where or {})
        frames = frames_of_track([path / "frames.parquet" for path in self._results.paths], track, **wanted)
        return plots.frame_plot(frames, quantity=self._quantity(metric), look=self._look)

    def _tested(self, metric: str, target: str, oracles: bool, options: dict[str, Any]) -> ScoreMatrix:
        scores = self._results.scores(metric, target, **options)
        return scores if oracles else scores.without(scores.oracles)

    def _quantity(self, metric: str) -> str:
        units = {q["name"]: q.get("unit", "") for q in self._results.run["quantities"]}
        return metric + (f" ({units[metric]})" if units.get(metric) else "")

    @cached_property
    def _look(self) -> dict[str, Look]:
        return looks(map(str, labels(self._results.tracks).unique()))


def _where(tracks: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    for column, value in wanted.items():
        tracks = tracks[(tracks[column] == value).fillna(False).astype(bool)]
    return tracks
