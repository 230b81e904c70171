"""``mss-bench results``."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.cli.options import Parser, Shared, add_actions, add_options, given
from mss_bench.core.parameters import Parameterized, param

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["configure", "execute"]


class Command(Parameterized):
    """Options of the verb."""

    runs: tuple[Path, ...] = param(flag="RUN", metavar="RUN", doc="Run folders.")
    folder: Path = param(flag="DIR", metavar="DIR", doc="<separator>/<subset>/<track>.json, or one separator's folder.")
    table: str = param("tracks", choices=("tracks", "frames", "costs", "failures"), doc="Table to write.")
    museval_json: bool = param(False, doc="Write museval's JSON: one folder a separator, one file a track.")
    frames: bool = param(False, doc="Every frame, instead of the median of each track.")
    out: Path = param(short="-o", metavar="PATH", doc="CSV file, or folder for museval's JSON.")


def configure(parser: Parser) -> None:
    """Add the options."""
    actions = add_actions(
        parser,
        {
            "rebuild": "make the tables anew from the cells of a run",
            "export": "write a table as CSV, or every track as museval's JSON",
            "merge": "put runs that were computed apart into one folder",
            "import-museval": "make tables from a folder of museval's JSON files",
        },
    )
    add_options(actions["rebuild"], Shared, ["run"])
    add_options(actions["export"], Shared, ["run"])
    add_options(actions["export"], Command, ["table", "museval_json", "out"])
    add_options(actions["merge"], Command, ["runs", "out"], out={"doc": "Folder of the merged run.", "metavar": "DIR"})
    file = {"doc": "CSV file.", "metavar": "FILE"}
    add_options(actions["import-museval"], Command, ["folder", "frames", "out"], out=file)


def execute(args: argparse.Namespace) -> int:
    """Rebuild, export, merge or import."""
    if args.action == "import-museval":
        return _import_museval(args.folder, args.out, frames="frames" in args)
    from mss_bench.api import load
    from mss_bench.running.lock import epoch, locked
    from mss_bench.running.merge import merge
    from mss_bench.running.tables import rebuild

    if args.action in ("rebuild", "merge"):
        if args.action == "merge":
            run = args.out
            missing = merge(args.runs, run)
        else:
            run = args.run
            with locked(run), epoch(run):  # no worker of an earlier client writes meanwhile
                missing = rebuild(run)
        print(f"tables of {run} made anew" + (f"; {missing} planned cells have no result yet" if missing else ""))
        return 0
    results = load(args.run)
    if "museval_json" in args:
        from mss_bench.compat.museval_json import export_run

        written = export_run(results.frames, args.out)
        print(f"{len(written)} files in {args.out}")
        return 0
    table = getattr(results, given(args, Command).get("table", "tracks"))
    _write_csv(table, args.out)
    shutil.copyfile(results.path / "run.json", f"{args.out}.provenance.json")
    print(f"{len(table)} rows in {args.out}")
    return 0


def _import_museval(folder: Path, out: Path, *, frames: bool) -> int:
    from mss_bench.compat.museval_json import read_folder, track_medians

    values = read_folder(folder)
    table = values if frames else track_medians(values)
    _write_csv(table, out)
    counts = values[["method", "track", "target"]].nunique()
    print(
        f"{len(table)} rows in {out}: {counts['method']} methods, {counts['track']} tracks, {counts['target']} targets"
    )
    return 0


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    from mss_bench.errors import RunError

    try:
        table.to_csv(path, index=False)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
