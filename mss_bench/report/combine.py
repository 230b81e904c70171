"""The tables of several runs as those of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.schema import CellCounts, Status, method_label
from mss_bench.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunTables", "combine"]

_WHERE = ["dataset", "subset", "track", "separator", "params"]
_CELL = [*_WHERE, "group", "target", "metric", "preset"]


@dataclass(frozen=True)
class RunTables:
    """The tables of a run and its ``run.json``."""

    name: str  # of the run, for messages
    tracks: pd.DataFrame
    failures: pd.DataFrame
    costs: pd.DataFrame
    run: Mapping[str, Any]
    # How its cells stand, by method, then by subset and song; absent where the tables were not made of cells.
    ends: Callable[[], Mapping[str, Mapping[tuple[str, str], CellCounts]]] | None = None


def combine(runs: Sequence[RunTables]) -> RunTables:
    """Join the tables of several runs over the same data.

    What several runs have (the floor, all of them) is taken from the first, where the scores agree.

    Parameters
    ----------
    runs : sequence of RunTables

    Returns
    -------
    RunTables
        ``run`` is the first run's, with the separators, quantities and commands of all, how the cells of each separator
        stand, and ``combined``, the runs' names.

    Raises
    ------
    RunError
        The data sets, their tracks or audio, or the versions of a metric differ; or a method has other scores in
        one run than in another.
    """
    import pandas as pd

    first = runs[0]
    if len(runs) == 1:
        return first
    for i, each in enumerate(runs):
        _same_data(first, each)
        for earlier in runs[:i]:
            _same_metrics(earlier, each)
            _same_scores(earlier, each)

    def joined(tables: Sequence[pd.DataFrame], key: Sequence[str]) -> pd.DataFrame:
        filled = [table for table in tables if len(table)] or list(tables[:1])
        return pd.concat(filled, ignore_index=True).drop_duplicates(key, ignore_index=True)

    tracks = pd.concat([each.tracks for each in runs], ignore_index=True)
    tracks = tracks.sort_values("status", key=lambda s: s != Status.OK, kind="stable")  # a score before a failure
    info = dict(first.run) | {"combined": [each.name for each in runs]}
    for part in ("separators", "quantities", "commands"):
        entries = [entry for each in runs for entry in each.run.get(part, _alone(each.run, part))]
        info[part] = list({json.dumps(entry, sort_keys=True): entry for entry in entries}.values())
    info |= {"cells": _ends(runs)} if all("cells" in each.run for each in runs) else {}
    return RunTables(
        " + ".join(each.name for each in runs),
        tracks.drop_duplicates(_CELL).sort_index().reset_index(drop=True),
        joined([each.failures for each in runs], [*_WHERE, "group", "metric", "status", "reason"]),
        joined([each.costs for each in runs], _WHERE),
        info,
    )


def _alone(run: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    """Return what stands for a part of ``run.json`` that an imported run lacks: its one command."""
    return [{"command": run["command"]}] if part == "commands" and run.get("command") else []


def _ends(runs: Sequence[RunTables]) -> dict[str, dict[str, int]]:
    """Return how the cells of each separator stand; of one that several runs have, the best end of each song counts."""
    ends: dict[str, CellCounts] = {}
    shared: set[str] = set()
    for label, stored in (item for each in runs for item in each.run["cells"].items()):
        counts = CellCounts.read(stored)
        shared |= {label} if label in ends else set()
        ends[label] = max(ends.get(label, counts), counts, key=lambda c: c.done)
    unfinished = {label for label in shared if not ends[label].whole}
    songs: dict[str, dict[tuple[str, str], CellCounts]] = {label: {} for label in unfinished}
    for each in runs if unfinished else ():
        for label, own in (each.ends() if each.ends else {}).items():
            for song, counts in own.items() if label in songs else ():
                best = songs[label].get(song, counts)
                songs[label][song] = max(best, counts, key=lambda c: (c.done, c.skipped, c.failed))
    ends |= {label: sum(own.values(), CellCounts()) for label, own in songs.items() if own}
    return {label: counts.to_dict() for label, counts in ends.items()}


def _same_data(first: RunTables, other: RunTables) -> None:
    """Refuse a run over other data than the first."""
    one, two = (dict(each.run.get("dataset") or {}) for each in (first, other))
    for key, what in (("name", "data set"), ("fingerprint", "tracks or audio")):
        if one.get(key) != two.get(key):
            names = f": {one.get(key)!r} and {two.get(key)!r}" if key == "name" else ""
            raise RunError(
                f"{first.name} and {other.name} are of different {what}{names}; they cannot be "
                "combined into one table: run all methods over the same tracks, or report each run by itself"
            )
    places = [
        set(map(tuple, each.tracks[["dataset", "subset"]].drop_duplicates().to_numpy())) for each in (first, other)
    ]
    if places[0] != places[1] and all(places):
        raise RunError(
            f"{first.name} has scores of {_listed(places[0])}, {other.name} of {_listed(places[1])}; expected the same"
        )


def _listed(places: set[tuple[Any, ...]]) -> str:
    return ", ".join(sorted("/".join(map(str, place)) for place in places))


def _same_metrics(one: RunTables, other: RunTables) -> None:
    """Refuse metrics that were computed by different versions."""
    versions = {(q["name"], q.get("preset")): q.get("version") for q in one.run.get("quantities", [])}
    for entry in other.run.get("quantities", []):
        here, there = entry.get("version"), versions.get((entry["name"], entry.get("preset")), entry.get("version"))
        if here != there:
            raise RunError(
                f"{entry['name']} ({entry.get('preset')}) is of version {there} in {one.name} and of version {here} in "
                f"{other.name}; score both with the same version"
            )


def _same_scores(one: RunTables, other: RunTables) -> None:
    """Refuse two methods of one name: their scores differ."""
    both = one.tracks.merge(other.tracks, on=_CELL, suffixes=("", "_other"))
    both = both[(both["status"] == Status.OK) & (both["status_other"] == Status.OK)]
    values = both[["value", "value_other"]].to_numpy(dtype=np.float64)
    differ = ~np.isclose(values[:, 0], values[:, 1], rtol=1e-9, atol=1e-9, equal_nan=True)
    if differ.any():
        separator, params = both.loc[differ, ["separator", "params"]].fillna("").iloc[0]
        raise RunError(
            f"{method_label(separator, params)} has other scores in {other.name} than in {one.name} (version, seed or"
            f" audio differ); rename one with {separator}:as=NAME, or report each run by itself"
        )
