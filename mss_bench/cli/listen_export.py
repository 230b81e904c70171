"""``mss-bench listen export``."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("pack", type=Path, metavar="PACK", help="folder that listen pack made")
    parser.add_argument("--format", choices=("webmushra",), default="webmushra", help="%(default)s")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="e.g. webMUSHRA's own folder")


def execute(args: argparse.Namespace) -> int:
    """Write a pack for another player."""
    from mss_bench.listening.webmushra import export_webmushra

    files = export_webmushra(args.pack, args.out)
    print(f"{files[0]} and {len(files) - 1} audio files; open webMUSHRA with ?config={files[0].name}")
    return 0
