"""``mss-bench status``."""

from __future__ import annotations

import argparse

from mss_bench.cli.options import Parser, Shared, add_options

__all__ = ["configure", "execute"]


def configure(parser: Parser) -> None:
    """Add the options."""
    add_options(parser, Shared, ["run"])


def execute(args: argparse.Namespace) -> int:
    """Print what is done, failed and missing; the status is 1 where anything is missing or failed."""
    from mss_bench.running.status import run_status

    status = run_status(args.run)
    print(status.text())
    return 1 if status.failures or status.missing else 0
