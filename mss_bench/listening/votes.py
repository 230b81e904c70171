"""Votes for the best of several systems: their shares, and what tells them from chance and from each other.

Votes of one listener are not independent: who likes a system in one song likes it in the next. Tests therefore take
listeners as units. Were all systems alike to a listener, their votes might as well have gone to the systems in any
other order: the null distribution of a system's votes is the exact one of each listener giving it the votes of one of
the systems, drawn at random; for a pair, of one of the two. Where every listener voted once, this is the binomial
distribution. Intervals of shares are Clopper and Pearson's of as many votes as the listeners' are worth [1]_.

References
----------
.. [1] E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected number of positive counts
   estimated from survey data", Survey Methodology 24(2), 1998.
.. [2] T. R. C. Read, N. A. C. Cressie, "Goodness-of-fit statistics for discrete multivariate data", Springer, 1988: the
   exact multinomial test.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mss_bench.listening.bootstrap import LEVEL
from mss_bench.listening.ratings import Role
from mss_bench.listening.sheets import RatingsError
from mss_bench.stats.significance import correct

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Votes", "count_votes", "equal_shares", "exchange_p", "share_interval"]

Counts = NDArray[np.int64]

_MOST_OUTCOMES = 100_000  # of an exact multinomial test; with so many the chi-square's distribution is near enough
_SLACK = 1e-9  # rounding must not lose a tie


@dataclass(frozen=True)
class Votes:
    """Which systems listeners vote for.

    Parameters
    ----------
    systems : DataFrame
        Index system, the one with most votes first; ``votes``, ``share``, its interval ``low`` and ``high``,
        ``listeners`` who ever voted for it, ``p`` against chance with listeners as units, and ``p_answers``, of the
        binomial test of all votes as if they were independent; both two-sided, after Holm over the systems.
    pairs : DataFrame
        ``a``, ``b``, ``votes_a``, ``votes_b``, ``share`` of a among these, ``listeners`` who voted for either, ``p``
        and ``p_answers`` as above, after Holm over the pairs.
    votes, listeners : int
    p : float
        Of all systems having equal shares, with listeners as units, by permutations.
    p_answers : float
        The same by the exact multinomial test of all votes as if they were independent.
    places : tuple of int
        How often the signal at each place was chosen; empty where the order is not known.
    p_places : float
        Of equal shares of the places; NaN where the order is not known.
    """

    systems: pd.DataFrame
    pairs: pd.DataFrame
    votes: int
    listeners: int
    p: float
    p_answers: float
    places: tuple[int, ...]
    p_places: float

    @property
    def chance(self) -> float:
        """Return the share that each system has by chance."""
        return 1 / len(self.systems)


def count_votes(ratings: pd.DataFrame, *, draws: int = 10_000, seed: int = 0) -> Votes:
    """Count votes and test them.

    Parameters
    ----------
    ratings : DataFrame
        Of a task of votes: in each trial a row for every system, score 1 of the chosen one and 0 of the others.
    draws, seed : int
        Of the permutations behind `Votes.p`.

    Raises
    ------
    RatingsError
        Fewer than 2 systems, a trial without exactly one chosen system, or one that lacks a system.
    """
    import pandas as pd
    from scipy import stats

    own = ratings[ratings["role"] == Role.TEST]
    _check(own)
    counts = own.groupby(["listener", "system"])["score"].sum().unstack("system").astype("int64")
    counts = counts[counts.sum().sort_values(ascending=False, kind="stable").index]
    names, table = list(map(str, counts.columns)), counts.to_numpy(dtype=np.int64)
    total, n = table.sum(axis=0), int(table.sum())

    ends = np.array([share_interval(votes, table.sum(axis=1)) for votes in table.T])
    systems = pd.DataFrame(
        {
            "votes": total, "share": total / n, "low": ends[:, 0], "high": ends[:, 1],
            "listeners": (table > 0).sum(axis=0),
            "p": correct(np.array([exchange_p(table, int(v)) for v in total])),
            "p_answers": correct(np.array([stats.binomtest(int(v), n, 1 / len(names)).pvalue for v in total])),
        },
        index=pd.Index(names, name="system"),
    )  # fmt: skip
    rows = []
    for i, j in combinations(range(len(names)), 2):
        a, b = int(total[i]), int(total[j])
        either = table[:, [i, j]]
        rows.append((names[i], names[j], a, b, a / (a + b) if a + b else math.nan, int(either.any(axis=1).sum()),
                     exchange_p(either, a), stats.binomtest(a, a + b).pvalue if a + b else 1.0))  # fmt: skip
    pairs = pd.DataFrame(rows, columns=["a", "b", "votes_a", "votes_b", "share", "listeners", "p", "p_answers"])
    for name in ("p", "p_answers"):
        pairs[name] = correct(pairs[name].to_numpy(dtype=np.float64))

    chosen = own.loc[own["score"] == 1, "position"]
    known = bool((chosen >= 0).all())
    places = tuple(int((chosen == place).sum()) for place in range(len(names))) if known else ()
    return Votes(
        systems, pairs, n, len(table), _permuted(table, draws, seed), equal_shares(total.tolist()), places,
        equal_shares(places) if places else math.nan,
    )  # fmt: skip


def _check(own: pd.DataFrame) -> None:
    """Refuse trials that are no vote for one of all systems: a share of fewer would have another chance level."""
    systems = sorted(map(str, set(own["system"])))
    if len(systems) < 2:
        raise RatingsError(f"votes need at least 2 systems, got {', '.join(systems) or 'none'}")
    for (listener, _, trial, _, _), rows in own.groupby(
        ["listener", "session", "trial", "order", "replicate"], sort=False
    ):
        scores = rows["score"].tolist()
        if sorted(scores) != [0.0] * (len(scores) - 1) + [1.0]:
            raise RatingsError(
                f"{listener}, trial {trial}: scores {scores} of {', '.join(rows['system'])} are no vote; expected 1 of "
                "the chosen one and 0 of all others"
            )
        if sorted(rows["system"]) != systems:
            missing = [name for name in systems if name not in set(rows["system"])]
            raise RatingsError(
                f"{listener}, trial {trial}: the vote was among {', '.join(rows['system'])}, without "
                f"{', '.join(missing)}; votes are counted where every trial has every system once"
            )


def share_interval(votes: Counts, of: Counts) -> tuple[float, float]:
    """Compute the interval of a share of votes, or of right answers, over listeners.

    Parameters
    ----------
    votes, of : (listeners,) arrays
        Votes that a listener gave it, of all that they gave.

    Returns
    -------
    low, high : float
        Of 95 %. Where every listener voted once, Clopper and Pearson's; NaN of one listener with several votes.
    """
    from scipy import stats

    n, listeners = int(of.sum()), of.size
    share = float(votes.sum()) / n
    if n == listeners:
        worth = float(n)
    elif listeners < 2:
        return math.nan, math.nan
    elif share in (0.0, 1.0):
        worth = float(listeners)  # votes without spread do not tell how alike those of a listener are
    else:
        between = float(((votes - share * of) ** 2).sum()) * listeners / (listeners - 1) / n**2
        wider = (stats.t.ppf((1 + LEVEL) / 2, n - 1) / stats.t.ppf((1 + LEVEL) / 2, listeners - 1)) ** 2
        worth = float(min(n, share * (1 - share) / between * wider)) if between > 0 else float(n)
    x, tail = share * worth, (1 - LEVEL) / 2
    low = stats.beta.ppf(tail, x, worth - x + 1) if x > 0 else 0.0
    high = stats.beta.ppf(1 - tail, x + 1, worth - x) if x < worth else 1.0
    return float(low), float(high)


def exchange_p(table: Counts, observed: int) -> float:
    """Return the exact two-sided p of a system's votes, were each listener's votes in any other order.

    Parameters
    ----------
    table : (listeners, systems) array
        Votes that each listener gave each system.
    observed : int
        Votes of the system; whether they are further from the mean of all systems than by chance.
    """
    chances = np.ones(1)
    for row in table:
        chances = np.convolve(chances, np.bincount(row) / row.size)
    apart = np.abs(np.arange(chances.size) - table.sum() / table.shape[1])
    return float(min(1.0, chances[apart >= apart[observed] - _SLACK].sum()))


def _permuted(table: Counts, draws: int, seed: int) -> float:
    """Return how often shares are as unequal, were each listener's row in any other order; the observed one counts."""
    rng = np.random.default_rng(seed)
    sums = np.zeros((draws, table.shape[1]), dtype=np.int64)
    for row in table:
        sums += rng.permuted(np.tile(row, (draws, 1)), axis=1)
    sums[0] = table.sum(axis=0)
    spread = (sums**2).sum(axis=1)
    return float((spread >= spread[0]).mean())


def equal_shares(counts: Sequence[int]) -> float:
    """Return the p of equal shares: the exact multinomial test [2]_, the chi-square test where outcomes are too many.

    Parameters
    ----------
    counts : sequence of int
        Votes of each.
    """
    from scipy import stats

    n, k = sum(counts), len(counts)
    if _outcomes(n, k) > _MOST_OUTCOMES:
        return float(stats.chisquare(counts).pvalue)

    def log_weight(parts: Sequence[int]) -> float:
        return -sum(math.lgamma(part + 1) for part in parts)

    # Outcomes that differ in their order alone have one probability: all orders of a partition are taken at once.
    whole, seldom = math.lgamma(n + 1) - n * math.log(k), log_weight(counts) + _SLACK
    p = 0.0
    for parts in _partitions(n, k, n):
        weight = log_weight(parts)
        if weight <= seldom:
            orders = math.lgamma(k + 1) - sum(math.lgamma(times + 1) for times in Counter(parts).values())
            p += math.exp(whole + weight + orders)
    return min(1.0, p)


def _outcomes(n: int, k: int) -> int:
    """Count the partitions of n into at most k parts."""
    ways = [1] + [0] * n
    for part in range(1, k + 1):
        for total in range(part, n + 1):
            ways[total] += ways[total - part]
    return ways[n]


def _partitions(n: int, k: int, most: int) -> Iterator[tuple[int, ...]]:
    """Yield the partitions of n into k parts from the largest, zeros among them."""
    if k == 1:
        yield (n,)
        return
    for first in range(min(n, most), -(-n // k) - 1, -1):
        for rest in _partitions(n - first, k - 1, first):
            yield (first, *rest)
