"""Figures of a listening test, in the look of the other reports."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.text import true_minus
from mss_bench.listening.fit import FOLDS
from mss_bench.listening.metric_table import Joined
from mss_bench.listening.pairs import MODELS
from mss_bench.listening.ratings import SCALE, Role
from mss_bench.report.style import COLOURS, COLUMN_WIDTH, FULL_WIDTH, printable, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mss_bench.listening.fit import Fit
    from mss_bench.listening.pairs import PairScale
    from mss_bench.listening.votes import Votes

__all__ = ["box_plot", "fit_plot", "item_plot", "scatter_plot", "strength_plot", "vote_plot"]

_FILLS = {Role.TEST: COLOURS["method"], Role.REFERENCE: COLOURS["oracle"], Role.ANCHOR: COLOURS["floor"]}
_HATCHES = {Role.TEST: "", Role.REFERENCE: "////", Role.ANCHOR: "...."}
_NAMES = {Role.TEST: "system", Role.REFERENCE: "hidden reference", Role.ANCHOR: "anchor"}
_LONG = 26  # characters of a name: more would meet the next label
_PANELS = 12  # of a scatter plot: four lines of three fill a page
_MARKERS = "osD^v<>PXphH8*d"


@contextmanager
def _figure(height: float) -> Iterator[Figure]:
    """Yield a figure of the page's width, in the look of all reports."""
    from matplotlib.figure import Figure

    with styled():
        yield Figure(figsize=(FULL_WIDTH, height), layout="constrained")


def _shown(name: str, most: int = _LONG) -> str:
    text = printable(name)
    return text if len(text) <= most else text[: most - 1] + "…"


def box_plot(
    ratings: pd.DataFrame, summary: pd.DataFrame, *, labels: Sequence[str] = (),
    scale: tuple[float, float] = SCALE, title: str = "",
) -> Figure:  # fmt: skip
    """Draw the box plot of MUSHRA: one box a signal, the highest median first.

    Boxes span the quartiles of all ratings; whiskers end at the outermost rating within 1.5 interquartile ranges of the
    box. The diamond beside it is the mean, with its bootstrap interval over listeners and songs.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target.
    summary : DataFrame
        From `mss_bench.listening.analysis.summarise`.
    labels : sequence of str
        Of the scale's bands from the lowest up.
    scale : (float, float)
    title : str
    """
    from matplotlib.patches import Patch

    names = list(map(str, summary.index))
    roles = [Role(str(role)) for role in summary["role"]]
    data = [ratings.loc[ratings["system"] == name, "score"].to_numpy(dtype=np.float64) for name in names]
    with _figure(3.6) as figure:
        axes = figure.subplots()
        _bands(axes, labels, scale)
        drawn = axes.boxplot(
            data, widths=0.6, patch_artist=True, manage_ticks=False,
            medianprops={"color": COLOURS["ink"], "linewidth": 1.4},
            whiskerprops={"color": COLOURS["ink"], "linewidth": 0.7},
            capprops={"color": COLOURS["ink"], "linewidth": 0.7},
            flierprops={"marker": ".", "markersize": 2.5, "markerfacecolor": COLOURS["ink"], "markeredgewidth": 0},
        )  # fmt: skip
        for patch, role in zip(drawn["boxes"], roles, strict=True):
            patch.set(facecolor=_FILLS[role], edgecolor=COLOURS["ink"], linewidth=0.6, hatch=_HATCHES[role])
        places = np.arange(1, len(names) + 1)
        means = summary[["mean", "mean_low", "mean_high"]].to_numpy(dtype=np.float64)
        axes.errorbar(
            places + 0.38, means[:, 0], [means[:, 0] - means[:, 1], means[:, 2] - means[:, 0]], fmt="D", markersize=2.5,
            color=COLOURS["line"], elinewidth=1, capsize=2, label="mean, 95 % over listeners and songs",
        )  # fmt: skip
        axes.set_xlim(0.4, len(names) + 0.8)
        slanted = len(names) > 8 or any(len(name) > 9 for name in names)
        axes.set_xticks(places, [_shown(name) for name in names], rotation=30 if slanted else 0,
                        ha="right" if slanted else "center")  # fmt: skip
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel("score")
        axes.set_title(printable(title))
        kinds = [
            Patch(facecolor=_FILLS[role], edgecolor=COLOURS["ink"], hatch=_HATCHES[role], label=_NAMES[role])
            for role in dict.fromkeys(roles)
        ]
        handles = [*kinds, *axes.get_legend_handles_labels()[0]]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _bands(axes: Axes, labels: Sequence[str], scale: tuple[float, float]) -> None:
    """Draw the scale's bands as lines, with their names at the right where there are any."""
    low, high = scale
    room = 0.03 * (high - low)
    axes.set_ylim(low - room, high + room)
    graded = high - low <= 10 and float(high - low).is_integer()  # 1 to 5: each grade is a point, and no band
    edges = np.arange(low, high + 1) if graded else np.linspace(low, high, max(len(labels), 5) + 1)
    axes.set_yticks(edges)
    axes.grid(axis="y")
    if labels:
        names = axes.twinx()
        names.set_ylim(axes.get_ylim())
        names.set_yticks((edges[:-1] + edges[1:])[: len(labels)] / 2, [printable(text) for text in labels])
        names.tick_params(axis="y", length=0, labelsize=7, labelcolor="#777777")
        names.spines["right"].set_visible(False)


def item_plot(ratings: pd.DataFrame, summary: pd.DataFrame, *, scale: tuple[float, float] = SCALE) -> Figure:
    """Draw the medians of every item and signal as a map: where systems do well, and which items are hard."""
    names = list(map(str, summary.index))
    table = ratings.groupby(["item", "system"])["score"].median().unstack("system")[names]
    table = table.loc[table.mean(axis=1).sort_values(ascending=False).index]
    values = table.to_numpy(dtype=np.float64)
    with _figure(1.2 + 0.2 * len(table)) as figure:
        axes = figure.subplots()
        image = axes.imshow(values, aspect="auto", cmap="cividis", vmin=scale[0], vmax=scale[1])
        axes.set_xticks(range(len(names)), [_shown(name, 18) for name in names], rotation=30, ha="right")
        axes.set_yticks(range(len(table)), [_shown(str(name), 40) for name in table.index])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        middle = sum(scale) / 2
        for row, column in np.argwhere(np.isfinite(values)):
            value = values[row, column]
            axes.text(column, row, f"{value:.0f}" if scale[1] > 10 else f"{value:.1f}", ha="center", va="center",
                      fontsize=6.5, color="black" if value > middle else "white")  # fmt: skip
        figure.colorbar(image, ax=axes, label="median score", pad=0.01)
        axes.set_title("Median score by item")
    return figure


def scatter_plot(joined: Joined, rows: pd.DataFrame) -> Figure:
    """Draw each metric against the ratings, a colour and symbol a song.

    Parameters
    ----------
    joined : Joined
    rows : DataFrame
        From `mss_bench.listening.metrics_against_ears.agreement`; its first 12 metrics are drawn.
    """
    from matplotlib import colormaps

    metrics = [str(name) for name in rows.index[:_PANELS]]
    songs = sorted(set(map(str, joined.table["song"])))
    # tab20's pairs differ by lightness: the dark ones first; symbols tell neighbours apart without colour
    colours = {song: colormaps["tab20"](2 * (number % 10) + number // 10 % 2) for number, song in enumerate(songs)}
    markers = {song: _MARKERS[number % len(_MARKERS)] for number, song in enumerate(songs)}
    columns = 2 if len(metrics) in (2, 4) else min(3, len(metrics))
    lines = math.ceil(len(metrics) / columns)
    shown = songs[:30]
    with _figure(2.3 * lines + 0.16 * math.ceil(len(shown) / 3) + 0.3) as figure:
        grid = figure.subplots(lines, columns, squeeze=False, sharey=True)
        for axes, metric in zip(grid.flat, metrics, strict=False):
            values = joined.table[metric].to_numpy(dtype=np.float64)
            for song in songs:
                own = (joined.table["song"] == song) & np.isfinite(values)
                axes.plot(values[own], joined.table.loc[own, "rating"], markers[song], color=colours[song],
                          markersize=4, markeredgecolor="white", markeredgewidth=0.3, label=_shown(song))  # fmt: skip
            row = rows.loc[metric]
            turned = " (sign turned)" if metric in joined.turned else ""
            within = f", in songs ρ {row['song_rho_median']:.2f}" if row["n_songs"] else ""
            title = true_minus(f"r {row['r']:.2f}, ρ {row['rho']:.2f}{within}")
            axes.set_title(title, fontsize=7.5, fontweight="normal")
            axes.set_xlabel(printable(metric) + turned)
            axes.grid()
        for axes in grid[:, 0]:
            axes.set_ylabel("median score")
        for axes in list(grid.flat)[len(metrics) :]:
            axes.set_visible(False)
        handles, names = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles[:30], names[:30], loc="outside lower center", ncols=3, fontsize=6.5, handletextpad=0.1,
                      columnspacing=1, labelspacing=0.25)  # fmt: skip
    return figure


def strength_plot(scale: PairScale) -> Figure:
    """Draw the strengths of systems from pairs, with their intervals."""
    units = {"bradley_terry": "strength (log odds)", "thurstone": "scale value"}
    label = f"{MODELS[scale.model]}: {units[scale.model]}, 95 % over listeners"
    return _interval_plot(scale.strengths, ["strength", "low", "high"], 0.0, label)


def vote_plot(votes: Votes) -> Figure:
    """Draw the share of votes of every system with its interval, and the share by chance as a line."""
    label = "% of the votes, 95 % over listeners; line: by chance"
    return _interval_plot(
        100 * votes.systems[["share", "low", "high"]], ["share", "low", "high"], 100 * votes.chance, label
    )


def _interval_plot(table: pd.DataFrame, columns: list[str], line: float, label: str) -> Figure:
    """Draw a value with its interval for each row, the first on top, beside a line at a value that means nothing."""
    table = table[::-1]
    places = np.arange(len(table))
    values = table[columns].to_numpy(dtype=np.float64)
    with _figure(0.8 + 0.24 * len(table)) as figure:
        axes = figure.subplots()
        axes.hlines(places, values[:, 1], values[:, 2], color=COLOURS["ink"], linewidth=1)
        axes.plot(values[:, 0], places, "o", color=COLOURS["method"], markeredgecolor=COLOURS["ink"], markersize=6)
        axes.axvline(line, color=COLOURS["ink"], linewidth=0.8, linestyle=":", zorder=0)
        axes.set_yticks(places, [_shown(str(name), 40) for name in table.index])
        axes.set_ylim(-0.6, len(table) - 0.4)
        axes.set_xlabel(label)
        axes.grid(axis="x")
    return figure


def fit_plot(found: Fit, scale: tuple[float, float] = SCALE) -> Figure:
    """Draw predicted against heard scores, on songs and on systems left out, of the best model."""
    with _figure(COLUMN_WIDTH) as figure:
        panels: Any = figure.subplots(1, 2, sharey=True)
        for axes, (column, what) in zip(panels, FOLDS.items(), strict=True):
            own = found.validation[(found.validation["left_out"] == column) & (found.validation["model"] != "mean")]
            best = min(own.to_dict("records"), key=lambda row: float(row["rmse"]))
            x = found.predictions[f"{column}/{best['model']}"].to_numpy(dtype=np.float64)
            axes.plot(scale, scale, color=COLOURS["grid"], zorder=0)
            for number, name in enumerate(sorted(set(map(str, found.predictions["system"])))):
                at = (found.predictions["system"] == name).to_numpy()
                axes.plot(x[at], found.predictions.loc[at, "rating"], _MARKERS[number % len(_MARKERS)], markersize=4,
                          markeredgecolor="white", markeredgewidth=0.3, label=_shown(name))  # fmt: skip
            axes.set_title(f"unseen {what}: {best['model']}, error {best['rmse']:.1f}", fontsize=8, fontweight="normal")
            axes.set_xlabel("predicted score")
            axes.set_xlim(*scale)
            axes.set_ylim(*scale)
            axes.grid()
        panels[0].set_ylabel("median score")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(6, len(names)))
    return figure
