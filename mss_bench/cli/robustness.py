"""``mss-bench robustness``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.cli.options import Parser, Shared, add_options, given, parsed, terminal_width
from mss_bench.cli.run import DATA
from mss_bench.core.parameters import Parameterized, param
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.stats.robustness import Robustness

__all__ = ["configure", "execute"]

_EXAMPLES = """
examples:
  mss-bench robustness -s hpss,repet --duration 10           eight perturbations on the demo, into runs/robustness
  mss-bench robustness -s hpss --perturb mp3 --perturb limiter:loudness=-8 -o runs/loud
  mss-bench robustness -o runs/loud --no-compute --quantity SIR --target vocals
"""


class Command(Parameterized):
    """Options of the verb itself, beside those of its runs."""

    quantity: str = param(
        "", doc="Score that is shown, such as SIR (default: SDR where it was scored, else the first)."
    )
    target: str = param("", doc="Target that is shown (default: their mean, or the one that most methods deliver).")
    group: str = param("", doc="Group of targets that is shown (default: the first).")
    compute: bool = param(True, doc="Compute what is missing of the runs; else report what lies in the folder.")


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.epilog = _EXAMPLES
    doc = (
        "Perturbation, as name or name:key=value; without its strength all of its ladder is run, see mss-bench "
        "perturbations list (default: eight of them)."
    )
    dataset = "Data set of the catalog, with options as in demo:n_songs=12 (default: demo)."
    add_options(
        parser, RunOptions, ["dataset", "separators", "metrics", "perturbations", "out"],
        dataset={"doc": dataset}, perturbations={"doc": doc},
        out={"doc": "Folder of the report and of the runs, one for each strength (default: runs/robustness)."},
    )  # fmt: skip
    add_options(parser, Command)
    add_options(parser, Shared, ["quiet"])
    add_options(parser.add_argument_group("data"), RunOptions, [*DATA, "catalogs", "root", "plugins"])
    limits = ["jobs", "device", "seed", "repeats", "timeout", "memory_limit"]
    add_options(parser.add_argument_group("execution"), RunOptions, limits)


def execute(args: argparse.Namespace) -> int:
    """Run what is missing, then print the tables and write the report."""
    from mss_bench.core.text import encodable, filled
    from mss_bench.report.robustness import robustness_tables, rules, write_robustness

    command, options = parsed(args, Command), RunOptions(**given(args, RunOptions))
    out = options.out or Path("runs/robustness")
    failed = command.compute and _compute(options, out, "quiet" in args)
    found, run = _compared(out, command)
    width = terminal_width()
    for table in robustness_tables(found):
        print(table.console(width) + "\n")
    print("\n".join(filled(encodable(line), width, "  ") for line in rules(found)))
    files = write_robustness(found, out / "report", run)
    print(f"Written: {files[0]} and {len(files) - 1} more files")
    return int(failed)


def _compute(options: RunOptions, out: Path, quiet: bool) -> bool:
    """Run every step; return whether some cell of one failed or is missing. What is finished is not run again."""
    from mss_bench.core.streams import tell
    from mss_bench.running.ladder import steps
    from mss_bench.running.start import prepare, start

    every, failed = steps(options, out), False
    said: set[str] = set()

    def tell_once(notice: str) -> None:  # most of what is to say holds for every step
        if notice not in said:
            tell(notice)
        said.add(notice)

    for i, step in enumerate(every):
        prepared = prepare(step.options)
        prepared.refuse_other_run()
        outcome = start(prepared, quiet=True, notify=tell_once)
        if outcome.interrupted:
            raise KeyboardInterrupt
        failed |= not outcome.whole
        if not quiet:
            what = f"{step.perturbation} {step.strength}".strip()
            print(f"[{i + 1}/{len(every)}] {what}: {outcome.computed} cells computed", file=sys.stderr)
    return failed


def _compared(out: Path, command: Command) -> tuple[Robustness, dict[str, Any]]:
    """Return the comparison of the runs below a folder, and what describes the clean one."""
    from mss_bench.api import load
    from mss_bench.errors import RunError
    from mss_bench.report.robustness import compare_runs
    from mss_bench.running.ladder import finished_steps

    ladders: dict[str, list[tuple[str, Any]]] = {}
    clean = None
    for name, strength, folder in finished_steps(out):
        results = load(folder)
        if name:
            ladders.setdefault(name, []).append((strength, results.tracks))
        else:
            clean = results
    if clean is None or not ladders:
        raise RunError(f"{out} has {'no perturbed' if clean else 'no clean'} run below it; leave --no-compute out")
    found = compare_runs(clean.tracks, ladders, clean.run, command.quantity, command.target, command.group)
    return found, dict(clean.run)
