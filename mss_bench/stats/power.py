"""How many tracks it takes to tell two methods apart, and how small a difference a number of tracks can show.

Both start from the observed differences of two methods on the same tracks, and say what *new* tracks of the same kind
would show. The power at the observed number of tracks only restates the p value: it is there to plan with, not to argue
with [3]_.

References
----------
.. [1] G. E. Noether, "Sample size determination for some common nonparametric tests", J. Am. Stat. Assoc. 82, 1987.
.. [2] J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd ed., Erlbaum 1988.
.. [3] J. M. Hoenig, D. M. Heisey, "The abuse of power", Am. Stat. 55, 2001.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.errors import ConfigError, RunError, UnknownNameError
from mss_bench.stats.matrix import ScoreMatrix, check_level, check_matrix, check_pairs
from mss_bench.stats.signed_rank import FEWEST, wilcoxon
from mss_bench.stats.units import difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["APPROACHES", "TracksNeeded", "needed_for", "smallest_difference", "tracks_needed", "wilcoxon_power"]

APPROACHES = {
    "simulation": "Wilcoxon's test, exact as tables have it, on songs drawn from the observed differences",
    "noether": "Wilcoxon's test, Noether's approximation",
    "t": "paired t test, noncentral t distribution",
}
"""Ways to find the number of tracks, in words."""

_LARGEST_EFFECT = 50.0  # standard deviations: where the search ends, as 3 tracks show it nearly for sure at .05
_STEPS = 24  # tracks up to which every number is tried: the power of an exact test goes up and down there


@dataclass(frozen=True)
class TracksNeeded:
    """How many tracks two methods need to be told apart."""

    a: str
    b: str
    n_tracks: int | None  # None where `max_tracks` do not suffice
    approach: str  # a key of APPROACHES
    power: float
    alpha: float
    n_observed: int
    reason: str  # why there is no number; empty where there is


def tracks_needed(
    matrix: pd.DataFrame | ScoreMatrix,
    a: str,
    b: str,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    approach: str = "simulation",
    max_tracks: int = 2000,
    draws: int = 1000,
    seed: int = 0,
) -> TracksNeeded:
    """Return how many tracks a two-sided paired test needs to tell two methods apart with a given probability.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Scores, index tracks, columns methods; no NaN.
    a, b : str
        The methods.
    power : float
        The probability, in (0, 1).
    alpha : float
        Level of the test, in (0, 1); divide it by the number of pairs where many are tested.
    approach : {"simulation", "noether", "t"}
        A key of `APPROACHES`. The first two need only the signs and the order of the differences, and take infinite
        ones; Noether's [1]_ errs where hardly any track disagrees.
    max_tracks : int
        Where the search ends.
    draws, seed : int
        Of the simulation.

    Returns
    -------
    TracksNeeded

    Raises
    ------
    RunError
        Fewer than 3 tracks, a malformed matrix, or infinite differences for ``t``.
    UnknownNameError, ConfigError
        A method or the approach is not known; a number is out of range.
    """
    differences = _differences(matrix, a, b)
    return needed_for(
        differences, a, b, power=power, alpha=alpha, approach=approach, max_tracks=max_tracks, draws=draws, seed=seed
    )


def needed_for(
    differences: Floats, a: str, b: str, *, power: float = 0.8, alpha: float = 0.05, approach: str = "simulation",
    max_tracks: int = 2000, draws: int = 1000, seed: int = 0,
) -> TracksNeeded:  # fmt: skip
    """Return what `tracks_needed` does, from the differences of two methods, one a track."""
    check_level("power", power)
    check_level("alpha", alpha)
    if approach not in APPROACHES:
        raise UnknownNameError("approach to power", approach, APPROACHES)
    # Of 100 draws the power has a standard error of up to 5 percentage points.
    if max_tracks < FEWEST or draws < 100:
        raise ConfigError(
            f"max_tracks must be at least {FEWEST} and draws 100, got {max_tracks} and {draws}; try 2000, 1000"
        )
    if not differences.any():
        return TracksNeeded(
            a, b, None, approach, power, alpha, differences.size, "the methods score alike on every song"
        )
    if approach == "simulation":
        needed = _by_simulation(differences, power, alpha, max_tracks, draws, seed)
    else:
        needed = (_noether if approach == "noether" else _by_t)(differences, power, alpha, max_tracks)
    if needed is None or needed > max_tracks:
        reason = f"more than {max_tracks} songs: the difference is too small against its spread"
        return TracksNeeded(a, b, None, approach, power, alpha, differences.size, reason)
    return TracksNeeded(a, b, needed, approach, power, alpha, differences.size, "")


def wilcoxon_power(
    differences: Floats, n_tracks: int, *, alpha: float = 0.05, draws: int = 1000, seed: int = 0
) -> float:
    """Return the share of samples of `n_tracks` differences, drawn with replacement, that are significant.

    Parameters
    ----------
    differences : ndarray (tracks,)
        May hold infinities, no NaN.
    n_tracks : int
        Tracks in a sample.
    alpha : float
        Level of the two-sided test, in (0, 1).
    draws, seed : int
        Samples, and the seed of their drawing.

    Returns
    -------
    float
        In [0, 1].
    """
    rng = np.random.default_rng(seed)
    return float((wilcoxon(rng.choice(differences, (n_tracks, draws))) < alpha).mean())


def smallest_difference(
    matrix: pd.DataFrame | ScoreMatrix,
    a: str,
    b: str,
    *,
    n_tracks: int | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float:
    """Return the mean difference of two methods that a number of tracks can show, given its standard deviation.

    Parameters
    ----------
    matrix, a, b, power, alpha
        As for `tracks_needed`.
    n_tracks : int, optional
        At least 3; by default as many as were observed.

    Returns
    -------
    float
        In the unit of the metric, by the noncentral t distribution [2]_. 0 where the difference is the same on every
        track.

    Raises
    ------
    RunError, UnknownNameError, ConfigError
        As for `tracks_needed`; differences must be finite.
    """
    check_level("power", power)
    check_level("alpha", alpha)
    differences = _finite(_differences(matrix, a, b))
    n = differences.size if n_tracks is None else n_tracks
    if n < 3:
        raise ConfigError(f"n_tracks must be at least 3, got {n}")
    if power <= alpha:
        return 0.0
    standard = scipy.optimize.brentq(lambda effect: _t_power(effect, n, alpha) - power, 0.0, _LARGEST_EFFECT)
    return float(standard * differences.std(ddof=1))


def _differences(matrix: pd.DataFrame | ScoreMatrix, a: str, b: str) -> Floats:
    values, methods = check_matrix(matrix, "a power analysis")
    [(i, j)] = check_pairs([(a, b)], methods)
    return difference(values[:, i], values[:, j])


def _finite(differences: Floats) -> Floats:
    infinite = int((~np.isfinite(differences)).sum())
    if infinite:
        raise RunError(
            f"the noncentral t distribution needs finite differences, got {infinite} infinite; use 'simulation' instead"
        )
    return differences


def _by_simulation(
    differences: Floats, power: float, alpha: float, max_tracks: int, draws: int, seed: int
) -> int | None:
    """Try few tracks one by one, then find the number by doubling and bisection."""

    def enough(n: int) -> bool:
        return wilcoxon_power(differences, n, alpha=alpha, draws=draws, seed=seed) >= power

    low = high = min(_STEPS, max_tracks)
    if enough(high):
        # The fewest from which on no number falls short again.
        while high > FEWEST and enough(high - 1):
            high -= 1
        return high
    while True:
        if high >= max_tracks:
            return None
        low, high = high, min(2 * high, max_tracks)
        if enough(high):
            break
    # A thousand draws know the power to a percentage point, and the number to a few percent.
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _noether(differences: Floats, power: float, alpha: float, _max_tracks: int) -> int | None:
    """Apply Noether's formula to the share of pairs of tracks whose differences sum to more than 0."""
    with np.errstate(invalid="ignore"):
        sums = (differences[:, None] + differences)[np.triu_indices(differences.size, 1)]
    positive = float(np.where(np.isnan(sums), 0.5, (np.sign(sums) + 1) / 2).mean())
    if positive == 0.5:
        return None
    z = scipy.stats.norm.isf(alpha / 2) + scipy.stats.norm.ppf(power)
    return max(math.ceil(z**2 / (3 * (positive - 0.5) ** 2)), FEWEST)


def _by_t(differences: Floats, power: float, alpha: float, max_tracks: int) -> int | None:
    mean, spread = float(_finite(differences).mean()), float(differences.std(ddof=1))
    if mean == 0:
        return None
    if spread < 1e-12 * abs(mean):  # the same difference on every track but for rounding: any number of tracks shows it
        return 3
    low, high = 2, max_tracks
    if _t_power(mean / spread, high, alpha) < power:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _t_power(mean / spread, middle, alpha) >= power else (middle, high)
    return high


def _t_power(effect: float, n: int, alpha: float) -> float:
    """Return the power of the two-sided paired t test at a standardised mean difference."""
    if effect == 0:
        return alpha
    # By the square, whose noncentral F distribution SciPy has without NaN in the far tail, as noncentral t has not.
    return float(scipy.stats.ncf.sf(scipy.stats.t.isf(alpha / 2, n - 1) ** 2, 1, n - 1, n * effect**2))
