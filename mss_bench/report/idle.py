"""What does nothing: methods that attempt no separation, and the SAR that says nothing of a method.

A method does nothing where its separator declares it, or where it scores as the floor on every song, at its level or at
another, whatever it is called. Tables, tests, comparisons, figures and boards ask here: it competes with none and is
never the best.

SAR asks how far artefacts lie below the estimate. A mixture, scaled or filtered, has none, and its SAR is some 150 to
200 dB of rounding errors, by which it would be the best of every table. Where this suite computed it, it is left out:
that of methods that do nothing, and what on any song is above `MOST_SAR`. What others published is left as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.schema import FLOOR, Status, does_nothing
from mss_bench.report.selection import labels
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.signed_rank import DIGITS
from mss_bench.stats.units import UNIT

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEANINGLESS", "MOST_SAR", "NO_ARTEFACTS", "Idle", "declared_idle", "imitations"]

MOST_SAR = 100.0
"""The largest SAR in dB that says anything: artefacts below it lie under the last bit of 16-bit audio (98 dB).

What separates is far from it; what only filters the mixture is beyond, at the rounding of 32-bit numbers (145 dB).
"""

MEANINGLESS = "meaningless"
"""The flag of a SAR that is left out."""

NO_ARTEFACTS = f"SAR above {MOST_SAR:g} dB says nothing, as a scaled or filtered mixture has no artefacts"
"""Why a SAR is a dash."""

_PLACE = [*UNIT, "track"]
_AS_GOOD_AS_EQUAL = 1e-3  # of the unit of a metric: what rounding the mixture to 16 bits moves, and no table prints


def declared_idle(separators: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the labels of separators that declare to do nothing, from the ``separators`` of ``run.json``."""
    return {str(s["label"]) for s in separators if "label" in s and does_nothing(str(s.get("name", s["label"])))}


def imitations(tracks: pd.DataFrame, floor: str = FLOOR) -> set[str]:
    """Return the methods other than the floor that score as it does on every song, of every metric but SAR.

    A mixture at another level has the SIR of the floor and no artefacts, which two metrics tell where both are there.
    Oracles are none. Scores that are the same of all methods on all songs say nothing of any.
    """
    # The SAR of a mixture is rounding errors, which nobody has twice.
    of_sar = (tracks["metric"] == "SAR").to_numpy(bool)
    named = labels(tracks).to_numpy()
    artefacts = {*named[of_sar & ~(tracks["value"] > MOST_SAR).to_numpy(bool)]}
    rows = tracks[~of_sar].assign(label=named[~of_sar])
    of_floor = rows["label"] == floor
    if not of_floor.any():
        return set()
    first = rows.loc[of_floor, "track"].iloc[0]
    others = rows[~of_floor & ~rows["oracle"].astype(bool)]
    everyone = set(others["label"])
    # One song rules out nearly all.
    alike = _as_floor(others[others["track"] == first], rows[of_floor])
    alike &= _as_floor(others[others["label"].isin(alike)], rows[of_floor])
    values = rows.loc[of_floor & rows["value"].notna(), "value"].to_numpy(float)
    alike = set() if alike == everyone and len(np.unique(values.round(DIGITS))) < 2 else alike
    clean = others[(others["metric"] == "SIR") & others["label"].isin({*named[of_sar]} - artefacts)]
    return alike | _as_floor(clean, rows[of_floor])


def _as_floor(rows: pd.DataFrame, of_floor: pd.DataFrame) -> set[str]:
    """Return the labels of rows all of which have the value of the floor at the same place, and any a value."""
    beside = rows[_PLACE].merge(of_floor[[*_PLACE, "value"]], "left", on=_PLACE, validate="many_to_one")
    there = beside["value"].to_numpy(float)
    own = rows["value"].where(rows["status"] == Status.OK).to_numpy(float)
    failed = ((rows["status"] != Status.OK) & (rows["status"] != Status.SKIPPED)).to_numpy(bool)
    same = np.isclose(own, there, rtol=0, atol=_AS_GOOD_AS_EQUAL, equal_nan=True) & ~failed
    known = rows["label"].to_numpy()
    return {str(name) for name in known[~np.isnan(own) & same]} - {str(name) for name in known[~same]}


@dataclass(frozen=True)
class Idle:
    """What does nothing in a track table.

    Attributes
    ----------
    methods : frozenset of str
        Labels of methods that are compared with none.
    imitations : frozenset of str
        Those of them that score as the floor and do not say so.
    blank : frozenset of tuple
        Label and place (columns of `UNIT`) of each SAR that is left out.
    """

    methods: frozenset[str] = frozenset()
    imitations: frozenset[str] = frozenset()
    blank: frozenset[tuple[str, ...]] = frozenset()

    @classmethod
    def of(cls, tracks: pd.DataFrame, separators: Iterable[Mapping[str, Any]] = (), floor: str = FLOOR) -> Idle:
        """Find what does nothing.

        Parameters
        ----------
        tracks : DataFrame
            The whole track table: a choice of metrics or songs changes nothing of what a method does.
        separators : iterable of mapping
            Facts of the methods, as in ``run.json``.
        floor : str
            What the table calls the floor.
        """
        said = declared_idle(separators)
        found = imitations(tracks, floor) - said
        names = labels(tracks)
        methods = frozenset({floor, *said, *found, *filter(does_nothing, set(names))} & {*names})
        blank: set[tuple[str, ...]] = set()
        if "estimate_key" in tracks:
            computed = (tracks["estimate_key"].fillna("") != "").to_numpy(bool)
            sar = computed & (tracks["metric"] == "SAR").to_numpy(bool)
            rows = tracks[sar].assign(label=names[sar])
            values = rows["value"].to_numpy(float)
            nothing = rows["label"].isin(methods) | (np.isfinite(values) & (values > MOST_SAR))
            blank = {*rows.loc[nothing, ["label", *UNIT]].astype(str).itertuples(index=False, name=None)}
        return cls(methods, frozenset(found), frozenset(blank))

    def blank_in(self, unit: Mapping[Any, Any]) -> set[str]:
        """Return the methods whose SAR is left out in a unit; none of another metric."""
        place = tuple(str(unit[name]) for name in UNIT)
        return {label for label, *where in self.blank if tuple(where) == place}

    def without_sar(self, aggregated: pd.DataFrame) -> pd.DataFrame:
        """Take the SAR that says nothing out of an aggregated table, and gains over it."""
        if not self.blank:
            return aggregated
        keys = aggregated[UNIT].astype(str).assign(label=labels(aggregated))[["label", *UNIT]]
        places = list(keys.itertuples(index=False, name=None))
        blank = np.array([place in self.blank for place in places], dtype=bool)
        gains = blank | np.array([(FLOOR, *place[1:]) in self.blank for place in places], dtype=bool)
        flags = aggregated["flags"].where(~blank, aggregated["flags"].str.cat([MEANINGLESS] * len(aggregated), ","))
        return aggregated.assign(
            value=aggregated["value"].where(~blank), gap=aggregated["gap"].where(~blank),
            improvement=aggregated["improvement"].where(~gains), flags=flags.str.strip(","),
        )  # fmt: skip

    def without(self, scores: ScoreMatrix, hidden: Collection[str] = ()) -> ScoreMatrix:
        """Return scores without those that say nothing, and without methods that are hidden."""
        blank = self.blank_in(scores.unit)
        left_out = [name for name in map(str, scores.values.columns) if name in blank and name not in hidden]
        kept = scores.without({*left_out, *hidden})
        return replace(kept, left_out=[*kept.left_out, *left_out])
