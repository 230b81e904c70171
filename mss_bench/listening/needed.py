"""How many listeners find a difference: in the units of the scale, or in shares of answers."""

from __future__ import annotations

import math

from mss_bench.listening.protocols import Kind
from mss_bench.listening.ratings import SCALE

__all__ = ["SD", "answers_by_share", "listeners_by_difference", "listeners_in_words"]

SD = 0.2
"""Standard deviation of paired differences of two systems as a share of the scale: published tests of music separation
have 18 to 21 points of 100."""

_DIFFERENCES = (0.05, 0.08, 0.1, 0.15)  # of the scale; a band of MUSHRA's has 0.2
_SHARES = (0.1, 0.15, 0.2, 0.25, 0.3)  # above chance
_LEVEL = 0.05


def listeners_by_difference(
    sd: float | None = None, power: float = 0.8, scale: tuple[float, float] = SCALE
) -> dict[float, int]:
    """Return how many listeners find some paired differences: ``n = ((z_(1-a/2) + z_power) sd / difference)^2``.

    Parameters
    ----------
    sd : float, optional
        Standard deviation of the paired differences, in the units of the scale; `SD` of it by default.
    power : float
        Wanted probability of finding the difference, above the level of the test.
    scale : (float, float)
        Its ends.

    Returns
    -------
    dict of float to int
        Differences in the units of the scale.
    """
    width = scale[1] - scale[0]
    spread = SD * width if sd is None else sd
    z = _z(1 - _LEVEL / 2) + _z(power)
    return {share * width: math.ceil((z * spread / (share * width)) ** 2) for share in _DIFFERENCES}


def listeners_in_words(sd: float | None, scale: tuple[float, float], power: float = 0.8) -> dict[str, int]:
    """Return `listeners_by_difference` with its differences in words: points of 100, or grades."""
    unit = "points" if tuple(scale) == SCALE else f"of a scale from {scale[0]:g} to {scale[1]:g}"
    return {f"{d:.3g} {unit}": n for d, n in listeners_by_difference(sd, power, scale).items()}


def answers_by_share(kind: Kind, power: float = 0.8, *, choices: int = 2) -> dict[str, int]:
    """Return how many answers about a system (ABX), a pair (preference) or all (votes) tell a share from chance.

    By the normal approximation of the binomial test; one-sided for ABX, where fewer right answers than by guessing mean
    nothing.

    Parameters
    ----------
    kind : Kind
    power : float
    choices : int
        Signals of which one is chosen.
    """
    sides = 1 if kind is Kind.ABX else 2
    what = "right" if kind is Kind.ABX else f"for one of {choices}"
    chance, (z, other) = 1 / choices, (_z(1 - _LEVEL / sides), _z(power))
    by_chance = math.sqrt(chance * (1 - chance))
    return {
        f"{100 * p:.0f} % {what}": math.ceil(((by_chance * z + math.sqrt(p * (1 - p)) * other) / (p - chance)) ** 2)
        for p in (chance + more for more in _SHARES)
    }


def _z(probability: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(probability))
