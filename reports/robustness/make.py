"""Make the robustness reports: fast methods under eight perturbations, on the demo and on a real excerpt.

::

    python reports/robustness/make.py                               # the demo; resumed where it was left
    python reports/robustness/make.py --excerpt DIR/musdb18_excerpt/hq     # the numbers of real music, too

The audio of the excerpt ("Music Delta - 80s Rock", 6.8 s, of the tests of sigsep-mus-eval; MedleyDB, CC BY-NC-SA) stays
where it is.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # pages share helpers: the package `reports`

from mss_bench.core.parameters import param
from reports.pages import Page, make

HERE = Path(__file__).resolve().parent

METHODS = "demo_net,spatial_clustering,adress,hpss_vocals,harmonic_mask,repet_sim"


class RobustnessReports(Page):
    """The reports: ``demo/`` and ``excerpt/``, each a page, its figure and its numbers."""

    out = HERE
    work: Path = param(Path("runs/robustness"), metavar="DIR", doc="The runs, resumed where they were left.")
    excerpt: Path | None = param(None, metavar="DIR", doc="Folder of the real excerpt in the layout of MUSDB18-HQ.")
    jobs: int = param(2, at_least=1, doc="Worker processes.")

    def write(self) -> list[Path]:
        """Run the ladders and write the reports."""
        self._report("demo", "--duration", "6")
        if self.excerpt is not None:
            self._report("excerpt", "--dataset", "musdb18hq", "--root", str(self.excerpt), "--subset", "train")
        return sorted(self.out.glob("*/*.*"))

    def _report(self, name: str, *words: str) -> None:
        work, target = self.work / name, self.out / name
        options = ["-s", METHODS, "-m", "usdr", "--target", "vocals", "--repeats", "5"]
        options += ["-j", str(self.jobs), "-o", str(work)]
        subprocess.run([sys.executable, "-m", "mss_bench", "robustness", *options, *words], check=True)
        target.mkdir(parents=True, exist_ok=True)
        for file in ("index.html", "robustness.md", "points.csv", "curves.csv", "figures/robustness.png"):
            (target / file).parent.mkdir(exist_ok=True)
            (target / file).write_bytes((work / "report" / file).read_bytes())


if __name__ == "__main__":
    make(RobustnessReports, __doc__)
