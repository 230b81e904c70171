"""``mss-bench leaderboard``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mss_bench.cli.options import Parser, add_actions, add_options, given
from mss_bench.core.parameters import Parameterized, param

__all__ = ["configure", "execute"]


class Command(Parameterized):
    """Options of the verb."""

    source: Path = param(flag="RUN", metavar="RUN", doc="Run folder, or SEPARATOR/SUBSET/*.json as museval writes.")
    board: Path = param(flag="BOARD", metavar="BOARD", doc="Folder of the board.")
    boards: tuple[Path, ...] = param(flag="BOARD", metavar="BOARD", doc="Folders of boards.")
    after: Path = param(flag="AFTER", metavar="AFTER", doc="Folder of its later state.")
    separators: tuple[str, ...] = param(
        (), flag="--separator", short="-s", metavar="LABEL", doc="Only this separator, as the run's tables name it."
    )
    run: Path | None = param(None, metavar="RUN", doc="Compare the entries with this run's scores, too.")


def configure(parser: Parser) -> None:
    """Add the options."""
    actions = add_actions(
        parser,
        {
            "add": "make entries of a run, or of a folder of museval's JSON files",
            "verify": "derive every number again from the rows; status 1 where something is wrong",
            "build": "make README.md and index.html of a board",
            "diff": "what changed between two states of a board",
        },
    )
    add_options(actions["add"], Command, ["source", "board", "separators"])
    add_options(actions["verify"], Command, ["boards", "run"])
    add_options(actions["build"], Command, ["boards"])
    before = {"doc": "Folder of its earlier state.", "metavar": "BEFORE"}
    add_options(actions["diff"], Command, ["board", "after"], board=before)


def execute(args: argparse.Namespace) -> int:
    """Add, verify, build or compare."""
    from mss_bench.leaderboards.board import read_board

    options = given(args, Command)
    if args.action == "add":
        return _add(args.source, args.board, options.get("separators", ()))
    if args.action == "verify":
        return _verify(args.boards, options.get("run"))
    if args.action == "build":
        from mss_bench.leaderboards.render import build

        for folder in args.boards:
            print("\n".join(map(str, build(read_board(folder)))))
        return 0
    from mss_bench.leaderboards.diff import diff_boards

    print("\n".join(diff_boards(read_board(args.board), read_board(args.after))) or "no difference")
    return 0


def _add(source: Path, folder: Path, separators: Sequence[str]) -> int:
    from mss_bench.errors import ConfigError
    from mss_bench.leaderboards.add import entries_of_medians, entries_of_run
    from mss_bench.leaderboards.board import read_board, write_entry

    board = read_board(folder)
    if (source / "run.json").is_file():
        from mss_bench.api import load

        results = load(source)
        entries = entries_of_run(board, results.tracks, results.run, separators)
    else:
        from mss_bench.compat.museval_json import read_folder, track_medians

        medians = track_medians(read_folder(source))
        if separators:
            medians = medians[medians["method"].isin(separators)]
        entries = entries_of_medians(board, medians, origin="museval", provenance={"from": source.name})
    if not entries:
        raise ConfigError(f"{source} holds nothing for the board {folder}")
    for entry in entries:
        print(write_entry(board, entry)[1])
    return 0


def _verify(folders: Sequence[Path], run: Path | None) -> int:
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
