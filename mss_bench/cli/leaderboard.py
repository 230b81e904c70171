"""``mss-bench leaderboard``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make entries of a run, or of a folder of museval's JSON files")
    add.add_argument("source", type=Path, metavar="RUN", help="run folder, or METHOD/SUBSET/*.json as museval writes")
    add.add_argument("board", type=Path, metavar="BOARD")
    add.add_argument("-m", "--method", action="append", default=[], metavar="LABEL", help="only this one; repeatable")
    verify = actions.add_parser("verify", help="derive every number again from the rows; 1 where something is wrong")
    verify.add_argument("boards", nargs="+", type=Path, metavar="BOARD")
    verify.add_argument("--run", type=Path, help="compare the entries with this run's scores, too")
    build = actions.add_parser("build", help="make README.md and index.html of a board")
    build.add_argument("boards", nargs="+", type=Path, metavar="BOARD")
    diff = actions.add_parser("diff", help="what changed between two states of a board")
    diff.add_argument("before", type=Path, metavar="BOARD")
    diff.add_argument("after", type=Path, metavar="BOARD")


def execute(args: argparse.Namespace) -> int:
    """Add, verify, build or compare."""
    from mss_bench.leaderboards.board import read_board

    if args.action == "add":
        return _add(args.source, args.board, args.method)
    if args.action == "verify":
        return _verify(args.boards, args.run)
    if args.action == "build":
        from mss_bench.leaderboards.render import build

        for folder in args.boards:
            print("\n".join(map(str, build(read_board(folder)))))
        return 0
    from mss_bench.leaderboards.diff import diff_boards

    print("\n".join(diff_boards(read_board(args.before), read_board(args.after))) or "no difference")
    return 0


def _add(source: Path, folder: Path, methods: list[str]) -> int:
    from mss_bench.errors import ConfigError
    from mss_bench.leaderboards.add import entries_of_medians, entries_of_run
    from mss_bench.leaderboards.board import read_board, write_entry

    board = read_board(folder)
    if (source / "run.json").is_file():
        from mss_bench.api import load

        results = load(source)
        entries = entries_of_run(board, results.tracks, results.run, methods)
    else:
        from mss_bench.compat.museval_json import read_folder, track_medians

        found = track_medians(read_folder(source))
        if methods:
            found = found[found["method"].isin(methods)]
        entries = entries_of_medians(board, found, origin="museval", provenance={"from": source.name})
    if not entries:
        raise ConfigError(f"{source} holds nothing for the board {folder}")
    for entry in entries:
        print(write_entry(board, entry)[1])
    return 0


def _verify(folders: list[Path], run: Path | None) -> int:
    from mss_bench.leaderboards.board import read_board
    from mss_bench.leaderboards.verify import compare_with_run, verify_board

    failed = 0
    for folder in folders:
        board = read_board(folder)
        problems = verify_board(board)
        if run is not None:
            from mss_bench.api import load

            results = load(run)
            problems += compare_with_run(board, results.tracks, results.run)
        failed += len(problems)
        for problem in problems:
            print(f"{folder}: {problem}", file=sys.stderr)
        if not problems:
            print(f"{folder}: all numbers follow from the rows")
    return 1 if failed else 0
