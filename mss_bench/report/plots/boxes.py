"""Box plots and violins of the tracks' values by method: the figure of SiSEC."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import FLOOR
from mss_bench.errors import UnknownNameError
from mss_bench.report.plots import base
from mss_bench.report.style import COLOURS, styled
from mss_bench.stats.matrix import ScoreMatrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SHAPES", "box_plot"]

SHAPES = ("box", "violin")

_PERFECT_DB = 100.0
_ROW = 1.35  # lines of text that a box needs at least


def box_plot(scores: ScoreMatrix, *, quantity: str = "", shape: str = "box", look: base.Looks | None = None) -> Figure:
    """Draw one box or violin per method over the tracks of one target and metric, best median on top.

    Boxes span the quartiles, whiskers reach the last value within 1.5 times their distance; points lie beyond. Violins
    show a kernel density with median and quartiles. Oracles are hatched and named as such; the dashed line is the
    floor's median. Infinite values have no place on the axis: they count in the order, and the label gives their
    number. Where few far values would squeeze the boxes the axis ends near the whiskers, a triangle at its end marks
    them, and the axis label gives their number and range.

    Parameters
    ----------
    scores : ScoreMatrix
        Values of tracks x methods, stand-ins included.
    quantity : str
        Metric and unit on the axis, ``SDR (dB)``; by default the metric's name.
    shape : {"box", "violin"}
    look : mapping, optional
        From `mss_bench.report.style.looks`.

    Returns
    -------
    Figure

    Raises
    ------
    RunError
        There is no value to draw.
    UnknownNameError
        `shape` is neither.
    """
    if shape not in SHAPES:
        raise UnknownNameError("shape of a box plot", shape, SHAPES)
    methods = base.better_first(scores)
    chosen = base.look_of(look, methods)
    middle = base.medians(scores)
    data = [_Box(scores, name, middle[name], chosen) for name in methods]
    with styled():
        labels = [base.label(box.label) for box in data]
        heights = [max(text.count("\n") + 1, _ROW) for text in labels]
        figure = base.canvas(1.15 + base.LINE * sum(heights))
        axes = figure.subplots()
        positions = _positions(heights)
        (_draw_boxes if shape == "box" else _draw_violins)(axes, data, positions)
        axes.set_yticks(positions, labels)
        axes.set_ylim(positions[-1] - 0.75 * heights[-1], positions[0] + 0.75 * heights[0])
        floor = middle.get(FLOOR, math.nan)
        if math.isfinite(floor):
            axes.axvline(floor, color=COLOURS["line"], linestyle=(0, (4, 2)), linewidth=1, zorder=1)
        axes.set_xlabel(base.axis_label(scores, quantity) + _limit(axes, data, positions))
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0, pad=7)
        base.set_title(axes, base.heading(scores, scores.unit["metric"]), pad=6)
        _legend(figure, {box.kind for box in data}, floor=math.isfinite(floor))
    return figure


class _Box:
    """The values of a method, and how they are drawn."""

    def __init__(self, scores: ScoreMatrix, method: str, median: float, look: base.Looks) -> None:
        self.values: Floats = scores.values[method].to_numpy(dtype=np.float64)
        self.finite = self.values[np.isfinite(self.values)]
        self.kind = base.kind_of(scores, method)
        self.look = look[method]
        self.median = median
        remarks = [self.kind] if self.kind != "method" else []
        imputed = int(scores.imputed[method].sum())
        remarks += [f"floor for {imputed} of {len(self.values)}"] if imputed else []
        remarks += [f"{len(self.values) - len(self.finite)}× ∞"] if len(self.finite) < len(self.values) else []
        self.label = method + (f" ({', '.join(remarks)})" if remarks else "")

    def whiskers(self) -> tuple[float, float]:
        """Return the ends of the whiskers."""
        return base.whisker_limits(self.finite)

    def bandwidth(self) -> float:
        """Return Silverman's bandwidth for a density with outliers, in standard deviations."""
        q1, q3 = np.percentile(self.finite, [25, 75])
        spread = (q3 - q1) / 1.34 / (self.finite.std(ddof=1) or 1.0) if self.finite.size > 1 else 1.0
        return float(0.9 * min(spread or 1.0, 1.0) * self.finite.size**-0.2)


def _positions(heights: Sequence[float]) -> list[float]:
    """Return places from top to bottom with room for each label's lines."""
    return [-(sum(heights[:i]) + heights[i] / 2) for i in range(len(heights))]


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
        patch.set(facecolor=box.look.colour, edgecolor=COLOURS["ink"], linewidth=0.6)
        patch.set_hatch(base.HATCHES[box.kind])


def _draw_violins(axes: Axes, data: list[_Box], positions: list[float]) -> None:
    for box, position in zip(data, positions, strict=True):
        if not box.finite.size:
            continue
        drawn = axes.violinplot(
            [box.finite],
            [position],
            orientation="horizontal",
            widths=1.15,
            showextrema=False,
            points=400,
            bw_method=box.bandwidth(),
        )
        for body in drawn["bodies"]:  # type: ignore[attr-defined]
            body.set(facecolor=box.look.colour, edgecolor=COLOURS["ink"], linewidth=0.6, alpha=1.0)
            body.set_hatch(base.HATCHES[box.kind])
        q1, median, q3 = np.percentile(box.finite, [25, 50, 75])
        axes.plot([q1, q3], [position, position], color=COLOURS["ink"], linewidth=2.2, solid_capstyle="butt")
        axes.plot(median, position, "o", color="white", markeredgecolor=COLOURS["ink"], markersize=3.2, zorder=4)


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


def _legend(figure: Figure, kinds: set[str], *, floor: bool) -> None:
    handles: list[Patch | Line2D] = [
        Patch(facecolor=COLOURS["floor"] if k == "floor" else "white", edgecolor=COLOURS["ink"], hatch=base.HATCHES[k],
              linewidth=0.6, label=text)
        for k, text in base.KINDS.items()
        if k in kinds
    ]  # fmt: skip
    if floor:
        line = Line2D([], [], color=COLOURS["line"], linestyle=(0, (4, 2)), linewidth=1, label="median of the floor")
        handles.append(line)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
