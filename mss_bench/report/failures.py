"""Failures counted by method and reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mss_bench.core.schema import Status
from mss_bench.report.table import Table
from mss_bench.stats.aggregate import method_label

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FailureGroup", "Failures", "group_failures"]


@dataclass(frozen=True)
class FailureGroup:
    """Cells of one method that ended in the same way."""

    method: str
    status: str
    reason: str  # its first line
    count: int  # cells: a track of a method counts once
    tracks: list[str]
    scope: str  # groups and metrics concerned; empty where the separation itself failed


@dataclass(frozen=True)
class Failures:
    """Every failure and skip of a run, grouped; the largest groups first, skips last."""

    groups: list[FailureGroup]
    n_cells: int  # methods times tracks, as planned
    n_failed: int  # cells with a failure in any part
    n_skipped: int  # cells that were skipped and did not fail

    @property
    def sentence(self) -> str:
        """Return how many cells failed, in words."""
        if not self.groups:
            return f"Failures: none in {self.n_cells} cells."
        skipped = f", {self.n_skipped} skipped" if self.n_skipped else ""
        return f"Failures: {self.n_failed} of {self.n_cells} cells{skipped}."

    def table(self) -> Table:
        """Return the groups as a table."""
        return Table(
            "",
            ["method", "status", "cells", "concerns", "reason"],
            [[[g.method, g.status, g.count, g.scope or "separation", g.reason] for g in self.groups]],
        )


def group_failures(tracks: pd.DataFrame, failures: pd.DataFrame | None = None) -> Failures:
    """Count the cells that did not end well.

    Parameters
    ----------
    tracks : DataFrame
        The track table, which says how many cells there are.
    failures : DataFrame, optional
        The failure table. Without it the rows of the track table that are not ok stand for it.

    Returns
    -------
    Failures
    """
    cell = ["dataset", "subset", "track", "separator", "params"]
    bad = tracks[~tracks["status"].isin([Status.OK])] if failures is None else failures
    bad = bad.astype({c: "object" for c in bad.columns if bad[c].dtype != "float64"})
    bad = bad.where(bad.notna(), "")
    planned = {_key(record, cell) for table in (tracks, bad) for record in _distinct(table, cell)}
    by_group: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for record in _distinct(bad, [*cell, "group", "metric", "status", "reason"]):
        method = method_label(record["separator"], record["params"])
        reason = next(iter(record["reason"].strip().splitlines()), "")
        by_group.setdefault((method, record["status"], reason), []).append(record)
    groups = [_group(key, records, cell) for key, records in by_group.items()]
    groups.sort(key=lambda g: (g.status == Status.SKIPPED, -g.count, g.method))
    skipped = {_key(r, cell) for rs in by_group.values() for r in rs if r["status"] == Status.SKIPPED}
    failed = {_key(r, cell) for rs in by_group.values() for r in rs if r["status"] != Status.SKIPPED}
    return Failures(groups, len(planned), len(failed), len(skipped - failed))


def _distinct(table: pd.DataFrame, columns: list[str]) -> list[dict[str, str]]:
    distinct = table[columns].drop_duplicates().astype("object")
    records = distinct.where(distinct.notna(), "").to_dict("records")
    return [{str(k): str(v) for k, v in record.items()} for record in records]


def _key(record: dict[str, str], cell: list[str]) -> tuple[str, ...]:
    return tuple(record[c] for c in cell)


def _group(key: tuple[str, str, str], records: list[dict[str, str]], cell: list[str]) -> FailureGroup:
    method, status, reason = key
    scopes = {" ".join(filter(None, (r["group"], r["metric"]))): 0 for r in records}
    return FailureGroup(
        method=method,
        status=status,
        reason=reason,
        count=len({_key(r, cell) for r in records}),
        tracks=list(dict.fromkeys(r["track"] for r in records)),
        scope="" if "" in scopes else ", ".join(scopes),
    )
