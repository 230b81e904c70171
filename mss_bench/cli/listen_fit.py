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
    asked = [rows for task, _, rows in questions(ratings) if args.task in (None, task)]
    if len(asked) != 1:
        raise ConfigError(f"name one question with --task: {', '.join(sorted(set(ratings['task'])))}")
    metrics = read_metrics(args, asked[0])
    if metrics is None:
        raise ConfigError("a fit needs metrics: give --run or --metrics")
    task = str(asked[0]["task"].iloc[0])
    known = scales_of(read_pack(args.pack)) if args.pack else {}
    scale = scale_of(args.scale) or known.get(task, SCALE)
    found = fit_metrics(join(asked[0], metrics), asked[0], scale=scale, seed=args.seed)
    files = write_fit(args.out, found, name=str(ratings["test"].iloc[0]), scale=scale)
    print("\n".join([*found.conclusions, "", f"{files[0]} and {len(files) - 1} more files"]))
    return 0
