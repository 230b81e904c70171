"""``mss-bench status``."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("run", metavar="RUN", help="a run folder")


def execute(args: argparse.Namespace) -> int:
    """Print what is done, failed and missing; the status is 1 where anything is missing or failed."""
    from mss_bench.running.status import run_status

    status = run_status(Path(args.run))
    print(status.text())
    return 1 if status.failures or status.missing else 0
