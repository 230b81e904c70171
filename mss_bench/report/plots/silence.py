"""Shares of frames that a metric leaves out because the reference or an estimate is silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import Status, is_floor, method_label
from mss_bench.core.text import counted
from mss_bench.errors import RunError
from mss_bench.report.blocks import ordered
from mss_bench.report.plots.base import LINE, PAGE, Layout, axis_note, canvas, check_single, fitted, set_title
from mss_bench.report.style import COLOURS, printable, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["silence_plot"]

_KEYS = ["dataset", "subset", "track", "target"]


def silence_plot(tracks: pd.DataFrame, *, layout: Layout = PAGE) -> Figure:
    """Draw the share of frames left out of each track, by target, and what single methods leave out beyond that.

    A frame that is left out for every method (the best one's count) is one in which the reference is silent. What a
    method leaves out beyond is its own silence: it is not measured where it would do badly.

    Parameters
    ----------
    tracks : DataFrame
        The rows of one data set, subset, group, metric and preset of a track table.
    layout : Layout

    Returns
    -------
    Figure
        Above, a dot a track with box and median; a number tells how many tracks are silent throughout. Below, for each
        method that leaves out more than the others, the mean share over all tracks and targets.

    Raises
    ------
    RunError
        The metric has no frames, or rows of several metrics.
    """
    table = _framed(tracks)
    shares = 1 - table.groupby(_KEYS, sort=False)["n_valid"].max() / table.groupby(_KEYS, sort=False)["n_frames"].max()
    own = _own(table)
    with styled():
        targets = ordered(map(str, shares.index.unique("target")))
        full = [
            layout.name(name) + (f" ({100 * share:.1f} %)" if share >= 0.0005 else " (<0.1 %)")
            for name, share in own.items()
        ]
        labels = fitted(full, 3 * LINE, layout.characters(30))
        heights = [0.25 * len(targets) + 0.1, max(LINE * sum(t.count("\n") + 1.3 for t in labels), 0.01)]
        figure = canvas(sum(heights) + (1.55 if own else 0.95), layout)
        rows = figure.subplots(2 if own else 1, 1, squeeze=False, height_ratios=heights[: 2 if own else 1])[:, 0]
        _draw_targets(rows[0], [100 * shares.xs(t, level="target").to_numpy() for t in targets], targets, layout)
        first = tracks.iloc[0]
        place = f"{first['dataset']} {first['subset']}, {first['group']}"
        n = len(tracks[_KEYS[:3]].drop_duplicates())
        set_title(rows[0], f"Frames left out of {first['metric']}, {counted(n, 'song')}, {place}", layout)
        if own:
            _draw_methods(rows[1], {name: 100 * share for name, share in own.items()}, labels, layout)
    return figure


def _framed(tracks: pd.DataFrame) -> pd.DataFrame:
    check_single(tracks, ("dataset", "subset", "group", "metric", "preset"), "a figure of silent frames")
    table = tracks[(tracks["status"] == Status.OK) & (tracks["n_frames"] > 1)]
    if table.empty:
        raise RunError("nothing to draw of silent frames: the metric is of the whole track, or nothing was scored")
    return table


def _own(table: pd.DataFrame) -> dict[str, float]:
    """Return by method the mean share of frames that it alone leaves out, the largest first."""
    most = table.groupby(_KEYS, sort=False)["n_valid"].transform("max")
    share = ((most - table["n_valid"]) / table["n_frames"]).groupby([table["separator"], table["params"]], sort=False)
    shares = {method_label(str(s), str(p)): float(part.mean()) for (s, p), part in share}
    return {name: v for name, v in sorted(shares.items(), key=lambda item: -item[1]) if v > 0 and not is_floor(name)}


def _draw_targets(axes: Axes, data: list[Floats], targets: list[str], layout: Layout) -> None:
    axes.boxplot(data, positions=-np.arange(len(data), dtype=np.float64), orientation="horizontal", widths=0.6,
                 manage_ticks=False, showfliers=False, medianprops={"color": COLOURS["line"], "linewidth": 1.4},
                 boxprops={"linewidth": 0.7}, whiskerprops={"linewidth": 0.7}, capprops={"linewidth": 0.7})  # fmt: skip
    for i, values in enumerate(data):
        # A quiet pattern, the same every time, keeps dots apart.
        spread = 0.44 * ((np.arange(values.size) * 0.618) % 1 - 0.5)
        axes.plot(np.sort(values), -i + spread, ".", color="#0072B2", markersize=5, alpha=0.6, markeredgewidth=0)
    silent = [int((values >= 100).sum()) for values in data]
    names = [printable(t) + (f" ({n} silent)" if n else "") for t, n in zip(targets, silent, strict=True)]
    axes.set_yticks(-np.arange(len(data)), names)
    axes.set_ylim(-len(data) + 0.4, 0.6)
    most = max(5.0, *(float(values.max()) for values in data))
    axes.set_xlim(-0.015 * most, 1.03 * most)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel(axis_note("frames left out for all methods (%); a dot is a song", layout, 0.55))


def _draw_methods(axes: Axes, own: dict[str, float], labels: list[str], layout: Layout) -> None:
    chosen = layout.looks(list(own))
    heights = [text.count("\n") + 1.3 for text in labels]
    places = [-(sum(heights[:i]) + heights[i] / 2) for i in range(len(heights))]
    axes.barh(places, list(own.values()), 0.8, color=[chosen[n].colour for n in own], edgecolor=COLOURS["ink"],
              linewidth=0.5)  # fmt: skip
    axes.set_yticks(places, labels)
    axes.set_ylim(-sum(heights), 0)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel(axis_note("frames left out by this method alone (%), mean over songs and targets", layout, 0.6))
