"""Options of the verbs that take entries from somebody's table, and the entries that it holds."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.cli.options import Action
from mss_bench.core.parameters import param

if TYPE_CHECKING:
    from mss_bench.leaderboards.board import Board, Entry
    from mss_bench.leaderboards.foreign import ForeignTable

__all__ = ["BoardTable"]


class BoardTable(Action):
    """Read entries of a board from a run, museval's files, or any table with values of each song."""

    table: Path = param(
        flag="TABLE",
        metavar="TABLE",
        doc="Run folder, SEPARATOR/SUBSET/*.json as museval writes, what results import-museval wrote, a CSV or JSON "
        "file with values of each song, what valid.py of MSST prints, or a bundle of leaderboard submit.",
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
        "description, licence, trained_on, oracle, where it has another name; a star, as in SDR=SDR_*, stands for "
        "targets or methods (default: their own names).",
    )
    constants: dict[str, str] = param(
        {},
        flag="--set",
        metavar="NAME=TEXT,...",
        doc="method, target, metric, description, licence, trained_on or oracle, where no column of the table says it "
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

    def entries(self, board: Board) -> list[Entry]:
        """Return what the table holds for a board, by what kind of table it is."""
        from mss_bench.compat.museval_json import read_folder, read_medians, track_medians
        from mss_bench.errors import UnknownNameError
        from mss_bench.leaderboards.add import entries_of_medians, entries_of_run
        from mss_bench.leaderboards.board import Entry
        from mss_bench.leaderboards.bundle import is_bundle, read_bundle
        from mss_bench.leaderboards.foreign import FACTS, fact

        if is_bundle(self.table):
            self._check_bundle(board)
            entries = read_bundle(self.table).entries(board)
            chosen = self._chosen([entry.method for entry in entries])
            return [entry for entry in entries if entry.method in chosen]
        if (self.table / "run.json").is_file():
            from mss_bench.api import load

            results = load(self.table)
            if results.run.get("origin") != "museval":
                return entries_of_run(board, results.tracks, results.run, self.separators, results.costs)
            medians = results.tracks.rename(columns={"separator": "method"}).drop(columns="group")
        elif self.table.is_dir():
            medians = track_medians(*read_folder(self.table))
        elif not self.columns and _is_of_museval(self.table):
            medians = read_medians(self.table)
        else:
            return self._foreign(board)
        provenance = {"from": self.source.strip() or self.table.name}
        medians = medians.assign(target=medians["target"].replace(self._spellings(board, medians["target"])))
        chosen = self._chosen(dict.fromkeys(medians["method"]))
        entries = entries_of_medians(
            board, medians[medians["method"].isin(chosen)], origin="museval", provenance=provenance
        )  # fmt: skip
        for name in self.constants:
            if name not in FACTS:
                raise UnknownNameError("value to set of museval's files", name, FACTS)
        told = {name: fact(name, text) for name, text in self.constants.items()}
        for i, entry in enumerate(entries if told else ()):
            entries[i] = Entry.from_mapping(entry.values() | told, "an entry")
            entries[i].table = entry.table
        return entries

    def _check_bundle(self, board: Board) -> None:
        """Refuse a bundle that ``leaderboard check`` finds wrong; whether its name is free is asked later."""
        from mss_bench.errors import ConfigError
        from mss_bench.leaderboards.check import check_bundle

        wrong = [p for p in check_bundle(self.table, board)[0] if p.level == "error" and p.check != "name"]
        if wrong:
            further = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            said = ": ".join(filter(None, (str(self.table), wrong[0].method, wrong[0].message)))
            raise ConfigError(
                f"{said}{further}; nothing was written. All of it: "
                f"mss-bench leaderboard check {shlex.quote(str(self.table))} --board {shlex.quote(str(board.folder))}"
            )

    def begun(self) -> Board:
        """Return the board that the table begins, where there is none; nothing is written."""
        from mss_bench.core.names import known_stem
        from mss_bench.leaderboards.begin import begin_board

        if self.table.is_dir() or self.table.suffix == ".zip":
            from mss_bench.errors import ConfigError

            raise ConfigError(
                f"{self.board} has no board.yaml, and {self.table} cannot begin one: a run, museval's files and "
                "bundles join a board. Begin it with a CSV of each song's values, or write its board.yaml"
            )
        table = self._read()[0]
        texts = {text for row in table.rows for text in row.values()} | {*self.constants.values()}
        usual = {text: stem for text in texts if (stem := known_stem(text))}
        targets = usual | {name: target for target, name in self.targets.items()}
        return begin_board(self.board, table, columns=self.columns, constants=self.constants, targets=targets)

    def _read(self) -> tuple[ForeignTable, str]:
        """Read a table that somebody else made, and its checksum."""
        import hashlib

        from mss_bench.errors import ConfigError, RatingsError
        from mss_bench.listening.sheets import table_bytes

        try:
            content = table_bytes(self.table)
            return self._parsed(content), hashlib.sha256(content).hexdigest()
        except RatingsError as error:  # what reads ratings reads tables of scores, too
            raise ConfigError(str(error)) from error

    def _parsed(self, content: bytes) -> ForeignTable:
        from mss_bench.core.names import nfc
        from mss_bench.leaderboards.foreign import ForeignTable, msst_log, nested_values
        from mss_bench.listening.sheets import read_sheet

        name = str(self.table)
        table = msst_log(name, content.decode("utf-8", "replace"))
        if table is None:
            sheet = read_sheet(self.table)
            table = ForeignTable(name, sheet.header, sheet.rows, sheet.places, sheet.plain)
            if not sheet.rows:
                table = nested_values(name, sheet.raw)
        rows = [{nfc(column): nfc(text) for column, text in row.items()} for row in table.rows]
        return dataclasses.replace(table, header=[*map(nfc, table.header)], rows=rows)

    def _foreign(self, board: Board) -> list[Entry]:
        """Return the entries of a table that somebody else made; say what of it is left out."""
        from mss_bench.errors import ConfigError
        from mss_bench.leaderboards.foreign import entries_of_table

        table, checksum = self._read()
        if not self.source.strip():
            raise ConfigError(f"where do the numbers of {table.name} come from? Say it with --source")
        names = {text for row in table.rows for text in row.values()} | {*table.header}
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
