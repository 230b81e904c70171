"""Boards of published aggregates: each row with its source, and only rows of one definition side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from mss_bench.errors import ConfigError
from mss_bench.leaderboards.board import Board

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEFINITION", "ROW_COLUMNS", "read_rows"]

DEFINITION = ("test_set", "metric", "aggregation")
"""What rows must share to be ranked against each other."""

ROW_COLUMNS = ("method", *DEFINITION, "extra_training_data", "source")
"""Columns beside those of the targets, and ``average``: the mean over the targets as it was published."""


def read_rows(board: Board) -> pd.DataFrame:
    """Read the rows of a literature board.

    Returns
    -------
    DataFrame
        `ROW_COLUMNS` as text, the board's targets and ``average`` as numbers, NaN where nothing was published.

    Raises
    ------
    ConfigError
        A column is missing, a row has no source or definition, a number is not one, or a method stands twice under one
        definition.
    """
    import pandas as pd

    path = board.folder / "rows.csv"

    def refuse(row: int, message: str) -> NoReturn:
        raise ConfigError(f"{path}:{row + 2}: {message}")  # counted from 1, below the head

    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(rows.index, pd.RangeIndex):  # pandas makes an index of what stands before the head's fields
        raise ConfigError(f"{path}: a row has more fields than the head; quote texts that hold a comma")
    numeric = (*board.targets, "average")
    missing = [c for c in (*ROW_COLUMNS, *numeric) if c not in rows]
    if missing:
        raise ConfigError(f"{path} lacks the columns {', '.join(missing)}")
    for column in ("method", *DEFINITION, "source"):
        empty = rows.index[rows[column].str.strip() == ""]
        if len(empty):
            refuse(empty[0], f"{column} is empty; a published number needs it")
    twice = rows.index[rows.duplicated(["method", *DEFINITION, "source"])]
    if len(twice):
        refuse(twice[0], f"{rows['method'][twice[0]]} stands twice under one definition and source")
    for target in numeric:
        numbers = pd.to_numeric(rows[target].replace("", None), errors="coerce")
        wrong = rows.index[numbers.isna() & (rows[target].str.strip() != "")]
        if len(wrong):
            refuse(wrong[0], f"{target} is {rows[target][wrong[0]]!r}, expected a number")
        rows[target] = numbers
    return rows
