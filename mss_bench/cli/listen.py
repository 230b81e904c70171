"""``mss-bench listen``."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

__all__ = ["ACTIONS", "configure", "execute"]

ACTIONS: dict[str, str] = {
    "plan": "trials, minutes and listeners of a test",
    "pack": "make the blinded, levelled, verified pack of a test",
    "export": "write a pack for webMUSHRA",
    "serve": "collect ratings: pages for listeners, and one for the experimenter",
    "import": "ratings of any player into one table",
    "analyse": "screening, statistics, metrics against ears: the report of a test",
    "fit": "models of the ratings from metrics, validated on songs and systems left out",
}
"""Action to help line; each is ``mss_bench.cli.listen_<action>`` with ``configure(parser)`` and ``execute(args)``."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in ACTIONS.items():
        sub = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        importlib.import_module(f"mss_bench.cli.listen_{name}").configure(sub)


def execute(args: argparse.Namespace) -> int:
    """Run the action."""
    status: int = importlib.import_module(f"mss_bench.cli.listen_{args.action}").execute(args)
    return status


def add_design(parser: argparse.ArgumentParser) -> None:
    """The argument that `plan` and `pack` share."""
    parser.add_argument("design", type=Path, metavar="TEST.yaml", help="the test: see mss_bench.listening.design")
