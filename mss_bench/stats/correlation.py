"""Correlations on resamples, and tests of two correlations with one variable.

References
----------
.. [1] M. G. Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945.
.. [2] E. J. Williams, "The comparison of regression variables", J. R. Stat. Soc. B 21, 1959.
.. [3] X.-L. Meng, R. Rosenthal, D. B. Rubin, "Comparing correlated correlation coefficients", Psychological Bulletin
   111, 1992.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from mss_bench.stats.units import Floats

__all__ = ["COEFFICIENTS", "correlations", "fisher_mean", "meng", "monotone_rmse", "williams"]

COEFFICIENTS = {"r": "Pearson's r", "rho": "Spearman's rho", "tau": "Kendall's tau-b"}
"""Correlations and what they are, in words."""

_NEARLY = 0.99  # correlations beyond it have no finite Fisher's z of use


def correlations(
    x: Floats, y: Floats, weights: Floats | None = None, names: Collection[str] = tuple(COEFFICIENTS)
) -> dict[str, Floats]:
    """Compute Pearson's r, Spearman's rho and Kendall's tau-b [1]_.

    Parameters
    ----------
    x, y : (n,) arrays
        Finite.
    weights : (draws, n) array, optional
        How often each point counts, whole numbers: a resample a row. By default every point once.
    names : collection of str
        Which of `COEFFICIENTS`; tau takes the most time.

    Returns
    -------
    dict of str to (draws,) array
        The names; NaN where x or y does not spread.
    """
    drawn = np.ones((1, x.size)) if weights is None else weights
    values: dict[str, Floats] = {}
    if "r" in names:
        values["r"] = _pearson(np.broadcast_to(x, drawn.shape), np.broadcast_to(y, drawn.shape), drawn)
    if "rho" in names:
        values["rho"] = _pearson(_ranks(x, drawn), _ranks(y, drawn), drawn)
    if "tau" in names:
        values["tau"] = _tau(x, y, drawn)
    return values


def _pearson(x: Floats, y: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x - (weights * x).sum(axis=1, keepdims=True) / total
        y = y - (weights * y).sum(axis=1, keepdims=True) / total
        xx, yy = (weights * x**2).sum(axis=1), (weights * y**2).sum(axis=1)
        # Rounding leaves a little spread where there is none.
        flat = (xx < 1e-20 * np.maximum(1.0, np.abs(x).max(axis=1) ** 2)) | (yy < 1e-20)
        return np.where(flat, np.nan, (weights * x * y).sum(axis=1) / np.sqrt(xx * yy))


def _ranks(x: Floats, weights: Floats) -> Floats:
    """Return the mid-ranks within each resample, of all points."""
    below = (x[:, None] < x).astype(np.float64) + 0.5 * (x[:, None] == x)
    return np.asarray(weights @ below + 0.5)


def _tau(x: Floats, y: Floats, weights: Floats) -> Floats:
    right, up = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    agree, in_x, in_y = (((weights @ part) * weights).sum(axis=1) for part in (right * up, right**2, up**2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((in_x > 0) & (in_y > 0), agree / np.sqrt(in_x * in_y), np.nan)


def monotone_rmse(x: Floats, y: Floats) -> float:
    """Return the root mean square of what the best non-decreasing function of x leaves of y."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression().fit(x, y).predict(x)
    return float(np.sqrt(np.mean((y - fitted) ** 2)))


def fisher_mean(values: Floats) -> float:
    """Average correlations by way of Fisher's z; those beyond 0.99 count as 0.99."""
    finite = values[np.isfinite(values)]
    return float(np.tanh(np.arctanh(np.clip(finite, -_NEARLY, _NEARLY)).mean())) if finite.size else math.nan


def williams(r_a: float, r_b: float, r_ab: float, n: int) -> tuple[float, float]:
    """Test by Williams [2]_ the difference of two correlations with one variable.

    Parameters
    ----------
    r_a, r_b : float
        Correlations of a and of b with the common variable.
    r_ab : float
        Of a with b.
    n : int
        Points, above 3.

    Returns
    -------
    t, p : float
        Of n - 3 degrees of freedom, two-sided; NaN where it is not defined (a and b are one).
    """
    from scipy import stats

    determinant = 1 - r_a**2 - r_b**2 - r_ab**2 + 2 * r_a * r_b * r_ab
    below = 2 * (n - 1) / max(n - 3, 1) * determinant + ((r_a + r_b) / 2) ** 2 * (1 - r_ab) ** 3
    if n <= 3 or not below > 1e-12:
        return math.nan, math.nan
    t = (r_a - r_b) * math.sqrt((n - 1) * (1 + r_ab) / below)
    return t, float(2 * stats.t.sf(abs(t), n - 3))


def meng(r_a: float, r_b: float, r_ab: float, n: int) -> tuple[float, float]:
    """Test by Meng, Rosenthal and Rubin [3]_ the same, for ranks too.

    Parameters
    ----------
    r_a, r_b, r_ab, n
        As for `williams`.

    Returns
    -------
    z, p : float
        Two-sided; NaN where it is not defined.
    """
    from scipy import stats

    mean = (r_a**2 + r_b**2) / 2
    if n <= 3 or max(abs(r_a), abs(r_b)) >= 1 or not 1 - r_ab > 1e-12:
        return math.nan, math.nan
    f = min((1 - r_ab) / (2 * (1 - mean)), 1.0)
    h = (1 - f * mean) / (1 - mean)
    z = (math.atanh(r_a) - math.atanh(r_b)) * math.sqrt((n - 3) / (2 * (1 - r_ab) * h))
    return z, float(2 * stats.norm.sf(abs(z)))
