"""How long scores hold: quality against the strength of what happens to the mixture.

Every method is scored on the same songs clean and under perturbations of growing strength (*steps*). The steps of a
perturbation are drawn and averaged at equal distances, because kbit/s, LUFS and seconds have no common scale.

=============  =======================================================================================================
change         typical difference to the clean songs (Hodges and Lehmann's, paired by song), with its interval
area           mean quality over the ladder: the area under the curve from the clean songs to the last step
               (trapezoids), divided by its length
loss           typical difference of a song's clean score and its area, with its interval
breaks at      the mildest step from which on the method keeps less than half (`KEPT`) of the gain over the floor that
               it had on the clean songs; the floor is scored under the same perturbation. Only of methods whose clean
               gain is more than chance: its interval lies above zero, or of too few songs it is `least_gain` or more
dips at        the mildest step at which it keeps less than that, and more again at a later one
rank           among the methods (no oracles, nothing that attempts no separation), with the interval of
               `mss_bench.stats.ranking.ranks`; a rank has changed where the intervals do not overlap
=============  =======================================================================================================

Intervals are of songs of the same kind and need six; ranks need three songs and two methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import FLOOR, does_nothing
from mss_bench.errors import RunError
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.ranking import ranks
from mss_bench.stats.resample import parts_of, statistic_of
from mss_bench.stats.signed_rank import FEWEST, hodges_lehmann

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KEPT", "Robustness", "robustness"]

KEPT = 0.5
"""Part of the gain over the floor below which a method counts as broken."""

_DRAWS = 2000  # of ranks, for each step


@dataclass(frozen=True)
class Robustness:
    """What `robustness` finds.

    Attributes
    ----------
    points : DataFrame
        A row a perturbation, step and method: ``perturbation``, ``strength``, ``step`` (0 is clean), ``separator``,
        ``value``, ``change``, ``change_low``, ``change_high``, ``gain``, ``rank``, ``rank_low``, ``rank_high``.
    curves : DataFrame
        A row a perturbation and method: ``clean``, ``clean_gain`` over the floor with ``clean_gain_low`` and
        ``clean_gain_high``, ``gains`` (whether that is more than chance), ``area``, ``loss``, ``loss_low``,
        ``loss_high``, ``breaks_at``, ``dips_at``, ``rank_change`` (where it is greatest; positive where the method
        falls) and ``rank_changed``, whether the intervals of the two ranks do not overlap.
    clean : ScoreMatrix
        The songs and methods that all steps have, clean.
    left_out : list of str
        Methods that some step lacks.
    seeds : mapping of str to int
        Of methods that start at random, how many seeds their scores are the mean of.
    """

    points: pd.DataFrame
    curves: pd.DataFrame
    clean: ScoreMatrix
    left_out: list[str]
    seeds: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_tracks(self) -> int:
        """Return the number of songs that every step has."""
        return len(self.clean.values)


def robustness(
    clean: ScoreMatrix, ladders: Mapping[str, Sequence[tuple[str, ScoreMatrix]]], least_gain: float = 0.0
) -> Robustness:
    """Compare scores under perturbations of growing strength with the clean ones.

    Parameters
    ----------
    clean : ScoreMatrix
    ladders : mapping of str to sequence of (str, ScoreMatrix)
        Perturbation to its steps from the mildest to the most severe, each with its strength in words.
    least_gain : float
        Gain over the floor on the clean songs that a method can lose, where songs are too few for an interval.

    Raises
    ------
    RunError
        The runs have no song or no method in common.
    """
    import pandas as pd

    steps = [matrix for ladder in ladders.values() for _, matrix in ladder]
    everyone = [str(name) for name in clean.values.columns]
    methods = [name for name in everyone if all(name in matrix.values.columns for matrix in steps)]
    tracks = [name for name in clean.values.index if all(name in matrix.values.index for matrix in steps)]
    if not tracks or not methods or not steps:
        raise RunError(
            f"the runs have {len(tracks)} songs and {len(methods)} methods in common; expected the same songs and "
            "methods in the clean run and in each perturbed one"
        )
    clean = _restricted(clean, tracks, methods)
    ranked = [name for name in methods if name not in clean.oracles and not does_nothing(name)]
    start = _points(clean, clean, ranked)
    clean_gains = _clean_gains(clean, least_gain)
    points: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for name, ladder in ladders.items():
        matrices = [clean, *(_restricted(matrix, tracks, methods) for _, matrix in ladder)]
        strengths = ["clean", *(strength for strength, _ in ladder)]
        by_step = [start, *(_points(clean, matrix, ranked) for matrix in matrices[1:])]
        for step, (strength, table) in enumerate(zip(strengths, by_step, strict=True)):
            named = {"perturbation": name, "strength": strength, "step": step}
            points += [named | {"separator": method} | own for method, own in table.items()]
        loss = _loss(matrices)
        for i, method in enumerate(methods):
            own = [table[method] for table in by_step]
            gained = clean_gains[method]
            curves.append({"perturbation": name, "separator": method} | gained | _curve(own, strengths, gained) | {
                column: float(loss[k, i]) for k, column in enumerate(("loss", "loss_low", "loss_high"))
            })  # fmt: skip
    lost = [name for name in everyone if name not in methods]
    return Robustness(pd.DataFrame(points), pd.DataFrame(curves), clean, lost)


def _restricted(matrix: ScoreMatrix, tracks: Sequence[str], methods: Sequence[str]) -> ScoreMatrix:
    own = matrix.without([name for name in matrix.values.columns if name not in methods])
    values, *parts = (table.loc[list(tracks)][list(methods)] for table in (own.values, *own.parts))
    return replace(own, values=values, parts=tuple(parts))


def _clean_gains(clean: ScoreMatrix, least: float) -> dict[str, dict[str, Any]]:
    """Return the gain over the floor that each method has on the clean songs, and whether it is more than chance."""
    own = _points(clean, clean, [])
    values = clean.values if clean.higher_is_better else -clean.values
    paired = _typical((values.sub(values[FLOOR], axis=0) if FLOOR in values else values * np.nan).to_numpy(np.float64))
    found = {}
    for i, (method, point) in enumerate(own.items()):
        low, high = float(paired[1, i]), float(paired[2, i])
        enough = point["gain"] >= least if np.isnan(low) else low > 0
        found[method] = {
            "clean": point["value"], "clean_gain": point["gain"], "clean_gain_low": low, "clean_gain_high": high,
            "gains": bool(point["gain"] > 0 and enough),
        }  # fmt: skip
    return found


def _points(clean: ScoreMatrix, matrix: ScoreMatrix, ranked: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the numbers of a step, by method."""
    values = matrix.values.to_numpy(dtype=np.float64)
    middle = statistic_of(parts_of(matrix, values), "median")
    change = _typical(values - clean.values.to_numpy(dtype=np.float64))
    methods = list(map(str, matrix.values.columns))
    floor = middle[methods.index(FLOOR)] if FLOOR in methods else np.nan
    sign = 1.0 if matrix.higher_is_better else -1.0
    table = {
        method: {
            "value": float(middle[i]), "change": change[0, i], "change_low": change[1, i], "change_high": change[2, i],
            "gain": float(sign * (middle[i] - floor)), "rank": np.nan, "rank_low": np.nan, "rank_high": np.nan,
        }
        for i, method in enumerate(methods)
    }  # fmt: skip
    if len(ranked) > 1 and len(values) > 2:
        places = ranks(_restricted(matrix, list(matrix.values.index), ranked), draws=_DRAWS)
        for method in ranked:
            table[method] |= {name: float(places[name][method]) for name in ("rank", "rank_low", "rank_high")}
    return table


def _typical(differences: Floats) -> Floats:
    """Return typical differences and their intervals ``(3, methods)``, without intervals of too few songs."""
    differences = np.where(np.isnan(differences), 0.0, differences)  # of two equal infinities
    found = hodges_lehmann(differences)
    if len(differences) < FEWEST:
        found[1:] = np.nan
    return found


def _loss(matrices: Sequence[ScoreMatrix]) -> Floats:
    """Return by how much a song's clean score typically exceeds its area under the curve, with the interval."""
    scores = np.stack([matrix.values.to_numpy(dtype=np.float64) for matrix in matrices])
    lost = scores[0] - np.trapezoid(scores, axis=0) / (len(scores) - 1)
    return _typical(lost if matrices[0].higher_is_better else -lost)


def _curve(steps: Sequence[Mapping[str, float]], strengths: Sequence[str], gained: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a curve comes to; the first of its steps is clean."""
    values = np.array([step["value"] for step in steps])
    gains = np.array([step["gain"] for step in steps])
    broken = gains < KEPT * gains[0] if gained["gains"] else np.zeros(len(gains), dtype=bool)
    from_here = np.logical_and.accumulate(broken[::-1])[::-1]  # and at every stronger step
    dips = broken & ~from_here
    changes = np.array([step["rank"] - steps[0]["rank"] for step in steps])
    at = int(np.nanargmax(np.abs(changes))) if np.isfinite(changes).any() else 0
    apart = steps[at]["rank_low"] > steps[0]["rank_high"] or steps[at]["rank_high"] < steps[0]["rank_low"]
    return {
        "area": float(np.trapezoid(values) / (len(values) - 1)),
        "breaks_at": strengths[int(from_here.argmax())] if from_here.any() else "",
        "dips_at": strengths[int(dips.argmax())] if dips.any() else "",
        "rank_change": float(changes[at]),
        "rank_changed": bool(apart),
    }
