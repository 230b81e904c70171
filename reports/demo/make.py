"""Make the example report: every separator on the demo songs, energy ratios, perceptual and task metrics.

::

    python reports/demo/make.py                # an hour on two cores the first time; resumed where it was left

These are the two commands that everybody runs, ``mss-bench run`` and ``mss-bench report``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent

METRICS = ("bss_eval", "usdr", "si_sdr", "2f", "remix", "upmix")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run the separators and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR", help="folder of the report (default: its own)")
    parser.add_argument("--work", type=Path, default=Path("runs/demo"), metavar="DIR", help="run (%(default)s)")
    parser.add_argument("--jobs", default="2", metavar="N", help="worker processes (default: %(default)s)")
    args = parser.parse_args(arguments)
    metrics = [word for name in METRICS for word in ("-m", name)]
    _mss_bench("run", "-q", "-s", "all", *metrics, "-j", args.jobs, "-o", str(args.work))
    _mss_bench("report", str(args.work), "-o", str(args.out))


def _mss_bench(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "mss_bench", *words], check=True)


if __name__ == "__main__":
    main()
