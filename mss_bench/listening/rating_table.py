"""Reading, checking and writing tables of ratings: strictly, and with the line of what is wrong.

A table is taken as a whole or not at all: a grade outside its scale, a row that was cut, a listener who appears twice
are errors that name file and line, and nothing is dropped, clipped or averaged on the way.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.errors import MssBenchError
from mss_bench.listening.ratings import RATING_COLUMNS, Role

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "REPEATED",
    "SCALE",
    "RatingsError",
    "Sheet",
    "build_ratings",
    "read_ratings",
    "read_sheet",
    "write_ratings",
]

SCALE = (0.0, 100.0)
"""The scale of MUSHRA, where nothing else is known."""

REPEATED = ("error", "replicate")
"""What becomes of a signal that a listener rated again without its being a declared replicate."""

_SHOWN = 5  # problems that a message lists
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
_DEFAULTS: dict[str, Any] = {
    "test": "", "session": "", "target": "", "task": "quality", "role": Role.TEST, "position": -1, "order": -1,
    "replicate": False, "moved": True, "ms": math.nan,
}  # fmt: skip
_SAME = ["test", "listener", "trial", "item", "target", "task", "system", "role"]


class RatingsError(MssBenchError):
    """Ratings cannot be read, or are not what they must be."""


@dataclass(frozen=True)
class Sheet:
    """A text table as it was written.

    Parameters
    ----------
    source : Path
    header : list of str
    rows : list of dict of str to str
    lines : list of int
        Where each row ends, counted from 1.
    """

    source: Path
    header: list[str]
    rows: list[dict[str, str]]
    lines: list[int]


def read_sheet(path: str | Path) -> Sheet:
    """Read a table separated by commas, semicolons or tabs (whichever its first line has most of).

    Raises
    ------
    RatingsError
        No such file, no text, no rows, a row of another length than the header (as where a file was cut), a column
        twice, an open quotation mark.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise RatingsError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        kind = "a database; export the ratings as CSV from it" if raw.startswith(b"SQLite format 3") else "no UTF-8"
        raise RatingsError(f"{path} is {kind} (byte {error.start})") from error
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
    rows, lines, header = [], [], []
    try:
        header = [name.strip() for name in next(reader, [])]
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise RatingsError(f"{path}:1: the column {twice[0]!r} is there twice")
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise RatingsError(
                    f"{path}:{reader.line_num}: {len(fields)} fields, expected {len(header)} as in the first line; "
                    "the file was cut off or changed, take it anew from where it was collected"
                )
            rows.append(dict(zip(header, (field.strip() for field in fields), strict=True)))
            lines.append(reader.line_num)
    except csv.Error as error:
        raise RatingsError(
            f"{path}:{reader.line_num}: {error}; the file was cut off or changed, take it anew"
        ) from error
    if not rows:
        raise RatingsError(f"{path} holds no ratings: it has {'a header alone' if any(header) else 'no header'}")
    return Sheet(path, header, rows, lines)


def build_ratings(
    records: Sequence[Mapping[str, Any]],
    where: Sequence[str],
    *,
    scales: Mapping[str, tuple[float, float]] | None = None,
    scale: tuple[float, float] = SCALE,
    repeated: str = "error",
) -> pd.DataFrame:
    """Make the long table of records.

    Parameters
    ----------
    records : sequence of mapping
        Any of `RATING_COLUMNS`, texts or values; ``listener``, ``item``, ``system`` and ``score`` are needed, the trial
        is otherwise the item under its task.
    where : sequence of str
        File and line of each record, for messages.
    scales : mapping, optional
        Ends of the scale of each task.
    scale : (float, float)
        Those of tasks that `scales` does not have.
    repeated : {"error", "replicate"}
        What becomes of a signal that a listener rated again in what is not declared a replicate.

    Returns
    -------
    DataFrame
        Columns `RATING_COLUMNS`. Of repeated ratings the first in the listener's order is the original and all others
        replicates, however they were marked.

    Raises
    ------
    RatingsError
        All that is wrong, with file and line.
    """
    import pandas as pd

    problems: list[str] = []
    made = [_record(record, place, scales or {}, scale, problems) for record, place in zip(records, where, strict=True)]
    _report(problems)
    frame = pd.DataFrame(made, columns=list(RATING_COLUMNS)).astype(RATING_COLUMNS)
    return _settle(frame, where, repeated)


def read_ratings(
    path: str | Path,
    *,
    scales: Mapping[str, tuple[float, float]] | None = None,
    scale: tuple[float, float] = SCALE,
) -> pd.DataFrame:
    """Read what `write_ratings`, or the server, wrote.

    Raises
    ------
    RatingsError
        Anything that is not such a table.
    """
    sheet = read_sheet(path)
    absent = [name for name in RATING_COLUMNS if name not in sheet.header]
    if absent:
        raise RatingsError(
            f"{path} has no column {', '.join(map(repr, absent))}: make the table with mss-bench listen import"
        )
    own = [{name: row[name] for name in RATING_COLUMNS} for row in sheet.rows]
    return build_ratings(own, [f"{sheet.source}:{line}" for line in sheet.lines], scales=scales, scale=scale)


def write_ratings(ratings: pd.DataFrame, path: str | Path) -> None:
    """Write the long table as CSV, as a whole or not at all.

    Raises
    ------
    RunError
        The file cannot be written.
    """
    from mss_bench.core.files import write_atomic

    text = ratings[list(RATING_COLUMNS)].to_csv(index=False, lineterminator="\n")
    write_atomic(Path(path), text)


def _record(
    given: Mapping[str, Any],
    place: str,
    scales: Mapping[str, tuple[float, float]],
    scale: tuple[float, float],
    problems: list[str],
) -> dict[str, Any]:
    """A row with the columns' types; what is wrong with it goes to `problems`."""
    row: dict[str, Any] = {}
    for name, kind in RATING_COLUMNS.items():
        value = given.get(name, _DEFAULTS.get(name, ""))
        if value == "" and name in ("position", "order", "ms", "moved"):
            value = _DEFAULTS[name]
        try:
            row[name] = _typed(value, kind)
        except ValueError:
            wanted = {"bool": "true or false", "int64": "a whole number"}.get(kind, "a number")
            problems.append(f"{place}: {name} is {value!r}, expected {wanted}")
            row[name] = 0
    for name in ("listener", "item", "system"):
        if not row[name]:
            problems.append(f"{place}: {name} is empty")
    row["session"] = row["session"] or row["listener"]
    row["trial"] = row["trial"] or f"{row['item']} | {row['task']}" if row["task"] else row["item"]
    if row["role"] not in list(Role):
        problems.append(f"{place}: role is {row['role']!r}, expected {', '.join(Role)}")
    low, high = scales.get(row["task"], scale)
    if not low <= row["score"] <= high:
        problems.append(
            f"{place}: {row['listener']} rated {row['system']} of {row['item']!r} with {row['score']:g}, outside the "
            f"scale of {low:g} to {high:g}"
        )
    return row


def _typed(value: Any, kind: str) -> Any:
    if kind == "string":
        return str(value)
    if kind == "bool":
        if isinstance(value, bool):
            return value
        if str(value).lower() not in _WORDS:
            raise ValueError
        return _WORDS[str(value).lower()]
    if kind == "int64":
        number = float(value)
        if not number.is_integer():
            raise ValueError
        return int(number)
    return float(value)


def _settle(frame: pd.DataFrame, where: Sequence[str], repeated: str) -> pd.DataFrame:
    """Originals before replicates; a listener who rated something twice unasked is an error."""
    again = frame.duplicated(_SAME, keep=False)
    problems = []
    replicate = frame["replicate"].to_numpy().copy()
    ordered = frame[again].sort_values("order", kind="stable")
    for _, rows in ordered.groupby(_SAME, sort=False):
        unasked = rows[~rows["replicate"]]
        if len(unasked) > 1 and repeated == "error":
            one = unasked.iloc[0]
            places = " and ".join(where[int(number)] for number in unasked.index)
            sessions = " and ".join(dict.fromkeys(map(str, unasked["session"])))
            problems.append(
                f"{places}: {one['listener']} rated {one['system']} of {one['item']!r} {len(unasked)} times "
                f"(sessions {sessions})"
            )
        replicate[rows.index] = True
        replicate[rows.index[0]] = False
    if problems:
        problems.append(
            "a listener twice: give two people two codes, take one of the sessions out of the file, or keep both with "
            "--repeated replicate"
        )
    _report(problems, keep_last=bool(problems))
    return frame.assign(replicate=replicate)


def _report(problems: Sequence[str], *, keep_last: bool = False) -> None:
    if not problems:
        return
    told, advice = (list(problems[:-1]), [problems[-1]]) if keep_last else (list(problems), [])
    more = [f"and {len(told) - _SHOWN} more like these"] if len(told) > _SHOWN else []
    raise RatingsError("\n".join(_lines([*told[:_SHOWN], *more, *advice, "nothing was written"])))


def _lines(texts: Iterable[str]) -> list[str]:
    return [text.replace("\n", " ") for text in texts]
