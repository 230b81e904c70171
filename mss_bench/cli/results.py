"""``mss-bench results``."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    rebuild = actions.add_parser("rebuild", help="make the tables anew from the cells of a run")
    rebuild.add_argument("run", metavar="RUN")
    export = actions.add_parser("export", help="write a table as CSV, or every track as museval JSON")
    export.add_argument("run", metavar="RUN")
    export.add_argument("--table", choices=["tracks", "frames", "costs", "failures"], default="tracks")
    export.add_argument("--museval-json", action="store_true", help="one folder a method, one file a track")
    export.add_argument("-o", "--out", metavar="PATH", required=True, help="CSV file, or folder for museval JSON")
    merging = actions.add_parser("merge", help="put runs that were computed apart into one folder")
    merging.add_argument("runs", metavar="RUN", nargs="+")
    merging.add_argument("-o", "--out", metavar="DIR", required=True)


def execute(args: argparse.Namespace) -> int:
    """Rebuild or export."""
    from mss_bench.api import load
    from mss_bench.errors import RunError
    from mss_bench.results.lock import locked
    from mss_bench.results.merge import merge
    from mss_bench.results.tables import build_tables

    if args.action in ("rebuild", "merge"):
        if args.action == "merge":
            run = Path(args.out)
            missing = merge([Path(r) for r in args.runs], run)
        else:
            run = Path(args.run)
            with locked(run):
                missing = build_tables(run)
        print(f"tables of {run} made anew" + (f"; {missing} planned cells have no result yet" if missing else ""))
        return 0
    results = load(args.run)
    if args.museval_json:
        from mss_bench.results.museval_json import export_run

        written = export_run(results.frames, Path(args.out))
        print(f"{len(written)} files in {args.out}")
        return 0
    table = getattr(results, args.table)
    try:
        table.to_csv(args.out, index=False)
    except OSError as error:
        raise RunError(f"{args.out} cannot be written: {error.strerror or error}") from error
    shutil.copyfile(results.path / "run.json", f"{args.out}.provenance.json")
    print(f"{len(table)} rows in {args.out}")
    return 0
