"""``mss-bench report``."""

from __future__ import annotations

import argparse

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument(
        "--format", metavar="F,F", help="some of md, csv, tex, html, png, pdf, svg (default: first five)"
    )
    parser.add_argument("-o", "--out", metavar="DIR", help="folder for the files (default: RUN/report)")


def execute(args: argparse.Namespace) -> int:
    """Write the report and name its files."""
    from mss_bench.api import load

    formats = [f.strip() for f in args.format.split(",") if f.strip()] if args.format else None
    for path in load(args.run).report(args.out, formats):
        print(path)
    return 0
