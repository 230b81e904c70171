"""``mss-bench verify``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mss_bench.cli.options import Action, Shared, add_options, execute_action, terminal_width
from mss_bench.core.parameters import param

__all__ = ["configure", "execute"]


class Verify(Action):
    """Recompute some cells of a run and compare."""

    run: Path = Shared.run
    sample: int = param(5, at_least=1, metavar="N", doc="How many cells to recompute.")
    seed: int = param(0, at_least=0, metavar="N", doc="Seed of the draw of these cells.")

    def execute(self) -> int:
        """Print the comparison; the status is 1 where a number differs, or cells are missing."""
        from mss_bench.api import load
        from mss_bench.report.table import Table
        from mss_bench.running.status import run_status
        from mss_bench.running.verify import verify

        options = load(self.run).run["options"]
        compared = verify(self.run, options, self.sample, self.seed, notify=lambda text: print(text, file=sys.stderr))
        rows = [[c.track, c.method, "same" if c.same else "DIFFERENT", f"{c.difference:.3g}", c.note] for c in compared]
        columns = ["track", "separator", "verdict", "max |difference|", "note"]
        print(Table("", columns, [rows]).console(terminal_width()))
        missing = run_status(self.run).counts.missing
        if missing:
            print(f"{missing} cells of {self.run} have no result, or lack a score: there is nothing to compare with")
        return 0 if all(c.same for c in compared) and not missing else 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_options(parser, Verify)


def execute(args: argparse.Namespace) -> int:
    """Execute the verb."""
    return execute_action(args, Verify)
