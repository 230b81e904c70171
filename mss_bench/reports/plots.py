"""Figures of a report: box plots of the tracks' values, and quality against cost.

Figures are made with matplotlib's object-oriented interface; nothing global is left changed and no window is opened.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.reports.layout import Block, wrap_name
from mss_bench.reports.style import COLOURS, FULL_WIDTH, STYLE, printable, styled
from mss_bench.results.schema import FLOOR
from mss_bench.stats.aggregate import method_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["box_plot", "cost_plot", "save"]

_LABEL_WIDTH = 30  # characters in a line of a method's name
_PERFECT_DB = 100.0
_LINE = 0.145  # inches of a line of text
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
}


def box_plot(values: pd.DataFrame, block: Block, target: str) -> Figure:
    """One box per method over the tracks of one target, best median on top.

    Boxes span the quartiles, whiskers reach the last value within 1.5 times their distance, points lie beyond.
    Oracles are hatched and named as such; the dashed line is the floor's median. Infinite values have no place on the
    axis: they count in the order, and the label gives their number. Where few far values would squeeze the boxes the
    axis ends near the whiskers, a triangle at its end marks them, and the axis label gives their number and range.

    Parameters
    ----------
    values : DataFrame
        From `mss_bench.stats.aggregate.comparable`: the values behind the tables, stand-ins included.
    block : Block
        The metric and group to draw.
    target : str

    Returns
    -------
    Figure

    Raises
    ------
    RunError
        There is no value to draw.
    """
    from matplotlib.figure import Figure

    keys = ("dataset", "subset", "group", "metric", "preset")
    chosen = values["target"] == target
    for key in keys:
        chosen &= values[key] == getattr(block, key)
    data = _sorted([_Box(part) for _, part in values[chosen].groupby("method", sort=False)], block.higher_is_better)
    if not data:
        raise RunError(f"nothing to draw for {block.name}, {target}, {block.label}: no method has a value")
    with styled():
        labels = [_label(box.label) for box in data]
        heights = [label.count("\n") + 1 for label in labels]
        figure = Figure(figsize=(FULL_WIDTH, 1.15 + _LINE * sum(max(h, 1.35) for h in heights)), layout="constrained")
        axes = figure.subplots()
        positions = _positions(heights)
        _draw_boxes(axes, data, positions)
        axes.set_yticks(positions, labels)
        axes.set_ylim(positions[-1] - 0.75 * max(heights[-1], 1.35), positions[0] + 0.75 * max(heights[0], 1.35))
        floor = next((box.median for box in data if box.kind == "floor"), math.nan)
        if math.isfinite(floor):
            axes.axvline(floor, color=COLOURS["line"], linestyle=(0, (4, 2)), linewidth=1, zorder=1)
        unit = f" ({block.unit})" if block.unit else ""
        arrow = "higher" if block.higher_is_better else "lower"
        axes.set_xlabel(f"{printable(block.label)}{unit}, {arrow} is better{_limit(axes, data, positions)}")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0, pad=7)
        n_tracks = max(len(box.values) for box in data)
        tracks = f"{n_tracks} track{'s' if n_tracks > 1 else ''}"
        title = wrap_name(printable(f"{target}: {block.label} of {tracks}, {block.name}"), 84)
        axes.set_title("\n".join(title), pad=6, x=0)
        _legend(figure, {box.kind for box in data})
    return figure


class _Box:
    """What is drawn of one method."""

    def __init__(self, table: pd.DataFrame) -> None:
        first = table.iloc[0]
        self.values: NDArray[np.float64] = table["value"].to_numpy(dtype=np.float64)
        self.finite = self.values[np.isfinite(self.values)]
        is_floor = first["separator"] == FLOOR and not first["params"]
        self.kind = "floor" if is_floor else "oracle" if first["oracle"] else "method"
        ordered = np.sort(self.values)
        low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        self.median = float(low if np.isneginf(low) else (low + high) / 2)
        remarks = [self.kind] if self.kind != "method" else []
        imputed = int(table["imputed"].sum())
        remarks += [f"floor for {imputed} of {len(table)}"] if imputed else []
        remarks += [f"{len(self.values) - len(self.finite)}× ∞"] if len(self.finite) < len(self.values) else []
        self.label = str(first["method"]) + (f" ({', '.join(remarks)})" if remarks else "")

    def whiskers(self) -> tuple[float, float]:
        """The last values within 1.5 times the quartiles' distance."""
        q1, q3 = np.percentile(self.finite, [25, 75])
        inside = self.finite[(self.finite >= q1 - 1.5 * (q3 - q1)) & (self.finite <= q3 + 1.5 * (q3 - q1))]
        return float(inside.min()), float(inside.max())


def _sorted(boxes: list[_Box], higher_is_better: bool) -> list[_Box]:
    return sorted(boxes, key=lambda box: -box.median if higher_is_better else box.median)


def _label(name: str) -> str:
    return "\n".join(wrap_name(printable(name), _LABEL_WIDTH))


def _positions(heights: Sequence[int]) -> list[float]:
    """Places from top to bottom with room for each label's lines."""
    room = [max(h, 1.35) for h in heights]
    return [-(sum(room[:i]) + room[i] / 2) for i in range(len(room))]


def _draw_boxes(axes: Axes, data: list[_Box], positions: list[float]) -> None:
    drawn = axes.boxplot(
        [box.finite for box in data],
        positions=positions,
        orientation="horizontal",
        widths=0.85,
        patch_artist=True,
        manage_ticks=False,
        medianprops={"color": COLOURS["ink"], "linewidth": 1.4},
        whiskerprops={"color": COLOURS["ink"], "linewidth": 0.7},
        capprops={"color": COLOURS["ink"], "linewidth": 0.7},
        flierprops={"marker": ".", "markersize": 3, "markerfacecolor": COLOURS["ink"], "markeredgewidth": 0},
    )
    for patch, box in zip(drawn["boxes"], data, strict=True):
        patch.set(facecolor=COLOURS[box.kind], edgecolor=COLOURS["ink"], linewidth=0.6)
        patch.set_hatch(_HATCH[box.kind])


def _limit(axes: Axes, data: list[_Box], positions: list[float]) -> str:
    """End the axis near the whiskers where points lie far beyond; return what the reader must know of them."""
    finite = np.concatenate([box.finite for box in data])
    boxes = [box for box in data if box.finite.size]
    # The mixture has 200 dB of SAR where it is the very sum of its stems; that is no scale for the others.
    whiskers = [box.whiskers() for box in boxes if box.median < _PERFECT_DB] or [box.whiskers() for box in boxes]
    if not whiskers:
        return ""
    low, high = min(w[0] for w in whiskers), max(w[1] for w in whiskers)
    span = (high - low) or 1.0
    start, end = low - 0.25 * span, high + 0.25 * span
    if finite.min() >= low - 0.5 * span and finite.max() <= high + 0.5 * span:
        return ""
    for box, position in zip(data, positions, strict=True):
        for edge, beyond, marker in ((start, box.finite < start, "<"), (end, box.finite > end, ">")):
            if beyond.any():
                axes.plot(edge, position, marker, color=COLOURS["line"], markersize=3.5, clip_on=False, zorder=4)
    left = start if finite.min() < start else max(start, finite.min() - 0.05 * span)
    right = end if finite.max() > end else min(end, finite.max() + 0.05 * span)
    axes.set_xlim(left, right)
    outside = finite[(finite < start) | (finite > end)]
    points = f"{len(outside)} value{'s' if len(outside) > 1 else ''}"
    return f"\ntriangles: {points} beyond the axis, from {outside.min():.1f} to {outside.max():.1f}"


_MARKERS = {"method": "o", "oracle": "D", "floor": "s"}
_HATCH = {"method": "", "oracle": "////", "floor": "...."}
_KINDS = {"method": "method", "oracle": "oracle (sees the references)", "floor": "floor: the scaled mixture"}


def _legend(figure: Figure, kinds: set[str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Patch | Line2D] = [
        Patch(facecolor=COLOURS[k], edgecolor=COLOURS["ink"], hatch=_HATCH[k], linewidth=0.6, label=text)
        for k, text in _KINDS.items()
        if k in kinds
    ]
    if "floor" in kinds:
        line = Line2D([], [], color=COLOURS["line"], linestyle=(0, (4, 2)), linewidth=1, label="median of the floor")
        handles.append(line)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def cost_plot(block: Block, costs: pd.DataFrame) -> Figure:
    """Quality against cost: the mean over the targets against computing time, each point named.

    The cost is the median over tracks of the seconds of separation per second of audio. Methods without a mean over
    all targets or without a time are not drawn.

    Parameters
    ----------
    block : Block
        The metric and group of the quality.
    costs : DataFrame
        The cost table.

    Returns
    -------
    Figure

    Raises
    ------
    RunError
        No method has both.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    points = _cost_points(block, costs)
    if not points:
        raise RunError(f"nothing to draw for quality against cost of {block.name}: no method has a score and a time")
    points.sort(key=lambda p: -p[2])
    with styled():
        labels = [_label(name + (f" ({kind})" if kind != "method" else "")) for name, _, _, kind in points]
        lines = sum(label.count("\n") + 1.2 for label in labels)
        height = max(2.6, 0.95 * _LINE * lines)  # of the axes, in inches
        figure = Figure(figsize=(FULL_WIDTH, height + 1.1), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        for _, x, y, kind in points:
            (point,) = axes.plot(x, y, _MARKERS[kind], color=COLOURS[kind], zorder=3)
            point.set(markeredgecolor=COLOURS["ink"], markeredgewidth=0.6)
        axes.margins(x=0.08, y=0.08)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        _name_points(axes, points, labels, height)
        axes.grid()
        axes.set_xlabel("separation time per second of audio (s), median over tracks")
        unit = f" ({block.unit})" if block.unit else ""
        axes.set_ylabel(f"{printable(block.label)}{unit}, mean over targets")
        axes.set_title("\n".join(wrap_name(printable(f"Quality against cost: {block.name}"), 84)), x=0)
    return figure


def _cost_points(block: Block, costs: pd.DataFrame) -> list[tuple[str, float, float, str]]:
    here = costs[(costs["dataset"] == block.dataset) & (costs["subset"] == block.subset)]
    times: dict[str, float] = {}
    for (separator, params), part in here.groupby(["separator", "params"], sort=False):
        ratio = part["separate_seconds"] / part["audio_seconds"]
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        if len(ratio):
            times[method_label(str(separator), str(params))] = float(ratio.median())
    return [
        (row.method, times[row.method], row.mean, "floor" if row.floor else "oracle" if row.oracle else "method")
        for row in block.rows
        if row.method in times and math.isfinite(row.mean)
    ]


def _name_points(axes: Axes, points: list[tuple[str, float, float, str]], labels: list[str], height: float) -> None:
    """Names in a column at the right, each as near to its point's height as the others leave, tied by a thin line."""
    shares = [(label.count("\n") + 1.2) * 0.9 * _LINE / height for label in labels]
    bottom, top = axes.get_ylim()
    wanted = [(y - bottom) / (top - bottom) for _, _, y, _ in points]
    below = float(np.sum(shares))
    edge = 1.0
    for (_, x, y, _), label, share, want in zip(points, labels, shares, wanted, strict=True):
        place = max(min(want, edge - share / 2), below - share / 2)
        axes.annotate(
            label,
            (x, y),
            xytext=(1.06, place),
            textcoords="axes fraction",
            va="center",
            fontsize=7,
            arrowprops={"arrowstyle": "-", "color": COLOURS["floor"], "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3},
        )
        edge, below = place - share / 2, below - share


def save(figure: Figure, kind: str) -> bytes:
    """The figure as the content of a file; the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
    kind : {"png", "pdf", "svg"}

    Returns
    -------
    bytes

    Raises
    ------
    UnknownNameError
        `kind` is none of these.
    """
    if kind not in _METADATA:
        raise UnknownNameError("figure format", kind, _METADATA)
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind])
        return _small_png(buffer, int(STYLE["savefig.dpi"])) if kind == "png" else buffer.getvalue()


def _small_png(buffer: io.BytesIO, dpi: int) -> bytes:
    """The same image with a palette: flat colours need no more, and a page holds dozens of figures."""
    from PIL import Image

    small = io.BytesIO()
    with Image.open(buffer) as image:
        image.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(small, "png", optimize=True, dpi=(dpi, dpi))
    return small.getvalue()
