"""Ratings on the Elo scale: which method is better on a song, by the model of Bradley and Terry [1]_.

Every song is a comparison of every two methods that take part; those that score alike on it share the win. The model::

    P(a is better than b) = 1 / (1 + 10 ** ((R_b - R_a) / 400))

is fitted by maximum likelihood (Newton's method). As every two methods meet on every song, the likelihood knows of the
songs only how many wins each method has. It has a maximum where no group of methods loses every song to all others
[2]_. Where one does, its rating would be infinitely far below, so each method is given a tenth of a win and of a loss,
spread evenly over its rivals: the distance is then finite, and says no more than that it is large.

A rating depends on who takes part and says nothing of decibels: who is always better by 0.01 dB is far ahead. The songs
are the sample, so they are resampled whole: all comparisons on a song come and go together. The interval is the rating
plus and minus Student's t (songs - 1 degrees of freedom) times the standard deviation of the resamples, corrected for
their number of songs. At a nominal 95 % it holds the rating of the population in 95 to 99 % of samples of made-up songs
and in 92 to 96 % of samples of SiSEC's, three of which put the methods in another order: a sample of ten or twenty that
lacks them knows nothing of that, and nor does any interval (without the three 95 to 97 %). Percentiles of the resamples
cover 62 to 94 %, their reflection 89 to 97, BCa 67 to 96, the studentised bootstrap 90 to 97
(``tests/simulations/rating_coverage.py``).

References
----------
.. [1] R. A. Bradley, M. E. Terry, "Rank analysis of incomplete block designs: I", Biometrika 39, 1952.
.. [2] L. R. Ford, "Solution of a ranking problem from binary comparisons", American Mathematical Monthly 64, 1957.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.stats.matrix import ScoreMatrix, check_matrix
from mss_bench.stats.resample import check_bootstrap, resampled
from mss_bench.stats.signed_rank import DIGITS, FEWEST

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AT", "RATING_COLUMNS", "Ratings", "rate"]

RATING_COLUMNS = ("rating", "low", "high", "won")
"""Columns of a table of ratings."""

AT = 1000.0
"""What the method that a scale is calibrated to is rated."""

Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

_ELO = 400 / math.log(10)
_STEPS = 100
_CLOSE = 1e-9  # of the last step, in natural logarithms
_FARTHEST = 2.0  # that a step goes: Newton's method runs away where the likelihood is far from a parabola
_TIE = 0.1  # of a win and of a loss, given to each method where there is no finite rating otherwise
_AT_ONCE = 130_000  # probabilities in memory (and in the cache of the processor) at a time


@dataclass(frozen=True)
class Ratings:
    """Ratings of methods on the same songs."""

    table: pd.DataFrame  # index methods, the best first; columns `RATING_COLUMNS`, `won` is the share of comparisons
    beside: dict[str, float]  # of methods that take no part, by how often they are better than those that do
    anchor: str  # rated `at`; empty where that is the mean of all
    at: float
    level: float
    n_tracks: int
    draws: int
    finite: bool  # whether the likelihood has a maximum by itself


def rate(
    scores: ScoreMatrix | pd.DataFrame, methods: Sequence[str] | None = None, *, anchor: str = "", at: float = AT,
    level: float = 0.95, draws: int = 500, seed: int = 0,
) -> Ratings:  # fmt: skip
    """Rate the methods of a matrix.

    Parameters
    ----------
    scores : ScoreMatrix or DataFrame
        Scores, songs x methods; of a DataFrame, higher is better.
    methods : sequence of str, optional
        Those that take part, two or more; all by default. The others are placed among them and change nothing.
    anchor : str
        Method that is rated `at`, with or without a part in it; by default the mean of those that take part is.
        Intervals are of the distance to it.
    at : float
        What it is rated.
    level, draws, seed
        Of the interval, from `draws` resamples of songs; there is none with fewer than 6 songs.

    Raises
    ------
    UnknownNameError
        A method is not in the matrix.
    RunError
        Fewer than two methods take part, or the matrix is malformed.
    ConfigError
        `level` or `draws` is out of range.
    """
    import pandas as pd

    check_bootstrap("mean", level, draws)
    values, names = check_matrix(scores, "a rating", min_tracks=1)
    methods = names if methods is None else list(methods)
    for name in (*methods, *filter(None, [anchor])):
        if name not in names:
            raise UnknownNameError("method to rate", name, names)
    if len(methods) < 2:
        raise RunError(f"a rating needs at least 2 methods, got {', '.join(methods) or 'none'}")
    better = -values if isinstance(scores, ScoreMatrix) and not scores.higher_is_better else values
    own = np.round(better[:, [names.index(name) for name in methods]], DIGITS)
    wins = len(methods) - scipy.stats.rankdata(-own, axis=1)
    others = [name for name in names if name not in methods]
    won = {name: _wins(np.round(better[:, names.index(name)], DIGITS), own) for name in others}
    fitted, finite = _fit(wins.mean(axis=0)[None], len(values))
    zero = _zero(fitted, anchor, methods, {name: of.mean(keepdims=True) for name, of in won.items()}, len(values))
    low = high = np.full(len(methods), np.nan)
    if len(values) >= FEWEST:
        every = np.column_stack([wins, *won.values()])
        drawn = resampled(every, "mean", draws=draws, seed=seed)
        apart = dict(zip(others, drawn[:, len(methods) :].T, strict=True))
        strengths, _ = _fit(drawn[:, : len(methods)], len(values), fitted)
        strengths -= _zero(strengths, anchor, methods, apart, len(values))[:, None]
        # Resamples vary as the songs do around their own mean: by (songs - 1) / songs too little.
        wider = math.sqrt(len(values) / (len(values) - 1))
        reach = scipy.stats.t.ppf((1 + level) / 2, len(values) - 1) * wider * strengths.std(axis=0, ddof=1)
        low, high = (at + _ELO * (fitted[0] - zero[0] + side * reach) for side in (-1, 1))
    columns = (at + _ELO * (fitted[0] - zero[0]), low, high, wins.mean(axis=0) / (len(methods) - 1))
    table = pd.DataFrame(dict(zip(RATING_COLUMNS, columns, strict=True)), index=pd.Index(methods, name="separator"))
    beside = {
        name: at + _ELO * float(_place(of.mean(keepdims=True), fitted, len(values))[0] - zero[0])
        for name, of in won.items()
    }
    table = table.sort_values("rating", ascending=False, kind="stable")
    return Ratings(table, beside, anchor, at, level, len(values), draws, bool(finite[0]))


def _wins(own: Floats, others: Floats) -> Floats:
    """Return over how many of others a method is better on each song, ties half."""
    ahead, alike = own[:, None] > others, own[:, None] == others
    return np.asarray((ahead + 0.5 * alike).sum(axis=1), dtype=np.float64)


def _zero(strengths: Floats, anchor: str, methods: Sequence[str], apart: dict[str, Floats], n_tracks: int) -> Floats:
    """Return the strength that is to be rated `at`, for each draw."""
    if not anchor:
        return np.zeros(len(strengths))  # strengths are centred
    if anchor in methods:
        return strengths[:, list(methods).index(anchor)].copy()
    return _place(apart[anchor], strengths, n_tracks)


def _fit(wins: Floats, n_tracks: int, start: Floats | None = None) -> tuple[Floats, Flags]:
    """Fit strengths to wins a song, (draws, methods), of mean 0; and say where they are finite as they are."""
    k = wins.shape[1]
    # Methods that lost everything to the others have no wins but those among themselves, k (k - 1) / 2 a song.
    least = np.cumsum(np.sort(wins, axis=1), axis=1)[:, :-1] - [j * (j - 1) / 2 for j in range(1, k)]
    finite = np.asarray((least * n_tracks > 0.25).all(axis=1))  # wins are counted in halves
    wins = np.where(finite[:, None], wins, _smoothed(wins, k - 1, n_tracks))
    strengths: Floats = np.empty(wins.shape)
    solve = partial(_newton, start=np.zeros((1, k)))
    if start is not None:
        solve = partial(_near, start=start, inverse=np.linalg.inv(_curvature(_chances(start)))[0])
    size = max(_AT_ONCE // k**2, 1)
    for first in range(0, len(wins), size):
        part = slice(first, first + size)
        strengths[part] = solve(wins[part])
    return strengths, finite


def _near(wins: Floats, start: Floats, inverse: Floats) -> Floats:
    """Return the strengths of draws around `start`, by Newton's method with the inverse of the curvature there.

    One inverse for all draws, in place of a system of equations a draw and step, is twenty times as fast where the
    linear algebra's threads have to wait for each other.
    """
    strengths = np.repeat(start, len(wins), axis=0)
    farthest, far = np.full(len(wins), np.inf), np.zeros(len(wins), dtype=bool)
    while (farthest > _CLOSE).any():
        odds = np.exp(strengths)
        chance = odds[:, :, None] + odds[:, None, :]
        expected = odds * np.reciprocal(chance, out=chance).sum(axis=2) - 0.5
        step = np.einsum("dj,jk->dk", wins - expected, inverse)
        last, farthest = farthest, np.abs(step).max(axis=1)
        # Draws whose steps hardly shrink lie too far off: they begin anew, each with its own curvature.
        far |= (farthest > _CLOSE) & ~(farthest < last / 2)
        strengths = np.where(far[:, None], start, strengths + step)
        farthest[far] = 0.0
    if far.any():
        strengths[far] = _newton(wins[far], start)
    return np.asarray(strengths - strengths.mean(axis=1, keepdims=True))


def _smoothed(wins: Floats, rivals: int, n_tracks: int) -> Floats:
    """Return wins a song after `_TIE` of a win and of a loss more."""
    weight = 2 * _TIE / rivals  # of a song on which all score alike
    return (wins * n_tracks + weight * rivals / 2) / (n_tracks + weight)


def _newton(wins: Floats, start: Floats) -> Floats:
    """Return the strengths at which expected wins a song are those given, by Newton's method."""
    draws = len(wins)
    strengths = np.repeat(start, draws, axis=0)
    open_ = np.arange(draws)  # draws that have not converged
    for _ in range(_STEPS):
        chance = _chances(strengths[open_])
        gradient = wins[open_] - chance.sum(axis=2) + 0.5  # a method does not meet itself
        step = np.linalg.solve(_curvature(chance), gradient[:, :, None])[:, :, 0]
        farthest = np.abs(step).max(axis=1)
        step *= np.minimum(1.0, _FARTHEST / np.maximum(farthest, _FARTHEST))[:, None]
        strengths[open_] += step
        open_ = open_[farthest > _CLOSE]
        if not open_.size:
            break
    return np.asarray(strengths - strengths.mean(axis=1, keepdims=True))


def _chances(strengths: Floats) -> Floats:
    """Return the chance of each method, the rows, to be better than each, the columns."""
    return np.asarray(scipy.special.expit(strengths[:, :, None] - strengths[:, None, :]))


def _curvature(chance: Floats) -> Floats:
    """Return the negative Hessian of the likelihood a song, (draws, methods, methods), from chances to win."""
    k = chance.shape[1]
    hessian = chance * (chance - 1)
    hessian[:, range(k), range(k)] += -hessian.sum(axis=2)
    # Strengths have a free constant: the added constant matrix makes the system regular, and the step of mean 0.
    return np.asarray(hessian + 1 / k)


def _place(wins: Floats, strengths: Floats, n_tracks: int) -> Floats:
    """Return the strength of a method from its wins a song, (draws,), over methods of known strengths, by bisection."""
    k = strengths.shape[1]
    finite = (wins * n_tracks > 0.25) & ((k - wins) * n_tracks > 0.25)
    wins = np.where(finite, wins, _smoothed(wins, k, n_tracks))
    low, high = strengths.min(axis=1) - 20, strengths.max(axis=1) + 20
    for _ in range(60):
        middle = (low + high) / 2
        above = scipy.special.expit(middle[:, None] - strengths).sum(axis=1) > wins
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray((low + high) / 2)
