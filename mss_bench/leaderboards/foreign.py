"""Entries of tables that others made: any columns, long or wide, and the log of a validation by MSST.

A table of texts becomes rows of method, track, target, metric and value. In a long table a column holds each of them;
in a wide one a column holds the values of a metric (``SDR=SDR (dB)``), of a target (``vocals=voc``), or, with a star,
of whatever no column tells, the target or the method (``SDR=SDR_*``). Names are text, whatever they look like.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mss_bench.core.names import invisible
from mss_bench.core.schema import Status
from mss_bench.errors import ConfigError, UnknownNameError, nearest
from mss_bench.leaderboards.board import COLUMNS, GREATEST, Board, Entry

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FACTS", "NAMES", "ForeignTable", "entries_of_table", "fact", "msst_log", "nested_values"]

NAMES = ("method", "track", "target", "metric", "value")
"""What a row is made of."""

FACTS = (
    "description", "licence", "trained_on", "family", "released", "parameters", "speed", "memory", "measured_on",
    "oracle",
)  # fmt: skip
"""What a column, or a constant, may say of a method beside its values."""

_NUMBERS = ("parameters", "speed", "memory")
_MSST = {"sdr": "uSDR", "si_sdr": "SI-SDR"}  # its sdr is of the whole song, not that of BSS Eval
_SHOWN = 20
_EMPTY = {"", "nan", "none", "null", "n/a", "na", "-", "–"}


@dataclass(frozen=True)
class ForeignTable:
    """A table of texts.

    Parameters
    ----------
    name : str
        What messages call it.
    rows : sequence of mapping of str to str
        By column.
    places : sequence of str
        File and line of each row.
    plain : callable
        Gives a number its decimal point.
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Mapping[str, str]]
    places: Sequence[str]
    plain: Callable[[str], str] = str

    def check_columns(self, columns: Mapping[str, str]) -> None:
        """Raise `ConfigError` where the table lacks a column that holds a name; one with a star is a pattern."""
        for name, column in columns.items():
            if "*" not in column and column not in self.header:
                raise ConfigError(f"{self.name} has no column {column!r} for {name}; it has {_listed(self.header)}")


def entries_of_table(
    board: Board, table: ForeignTable, *, columns: Mapping[str, str], constants: Mapping[str, str],
    targets: Mapping[str, str], provenance: Mapping[str, Any],
) -> tuple[list[Entry], list[str]]:  # fmt: skip
    """Make entries of anybody's table.

    Parameters
    ----------
    board : Board
    table : ForeignTable
    columns : mapping
        Column by what it holds: one of `NAMES`, `FACTS`, a metric or a target of the board. Those that are called so
        need not be named.
    constants : mapping
        What holds for all rows: method, target, metric, or one of `FACTS`.
    targets : mapping
        Target of the board by what the table calls it.
    provenance : mapping
        Where the table comes from.

    Returns
    -------
    entries : list of Entry
    notes : list of str
        What was left out: targets and metrics that the board does not have, rows that repeat others word for word.

    Raises
    ------
    ConfigError
        A column or what it takes is missing, a value is no finite number, a song is not the board's, or a score is
        there twice; the message names file and line.
    """
    import pandas as pd

    found = _columns(board, table, columns, constants)
    long = pd.DataFrame(_scores(board, table, found, constants), columns=[*NAMES, "place"])
    called = long["target"]
    long["target"] = [targets.get(name, name) for name in called]
    of_board, measured = long["target"].isin(board.targets), long["metric"].isin(board.metrics)
    left_out = sorted({*called[~of_board], *long["metric"][~measured]})
    long = long[of_board & measured]
    if not (long["metric"] == board.rank_metric).any():
        raise ConfigError(
            f"{table.name} has no {board.rank_metric} of {', '.join(board.targets)}, which the board ranks by; it has "
            f"{', '.join(left_out[:_SHOWN]) or 'nothing'}; say what is what with --columns and --targets"
        )
    once = long.drop_duplicates([*NAMES])
    notes = [f"not on the board and left out: {', '.join(left_out)}"] if left_out else []
    if again := len(long) - len(once):
        notes.append(f"{again} scores repeat others word for word and were taken once")
    long = once
    _check(board, long)
    facts = _facts(table, found, constants)
    entries = []
    for method, part in long.groupby("method", sort=True):
        told = facts.get(str(method), {})
        try:
            entry = Entry.from_mapping(
                {
                    name: fact(name, table.plain(text) if name in _NUMBERS else text)
                    for name, text in told.items()
                    if text
                }
                | {"method": str(method), "origin": "table", "provenance": {"preset": board.preset, **provenance}},
                "an entry",
            )
        except ConfigError as error:
            problems = str(error).replace("\n", "; ")
            if any("," in told.get(name, "") for name in _NUMBERS):
                problems += "; write numbers with a decimal point, without marks of thousands"
            raise ConfigError(f"{table.name}, {method}: {problems}; nothing was written") from error
        valued = part["value"].notna().astype("int64")
        part = part.assign(group="", n_frames=1, n_valid=valued, n_inf=0, status=str(Status.OK))
        entry.table = part[list(COLUMNS)].reset_index(drop=True)
        entries.append(entry)
    return entries, notes


def fact(name: str, text: str) -> Any:
    """Return what a text tells of a method: a number or truth where it is one, training data as a list."""
    if name == "oracle":
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    if name not in _NUMBERS:
        return [text] if name == "trained_on" else text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _columns(
    board: Board, table: ForeignTable, columns: Mapping[str, str], constants: Mapping[str, str]
) -> dict[str, str]:
    """Return the column of each name; refuse names that mean nothing and columns that do not exist."""
    known = (*NAMES, *FACTS, *board.metrics, *board.targets)
    for name in columns:
        if name not in known:
            raise UnknownNameError("name of a column", name, known)
    for name in constants:
        if name not in ("method", "target", "metric", *FACTS):
            raise UnknownNameError("value to set", name, ("method", "target", "metric", *FACTS))
    table.check_columns(columns)
    found = {name: name for name in known if name in table.header and name not in constants} | dict(columns)
    # A column that was named for something else says nothing under its own name.
    found = {name: column for name, column in found.items() if name in columns or column not in columns.values()}
    stars = [name for name, column in found.items() if "*" in column]
    values = [name for name in found if name == "value" or name in board.metrics or name in board.targets]
    needed = {"track", "method"} | (set() if any(n in board.targets for n in values) else {"target"})
    needed |= set() if any(n in board.metrics for n in values) or len(board.metrics) == 1 else {"metric"}
    absent = sorted(needed - found.keys() - constants.keys())
    if stars:  # stands for one that is not told
        open_to = [name for name in ("target", "method") if name in absent]
        if not open_to or set(stars) - {"value", *board.metrics}:
            raise ConfigError(
                f"--columns: a star stands for the target or the method in value=... or a metric=..., where no column "
                f"tells it; got {', '.join(f'{n}={found[n]}' for n in stars)}"
            )
        found["*"] = open_to[0]
        absent.remove(open_to[0])
    if absent or not values:
        lacks = [*absent, *([] if values else ["value"])]
        raise ConfigError(
            f"{table.name}: which column is {' and which is '.join(lacks)}? Say it to mss-bench leaderboard add, e.g. "
            f"--columns {','.join(f'{name}=...' for name in lacks)}, or for all rows with --set; the file has "
            f"{_listed(table.header)}"
        )
    return found


def _scores(
    board: Board, table: ForeignTable, found: Mapping[str, str], constants: Mapping[str, str]
) -> Iterator[tuple[str, str, str, str, float, str]]:
    """Yield method, track, target, metric, value and place of every cell with scores."""
    usual = {"metric": board.metrics[0]} if len(board.metrics) == 1 else {}
    cells: list[tuple[str, dict[str, str]]] = []  # column, and what it tells by itself
    for name, column in found.items():
        told = {"metric": name} if name in board.metrics else {"target": name} if name in board.targets else {}
        if not told and name != "value":
            continue
        if "*" in column:
            matches = {star: full for full in table.header if (star := _star(column, full))}
            if not matches:
                raise ConfigError(f"{table.name} has no columns like {column}; it has {_listed(table.header)}")
            cells += [(full, told | {found["*"]: star}) for star, full in matches.items()]
        else:
            cells.append((column, told))
    keys = [name for name in ("method", "track", "target", "metric") if name in found]
    for row, place in zip(table.rows, table.places, strict=True):
        named = usual | dict(constants) | {name: row[found[name]] for name in keys}
        for column, told in cells:
            full = named | told
            if blank := next((name for name in ("method", "track", "target", "metric") if not full.get(name)), ""):
                raise ConfigError(f"{place}: {blank} is empty; nothing was written")
            value = _number(table.plain(row[column]), f"{place}: {column}")
            yield full["method"], full["track"], full["target"], full["metric"], value, place


def _star(pattern: str, column: str) -> str:
    """Return what the star of a pattern stands for in a column; empty where it does not match."""
    before, _, after = pattern.partition("*")
    found = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", column)
    return found[1] if found else ""


def _number(text: str, where: str) -> float:
    if text.strip().casefold() in _EMPTY:
        return math.nan
    try:
        if "_" in text:  # Python's own spelling of a number, and no one else's
            raise ValueError
        value = float(text)
    except ValueError:
        point = "; write it with a decimal point" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
        raise ConfigError(f"{where} is {text!r}, expected a number{point}; nothing was written") from None
    if abs(value) >= GREATEST:
        raise ConfigError(
            f"{where} is {text!r}: a board takes finite values only (an exact copy of the reference is no estimate); "
            "nothing was written"
        )
    return value


def _check(board: Board, long: pd.DataFrame) -> None:
    """Refuse songs that are not the board's, and scores that are there twice."""
    strange = long[~long["track"].isin(board.tracks)]
    if len(strange):
        first = strange.iloc[0]
        near = nearest(first["track"], board.tracks)
        names, sign = strange["track"].nunique(), invisible(first["track"])
        raise ConfigError(
            f"{first['place']}: the board {board.folder.name} has no song {first['track']!r}"
            + (f", with the sign {sign} that nobody sees" if sign else "")
            + (f"; did you mean {near[0]!r}?" if near else "")
            + (f" ({names - 1} more are not its songs)" if names > 1 else "")
            + "; name songs as board.yaml does, take others out; nothing was written"
        )
    twice = long[long.duplicated(["method", "track", "target", "metric"])]
    if len(twice):
        row = twice.iloc[0]
        raise ConfigError(
            f"{row['place']}: {row['method']!r}, {row['track']}, {row['target']} {row['metric']} is there twice: two "
            "methods of one name, or two names of one target; nothing was written"
        )


def _facts(
    table: ForeignTable, found: Mapping[str, str], constants: Mapping[str, str]
) -> dict[str, dict[str, str]]:  # fmt: skip
    """Return what is told of each method; what is set holds for those of which no column says it."""
    told = {name: found[name] for name in FACTS if name in found}
    usual = {name: constants[name] for name in FACTS if name in constants}
    if "method" not in found:
        return {constants["method"]: usual} if "method" in constants else {}
    facts: dict[str, dict[str, str]] = {}
    for row in table.rows:
        own = facts.setdefault(row[found["method"]], dict(usual))
        for name, column in told.items():
            if row[column] and own.setdefault(name, row[column]) != row[column]:  # as a speed of each song
                raise ConfigError(
                    f"{table.name}: {name} of {row[found['method']]!r} is {own[name]!r} and {row[column]!r}; a "
                    f"method has one: say it for all rows with --set {name}=...; nothing was written"
                )
    return facts


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*names[:_SHOWN], *([f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])])


def msst_log(name: str, text: str) -> ForeignTable | None:
    """Read the songs' scores in what ``valid.py`` of Music-Source-Separation-Training prints; None of other text.

    Its ``results.txt`` holds means over songs alone; the songs stand in its output.
    """
    rows, places, song, target = [], [], "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.search(r"Song: (.+) Shape: ", line):
            song, target = re.split(r"[/\\]", found[1].rstrip("/\\"))[-1], ""
        elif found := re.search(r"Instr: (\S+)\s*$", line):
            target = found[1]
        elif (found := re.search(r"Metric (\S+)\s+value: (\S+)", line)) and song and target:
            rows.append(dict(zip(NAMES[1:], (song, target, _MSST.get(found[1], found[1]), found[2]), strict=True)))
            places.append(f"{name}:{number}")
    return ForeignTable(name, NAMES[1:], rows, places) if rows else None


def nested_values(name: str, content: Any) -> ForeignTable:
    """Read values in mappings: of songs, of targets, of metrics, and of methods around them where there are several.

    Raises
    ------
    ConfigError
        It is nothing of the kind.
    """
    rows = [(*path, str(value)) for path, value in _leaves(content, ())]
    depths = {len(row) for row in rows}
    if depths not in ({4}, {5}):
        raise ConfigError(
            f"{name} is no table: expected a list of objects, or mappings track > target > metric, or method > track > "
            "target > metric, with a number at their end"
        )
    names = NAMES[-depths.pop() :]
    return ForeignTable(name, names, [dict(zip(names, row, strict=True)) for row in rows], [name] * len(rows))


def _leaves(content: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _leaves(value, (*path, str(key)))
    else:
        yield path, content
