"""``mss-bench leaderboard submit``, ``check``, ``history`` and ``workflow``: boards that others add to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mss_bench.cli.board_tables import BoardTable
from mss_bench.cli.options import Action
from mss_bench.cli.reproduce import Again
from mss_bench.core.parameters import param

if TYPE_CHECKING:
    from mss_bench.leaderboards.board import Board, Entry
    from mss_bench.leaderboards.bundle import Bundle
    from mss_bench.leaderboards.check import Point

__all__ = ["ACTIONS"]


class Submit(BoardTable):
    """Make a bundle of a run, or of a table, that others check and add to a board."""

    contact: str = param("", metavar="TEXT", doc="Who answers questions: a name, an address, a page (default: nobody).")
    authors: tuple[str, ...] = param(
        (), flag="--author", metavar="NAME", doc="Who made it, for archives (default: not named)."
    )
    licence: str = param("CC-BY-4.0", metavar="SPDX", doc="Licence of the numbers, as SPDX names it.")
    out: Path | None = param(
        None, short="-o", metavar="PATH", doc="File that ends in .zip, or a folder (default: <method>.zip)."
    )

    def execute(self) -> int:
        """Write the bundle and say what a check finds."""
        from mss_bench.errors import ConfigError
        from mss_bench.exports.crate import crate_files
        from mss_bench.leaderboards.board import file_stem, read_board
        from mss_bench.leaderboards.bundle import bundle_files, write_bundle
        from mss_bench.leaderboards.check import check_bundle, text, worst

        board = read_board(self.board)
        if board.kind == "literature":
            raise ConfigError(f"{self.board} holds published aggregates; a line of its rows.csv is a submission there")
        entries = self._new(board)
        further, facts = self._of_run(entries)
        facts |= {"contact": self.contact, "authors": list(self.authors), "licence": self.licence}
        described = crate_files(bundle_files(board, entries, further, facts), facts, board, entries)
        files = bundle_files(board, entries, further | described, facts)
        name = entries[0].method if len(entries) == 1 else self.table.resolve().stem
        path = write_bundle(self.out or Path(f"{file_stem(name)}.zip"), files)
        points, _ = check_bundle(path, board)
        print(path)
        for line in text([point for point in points if point.level != "ok"]):
            print(line, file=sys.stderr)
        return 1 if worst(points) == "error" else 0

    def _new(self, board: Board) -> list[Entry]:
        """Return the entries; where none are named, without the floor and those that the board has already."""
        from mss_bench.core.schema import is_floor
        from mss_bench.errors import ConfigError
        from mss_bench.leaderboards.board import infinite

        entries = self.entries(board)
        if not self.separators:
            new = [entry for entry in entries if not _has(board, entry)]
            entries = [entry for entry in new if entry.method != board.floor and not is_floor(entry.method)]
        if not entries:
            raise ConfigError(f"{self.table} holds nothing that the board {self.board} does not have")
        for entry in entries:
            if (endless := infinite(entry)) is not None:
                raise ConfigError(f"{entry.method}: {endless}; nothing was written")
        return entries

    def _of_run(self, entries: list[Entry]) -> tuple[dict[str, bytes], dict[str, object]]:
        """Return the files that tell how a run was made, and the weights that it needs."""
        from mss_bench.running.provenance import now

        facts: dict[str, object] = {"made": now()[:10], "weights": {}}
        if not any(entry.origin == "run" for entry in entries):
            return {}, facts
        from mss_bench.api import load
        from mss_bench.core.files import json_text
        from mss_bench.reproduction.recipe import recipe_of

        run = load(self.table).run
        recipe = recipe_of(run, [entry.method for entry in entries])
        for name in recipe.absent:
            print(f"note: the bundle cannot hold {name}; whoever runs it again needs it", file=sys.stderr)
        # What is on the submitter's disk is nobody's affair: commands hold paths, and options those of the recipe.
        told = {name: value for name, value in run.items() if name not in ("command", "commands")}
        info = json_text(told | {"options": recipe.options}).encode("utf-8", "backslashreplace")
        return {"run.json": info, "recipe.yaml": recipe.text.encode(), **recipe.files}, facts | {
            "weights": recipe.weights
        }


def _has(board: Board, entry: Entry) -> bool:
    """Return whether a board has an entry of this name with the same numbers, however they were rounded."""
    from mss_bench.leaderboards.board import file_stem, has_other_numbers, has_same_numbers, read_entry
    from mss_bench.leaderboards.plausibility import same_numbers

    if not has_other_numbers(board, entry):
        return has_same_numbers(board, entry)
    return any(exactly for exactly, _ in same_numbers(board, entry, [read_entry(board, file_stem(entry.method))]))


class Check(Again):
    """Check bundles against a board: schema, songs, plausibility, copies, training data; status 1 where one fails."""

    bundles: tuple[Path, ...] = param(flag="BUNDLE", metavar="BUNDLE", doc="Bundles, as ZIP files or folders.")
    board: Path | None = param(
        None, metavar="DIR", doc="Board (default: that in whose folder submissions the bundle lies, else its own copy)."
    )
    recompute: bool = param(False, doc="Run the recipe again for --sample songs, 3 by default, and compare.")
    estimates: Path | None = param(
        None, metavar="DIR", doc="Score these estimates again for --sample songs, 3 by default (default: none)."
    )
    format: Literal["text", "md", "json"] = param("text", doc="text: a line a finding; md: a comment; json: for tools.")

    def execute(self) -> int:
        """Print what is found."""
        import json

        from mss_bench.leaderboards.check import board_of, check_bundle, markdown, text, worst

        found = {}
        for path in self.bundles:
            board = board_of(path, self.board)
            points, bundle = check_bundle(path, board)
            if bundle is not None and worst(points) != "error" and (self.recompute or self.estimates):
                points += self._again(bundle, board)
            found[str(path)] = points
        if self.format == "json":
            print(json.dumps({path: [p.to_dict() for p in points] for path, points in found.items()}, indent=1))
        elif self.format == "md":
            print("\n".join(markdown(Path(name), points) for name, points in found.items()))
        else:
            for name, points in found.items():
                print(f"{name}:")
                print("\n".join(f"  {line}" for line in text(points)))
        return 1 if any(worst(points) == "error" for points in found.values()) else 0

    def _again(self, bundle: Bundle, board: Board | None) -> list[Point]:
        """Compute some songs again."""
        from dataclasses import replace

        from mss_bench.errors import MssBenchError
        from mss_bench.leaderboards.check import Point
        from mss_bench.reproduction.again import reproduce, scored_again

        request = replace(self.request(), sample=self.sample or 3)
        points = []
        with bundle.unpacked() as folder:
            own = bundle.board(folder, board)
            for entry in bundle.entries(own):
                try:
                    if self.estimates is not None:
                        table = scored_again(bundle, own, entry, self.estimates, request)
                    else:
                        table = reproduce(bundle, own, [entry], request)
                except MssBenchError as error:
                    points.append(Point("warning", "computed again", entry.method, str(error)))
                    continue
                songs, worst = table["track"].nunique(), table["difference"].abs().max()
                wrong = table[~table["same"]]
                said = f"{songs} songs, {len(table)} values, largest difference {worst:.3g}"
                if len(wrong):
                    row = wrong.iloc[0]
                    said = (
                        f"{len(wrong)} of {len(table)} values on {songs} songs differ, e.g. {row['track']}, "
                        f"{row['target']} {row['metric']}: {row['was']:.2f}, computed {row['now']:.2f}"
                    )
                points.append(Point("error" if len(wrong) else "ok", "computed again", entry.method, said))
        return points


class ShowHistory(Action):
    """Tell from a board's git log who entered when, and who overtook whom."""

    board: Path = param(flag="BOARD", metavar="BOARD", doc="Folder of the board, in a git repository.")
    write: bool = param(False, doc="Write history.csv into the board's folder, which its page then shows.")
    format: Literal["text", "md", "csv", "json"] = param("text", doc="How it is printed.")

    def execute(self) -> int:
        """Print the events, the latest first."""
        import json
        from dataclasses import asdict

        from mss_bench.cli.options import terminal_width
        from mss_bench.leaderboards.board import read_board
        from mss_bench.leaderboards.history import board_history, history_table, write_history

        board = read_board(self.board)
        history = board_history(board)
        if history.shallow:
            print("note: a shallow copy of the repository: nothing before its first commit is told", file=sys.stderr)
        if history.unread:
            print(f"note: {history.unread} commits hold the board in a form that is not read", file=sys.stderr)
        table = history_table(history.events, board.rank_metric, max(1, len(history.events)))
        if self.format == "json":
            print(json.dumps([asdict(event) for event in history.events], indent=1, ensure_ascii=False))
        else:
            forms = {"text": lambda: table.console(terminal_width()), "md": table.markdown, "csv": table.csv}
            print(forms[self.format]())
        if self.write:
            print(write_history(board, history.events), file=sys.stderr)
        return 0


class Workflow(Action):
    """Write GitHub Actions that check the bundles of a pull request and comment on it."""

    folder: Path = param(flag="REPOSITORY", metavar="REPOSITORY", doc="Top folder of the repository.")
    install: str = param("mss-bench", metavar="WHAT", doc="What pip installs there; pin it to a version or commit.")
    replace: bool = param(False, doc="Replace workflows of the same names.")

    def execute(self) -> int:
        """Write both workflows and name them."""
        from mss_bench.leaderboards.workflow import write_workflows

        for path in write_workflows(self.folder, self.install, replace=self.replace):
            print(path)
        return 0


ACTIONS: dict[str, type[Action]] = {
    "submit": Submit, "check": Check, "history": ShowHistory, "workflow": Workflow
}  # fmt: skip
