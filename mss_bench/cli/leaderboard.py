"""``mss-bench leaderboard``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mss_bench.cli.options import Action, add_actions, execute_action
from mss_bench.core.parameters import param

__all__ = ["ACTIONS", "configure", "execute"]


class Add(Action):
    """Make entries of a run, or of a folder of museval's JSON files."""

    source: Path = param(
        flag="RUN",
        metavar="RUN",
        doc="Run folder, what results import-museval wrote, or SEPARATOR/SUBSET/*.json as museval writes.",
    )
    board: Path = param(flag="BOARD", metavar="BOARD", doc="Folder of the board.")
    separators: tuple[str, ...] = param(
        (),
        flag="--separator",
        short="-s",
        metavar="LABEL,...",
        doc="Only these separators, as the run's tables name them (default: all).",
    )

    def execute(self) -> int:
        """Write the entries and name their files."""
        from mss_bench.errors import ConfigError
        from mss_bench.leaderboards.add import entries_of_medians, entries_of_run
        from mss_bench.leaderboards.board import read_board, write_entry

        board = read_board(self.board)
        results = None
        if (self.source / "run.json").is_file():
            from mss_bench.api import load

            results = load(self.source)
        if results is not None and results.run.get("origin") != "museval":
            entries = entries_of_run(board, results.tracks, results.run, self.separators)
        else:
            from mss_bench.compat.museval_json import read_folder, read_medians, track_medians

            if results is not None:
                medians = results.tracks.rename(columns={"separator": "method"}).drop(columns="group")
            elif self.source.is_file():
                medians = read_medians(self.source)
            else:
                medians = track_medians(*read_folder(self.source))
            if unknown := [name for name in self.separators if name not in set(medians["method"])]:
                known = ", ".join(dict.fromkeys(medians["method"]))
                raise ConfigError(f"{self.source} has no {unknown[0]!r}; it has {known}")
            if self.separators:
                medians = medians[medians["method"].isin(self.separators)]
            entries = entries_of_medians(board, medians, origin="museval", provenance={"from": self.source.name})
        if not entries:
            raise ConfigError(f"{self.source} holds nothing for the board {self.board}")
        for entry in entries:
            print(write_entry(board, entry)[1])
        return 0


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
    """Make README.md and index.html of boards."""

    boards: tuple[Path, ...] = param(flag="BOARD", metavar="BOARD", doc="Folders of boards.")

    def execute(self) -> int:
        """Write the pages and name them."""
        from mss_bench.leaderboards.board import read_board
        from mss_bench.leaderboards.render import build

        for folder in self.boards:
            print("\n".join(map(str, build(read_board(folder)))))
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
