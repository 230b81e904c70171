"""A linear mixed model of ratings: systems fixed, listeners and items random, crossed.

``score = system + (1 | listener) + (1 | item) + (1 | item x system) + residual``: what a system adds, with the
listeners and the items as samples of many [1]_, and how much of the variance is a matter of who listens, of what is
listened to, and of systems doing better on some items than on others. Unlike the tests it takes incomplete designs.

Fitted by restricted maximum likelihood, profiled as lme4 does it [2]_: of a few thousand ratings in a fraction of a
second.

References
----------
.. [1] R. H. Baayen, D. J. Davidson, D. M. Bates, "Mixed-effects modeling with crossed random effects for subjects and
   items", Journal of Memory and Language 59, 2008.
.. [2] D. Bates, M. Mächler, B. Bolker, S. Walker, "Fitting linear mixed-effects models using lme4", Journal of
   Statistical Software 67(1), 2015, 3.4.
"""

# Not by statsmodels, as `mss_bench.stats.mixed`: its random effects are nested in groups, and crossed ones make the
# whole test a single group of dense matrices.
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mss_bench.errors import UnknownNameError
from mss_bench.listening.bootstrap import LEVEL
from mss_bench.listening.ratings import Role
from mss_bench.listening.sheets import RatingsError
from mss_bench.stats.mixed import effect_table
from mss_bench.stats.units import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RatingModel", "rating_model"]

_FEWEST = 3  # listeners, or items: a variance between two is hardly known


@dataclass(frozen=True)
class RatingModel:
    """A fitted model.

    Parameters
    ----------
    effects : DataFrame
        Index systems but the reference; ``estimate``, ``se``, ``low``, ``high``, ``p`` against it (normal
        approximation).
    reference : str
        The system that the others are compared with.
    reference_mean : float
    variance : dict of str to float
        Of ``listener``, ``item``, ``item x system`` and ``residual``.
    converged : bool
        False means that the numbers are not to be used.
    """

    effects: pd.DataFrame
    reference: str
    reference_mean: float
    variance: dict[str, float]
    converged: bool


def rating_model(ratings: pd.DataFrame, *, reference: str | None = None) -> RatingModel:
    """Fit the model.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target; references and anchors take no part.
    reference : str, optional
        The system that the others are compared with; by default the first in the alphabet.

    Raises
    ------
    RatingsError
        Fewer than 2 systems, 3 listeners or 3 items, or scores without any spread.
    UnknownNameError
        There is no such system.
    """
    import pandas as pd

    own = ratings[ratings["role"] == Role.TEST]
    systems = sorted(map(str, set(own["system"])))
    listeners, items = own["listener"].nunique(), own["item"].nunique()
    if len(systems) < 2 or listeners < _FEWEST or items < _FEWEST:
        raise RatingsError(
            f"the mixed model needs at least 2 systems, {_FEWEST} listeners and {_FEWEST} items, got "
            f"{len(systems)}, {listeners} and {items}"
        )
    if reference is not None and reference not in systems:
        raise UnknownNameError("system of the test", reference, systems)
    first = reference or systems[0]
    others = [name for name in systems if name != first]
    system = own["system"].to_numpy()
    design = np.stack([np.ones(len(own)), *(np.asarray(system == name, dtype=np.float64) for name in others)], axis=1)
    groups = {
        "listener": pd.factorize(own["listener"])[0],
        "item": pd.factorize(own["item"])[0],
        "item x system": pd.factorize(own["item"] + "\n" + own["system"])[0],
    }
    scores = own["score"].to_numpy(dtype=np.float64)
    if np.ptp(scores) == 0:
        raise RatingsError("the mixed model needs scores that spread, but all are alike")
    fitted = _fit(scores, design, list(groups.values()))
    variance = dict(zip(groups, map(float, fitted.residual * fitted.ratios**2), strict=True))
    return RatingModel(
        effects=effect_table(fitted.fixed[1:], fitted.error[1:], pd.Index(others, name="system"), LEVEL),
        reference=first,
        reference_mean=float(fitted.fixed[0]),
        variance=variance | {"residual": fitted.residual},
        converged=fitted.converged,
    )


@dataclass(frozen=True)
class _Fit:
    fixed: Floats
    error: Floats
    ratios: Floats  # standard deviations of the random effects over the residual's
    residual: float  # variance
    converged: bool


def _fit(scores: Floats, design: Floats, groups: Sequence[NDArray[np.intp]]) -> _Fit:
    """Minimise the profiled REML criterion, a function of the ratios of standard deviations alone."""
    from scipy.linalg import solve_triangular
    from scipy.optimize import Bounds, minimize

    sizes = [int(codes.max()) + 1 for codes in groups]
    effects = np.concatenate([np.eye(size)[codes] for size, codes in zip(sizes, groups, strict=True)], axis=1)
    # Products once: the criterion is then a matter of the number of effects, not of ratings.
    zz, zx, zy = effects.T @ effects, effects.T @ design, effects.T @ scores
    xx, xy, yy = design.T @ design, design.T @ scores, float(scores @ scores)
    freedom = design.shape[0] - design.shape[1]

    def solve(ratios: Floats) -> tuple[float, Floats, Floats, float]:
        """Return criterion, fixed effects, their covariance over the residual variance, and that variance."""
        scale = np.repeat(ratios, sizes)
        # Names as in [2]_: the blocks of the Cholesky factor of the penalised least squares.
        lower = np.linalg.cholesky(scale[:, None] * zz * scale + np.eye(scale.size))
        cu = solve_triangular(lower, scale * zy, lower=True)
        rzx = solve_triangular(lower, scale[:, None] * zx, lower=True)
        rx = np.linalg.cholesky(xx - rzx.T @ rzx)
        cb = solve_triangular(rx, xy - rzx.T @ cu, lower=True)
        # Where the effects explain every score, rounding would leave a negative rest.
        squares = max(yy - float(cu @ cu) - float(cb @ cb), 1e-12 * yy)
        criterion = (
            2 * float(np.log(np.diag(lower)).sum())
            + 2 * float(np.log(np.diag(rx)).sum())
            + freedom * (1 + math.log(2 * math.pi * squares / freedom))
        )
        inverse = solve_triangular(rx, np.eye(len(rx)), lower=True)
        return criterion, inverse.T @ cb, inverse.T @ inverse, squares / freedom

    def criterion(ratios: Floats) -> float:
        return solve(ratios)[0]

    # A ratio of 0 is allowed, and common: then the effect adds nothing beyond the residual.
    start = np.full(len(sizes), 0.5)
    best = minimize(criterion, start, method="L-BFGS-B", bounds=Bounds(0.0, np.inf))
    _, fixed, covariance, residual = solve(best.x)
    return _Fit(fixed, np.sqrt(residual * np.diag(covariance)), best.x, residual, bool(best.success))
