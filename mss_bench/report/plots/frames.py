"""Frame-wise curves of one track."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import FLOOR, is_floor, method_label
from mss_bench.errors import RunError
from mss_bench.report.plots.base import LINE, PAGE, Layout, Looks, canvas, check_single, fitted, set_title
from mss_bench.report.style import printable, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["frame_plot"]

_MOST = 8  # curves that one can follow


def frame_plot(frames: pd.DataFrame, *, quantity: str = "", layout: Layout = PAGE) -> Figure:
    """Draw the values of a track's frames over time, a curve a method.

    A gap is a frame that the metric leaves out (silence); where it is left out for all methods the background is grey.
    Frames without distortion (infinite) stand as triangles at the upper edge. Of more than 8 methods the best by their
    median and the floor are drawn, and the title says so.

    Parameters
    ----------
    frames : DataFrame
        From `mss_bench.report.frames.frames_of_track`, of one target and metric.
    quantity : str
        Metric and unit, ``SDR (dB)``; by default the metric's name.
    layout : Layout

    Returns
    -------
    Figure

    Raises
    ------
    RunError
        There is no frame, or frames of several tracks, targets or metrics.
    """
    if frames.empty:
        raise RunError("nothing to draw over time: the run has no frames of this track, target and metric")
    check_single(frames, ("track", "group", "target", "metric", "preset"), "a figure over time")
    first = frames.iloc[0]
    curves = _curves(frames)
    shown = _choice(curves)
    chosen = layout.looks(list(curves))
    with styled():
        labels = fitted([layout.name(name) for name in shown], 3 * LINE, 17 if layout.narrow else 24)
        lines = sum(text.count("\n") + 1.2 for text in labels)
        # Names stand beside the curves, or below them where the figure is narrow.
        figure = canvas(2.2 + LINE * lines / 2 if layout.narrow else max(2.2, 0.6 + LINE * lines), layout)
        axes = figure.subplots()
        for name, text in zip(shown, labels, strict=True):
            time, values = curves[name]
            style = chosen[name]
            finite = np.where(np.isfinite(values), values, np.nan)
            wide = 1.6 if is_floor(name) else 1.2
            # A frame between two gaps has no line to stand on, and gets a dot.
            lonely = np.isfinite(finite) & np.isnan(np.r_[np.nan, finite[:-1]]) & np.isnan(np.r_[finite[1:], np.nan])
            axes.plot(time, finite, color=style.colour, linestyle=style.line, linewidth=wide, label=text)
            axes.plot(time[lonely], finite[lonely], ".", color=style.colour, markersize=3)
        _mark_silence(axes, frames)
        _mark_infinite(axes, {name: curves[name] for name in shown}, chosen)
        axes.margins(x=0.01)
        axes.set_xlabel("time (s)")
        axes.set_ylabel(printable(quantity or str(first["metric"])))
        axes.grid(axis="y")
        if layout.narrow:
            figure.legend(loc="outside lower center", ncols=2, handlelength=2.2, fontsize=7)
        else:
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), borderaxespad=0, handlelength=2.6)
        few = f", {len(shown)} of {len(curves)} methods" if len(shown) < len(curves) else ""
        set_title(axes, f"{first['target']}: {first['metric']} of {first['track']}{few}, {first['group']}", layout)
    return figure


def _curves(frames: pd.DataFrame) -> dict[str, tuple[Floats, Floats]]:
    """Return the times of the frames' middles and their values, by method."""
    curves = {}
    for (separator, params), part in frames.groupby(["separator", "params"], sort=False):
        part = part.sort_values("time")
        time = (part["time"] + part["duration"] / 2).to_numpy(dtype=np.float64)
        curves[method_label(str(separator), str(params))] = (time, part["value"].to_numpy(dtype=np.float64))
    return curves


def _choice(curves: dict[str, tuple[Floats, Floats]]) -> list[str]:
    """Return the methods to draw, the best median first, the floor last."""

    def middle(name: str) -> float:
        values = curves[name][1]
        values = values[~np.isnan(values)]
        return float(np.sort(values)[values.size // 2]) if values.size else -np.inf

    names = sorted((name for name in curves if not is_floor(name)), key=middle, reverse=True)
    return [*names[: _MOST - 1], FLOOR] if FLOOR in curves else names[:_MOST]


def _mark_silence(axes: Axes, frames: pd.DataFrame) -> None:
    """Shade the times at which no method has a value."""
    by_time = frames.assign(there=frames["value"].notna()).groupby(["time", "duration"])["there"].any()
    for (time, duration), there in by_time.items():  # type: ignore[misc]
        if not there:
            axes.axvspan(float(time), float(time) + float(duration), color="#EEEEEE", linewidth=0, zorder=0)  # type: ignore[has-type]


def _mark_infinite(axes: Axes, curves: dict[str, tuple[Floats, Floats]], look: Looks) -> None:
    for name, (time, values) in curves.items():
        for where, y, marker in ((np.isposinf(values), 1.0, "^"), (np.isneginf(values), 0.0, "v")):
            if where.any():
                axes.plot(time[where], np.full(int(where.sum()), y), marker, color=look[name].colour, markersize=4,
                          transform=axes.get_xaxis_transform(), clip_on=False, linestyle="none")  # fmt: skip
