"""Make the example report: every separator on the demo songs, energy ratios, perceptual and task metrics.

::

    python reports/demo/make.py                # resumed where it was left

These are the two commands that everybody runs, ``mss-bench run`` and ``mss-bench report``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # pages share helpers: the package `reports`

from mss_bench.api import load
from mss_bench.core.parameters import param
from mss_bench.leaderboards.add import measured_costs
from mss_bench.leaderboards.beside import boards_folder
from mss_bench.leaderboards.board import entry_names, read_board, read_entry, write_entry
from mss_bench.separators.costs import COSTS
from reports.pages import Page, make

HERE = Path(__file__).resolve().parent

METRICS = ("bss_eval", "usdr", "si_sdr", "2f", "remix", "upmix")
# One quantity for each thing that a reader may want to know of a method.
SHOWN = "SDR,SIR,SAR,uSDR,2f,Remix-error"


class ExampleReport(Page):
    """The report: tables, ``index.html`` and the pages of its songs."""

    out = HERE
    work: Path = param(Path("runs/demo"), metavar="DIR", doc="The run, resumed where it was left.")
    jobs: int = param(2, at_least=1, doc="Worker processes.")

    def write(self) -> list[Path]:
        """Run the separators and write the report."""
        metrics = [word for name in METRICS for word in ("-m", name)]
        self._mss_bench("run", "-q", "-s", "all", *metrics, "-j", str(self.jobs), "-o", str(self.work))
        show = ["--table-by", "target", "-m", SHOWN, "--page", "all", "--format", "md,html"]
        self._mss_bench("report", str(self.work), "-o", str(self.out), *show)
        page = self.out / "index.html"  # which tells where the run was, by a path of whoever made it
        page.write_text(page.read_text("utf-8").replace(str(self.work.resolve()), str(self.work)), encoding="utf-8")
        self._write_costs()
        self._tell_board()
        return sorted(self.out.rglob("*.*"))

    def _write_costs(self) -> None:
        """Write what each separator costs with its default parameters, for estimates of runs to come."""
        costs = pd.read_parquet(self.work / "costs.parquet").query("params == ''")
        costs = costs.assign(seconds=costs["separate_seconds"] / costs["audio_seconds"])
        lines = [f"{name},{seconds:.4f}" for name, seconds in costs.groupby("separator")["seconds"].median().items()]
        COSTS.write_text("\n".join(["separator,seconds", *lines]) + "\n", encoding="utf-8")

    def _tell_board(self) -> None:
        """Write what each separator costs into its entry of the board of the same songs."""
        results, board = load(self.work), read_board(boards_folder() / "demo")
        costs = measured_costs(results.run, results.costs)
        for name in entry_names(board):
            entry = read_entry(board, name)
            entry.assign(costs.get(entry.method, {}))
            write_entry(board, entry)

    def _mss_bench(self, *words: str) -> None:
        subprocess.run([sys.executable, "-m", "mss_bench", *words], check=True)


if __name__ == "__main__":
    make(ExampleReport, __doc__)
