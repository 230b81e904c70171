"""Ratings in: our own export, other players' files, or any table with a column mapping, into one long table.

Blinded files are found out with the pack's key. Grades of the training page are left out, and counted. See
`mss_bench.listening.ratings` for what is refused, `mss_bench.listening.player_files` for the players.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mss_bench.core.parameters import Parameterized, param
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.listening.pack_format import Pack, Signal, Trial, read_key, read_pack
from mss_bench.listening.player_files import Answer, player_answers, player_of
from mss_bench.listening.protocols import Kind
from mss_bench.listening.ratings import RATING_COLUMNS, SCALE, Role, build_ratings
from mss_bench.listening.sheets import RatingsError, Sheet, number, read_sheet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImportOptions", "Imported", "Key", "PackAndScale", "detect_format", "import_ratings"]

_NEEDED = ("listener", "item", "system", "score")
_NUMBERS = {name for name, kind in RATING_COLUMNS.items() if kind in ("float64", "int64")}
_WIDE = ("(star)", "(score)")  # columns that a wide table gets: what its star stands for, and the score there
_SHOWN = 30  # columns that a message lists

Record = tuple[dict[str, Any], str]
"""A row on its way to the table, and the file and line that it comes from."""


class PackAndScale(Parameterized):
    """The pack of a test, where there is one, and the scale of its ratings."""

    pack: Path | None = param(
        None, metavar="DIR",
        doc="The test's pack, its key beside it: what blinded signals are, the scale, the length of excerpts "
        "(default: none).",
    )  # fmt: skip
    scale: tuple[float, ...] | None = param(
        None, metavar="LOW,HIGH", expects="its two ends, e.g. 0,100",
        doc="Ends of the scale (default: the pack's, else 0,100).",
    )  # fmt: skip

    def setup(self) -> None:
        self.ends: tuple[float, float] | None = None
        if self.scale is not None:
            if len(self.scale) != 2 or self.scale[0] >= self.scale[1]:
                self.refuse("scale", "its two ends, e.g. 0,100")
            self.ends = (self.scale[0], self.scale[1])


class ImportOptions(PackAndScale):
    """How files of ratings are read."""

    format: Literal["auto", "mss_bench", "webmushra", "pymushra", "beaqlejs", "csv"] = param(
        "auto", doc="What wrote the files; ``auto`` tells by the header."
    )
    columns: dict[str, str] = param(
        {}, metavar="NAME=COLUMN,...",
        doc="Column of the file for each of listener, item, system, score, replicate, order, seconds, ..., where it "
        "has another name. Of other players' files listener alone: the questionnaire's field with the code. Names "
        "with a star, as in listener=who_*,score=rating_*, stand for many columns, one a listener or system "
        "(default: their own names).",
    )  # fmt: skip
    reference: tuple[str, ...] = param(
        (), metavar="SYSTEM,...", doc="Hidden references of a plain table (default: none)."
    )
    anchors: tuple[str, ...] = param((), metavar="SYSTEM,...", doc="Anchors of a plain table (default: none).")
    constants: dict[str, str] = param(
        {},
        flag="--set",
        metavar="NAME=TEXT,...",
        doc="test, task or target, where no column of a plain table says it (default: the file's name, and none).",
    )
    repeated: Literal["error", "replicate"] = param(
        "error", doc="What becomes of a signal that a listener rated again unasked: ``replicate`` keeps both."
    )

    def setup(self) -> None:
        super().setup()
        for column in self.columns:
            if column not in RATING_COLUMNS and column != "seconds":
                raise UnknownNameError("column of ratings", column, [*RATING_COLUMNS, "seconds"])
        for column in self.constants:
            if column not in ("test", "task", "target"):
                raise UnknownNameError("column to set", column, ("test", "task", "target"))
        if both := set(self.reference) & set(self.anchors):
            raise ConfigError(f"{min(both)!r} cannot be both reference and anchor")


@dataclass(frozen=True)
class Imported:
    """What was read.

    Parameters
    ----------
    ratings : DataFrame
        Columns `RATING_COLUMNS`.
    notes : list of str
        What was found and left out, in words.
    """

    ratings: pd.DataFrame
    notes: list[str]


def import_ratings(files: Sequence[str | Path], options: ImportOptions | None = None, **values: Any) -> Imported:
    """Read ratings; several files of one test become one table.

    Parameters
    ----------
    files : sequence of path
    options : ImportOptions, optional
        Or its parameters as keywords.

    Raises
    ------
    RatingsError
        A file that cannot be taken as a whole: every problem with file and line.
    ConfigError
        The pack or its key is missing, or an option is wrong.
    """
    asked = options or ImportOptions(**values)
    if not files:
        raise ConfigError("no file to import was named")
    key = Key(asked.pack) if asked.pack is not None else None
    records: list[Record] = []
    notes: list[str] = []
    for file in files:
        sheet = read_sheet(file)
        kind = detect_format(sheet) if asked.format == "auto" else asked.format
        own: Sequence[Record] = []
        if kind == "mss_bench":
            own = list(_own(sheet))
        elif kind == "csv":
            own = list(_plain(sheet, asked))
        elif key is None:
            raise ConfigError(f"{file} names blinded signals: give the pack that it was collected with, --pack")
        else:
            rated = list(_unblinded(player_answers(sheet, kind, asked.columns.get("listener", "")), key))
            own = [record for record in rated if record[0]["trial"] not in key.pack.training]
            if training := sum(record[0]["trial"] in key.pack.training for record in rated):
                notes.append(f"{sheet.source}: {training} grades of the training page were left out")
        for row, _ in own:
            row |= {name: sheet.plain(row[name]) for name in _NUMBERS & row.keys() if isinstance(row[name], str)}
        notes += _perhaps_cut(sheet, own)
        records += own
    ratings = build_ratings(
        [row for row, _ in records], [place for _, place in records], repeated=asked.repeated,
        scales=key.pack.scales() if key and not asked.ends else None, scale=asked.ends or SCALE,
    )  # fmt: skip
    if key is not None:
        _check_whole(ratings, key)
    again = int(ratings["replicate"].sum())
    count = (
        f"{len(ratings)} ratings of {ratings['listener'].nunique()} listeners, {ratings['item'].nunique()} items, "
        f"{ratings['system'].nunique()} signals each at most" + (f", {again} of them replicates" if again else "")
    )
    return Imported(ratings, [count, *notes])


def detect_format(sheet: Sheet) -> str:
    """Return the format of a table, by its header."""
    # From the most particular header to any other: an export of ours has no column of another player's.
    return "mss_bench" if RATING_COLUMNS.keys() <= set(sheet.header) else player_of(sheet) or "csv"


def _own(sheet: Sheet) -> Iterator[Record]:
    absent = [name for name in RATING_COLUMNS if name not in sheet.header]
    if absent:
        raise RatingsError(f"{sheet.source} lacks the columns {', '.join(absent)} of an export of mss-bench")
    for row, place in zip(sheet.rows, sheet.places, strict=True):
        yield {name: row[name] for name in RATING_COLUMNS}, place


def _plain(sheet: Sheet, asked: ImportOptions) -> Iterator[Record]:
    sheet, asked_columns = _long(sheet, asked.columns)
    columns = {name: name for name in RATING_COLUMNS if name in sheet.header} | asked_columns
    for name, column in columns.items():
        if column not in sheet.header:
            raise RatingsError(f"{sheet.source} has no column {column!r} for {name}; it has {_listed(sheet.header)}")
    absent = [name for name in _NEEDED if name not in columns]
    if absent:
        raise RatingsError(
            f"{sheet.source}: which column is {' and which is '.join(absent)}? Say it to mss-bench listen import, e.g. "
            f"--columns {','.join(f'{name}=...' for name in absent)}; the file has {_listed(sheet.header)}"
        )
    systems = {row[columns["system"]] for row in sheet.rows}
    for name in [*asked.reference, *asked.anchors]:
        if name not in systems:
            raise UnknownNameError(f"system in {sheet.source}", name, systems)
    roles = dict.fromkeys(asked.reference, Role.REFERENCE) | dict.fromkeys(asked.anchors, Role.ANCHOR)
    for row, place in zip(sheet.rows, sheet.places, strict=True):
        record: dict[str, Any] = {"test": sheet.source.stem} | dict(asked.constants)
        # A column that is left blank says nothing against what was set for all.
        record |= {name: row[column] for name, column in columns.items() if row[column] or name not in record}
        if seconds := record.pop("seconds", ""):
            try:
                record["ms"] = 1000 * number(sheet.plain(seconds))
            except ValueError:
                raise RatingsError(f"{place}: {columns['seconds']} is {seconds!r}, expected seconds") from None
        yield {"role": roles.get(record["system"], Role.TEST)} | record, place


def _long(sheet: Sheet, columns: Mapping[str, str]) -> tuple[Sheet, dict[str, str]]:
    """Make a row of each rating of a table that has a column a listener, or a system; blank ones were not asked."""
    stars = {name: column for name, column in columns.items() if "*" in column}
    if not stars:
        return sheet, dict(columns)
    if set(stars) - {"listener", "score"} or "score" not in stars:
        given = ", ".join(f"{name}={column}" for name, column in stars.items())
        raise ConfigError(f"--columns: a star stands in score=..., or in listener=... and score=...; got {given}")
    found = {name: _matching(column, sheet.header) for name, column in stars.items()}
    keys = [key for key in found["score"] if key in found.get("listener", found["score"])]
    if not keys:
        raise RatingsError(
            f"{sheet.source} has no columns like {' and '.join(stars.values())}; it has {_listed(sheet.header)}"
        )
    # What the star stands for is whatever no other column says: the listener, else the system.
    told = "system" if "listener" in columns and "listener" not in stars else "listener"
    # Whose rows held all of 100,000 columns again would fill any memory.
    starred = {column for own in found.values() for column in own.values()} - set(columns.values())
    header = [column for column in sheet.header if column not in starred]
    rows, places = [], []
    for row, place in zip(sheet.rows, sheet.places, strict=True):
        kept = {column: row[column] for column in header}
        for key in keys:
            score = row[found["score"][key]]
            if score:
                who = row[found["listener"][key]] if "listener" in found else key
                rows.append(kept | {_WIDE[0]: who, _WIDE[1]: score})
                places.append(f"{place}, {found['score'][key]}")
    long = replace(sheet, header=[*header, *_WIDE], rows=rows, places=places)
    return long, dict(columns) | {told: _WIDE[0], "score": _WIDE[1]}


def _matching(pattern: str, header: Sequence[str]) -> dict[str, str]:
    """Return the columns that a pattern names, by what its star stands for."""
    before, _, after = pattern.partition("*")
    return {
        column[len(before) : len(column) - len(after)]: column
        for column in header
        if column.startswith(before) and column.endswith(after) and len(column) > len(before) + len(after)
    }


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*names[:_SHOWN], *([f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])])


def _unblinded(answers: Iterable[Answer], key: Key) -> Iterator[Record]:
    """Yield a player's answers with what was played."""
    orders: dict[str, dict[str, int]] = defaultdict(dict)
    positions: dict[tuple[str, str], int] = defaultdict(int)
    for answer in answers:
        trial = key.trial(answer.trial, answer.place)
        signal = key.signal(trial, answer.signal, answer.place)
        rated, order = trial.id not in key.pack.training, -1
        if rated:
            order = orders[answer.session].setdefault(trial.id, len(orders[answer.session]))
        position = positions[answer.session, trial.id]
        positions[answer.session, trial.id] += 1
        pair = trial.kind == Kind.PREFERENCE
        yield {
            "test": key.pack.name, "listener": answer.listener, "session": answer.session, "trial": trial.id,
            "item": signal.item, "target": signal.target, "task": signal.task, "system": signal.system,
            "role": signal.role, "score": answer.score, "ms": answer.ms,
            "position": position if (answer.in_order or pair) and trial.kind != Kind.ABX else -1,
            "order": order if answer.in_order else -1,
        }, answer.place  # fmt: skip


def _perhaps_cut(sheet: Sheet, records: Sequence[Record]) -> list[str]:
    """Return a note where a file may have been cut within its last number, which then reads as a whole one."""
    if not (sheet.open_end and records):
        return []
    last, place = records[-1]
    for what, shared in (("listener", ("listener",)), ("item", ("listener", "item", "task"))):
        counts = Counter(tuple(row.get(name) for name in shared) for row, _ in records)
        own = counts[tuple(last.get(name) for name in shared)]
        if own < max(counts.values()):
            return [
                f"{place}: the file ends without an end of line, and its last {what}, {last[what]!r}, has {own} "
                f"ratings where others have up to {max(counts.values())}: if it was cut off, the last number may lack "
                "digits; take it anew from where it was collected"
            ]
    return []


def _check_whole(ratings: pd.DataFrame, key: Key) -> None:
    """Refuse trials of which signals are missing: a file that was cut between rows lacks some."""
    known = {t.id: t for t in key.pack.trials}
    shown = ["listener", "session", "trial", "replicate"]
    for (listener, session, name, _), rows in ratings.groupby(shown, sort=False):
        trial = known.get(str(name))
        if trial is None:
            raise RatingsError(f"{listener}, session {session}: {key.folder} has no trial {name!r}")
        wanted = 1 if trial.kind == Kind.ABX else len(trial.stimuli)
        if len(rows) != wanted:
            raise RatingsError(
                f"{listener}, session {session}: {len(rows)} of {wanted} signals of trial {name} "
                f"({rows['item'].iloc[0]}) are there: rows were lost, as where a file is cut off; take it anew; "
                "nothing was written"
            )


class Key:
    """What the blinded names of a pack mean, as other players write them.

    Parameters
    ----------
    folder : Path
        The pack, its key beside it.

    Raises
    ------
    ConfigError
        The pack or its key is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pack: Pack = read_pack(folder)
        self._key = read_key(folder)
        self._trials = {t.id: t for t in self.pack.trials}

    def trial(self, name: str, place: str) -> Trial:
        """Return a trial by its id, also as pymushra's casts leave it."""
        trial = self._trials.get(name)
        if trial is None:  # looked for in all of them, for each rating of a long session, this would take very long
            cast = [known for own, known in self._trials.items() if _cast(own) == name]
            trial = cast[0] if len(cast) == 1 else None
        if trial is None:
            raise RatingsError(f"{place}: {self.folder} has no trial {name!r}; is it the pack of this test?")
        return trial

    def signal(self, trial: Trial, name: str, place: str) -> Signal:
        """Return a signal of a trial; ``reference`` is the hidden one, and of ABX any stands for the rated one."""
        signals = {Path(file).stem: self._key[file] for file in trial.stimuli}
        if trial.kind == Kind.ABX and name in signals:
            return next(signal for signal in signals.values() if signal.role != Role.REFERENCE)
        if trial.kind == Kind.PREFERENCE:
            signals |= dict(zip("AB", [self._key[file] for file in trial.stimuli], strict=True))
        hidden = [signal for signal in signals.values() if signal.role == Role.REFERENCE and name == "reference"]
        cast = [signal for stem, signal in signals.items() if _cast(stem) == name]
        signal = signals.get(name) or next(iter(hidden or (cast if len(cast) == 1 else [])), None)
        if signal is None:
            raise RatingsError(
                f"{place}: trial {trial.id} of {self.folder} has no signal {name!r}; nothing was written"
            )
        return signal


def _cast(text: str) -> str:
    """Return a blinded name as pymushra stores it: one of digits, or digits around an e, becomes a number."""
    for kind in (int, float):
        try:
            return str(kind(text))
        except ValueError:
            pass
    return text
