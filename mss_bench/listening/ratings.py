"""The table of ratings: one row for each rated signal, whatever player it comes from; read, checked and written.

A table is taken as a whole or not at all: a grade outside its scale, a row that was cut, a listener who appears twice
are errors that name file and line, and nothing is dropped, clipped or averaged on the way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.listening.sheets import RatingsError, comma_hint, number

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "RATING_COLUMNS", "SAME_SIGNAL", "SCALE", "Role", "build_ratings", "excerpt_of", "normalised",
    "song_of", "usual_centre", "write_ratings",
]  # fmt: skip


class Role(StrEnum):
    """What a signal is in its trial."""

    TEST = "test"
    """An estimate of a system."""
    REFERENCE = "reference"
    """The hidden reference."""
    ANCHOR = "anchor"


RATING_COLUMNS: dict[str, str] = {
    "test": "string",  # the test's name
    "listener": "string",  # a code, never a name
    "session": "string",  # one sitting of a listener
    "trial": "string",
    "item": "string",  # what was played: track and excerpt
    "target": "string",
    "task": "string",  # the attribute that was rated
    "system": "string",  # the method's label; "reference", or the anchor's name
    "role": "string",  # Role
    "score": "float64",  # on the task's scale; of choices 1 chosen, 0 not, 0.5 no difference; for ABX 1 right, 0 wrong
    "position": "int64",  # of the signal in its trial as shown, from 0; -1 where unknown
    "order": "int64",  # of the trial in the session, from 0; -1 where unknown
    "replicate": "bool",  # the trial repeats an earlier one
    "moved": "bool",  # the listener touched the control
    "ms": "float64",  # time on the trial; NaN where unknown
}
"""Columns of the long table of ratings. A pair is two rows of one trial."""

SAME_SIGNAL = ["test", "listener", "trial", "item", "target", "task", "system", "role"]
"""Columns that an original and its replicates have in common."""

SCALE = (0.0, 100.0)
"""The scale of MUSHRA, where nothing else is known."""

_EXCERPT = re.compile(r"(?P<track>.*?) @(?P<start>\d+(?:\.\d+)?)(?: [+-][\d.]+ dB)?")
_SHOWN = 5  # problems that a message lists
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
_EXPECTED = {"bool": "true or false", "int64": "a whole number", "float64": "a number"}
_DEFAULTS: dict[str, Any] = {
    "task": "quality", "role": Role.TEST, "position": -1, "order": -1, "replicate": False, "moved": True,
    "ms": math.nan,
}  # fmt: skip


def excerpt_of(item: str) -> tuple[str, float | None]:
    """Return track and start of an item in seconds: of ``"Song A @31.5 +6 dB"`` Song A and 31.5; None without one."""
    match = _EXCERPT.fullmatch(item)
    return (match["track"], float(match["start"])) if match else (item, None)


def song_of(item: str) -> str:
    """Return the song of an item.

    Excerpts and remixes of one song are not independent: what resamples or leaves out items does so by song.
    """
    return excerpt_of(item)[0]


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
    rows = []
    for record, place in zip(records, where, strict=True):
        row = _typed_row(record, place, problems)
        low, high = (scales or {}).get(row["task"], scale)
        if not low <= row["score"] <= high:
            problems.append(
                f"{place}: {row['listener']} rated {row['system']} of {row['item']!r} with {row['score']:g}, outside "
                f"the scale of {low:g} to {high:g}"
            )
        rows.append(row)
    # All problems at once: whoever mends a file by hand should not have to come back for each.
    _refuse(problems)
    table = pd.DataFrame(rows, columns=list(RATING_COLUMNS)).astype(RATING_COLUMNS)
    return _with_replicates(table, where, repeated)


def usual_centre(scale: tuple[float, float]) -> str:
    """Return what stands for the scores of a signal: the median on BS.1534's scale, the mean on those of P.800."""
    return "median" if tuple(scale) == SCALE else "mean"


def normalised(ratings: pd.DataFrame, how: str | None, scale: tuple[float, float]) -> pd.DataFrame:
    """Bring the scores of each listener of a task to one mean and spread, or to one range.

    Parameters
    ----------
    ratings : DataFrame
    how : {None, "z", "minmax"}
        ``z``: each listener gets the mean and the standard deviation of all scores; ``minmax``: each listener's lowest
        and highest score become the ends of the scale. Listeners who gave one score alone get the middle.
    scale : (float, float)
    """
    if how is None:
        return ratings
    by = ratings.groupby(["listener", "task"])["score"]
    if how == "z":
        spread, centre, low = by.transform("std", ddof=0), by.transform("mean"), float(ratings["score"].mean())
        wide = float(ratings["score"].std(ddof=0))
    else:
        centre, low = by.transform("min"), scale[0]
        spread, wide = by.transform("max") - centre, scale[1] - scale[0]
    middle = low if how == "z" else low + wide / 2
    score = low + wide * (ratings["score"] - centre) / spread.where(spread > 0)
    return ratings.assign(score=score.fillna(middle))


def write_ratings(ratings: pd.DataFrame, path: str | Path) -> None:
    """Write the long table as CSV, as a whole or not at all.

    Raises
    ------
    RunError
        The file cannot be written.
    """
    from mss_bench.core.files import write_atomic

    text = ratings[list(RATING_COLUMNS)].to_csv(index=False, lineterminator="\n")
    write_atomic(Path(path), text.encode("utf-8"))


def _typed_row(record: Mapping[str, Any], place: str, problems: list[str]) -> dict[str, Any]:
    """Make a row with the columns' types; what is wrong with it goes to `problems`."""
    row: dict[str, Any] = {}
    for name, kind in RATING_COLUMNS.items():
        value = record.get(name, _DEFAULTS.get(name, ""))
        if value == "":  # a column that is there and left blank
            value = _DEFAULTS.get(name, "")
        try:
            row[name] = _typed(value, kind)
        except ValueError:
            problems.append(f"{place}: {name} is {value!r}, expected {_EXPECTED[kind]}{comma_hint(str(value))}")
            row[name] = 0
    problems += [f"{place}: {name} is empty" for name in ("listener", "item", "system") if not row[name]]
    row["session"] = row["session"] or row["listener"]
    row["trial"] = row["trial"] or f"{row['item']} | {row['task']}"
    if row["role"] not in list(Role):
        problems.append(f"{place}: role is {row['role']!r}, expected {', '.join(Role)}")
    return row


def _typed(value: Any, kind: str) -> Any:
    if kind == "string":
        return str(value)
    if kind == "bool":
        if str(value).lower() not in _WORDS:
            raise ValueError
        return _WORDS[str(value).lower()]
    parsed = number(value) if isinstance(value, str) else float(value)
    if kind == "int64" and not parsed.is_integer():
        raise ValueError
    return int(parsed) if kind == "int64" else parsed


def _with_replicates(table: pd.DataFrame, where: Sequence[str], repeated: str) -> pd.DataFrame:
    """Mark what comes again as a replicate; a listener who rated something twice unasked is an error."""
    problems = []
    replicate = table["replicate"].to_numpy().copy()
    ordered = table[table.duplicated(SAME_SIGNAL, keep=False)].sort_values("order", kind="stable")
    for _, rows in ordered.groupby(SAME_SIGNAL, sort=False):
        unasked = rows[~rows["replicate"]]
        if len(unasked) > 1 and repeated == "error":
            first = unasked.iloc[0]
            problems.append(
                f"{' and '.join(where[int(number)] for number in unasked.index)}: {first['listener']} rated "
                f"{first['system']} of {first['item']!r} {len(unasked)} times "
                f"(sessions {' and '.join(dict.fromkeys(map(str, unasked['session'])))})"
            )
        replicate[rows.index] = True
        replicate[rows.index[0]] = False
    _refuse(
        problems,
        "a listener twice: give two people two codes, take one of the sessions out of the file, or keep both with "
        "--repeated replicate",
    )
    return table.assign(replicate=replicate)


def _refuse(problems: Sequence[str], *advice: str) -> None:
    if problems:
        more = [f"and {len(problems) - _SHOWN} more like these"] if len(problems) > _SHOWN else []
        told = [*problems[:_SHOWN], *more, *advice, "nothing was written"]
        raise RatingsError("\n".join(text.replace("\n", " ") for text in told))
