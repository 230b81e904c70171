"""``mss-bench listen plan``."""

from __future__ import annotations

import argparse

from mss_bench.cli.listen import add_design

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_design(parser)
    parser.add_argument("--power", type=float, default=0.8, help="of finding a true difference, %(default)s")
    parser.add_argument("--sd", type=float, default=20.0, help="of paired differences in points, %(default)s")


def execute(args: argparse.Namespace) -> int:
    """Print the plan of a test."""
    from mss_bench.listening.design import read_design
    from mss_bench.listening.plan import describe_plan

    print(describe_plan(read_design(args.design), power=args.power, sd=args.sd))
    return 0
