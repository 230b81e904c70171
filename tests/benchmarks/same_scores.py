"""Compare the score tables of two runs: rows, numbers, counts, flags, statuses and reasons.

::

    python tests/benchmarks/same_scores.py OLD_RUN NEW_RUN

says what a change of the code did to the numbers of a run: once before and once after, with the same command. The exit
status is 1 where the tables differ. Keys, costs and the order of rows do not count; columns that were renamed since are
listed in `RENAMED`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

TOLERANCE = 1e-9  # dB, or the unit of the quantity
CONDITION_TOLERANCE = 0.02  # relative: condition numbers are kept to three digits

RENAMED: dict[str, str] = {"method": "separator"}
"""Names that columns have today to names that they had before."""

IDENTITY = ("dataset", "subset", "track", "separator", "params", "group", "target", "metric", "preset", "frame")
NUMBERS = ("value", "mean", "time", "duration")
IGNORED = ("estimate_key", "score_key")
SHOWN = 5  # differing rows of a column that are printed


def read(run: Path, table: str) -> pd.DataFrame:
    """Read a table of a run with the names that its columns had before, indexed by what a row speaks of."""
    frame = pd.read_parquet(run / f"{table}.parquet").rename(columns=RENAMED)
    for name in frame.select_dtypes(["category", "string", "object"]):
        frame[name] = frame[name].astype(str)
    if "flags" in frame:
        frame["flags"] = [",".join(sorted(filter(None, flags.split(",")))) for flags in frame["flags"]]
    index = [name for name in IDENTITY if name in frame]
    if (repeated := frame.duplicated(index)).any():
        sys.exit(f"{run / table}: {repeated.sum()} rows of {', '.join(index)} are there twice")
    return frame.set_index(index).sort_index()


def differing(name: str, old: pd.Series, new: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows of a column differ; a missing number equals a missing one, infinity equals infinity."""
    if name in NUMBERS:
        same = np.isclose(old, new, rtol=0, atol=TOLERANCE, equal_nan=True)
    elif name == "condition":
        same = np.isclose(old, new, rtol=CONDITION_TOLERANCE, atol=0, equal_nan=True)
    else:
        same = (old == new).to_numpy()
    return np.asarray(~same)


def compare(table: str, old_run: Path, new_run: Path) -> list[str]:
    """Compare a table of two runs, print a summary and return the differences."""
    old, new = read(old_run, table), read(new_run, table)
    differences = []
    gone, added = old.index.difference(new.index), new.index.difference(old.index)
    for rows, what in ((gone, "only in the old run"), (added, "only in the new run")):
        if len(rows):
            examples = "; ".join(" ".join(map(str, row)) for row in rows[:SHOWN])
            differences.append(f"{table}: {len(rows)} rows are {what}: {examples}")
    if unknown := (set(old) ^ set(new)) - set(IGNORED):
        differences.append(f"{table}: columns of one run alone: {', '.join(sorted(unknown))}")
    common = old.index.intersection(new.index)
    old, new = old.loc[common], new.loc[common]
    largest = 0.0
    for name in [column for column in old if column in new and column not in IGNORED]:
        if name in NUMBERS:
            finite = np.isfinite(old[name]) & np.isfinite(new[name])
            largest = max(largest, float((old[name] - new[name])[finite].abs().max()) if finite.any() else 0.0)
        if (rows := differing(name, old[name], new[name])).any():
            examples = [
                f"    {' '.join(map(str, index))}: {before!r} became {after!r}"
                for index, before, after in zip(common[rows], old[name][rows], new[name][rows], strict=True)
            ]
            differences.append("\n".join([f"{table}: {name} differs in {rows.sum()} rows", *examples[:SHOWN]]))
    missing = int(old["value"].isna().sum())
    print(f"{table}: {len(common)} rows in both, {missing} without value; largest difference {largest:.1e}")
    return differences


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, metavar="OLD_RUN")
    parser.add_argument("new", type=Path, metavar="NEW_RUN")
    args = parser.parse_args()
    differences = [line for table in ("tracks", "frames") for line in compare(table, args.old, args.new)]
    print("\n".join(differences) or "same scores")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
