"""The figure of reactions: every quantity against every ladder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.metrics import Metric, Quantity
from mss_bench.metrics.cards import FOLLOWS, HARDLY, Reactions, losses
from mss_bench.metrics.perceptual.degradations import LADDERS
from mss_bench.report.plots.base import PAGE, canvas
from mss_bench.report.style import COLOURS, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["change_text", "reaction_figure"]

_ROW = 0.142  # inches
_HEAD = 0.5
_FOOT = 0.42
_BETTER, _WORSE = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion


def reaction_figure(classes: Mapping[str, type[Metric]], reactions: Reactions) -> Figure:
    """Draw the matrix.

    Parameters
    ----------
    classes : dict of str to type
        Metrics in order; those without reactions are left out.
    reactions : mapping
        As `mss_bench.metrics.cards.read_reactions` gives them.

    Returns
    -------
    Figure
        A row for each quantity, coloured by its loss relative to the greatest of its row (vermilion worse, blue
        better), with the change of its value in its own unit.
    """
    rows = [
        (name, quantity, reactions[name, quantity.name])
        for name, cls in classes.items()
        for quantity in cls.quantities
        if reactions.get((name, quantity.name))
    ]
    ladders = [ladder for ladder in LADDERS if any(ladder in measured for _, _, measured in rows)]
    shares = np.full((len(rows), len(ladders)), np.nan)
    with styled():
        figure = canvas(_HEAD + _FOOT + _ROW * len(rows), PAGE)
        axes = figure.subplots()
        for index, (_, quantity, measured) in enumerate(rows):
            lost = losses(quantity, measured)
            top = max(map(abs, lost.values()), default=0.0)
            shares[index] = [lost[x] / top if x in lost and top else lost.get(x, math.nan) for x in ladders]
            for column, ladder in enumerate(ladders):
                if ladder in measured:
                    share, trend = float(shares[index, column]), measured[ladder].trend
                    # A large change that does not grow with the fault is not a reaction to it.
                    unsteady = abs(share) > HARDLY and trend * math.copysign(1, share) < FOLLOWS
                    _write(axes, column, index, change_text(quantity, lost.get(ladder, math.nan)), share, unsteady)
        _paint(axes, shares)
        _name_rows(axes, [(name, quantity) for name, quantity, _ in rows])
        axes.set_xticks(range(len(ladders)), [_head(ladder) for ladder in ladders], fontsize=6.5)
        axes.set_xlabel(
            "colour: part of the row's greatest loss (vermilion worse, blue better);  number: change of the value in "
            "its unit;\n~ does not follow the steps;  · no value;  ratios count from −10 to 40 dB",
            fontsize=6.5,
        )
    return figure


def change_text(quantity: Quantity, lost: float) -> str:
    """Return the change of a value in its own direction, e.g. ``-12``; ``·`` where there is none."""
    if math.isnan(lost):
        return "·"
    change = -lost if quantity.higher_is_better else lost
    size = abs(change)
    if size < 0.005:
        return "0"
    text = f"{change:.0f}" if size >= 9.95 else f"{change:.1f}" if size >= 0.95 else f"{change:.2f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _paint(axes: Axes, shares: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("reaction", [_BETTER, "#FFFFFF", _WORSE]).with_extremes(bad="#F2F2F2")
    axes.imshow(np.ma.masked_invalid(shares), cmap=colours, vmin=-1, vmax=1, aspect="auto", interpolation="none")
    axes.set_xticks(np.arange(shares.shape[1] - 1) + 0.5, minor=True)
    axes.grid(which="minor", axis="x", color="white", linewidth=1.2)
    axes.tick_params(which="both", length=0)
    axes.xaxis.tick_top()
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write(axes: Axes, column: int, row: int, text: str, share: float, unsteady: bool) -> None:
    # White on the darkest cells, where ink could not be read.
    colour = "white" if share < -0.6 else COLOURS["ink"]
    axes.text(column, row, text + "~" * unsteady, ha="center", va="center_baseline", fontsize=6, color=colour, zorder=3)


def _name_rows(axes: Axes, rows: list[tuple[str, Quantity]]) -> None:
    """Write quantities with units at the left and metrics at the right, with a line between them."""
    axes.set_yticks(range(len(rows)), [f"{q.name} ({q.unit})" if q.unit else q.name for _, q in rows], fontsize=6)
    names = [name for name, _ in rows]
    for name in dict.fromkeys(names):
        first, last = names.index(name), len(names) - 1 - names[::-1].index(name)
        axes.text(
            1.008, (first + last) / 2, name.replace("bss_eval_v3_", "bss_eval_v3_\n"), fontsize=6, va="center",
            transform=axes.get_yaxis_transform(), linespacing=1.1,
        )  # fmt: skip
        if first:
            axes.plot([-0.005, 1.16], [first - 0.5] * 2, color=COLOURS["ink"], linewidth=0.4, clip_on=False,
                      transform=axes.get_yaxis_transform(), zorder=4)  # fmt: skip


def _head(ladder: str) -> str:
    level, unit = LADDERS[ladder].levels[-1], LADDERS[ladder].unit
    strongest = f"{level / 1000:g} kHz" if unit == "Hz" and level >= 1000 else f"{level:g} {unit}"
    words = ladder.replace("_", "\n").replace("dropouts", "drop-\nouts")
    return f"{words}\n" + strongest.replace("-", "\N{MINUS SIGN}")
