"""One row of several runs: a method under several seeds, or several checkpoints of a model.

A song's value is the mean over the replicates, and counts like any other in tables and tests; what they cost adds up.
Where one of them fails or has no value the song has none: a draw that goes wrong must not improve the mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from mss_bench.core.schema import COST_COLUMNS, Status
from mss_bench.running.record import place_of
from mss_bench.running.store import Cell, Record

__all__ = ["joined_costs", "joined_rows", "mean_cell", "together"]

_SUMMED = [name for name in COST_COLUMNS if name.endswith("_seconds")]
_LARGEST = [name for name in COST_COLUMNS if name.endswith("_mb")]


def together(cells: Iterable[Record]) -> list[list[Record]]:
    """Return the cells of a record, the replicates of a method on a song in one list, in their order."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for cell in cells:
        groups.setdefault(place_of(cell)[:-1], []).append(cell)
    return [sorted(group, key=lambda cell: int(cell.get("replicate", 1))) for group in groups.values()]


def joined_rows(replicates: Sequence[list[Record]]) -> list[Record]:
    """Join the rows of the track table; a row that some replicate lacks is left out, as it is not computed yet."""
    if len(replicates) == 1:
        return [row | {"replicates": ""} for row in replicates[0]]
    names = ("group", "target", "metric", "preset")
    tables = [{tuple(row[name] for name in names): row for row in rows} for rows in replicates]
    return [_joined([table[key] for table in tables]) for key in tables[0] if all(key in table for table in tables)]


def _joined(rows: Sequence[Record]) -> Record:
    """Join the rows of one number."""
    values = np.array([row["value"] for row in rows], dtype=float)
    bad = next((k for k, row in enumerate(rows) if row["status"] != Status.OK or row["reason"]), None)
    out = dict(rows[0 if bad is None else bad])
    if bad is not None:
        alike = len({row["reason"] for row in rows}) == 1
        out["reason"] = out["reason"] if alike else f"replicate {bad + 1}: {out['reason']}"
    with np.errstate(invalid="ignore"):  # infinities of both signs have no mean
        mean = float(values.mean())
        out |= {"value": mean, "mean": float(np.mean([row["mean"] for row in rows])) if not np.isnan(mean) else np.nan}
    flags = dict.fromkeys(flag for row in rows for flag in row["flags"].split(",") if flag)
    return out | {
        "flags": ",".join(flags), "n_valid": min(row["n_valid"] for row in rows),
        "n_inf": max(row["n_inf"] for row in rows), "replicates": " ".join(map(repr, values.tolist())),
    }  # fmt: skip


def joined_costs(rows: Sequence[Record]) -> list[Record]:
    """Join the rows of the cost table: times add up, that of the audio too, so that their ratio is that of each."""
    if len(rows) < 2:
        return list(rows)
    out = dict(rows[0])
    for names, over in ((_SUMMED, sum), (_LARGEST, max)):
        out |= {name: over(row[name] for row in rows) for name in names if all(name in row for row in rows)}
    if out.get("separate_seconds"):
        out["realtime_factor"] = out.get("audio_seconds", np.nan) / out["separate_seconds"]
    return [out]


def mean_cell(replicates: Sequence[tuple[Record, Cell]]) -> Cell:
    """Return the first of several cells with the mean of all in each frame, for scores that all of them have."""
    planned, first = replicates[0]
    if len(replicates) == 1:
        return first
    scores = {}
    for wanted in planned["scores"]:
        # The keys of the others are of other estimates: their scores stand at the same place of the plan.
        sets = [
            cell.scores.get(entry["key"])
            for own, cell in replicates
            for entry in own["scores"]
            if _place(entry) == _place(wanted)
        ]
        if len(sets) == len(replicates) and all(found is not None and found.status == Status.OK for found in sets):
            rows = [{(row.target, row.quantity): row for row in found.rows} for found in sets if found is not None]
            scores[wanted["key"]] = replace(
                first.scores[wanted["key"]],
                rows=[
                    replace(row, values=np.mean([table[name].values for table in rows], axis=0))
                    for name, row in rows[0].items()
                    if all(name in table and table[name].n_frames == row.n_frames for table in rows)
                ],
            )
    return replace(first, scores=scores)


def _place(score: Record) -> tuple[str, str, str]:
    return score["group"], score["metric"], score["preset"]
