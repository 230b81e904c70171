"""``mss-bench report``."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from mss_bench.cli.options import add_options, parsed, terminal_width

__all__ = ["configure", "execute"]

_EXAMPLES = """\
examples:
  mss-bench report runs/demo                                     everything, into runs/demo/report
  mss-bench report runs/demo --format tex,pdf -m SDR --targets vocals --figures box,cd
  mss-bench report runs/demo --single-file                       one page to send: runs/demo/report/report.html
  mss-bench report runs/a runs/b -o both -s irm,hpss --ci        two runs over the same data in one report
"""

_FIRST = ("index.html", "report.html", "report.md", "tables.tex", "scores.csv")

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
    """Write the report and say what it shows; the status is 1 where its tables are not those of the cells."""
    from mss_bench.api import load
    from mss_bench.core.streams import tell
    from mss_bench.core.text import encodable, filled
    from mss_bench.errors import ConfigError
    from mss_bench.report.options import Options, Statistics, Style
    from mss_bench.running.tables import build_missing

    parts = {"style": parsed(args, Style), "statistics": parsed(args, Statistics)}
    options = parsed(args, Options, **parts)
    if args.out is not None and (not args.out or (Path(args.out).exists() and not Path(args.out).is_dir())):
        raise ConfigError(f"--out is {args.out!r}, expected a folder, which may be new")  # before minutes of drawing
    for run in map(Path, args.runs):
        build_missing(run)
    results = load(*args.runs)
    for run in results.outdated:
        rebuild = f"mss-bench results rebuild {shlex.quote(str(run))}"
        tell(f"note: the tables of {run} are older than its cells; make them anew: {rebuild}")
    report = results.report(args.out, options=options)
    print("\n".join(filled(line, terminal_width(), "  ") for line in map(encodable, report.conclusions)))
    print(_written(report))
    return 1 if results.outdated else 0


def _written(files: Sequence[Path]) -> str:
    """Return where a reader begins, and how many files there are beside it."""
    first = next((file for name in _FIRST for file in files if file.name == name), files[0] if files else None)
    if first is None:
        return "Nothing was written."
    figures = [file for file in files if file.parent.name == "figures"]
    shown = [first, *figures[:2]] if first not in figures else figures[:3]
    more = len(files) - len(shown)
    return f"Written: {', '.join(map(str, shown))}" + (f" and {more} more file{'s'[: more != 1]}" if more else "")
