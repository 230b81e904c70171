"""Every figure of a run by a short name, for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack

from mss_bench.core.calls import checked_call
from mss_bench.errors import UnknownNameError
from mss_bench.report import plots
from mss_bench.report.contents import arrange
from mss_bench.report.facts import measured_on
from mss_bench.report.failures import group_failures
from mss_bench.report.frames import frames_of_track
from mss_bench.report.labels import Labels
from mss_bench.report.options import Options
from mss_bench.report.selection import chosen_separators, labels, select, usual_unit
from mss_bench.report.style import Look, figure_width, looks
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
    @property
    def failures(self) -> pd.DataFrame: ...
    @property
    def unranked(self) -> frozenset[str]: ...
    @property
    def scores(self) -> Callable[..., ScoreMatrix]: ...


class _Look(TypedDict, total=False):
    """Keywords of every figure."""

    separators: Collection[str]
    labels: Mapping[str, str]
    width: str | float


class _Scores(_Look, total=False):
    """Keywords of figures of one metric and target."""

    group: str
    preset: str
    aggregation: str
    missing: str


class Plots:
    """Figures of a run, as ``results.plot``, named as for ``report --figures``: a notebook shows what each returns.

    Metric and target choose the data, by default SDR of the vocals where the run has them; of several groups with that
    target the one with most stems is drawn, or ``group="vocals_acc"``. Every figure takes
    ``separators=["hpss", "irm"]`` (as tables name them), ``labels={"nmf_supervised": "NMF"}`` and ``width="column"``,
    ``"page"`` or millimetres. Save a figure with ``figure.savefig(...)`` or, for the same bytes every time,
    `mss_bench.report.plots.save`.
    """

    def __init__(self, results: HasTables) -> None:
        self._results = results

    @checked_call("results.plot.box", _Scores)
    def box(self, metric: str = "", target: str = "", **options: Unpack[_Scores]) -> Figure:
        """Draw boxes by method; ``target="all"`` draws a panel for each target of the group."""
        return self._boxes(metric, target, "box", options)

    @checked_call("results.plot.violin", _Scores)
    def violin(self, metric: str = "", target: str = "", **options: Unpack[_Scores]) -> Figure:
        """Draw violins by method; ``target="all"`` draws a panel for each target of the group."""
        return self._boxes(metric, target, "violin", options)

    def _boxes(self, metric: str, target: str, shape: str, options: _Scores) -> Figure:
        scores = [self._scores(metric, "" if target == "all" else target, options)]
        unit = scores[0].unit
        if target == "all":
            tracks = select(self._results.tracks, [unit["metric"]], groups=[unit["group"]])
            others = [name for name in dict.fromkeys(map(str, tracks["target"])) if name != unit["target"]]
            scores += [self._scores(metric, name, {**options, "group": unit["group"]}) for name in others]
        quantity = self._quantity(unit["metric"])
        return plots.box_plot(scores, quantity=quantity, shape=shape, layout=self._layout(options))

    @checked_call("results.plot.cd", _Scores)
    def cd(
        self, metric: str = "", target: str = "", *, test: str = "wilcoxon", oracles: bool = False,
        **options: Unpack[_Scores],
    ) -> Figure:  # fmt: skip
        """Draw mean ranks and which methods are tied: a critical-difference diagram."""
        scores = self._tested(metric, target, oracles, options)
        return plots.critical_difference_plot(
            scores, test=test, unranked=self._results.unranked, layout=self._layout(options)
        )

    @checked_call("results.plot.pairs", _Scores)
    def pairs(
        self, metric: str = "", target: str = "", *, test: str = "wilcoxon", oracles: bool = False,
        **options: Unpack[_Scores],
    ) -> Figure:  # fmt: skip
        """Draw the test of every pair of methods."""
        scores = self._tested(metric, target, oracles, options)
        return plots.significance_plot(scores, test=test, unranked=self._results.unranked, layout=self._layout(options))

    @checked_call("results.plot.heat", _Scores)
    def heat(self, metric: str = "", target: str = "", **options: Unpack[_Scores]) -> Figure:
        """Draw every track and method."""
        scores = self._scores(metric, target, options)
        return plots.heat_map(scores, quantity=self._quantity(scores.unit["metric"]), layout=self._layout(options))

    @checked_call("results.plot.scatter", _Scores)
    def scatter(self, x: str = "", y: str = "", target: str = "", **options: Unpack[_Scores]) -> Figure:
        """Draw one metric against another, by default SDR against SIR or against what else the run has."""
        up = self._scores(y, target, options)
        metrics = dict.fromkeys(map(str, self._results.tracks["metric"]))
        further = [name for name in ("SIR", *metrics) if name in metrics and name != up.unit["metric"]]
        across = self._scores(x or next(iter(further), up.unit["metric"]), up.unit["target"], options)
        quantities = (self._quantity(across.unit["metric"]), self._quantity(up.unit["metric"]))
        return plots.scatter_plot(across, up, quantities=quantities, layout=self._layout(options))

    @checked_call("results.plot.cost", _Look)
    def cost(self, metric: str = "", group: str = "", **options: Unpack[_Look]) -> Figure:
        """Draw quality against computing time of a target group; by default of the one with most targets."""
        metric = usual_unit(self._results.tracks, metric)["metric"]
        chosen = Options(metrics=(metric,), separators=tuple(options.get("separators", ())), statistics=None)
        facts = {name: self._results.run.get(name, ()) for name in ("quantities", "separators")}
        blocks = arrange(self._results.tracks, chosen, **facts).blocks
        if group and all(block.group != group for block in blocks):
            raise UnknownNameError("target group", group, [block.group for block in blocks])
        block = max((b for b in blocks if b.group == group or not group), key=lambda block: len(block.targets))
        machine = measured_on(self._results.run, self._results.costs)
        return plots.cost_plot(block, self._results.costs, machine=machine, layout=self._layout(options))

    @checked_call("results.plot.silence", _Scores)
    def silence(self, metric: str = "", **options: Unpack[_Scores]) -> Figure:
        """Draw shares of frames left out, of all targets of a group."""
        unit = self._scores(metric, "", options).unit
        rows = select(self._results.tracks, [unit["metric"]], (), self._chosen(options), [unit["group"]])
        return plots.silence_plot(rows[rows["preset"].fillna("") == unit["preset"]], layout=self._layout(options))

    @checked_call("results.plot.frames", _Scores)
    def frames(self, track: str = "", metric: str = "", target: str = "", **options: Unpack[_Scores]) -> Figure:
        """Draw frame-wise curves of one track, by default the first, reading its frames alone."""
        known = list(dict.fromkeys(map(str, self._results.tracks["track"])))
        if track and track not in known:
            raise UnknownNameError("track", track, known)
        unit = self._scores(metric, target, options).unit
        wanted = {name: unit[name] for name in ("metric", "target", "group", "preset")}
        frames = frames_of_track([path / "frames.parquet" for path in self._results.paths], track or known[0], **wanted)
        if chosen := self._chosen(options):
            frames = frames[labels(frames).isin(chosen)]
        return plots.frame_plot(frames, quantity=self._quantity(unit["metric"]), layout=self._layout(options))

    def _scores(self, metric: str, target: str, options: Mapping[str, Any]) -> ScoreMatrix:
        """Return the scores of the methods to draw; those that no figure is asked of count among the tracks' rules."""
        of_scores = {name: value for name, value in options.items() if name not in _Look.__annotations__}
        scores = self._results.scores(metric, target, **of_scores)
        chosen = self._chosen(options)
        return scores.without([name for name in scores.values.columns if chosen and name not in chosen])

    def _tested(self, metric: str, target: str, oracles: bool, options: Mapping[str, Any]) -> ScoreMatrix:
        scores = self._scores(metric, target, options)
        return replace(scores, oracles=[]) if oracles else scores  # which figures of tests leave out

    def _chosen(self, options: Mapping[str, Any]) -> list[str]:
        named = options.get("separators", ())
        return chosen_separators(self._results.tracks, [named] if isinstance(named, str) else list(named))

    def _layout(self, options: Mapping[str, Any]) -> plots.Layout:
        named = Labels.from_parameter(options.get("labels", {})).of(self._look)
        results = self._results
        note = group_failures(results.tracks, results.failures, results.run).counts.banner
        return plots.Layout(figure_width(options.get("width", "page")), named, self._look, note=note)

    def _quantity(self, metric: str) -> str:
        units = {q["name"]: q.get("unit", "") for q in self._results.run["quantities"]}
        return metric + (f" ({units[metric]})" if units.get(metric) else "")

    @cached_property
    def _look(self) -> dict[str, Look]:
        return looks(map(str, labels(self._results.tracks).unique()))
