"""Quality against strength: a panel a perturbation, a curve a method."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.schema import is_floor
from mss_bench.report.plots.base import PAGE, Layout, axis_label, canvas, kind_of, marker_style
from mss_bench.report.style import COLOURS, MARKERS, printable, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mss_bench.stats.robustness import Robustness

__all__ = ["legend_of", "panel_of", "robustness_figure"]

_PANEL = 1.75  # inches high
_ALONE = Layout(width=3.6)
"""A panel of a page, which shows as many beside each other as fit."""


def robustness_figure(found: Robustness, layout: Layout = PAGE) -> Figure:
    """Draw the curves of all methods under each perturbation.

    Parameters
    ----------
    found : Robustness
    layout : Layout
        Of one column or of both: two panels beside each other, or four.
    """
    names = list(dict.fromkeys(found.points["perturbation"]))
    columns = min(len(names), 2 if layout.narrow else 4)
    rows = math.ceil(len(names) / columns)
    with styled():
        figure = canvas(_PANEL * rows + 0.5, layout)
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for panel, name in zip(axes.flat, names, strict=False):
            own = found.points[found.points["perturbation"] == name]
            _panel(panel, own, found, layout)
            panel.set_title(_title(name, own), fontsize=8)
        for panel in list(axes.flat)[len(names) :]:
            panel.set_visible(False)
        for row in axes:
            row[0].set_ylabel(axis_label(found.clean).partition(",")[0] + _unit(found))
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2 if layout.narrow else 4)
    return figure


def panel_of(found: Robustness, name: str) -> Figure:
    """Draw the curves under one perturbation, without a legend, on the scale of all panels."""
    own = found.points[found.points["perturbation"] == name]
    finite = found.points["value"][np.isfinite(found.points["value"])]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    room = 0.06 * (high - low) or 1.0
    with styled():
        figure = canvas(2.3, _ALONE)
        axes = figure.subplots()
        _panel(axes, own, found, _ALONE)
        axes.set_ylim(low - room, high + room)
        axes.set_title(_title(name, own))
        axes.set_ylabel(axis_label(found.clean).partition(",")[0] + _unit(found))
    return figure


def legend_of(found: Robustness) -> Figure:
    """Draw the legend of all panels: a line a method."""
    name = found.points["perturbation"].iloc[0]
    with styled():
        figure = canvas(0.3 + 0.19 * found.points["separator"].nunique(), _ALONE)
        axes = figure.subplots()
        _panel(axes, found.points[found.points["perturbation"] == name], found, _ALONE)
        handles, labels = axes.get_legend_handles_labels()
        axes.remove()
        figure.legend(handles, labels, loc="upper left", handlelength=3)
    return figure


def _title(name: str, points: pd.DataFrame) -> str:
    unit = points["strength"].iloc[-1].partition(" ")[2]
    return printable(f"{name} ({unit})" if unit else name)


def _unit(found: Robustness) -> str:
    return "\n(higher is better)" if found.clean.higher_is_better else "\n(lower is better)"


def _panel(axes: Axes, points: pd.DataFrame, found: Robustness, layout: Layout) -> None:
    methods = list(dict.fromkeys(points["separator"]))
    # A panel has many curves: symbols differ, too, whatever colours the methods have.
    shapes = dict(zip((m for m in methods if not is_floor(m)), cycle(MARKERS), strict=False))
    look = {m: replace(own, marker=shapes.get(m, own.marker)) for m, own in layout.looks(methods).items()}
    for method in sorted(methods, key=is_floor):  # the floor last, below the others in the legend
        own = points[points["separator"] == method].sort_values("step")
        kind = kind_of(found.clean, method)
        axes.plot(
            own["step"], own["value"], linestyle=look[method].line, linewidth=1.1, markersize=4,
            label=printable(layout.name(method, kind) + " ~" * (method in found.seeds)),
            zorder=1 if is_floor(method) else 2,
            **(marker_style(look[method], kind) | {"color": look[method].colour}),
        )  # fmt: skip
    steps = points.drop_duplicates("step").sort_values("step")
    axes.set_xticks(steps["step"], [printable(s.partition(" ")[0]) for s in steps["strength"]], fontsize=7)
    axes.margins(x=0.12)
    axes.grid(axis="y")
    axes.axvline(0, color=COLOURS["grid"], linewidth=0.8, zorder=0)
