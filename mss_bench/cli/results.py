"""``mss-bench results``."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

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
    importing = actions.add_parser("import-museval", help="make tables from a folder of museval's JSON files")
    importing.add_argument("folder", metavar="DIR", help="<method>/<subset>/<track>.json, or one method's folder")
    importing.add_argument("-o", "--out", metavar="FILE.csv", required=True)
    importing.add_argument("--frames", action="store_true", help="every frame, instead of the median of each track")


def execute(args: argparse.Namespace) -> int:
    """Rebuild, export, merge or import."""
    if args.action == "import-museval":
        return _import_museval(Path(args.folder), Path(args.out), frames=args.frames)
    from mss_bench.api import load
    from mss_bench.running.lock import epoch, locked
    from mss_bench.running.merge import merge
    from mss_bench.running.tables import rebuild

    if args.action in ("rebuild", "merge"):
        if args.action == "merge":
            run = Path(args.out)
            missing = merge([Path(r) for r in args.runs], run)
        else:
            run = Path(args.run)
            with locked(run), epoch(run):  # no worker of an earlier client writes meanwhile
                missing = rebuild(run)
        print(f"tables of {run} made anew" + (f"; {missing} planned cells have no result yet" if missing else ""))
        return 0
    results = load(args.run)
    if args.museval_json:
        from mss_bench.compat.museval_json import export_run

        written = export_run(results.frames, Path(args.out))
        print(f"{len(written)} files in {args.out}")
        return 0
    table = getattr(results, args.table)
    _write_csv(table, Path(args.out))
    shutil.copyfile(results.path / "run.json", f"{args.out}.provenance.json")
    print(f"{len(table)} rows in {args.out}")
    return 0


def _import_museval(folder: Path, out: Path, *, frames: bool) -> int:
    from mss_bench.compat.museval_json import read_folder, track_medians

    found = read_folder(folder)
    table = found if frames else track_medians(found)
    _write_csv(table, out)
    counts = found[["method", "track", "target"]].nunique()
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
