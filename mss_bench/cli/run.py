"""``mss-bench run``."""

from __future__ import annotations

import argparse
import sys

from mss_bench.cli.arguments import add_dataset, add_execution, add_plugins, metric_list, terminal_width

__all__ = ["configure", "execute", "finish"]

_EXAMPLES = """
examples:
  mss-bench run                                    all but the slow separators on the built-in demo songs
  mss-bench run -s all                             every separator
  mss-bench run --dataset musdb18hq --root DIR -s hpss -s irm:exponent=2
  mss-bench run --config comparison.yaml --jobs 8
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument("--dataset", metavar="NAME", help="data set (default: demo); see: mss-bench datasets list")
    parser.add_argument(
        "-s", "--separator", dest="separators", action="append", default=None, metavar="SPEC",
        help="a separator as name or name:key=value,key=value, or all; repeatable (default: all but slow ones)",
    )  # fmt: skip
    parser.add_argument("--config", metavar="FILE", help="a YAML file of these options; the command line wins")
    parser.add_argument("--dry-run", action="store_true", help="print what would be computed and stop")
    parser.add_argument("--shard", metavar="i/N", help="compute the i-th of N parts, for job arrays in one run folder")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a dask scheduler, or local:N for N local dask workers")
    parser.add_argument("--device", help="device for separators that can use one (default: cpu)")
    add_dataset(parser)
    add_execution(parser)
    add_plugins(parser)


def execute(args: argparse.Namespace) -> int:
    """Run; the status is 1 where cells failed."""
    from mss_bench.core.config import load_yaml
    from mss_bench.running.options import RunOptions
    from mss_bench.running.start import prepare

    options = RunOptions.from_mapping(load_yaml(args.config), "a run file") if args.config else RunOptions()
    given = {
        name: getattr(args, name)
        for name in (
            "dataset", "separators", "subset", "tracks", "max_tracks", "duration", "jobs", "out", "timeout", "seed",
            "save_estimates", "media", "rehash", "device", "catalogs", "root", "memory_limit", "retries", "fail_fast",
            "shard", "scheduler",
        )
    } | {"metrics": metric_list(args.metrics), "plugins": args.plugins or None}  # fmt: skip
    prepared = prepare(options.with_values(**{name: value for name, value in given.items() if value is not None}))
    if args.dry_run:
        from mss_bench.running.estimate import estimate

        tasks = prepared.tasks()
        tracks = {c.track.id for c in prepared.plan.cells}
        print(
            f"{len(prepared.plan.cells)} cells ({len(tracks)} tracks x {len(prepared.plan.cells) // len(tracks)} "
            f"separators), {len(tasks)} to compute, in {prepared.folder}"
        )
        if tasks:
            print(estimate(prepared.folder, prepared.plan, tasks, prepared.options.job_count()) + "\n")
        for task in tasks:
            what = "scores of saved estimates" if task.keep else "separate and score"
            print(f"  {task.cell.track.id.subset}/{task.cell.track.name}  {task.cell.label}  {what}")
        return 0
    return finish(prepared, quiet=args.quiet)


def finish(prepared: object, *, quiet: bool) -> int:
    """Start a prepared run, print its table, tell how it ended."""
    from mss_bench.api import load
    from mss_bench.running.start import Prepared, start

    assert isinstance(prepared, Prepared)
    outcome = start(prepared, quiet=quiet)
    results = load(prepared.folder)
    if not quiet:
        print(results.summary(terminal_width()))
        print(
            f"{outcome.computed} cells computed in {outcome.seconds:.0f} s, {outcome.cached} taken from "
            f"{prepared.folder}\nReport: mss-bench report {prepared.folder}"
        )
    if outcome.stopped_at_failure:
        print("stopped at the first failure; the same command goes on from here", file=sys.stderr)
        return 1
    if outcome.interrupted:
        print("interrupted; what was finished is kept, the same command goes on from here", file=sys.stderr)
        return 130
    return 1 if outcome.lost or len(results.failures.query("status != 'skipped'")) else 0
