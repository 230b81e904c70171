"""Failures counted by separator and reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mss_bench.core.schema import CellCounts, Status, method_label
from mss_bench.report.selection import labels
from mss_bench.report.table import Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FailureGroup", "Failures", "group_failures"]


@dataclass(frozen=True)
class FailureGroup:
    """Cells of one separator that ended in the same way."""

    separator: str
    status: str
    reason: str  # its first line
    count: int  # cells: a track of a separator counts once
    tracks: list[str]
    scope: str  # groups and metrics concerned; empty where the separation itself failed
    log: str = ""  # traceback of the first of them, or what its process printed last


@dataclass(frozen=True)
class Failures:
    """Every failure and skip of a run, grouped; the largest groups first, skips last."""

    groups: list[FailureGroup]
    counts: CellCounts  # of the cells of all separators that are reported

    @property
    def banner(self) -> list[str]:
        """Return what every format says above its numbers, in sentences; nothing where the run is whole."""
        failed = (
            f"{self.counts.failed} of {self.counts.planned} cells failed. The floor's score, or the method's own worst "
            "where that is lower, stands in."
        )
        return [*filter(None, [self.counts.banner]), *([failed] if self.counts.failed else [])]

    @property
    def sentence(self) -> str:
        """Return how many cells failed, in words."""
        if not self.groups:
            return f"Failures: none in {self.counts.planned} cells."
        skipped = f", {self.counts.skipped} skipped" if self.counts.skipped else ""
        return f"Failures: {self.counts.failed} of {self.counts.planned} cells{skipped}."

    def table(self) -> Table:
        """Return the groups as a table."""
        return Table(
            "",
            ["separator", "status", "cells", "concerns", "reason"],
            [[[g.separator, g.status, g.count, g.scope or "separation", g.reason] for g in self.groups]],
        )


_CELL = ["dataset", "subset", "track", "separator", "params"]


def group_failures(
    tracks: pd.DataFrame,
    failures: pd.DataFrame | None = None,
    run: Mapping[str, Any] | None = None,
    separators: Collection[str] = (),
) -> Failures:
    """Group the cells that did not end well, and count all.

    Parameters
    ----------
    tracks : DataFrame
        The track table.
    failures : DataFrame, optional
        The failure table. Without it the rows of the track table that are not ok stand for it.
    run : mapping, optional
        The content of ``run.json``, which has the counts by separator, of cells without a row in the tables, too.
        Tables that were computed elsewhere are counted themselves.
    separators : collection of str
        Count the cells of these alone, named as in tables.
    """
    if separators:
        tracks = tracks[labels(tracks).isin(list(separators))]
        failures = None if failures is None else failures[labels(failures).isin(list(separators))]
    bad = tracks[tracks["status"] != Status.OK] if failures is None else failures
    # A cell that failed as a whole may have no row among the scores, so cells are counted from both tables.
    planned = {*_distinct(tracks, _CELL), *_distinct(bad, _CELL)}
    ends: dict[tuple[str, str, str], list[tuple[tuple[str, ...], str]]] = {}
    logs: dict[tuple[str, str, str], str] = {}
    by_status: dict[bool, set[tuple[str, ...]]] = {True: set(), False: set()}
    # Tables of scores, and those of failures of earlier versions, have no log.
    bad = bad if "log" in bad.columns else bad.assign(log="")
    for row in _distinct(bad, [*_CELL, "group", "metric", "status", "reason", "log"]):
        cell, (group, metric, status, reason, log) = row[: len(_CELL)], row[len(_CELL) :]
        first_line = next(iter(reason.strip().splitlines()), "")
        key = (method_label(cell[3], cell[4]), status, first_line)
        ends.setdefault(key, []).append((cell, f"{group} {metric}".strip()))
        logs[key] = logs.get(key) or log
        # A target that is left out with its reason makes no skipped cell.
        if status != Status.SKIPPED or failures is None or not (group or metric):
            by_status[status == Status.SKIPPED].add(cell)
    groups = []
    for (separator, status, reason), rows in ends.items():
        cells, scopes = dict.fromkeys(cell for cell, _ in rows), dict.fromkeys(scope for _, scope in rows)
        concerned = list(dict.fromkeys(cell[2] for cell in cells))
        scope = "" if "" in scopes else ", ".join(scopes)
        log = logs[separator, status, reason]
        groups.append(FailureGroup(separator, status, reason, len(cells), concerned, scope, log))
    groups.sort(key=lambda group: (group.status == Status.SKIPPED, -group.count, group.separator))
    failed, skipped = by_status[False], by_status[True] - by_status[False]
    counted = (run or {}).get("cells")
    if not isinstance(counted, dict):
        absent = (run or {}).get("missing", 0)  # of runs of earlier versions
        absent = absent or _absent(planned)
        n_done = len(planned - failed - skipped)
        return Failures(groups, CellCounts(len(planned) + absent, n_done, len(failed), len(skipped), absent))
    own = [counts for label, counts in counted.items() if not separators or label in separators]
    return Failures(groups, sum(map(CellCounts.read, own), CellCounts()))


def _absent(cells: Collection[tuple[str, ...]]) -> int:
    """Return how many cells are not there of what was imported: every method is expected on every song of its data."""
    methods: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    songs: dict[tuple[str, ...], set[str]] = {}
    for *place, song, separator, params in cells:
        methods.setdefault(tuple(place), set()).add((separator, params))
        songs.setdefault(tuple(place), set()).add(song)
    return sum(len(methods[place]) * len(own) for place, own in songs.items()) - len(cells)


def _distinct(table: pd.DataFrame, columns: list[str]) -> list[tuple[str, ...]]:
    rows = table[columns].drop_duplicates().astype("object")
    return [tuple(map(str, row)) for row in rows.where(rows.notna(), "").itertuples(index=False)]
