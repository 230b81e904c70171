"""What a reader must know beside the numbers of a table, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mss_bench.report.layout import Row

__all__ = ["notes"]

_TOLD = {"failed", "imputed", "no_value", "no_floor"}  # flags that the tables show otherwise


def notes(rows: Sequence[Row], records: Sequence[Mapping[str, Any]], targets: Sequence[str]) -> list[str]:
    """Footnotes of a block: leakage, stand-ins, infinite values, flags, tracks left out.

    Parameters
    ----------
    rows : sequence of Row
    records : sequence of mapping
        The rows of the aggregated table that they were made of.
    targets : sequence of str
    """
    found: list[str] = []
    for row in rows:
        if row.leaks:
            found.append(
                f"§ {row.method}: trained on {', '.join(row.leaks)}, which is evaluated here; its numbers compare with"
                " no other's, and it takes no first place."
            )
        stood_in = {t: c for t, c in row.cells.items() if c.n_imputed}
        if stood_in:
            worst = max(stood_in.values(), key=lambda c: c.n_imputed)
            where = "" if len(stood_in) == len(row.cells) else f" ({', '.join(stood_in)})"
            counts = f"{worst.n_imputed} of {worst.n_tracks} tracks{where}"
            found.append(f"* {row.method}: the floor (or its own worst where that is worse) stands in on {counts}.")
        infinite = {t: c.n_inf for t, c in row.cells.items() if c.n_inf}
        if infinite:
            where = ", ".join(f"{t} {n}" for t, n in infinite.items())
            found.append(f"† {row.method}: infinite on single tracks ({where}).")
        kinds = sorted({f.strip().partition(":")[0] for f in row.flags.split(",")} - _TOLD - {""})
        if kinds:
            found.append(f"‡ {row.method}: {', '.join(kinds)} on some tracks (see flags in the track table).")
        if all(math.isnan(c.value) for c in row.cells.values()):
            found.append(f"{row.method}: no value on any track.")
    for target in targets:
        of_target = [r for r in records if r["target"] == target]
        left_out = max(r["n_left_out"] for r in of_target)
        if left_out:
            total = left_out + max(r["n_tracks"] for r in of_target)
            found.append(
                f"{target}: {left_out} of {total} tracks left out for all methods, undefined there (a silent reference)"
                " or without a floor."
            )
    if all("no_floor" in str(r["flags"]).split(",") for r in records):
        found.append("No floor (mixture) in this table: no improvements, and only tracks that every method has count.")
    return found
