"""Options of a report, declared; nothing here imports pandas or matplotlib."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from mss_bench.core.parameters import Parameterized, check, param
from mss_bench.errors import ConfigError
from mss_bench.report.labels import Labels
from mss_bench.stats.choices import AGGREGATIONS, MISSING, POSTHOC

__all__ = ["COLUMNS", "DEFAULT_STYLE", "FIGURES", "FIGURE_FORMATS", "FORMATS", "Options", "Statistics", "Style"]

FORMATS = ("md", "csv", "tex", "html", "png", "pdf", "svg")
"""What a report can hold; the last three are the formats of figures, which are drawn on request."""

FIGURES = {
    "box": "box plots of every metric, with the targets as panels of one figure",
    "violin": "violins of the same",
    "cd": "critical-difference diagrams of the first metric",
    "pairs": "pairwise significance of the first metric",
    "heat": "the first metric of every track and method",
    "scatter": "the first metric against the second",
    "cost": "quality against cost",
    "silence": "shares of frames left out",
    "frames": "frame-wise curves of single tracks",
}
"""Kinds of figures, in words."""

FIGURE_FORMATS = ("pdf", "svg", "png")
"""Formats of figures; the first is that of figures for which none is named."""

COLUMNS = ("mean", "gain", "gap", "targets", "tracks", "failed", "flags")
"""Columns that a table can have: the mean over the targets, the improvement over the floor and the gap to an oracle
(both means over the targets, too), the targets, the tracks that the values are over, the failed ones, and flags."""


class Style(Parameterized):
    """Options that choose the columns, numbers and layout of tables."""

    name = "table style"

    columns: tuple[str, ...] = param(
        (), choices=COLUMNS, metavar="NAME,...",
        doc="Columns in their order (default: mean, gain, gap where --gap-to names an oracle, targets).",
    )  # fmt: skip
    by: str = param(
        "metric", choices=("metric", "target"), flag="--table-by",
        doc="A table a metric with targets as columns, or a table a target with metrics as columns.",
    )  # fmt: skip
    digits: int = param(2, at_least=0, at_most=12, doc="Decimals.")
    intervals: bool = param(False, flag="--ci", doc="Confidence intervals in the tables.")
    bold: str = param(
        "best", choices=("best", "tied"), doc="Bold numbers: the best of a column, or with it what is not told apart."
    )
    labels: Labels = param(
        Labels(),
        metavar="NAME=TEXT,...",
        doc="What methods are called in tables and figures: nmf_supervised=NMF (default: their names).",
    )
    width: str = param(
        "page", metavar="WIDTH",
        doc="Width of figures and LaTeX tables: column (86 mm), page (182 mm) or millimetres; a table of one column is "
        "shrunk until it fits.",
    )  # fmt: skip
    caption: str = param("", metavar="TEXT", doc="Caption of the LaTeX table, where there is one (default: its title).")
    latex_label: str = param(
        "", metavar="LABEL",
        doc="Label of the LaTeX table; of several, what each label begins with (default: made of a table's name).",
    )  # fmt: skip

    @check("width")
    def _check_width(self) -> None:
        from mss_bench.report.style import figure_width

        figure_width(self.width)

    @check("latex_label")
    def _check_label(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9:._/-]*", self.latex_label):
            self.refuse("latex_label", "letters, digits and any of : . _ / -")


DEFAULT_STYLE = Style()


class Statistics(Parameterized):
    """Options of the tests and intervals of a report."""

    name = "statistics of a report"

    posthoc: str = param(
        "wilcoxon",
        choices=tuple(POSTHOC),
        flag="--test",
        doc="Test of pairs of methods; conover, nemenyi and conover_iman are there to reproduce publications.",
    )
    alpha: float = param(0.05, above=0, below=1, doc="Level of the tests.")
    interval: str = param(
        "usual", choices=("usual", "bootstrap"),
        doc="usual: order statistics of medians, t of means; bootstrap: percentiles of resamples, from 20 songs.",
    )  # fmt: skip
    level: float = param(0.95, above=0, below=1, doc="Level of the confidence intervals.")
    draws: int = param(10_000, at_least=100, doc="Draws of a bootstrap.")
    seed: int = param(0, at_least=0, doc="Seed of a bootstrap.")


class Options(Parameterized):
    """Options that choose what a report holds, of which numbers."""

    name = "report"

    formats: tuple[str, ...] = param(
        (), choices=FORMATS, flag="--format", metavar="NAME,...",
        doc="Kinds of files (default: md, csv, tex, html, and pdf where --figures names some; html alone with "
        "--single-file).",
    )  # fmt: skip
    metrics: tuple[str, ...] = param(
        (), short="-m", metavar="NAME,...", doc="Only these metrics, in this order (default: all)."
    )
    targets: tuple[str, ...] = param(
        (), metavar="NAME,...", doc="Only these targets, in this order; 'all' for all (default: all)."
    )
    separators: tuple[str, ...] = param(
        (), flag="--separator", short="-s", metavar="LABEL,...",
        doc="Only these, each as tables name it, or by its separator's name for all variants (default: all).",
    )  # fmt: skip
    groups: tuple[str, ...] = param(
        (), metavar="NAME,...", doc="Only these groups of targets: 4stem, vocals_acc (default: all)."
    )
    sort: str = param("mean", metavar="HOW", doc="Order of rows: mean, gain, name, given (as named) or a target.")
    aggregation: str | None = param(
        None, choices=tuple(AGGREGATIONS), metavar="A",
        doc="How frames and songs are aggregated; SiSEC takes median_of_medians, MDX mean_of_means (default: that of "
        "the run's protocol, else median_of_medians).",
    )  # fmt: skip
    missing: str = param(
        "floor", choices=tuple(MISSING), metavar="RULE",
        doc="floor: the mixture stands in for missing values; complete: only songs that every method has.",
    )  # fmt: skip
    gap_to: str = param("", metavar="ORACLE", doc="A column with the gap to this oracle (default: none).")
    figures: tuple[str, ...] = param(
        (),
        choices=(*FIGURES, "none"),
        metavar="NAME,...",
        doc="Kinds of figures, for papers: without a title, fonts embedded (default: none).",
    )
    pages: tuple[str, ...] = param(
        (),
        flag="--page",
        metavar="TRACK",
        doc="Track that has a page of its own, or all (default: those with sounds, see run --media).",
    )
    single_file: bool = param(
        False, doc="One page in one file that can be sent, report.html; otherwise index.html links pages of tracks."
    )
    style: Style = param(DEFAULT_STYLE, doc="Columns, digits, labels and widths of tables and figures.")
    statistics: Statistics | None = param(Statistics(), doc="Tests and intervals; None for none.")

    @check("formats", "figures")
    def _check_formats(self) -> None:
        drawn = [kind for kind in self.formats if kind in FIGURE_FORMATS]
        if drawn and not set(self.figures) - {"none"}:
            raise ConfigError(
                f"{drawn[0]} is a format of figures, and no figures are named: --figures {', '.join(FIGURES)}"
            )

    def setup(self) -> None:
        if self.single_file:
            self.formats = tuple(dict.fromkeys([*self.formats, "html"]))
        self.figures = tuple(figure for figure in self.figures if figure != "none")
        self.formats = self.formats or FORMATS[:4]
        self.targets = () if self.targets == ("all",) else self.targets

    def of_run(self, run: Mapping[str, Any]) -> Self:
        """Return the options with the aggregation of the protocols of a run, where they have one and none is given."""
        usual = {str(protocol["aggregation"]) for protocol in run.get("protocols", ())}
        given = self.aggregation or (usual.pop() if len(usual) == 1 else next(iter(AGGREGATIONS)))
        return self.with_values(aggregation=given)

    @property
    def figure_formats(self) -> list[str]:
        """Return the formats of figures: those that are named, or else PDF."""
        return [kind for kind in self.formats if kind in FIGURE_FORMATS] or [FIGURE_FORMATS[0]]
