"""The pairwise significance matrix."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats
from mss_bench.core.text import wrap
from mss_bench.errors import RunError
from mss_bench.report.plots.base import PAGE, Layout, axis_note, canvas, fitted, heading, label, row_height, too_few
from mss_bench.report.style import COLOURS, COLUMN_WIDTH, printable, styled
from mss_bench.stats.effect import rank_biserial
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.units import difference
from mss_bench.stats.verdicts import Family, family

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["significance_plot"]

Strings = NDArray[np.str_]

_LEVELS = (0.001, 0.01, 0.05)
# Blue where the row is better, orange where it is worse, the darker the surer.
_BETTER = ("#08519C", "#4292C6", "#C6DBEF")
_WORSE = ("#A63603", "#F16913", "#FDD0A2")
_TIED = "#E6E6E6"
_WRITTEN = 0.32  # inches of a cell that has room for a p value
_CELL = 0.175  # inches


def significance_plot(
    scores: ScoreMatrix, *, test: str = "wilcoxon", unranked: Collection[str] = (), layout: Layout = PAGE
) -> Figure:
    """Draw every ranked method against every other: which is better, and whether they are told apart.

    Methods are sorted by their median, the best at the top and left. Where there is room the p values stand in the
    cells; where the tracks are too few for any verdict, the tracks on which the row is better.

    Parameters
    ----------
    scores : ScoreMatrix
        Values of tracks x methods; oracles, and what does nothing, are left out.
    test : str
        A key of `mss_bench.stats.significance.POSTHOC`, with its usual correction.
    unranked : collection of str
        Methods that are left out as well: trained on what is evaluated, or doing nothing under another name.
    layout : Layout

    Returns
    -------
    Figure

    Raises
    ------
    RunError
        Fewer than 2 methods are ranked, or no track counts.
    UnknownNameError
        The test is not known.
    """
    layout = layout.about(scores)
    field = family(scores, test=test, unranked=unranked)
    names = field.ranked
    if len(names) < 2 or not field.n_tracks:
        raise RunError(f"nothing to draw of pairs: {field.sentence}")
    values = scores.values[names].to_numpy(dtype=np.float64)
    apart = difference(values[:, :, None], values[:, None, :]) * (1.0 if scores.higher_is_better else -1.0)
    lean = rank_biserial(apart.reshape(len(values), -1)).reshape(len(names), -1)
    p = field.p.loc[names, names].to_numpy(dtype=np.float64)
    level = np.searchsorted(_LEVELS, p, side="right")  # 0 the surest, 3 tied
    shown = np.where(level == len(_LEVELS), 0.0, np.sign(lean) * (len(_LEVELS) - level))
    np.fill_diagonal(shown, np.nan)
    texts = np.vectorize(_p_text)(p) if field.enough else (apart > 0).sum(axis=0).astype(str)
    with styled():
        shown_names, row_width, column_width = [layout.name(name) for name in names], layout.characters(26), 18
        rows = [label(name, row_width) for name in shown_names]
        columns = [label(name, column_width) for name in shown_names]
        margin = 0.075 * max(len(line) for text in rows for line in text.split("\n"))
        room = (layout.width - margin - 0.3) / len(names)
        written = room >= _WRITTEN
        cell = min(max(row_height([*rows, *columns], _CELL), 0.42 if written else 0.0), room)
        rows, columns = fitted(shown_names, cell, row_width), fitted(shown_names, cell, column_width)
        tall = 0.068 * max(len(line) for text in columns for line in text.split("\n"))
        width = min(max(margin + cell * len(names) + 0.4, COLUMN_WIDTH), layout.width)
        title = wrap(printable(heading(scores, scores.unit["metric"])), int(10.5 * (width - margin)))
        title = title if layout.title else []
        figure = canvas(cell * len(names) + tall + 1.0 + 0.14 * len(title), layout, width)
        axes = figure.subplots()
        colours = [*_WORSE, _TIED, *_BETTER[::-1]]
        axes.imshow(shown, cmap=ListedColormap(colours), norm=BoundaryNorm(np.arange(-3.5, 4.0), 7), aspect="equal")
        if written:
            _write(axes, texts, shown)
        axes.set_xticks(range(len(names)), columns, rotation=90, fontsize=7, linespacing=1.05)
        axes.set_yticks(range(len(names)), rows, fontsize=7, linespacing=1.05)
        axes.tick_params(length=0)
        axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=0.8)
        axes.tick_params(which="minor", length=0)
        axes.spines[:].set_visible(False)
        axes.set_title("\n".join(title), x=0)
        _legend(figure, field, replace(layout, width=width))
    return figure


def _p_text(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}"[1:] if p < 0.9995 else "1"


def _write(axes: Axes, texts: Strings, shown: Floats) -> None:
    for i, j in zip(*np.nonzero(~np.isnan(shown)), strict=True):
        dark = abs(shown[i, j]) >= 2
        axes.text(j, i, texts[i, j], ha="center", va="center", fontsize=6.5, color="white" if dark else COLOURS["ink"])


def _legend(figure: Figure, field: Family, layout: Layout) -> None:
    if not field.enough:
        text = f"{too_few(field)} Numbers: songs of {field.n_tracks} on which the row is better."
        title = axis_note(text, layout, 0.75)
        figure.legend(handles=[], loc="outside lower center", title=title, title_fontsize=7.5)
        return
    texts = [f"p < {level:g}".replace("0.", ".") for level in _LEVELS]
    handles = [Patch(facecolor=c, label=f"row better, {t}") for c, t in zip(_BETTER, texts, strict=True)]
    handles.append(Patch(facecolor=_TIED, edgecolor=COLOURS["floor"], linewidth=0.4, label="not told apart"))
    handles += [Patch(facecolor=c, label=f"row worse, {t}") for c, t in zip(_WORSE, texts, strict=True)]
    handles.append(Patch(facecolor="none", label=""))
    title = axis_note(field.how, layout, 0.85)
    figure.legend(handles=handles, loc="outside lower center", ncols=2, title=title, title_fontsize=7.5)
