"""``mss-bench report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mss_bench.cli.options import add_options, parsed

__all__ = ["configure", "execute"]

_EXAMPLES = """\
examples:
  mss-bench report runs/demo                                     everything, into runs/demo/report
  mss-bench report runs/demo --format tex,pdf -m SDR --targets vocals --figures box,cd
  mss-bench report runs/demo --single-file                       one page to send: runs/demo/report/report.html
  mss-bench report runs/a runs/b -o both -s irm,hpss --ci        two runs over the same data in one report
"""

_WHAT = ("metrics", "targets", "separators", "groups", "sort", "figures", "pages")
_HOW = ("aggregation", "missing", "gap_to")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    from mss_bench.report.options import Options, Statistics, Style

    parser.epilog = _EXAMPLES
    parser.add_argument("runs", metavar="RUN", nargs="+", help="Run folders over the same data")
    parser.add_argument("-o", "--out", metavar="DIR", help="Folder for the files (default: RUN/report)")
    add_options(parser, Options, ("formats", "single_file"))
    what = parser.add_argument_group("what is shown")
    add_options(what, Options, _WHAT)
    add_options(what, Style)
    how = parser.add_argument_group("statistics")
    add_options(how, Options, _HOW)
    add_options(how, Statistics)


def execute(args: argparse.Namespace) -> int:
    """Write the report and name its files; the status is 1 where it shows other tables than the cells make."""
    from mss_bench.api import load
    from mss_bench.core.streams import tell
    from mss_bench.errors import ConfigError
    from mss_bench.report.options import Options, Statistics, Style
    from mss_bench.running.tables import stale

    parts = {"style": parsed(args, Style), "statistics": parsed(args, Statistics)}
    options = parsed(args, Options, **parts)
    if args.out is not None and (not args.out or (Path(args.out).exists() and not Path(args.out).is_dir())):
        raise ConfigError(f"--out is {args.out!r}, expected a folder, which may be new")  # before minutes of drawing
    outdated = [run for run in map(Path, args.runs) if stale(run)]
    for run in outdated:
        tell(f"note: the tables of {run} are older than its cells; make them anew: mss-bench results rebuild {run}")
    for path in load(*args.runs).report(args.out, options=options):
        print(path)
    return 1 if outdated else 0
