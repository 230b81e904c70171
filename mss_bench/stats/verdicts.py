"""Which methods of a column of scores are told apart, which is the best, and which may be.

A *family* is all pairs of a column's ranked methods: no oracle, nothing that does nothing (the floor), nothing that was
trained on what is evaluated or lacks tracks. It is fixed when the table is made, not by what a page shows of it. The
methods against the floor are a second family. `family` makes one; every part of it is computed when it is asked for::

    field = family(scores)                  # a ScoreMatrix
    field.best, field.tied                  # the best, and what is not told apart from it
    field.leaders                           # the best, with what has the very same value
    field.may_be_best                       # the confidence set of the best
    field.letters                           # methods that share a letter are not told apart
    field.enough, field.n_min               # whether the tracks suffice for any verdict, and how many would
    field.sentence                          # all of it in words
    pair = field.pair("hpss", "nmf")        # difference, interval, wins, p alone and within the family, verdict
    field.over_floor("hpss")                # the same against the floor

Reports, boards, comparisons and figures take their verdicts from here.

References
----------
.. [1] H.-P. Piepho, "An algorithm for a letter-based representation of all-pairwise comparisons", J. Comput. Graph.
   Stat. 13, 2004.
.. [2] C. Bron, J. Kerbosch, "Finding all cliques of an undirected graph", Commun. ACM 16, 1973.
.. [3] S. S. Gupta, "On some multiple decision (selection and ranking) rules", Technometrics 7, 1965.
.. [4] D. Al Mohamad, J. J. Goeman, E. W. van Zwet, "Simultaneous confidence intervals for ranks", J. Multivar. Anal.
   188, 2022.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import does_nothing, is_floor
from mss_bench.core.text import counted, percent, true_minus
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.effect import rank_biserial
from mss_bench.stats.matrix import ScoreMatrix, check_level, check_pairs
from mss_bench.stats.power import TracksNeeded, needed_for
from mss_bench.stats.resample import STATISTICS, parts_of, statistic_of
from mss_bench.stats.signed_rank import DIGITS, EXACT, FEWEST, hodges_lehmann, signed_rank
from mss_bench.stats.significance import CORRECTIONS, POSTHOC, correct, posthoc, usual
from mss_bench.stats.units import difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BEATEN_SOONER",
    "Family",
    "Pair",
    "Verdict",
    "cliques",
    "family",
    "signed",
    "tracks_for_best",
    "tracks_for_pairs",
]

BEATEN_SOONER = "others are out, as a rival beats them one-sided, which takes fewer songs than telling all pairs apart"
"""Why a set of what may be the best leaves methods out where no pair is told apart."""

_MOST_CLIQUES = 1000  # 200 methods can have thousands
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Verdict(StrEnum):
    """What can be said of a pair."""

    TOLD_APART = "told apart"
    NOT_TOLD_APART = "not told apart"
    TOO_FEW = "too few songs"


@dataclass(frozen=True)
class Pair:
    """Two methods on the same tracks. Differences are *a - b* in the unit of the metric; better is better."""

    a: str
    b: str
    n_tracks: int
    difference: float  # the typical one: Hodges and Lehmann's
    low: float  # of its interval, uncorrected; NaN with fewer than 6 tracks
    high: float
    level: float  # of the interval
    wins: int  # tracks on which a is better
    ties: int
    losses: int
    p: float  # Wilcoxon's test of this pair alone, two-sided; NaN with fewer than 6 tracks
    p_family: float  # corrected for the pairs of the family; NaN with fewer than 6 tracks, or outside of the family
    rank_biserial: float  # effect size of the test, -1 to 1, positive where a is better
    verdict: Verdict  # within the family; alone where the pair is in none
    alpha: float
    by_track: Floats = field(repr=False, compare=False)  # the differences, in the order of the matrix

    @property
    def alone(self) -> Verdict:
        """Return the verdict on this pair where no other was looked at."""
        if math.isnan(self.p):
            return Verdict.TOO_FEW
        return Verdict.TOLD_APART if self.p < self.alpha else Verdict.NOT_TOLD_APART

    @property
    def exact(self) -> bool:
        """Return whether `p` is exact rather than approximately normal."""
        return self.n_tracks <= EXACT

    @cached_property
    def needed(self) -> TracksNeeded:
        """Return how many tracks tell the two apart in 80 % of cases, tested alone; it takes a second."""
        return needed_for(self.by_track, self.a, self.b, alpha=self.alpha)

    @property
    def sentence(self) -> str:
        """Return difference, interval and wins in words: ``better on 37 of 50``."""
        return self.said()

    def said(self, unit: str = "") -> str:
        """Return `sentence` with the unit of the metric behind the difference."""
        wins = f"{self.a} better on {self.wins} of {self.n_tracks}" + (f", alike on {self.ties}" if self.ties else "")
        if math.isnan(self.p):
            return f"{counted(self.n_tracks, 'song')}: too few for any test; {wins}"
        interval = f" [{signed(self.low)}, {signed(self.high)}]"
        if math.isnan(self.low):
            interval = f" ({counted(self.n_tracks, 'song')} give no interval of {percent(self.level)})"
        return f"typical difference {signed(self.difference)}{unit and f' {unit}'}{interval}, {wins}"


def signed(value: float) -> str:
    """Return a difference with its sign and a true minus."""
    return true_minus(f"{round(value, 2) + 0.0:+.2f}".replace("inf", "∞"))


def tracks_for_pairs(n_methods: int, test: str = "wilcoxon", correction: str = "holm", alpha: float = 0.05) -> int:
    """Return how many tracks a test of all pairs needs to tell any pair apart, however large its difference."""
    if test != "wilcoxon":
        return FEWEST
    pairs = n_methods * (n_methods - 1) / 2 if correction in ("holm", "bonferroni") else 1
    return _tracks_for(pairs, alpha, sides=2)


def tracks_for_best(n_methods: int, alpha: float = 0.05) -> int:
    """Return how many tracks it takes to keep any method out of the confidence set of the best."""
    return max(math.ceil(math.log2(max(n_methods - 1, 1) / alpha)), 1)


def _tracks_for(tests: float, alpha: float, *, sides: int) -> int:
    """Return the fewest tracks with which the least p of Wilcoxon's test, corrected, reaches alpha."""
    return max(FEWEST, math.ceil(math.log2(max(tests, 1) * sides / alpha)))


@dataclass(frozen=True)
class Family:
    """What the paired scores of one column say of its ranked methods."""

    scores: ScoreMatrix
    statistic: str  # median or mean over tracks: what the methods are ordered by
    values: dict[str, float]  # by method, the best first; of all methods of the matrix
    ranked: list[str]  # the methods of the family, the best first
    test: str  # a key of POSTHOC
    correction: str
    alpha: float
    level: float  # of intervals
    unnamed: frozenset[str] = frozenset()  # of these, methods that are never named the best

    @property
    def n_tracks(self) -> int:
        """Return the number of tracks that count."""
        return len(self.scores.values)

    @property
    def n_min(self) -> int:
        """Return how many tracks it takes to tell any pair of the family apart."""
        return tracks_for_pairs(len(self.ranked), self.test, self.correction, self.alpha)

    @property
    def n_min_best(self) -> int:
        """Return how many tracks it takes to keep any method out of `may_be_best`."""
        return max(FEWEST, tracks_for_best(len(self.ranked), self.alpha))

    @property
    def compares(self) -> bool:
        """Return whether there is anything to compare: two ranked methods, and a track."""
        return len(self.ranked) > 1 and self.n_tracks > 0

    @property
    def enough(self) -> bool:
        """Return whether pairs can be told apart at all: two methods, and `n_min` tracks."""
        return len(self.ranked) > 1 and self.n_tracks >= self.n_min

    @cached_property
    def best(self) -> str:
        """Return the method with the best value; of several, the first of the table.

        Empty where there are not two methods, or all of them score alike on every track. Methods with stand-ins or
        infinite values are not named the best.
        """
        if len(self.ranked) < 2 or self._all_alike:
            return ""
        return next((name for name in self.ranked if name not in self.unnamed), "")

    @cached_property
    def leaders(self) -> list[str]:
        """Return `best` and what may be named and has the same value: they share rank and mark."""
        if not self.best:
            return []
        top = round(self.values[self.best], DIGITS)
        return [name for name in self.ranked if name not in self.unnamed and round(self.values[name], DIGITS) == top]

    @cached_property
    def _all_alike(self) -> bool:
        values = self.scores.values[self.ranked].to_numpy(dtype=np.float64)
        return bool((np.round(difference(values, values[:, :1]), DIGITS) == 0).all())

    @cached_property
    def _alone(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return Wilcoxon's p of every pair, uncorrected, and where each leans (positive: the row is better)."""
        import pandas as pd

        values = self._better(self.ranked)
        k = len(self.ranked)
        i, j = np.triu_indices(k, 1)
        p, lean = np.ones((k, k)), np.zeros((k, k))
        if k > 1 and len(values):
            p[i, j], lean[i, j] = signed_rank(difference(values[:, i], values[:, j]))
        p[j, i], lean[j, i] = p[i, j], -lean[i, j]
        index = pd.Index(self.ranked)
        return pd.DataFrame(p, index=index, columns=index), pd.DataFrame(lean, index=index, columns=index)

    def _better(self, names: Sequence[str]) -> Floats:
        """Return scores, negated where lower is better."""
        values = self.scores.values[list(names)].to_numpy(dtype=np.float64)
        return values if self.scores.higher_is_better else -values

    @property
    def p_alone(self) -> pd.DataFrame:
        """Return p values of all pairs by Wilcoxon's test, uncorrected; index and columns `ranked`."""
        return self._alone[0]

    @cached_property
    def p(self) -> pd.DataFrame:
        """Return p values of all pairs by the family's test, corrected; all 1 where the tracks do not suffice."""
        import pandas as pd

        if not self.enough:
            return pd.DataFrame(1.0, index=pd.Index(self.ranked), columns=pd.Index(self.ranked))
        if self.test != "wilcoxon":
            return posthoc(self.scores.values[self.ranked], self.test, self.correction)
        p = self.p_alone.to_numpy(copy=True)
        i, j = np.triu_indices(len(p), 1)
        p[i, j] = p[j, i] = correct(p[i, j], self.correction)
        return pd.DataFrame(p, index=self.p_alone.index, columns=self.p_alone.columns)

    @cached_property
    def tied(self) -> list[str]:
        """Return what is not told apart from `best`, without `leaders`; nothing where the tracks do not suffice."""
        if not self.enough or not self.best:
            return []
        row = self.p.loc[self.best]
        return [name for name in self.ranked if name not in self.leaders and row[name] >= self.alpha]

    @cached_property
    def may_be_best(self) -> list[str]:
        """Return the confidence set of the best [3]_, at level 1 - alpha; empty where the tracks do not suffice for it.

        A method is out where another beats it in a one-sided test, corrected for the others. `leaders` always belong.
        """
        if not self.best or self.n_tracks < self.n_min_best:
            return []
        p, lean = (table.to_numpy() for table in self._alone)
        beats = (lean < 0) & (p / 2 * (len(p) - 1) <= self.alpha)
        return [name for name, by in zip(self.ranked, beats, strict=True) if name in self.leaders or not by.any()]

    @cached_property
    def cliques(self) -> list[list[str]] | None:
        """Return the largest groups of methods of which no two are told apart, led by their best members.

        A method that is told apart from all others is a group of its own. None where there are more than a thousand, or
        the tracks do not suffice.
        """
        return cliques(self.p, self.alpha) if self.enough else None

    @cached_property
    def letters(self) -> dict[str, str]:
        """Return the letters [1]_ of each method: those that share one are not told apart, all others are.

        Empty where there are more groups than letters, or the tracks do not suffice.
        """
        if self.cliques is None or len(self.cliques) > len(_LETTERS):
            return {}
        groups = list(zip(_LETTERS, self.cliques, strict=False))
        return {name: "".join(letter for letter, group in groups if name in group) for name in self.ranked}

    @cached_property
    def rank_intervals(self) -> dict[str, tuple[int, int]]:
        """Return the first and last rank that each method may have [4]_, for all at once at level 1 - alpha.

        They lie behind the methods that are told apart from it and better, and ahead of those that are worse.
        """
        p, lean = self.p.to_numpy(), self._alone[1].to_numpy()
        ahead, behind = (((p < self.alpha) & side).sum(axis=1).tolist() for side in (lean < 0, lean > 0))
        return {
            name: (1 + better, len(self.ranked) - worse)
            for name, better, worse in zip(self.ranked, ahead, behind, strict=True)
        }

    def rank(self, name: str) -> int:
        """Return the rank of a ranked method by its value, 1 the best; equal values share the lower number."""
        value = round(self.values[name], DIGITS)
        return 1 + next(i for i, other in enumerate(self.ranked) if round(self.values[other], DIGITS) == value)

    def pair(self, a: str, b: str) -> Pair:
        """Return what the scores say of two methods of the matrix, ranked or not.

        Raises
        ------
        UnknownNameError, RunError
            A method is not there, or is named twice.
        """
        inside = a in self.ranked and b in self.ranked
        p_family = float(self.p[b][a]) if inside and self.enough else math.nan
        return self._pair(a, b, p_family, enough=self.enough if inside else self.n_tracks >= FEWEST)

    @cached_property
    def floor(self) -> str:
        """Return the floor, empty where the matrix has none."""
        return next((str(name) for name in self.scores.values.columns if is_floor(str(name))), "")

    @cached_property
    def _over_floor(self) -> dict[str, float]:
        """Return the p values of all ranked methods against the floor, corrected for their number."""
        values = self._better([*self.ranked, self.floor])
        p = signed_rank(difference(values[:, :-1], values[:, -1:]))[0]
        return dict(zip(self.ranked, correct(p, self.correction).tolist(), strict=True))

    def over_floor(self, name: str) -> Pair:
        """Return what the scores say of a method against the floor, within the family of all ranked methods against it.

        Raises
        ------
        UnknownNameError, RunError
            The method is not there, or the matrix has no floor.
        """
        if not self.floor:
            raise RunError("there is no floor to compare with: the table has no separator 'mixture'")
        tests = len(self.ranked) if self.correction in ("holm", "bonferroni") else 1
        enough = self.n_tracks >= _tracks_for(tests, self.alpha, sides=2)
        p_family = self._over_floor[name] if name in self.ranked and enough else math.nan
        return self._pair(name, self.floor, p_family, enough=enough)

    def _pair(self, a: str, b: str, p_family: float, *, enough: bool) -> Pair:
        check_pairs([(a, b)], [str(name) for name in self.scores.values.columns])
        values = self.scores.values[[a, b]].to_numpy(dtype=np.float64)
        apart = difference(values[:, 0], values[:, 1])[:, None]
        better = apart if self.scores.higher_is_better else -apart
        some = self.n_tracks >= FEWEST
        typical, low, high = hodges_lehmann(apart, self.level)[:, 0].tolist() if len(apart) else [math.nan] * 3
        p = float(signed_rank(apart)[0][0]) if some else math.nan
        decided = p if math.isnan(p_family) else p_family
        verdict = Verdict.TOLD_APART if decided < self.alpha else Verdict.NOT_TOLD_APART
        return Pair(
            a=a, b=b, n_tracks=self.n_tracks, difference=typical,
            low=low if some else math.nan, high=high if some else math.nan, level=self.level,
            wins=int((better > 0).sum()), ties=int((apart == 0).sum()), losses=int((better < 0).sum()),
            p=p, p_family=p_family, rank_biserial=float(rank_biserial(better)[0]),
            verdict=verdict if enough else Verdict.TOO_FEW, alpha=self.alpha, by_track=apart[:, 0],
        )  # fmt: skip

    @property
    def how(self) -> str:
        """Return the test and its correction in words."""
        corrected = "" if self.correction == "none" else f", {CORRECTIONS[self.correction].partition(':')[0]}"
        normal = ", normal approximation" if self.test == "wilcoxon" and self.n_tracks > EXACT else ""
        return f"{POSTHOC[self.test].partition(':')[0]}{corrected}{normal}"

    @cached_property
    def runner_up(self) -> str:
        """Return the first ranked method behind the best; empty where there is none."""
        behind = self.ranked[self.ranked.index(self.best) :] if self.best else []
        return next((name for name in behind if name not in self.leaders), "")

    @cached_property
    def ahead(self) -> str:
        """Return on how many tracks the best is better than the next, in words; empty where nobody is ahead."""
        if len(self.leaders) > 1:
            return f"{' and '.join(self.leaders)} have the same value"
        if not self.runner_up:
            return ""
        wins = self.pair(self.best, self.runner_up).wins
        lead = f"{self.best} better than {self.runner_up} on {wins} of {self.n_tracks}"
        n = int(self.scores.imputed[self.runner_up].sum())
        return f"{lead} (stand-ins: {n} of {self.runner_up})" if n else lead

    @cached_property
    def sentence(self) -> str:
        """Return what the tracks show, in words, or that they are too few."""
        n, k = self.n_tracks, len(self.ranked)
        if not n:
            return "No song counts, as none has a score of every method: nothing to compare."
        if k < 2:
            if self.scores.parts:
                return "Fewer than two ranked methods have every target: no means to compare."
            return "Fewer than two methods are ranked: nothing to compare."
        if self._all_alike:
            return f"All {k} methods score alike on each of {counted(n, 'song')}."
        if not self.best:
            return "No method is named the best: each has stand-ins or infinite values."
        lead = f"; {self.ahead}" if self.ahead else ""
        if n < FEWEST:
            return f"{counted(n, 'song')}: too few for any test{lead}."
        if not self.enough:
            which = "the 2 methods cannot" if k == 2 else f"no pair of {k} methods can"
            text = f"With {counted(n, 'song')} {which} be told apart (it takes {self.n_min}){lead}."
        else:
            alike = "it" if len(self.leaders) == 1 else f"{self.best} (the others have the same value)"
            text = f"Best: {', '.join(self.leaders)}; not told apart from {alike}: {', '.join(self.tied) or 'none'}."
        if self.may_be_best:
            text += f" May be the best ({percent(1 - self.alpha)}): {', '.join(self.may_be_best)}"
            text += f"; {BEATEN_SOONER}." if not self.enough and len(self.may_be_best) < k else "."
        if ahead := self.ranked[: self.ranked.index(self.best)]:
            text += f" Ahead, but not named for stand-ins or infinite values: {', '.join(ahead)}."
        return text


def family(
    scores: ScoreMatrix | pd.DataFrame,
    statistic: str = "median",
    *,
    unranked: Collection[str] = (),
    test: str = "wilcoxon",
    correction: str | None = None,
    alpha: float = 0.05,
    level: float = 0.95,
    values: Mapping[str, float] | None = None,
) -> Family:
    """Return the family of all pairs of a column's ranked methods.

    Parameters
    ----------
    scores : ScoreMatrix or DataFrame
        Scores, tracks x methods; of a DataFrame, higher is better and no method is an oracle.
    statistic : {"median", "mean"}
        What the methods are ordered by, over tracks.
    unranked : collection of str
        Methods that take no part beside oracles and those that do nothing (`mss_bench.core.schema.DO_NOTHING`): entries
        that do nothing under another name, or were trained on the tracks.
    test, correction
        As for `mss_bench.stats.significance.posthoc`.
    alpha : float
        Level of the tests, in (0, 1).
    level : float
        Of intervals, in (0, 1).
    values : mapping, optional
        What the methods are ordered by, where the table shows something else than `statistic` of the matrix.

    Returns
    -------
    Family
        Any number of tracks and methods will do: what they do not suffice for is said.

    Raises
    ------
    RunError
        The matrix is malformed.
    UnknownNameError, ConfigError
        The statistic, test or correction is not known; a level is out of range.
    """
    if not isinstance(scores, ScoreMatrix):
        scores = ScoreMatrix.of(scores)
    for name, number in (("alpha", alpha), ("level", level)):
        check_level(name, number)
    for what, name, known in (("statistic", statistic, STATISTICS), ("post hoc test", test, [*POSTHOC])):
        if name not in known:
            raise UnknownNameError(what, name, known)
    correction = usual(test) if correction is None else correction
    if correction not in CORRECTIONS:
        raise UnknownNameError("correction", correction, CORRECTIONS)
    names = [str(name) for name in scores.values.columns]
    if values is not None:
        centres = np.array([values[name] for name in names])
    elif len(scores.values):
        centres = statistic_of(parts_of(scores, scores.values.to_numpy(dtype=np.float64)), statistic)
    else:
        centres = np.full(len(names), np.nan)
    sign = 1.0 if scores.higher_is_better else -1.0
    order = sorted(range(len(names)), key=lambda i: -sign * centres[i])
    out = {*scores.oracles, *unranked, *filter(does_nothing, names)}
    imputed = scores.imputed.to_numpy(dtype=bool)
    unnamed = {names[i] for i in order if imputed[:, i].any() or not np.isfinite(centres[i])}
    return Family(
        scores=scores, statistic=statistic, values={names[i]: float(centres[i]) for i in order},
        ranked=[names[i] for i in order if names[i] not in out], test=test, correction=correction, alpha=alpha,
        level=level, unnamed=frozenset(unnamed),
    )  # fmt: skip


def cliques(p: pd.DataFrame, alpha: float = 0.05) -> list[list[str]] | None:
    """Return the maximal groups of methods of which no pair has p < alpha, by Bron and Kerbosch's search [2]_.

    Parameters
    ----------
    p : DataFrame
        Symmetric; the order of its index is that of the members of a group, and of the groups.
    alpha : float
        Level of the test, in (0, 1).

    Returns
    -------
    list of list of str, or None
        None where there are more than 1000, which nobody reads.

    Raises
    ------
    RunError
        P values are missing.
    """
    check_level("alpha", alpha)
    values = p.to_numpy(dtype=np.float64)
    if np.isnan(values).any():
        raise RunError("the table of p values holds NaN; make it with posthoc, which never does")
    alike = values >= alpha
    np.fill_diagonal(alike, val=False)
    # Sets of methods are the bits of a number.
    near = [sum(1 << int(j) for j in np.flatnonzero(row)) for row in alike]
    stack = [(0, (1 << len(near)) - 1, 0)] if near else []
    found: list[int] = []
    while stack:
        clique, candidates, done = stack.pop()
        if not candidates:
            if not done:
                found.append(clique)
                if len(found) > _MOST_CLIQUES:
                    return None
            continue
        # Neighbours of the pivot are in no other clique than one with it or with another that is tried here.
        pivot = max(_bits(candidates | done), key=lambda i: (near[i] & candidates).bit_count())
        for i in _bits(candidates & ~near[pivot]):
            stack.append((clique | 1 << i, candidates & near[i], done & near[i]))
            candidates &= ~(1 << i)
            done |= 1 << i
    names = [str(name) for name in p.index]
    return [[names[i] for i in members] for members in sorted([*_bits(clique)] for clique in found)]


def _bits(number: int) -> list[int]:
    return [i for i in range(number.bit_length()) if number >> i & 1]
