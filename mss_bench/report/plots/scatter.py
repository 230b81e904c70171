"""One metric against another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.errors import RunError
from mss_bench.report.plots import base
from mss_bench.report.style import styled
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.units import Bools

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["scatter_plot"]


def scatter_plot(
    x: ScoreMatrix, y: ScoreMatrix, *, quantities: tuple[str, str] = ("", ""), layout: base.Layout = base.PAGE
) -> Figure:
    """Draw one metric against another of the same target: a symbol a method (its medians), a dot a track.

    Parameters
    ----------
    x, y : ScoreMatrix
        Of the same data; the methods and tracks that both have are drawn.
    quantities : (str, str)
        Metrics and units on the axes, ``SDR (dB)``; by default the metrics' names.
    layout : Layout

    Returns
    -------
    Figure
        Its axis gives Spearman's rank correlation over methods, and the median over tracks of that within a track.

    Raises
    ------
    RunError
        No method and track has both.
    """
    names = [str(name) for name in x.values.columns if name in y.values.columns]
    tracks = x.values.index.intersection(y.values.index)
    if not names or not len(tracks):
        raise RunError(f"nothing to draw for {x.unit['metric']} against {y.unit['metric']}: no method has both")
    layout = layout.about(x, y)
    at, up = base.medians(x), base.medians(y)
    xs = x.values.loc[tracks, names].to_numpy(dtype=np.float64)
    ys = y.values.loc[tracks, names].to_numpy(dtype=np.float64)
    names.sort(key=lambda name: -up[name] if y.higher_is_better else up[name])
    chosen = layout.looks(names)
    with styled():
        kinds = {name: base.kind_of(x, name) for name in names}
        full = [layout.name(name, kinds[name]) for name in names]
        labels = base.fitted(full, 3 * base.LINE, 22 if layout.narrow else 26)
        lines = sum(text.count("\n") + 1.15 for text in labels)
        # Names stand beside the axes, or below them where the figure is narrow.
        tall = 3.6 + base.LINE * lines / 2 if layout.narrow else max(3.2, base.LINE * lines + 0.9)
        figure = base.canvas(tall, layout)
        axes = figure.subplots()
        axes.plot(xs.ravel(), ys.ravel(), ".", color="#BBBBBB", markersize=2, zorder=1)
        for name, text in zip(names, labels, strict=True):
            style = base.marker_style(chosen[name], kinds[name])
            axes.plot(at[name], up[name], label=text, linestyle="none", markersize=6, zorder=3, **style)
        axes.set_xlim(*_limits(xs, at.values()))
        axes.set_ylim(*_limits(ys, up.values()))
        axes.grid()
        beyond = int((_outside(xs, axes.get_xlim()) | _outside(ys, axes.get_ylim())).sum())
        dots = f"dots: single songs{f' ({beyond} of {xs.size} beyond the axes)' if beyond else ''}"
        told = _correlations([at[n] for n in names], [up[n] for n in names], xs, ys)
        text = f"{base.axis_label(x, quantities[0])}\nsymbols: medians of methods; {dots}{told}"
        axes.set_xlabel(base.axis_note(text, layout, 0.85 if layout.narrow else 0.62))
        axes.set_ylabel(base.axis_label(y, quantities[1]))
        small = {"fontsize": 7, "handletextpad": 0.3, "labelspacing": 0.25}
        if layout.narrow:
            figure.legend(loc="outside lower center", ncols=2, **small)
        else:
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.01), borderaxespad=0, **small)
        base.set_title(axes, base.heading(y, f"{y.unit['metric']} against {x.unit['metric']}"), layout, 0.9)
    return figure


def _limits(values: Floats, symbols: object) -> tuple[float, float]:
    """Return the ends of an axis that shows every symbol and nearly all dots."""
    finite = values[np.isfinite(values)]
    placed = np.array([v for v in list(symbols) if np.isfinite(v)])  # type: ignore[call-overload]
    if not finite.size or not placed.size:
        return 0.0, 1.0
    low, high = base.whisker_limits(finite)
    low, high = min(low, placed.min()), max(high, placed.max())
    room = 0.06 * (high - low) or 0.5
    return float(low - room), float(high + room)


def _correlations(xs: list[float], ys: list[float], by_track_x: Floats, by_track_y: Floats) -> str:
    """Return Spearman's rho over methods and within tracks; nothing for fewer than 3 methods, or where all tie."""
    rho = _spearman(np.array(xs), np.array(ys))
    within = [r for r in map(_spearman, by_track_x, by_track_y) if not np.isnan(r)]
    if np.isnan(rho) or not within:
        return ""
    return f"\nSpearman's ρ: {rho:.2f} over methods, {np.median(within):.2f} within a song (median)"


def _outside(values: Floats, limits: tuple[float, float]) -> Bools:
    return (values < limits[0]) | (values > limits[1])


def _spearman(a: Floats, b: Floats) -> float:
    if a.size < 3 or (a == a[0]).all() or (b == b[0]).all():
        return float("nan")
    return float(np.corrcoef(scipy.stats.rankdata(a), scipy.stats.rankdata(b))[0, 1])
