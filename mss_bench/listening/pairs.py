"""Scales from pairwise preferences: Bradley-Terry with Davidson's ties, and Thurstone's case V.

Bradley-Terry [1]_ gives each system a strength such that ``P(a over b) = e^a / (e^a + e^b)``; Davidson [2]_ adds ties,
``P(tie) = v sqrt(e^a e^b) / (e^a + e^b + v sqrt(e^a e^b))``. Thurstone's case V [3]_ has ``P(a over b) = Phi(a - b)``,
ties counted half to either. Both are fitted by maximum likelihood; strengths are centred on 0. Intervals resample
listeners, for answers of one listener are not independent.

References
----------
.. [1] R. A. Bradley, M. E. Terry, "Rank analysis of incomplete block designs: I", Biometrika 39, 1952.
.. [2] R. R. Davidson, "On extending the Bradley-Terry model to accommodate ties", J. Am. Stat. Assoc. 65, 1970.
.. [3] L. L. Thurstone, "A law of comparative judgment", Psychological Review 34, 1927.
.. [4] L. R. Ford, "Solution of a ranking problem from binary comparisons", American Mathematical Monthly 64, 1957.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.errors import UnknownNameError
from mss_bench.listening.analysis import permutation
from mss_bench.listening.bootstrap import draw_counts, percentile_interval
from mss_bench.listening.ratings import Role
from mss_bench.listening.sheets import RatingsError
from mss_bench.stats.significance import correct
from mss_bench.stats.units import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MODELS", "Answers", "PairScale", "PairTests", "answers", "bradley_terry", "pair_scale", "pair_tests", "thurstone",
]  # fmt: skip

MODELS = {"bradley_terry": "Bradley-Terry", "thurstone": "Thurstone, case V"}
"""Models of preferences and what reports call them."""

_STEPS = 200
_CLOSE = 1e-10  # of the last step
_SAME = 1e-6  # strengths of resamples that differ by rounding alone


@dataclass(frozen=True)
class Answers:
    """Counts of answers.

    Parameters
    ----------
    systems : list of str
    listeners : list of str
    wins : (listeners, systems, systems) array
        How often the row's system was chosen over the column's.
    ties : (listeners, systems, systems) array
        Symmetric; each tie stands at both places.
    """

    systems: list[str]
    listeners: list[str]
    wins: Floats
    ties: Floats


@dataclass(frozen=True)
class PairScale:
    """Strengths of systems.

    Parameters
    ----------
    model : str
        One of `MODELS`.
    strengths : DataFrame
        Index system, the strongest first; ``strength``, ``low``, ``high`` (NaN where all resamples are alike),
        ``wins``, ``ties``, ``losses``, ``p_win`` (probability to be chosen over another system drawn at random, ties
        half).
    tie : float
        Davidson's v; 0 of Thurstone's model and where nobody tied.
    bounded : bool
        False where a system (or a group) never lost to the others, so that no finite strength fits best; then, and in
        such resamples, half an answer more is counted each way for every pair that was asked.
    """

    model: str
    strengths: pd.DataFrame
    tie: float
    bounded: bool


@dataclass(frozen=True)
class PairTests:
    """Which pairs of systems listeners prefer one of, and whether they prefer a side.

    Parameters
    ----------
    pairs : DataFrame
        ``a``, ``b``, ``wins``, ``ties``, ``losses`` of a, ``share`` (ties half), ``listeners``, ``p`` of listeners'
        preferences under changes of their signs, after Holm over all pairs.
    first, second : int
        How often the signal that was shown first, or second, was chosen, ties aside; 0 where the order is not known.
    p_side : float
        Of a two-sided binomial test of equal shares; NaN where the order is not known.
    """

    pairs: pd.DataFrame
    first: int
    second: int
    p_side: float


def pair_tests(ratings: pd.DataFrame, given: Answers, *, draws: int = 10_000, seed: int = 0) -> PairTests:
    """Test each pair of systems with listeners as units, and check the side.

    Parameters
    ----------
    ratings : DataFrame
        Of a preference task.
    given : Answers
        Its answers.
    draws, seed : int
        Of permutations of many listeners.
    """
    import pandas as pd
    from scipy import stats

    rows = []
    for i, j in combinations(range(len(given.systems)), 2):
        won, lost, tied = given.wins[:, i, j], given.wins[:, j, i], given.ties[:, i, j]
        asked = won + lost + tied
        if not asked.any():
            continue
        # An answer of one listener to a pair resembles their next: a listener counts once.
        leaning = ((won - lost) / np.maximum(asked, 1))[asked > 0]
        share = float((won.sum() + tied.sum() / 2) / asked.sum())
        rows.append((given.systems[i], given.systems[j], int(won.sum()), int(tied.sum()), int(lost.sum()), share,
                     leaning.size, permutation(leaning, draws=draws, seed=seed)))  # fmt: skip
    table = pd.DataFrame(rows, columns=["a", "b", "wins", "ties", "losses", "share", "listeners", "p"])
    table["p"] = correct(table["p"].to_numpy(dtype=np.float64))
    chosen = ratings[(ratings["role"] == Role.TEST) & (ratings["score"] == 1)]["position"]
    first, second = int((chosen == 0).sum()), int((chosen == 1).sum())
    side = float(stats.binomtest(first, first + second).pvalue) if first + second else float("nan")
    return PairTests(table, first, second, side)


def answers(ratings: pd.DataFrame) -> Answers:
    """Count answers.

    Parameters
    ----------
    ratings : DataFrame
        Of a preference task: two rows a trial, scores 1 and 0, or 0.5 twice.

    Raises
    ------
    RatingsError
        A trial that is no pair.
    """
    own = ratings[ratings["role"] == Role.TEST]
    systems, listeners = sorted(map(str, set(own["system"]))), sorted(map(str, set(own["listener"])))
    shape = (len(listeners), len(systems), len(systems))
    wins, ties = np.zeros(shape), np.zeros(shape)
    place = {name: number for number, name in enumerate(systems)}
    who = {name: number for number, name in enumerate(listeners)}
    for (listener, trial), rows in own.groupby(["listener", "trial"], sort=False):
        # A replicate is a further answer to the same pair.
        for _, pair in rows.groupby(["session", "order", "replicate"], sort=False):
            scores = pair["score"].tolist()
            if len(pair) != 2 or sum(scores) != 1 or not set(scores) <= {0.0, 0.5, 1.0}:
                raise RatingsError(
                    f"{listener}, trial {trial}: scores {scores} of {', '.join(pair['system'])} are no answer to a "
                    "pair; expected 1 and 0, or 0.5 twice"
                )
            a, b = (place[str(name)] for name in pair["system"])
            if scores[0] == 0.5:
                ties[who[str(listener)], [a, b], [b, a]] += 1
            else:
                won, lost = (a, b) if scores[0] == 1 else (b, a)
                wins[who[str(listener)], won, lost] += 1
    return Answers(systems, listeners, wins, ties)


def pair_scale(counted: Answers, model: str = "bradley_terry", *, draws: int = 1000, seed: int = 0) -> PairScale:
    """Estimate strengths with bootstrap intervals over listeners.

    Parameters
    ----------
    counted : Answers
    model : {"bradley_terry", "thurstone"}
    draws, seed : int

    Raises
    ------
    RatingsError
        Fewer than 2 systems, or systems that were never compared, not even by way of others.
    UnknownNameError
        The model is not known.
    """
    import pandas as pd

    if model not in MODELS:
        raise UnknownNameError("model of pairs", model, MODELS)
    wins, ties = counted.wins.sum(axis=0), counted.ties.sum(axis=0)
    if len(counted.systems) < 2:
        raise RatingsError(f"preferences need at least 2 systems, got {', '.join(counted.systems) or 'none'}")
    asked = (wins + wins.T + ties) > 0
    lonely = np.flatnonzero(~_reachable(asked)[0])
    if lonely.size:
        raise RatingsError(
            f"{counted.systems[int(lonely[0])]} was never compared with {counted.systems[0]}, not even by way of "
            "others: their strengths have no common scale"
        )
    fitted, tie = _fit(model, wins, ties)
    rng = np.random.default_rng(seed)
    weights = draw_counts(len(counted.listeners), draws, rng)
    drawn = np.full((draws, len(counted.systems)), np.nan)
    for number, (w, t) in enumerate(zip(np.tensordot(weights, counted.wins, 1), np.tensordot(weights, counted.ties, 1),
                                        strict=True)):  # fmt: skip
        # A resample may leave systems without any link; their strengths then have no common scale, and stay NaN.
        if _reachable((w + w.T + t) > 0).all():
            drawn[number] = _fit(model, w, t)[0]
    ends = [_interval(drawn[:, number]) for number in range(len(counted.systems))]
    probability = _probability(model, fitted, tie)
    np.fill_diagonal(probability, 0.0)
    table = pd.DataFrame(
        {
            "strength": fitted, "low": [low for low, _ in ends], "high": [high for _, high in ends],
            "wins": wins.sum(axis=1), "ties": ties.sum(axis=1), "losses": wins.sum(axis=0),
            "p_win": probability.sum(axis=1) / (len(counted.systems) - 1),
        },
        index=pd.Index(counted.systems, name="system"),
    )  # fmt: skip
    return PairScale(model, table.sort_values("strength", ascending=False, kind="stable"), tie, _bounded(wins, ties))


def bradley_terry(wins: Floats, ties: Floats | None = None) -> tuple[Floats, float]:
    """Estimate strengths by maximum likelihood.

    Parameters
    ----------
    wins : (systems, systems) array
        How often the row's system was chosen over the column's; the comparisons must connect all systems, and no
        group may have lost to the others never (see `PairScale.bounded`).
    ties : (systems, systems) array, optional
        Symmetric; each tie stands at both places.

    Returns
    -------
    strengths : (systems,) array
        Natural logarithms, of mean 0.
    tie : float
        Davidson's v.
    """
    tied = np.zeros_like(wins) if ties is None else ties
    compared = wins + wins.T + tied
    total = float(tied.sum()) / 2
    strengths, tie = np.zeros(len(wins)), 1.0 if total else 0.0
    for _ in range(_STEPS):  # Newton's method on a concave likelihood, in log strengths and log v
        win, draw = _davidson(strengths, tie)
        expected = compared * (win + draw / 2)
        gradient = (wins + tied / 2 - expected).sum(axis=1)
        # variance of the score (1, 1/2, 0) of each pair, and its covariance with a tie
        spread = compared * (win + draw / 4 - (win + draw / 2) ** 2)
        hessian = np.diag(spread.sum(axis=1)) - spread
        if total:
            across = compared * (draw / 2 - (win + draw / 2) * draw)
            last = float((compared * (draw - draw**2)).sum()) / 2
            side = across.sum(axis=1)
            hessian = np.block([[hessian, side[:, None]], [side[None, :], np.array([[last]])]])
            gradient = np.append(gradient, total - float((compared * draw).sum()) / 2)
        # Strengths have a free constant, so the Hessian is singular: least squares take the shortest step.
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
        # Shorter steps where the likelihood is far from a parabola, so that Newton's method does not run away.
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        strengths = strengths + step[: len(wins)]
        strengths -= strengths.mean()
        tie *= float(np.exp(step[-1])) if total else 1.0
        if np.abs(step).max() < _CLOSE:
            break
    return strengths, tie


def thurstone(wins: Floats, ties: Floats | None = None) -> Floats:
    """Estimate scale values of case V by maximum likelihood, of mean 0, in standard deviations of a difference.

    Parameters
    ----------
    wins, ties
        As for `bradley_terry`; a tie counts half to either.
    """
    from scipy.stats import norm

    won = wins + (0 if ties is None else ties / 2)
    values = np.zeros(len(won))
    for _ in range(_STEPS):  # Fisher scoring
        apart = values[:, None] - values
        chosen = norm.cdf(apart)  # where it rounds to 0 or 1 a pair has no information left, nor a gradient
        density = norm.pdf(apart)
        safe = np.maximum(chosen * (1 - chosen), 1e-300)
        compared = won + won.T
        gradient = ((won - compared * chosen) * density / safe).sum(axis=1)
        weight = compared * density**2 / safe
        np.fill_diagonal(weight, 0.0)
        information = np.diag(weight.sum(axis=1)) - weight
        # Singular, as values have a free constant: least squares take the shortest step.
        step = np.linalg.lstsq(information, gradient, rcond=1e-12)[0]
        step *= min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        values = values + step - (values + step).mean()
        if np.abs(step).max() < _CLOSE:
            break
    return np.asarray(values)


def _interval(drawn: Floats) -> tuple[float, float]:
    """Return an interval over listeners, NaN where listeners of one mind leave nothing to vary."""
    low, high = percentile_interval(drawn)
    return (low, high) if high - low > _SAME else (float("nan"), float("nan"))


def _davidson(strengths: Floats, tie: float) -> tuple[Floats, Floats]:
    """Return how probably the row's system is chosen over the column's, and they tie; 0 on the diagonal."""
    apart = np.clip(strengths[:, None] - strengths, -700, 700)
    both = 1 + np.exp(-apart) + tie * np.exp(-apart / 2)
    win, draw = 1 / both, tie * np.exp(-apart / 2) / both
    np.fill_diagonal(win, 0.0)
    np.fill_diagonal(draw, 0.0)
    return np.asarray(win), np.asarray(draw)


def _probability(model: str, strengths: Floats, tie: float) -> Floats:
    if model == "thurstone":
        from scipy.stats import norm

        return np.asarray(norm.cdf(strengths[:, None] - strengths))
    win, draw = _davidson(strengths, tie)
    return win + draw / 2


def _fit(model: str, wins: Floats, ties: Floats) -> tuple[Floats, float]:
    # Of a system that never lost, the likelihood grows with its strength for ever.
    if not _bounded(wins, ties):
        wins = wins + 0.5 * ((wins + wins.T + ties) > 0)  # as Haldane and Anscombe correct odds with a zero
    if model == "thurstone":
        return thurstone(wins, ties), 0.0
    return bradley_terry(wins, ties)


def _bounded(wins: Floats, ties: Floats) -> bool:
    """Check Ford's condition [4]_: of any two groups each has won, or tied, against the other."""
    return bool(_reachable((wins + ties) > 0).all())


def _reachable(graph: Any) -> Any:
    """Return which can be reached from which along the arrows of a graph."""
    reach = np.asarray(graph, dtype=bool) | np.eye(len(graph), dtype=bool)
    # Squaring the matrix doubles the length of the paths that it knows.
    for _ in range(max(1, int(np.ceil(np.log2(len(reach)))))):
        reach = (reach.astype(np.float64) @ reach.astype(np.float64)) > 0
    return reach
