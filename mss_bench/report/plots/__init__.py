"""Figures of a report, made of score matrices (tracks x methods) and the tables of a run.

Over all tracks
    `box_plot` boxes or violins by method; `critical_difference_plot` mean ranks and what is tied; `significance_plot`
    the test of every pair; `heat_map` every track and method; `scatter_plot` one metric against another; `cost_plot`
    quality against computing time; `silence_plot` how many frames are left out.
Of one track
    `frame_plot` the frames' values over time.
Underneath
    `save` a figure as the bytes of a file; `base` what all figures share.

Each takes a `Layout`: its width, what methods are called, their colours (from `mss_bench.report.style.looks` of all
methods of a report, so that a method has one colour in all of them), and whether it has a title. Figures
are made with matplotlib's object-oriented interface: no window is opened, nothing global changed, and a notebook shows
what a function returns.
"""

from mss_bench.report.plots.base import Layout, save
from mss_bench.report.plots.boxes import box_plot
from mss_bench.report.plots.cost import cost_plot
from mss_bench.report.plots.frames import frame_plot
from mss_bench.report.plots.heat import heat_map
from mss_bench.report.plots.pairs import significance_plot
from mss_bench.report.plots.ranks import critical_difference_plot
from mss_bench.report.plots.scatter import scatter_plot
from mss_bench.report.plots.silence import silence_plot

__all__ = [
    "Layout",
    "box_plot",
    "cost_plot",
    "critical_difference_plot",
    "frame_plot",
    "heat_map",
    "save",
    "scatter_plot",
    "significance_plot",
    "silence_plot",
]
