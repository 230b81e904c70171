"""``mss-bench leaderboard``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mss_bench.cli.options import Action, add_actions, execute_action
from mss_bench.core.parameters import param

if TYPE_CHECKING:
    from mss_bench.leaderboards.board import Board, Entry

__all__ = ["ACTIONS", "configure", "execute"]


class Add(Action):
    """Make entries of a run, of museval's files, or of any table with values of each song."""

    table: Path = param(
        flag="TABLE",
        metavar="TABLE",
        doc="Run folder, SEPARATOR/SUBSET/*.json as museval writes, what results import-museval wrote, a CSV or JSON "
        "file with values of each song, or what valid.py of MSST prints.",
    )
    board: Path = param(flag="BOARD", metavar="BOARD", doc="Folder of the board.")
    separators: tuple[str, ...] = param(
        (),
        flag="--separator",
        short="-s",
        metavar="LABEL,...",
        doc="Only these separators, as the run's tables name them (default: all).",
    )
    columns: dict[str, str] = param(
        {},
        metavar="NAME=COLUMN,...",
        doc="Column of the table for each of method, track, target, metric, value, a metric or a target of the board, "
        "description, licence, trained_on, where it has another name; a star, as in SDR=SDR_*, stands for targets or "
        "methods (default: their own names).",
    )
    constants: dict[str, str] = param(
        {},
        flag="--set",
        metavar="NAME=TEXT,...",
        doc="method, target, metric, description, licence or trained_on, where no column of the table says it "
        "(default: none).",
    )
    targets: dict[str, str] = param(
        {},
        metavar="TARGET=NAME,...",
        doc="What the table calls a target of the board; usual spellings, as instrumental for the accompaniment, are "
        "known (default: none).",
    )
    source: str = param(
        "",
        metavar="TEXT",
        doc="Where the numbers come from: a page, a paper, a repository; a table needs it (default: none).",
    )
    replace: bool = param(False, doc="Replace entries of the same names whose numbers are others.")

    def execute(self) -> int:
        """Write the entries and name their files."""
        from mss_bench.errors import ConfigError
        from mss_bench.leaderboards.board import has_other_numbers, infinite, read_board, write_entry

        board = read_board(self.board)
        if board.kind == "literature":
            raise ConfigError(f"{self.board} holds published aggregates; add a line to its rows.csv")
        entries = self._entries(board)
        if not entries:
            raise ConfigError(f"{self.table} holds nothing for the board {self.board}")
        for entry in entries:  # all that can be wrong is before anything is written
            if (endless := infinite(entry)) is not None:
                raise ConfigError(f"{entry.method}: {endless}; nothing was written")
            if not self.replace and has_other_numbers(board, entry):
                raise ConfigError(
                    f"{self.board} has an entry {entry.method!r} with other numbers; name yours otherwise, or give "
                    "--replace; nothing was written"
                )
        for entry in entries:
            print(write_entry(board, entry)[1])
        return 0

    def _entries(self, board: Board) -> list[Entry]:
        """Return what the table holds for a board, by what kind of table it is."""
        from mss_bench.compat.museval_json import read_folder, read_medians, track_medians
        from mss_bench.leaderboards.add import entries_of_medians, entries_of_run

        if (self.table / "run.json").is_file():
            from mss_bench.api import load

            results = load(self.table)
            if results.run.get("origin") != "museval":
                return entries_of_run(board, results.tracks, results.run, self.separators)
            medians = results.tracks.rename(columns={"separator": "method"}).drop(columns="group")
        elif self.table.is_dir():
            medians = track_medians(*read_folder(self.table))
        elif not self.columns and _is_of_museval(self.table):
            medians = read_medians(self.table)
        else:
            return self._foreign(board)
        provenance = {"from": self.source or self.table.name}
        medians = medians.assign(target=medians["target"].replace(self._spellings(board, medians["target"])))
        chosen = self._chosen(dict.fromkeys(medians["method"]))
        return entries_of_medians(
            board, medians[medians["method"].isin(chosen)], origin="museval", provenance=provenance
        )  # fmt: skip

    def _foreign(self, board: Board) -> list[Entry]:
        """Return the entries of a table that somebody else made; say what of it is left out."""
        import hashlib

        from mss_bench.errors import ConfigError
        from mss_bench.leaderboards.foreign import ForeignTable, entries_of_table, msst_log, nested_values
        from mss_bench.listening.sheets import read_sheet

        name = str(self.table)
        try:
            content = self.table.read_bytes()
        except OSError as error:
            raise ConfigError(f"{name} cannot be read: {error.strerror or error}") from error
        table = msst_log(name, content.decode("utf-8", "replace"))
        if table is None:
            sheet = read_sheet(self.table)
            table = ForeignTable(name, sheet.header, sheet.rows, sheet.places, sheet.plain)
            if not sheet.rows:
                table = nested_values(name, sheet.raw)
        if not self.source:
            raise ConfigError(f"where do the numbers of {name} come from? Say it with --source")
        names = {text for row in table.rows for text in row.values()} | {*table.header}
        checksum = hashlib.sha256(content).hexdigest()
        entries, notes = entries_of_table(
            board, table, columns=self.columns, constants=self.constants, targets=self._spellings(board, names),
            provenance={"from": self.source, "file": self.table.name, "file_sha256": checksum},
        )  # fmt: skip
        for note in notes:
            print(note)
        chosen = self._chosen([entry.method for entry in entries])
        return [entry for entry in entries if entry.method in chosen]

    def _chosen(self, methods: Iterable[str]) -> list[str]:
        """Return the methods that were asked for, all where none was."""
        from mss_bench.errors import ConfigError

        known = list(methods)
        if unknown := [name for name in self.separators if name not in known]:
            raise ConfigError(f"{self.table} has no {unknown[0]!r}; it has {', '.join(known)}")
        return list(self.separators) or known

    def _spellings(self, board: Board, names: Iterable[str]) -> dict[str, str]:
        """Return the board's target by what a table calls it: as was said, or as its usual spelling."""
        from mss_bench.core.names import known_stem
        from mss_bench.errors import UnknownNameError

        for target in self.targets:
            if target not in board.targets:
                raise UnknownNameError("target of the board", target, board.targets)
        usual = {name: str(known_stem(name)) for name in {*names} - {*board.targets}}
        known = {name: target for name, target in usual.items() if target in board.targets}
        return known | {name: target for target, name in self.targets.items()}


def _is_of_museval(table: Path) -> bool:
    """Return whether a file is what ``results import-museval`` writes."""
    from mss_bench.compat.museval_json import MEDIAN_COLUMNS

    try:
        with table.open("rb") as file:
            return file.readline().decode("utf-8-sig", "replace").strip().split(",") == MEDIAN_COLUMNS
    except OSError:
        return False


class Verify(Action):
    """Derive every number again from the rows; status 1 where something is wrong."""

    boards: tuple[Path, ...] = param(flag="BOARD", metavar="BOARD", doc="Folders of boards.")
    run: Path | None = param(
        None, metavar="RUN", doc="Compare the entries with this run's scores, too (default: none)."
    )

    def execute(self) -> int:
        """Print what is wrong."""
        from mss_bench.leaderboards.board import read_board
        from mss_bench.leaderboards.verify import compare_with_run, verify_board
        from mss_bench.listening.arena import is_arena
        from mss_bench.listening.arena_results import verify_arena

        failed = 0
        for folder in self.boards:
            if is_arena(folder):
                problems = verify_arena(folder)
            else:
                board = read_board(folder)
                problems = verify_board(board)
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


ACTIONS: dict[str, type[Action]] = {"add": Add, "verify": Verify, "build": Build, "diff": Diff}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add_actions(parser, ACTIONS)


def execute(args: argparse.Namespace) -> int:
    """Execute an action."""
    return execute_action(args, ACTIONS[args.action])
