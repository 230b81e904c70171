"""``mss-bench listen analyse``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.cli.arguments import positive_int
from mss_bench.cli.listen_import import names_of, pairs_of, scale_of
from mss_bench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from mss_bench.listening.metric_table import MetricTable

__all__ = ["add_metrics", "configure", "execute", "read_any", "read_metrics"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_metrics(parser)
    parser.add_argument("-o", "--out", type=Path, default=Path("listening_report"), metavar="DIR", help="%(default)s")
    parser.add_argument("--mid-anchor", metavar="NAME", help="anchor that screening asks for (default: lowpass_7000)")
    parser.add_argument(
        "--kind", action="append", default=[], metavar="KIND=SYSTEM,...",
        help="systems to hold metrics against apart, e.g. generative=a,b; repeatable",
    )  # fmt: skip
    parser.add_argument("--draws", type=positive_int, default=10_000, metavar="N", help="resamples, %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="%(default)s")


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """What `analyse` and `fit` read."""
    parser.add_argument("ratings", type=Path, metavar="RATINGS",
                        help="from listen import, or a pack that listen serve collected ratings for; with --pack also "
                        "as webMUSHRA or pymushra export them")  # fmt: skip
    parser.add_argument("--pack", type=Path, metavar="DIR", help="the test's pack: scale, excerpts, checklist, key")
    group = parser.add_argument_group("metrics")
    group.add_argument("--run", type=Path, metavar="RUN", help="finished run with the metrics of the systems")
    group.add_argument("--metrics", type=Path, metavar="CSV", help="or a table: item, system, a column a metric")
    group.add_argument("--metric-columns", metavar="item=COLUMN,...",
                       help="item, system, target: where they are named otherwise")  # fmt: skip
    group.add_argument("--lower", metavar="METRIC,...", default="", help="metrics of the table of which less is better")
    group.add_argument("--whole-tracks", action="store_true", help="the run's values of whole tracks, not of excerpts")
    parser.add_argument("--scale", metavar="LOW,HIGH", help="ends of the scale (default: the pack's, else 0,100)")


def execute(args: argparse.Namespace) -> int:
    """Write the report of a test."""
    from mss_bench.listening.findings import find
    from mss_bench.listening.importers import scales_of
    from mss_bench.listening.pack_format import read_pack
    from mss_bench.listening.rating_table import SCALE
    from mss_bench.listening.report import conclusions, write_report

    ratings = read_any(args)
    kinds = kinds_of(args.kind, set(ratings["system"]))
    pack = read_pack(args.pack) if args.pack else None
    found = find(
        ratings, scales=scales_of(pack) if pack and not args.scale else None, scale=scale_of(args.scale) or SCALE,
        mid_anchor=args.mid_anchor, seconds=max(t.seconds for t in pack.trials) if pack else None,
        metrics=read_metrics(args, ratings), kinds=kinds, draws=args.draws, seed=args.seed,
    )  # fmt: skip
    files = write_report(args.out, found, pack=args.pack)
    print("\n".join([*conclusions(found), "", f"{files[0]} and {len(files) - 1} more files"]))
    return 0


def read_any(args: argparse.Namespace) -> pd.DataFrame:
    """The ratings that were named; of a pack those that were collected for it, whose pack is then known too."""
    from mss_bench.listening.importers import import_ratings

    if args.ratings.is_dir():
        from mss_bench.listening.server.export import write_ratings_file

        args.pack = args.pack or args.ratings
        args.ratings = write_ratings_file(args.ratings)
    return import_ratings([args.ratings], pack=args.pack, scale=scale_of(args.scale)).ratings


def read_metrics(args: argparse.Namespace, ratings: pd.DataFrame) -> dict[str, MetricTable]:
    """The metrics that were named, if any, of each target that was rated.

    Raises
    ------
    ConfigError
        Both a run and a table, or a table that does not say which of several targets it is of.
    """
    from mss_bench.listening.metric_table import metrics_of_csv, metrics_of_run
    from mss_bench.listening.pack_format import read_pack
    from mss_bench.listening.rating_table import read_sheet

    if args.run and args.metrics:
        raise ConfigError("--run and --metrics are two sources of metrics; give one")
    items = {str(target): set(rows["item"]) for target, rows in ratings.groupby("target", sort=False)}
    if args.metrics:
        columns, lower = pairs_of(args.metric_columns, "--metric-columns"), names_of(args.lower)
        if len(items) > 1 and columns.get("target", "target") not in read_sheet(args.metrics).header:
            raise ConfigError(
                f"the ratings are of {', '.join(items)}, and {args.metrics} does not say which it is of: add a column "
                "target, or name it with --metric-columns target=..."
            )
        return {
            target: metrics_of_csv(args.metrics, columns=columns, lower_is_better=lower, target=target)
            for target in items
        }
    if not args.run:
        return {}
    seconds = max(t.seconds for t in read_pack(args.pack).trials) if args.pack else None
    return {
        target: metrics_of_run(args.run, own, target, seconds=seconds, excerpts=not args.whole_tracks)
        for target, own in items.items()
    }


def kinds_of(given: list[str], systems: set[str]) -> dict[str, str]:
    """``generative=a,b`` as a mapping of system to kind.

    Raises
    ------
    ConfigError
        No such form or system, or a system of two kinds.
    """
    found: dict[str, str] = {}
    for text in given:
        kind, sign, names = text.partition("=")
        for name in names_of(names):
            if name not in systems or name in found:
                raise ConfigError(f"--kind {text!r}: {name!r} is {'of two kinds' if name in found else 'no system'}; "
                                  f"systems: {', '.join(sorted(systems))}")  # fmt: skip
            found[name] = kind.strip()
        if not (sign and kind.strip() and names_of(names)):
            raise ConfigError(f"--kind {text!r}: expected KIND=SYSTEM,...")
    return found
