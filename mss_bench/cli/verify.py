"""``mss-bench verify``."""

from __future__ import annotations

import argparse
import sys

from mss_bench.cli.options import Parser, Shared, add_options, given
from mss_bench.core.parameters import Parameterized, param

__all__ = ["configure", "execute"]


class Command(Parameterized):
    """Options of the verb."""

    sample: int = param(5, at_least=1, metavar="N", doc="How many cells to recompute.")
    seed: int = param(0, at_least=0, metavar="N", doc="Seed of the draw of these cells.")


def configure(parser: Parser) -> None:
    """Add the options."""
    add_options(parser, Shared, ["run"])
    add_options(parser, Command)


def execute(args: argparse.Namespace) -> int:
    """Recompute and compare; the status is 1 where a number differs."""
    from mss_bench.api import load
    from mss_bench.core.text import columns
    from mss_bench.running.verify import verify

    command, options = Command(**given(args, Command)), load(args.run).run["options"]
    compared = verify(args.run, options, command.sample, command.seed, say=lambda text: print(text, file=sys.stderr))
    rows = [(c.track, c.method, "same" if c.same else "DIFFERENT", f"{c.difference:.3g}", c.note) for c in compared]
    print(columns(rows, ("track", "separator", "verdict", "max |difference|", "note")))
    return 0 if all(c.same for c in compared) else 1
