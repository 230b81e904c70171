"""Ratings in: our own export, webMUSHRA, pymushra, or any table with a column mapping, into one long table.

Blinded files are found out with the pack's key. Grades of the training page are left out, and counted. See
`mss_bench.listening.rating_table` for what is refused.

References
----------
.. [1] M. Schoeffler et al., "webMUSHRA - A comprehensive framework for web-based listening tests", Journal of Open
   Research Software 6(1), 2018: ``service/write.php`` for the columns.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.listening.pack_format import Pack
from mss_bench.listening.protocols import Kind
from mss_bench.listening.rating_table import REPEATED, RatingsError, Sheet, build_ratings, read_sheet
from mss_bench.listening.ratings import RATING_COLUMNS, Role
from mss_bench.listening.unblinding import Key

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "Imported", "detect_format", "import_ratings", "scales_of"]

FORMATS = ("auto", "mss_bench", "webmushra", "pymushra", "csv")

_WEBMUSHRA = ("session_test_id", "trial_id")
_PYMUSHRA = ("responses_stimulus", "responses_score", "wm_id")
_NEEDED = ("listener", "item", "system", "score")
_LISTENER = "listener"  # the questionnaire's field, as mss_bench.listening.webmushra writes it


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


@dataclass
class _Records:
    """Rows of files on their way to the table."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, row: dict[str, Any], place: str) -> None:
        self.rows.append(row)
        self.where.append(place)


def import_ratings(
    files: Sequence[str | Path],
    *,
    format: str = "auto",
    pack: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    reference: Collection[str] = (),
    anchors: Collection[str] = (),
    defaults: Mapping[str, str] | None = None,
    scale: tuple[float, float] | None = None,
    repeated: str = "error",
) -> Imported:
    """Read ratings.

    Parameters
    ----------
    files : sequence of path
        Several files of one test are read into one table.
    format : str
        One of `FORMATS`; ``auto`` tells by the header.
    pack : path, optional
        The test's pack, its key beside it; needed for webMUSHRA and pymushra, whose files name blinded signals.
    columns : mapping, optional
        Column of `RATING_COLUMNS` to column of the file, for ``csv`` (columns of the same name need not be given), and
        ``seconds`` for a time on the trial in seconds. For webMUSHRA and pymushra ``listener`` alone: the field of
        the questionnaire that holds the code.
    reference, anchors : collection of str
        Systems of a ``csv`` that are hidden references and anchors.
    defaults : mapping, optional
        ``test``, ``task`` and ``target`` of a ``csv`` that has no such columns.
    scale : (float, float), optional
        Ends of the scale; by default the pack's, else 0 to 100.
    repeated : {"error", "replicate"}
        See `mss_bench.listening.rating_table.build_ratings`.

    Returns
    -------
    Imported

    Raises
    ------
    RatingsError
        A file that cannot be taken as a whole: every problem with file and line.
    ConfigError
        The pack or its key is missing, or an option is wrong.
    """
    _check_options(files, format, repeated, columns or {})
    unblind = Key(Path(pack)) if pack is not None else None
    records = _Records()
    for file in files:
        sheet = read_sheet(file)
        kind = detect_format(sheet) if format == "auto" else format
        if kind == "mss_bench":
            _own(sheet, records)
        elif kind == "csv":
            _plain(sheet, columns or {}, set(reference), set(anchors), defaults or {}, records)
        else:
            if unblind is None:
                raise ConfigError(f"{file} names blinded signals: give the pack that it was collected with, --pack")
            (_webmushra if kind == "webmushra" else _pymushra)(sheet, (columns or {}).get("listener", ""), unblind,
                                                               records)  # fmt: skip
    limits = scales_of(unblind.pack) if unblind is not None and scale is None else {}
    ratings = build_ratings(records.rows, records.where, scales=limits, repeated=repeated,
                            **({"scale": scale} if scale else {}))  # fmt: skip
    if unblind is not None:
        _check_whole(ratings, unblind)
    return Imported(ratings, [_count(ratings), *records.notes])


def scales_of(pack: Pack) -> dict[str, tuple[float, float]]:
    """Ends of the scale of each task of a pack."""
    return {task.name: (task.low, task.high) for task in pack.tasks}


def detect_format(sheet: Sheet) -> str:
    """The format of a table, by its header.

    Raises
    ------
    RatingsError
        A table of webMUSHRA's that holds no ratings of signals.
    """
    names = set(sheet.header)
    if names >= set(RATING_COLUMNS):
        return "mss_bench"
    if names >= set(_PYMUSHRA):
        return "pymushra"
    if names >= set(_WEBMUSHRA):
        return "webmushra"
    return "csv"


def _check_options(files: Sequence[str | Path], format: str, repeated: str, columns: Mapping[str, str]) -> None:
    if not files:
        raise ConfigError("no file to import was named")
    if format not in FORMATS:
        raise UnknownNameError("format of ratings", format, FORMATS)
    if repeated not in REPEATED:
        raise UnknownNameError("rule for repeated ratings", repeated, REPEATED)
    for name in columns:
        if name not in RATING_COLUMNS and name != "seconds":
            raise UnknownNameError("column of ratings", name, [*RATING_COLUMNS, "seconds"])


def _own(sheet: Sheet, records: _Records) -> None:
    absent = [name for name in RATING_COLUMNS if name not in sheet.header]
    if absent:
        raise RatingsError(f"{sheet.source} lacks the columns {', '.join(absent)} of an export of mss-bench")
    for row, line in zip(sheet.rows, sheet.lines, strict=True):
        records.add({name: row[name] for name in RATING_COLUMNS}, f"{sheet.source}:{line}")


def _plain(
    sheet: Sheet, columns: Mapping[str, str], reference: set[str], anchors: set[str], defaults: Mapping[str, str],
    records: _Records,
) -> None:  # fmt: skip
    named = {name: name for name in RATING_COLUMNS if name in sheet.header} | dict(columns)
    for name, column in columns.items():
        if column not in sheet.header:
            raise RatingsError(f"{sheet.source} has no column {column!r} for {name}; it has {', '.join(sheet.header)}")
    absent = [name for name in _NEEDED if name not in named]
    if absent:
        raise RatingsError(
            f"{sheet.source}: which column is {' and which is '.join(absent)}? Say it with --columns, e.g. "
            f"--columns {','.join(f'{name}=...' for name in absent)}; the file has {', '.join(sheet.header)}"
        )
    both = reference & anchors
    systems = {row[named["system"]] for row in sheet.rows}
    for name in sorted(reference | anchors):
        if name not in systems:
            raise UnknownNameError(f"system in {sheet.source}", name, systems)
    if both:
        raise ConfigError(f"{sorted(both)[0]!r} cannot be both reference and anchor")
    for row, line in zip(sheet.rows, sheet.lines, strict=True):
        record: dict[str, Any] = {"test": sheet.source.stem} | dict(defaults)
        record |= {name: row[column] for name, column in named.items()}
        place = f"{sheet.source}:{line}"
        if "seconds" in record:
            seconds = record.pop("seconds")
            try:
                record["ms"] = 1000 * float(seconds) if seconds else ""
            except ValueError:
                raise RatingsError(f"{place}: {named['seconds']} is {seconds!r}, expected seconds") from None
        if "role" not in named:
            system = record["system"]
            record["role"] = Role.REFERENCE if system in reference else Role.ANCHOR if system in anchors else Role.TEST
        records.add(record, place)


class _Session:
    """Places of trials and signals in the sessions of a file, whose rows are in the order of presentation."""

    def __init__(self) -> None:
        self._trials: dict[str, list[str]] = {}
        self._signals: dict[tuple[str, str], int] = {}

    def place(self, session: str, trial: str) -> tuple[int, int]:
        """Order of the trial, position of the signal."""
        seen = self._trials.setdefault(session, [])
        if trial not in seen:
            seen.append(trial)
        position = self._signals[session, trial] = self._signals.get((session, trial), -1) + 1
        return seen.index(trial), position


def _webmushra(sheet: Sheet, listener: str, key: Key, records: _Records) -> None:
    sliders = "rating_stimulus" in sheet.header
    if not sliders and not {"stimuli", "stimuli_rating"} <= set(sheet.header):
        raise RatingsError(
            f"{sheet.source} is none of mushra.csv, lss.csv and lms.csv of webMUSHRA; its other tables hold no ratings "
            "of the signals of a pack"
        )
    names = {"stimulus": "rating_stimulus", "score": "rating_score"} if sliders else {
        "stimulus": "stimuli", "score": "stimuli_rating"}  # fmt: skip
    code = _listener_column(sheet, listener, _LISTENER, "session_uuid")
    session = "session_uuid" if "session_uuid" in sheet.header else code
    _unblinded(
        sheet, key, records,
        names | {"trial": "trial_id", "ms": "rating_time", "listener": code, "session": session},
    )  # fmt: skip


def _pymushra(sheet: Sheet, listener: str, key: Key, records: _Records) -> None:
    code = _listener_column(
        sheet, listener and f"questionaire_{listener}", f"questionaire_{_LISTENER}", "questionaire_uuid"
    )
    session = "questionaire_uuid" if "questionaire_uuid" in sheet.header else code
    _unblinded(
        sheet, key, records,
        {"stimulus": "responses_stimulus", "score": "responses_score", "trial": "wm_id", "ms": "responses_time",
         "listener": code, "session": session},
    )  # fmt: skip


def _listener_column(sheet: Sheet, wanted: str, usual: str, otherwise: str) -> str:
    if wanted and wanted not in sheet.header:
        raise UnknownNameError(f"column of {sheet.source}", wanted, sheet.header)
    for name in (wanted, usual, otherwise):
        if name in sheet.header:
            return name
    raise RatingsError(
        f"{sheet.source} does not say who rated: it has neither {usual!r} nor {otherwise!r}; name the field of the "
        f"questionnaire with --columns listener=...; columns: {', '.join(sheet.header)}"
    )


def _unblinded(sheet: Sheet, key: Key, records: _Records, names: Mapping[str, str]) -> None:
    places = _Session()
    training = 0
    for row, line in zip(sheet.rows, sheet.lines, strict=True):
        place = f"{sheet.source}:{line}"
        trial = key.trial(row[names["trial"]], place)
        signal = key.signal(trial, row[names["stimulus"]], place)
        if trial.id == key.pack.training:
            training += 1
            continue
        session = row[names["session"]]
        order, position = places.place(session, trial.id)
        records.add(
            {
                "test": key.pack.name, "listener": row[names["listener"]], "session": session, "trial": trial.id,
                "item": signal.item, "target": signal.target, "task": signal.task, "system": signal.system,
                "role": signal.role, "score": row[names["score"]], "position": position, "order": order,
                "ms": row.get(names["ms"], ""),
            },
            place,
        )  # fmt: skip
    if training:
        records.notes.append(f"{sheet.source}: {training} grades of the training page were left out")


def _check_whole(ratings: pd.DataFrame, key: Key) -> None:
    """Of every trial that a listener did, all signals must be there; a file that was cut between rows lacks some."""
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


def _count(ratings: pd.DataFrame) -> str:
    again = int(ratings["replicate"].sum())
    return (
        f"{len(ratings)} ratings of {ratings['listener'].nunique()} listeners, {ratings['item'].nunique()} items, "
        f"{ratings['system'].nunique()} signals each at most" + (f", {again} of them replicates" if again else "")
    )
