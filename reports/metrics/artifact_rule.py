"""Check that each measure of an artifact reacts to its own fault five times as strongly as to any other.

The stems are not those on which the measures were made: songs of the built-in test split from the third on, all four
stems.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mss_bench.metrics.perceptual.artifacts import Artifacts
from mss_bench.metrics.perceptual.degradations import LADDERS
from reports.metrics.reactions import scenes

__all__ = ["LEAST", "OWN_FAULT", "Case", "check_rule", "read_cases", "write_cases"]

OWN_FAULT = {
    "LKR": "musical_noise",
    "Smearing": "smear",
    "HF-loss": "low_pass",
    "ILD-error": "pan",
    "ITD-error": "channel_delay",
    "Phase-error": "phase",
}
"""The ladder that each quantity of the metric ``artifacts`` is for."""

LEAST = 5.0
_PASSED_OVER = 2  # on these songs the measures were made


@dataclass(frozen=True)
class Case:
    """A measure of artifacts on a stem.

    Parameters
    ----------
    song, stem, quantity : str
    own : float
        At the strongest step of its own ladder; NaN where the measure has no value.
    other : float
        The greatest at the strongest step of any other ladder.
    ladder : str
        Which that is.
    """

    song: str
    stem: str
    quantity: str
    own: float
    other: float
    ladder: str

    @property
    def ratio(self) -> float:
        """Return how many times as strongly the measure reacts to its own fault as to any other."""
        return self.own / self.other if self.other > 0 else math.inf if self.own > 0 else math.nan

    @property
    def holds(self) -> bool:
        """Return whether that is five times at least."""
        return self.ratio >= LEAST


def check_rule(songs: int = 3) -> list[Case]:
    """Measure every case on so many songs of the test split, from the third on."""
    cases = []
    for scene in scenes(songs, first=_PASSED_OVER, pause=False):
        state = Artifacts().prepare(scene.track, scene.group)
        mixture = np.sum([*scene.references.values()], axis=0)
        print(f"artifact measures on {scene.name}")
        for stem, target in scene.references.items():
            by_quantity: dict[str, dict[str, float]] = {}
            for name, ladder in LADDERS.items():
                spoilt = ladder.apply(target, ladder.levels[-1], scene.sample_rate, others=mixture - target, seed=1)
                for score in Artifacts().score(state, {stem: spoilt.astype(np.float32)}):
                    by_quantity.setdefault(score.quantity, {})[name] = score.value
            cases += [_case(scene.name, stem, quantity, values) for quantity, values in by_quantity.items()]
    return cases


def _case(song: str, stem: str, quantity: str, values: dict[str, float]) -> Case:
    own = OWN_FAULT[quantity]
    others = {name: value for name, value in values.items() if name != own and not math.isnan(value)}
    worst = max(others, key=others.__getitem__, default="")
    return Case(song, stem, quantity, values[own], others.get(worst, math.nan), worst)


_COLUMNS = ("song", "stem", "quantity", "own", "other", "ladder")


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """Write a table with one row a case."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows([c.song, c.stem, c.quantity, f"{c.own:.4g}", f"{c.other:.4g}", c.ladder] for c in cases)


def read_cases(path: Path) -> list[Case]:
    """Read cases that `write_cases` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Case(row["song"], row["stem"], row["quantity"], float(row["own"]), float(row["other"]), row["ladder"])
            for row in csv.DictReader(file)
        ]
