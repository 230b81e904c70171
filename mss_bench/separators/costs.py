"""How long the built-in separators take, as measured: ``reports/demo/make.py`` writes ``costs.csv``."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["COSTS", "separation_costs"]

COSTS = Path(__file__).with_name("costs.csv")


def separation_costs() -> dict[str, float]:
    """Return seconds for a second of audio by one thread, by separator with its default parameters."""
    with COSTS.open(encoding="utf-8", newline="") as file:
        return {row["separator"]: float(row["seconds"]) for row in csv.DictReader(file)}
