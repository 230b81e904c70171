"""``mss-bench listen pack``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mss_bench.cli.listen import add_design

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_design(parser)
    parser.add_argument("-o", "--out", type=Path, default=Path("listening"), metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="worker processes for estimates that the run did not keep"
    )


def execute(args: argparse.Namespace) -> int:
    """Make a pack."""
    from mss_bench.listening.design import read_design
    from mss_bench.listening.pack import make_pack
    from mss_bench.listening.pack_format import key_folder

    pack = make_pack(read_design(args.design), args.out, jobs=args.jobs)
    print(f"{pack}: to be served\n{key_folder(pack)}: key, manifest and verification; keep it from the listeners")
    return 0
