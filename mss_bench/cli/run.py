"""``mss-bench run``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.cli.options import Parser, Shared, add_options, as_typed, given, parsed, terminal_width
from mss_bench.core.parameters import Parameterized, RefusedError, param
from mss_bench.core.text import counted
from mss_bench.running.options import RunOptions

if TYPE_CHECKING:
    from mss_bench.running.start import PreparedRun

__all__ = ["DATA", "add_run_options", "configure", "execute", "finish", "print_families"]

DATA = ("subset", "tracks", "max_tracks", "duration", "missing_stems", "without_errata")
"""Options that choose a part of a data set."""

_EXAMPLES = """
examples:
  mss-bench run                                    all but the slow separators on the built-in demo songs
  mss-bench run -s all                             every separator
  mss-bench run --dataset musdb18hq --root DIR -s hpss,irm:exponent=2
  mss-bench run --config comparison.yaml --jobs 8
"""


class Command(Parameterized):
    """Options of the verb itself, beside those of the run."""

    config: Path | None = param(
        None, metavar="FILE", doc="YAML file of the options below; those of the command line win (default: none)."
    )
    dry_run: bool = param(False, doc="Print what would be computed and stop.")
    print_config: bool = param(
        False, doc="Print the run file of these options, with all others and what they do as comments, and stop."
    )


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.epilog = _EXAMPLES
    names = ["dataset", "protocols", "separators", "map", "fit", "metrics", "perturbations", "out"]
    add_options(parser, RunOptions, names)
    add_options(parser, Command)
    add_options(parser, Shared, ["quiet"])
    add_run_options(parser)
    more = parser.add_argument_group("several machines")
    add_options(more, RunOptions, ["shard", "scheduler"])


def add_run_options(parser: Parser) -> None:
    """Add the options that runs and the scoring of existing estimates share."""
    files = ["catalogs", "protocol_files", "root", "doctor", "rehash", "plugins"]
    add_options(parser.add_argument_group("data"), RunOptions, [*DATA, *files])
    execution = parser.add_argument_group("execution")
    limits = ["timeout", "memory_limit", "reference_memory", "retries", "fail_fast"]
    add_options(execution, RunOptions, ["jobs", "threads", "device", "seed", "repeats", *limits])
    add_options(parser.add_argument_group("what is kept"), RunOptions, ["save_estimates", "media"])


def execute(args: argparse.Namespace) -> int:
    """Run; the status is 1 where cells failed or are not there at the end, or nothing of a method was scored."""
    from mss_bench.core.config import load_yaml
    from mss_bench.running.start import prepare

    command = parsed(args, Command)
    file = load_yaml(command.config) if command.config else None
    options = RunOptions() if file is None else RunOptions.from_mapping(file, "a run file")
    # Options of the command line override those of the file.
    overriding = given(args, RunOptions)
    if file is not None:
        for name in overriding:
            file.pop(name, None)
    try:
        options = options.with_values(**overriding)
    except RefusedError as error:  # of the command line: errors of the file were raised above
        raise as_typed(error, RunOptions) from error
    if command.print_config:
        from mss_bench.core.annotated import annotated_yaml

        print(annotated_yaml(options), end="")
        return 0
    prepared = prepare(options, file)
    prepared.refuse_other_run()
    print_families(args)
    if command.dry_run:
        _print_plan(prepared)
        return 0
    return finish(prepared, quiet="quiet" in args)


def print_families(args: argparse.Namespace) -> None:
    """Print the family of each quantity that was asked for by its own name."""
    from mss_bench.core.spec import Spec
    from mss_bench.metrics import metrics

    for name in (Spec.parse(each).name for each in given(args, RunOptions).get("metrics", ())):
        if name != "all" and (family := metrics.canonical(name)) not in (name, name.lower()):
            print(f"note: {name} is a quantity of the metric {family}, which is scored whole", file=sys.stderr)


def _print_plan(prepared: PreparedRun) -> None:
    from mss_bench.core.streams import tell
    from mss_bench.running.reasons import reasons
    from mss_bench.running.status import estimate

    for notice in dict.fromkeys([*prepared.dataset.notices, *prepared.plan.notices]):
        tell(f"note: {notice}")
    tasks, cells = prepared.tasks(), prepared.plan.cells
    tracks = {cell.track.id for cell in cells}
    print(
        f"{len(cells)} cells ({len(tracks)} track{'s' * (len(tracks) != 1)} x {len(cells) // len(tracks)} separators), "
        f"{len(tasks)} to compute, in {prepared.folder}"
    )
    if tasks:
        print(estimate(prepared.folder, prepared.plan, tasks, prepared.options.job_count()) + "\n")
    for task, reason in zip(tasks, reasons(prepared.folder, tasks), strict=True):
        what = "add scores" if task.keep_scores else "separate and score"
        song = "/".join(filter(None, (task.cell.track.id.subset, task.cell.track.name)))
        print(f"  {song}  {task.cell.label}  {what} ({reason})")


def printed_summary(run: str, width: int, encoding: str) -> str:
    """Return the table that a run prints at its end."""
    from mss_bench.api import load

    return load(run).summary(width, encoding)


def printed_protocols(run: str, width: int, encoding: str) -> str:
    """Return a line a protocol of what was scored: value, definition, and the rows that it may stand beside."""
    from mss_bench.api import load
    from mss_bench.core.schema import is_floor
    from mss_bench.leaderboards.beside import overview
    from mss_bench.report.protocols import protocol_scores
    from mss_bench.report.selection import labels
    from mss_bench.running.by_protocol import not_served

    results = load(run)
    options = RunOptions.recorded(results.run["options"])
    methods = [name for name in dict.fromkeys(labels(results.tracks)) if not is_floor(name)]
    left_out = not_served(options, options.open_dataset())
    scores = protocol_scores(results.tracks, results.run)
    return overview(scores, methods, left_out).console(width, encoding=encoding)


def printed_so_far(run: str, width: int, encoding: str) -> str:
    """Return the table of a run that goes on: of the tracks that all separators have finished, where there are any."""
    import pandas as pd

    from mss_bench.api import load
    from mss_bench.report.summary import summary
    from mss_bench.running.store import read_plan

    results, track = load(run), ["subset", "track"]
    planned: Counter[Any] = Counter(
        (cell["track"]["subset"], cell["track"]["name"]) for cell in read_plan(Path(run))["cells"]
    )
    method = [*track, "separator", "params"]
    ended = pd.concat([results.tracks[method], results.failures[method]]).drop_duplicates().value_counts(track)
    whole: list[Any] = [name for name, count in ended.items() if count == planned[name]]

    def comparable(table: pd.DataFrame) -> pd.DataFrame:
        return table[pd.MultiIndex.from_frame(table[track]).isin(whole)] if whole else table

    facts = {name: value for name, value in results.run.items() if name != "cells"}  # what is missing is on its way
    return summary(comparable(results.tracks), comparable(results.failures), width=width, run=facts, encoding=encoding)


def finish(prepared: PreparedRun, *, quiet: bool) -> int:
    """Start a prepared run, print its table (of protocols, where all were asked for) and how it ended."""
    from mss_bench.core.processes import apart
    from mss_bench.running.start import start

    def show(run: str) -> str:
        # On standard error, where progress is: standard output has the whole table alone.
        return str(shown_apart(printed_so_far, run, terminal_width(), sys.stderr.encoding or "ascii"))

    shown_apart = apart if prepared.foreign else lambda function, *arguments: function(*arguments)
    outcome = start(prepared, quiet=quiet, show=show)
    if not quiet:
        shown = str(prepared.folder.absolute()), terminal_width(), sys.stdout.encoding or "ascii"
        table = printed_protocols if "all" in prepared.options.protocols else printed_summary
        print(shown_apart(table, *shown))
        print(
            f"{counted(outcome.computed, 'cell')} computed in {outcome.seconds:.0f} s, {outcome.cached} taken from "
            f"{prepared.folder}\nReport: mss-bench report {shlex.quote(str(prepared.folder))}"
        )
    if outcome.stopped_at_failure:
        print("stopped at the first failure; the same command goes on from here", file=sys.stderr)
        return 1
    if outcome.interrupted:
        print("interrupted; what was finished is kept, the same command goes on from here", file=sys.stderr)
        return 130
    if outcome.lost or not outcome.counts.whole:
        counts = [(outcome.counts.failed, "failed"), (outcome.counts.missing, "have no result or lack a score")]
        cells = f"{len(prepared.cells())} cells"  # of this command; the folder may have others
        said = ", ".join(f"{n} of {cells} {what}" for n, what in counts if n) or f"some of {cells} were lost"
        print(f"{said}; see: mss-bench status {shlex.quote(str(prepared.folder))} --failures", file=sys.stderr)
    unscored = _unscored(prepared)
    if unscored:
        print(f"nothing was scored of {', '.join(unscored)}; the notes above say why", file=sys.stderr)
    return 0 if outcome.whole and not unscored else 1


def _unscored(prepared: PreparedRun) -> list[str]:
    """Return the methods asked for by name that have nothing for any track, and so are in no table."""
    asked = prepared.options.separators or ()
    if not asked or "all" in asked:  # whatever is there: some are for other data sets
        return []
    cells = prepared.plan.cells
    return sorted({cell.label for cell in cells} - {cell.label for cell in cells if not cell.skip})
