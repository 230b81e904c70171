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
    cards = kinds.add_parser("metrics", help="a card for every metric: what it reacts to, what it costs")
    cards.add_argument("names", nargs="*", metavar="NAME", help="measure only these anew; what was known is kept")
    cards.add_argument("--out", type=Path, default=Path("reports/metrics"), metavar="DIR", help="%(default)s")
    cards.add_argument("--songs", type=int, default=2, metavar="N", help="excerpts of the demo, %(default)s")
    cards.add_argument(
        "--rule-songs", type=int, default=3, metavar="N", help="songs for the measures of artifacts, %(default)s"
    )
    cards.add_argument("--page", action="store_true", help="measure nothing: pages from the numbers in --out")
    cards.add_argument("--ship", action="store_true", help="also what `metrics show` prints (in the package itself)")
    net = kinds.add_parser("demo_net", help="the training of the network that is shipped, and what cost functions do")
    net.add_argument("--trainings", type=Path, metavar="DIR", help="score these first; otherwise the numbers in --out")
    net.add_argument("--out", type=Path, default=Path("reports/separators/demo_net"), metavar="DIR", help="%(default)s")
    net.add_argument("--work", type=Path, default=Path("runs/demo_net"), metavar="DIR", help="run: %(default)s")
    net.add_argument("--songs", type=int, default=12, metavar="N", help="demo songs, %(default)s")
    net.add_argument("--jobs", type=int, metavar="N", help="worker processes (default: one a core)")


def execute(args: argparse.Namespace) -> int:
    """Make a gallery."""
    if args.kind == "demo_net":
        return _demo_net(args)
    if args.kind == "metrics":
        return _metrics(args)
    from mss_bench.gallery.separators import write_gallery

    files = write_gallery(args.out, args.work, songs=args.songs, jobs=args.jobs, names=args.names)
    print(f"{len(files)} files in {args.out}")
    return 0


def _metrics(args: argparse.Namespace) -> int:
    from mss_bench.gallery.metrics import write_gallery

    files = write_gallery(
        args.out, names=args.names, songs=args.songs, rule_songs=args.rule_songs, anew=not args.page, ship=args.ship
    )
    print(f"{len(files)} files in {args.out}")
    return 0


def _demo_net(args: argparse.Namespace) -> int:
    from mss_bench.gallery.demo_net import compare, write_page

    files = compare(args.trainings, args.out, args.work, songs=args.songs, jobs=args.jobs) if args.trainings else []
    files += write_page(args.out)
    print(f"{len(files)} files in {args.out}")
    return 0
