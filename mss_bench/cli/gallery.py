"""``mss-bench gallery``."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    methods = kinds.add_parser("separators", help="every method at work on the demo songs")
    methods.add_argument("names", nargs="*", metavar="NAME", help="only these methods")
    methods.add_argument("--out", type=Path, default=Path("reports/separators"), metavar="DIR", help="%(default)s")
    methods.add_argument("--work", type=Path, default=Path("runs/gallery"), metavar="DIR", help="runs: %(default)s")
    methods.add_argument("--songs", type=int, default=6, metavar="N", help="demo songs, %(default)s")
    methods.add_argument("--jobs", type=int, metavar="N", help="worker processes (default: one a core)")


def execute(args: argparse.Namespace) -> int:
    """Make a gallery."""
    from mss_bench.gallery.separators import write_gallery

    files = write_gallery(args.out, args.work, songs=args.songs, jobs=args.jobs, names=args.names)
    print(f"{len(files)} files in {args.out}")
    return 0
