"""The heat map of every track and method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.report.plots import base
from mss_bench.report.style import COLOURS, FULL_WIDTH, printable, styled
from mss_bench.stats.matrix import ScoreMatrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["heat_map"]

_NAMED_TRACKS = 60
_NAME_WIDTH = 30


def heat_map(scores: ScoreMatrix, *, quantity: str = "", layout: base.Layout = base.PAGE) -> Figure:
    """Draw every track and method as a colour: methods best first, tracks from hard to easy.

    Tracks are sorted by their median over the methods that are no oracles. Colours differ over the range of the values
    within 1.5 times the quartiles' distance; a cross marks a value that stands in for a missing one. Names of tracks
    are shown as far as there is room: up to 60 on the width of a page.

    Parameters
    ----------
    scores : ScoreMatrix
        Values of tracks x methods.
    quantity : str
        Metric and unit, ``SDR (dB)``; by default the metric's name.
    layout : Layout

    Returns
    -------
    Figure

    Raises
    ------
    RunError
        There is no value to draw.
    """
    layout = layout.about(scores)
    methods = base.better_first(scores)
    plain = [name for name in methods if base.kind_of(scores, name) != "oracle"] or methods
    tracks = scores.values[plain].median(axis=1).sort_values(ascending=scores.higher_is_better, kind="stable").index
    values: Floats = scores.values.loc[tracks, methods].to_numpy(dtype=np.float64).T
    low, high = base.whisker_limits(values)
    named = len(tracks) <= _NAMED_TRACKS * layout.width / FULL_WIDTH
    with styled():
        full = [layout.name(name, base.kind_of(scores, name)) for name in methods]
        rows = base.fitted(full, 3 * base.LINE, layout.characters(26))
        names = [_short(str(name)) for name in tracks]
        tall = 0.052 * max(map(len, names)) if named else 0.1
        figure = base.canvas(base.row_height(rows, 0.155) * len(rows) + tall + 1.0, layout)
        axes = figure.subplots()
        image = axes.imshow(
            values,
            aspect="auto",
            interpolation="nearest",
            cmap="cividis" if scores.higher_is_better else "cividis_r",
            vmin=low,
            vmax=high if high > low else low + 1.0,
        )
        row, column = np.nonzero(scores.imputed.loc[tracks, methods].to_numpy().T)
        axes.plot(column, row, "x", color="white", markersize=3, markeredgewidth=0.8, linestyle="none")
        axes.set_yticks(range(len(rows)), rows, fontsize=7, linespacing=1.05)
        axes.set_xticks(range(len(names)) if named else [], names if named else [], rotation=90, fontsize=6)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        crosses = "; ×: a stand-in" if row.size else ""
        text = f"{len(tracks)} songs, from hard to easy (median over the methods{crosses})"
        axes.set_xlabel(base.axis_note(text, layout, 0.6))
        bar = figure.colorbar(image, ax=axes, extend="both", pad=0.01, aspect=30)
        bar.set_label(base.axis_label(scores, quantity))
        bar.outline.set_linewidth(0.4)
        bar.ax.tick_params(labelsize=7, color=COLOURS["ink"])
        base.set_title(axes, base.heading(scores, scores.unit["metric"]), layout, 0.8)
    return figure


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1].rstrip() + "…"
