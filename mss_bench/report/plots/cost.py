"""Quality against cost, with the Pareto front."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import NullFormatter

from mss_bench.errors import RunError
from mss_bench.report.blocks import Block
from mss_bench.report.costs import speeds
from mss_bench.report.plots.base import LINE, PAGE, Layout, axis_note, canvas, fitted, marker_style, set_title
from mss_bench.report.style import COLOURS, printable, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["cost_plot"]


@dataclass(frozen=True)
class _Point:
    name: str
    x: float  # seconds of separation per second of audio
    y: float  # mean over the targets
    kind: str


def cost_plot(block: Block, costs: pd.DataFrame, *, machine: str = "", layout: Layout = PAGE) -> Figure:
    """Draw quality against cost: the mean over the targets against computing time, each point named.

    The cost is the median over tracks of the seconds of separation per second of audio. Methods without a mean over
    all targets, without a time, or that lack songs are not drawn, but counted below. The line is the Pareto front: no
    method (oracles and floor apart) is both better and faster than one on it.

    Parameters
    ----------
    block : Block
        The metric and group of the quality.
    costs : DataFrame
        The cost table.
    machine : str
        What times were measured on, from `mss_bench.report.facts.measured_on`; it stands below the axis.
    layout : Layout

    Returns
    -------
    Figure

    Raises
    ------
    RunError
        No method has both.
    """
    points = _points(block, costs)
    if not points:
        raise RunError(f"nothing to draw for quality against cost of {block.name}: no method has a score and a time")
    points.sort(key=lambda p: -p.y)
    chosen = layout.looks([p.name for p in points])
    with styled():
        labels = fitted([layout.name(p.name, p.kind) for p in points], 3 * LINE, layout.characters(30))
        lines = sum(text.count("\n") + 1.2 for text in labels)
        height = max(2.6, 0.95 * LINE * lines)  # of the axes, in inches
        figure = canvas(height + 1.25, layout)
        axes = figure.subplots()
        axes.set_xscale("log")
        _draw_front(axes, _front(points, block.higher_is_better))
        for p in points:
            axes.plot(p.x, p.y, zorder=3, **marker_style(chosen[p.name], p.kind))
        axes.margins(x=0.08, y=0.08)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        _name_points(axes, points, labels, height)
        axes.grid()
        text = (
            "separation time per second of audio (s), median over songs\n"
            "line: Pareto front of the methods; open symbols: oracles"
        ) + (f"\nmeasured on {printable(machine)}" if machine else "")
        if absent := len(block.rows) - len(points):
            text += f"\nnot drawn, without a time or a score of every target and song: {absent} of {len(block.rows)}"
        axes.set_xlabel(axis_note(text, layout, 0.62))
        mean = "mean over targets" if len(block.targets) > 1 else block.targets[0]
        lower = "" if block.higher_is_better else ", lower is better"
        axes.set_ylabel(f"{printable(block.quantity)}, {printable(mean)}{lower}")
        set_title(axes, f"Quality against cost: {block.name}", layout, 0.7)
    return figure


def _points(block: Block, costs: pd.DataFrame) -> list[_Point]:
    here = costs[(costs["dataset"] == block.dataset) & (costs["subset"] == block.subset)]
    times = speeds(here)
    return [
        _Point(row.separator, times[row.separator], row.mean["value"], row.kind)
        for row in block.rows
        if math.isfinite(times.get(row.separator, math.nan))
        and math.isfinite(row.mean["value"])
        and not row.mean["n_lacking"]
    ]


def _front(points: list[_Point], higher_is_better: bool) -> list[_Point]:
    """Return the methods that none beats in both, the fastest first."""
    sign = 1.0 if higher_is_better else -1.0
    front: list[_Point] = []
    for p in sorted((p for p in points if p.kind == "method"), key=lambda p: (p.x, -sign * p.y)):
        if not front or sign * p.y > sign * front[-1].y:
            front.append(p)
    return front


def _draw_front(axes: Axes, front: list[_Point]) -> None:
    """Draw the front as steps: between two methods the slower buys nothing until it is reached."""
    if len(front) > 1:
        xs, ys = [p.x for p in front], [p.y for p in front]
        axes.step(xs, ys, where="post", color=COLOURS["line"], linewidth=1, zorder=1)


def _name_points(axes: Axes, points: list[_Point], labels: list[str], height: float) -> None:
    """Write names in a column at the right, each as near to its point's height as the others leave, and join them."""
    shares = [(text.count("\n") + 1.2) * 0.9 * LINE / height for text in labels]
    bottom, top = axes.get_ylim()
    wanted = [(p.y - bottom) / (top - bottom) for p in points]
    below = float(np.sum(shares))
    edge = 1.0
    for p, text, share, want in zip(points, labels, shares, wanted, strict=True):
        place = max(min(want, edge - share / 2), below - share / 2)
        axes.annotate(
            text,
            (p.x, p.y),
            xytext=(1.06, place),
            textcoords="axes fraction",
            va="center",
            fontsize=7,
            arrowprops={"arrowstyle": "-", "color": COLOURS["floor"], "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3},
        )
        edge, below = place - share / 2, below - share
