"""``mss-bench verify``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mss_bench.cli.arguments import positive_int

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--sample", type=positive_int, default=5, metavar="N", help="cells to recompute (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")


def execute(args: argparse.Namespace) -> int:
    """Recompute and compare; the status is 1 where a number differs."""
    from mss_bench.api import load
    from mss_bench.core.text import columns
    from mss_bench.running.verify import verify

    results = load(args.run)
    found = verify(
        Path(args.run), results.run["options"], args.sample, args.seed, say=lambda text: print(text, file=sys.stderr)
    )
    rows = [(c.track, c.method, "same" if c.same else "DIFFERENT", f"{c.difference:.3g}", c.note) for c in found]
    print(columns(rows, ("track", "method", "verdict", "max |difference|", "note")))
    return 0 if all(c.same for c in found) else 1
