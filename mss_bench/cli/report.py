"""``mss-bench report``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from mss_bench.cli.arguments import positive_int

__all__ = ["configure", "execute"]

_EXAMPLES = """\
examples:
  mss-bench report runs/demo                                     everything, into runs/demo/report
  mss-bench report runs/demo --format tex,pdf --metrics SDR --targets vocals --figures box,cd
  mss-bench report runs/demo --single-file                       one page to send: runs/demo/report/report.html
  mss-bench report runs/a runs/b -o both --methods irm,hpss --ci  two runs over the same data in one report
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    names: dict[str, Any] = {"type": _names, "default": ()}
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run folder; several over the same data make one")
    parser.add_argument(
        "--format", metavar="F,F", **names, help="some of md, csv, tex, html, png, pdf, svg (default: first five)"
    )
    parser.add_argument(
        "--single-file", action="store_true",
        help="one page with everything in it, report.html, and only what --format names beside it",
    )  # fmt: skip
    parser.add_argument("-o", "--out", metavar="DIR", help="folder for the files (default: RUN/report)")
    what = parser.add_argument_group("what is shown")
    what.add_argument("--metrics", metavar="M,M", **names, help="only these, in this order")
    what.add_argument("--targets", metavar="T,T", **names, help="only these, in this order")
    what.add_argument("--methods", metavar="S,S", **names, help="only these, as tables name them")
    what.add_argument("--groups", metavar="G,G", **names, help="only these groups of targets: 4stem, vocals_acc")
    what.add_argument("--sort", metavar="HOW", default="mean", help="mean, gain, name, given, or a target")
    what.add_argument(
        "--columns", metavar="C,C", **names,
        help="some of mean, gain, gap, targets, tracks, failed (default: mean,gain,targets)",
    )  # fmt: skip
    what.add_argument(
        "--table-by", choices=["metric", "target"], default="metric",
        help="a table a metric with targets as columns, or the other way round",
    )  # fmt: skip
    what.add_argument("--digits", type=int, default=2, metavar="N", help="decimals (default: 2)")
    what.add_argument(
        "--figures", metavar="F,F", type=_names,
        help="some of box, violin, cd, pairs, heat, scatter, cost, silence, frames, or none (default: all but violin)",
    )  # fmt: skip
    what.add_argument(
        "--track",
        metavar="NAME",
        action="append",
        default=[],
        help="draw its frames, and a page of its own; repeatable",
    )
    _add_statistics(parser)


def _add_statistics(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("statistics")
    how.add_argument(
        "--aggregation", default="median_of_medians", metavar="A",
        help="median_of_medians (SiSEC, default), mean_of_medians, mean_of_means (MDX)",
    )  # fmt: skip
    how.add_argument(
        "--missing", default="floor", metavar="RULE",
        help="floor: the mixture stands in for missing values (default); complete: only tracks that every method has",
    )  # fmt: skip
    how.add_argument("--ci", action="store_true", help="confidence intervals in the tables")
    how.add_argument("--gap-to", metavar="ORACLE", default="", help="a column with the gap to this method")
    how.add_argument(
        "--test", default="conover", metavar="TEST",
        help="post hoc: conover (default), nemenyi, wilcoxon, conover_iman",
    )  # fmt: skip
    how.add_argument("--alpha", type=float, default=0.05, metavar="P", help="level of the tests (default: 0.05)")
    how.add_argument("--draws", type=positive_int, default=10_000, metavar="N", help="bootstrap (default: 10000)")
    how.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: 0)")


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _formats(args: argparse.Namespace, default: Sequence[str]) -> Sequence[str]:
    if args.single_file:
        return tuple(dict.fromkeys([*args.format, "html"]))
    return args.format or default


def execute(args: argparse.Namespace) -> int:
    """Write the report and name its files."""
    from mss_bench.api import load
    from mss_bench.report.figures import DEFAULT_FIGURES
    from mss_bench.report.findings import Statistics
    from mss_bench.report.report import DEFAULT_FORMATS, Options
    from mss_bench.report.sheets import Style

    figures = DEFAULT_FIGURES if args.figures is None else tuple(f for f in args.figures if f != "none")
    columns = args.columns or (("mean", "gain", "gap", "targets") if args.gap_to else Style.columns)
    options = Options(
        formats=_formats(args, DEFAULT_FORMATS),
        metrics=args.metrics,
        targets=args.targets,
        methods=args.methods,
        groups=args.groups,
        sort=args.sort,
        aggregation=args.aggregation,
        missing=args.missing,
        gap_to=args.gap_to,
        style=Style(columns=columns, by=args.table_by, digits=args.digits, intervals=args.ci),
        figures=figures,
        tracks=args.track,
        single_file=args.single_file,
        statistics=Statistics(posthoc=args.test, alpha=args.alpha, draws=args.draws, seed=args.seed),
    )
    for path in load(*args.runs).report(args.out, options=options):
        print(path)
    return 0
