"""``mss-bench leaderboard``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mss_bench.cli import submission
from mss_bench.cli.board_tables import BoardTable
from mss_bench.cli.options import Action, verb
from mss_bench.core.parameters import param
from mss_bench.core.text import counted

if TYPE_CHECKING:
    from mss_bench.leaderboards.board import Board

__all__ = ["ACTIONS", "configure", "execute"]


class Add(BoardTable):
    """Make entries of a run, of museval's files, or of any table with values of each song."""

    replace: bool = param(False, doc="Replace entries of the same names whose numbers are others.")
    recount: bool = param(False, doc="Let entries change which songs and frames count for the others.")

    def execute(self) -> int:
        """Write the entries and name their files."""
        from mss_bench.errors import ConfigError
        from mss_bench.leaderboards.begin import PRESET, is_new
        from mss_bench.leaderboards.board import (
            entry_names,
            has_other_numbers,
            infinite,
            read_board,
            read_entry,
            write_board,
            write_entry,
        )
        from mss_bench.leaderboards.completeness import changed_by

        new = is_new(self.board)
        board = self.begun() if new else read_board(self.board)
        if board.kind == "literature":
            raise ConfigError(f"{self.board} holds published aggregates; add a line to its rows.csv")
        entries = self.entries(board)
        if not entries:
            raise ConfigError(f"{self.table} holds nothing for the board {self.board}")
        present = {} if new else {e.method: e for e in (read_entry(board, name) for name in entry_names(board))}
        _refuse_alike(board, [*present, *(entry.method for entry in entries)])
        for entry in entries:  # all that can be wrong is before anything is written
            if (endless := infinite(entry)) is not None:
                raise ConfigError(f"{entry.method}: {endless}; nothing was written")
            if not self.replace and has_other_numbers(board, entry):
                raise ConfigError(
                    f"{self.board} has an entry {entry.method!r} with other numbers; name yours otherwise, or give "
                    "--replace; nothing was written"
                )
        if not self.recount and (change := changed_by(board, entries, [*present.values()])):
            raise ConfigError(
                f"{self.table} would change what is asked of others: {change}; nothing was written. If that is right, "
                "since the songs or frames of the board are these, give --recount"
            )
        if new:
            print(
                f"{write_board(board)}: begun with {counted(len(board.tracks), 'song')}, ranked by {board.rank_metric} "
                f"of {board.rank_target}; where you say there which songs these are (dataset) and by which definition "
                f"they were scored (preset, now {PRESET!r}), add the table again"
            )
        for entry in entries:
            kept = entry.take_declared(present[entry.method]) if entry.method in present else []
            also = f" (kept of the entry before: {', '.join(kept)})" if kept else ""
            print(f"{write_entry(board, entry)[1]}{also}")
        return 0


def _refuse_alike(board: Board, methods: Sequence[str]) -> None:
    """Refuse names that differ in capitals alone, or in what nobody sees: on many disks their files are the same."""
    from mss_bench.core.names import eye_key
    from mss_bench.errors import ConfigError

    seen: dict[str, str] = {}
    for method in methods:
        if (other := seen.setdefault(eye_key(method), method)) != method:
            raise ConfigError(
                f"{board.folder}: {method!r} and the entry {other!r} differ in capitals or such signs alone; name one "
                "of them otherwise; nothing was written"
            )


class Verify(Action):
    """Derive every number and page again from the rows; status 1 where something is wrong."""

    boards: tuple[Path, ...] = param(flag="BOARD", metavar="BOARD", doc="Folders of boards.")
    run: Path | None = param(
        None, metavar="RUN", doc="Compare the entries with this run's scores, too (default: none)."
    )

    def execute(self) -> int:
        """Print what is wrong."""
        from mss_bench.leaderboards.board import read_board
        from mss_bench.leaderboards.render import other_pages
        from mss_bench.leaderboards.verify import compare_with_run, verify_board
        from mss_bench.listening import arena_page
        from mss_bench.listening.arena import is_arena, read_arena
        from mss_bench.listening.arena_results import verify_arena

        failed = 0
        for folder in self.boards:
            if is_arena(folder):
                problems = verify_arena(folder) or arena_page.other_pages(read_arena(folder))
            else:
                board = read_board(folder)
                problems = verify_board(board) or other_pages(board)
            if self.run is not None and not is_arena(folder):
                from mss_bench.api import load

                results = load(self.run)
                problems += compare_with_run(board, results.tracks, results.run)
            failed += len(problems)
            for problem in problems:
                print(f"{folder}: {problem}", file=sys.stderr)
            if not problems:
                print(f"{folder}: all numbers follow from the rows")
        return 1 if failed else 0


class Build(Action):
    """Make README.md and index.html of boards, and of arenas of metrics."""

    boards: tuple[Path, ...] = param(flag="BOARD", metavar="BOARD", doc="Folders of boards.")
    tests: Literal["paired", "published"] = param(
        "paired",
        doc="published: also Friedman's and Conover and Iman's unpaired test of all entries, oracles included, without "
        "correction, as SiSEC 2018 published them.",
    )

    def execute(self) -> int:
        """Write the pages and name them."""
        from mss_bench.leaderboards.board import read_board
        from mss_bench.leaderboards.render import build
        from mss_bench.listening.arena import is_arena, read_arena
        from mss_bench.listening.arena_page import build_arena

        for folder in self.boards:
            arena = is_arena(folder)
            files = build_arena(read_arena(folder)) if arena else build(read_board(folder), self.tests == "published")
            print("\n".join(map(str, files)))
        return 0


class Diff(Action):
    """Show what changed between two states of a board."""

    before: Path = param(flag="BEFORE", metavar="BEFORE", doc="Folder of the earlier state.")
    after: Path = param(flag="AFTER", metavar="AFTER", doc="Folder of the later state.")

    def execute(self) -> int:
        """Print the differences."""
        from mss_bench.leaderboards.board import read_board
        from mss_bench.leaderboards.diff import diff_boards

        print("\n".join(diff_boards(read_board(self.before), read_board(self.after))) or "no difference")
        return 0


ACTIONS: dict[str, type[Action]] = {
    "add": Add, "verify": Verify, "build": Build, "diff": Diff, **submission.ACTIONS
}  # fmt: skip

configure, execute = verb(ACTIONS)
