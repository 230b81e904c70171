"""Box plots and violins of the tracks' values by method: the figure of SiSEC."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import FLOOR
from mss_bench.core.text import wrap
from mss_bench.errors import UnknownNameError
from mss_bench.report.plots import base
from mss_bench.report.style import COLOURS, Look, printable, styled
from mss_bench.stats.matrix import ScoreMatrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["SHAPES", "box_plot"]

SHAPES = ("box", "violin")

_PERFECT_DB = 100.0
_ROW = 1.35  # lines of text that a box needs at least
_DENSE_ROW = 0.88  # of many methods
_MANY = 12  # methods
_PANEL = 0.9  # inches that a panel needs at least, and where the figure would be higher than a page
_LEAST_PANEL = 0.5
_PAGE = 9.0  # inches of a page that a figure may take


def box_plot(
    scores: ScoreMatrix | Sequence[ScoreMatrix],
    *,
    quantity: str = "",
    shape: str = "box",
    layout: base.Layout = base.PAGE,
) -> Figure:
    """Draw one box or violin per method over the tracks of a metric, best median on top; a panel a target.

    Boxes span the quartiles, whiskers reach the last value within 1.5 times their distance; points lie beyond. Violins
    show a kernel density with median and quartiles. Oracles are hatched and named as such; the dashed line is the
    floor's median. Infinite values have no place on the axis: they count in the order, and the label gives their
    number. Where few far values would squeeze the boxes the axis ends near the whiskers, a triangle at its end marks
    them, and the axis label gives their number and range. Panels share their axes; methods are then sorted by the mean
    of their medians, those that lack a target last.

    Parameters
    ----------
    scores : ScoreMatrix, or several
        Values of tracks x methods, stand-ins included; one for each target.
    quantity : str
        Metric and unit on the axis, ``SDR (dB)``; by default the metric's name.
    shape : {"box", "violin"}
    layout : Layout

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
    matrices = [scores] if isinstance(scores, ScoreMatrix) else list(scores)
    layout = layout.about(*matrices)
    methods = _order(matrices)
    look = layout.looks(methods)
    panels = [
        {name: _Box(matrix, name, middle[name], look[name]) for name in methods if name in middle}
        for matrix in matrices
        for middle in [base.medians(matrix)]
    ]
    several = len(panels) > 1
    with styled():
        names = [_label(name, [panel[name] for panel in panels if name in panel], layout) for name in methods]
        labels = base.fitted(names, (3 if layout.narrow else 6) * base.LINE, layout.characters(30))
        dense = len(methods) > _MANY
        least = _DENSE_ROW if dense else _ROW
        heights = [max(text.count("\n") + 1, least) for text in labels]
        tall = base.LINE * sum(heights)
        rows, columns = _grid(len(panels), tall, labels, layout)
        what = base.heading(matrices[0], matrices[0].unit["metric"]).partition(": ")[2]
        above = wrap(printable(what), base.title_width(layout)) if several and layout.title else []
        figure = base.canvas(rows * (tall + 0.25) + 0.9 + 0.15 * layout.narrow, layout, above=above)
        every = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        positions = _positions(heights)
        titles: list[Text] = []
        limits = _Limits([box for panel in panels for box in panel.values()])
        for axes, panel, matrix in zip(every, panels, matrices, strict=False):
            _draw_panel(axes, panel, dict(zip(methods, positions, strict=True)), shape, limits)
            if several:
                target = printable(matrix.unit["target"])
                titles.append(axes.set_title(target, x=0, fontsize=8, fontweight="normal", pad=3))
        every[0].set_yticks(positions, labels)
        every[0].set_ylim(positions[-1] - 0.75 * heights[-1], positions[0] + 0.75 * heights[0])
        for i, axes in enumerate(every):
            axes.set_visible(i < len(panels))
            axes.tick_params(axis="y", length=0, pad=8 if i % columns == 0 else 0, labelsize=7 if dense else 8)
            axes.tick_params(axis="x", labelbottom=i + columns >= len(panels), labelsize=7 if several else 8)
        text = base.axis_note(base.axis_label(matrices[0], quantity) + limits.note, layout, 0.9 if several else 0.62)
        if not several:
            every[0].set_xlabel(text)
            base.set_title(every[0], base.heading(matrices[0], matrices[0].unit["metric"]), layout, 0.9, pad=6)
        boxes = [box for panel in panels for box in panel.values()]
        floor = any(FLOOR in panel for panel in panels)
        _legend(figure, {box.kind for box in boxes}, layout, floor=floor, title=text if several else "")
        if titles:
            figure.draw_without_rendering()
        for title in titles:  # beside long names a panel can be narrower than its title
            if title.get_window_extent().x1 > figure.bbox.x1:
                title.set(x=1.0, horizontalalignment="right")
    return figure


class _Box:
    """The values of a method, and how they are drawn."""

    def __init__(self, scores: ScoreMatrix, method: str, median: float, look: Look) -> None:
        self.values: Floats = scores.values[method].to_numpy(dtype=np.float64)
        self.finite = self.values[np.isfinite(self.values)]
        self.kind = base.kind_of(scores, method)
        self.look = look
        self.median = median
        self.imputed = int(scores.imputed[method].sum())
        self.infinite = len(self.values) - len(self.finite)

    def whiskers(self) -> tuple[float, float]:
        """Return the ends of the whiskers."""
        return base.whisker_limits(self.finite)

    def bandwidth(self) -> float:
        """Return Silverman's bandwidth for a density with outliers, in standard deviations."""
        q1, q3 = np.percentile(self.finite, [25, 75])
        spread = (q3 - q1) / 1.34 / (self.finite.std(ddof=1) or 1.0) if self.finite.size > 1 else 1.0
        return float(0.9 * min(spread or 1.0, 1.0) * self.finite.size**-0.2)


def _order(matrices: Sequence[ScoreMatrix]) -> list[str]:
    """Return the methods from top to bottom."""
    if len(matrices) == 1:
        return base.better_first(matrices[0])
    drawn = {name for matrix in matrices for name in base.better_first(matrix)}
    sign = 1.0 if matrices[0].higher_is_better else -1.0
    middle = [base.medians(matrix) for matrix in matrices]
    # A mean over fewer targets compares with nothing.
    own = {name: [sign * of[name] for of in middle if name in of] for name in sorted(drawn)}
    return sorted(own, key=lambda name: (len(own[name]) < len(matrices), -sum(own[name]) / len(own[name])))


def _label(method: str, boxes: Sequence[_Box], layout: base.Layout) -> str:
    """Return the name of a method with what must be known of its values, of several targets the worst."""
    remarks = [boxes[0].kind] if boxes[0].kind != "method" else []
    imputed, infinite = (max(getattr(box, name) for box in boxes) for name in ("imputed", "infinite"))
    most = "up to " if len(boxes) > 1 else ""
    remarks += [f"floor for {most}{imputed} of {len(boxes[0].values)}"] if imputed else []
    remarks += [f"{most}{infinite}× ∞"] if infinite else []
    return layout.name(method) + (f" ({', '.join(remarks)})" if remarks else "")


def _grid(panels: int, tall: float, labels: Sequence[str], layout: base.Layout) -> tuple[int, int]:
    """Return rows and columns of panels: as wide as they need to be, on no more than a page."""
    margin = 0.065 * max(len(line) for text in labels for line in text.split("\n")) + 0.15
    room = layout.width - margin
    columns = max(1, min(panels, int(room / _PANEL)))
    while columns < panels and math.ceil(panels / columns) * tall > _PAGE and room / (columns + 1) >= _LEAST_PANEL:
        columns += 1
    rows = math.ceil(panels / columns)
    return rows, math.ceil(panels / rows)


def _positions(heights: Sequence[float]) -> list[float]:
    """Return places from top to bottom with room for each label's lines."""
    return [-(sum(heights[:i]) + heights[i] / 2) for i in range(len(heights))]


def _draw_panel(
    axes: Axes, panel: Mapping[str, _Box], positions: Mapping[str, float], shape: str, limits: _Limits
) -> None:
    places = [positions[name] for name in panel]
    (_draw_boxes if shape == "box" else _draw_violins)(axes, list(panel.values()), places)
    floor = panel[FLOOR].median if FLOOR in panel else math.nan
    if math.isfinite(floor):
        axes.axvline(floor, color=COLOURS["line"], linestyle=(0, (4, 2)), linewidth=1, zorder=1)
    axes.grid(axis="x")
    limits.apply(axes, list(panel.values()), places)


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


class _Limits:
    """The ends of an axis near the whiskers, where points lie far beyond them; of all panels alike."""

    def __init__(self, data: Sequence[_Box]) -> None:
        self.note = ""  # what the reader must know of values beyond
        self.ends: tuple[float, float] | None = None
        self.start, self.end = -math.inf, math.inf
        finite = np.concatenate([box.finite for box in data])
        boxes = [box for box in data if box.finite.size]
        # The mixture has 200 dB of SAR where it is the very sum of its stems; that is no scale for the others.
        whiskers = [box.whiskers() for box in boxes if box.median < _PERFECT_DB] or [box.whiskers() for box in boxes]
        if not whiskers:
            return
        low, high = min(w[0] for w in whiskers), max(w[1] for w in whiskers)
        span = (high - low) or 1.0
        if finite.min() >= low - 0.5 * span and finite.max() <= high + 0.5 * span:
            return
        self.start, self.end = low - 0.25 * span, high + 0.25 * span
        left = self.start if finite.min() < self.start else max(self.start, finite.min() - 0.05 * span)
        right = self.end if finite.max() > self.end else min(self.end, finite.max() + 0.05 * span)
        self.ends = (left, right)
        outside = finite[(finite < self.start) | (finite > self.end)]
        points = f"{len(outside)} value{'s' if len(outside) > 1 else ''}"
        ends = f"from {outside.min():.1f} to {outside.max():.1f}".replace("-", "−")
        self.note = f"\ntriangles: {points} beyond the axis, {ends}"

    def apply(self, axes: Axes, data: Sequence[_Box], positions: Sequence[float]) -> None:
        """Set the ends and mark what lies beyond them."""
        if self.ends is None:
            return
        for box, position in zip(data, positions, strict=True):
            for edge, beyond, marker in (
                (self.start, box.finite < self.start, "<"),
                (self.end, box.finite > self.end, ">"),
            ):
                if beyond.any():
                    axes.plot(edge, position, marker, color=COLOURS["line"], markersize=3.5, clip_on=False, zorder=4)
        axes.set_xlim(*self.ends)


def _legend(figure: Figure, kinds: set[str], layout: base.Layout, *, floor: bool, title: str) -> None:
    """Name kinds below the axes; the axis label of several panels stands above them, in the middle."""
    names = base.SHORT_KINDS if layout.narrow else base.KINDS
    handles: list[Patch | Line2D] = [
        Patch(facecolor=COLOURS["floor"] if k == "floor" else "white", edgecolor=COLOURS["ink"], hatch=base.HATCHES[k],
              linewidth=0.6, label=text)
        for k, text in names.items()
        if k in kinds
    ]  # fmt: skip
    if floor:
        line = Line2D([], [], color=COLOURS["line"], linestyle=(0, (4, 2)), linewidth=1, label="median of the floor")
        handles.append(line)
    ncols = 2 if layout.narrow else len(handles)
    size = 7 if layout.narrow else 7.5
    below = figure.legend(handles=handles, loc="outside lower center", ncols=ncols, fontsize=size)
    if title:
        below.set_title(title, FontProperties(family="DejaVu Sans", size=8))
        below.get_title().set_multialignment("center")
