"""The critical-difference diagram.

References
----------
.. [1] J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from mss_bench.core.text import wrap
from mss_bench.report.plots.base import LINE, PAGE, Layout, Looks, canvas, fitted, heading, title_width, too_few
from mss_bench.report.style import COLOURS, printable, styled
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.ranking import critical_difference, mean_ranks
from mss_bench.stats.verdicts import Family, family

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["critical_difference_plot"]

_SIZE = 7  # points, of names
_NAME_WIDTH = 26  # characters
_PITCH = 0.135  # inches of a line of names
_BAR = 0.085  # inches between bars
_EDGE = 0.05
_MOST_BARS = 26  # as many as there are letters


def critical_difference_plot(
    scores: ScoreMatrix,
    *,
    test: str = "wilcoxon",
    alpha: float = 0.05,
    unranked: Collection[str] = (),
    layout: Layout = PAGE,
) -> Figure:
    """Draw the mean ranks of ranked methods on an axis, with a line below for each group that is not told apart [1]_.

    No two methods with a dot on the same line are told apart; a line passes over those that are. Where the tracks are
    too few for any verdict there are no lines, and the figure says so.

    Parameters
    ----------
    scores : ScoreMatrix
        Values of tracks x methods; oracles, and what does nothing, are left out.
    test : str
        A key of `mss_bench.stats.significance.POSTHOC`, with its usual correction; the bar "CD" is drawn for
        ``nemenyi``, the only one whose critical difference holds for all pairs.
    alpha : float
        Level of the test.
    unranked : collection of str
        Methods that are left out as well: trained on what is evaluated, or doing nothing under another name.
    layout : Layout

    Returns
    -------
    Figure

    Raises
    ------
    RunError
        Fewer than 3 tracks or 2 ranked methods.
    UnknownNameError
        The test is not known.
    """
    layout = layout.about(scores)
    field = family(scores, test=test, unranked=unranked, alpha=alpha)
    ranked = scores.without([str(name) for name in scores.values.columns if name not in field.ranked])
    order = mean_ranks(ranked)
    names = [str(name) for name in order.index]
    tied = [sorted(group, key=names.index) for group in field.cliques or () if len(group) > 1]
    bars = _lanes(tied, order) if len(tied) <= _MOST_BARS else []
    distance = critical_difference(ranked, test, alpha) if test == "nemenyi" else math.nan
    with styled():
        half = (len(names) + 1) // 2
        width = layout.characters(_NAME_WIDTH, 0.3)
        labels = fitted([f"{layout.name(str(n))} ({rank:.2f})" for n, rank in order.items()], 3 * LINE, width)
        left, right = labels[:half], labels[half:]
        margin = max(_width(text) for text in labels) + 0.3
        title = wrap(printable(heading(scores, f"mean ranks by {scores.unit['metric']}")), title_width(layout))
        title = title if layout.title else []
        note = wrap(layout.note, title_width(layout)) if layout.note else []
        legend = wrap(_legend_text(field, len(tied)), int(layout.width / 0.052))
        # inches above the axis: title, critical difference, numbers
        top = 0.35 + 0.15 * len(title + note) + (0.25 if math.isfinite(distance) else 0.0)
        below = 0.1 + _BAR * (max((lane for lane, _ in bars), default=-1) + 1)
        height = top + below + max(_height(left), _height(right)) + 0.15 + 0.12 * len(legend)
        figure = canvas(height, replace(layout, note=""))
        figure.set_layout_engine("none")  # this figure places everything itself
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, layout.width)
        axes.set_ylim(height, 0)
        start = math.floor(order.min())
        ends = [order.max(), start + 1, start + (distance if math.isfinite(distance) else 0.0)]
        scale = _Scale(start, math.ceil(max(ends)), margin, layout.width)
        _draw_axis(axes, scale, top)
        if math.isfinite(distance):
            _draw_distance(axes, scale, distance, top - 0.3)
        for lane, group in bars:
            y = top + 0.09 + _BAR * lane
            places = [scale(float(order[name])) for name in group]
            axes.plot(places, [y] * len(places), "o-", color=COLOURS["ink"], linewidth=1, markersize=2.4)
        chosen = layout.looks(names)
        names_at = top + below
        _draw_names(axes, scale, order.iloc[:half], left, chosen, top, names_at, to_left=True)
        _draw_names(axes, scale, order.iloc[half:][::-1], right[::-1], chosen, top, names_at, to_left=False)
        axes.text(_EDGE, height - 0.04, "\n".join(legend), fontsize=6.5, va="bottom")
        axes.text(_EDGE, 0.06, "\n".join(title), fontsize=9, fontweight="bold", va="top")
        axes.text(_EDGE, 0.06 + 0.15 * len(title), "\n".join(note), fontsize=8, color=COLOURS["warning"], va="top")
    return figure


def _legend_text(field: Family, n_tied: int) -> str:
    start = "In brackets: mean rank, 1 is best."
    if not field.enough:
        return f"{start} {too_few(field)}"
    if n_tied > _MOST_BARS:
        return f"{start} {n_tied} groups of methods are not told apart, too many to draw ({field.how})."
    return f"{start} Methods with a dot on one line are not told apart: {field.how}, p ≥ {field.alpha:g}."


class _Scale:
    """Map ranks to inches, the best at the left, over the ranks that methods have."""

    def __init__(self, first: int, last: int, margin: float, width: float) -> None:
        self.first, self.last = first, last
        self.left, self.right = margin, width - margin

    def __call__(self, rank: float) -> float:
        return self.left + (rank - self.first) / (self.last - self.first) * (self.right - self.left)


def _lanes(tied: list[list[str]], order: pd.Series[float]) -> list[tuple[int, list[str]]]:
    """Return bars with the row that each is drawn in, so that no two in a row touch."""
    ends: list[float] = []
    placed = []
    for group in tied:
        first, last = float(order[group[0]]), float(order[group[-1]])
        lane = next((i for i, end in enumerate(ends) if first > end + 0.02 * len(order)), len(ends))
        ends[lane : lane + 1] = [last]
        placed.append((lane, group))
    return placed


def _draw_axis(axes: Axes, scale: _Scale, y: float) -> None:
    axes.plot([scale.left, scale.right], [y, y], color=COLOURS["ink"], linewidth=0.8)
    step = max(1, math.ceil((scale.last - scale.first) / max(2, 3 * (scale.right - scale.left))))
    for rank in range(scale.first, scale.last + 1):
        major = (rank - scale.first) % step == 0
        axes.plot([scale(rank)] * 2, [y - (0.07 if major else 0.04), y], color=COLOURS["ink"], linewidth=0.8)
        if major:
            axes.text(scale(rank), y - 0.09, str(rank), ha="center", va="bottom", fontsize=_SIZE)


def _draw_distance(axes: Axes, scale: _Scale, distance: float, y: float) -> None:
    ends = [scale.left, scale(scale.first + distance)]
    axes.plot(ends, [y, y], color=COLOURS["line"], linewidth=1.4)
    for x in ends:
        axes.plot([x, x], [y - 0.04, y + 0.04], color=COLOURS["line"], linewidth=1.4)
    axes.text(ends[1] + 0.06, y, f"CD = {distance:.2f}", va="center", fontsize=_SIZE)


def _draw_names(
    axes: Axes,
    scale: _Scale,
    ranks: pd.Series[float],
    labels: list[str],
    look: Looks,
    top: float,
    start: float,
    *,
    to_left: bool,
) -> None:
    """Write names below each other at one side, the outermost rank first, so that no two lines cross."""
    edge = scale.left - 0.12 if to_left else scale.right + 0.12
    y = start
    for (name, rank), text in zip(ranks.items(), labels, strict=True):
        share = (text.count("\n") + 1) * _PITCH
        middle = y + share / 2
        x = scale(float(rank))
        axes.plot([x, x, edge], [top, middle, middle], color=COLOURS["grid"], linewidth=0.7, zorder=1)
        colour = look[str(name)].colour
        axes.plot(x, top, look[str(name)].marker, color=colour, markersize=4, markeredgecolor=COLOURS["ink"],
                  markeredgewidth=0.4, zorder=3, clip_on=False)  # fmt: skip
        axes.plot(edge, middle, look[str(name)].marker, color=colour, markersize=4, markeredgecolor=COLOURS["ink"],
                  markeredgewidth=0.4, zorder=3)  # fmt: skip
        axes.text(edge + (-0.08 if to_left else 0.08), middle, text, ha="right" if to_left else "left", va="center",
                  fontsize=_SIZE, linespacing=1.1)  # fmt: skip
        y += share


def _height(labels: list[str]) -> float:
    return sum((text.count("\n") + 1) * _PITCH for text in labels)


def _width(text: str) -> float:
    """Return the inches of the longest line."""
    font = FontProperties(family="DejaVu Sans")
    return (
        max(float(TextPath((0, 0), line or " ", _SIZE, prop=font).get_extents().width) for line in text.split("\n"))
        / 72
    )
