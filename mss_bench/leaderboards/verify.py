"""Check that a board is what it says: every number is derived again from the per-track rows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import Status
from mss_bench.errors import MssBenchError
from mss_bench.leaderboards.board import (
    REPLICATES,
    Board,
    Entry,
    aggregates,
    entry_names,
    file_stem,
    infinite,
    read_entry,
)  # fmt: skip

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["agreeing", "checked_entries", "compare_with_run", "verify_board"]

_TOLERANCE = 1e-6
_ROUNDING = 100.0  # dB: of a ratio beyond it the smaller part is rounding error, which differs between processors


def verify_board(board: Board) -> list[str]:
    """Return what is wrong with a board.

    Parameters
    ----------
    board : Board

    Returns
    -------
    list of str
        Sentences that name the entry and the place; empty where all is right: files there and unchanged, no
        score twice, none infinite, aggregates as derived, one revision of the data set, no method twice. What an
        entry lacks is no fault: it stands apart.
    """
    if board.kind == "literature":
        from mss_bench.leaderboards.literature import read_rows

        try:
            read_rows(board)
        except MssBenchError as error:
            return [str(error)]
        return []
    return checked_entries(board)[1]


def checked_entries(board: Board) -> tuple[list[Entry], list[str]]:
    """Return the entries of a board of scores that can be read, and what is wrong, as `verify_board` says it."""
    entries: list[Entry] = []
    problems: list[str] = []
    seen: dict[str, str] = {}
    for name in entry_names(board):
        try:
            entry = read_entry(board, name)
        except MssBenchError as error:
            problems.append(str(error))
            continue
        if entry.method in seen:
            problems.append(f"{name}: the method {entry.method!r} stands also in {seen[entry.method]}")
        seen[entry.method] = name
        problems += [f"{name}: {problem}" for problem in _entry_problems(board, name, entry)]
        entries.append(entry)
    if not problems:
        from mss_bench.leaderboards.history import read_history

        try:
            read_history(board)
        except MssBenchError as error:
            problems.append(str(error))
    return entries, problems


def _entry_problems(board: Board, name: str, entry: Entry) -> Iterator[str]:
    content = (board.folder / "entries" / f"{name}.csv").read_bytes()
    if name != file_stem(entry.method):
        yield f"holds the method {entry.method!r}, whose files are to be called {file_stem(entry.method)}"
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        yield "the table was changed: its checksum is not the one that the entry names"
    yield from _row_problems(board, entry)
    revision = entry.provenance.get("revision_of_data", board.revision)
    if board.revision and revision != board.revision:
        yield f"was made from another revision of the data, {revision}; the board's is {board.revision}"
    preset = entry.provenance.get("preset", board.preset)
    if preset != board.preset:
        yield f"its metrics are defined as {preset!r}, the board's as {board.preset!r}"
    try:
        derived = aggregates(board, entry.table)
    except MssBenchError as error:
        yield str(error)
        return
    for target in sorted({*derived, *entry.aggregates}):
        values, named = derived.get(target, {}), entry.aggregates.get(target, {})
        for metric in sorted({*values, *named}):
            if not _same(values.get(metric), named.get(metric)):
                yield (
                    f"{target} {metric}: the entry says {named.get(metric)}, its tracks give {values.get(metric)} "
                    f"({board.aggregation})"
                )


def _row_problems(board: Board, entry: Entry) -> Iterator[str]:
    table = entry.table
    twice = table.duplicated(["track", "group", "target", "metric"])
    for row in _first(table, twice):
        yield f"{row.track}, {row.target}, {row.metric} stands twice"
    unknown = sorted({*table["track"].unique()} - {*board.tracks})
    if unknown:
        yield f"has tracks that are not the board's: {', '.join(unknown[:3])}"
    for column, allowed in (("target", board.targets), ("metric", board.metrics), ("status", tuple(Status))):
        strange = sorted({*table[column].unique()} - {*allowed})
        if strange:
            yield f"{column} is {strange[0]!r}, expected {', '.join(allowed)}"
    if (endless := infinite(entry)) is not None:
        yield endless
    without = table["value"].isna() & (table["status"] == str(Status.OK)) & (table["n_valid"] > 0)
    for row in _first(table, without):
        yield f"{row.track}, {row.target}, {row.metric} has {row.n_valid} valid frames and no value"
    counts, of = table[["n_valid", "n_inf"]], table["n_frames"]
    impossible = (counts < 0).any(axis=1) | counts.gt(of, axis=0).any(axis=1)
    for row in _first(table, impossible):
        told = f"{row.n_valid} valid and {row.n_inf} infinite of {row.n_frames} frames"
        yield f"{row.track}, {row.target}, {row.metric} has {told}, which cannot be"
    repeated = table[table[REPLICATES] != ""]
    means = [_over_seeds(text, None, math.nan) for text in repeated[REPLICATES]]
    wrong = ~np.isclose(means, repeated["value"].to_numpy(), rtol=0, atol=_TOLERANCE, equal_nan=True)
    for row in _first(repeated, wrong):
        yield f"{row.track}, {row.target}, {row.metric}: {row.value} is not the mean of its replicates {row.replicates}"


def _first(table: pd.DataFrame, where: pd.Series[bool] | NDArray[np.bool_]) -> Iterator[Any]:
    """Yield the first rows of some, at most three."""
    if where.any():
        yield from table[where].head(3).itertuples()


def _over_seeds(replicates: str, count: int | None, value: float) -> float:
    """Return the mean of the first `count` replicates, or of all; `value` where there are none."""
    drawn = [float(each) for each in replicates.split()][:count]
    return float(np.mean(drawn)) if drawn else value


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return a == b or (math.isfinite(a) and math.isfinite(b) and abs(a - b) <= _TOLERANCE)


def compare_with_run(board: Board, tracks: pd.DataFrame, run: Mapping[str, Any], tolerance: float = 1e-2) -> list[str]:
    """Compare a run's scores with the entries that were made of runs.

    Of a method that ran under several seeds, here or there, the first ones, which both have, are compared: a run of one
    seed with that seed of an entry.

    Parameters
    ----------
    board : Board
    tracks : DataFrame
        The run's track table.
    run : mapping
        Its ``run.json``.
    tolerance : float
        Greatest difference of a track's value, in the metric's unit. On another processor sums are rounded otherwise:
        that moves iterative methods by up to 0.002 dB. Values that are both above 100 agree.

    Returns
    -------
    list of str
        Entries that the run lacks, and those that differ, with the greatest difference.
    """
    from mss_bench.leaderboards.add import entries_of_run

    made = {entry.method: entry for entry in entries_of_run(board, tracks, run)}
    problems = []
    for name in entry_names(board):
        entry = read_entry(board, name)
        if entry.origin != "run":
            continue
        if entry.method not in made:
            problems.append(f"{name}: the run has no {entry.method!r}")
            continue
        keys = ["track", "target", "metric"]
        both = entry.table.merge(made[entry.method].table, on=keys, suffixes=("", "_now"), how="outer")
        was, now = _of_common_seeds(both)
        same = agreeing(was, now, tolerance)
        if not same.all():
            worst = both.assign(value=was, value_now=now).loc[~same].iloc[0]
            problems.append(
                f"{name}: {int((~same).sum())} of {len(both)} values differ from the run's, e.g. {worst['track']}, "
                f"{worst['target']} {worst['metric']}: {worst['value']} and {worst['value_now']}"
            )
    return problems


def agreeing(was: Floats, now: Floats, tolerance: float) -> NDArray[np.bool_]:
    """Return which values are the same within a tolerance, or say alike that there is nothing left to measure."""
    same = (was == now) | (np.isnan(was) & np.isnan(now)) | (np.abs(was - now) <= tolerance)
    return np.asarray(same | ((was > _ROUNDING) & (now > _ROUNDING)))


def _of_common_seeds(both: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the values of an entry and a run, merged in one table, each over the replicates that both have."""
    texts = [both[f"{REPLICATES}{side}"].fillna("") for side in ("", "_now")]
    counts = [max(1, min(len(text.split()) for text in row)) for row in zip(*texts, strict=True)]
    was, now = (
        np.array([_over_seeds(*row) for row in zip(text, counts, both[name], strict=True)], dtype=float)
        for text, name in zip(texts, ("value", "value_now"), strict=True)
    )
    return was, now
