"""``mss-bench verify``."""

from __future__ import annotations

import sys
from pathlib import Path

from mss_bench.cli.options import Action, Shared, terminal_width, verb
from mss_bench.core.parameters import param

__all__ = ["configure", "execute"]


class Verify(Action):
    """Recompute some cells of a run and compare."""

    run: Path = Shared.run
    sample: int = param(5, at_least=1, metavar="N", doc="How many cells to recompute.")
    seed: int = param(0, at_least=0, metavar="N", doc="Seed of the draw of these cells.")
    judge: str | None = param(
        None,
        choices=("museval",),
        flag="--with",
        doc="Let another program score the cells, and say where and why its values differ. museval takes about as long "
        "as the music lasts for four stems. (default: this one, which computes them again)",
    )

    def execute(self) -> int:
        """Print the comparison; the status is 1 where a number differs or was not compared, or cells are missing."""
        from mss_bench.api import load
        from mss_bench.report.table import Table
        from mss_bench.running.status import run_status

        options = load(self.run).run["options"]
        columns, rows, same = (self._with_museval if self.judge else self._again)(options)
        print(Table("", columns, [rows]).console(terminal_width()))
        missing = run_status(self.run).counts.missing
        if missing:
            print(f"{missing} cells of {self.run} have no result, or lack a score: there is nothing to compare with")
        return 0 if same and not missing else 1

    def _again(self, options: dict[str, object]) -> tuple[list[str], list[list[str]], bool]:
        """Return columns, rows, and whether all is the same, of cells that are computed again."""
        from mss_bench.running.verify import verify

        compared = verify(self.run, options, self.sample, self.seed, self._notify)
        rows = [[c.track, c.method, "same" if c.same else "DIFFERENT", f"{c.difference:.3g}", c.note] for c in compared]
        columns = ["track", "separator", "verdict", "max |difference|", "note"]
        return columns, rows, all(c.same for c in compared)

    def _with_museval(self, options: dict[str, object]) -> tuple[list[str], list[list[str]], bool]:
        """Return columns, rows, and whether all is the same or explained, of cells that museval scores."""
        from mss_bench.running.verify_museval import QUANTITIES, verify_with_museval

        checks = verify_with_museval(self.run, options, self.sample, self.seed, self._notify)
        rows = [
            [
                c.track, c.method, c.group, c.verdict,
                *(f"{c.differences[q]:.1g}" if q in c.differences else "" for q in QUANTITIES),
                str(c.values), "; ".join(c.notes),
            ]
            for c in checks
        ]  # fmt: skip
        columns = ["track", "separator", "group", "verdict", *(f"{q} [dB]" for q in QUANTITIES), "values", "note"]
        return columns, rows, all(c.verdict in ("same", "explained") for c in checks)

    def _notify(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


configure, execute = verb(Verify)
