"""Ratings in: our own export, webMUSHRA, pymushra, or any table with a column mapping, into one long table.

Blinded files are found out with the pack's key. Grades of the training page are left out, and counted. See
`mss_bench.listening.ratings` for what is refused.

References
----------
.. [1] M. Schoeffler et al., "webMUSHRA - A comprehensive framework for web-based listening tests", Journal of Open
   Research Software 6(1), 2018: ``service/write.php`` for the columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mss_bench.core.parameters import Parameterized, param
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.listening.pack_format import Pack, Signal, Trial, read_key, read_pack
from mss_bench.listening.protocols import Kind
from mss_bench.listening.ratings import RATING_COLUMNS, SCALE, RatingsError, Role, Sheet, build_ratings, read_sheet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImportOptions", "Imported", "Key", "PackAndScale", "detect_format", "import_ratings"]

_NEEDED = ("listener", "item", "system", "score")
_LISTENER = "listener"  # the questionnaire's field, as mss_bench.listening.webmushra writes it

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

    format: Literal["auto", "mss_bench", "webmushra", "pymushra", "csv"] = param(
        "auto", doc="What wrote the files; ``auto`` tells by the header."
    )
    columns: dict[str, str] = param(
        {}, metavar="NAME=COLUMN,...",
        doc="Column of the file for each of listener, item, system, score, replicate, order, seconds, ..., where it "
        "has another name. For webMUSHRA and pymushra listener alone: the questionnaire's field with the code "
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
        if kind == "mss_bench":
            records += _own(sheet)
        elif kind == "csv":
            records += _plain(sheet, asked)
        elif key is None:
            raise ConfigError(f"{file} names blinded signals: give the pack that it was collected with, --pack")
        else:
            columns = (_webmushra if kind == "webmushra" else _pymushra)(sheet, asked.columns.get("listener", ""))
            rated = list(_unblinded(sheet, key, columns))
            records += [record for record in rated if record[0]["trial"] != key.pack.training]
            if training := sum(record[0]["trial"] == key.pack.training for record in rated):
                notes.append(f"{sheet.source}: {training} grades of the training page were left out")
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
    signs = {
        "mss_bench": RATING_COLUMNS.keys(),
        "pymushra": {"responses_stimulus", "responses_score", "wm_id"},
        "webmushra": {"session_test_id", "trial_id"},
    }
    # From the most particular header to any other: an export of ours has no column of webMUSHRA's.
    return next((name for name, columns in signs.items() if columns <= set(sheet.header)), "csv")


def _own(sheet: Sheet) -> Iterator[Record]:
    absent = [name for name in RATING_COLUMNS if name not in sheet.header]
    if absent:
        raise RatingsError(f"{sheet.source} lacks the columns {', '.join(absent)} of an export of mss-bench")
    for row, place in zip(sheet.rows, sheet.places, strict=True):
        yield {name: row[name] for name in RATING_COLUMNS}, place


def _plain(sheet: Sheet, asked: ImportOptions) -> Iterator[Record]:
    columns = {name: name for name in RATING_COLUMNS if name in sheet.header} | dict(asked.columns)
    for name, column in columns.items():
        if column not in sheet.header:
            raise RatingsError(f"{sheet.source} has no column {column!r} for {name}; it has {', '.join(sheet.header)}")
    absent = [name for name in _NEEDED if name not in columns]
    if absent:
        raise RatingsError(
            f"{sheet.source}: which column is {' and which is '.join(absent)}? Say it to mss-bench listen import, e.g. "
            f"--columns {','.join(f'{name}=...' for name in absent)}; the file has {', '.join(sheet.header)}"
        )
    systems = {row[columns["system"]] for row in sheet.rows}
    for name in [*asked.reference, *asked.anchors]:
        if name not in systems:
            raise UnknownNameError(f"system in {sheet.source}", name, systems)
    roles = dict.fromkeys(asked.reference, Role.REFERENCE) | dict.fromkeys(asked.anchors, Role.ANCHOR)
    for row, place in zip(sheet.rows, sheet.places, strict=True):
        record: dict[str, Any] = {"test": sheet.source.stem} | dict(asked.constants)
        record |= {name: row[column] for name, column in columns.items()}
        if seconds := record.pop("seconds", ""):
            try:
                record["ms"] = 1000 * float(seconds)
            except ValueError:
                raise RatingsError(f"{place}: {columns['seconds']} is {seconds!r}, expected seconds") from None
        yield {"role": roles.get(record["system"], Role.TEST)} | record, place


def _webmushra(sheet: Sheet, listener: str) -> dict[str, str]:
    """Return the columns of a file of webMUSHRA: of sliders (mushra.csv), or of single grades (lss.csv, lms.csv)."""
    if "rating_stimulus" in sheet.header:
        signal, score = "rating_stimulus", "rating_score"
    elif {"stimuli", "stimuli_rating"} <= set(sheet.header):
        signal, score = "stimuli", "stimuli_rating"
    else:
        raise RatingsError(
            f"{sheet.source} is none of mushra.csv, lss.csv and lms.csv of webMUSHRA; its other tables hold no ratings "
            "of the signals of a pack"
        )
    named = {"signal": signal, "score": score, "trial": "trial_id", "ms": "rating_time"}
    return named | _listener_columns(sheet, listener, _LISTENER, "session_uuid")


def _pymushra(sheet: Sheet, listener: str) -> dict[str, str]:
    named = {"signal": "responses_stimulus", "score": "responses_score", "trial": "wm_id", "ms": "responses_time"}
    asked = listener and f"questionaire_{listener}"  # pymushra's spelling
    return named | _listener_columns(sheet, asked, f"questionaire_{_LISTENER}", "questionaire_uuid")


def _listener_columns(sheet: Sheet, asked: str, usual: str, session: str) -> dict[str, str]:
    if asked and asked not in sheet.header:
        raise UnknownNameError(f"column of {sheet.source}", asked, sheet.header)
    code = next((name for name in (asked, usual, session) if name in sheet.header), None)
    if code is None:
        raise RatingsError(
            f"{sheet.source} does not say who rated: it has neither {usual!r} nor {session!r}; name the field of the "
            f"questionnaire with --columns listener=...; columns: {', '.join(sheet.header)}"
        )
    return {"listener": code, "session": session if session in sheet.header else code}


def _unblinded(sheet: Sheet, key: Key, columns: Mapping[str, str]) -> Iterator[Record]:
    """Yield the rows of a file, which are in the order of presentation, with what was played."""
    trials_of: dict[str, list[str]] = defaultdict(list)
    signals_of: dict[tuple[str, str], int] = defaultdict(int)
    for row, place in zip(sheet.rows, sheet.places, strict=True):
        trial = key.trial(row[columns["trial"]], place)
        signal = key.signal(trial, row[columns["signal"]], place)
        session = row[columns["session"]]
        if trial.id not in trials_of[session] and trial.id != key.pack.training:
            trials_of[session].append(trial.id)
        position = signals_of[session, trial.id]
        signals_of[session, trial.id] += 1
        yield {
            "test": key.pack.name, "listener": row[columns["listener"]], "session": session, "trial": trial.id,
            "item": signal.item, "target": signal.target, "task": signal.task, "system": signal.system,
            "role": signal.role, "score": row[columns["score"]], "position": position,
            "order": trials_of[session].index(trial.id) if trial.id != key.pack.training else -1,
            "ms": row.get(columns["ms"], ""),
        }, place  # fmt: skip


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
                f"({rows['item'].iloc[0]}) are there; the file was cut off, take it anew; nothing was written"
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
        cast = [trial for own, trial in self._trials.items() if _cast(own) == name]
        trial = self._trials.get(name) or (cast[0] if len(cast) == 1 else None)
        if trial is None:
            raise RatingsError(f"{place}: {self.folder} has no trial {name!r}; is it the pack of this test?")
        return trial

    def signal(self, trial: Trial, name: str, place: str) -> Signal:
        """Return a signal of a trial; ``reference`` is the hidden one."""
        signals = {Path(file).stem: self._key[file] for file in trial.stimuli}
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
