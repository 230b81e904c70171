"""Time and memory by method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.schema import method_label
from mss_bench.report.facts import measured_on
from mss_bench.report.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cost_table", "speeds"]


def speeds(costs: pd.DataFrame) -> dict[str, float]:
    """Return seconds of separation per second of audio, the median over tracks; NaN of what only reads files."""
    times: dict[str, float] = {}
    for (separator, params), part in costs.groupby(["separator", "params"], sort=False):
        ratio = (part["separate_seconds"] / part["audio_seconds"]).to_numpy(dtype=np.float64)
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        times[method_label(str(separator), str(params))] = float(np.median(ratio)) if ratio.size else math.nan
    return times


def cost_table(costs: pd.DataFrame | None, run: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> Table:
    """Return time and memory by method, the fastest first, with a note of what they were measured on."""
    rows: list[tuple[str, float, float, float, str]] = []
    if costs is not None and len(costs):
        separation = speeds(costs)
        for (separator, params), part in costs.groupby(["separator", "params"], sort=False):
            name = method_label(str(separator), str(params))
            scoring = float((part["score_seconds"] / part["audio_seconds"]).median())
            devices = ", ".join(sorted({str(device) for device in part["device"].dropna() if device}))
            devices = devices or ("–" if math.isnan(separation[name]) else "cpu")  # which few have a choice of
            rows.append((name, separation[name], scoring, float(part["peak_memory_mb"].max()), devices))
    rows.sort(key=lambda row: (math.isnan(row[1]), row[1]))
    columns = [
        Column("separation", unit="s/s", digits=4), Column("scoring", unit="s/s", digits=4),
        Column("memory", unit="MB", digits=0), Column("device"),
    ]  # fmt: skip
    return Table(
        "", ["separator", *columns], [rows],
        [
            "Seconds per second of audio, the median over songs; memory at its peak while separating, of the process "
            "and all it started. A dash: no pass of this run separated, as where finished estimates were read.",
            f"Measured on {measured_on(run, costs)}.",
        ],
        labels=labels,
    )  # fmt: skip
