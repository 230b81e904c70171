"""``mss-bench listen fit``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mss_bench.cli.listen_analyse import add_metrics, read_any, read_metrics
from mss_bench.cli.listen_import import scale_of
from mss_bench.errors import ConfigError

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_metrics(parser)
    parser.add_argument("--task", metavar="NAME", help="which question, where the test asks several")
    parser.add_argument("--target", metavar="NAME", help="of which target, where it asks of several")
    parser.add_argument("-o", "--out", type=Path, default=Path("listening_fit"), metavar="DIR", help="%(default)s")
    parser.add_argument("--seed", type=int, default=0, help="%(default)s")


def execute(args: argparse.Namespace) -> int:
    """Fit models of ratings to metrics."""
    from mss_bench.listening.analysis import questions
    from mss_bench.listening.fit import fit_metrics
    from mss_bench.listening.importers import scales_of
    from mss_bench.listening.metric_table import join
    from mss_bench.listening.pack_format import read_pack
    from mss_bench.listening.rating_table import SCALE
    from mss_bench.listening.report import write_fit

    ratings = read_any(args)
    known = {(task, target): rows for task, target, rows in questions(ratings)}
    asked = [one for one in known if args.task in (None, one[0]) and args.target in (None, one[1])]
    if len(asked) != 1:
        raise ConfigError(f"name one question with --task and --target: {', '.join(map(' of '.join, known))}")
    task, target = asked[0]
    own = known[asked[0]]
    metrics = read_metrics(args, own).get(target)
    if metrics is None:
        raise ConfigError("a fit needs metrics: give --run or --metrics")
    scales = scales_of(read_pack(args.pack)) if args.pack else {}
    scale = scale_of(args.scale) or scales.get(task, SCALE)
    found = fit_metrics(join(own, metrics), own, scale=scale, seed=args.seed)
    files = write_fit(args.out, found, name=str(ratings["test"].iloc[0]), scale=scale)
    print("\n".join([*found.conclusions, "", f"{files[0]} and {len(files) - 1} more files"]))
    return 0
