"""Which listeners count: post-screening after BS.1534-3, with an audit trail, and flags that exclude nobody.

References
----------
.. [1] ITU-R BS.1534-3, "Method for the subjective assessment of intermediate quality level of audio systems", 2015,
   4.1.2 (post-screening).
.. [2] R. Pfister et al., "Good things peak in pairs: a note on the bimodality coefficient", Frontiers in Psychology 4,
   2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import UnknownNameError
from mss_bench.listening.ratings import SCALE, Role

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MID_ANCHOR", "Screening", "bimodality", "flag_conditions", "flag_listeners", "screen"]

MID_ANCHOR = "lowpass_7000"

# BS.1534-3, 4.1.2: who takes the hidden reference for less than 90, or the mid anchor for more, in over 15 % of the
# trials is no reliable listener; where over 25 % of all listeners do so the item is to blame, not they.
_LIMIT = 90.0
_SHARE = 0.15
_AMBIGUOUS = 0.25
_BIMODAL = 5 / 9  # the coefficient of a uniform distribution
_HIGH = 80.0  # of a scale of 100: its upper fifth
_MOST = 0.5  # share of high scores from which on a listener is flagged
_FEWEST = 8  # ratings of which a bimodality is told: skewness and kurtosis of fewer are mostly noise


@dataclass(frozen=True)
class Screening:
    """Who was excluded and why.

    Parameters
    ----------
    listeners : DataFrame
        Index listener; ``trials``, ``reference_low`` (trials with the hidden reference below 90), ``reference_share``,
        ``anchor_trials`` (with a mid anchor, on items where the rule holds), ``anchor_high`` (with it above 90),
        ``anchor_share``, ``excluded``, ``reason``.
    rules : list of str
        What was applied and what not, in words.
    """

    listeners: pd.DataFrame
    rules: list[str]

    @property
    def excluded(self) -> list[str]:
        """Return the listeners left out, sorted."""
        return sorted(map(str, self.listeners.index[self.listeners["excluded"]]))

    def apply(self, ratings: pd.DataFrame) -> pd.DataFrame:
        """Return the ratings of the listeners that count."""
        return ratings[~ratings["listener"].isin(self.excluded)]

    def lifted(self, why: str) -> Screening:
        """Return the same with nobody excluded; reasons stay."""
        return Screening(self.listeners.assign(excluded=False), [why, *self.rules])

    @property
    def leaves_none(self) -> bool:
        """Return whether it excludes everybody."""
        return bool(self.listeners["excluded"].all())


def screen(ratings: pd.DataFrame, *, mid_anchor: str | None = None, scale: tuple[float, float] = SCALE) -> Screening:
    """Screen listeners after BS.1534-3.

    A listener is excluded who rated the hidden reference below 90 in more than 15 % of their own trials, or the mid
    anchor above 90 in more than 15 % of theirs; the second rule leaves out items on which more than 25 % of the
    listeners did so, for there the anchor is hardly heard.

    Parameters
    ----------
    ratings : DataFrame
        Columns of `mss_bench.listening.ratings.RATING_COLUMNS`, any number of tasks.
    mid_anchor : str, optional
        Name of the mid anchor; by default ``lowpass_7000`` where the test has it.
    scale : (float, float)
        The rules are BS.1534's and hold on its scale of 0 to 100 alone; on any other nobody is excluded.

    Returns
    -------
    Screening

    Raises
    ------
    UnknownNameError
        The test has no such anchor.
    """
    import pandas as pd

    anchors = set(ratings.loc[ratings["role"] == Role.ANCHOR, "system"])
    if mid_anchor is not None and mid_anchor not in anchors:
        raise UnknownNameError("anchor of the test", mid_anchor, anchors)
    mid = mid_anchor or (MID_ANCHOR if MID_ANCHOR in anchors else "")
    applies = tuple(scale) == SCALE
    # The trials with the anchor are counted without ambiguous items, those with the reference are all: the two rules
    # have denominators of their own.
    reference = ratings[(ratings["role"] == Role.REFERENCE) & applies]
    anchor = ratings[(ratings["role"] == Role.ANCHOR) & (ratings["system"] == mid) & applies]
    anchor, ambiguous = _clear_items(anchor)
    names = pd.Index(sorted(set(ratings["listener"])), name="listener")

    def count(rows: pd.DataFrame) -> pd.Series[int]:
        return rows.groupby("listener").size().reindex(names, fill_value=0)

    table = pd.DataFrame({
        "trials": count(reference), "reference_low": count(reference[reference["score"] < _LIMIT]),
        "anchor_trials": count(anchor), "anchor_high": count(anchor[anchor["score"] > _LIMIT]),
    })  # fmt: skip
    table["reference_share"] = table["reference_low"] / table["trials"].clip(lower=1)
    table["anchor_share"] = table["anchor_high"] / table["anchor_trials"].clip(lower=1)
    by_reference, by_anchor = table["reference_share"] > _SHARE, table["anchor_share"] > _SHARE
    table["excluded"] = by_reference | by_anchor
    table["reason"] = [
        _reason(row, bool(low), bool(high))
        for (_, row), low, high in zip(table.iterrows(), by_reference, by_anchor, strict=True)
    ]
    return Screening(table, _rules(applies, not reference.empty, mid, anchors, ambiguous))


def _clear_items(anchor: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return ratings of the mid anchor on items where few take it for the reference, and the other items."""
    if anchor.empty:
        return anchor, []
    high = (anchor["score"] > _LIMIT).groupby([anchor["item"], anchor["listener"]]).any()
    # By listener, not by rating: one who rated an item twice must not count twice.
    share = high.groupby("item").mean()
    ambiguous = sorted(map(str, share.index[share > _AMBIGUOUS]))
    return anchor[~anchor["item"].isin(ambiguous)], ambiguous


def _reason(row: pd.Series[Any], low: bool, high: bool) -> str:
    told = []
    if low:
        told.append(
            f"hidden reference below {_LIMIT:g} in {row['reference_low']} of {row['trials']} trials "
            f"({row['reference_share']:.1%})"
        )
    if high:
        told.append(
            f"mid anchor above {_LIMIT:g} in {row['anchor_high']} of {row['anchor_trials']} trials "
            f"({row['anchor_share']:.1%})"
        )
    return "; ".join(told)


def _rules(applies: bool, referenced: bool, mid: str, anchors: set[str], ambiguous: list[str]) -> list[str]:
    if not applies:
        return ["No screening: BS.1534's rules hold on a scale of 0 to 100 alone."]
    told = [
        f"Hidden reference below {_LIMIT:g} in more than {_SHARE:.0%} of a listener's own trials: excluded."
        if referenced
        else "The reference's rule was not applied: the test has no hidden reference."
    ]
    if mid:
        told.append(
            f"Mid anchor ({mid}) above {_LIMIT:g} in more than {_SHARE:.0%} of a listener's own trials: excluded."
        )
    else:
        named = f"; name it with --mid-anchor, one of {', '.join(sorted(anchors))}" if anchors else ""
        told.append(f"The mid anchor's rule was not applied: the test has no {MID_ANCHOR}{named}.")
    if ambiguous:
        told.append(
            f"The mid anchor's rule leaves out {', '.join(ambiguous)}: more than {_AMBIGUOUS:.0%} of the listeners "
            f"rated it above {_LIMIT:g} there."
        )
    return told


def flag_listeners(
    ratings: pd.DataFrame, *, seconds: float | None = None, scale: tuple[float, float] = SCALE
) -> pd.DataFrame:
    """Flag what is odd about listeners, for a look at them; nobody is excluded by it.

    Parameters
    ----------
    ratings : DataFrame
        Columns of `mss_bench.listening.ratings.RATING_COLUMNS`.
    seconds : float, optional
        Length of the excerpts; without it no time is too short.
    scale : (float, float)
        The upper fifth of it counts as high.

    Returns
    -------
    DataFrame
        Index listener; ``untouched`` share of the controls that were not touched, ``fast`` share of the trials shorter
        than an excerpt, ``high`` share of the test signals' and anchors' scores in the upper fifth of the scale,
        ``trials``, and ``flags`` in words, among them who did fewer trials than others.
    """
    import pandas as pd

    # In players whose sliders begin at the top, like webMUSHRA, the hidden reference may rightly stay there.
    rated = ratings[ratings["role"] != Role.REFERENCE]
    edge = scale[0] + (scale[1] - scale[0]) * _HIGH / 100
    trials = ratings.groupby(["listener", "session", "trial", "order", "replicate"])["ms"].max().reset_index()
    names = pd.Index(sorted(set(ratings["listener"])), name="listener")
    short = trials["ms"] < 1000 * (seconds or 0.0)
    table = pd.DataFrame(
        {
            "untouched": (~rated["moved"]).groupby(rated["listener"]).mean().reindex(names, fill_value=0.0),
            "fast": short.groupby(trials["listener"]).mean().reindex(names, fill_value=0.0),
            "high": (rated["score"] >= edge).groupby(rated["listener"]).mean().reindex(names, fill_value=0.0),
            "trials": trials.groupby("listener").size().reindex(names, fill_value=0),
        },
        index=names,
    )
    table["flags"] = [
        "; ".join(
            text
            for text, holds in (
                # Designs ask all listeners the same number of trials, if not the same ones.
                (
                    f"incomplete: {row['trials']:.0f} of {table['trials'].max()} trials",
                    row["trials"] < table["trials"].max(),
                ),
                (f"{row['untouched']:.0%} of the controls untouched", row["untouched"] > 0),
                (f"{row['fast']:.0%} of the trials shorter than an excerpt", row["fast"] > 0),
                (f"{row['high']:.0%} of the scores from {edge:g} up", row["high"] > _MOST),
            )
            if holds
        )
        for _, row in table.iterrows()
    ]
    return table


def bimodality(scores: NDArray[np.float64]) -> float:
    """Compute the bimodality coefficient ``(g^2 + 1) / (k + 3 (n-1)^2 / ((n-2)(n-3)))``.

    Parameters
    ----------
    scores : (n,) array

    Returns
    -------
    float
        In [0, 1]: 5/9 of a uniform distribution, above it where there are two humps (or a strong skew); g and k are
        the unbiased skewness and excess kurtosis. NaN of fewer than 4 scores, or where all are alike.
    """
    from scipy import stats

    n = scores.size
    if n < 4 or np.ptp(scores) < 1e-9:
        return float("nan")
    skewness, kurtosis = stats.skew(scores, bias=False), stats.kurtosis(scores, bias=False)
    return float((skewness**2 + 1) / (kurtosis + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))))


def flag_conditions(ratings: pd.DataFrame) -> pd.DataFrame:
    """Find signals on which listeners fall into two camps.

    Returns
    -------
    DataFrame
        ``task``, ``item``, ``system``, ``n``, ``bimodality``, the highest first, of test signals with a coefficient
        above 5/9 and at least 8 ratings. A median says little of them.
    """
    import pandas as pd

    tested = ratings[ratings["role"] == Role.TEST]
    rows = [
        (*key, len(scores), bimodality(scores.to_numpy(dtype=np.float64)))
        for key, scores in tested.groupby(["task", "item", "system"])["score"]
    ]
    table = pd.DataFrame(rows, columns=["task", "item", "system", "n", "bimodality"])
    camps = table[(table["bimodality"] > _BIMODAL) & (table["n"] >= _FEWEST)]
    return camps.sort_values("bimodality", ascending=False, ignore_index=True)
