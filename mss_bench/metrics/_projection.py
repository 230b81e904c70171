"""Least-squares projection on the span of delayed signals, safe where they are nearly dependent.

The filters that bring the delayed signals x_i[t - l] closest to a signal solve ``(G + ridge I) h = d`` with the
block-Toeplitz Gram matrix G of the delayed signals. G is singular or nearly so for much real music (L = R, a copied
stem, nothing above a coder's cutoff), hence

- a signal that repeats an earlier one up to its gain (or is silent) adds nothing to the span and is left out;
- the ridge is 1e-14 of the mean diagonal of G and grows tenfold until the Cholesky factor exists;
- where the condition estimate asks for it, a second factor with ten times the ridge tells which results to distrust.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from mss_bench.metrics._signals import Floats

__all__ = ["Projector"]

RIDGE = 1e-14
"""First ridge, relative to the mean diagonal of the Gram matrix."""

_WELL_CONDITIONED = 1e9
"""Below this condition number a tenfold ridge cannot move an energy by 0.1 dB."""

_COLLINEAR = 1e-13
"""Squared sine of the angle between two signals under which the second counts as a copy of the first."""


class Projector:
    """Solves for projection filters; one serves every estimate of a track.

    Parameters
    ----------
    lags : (n_lags, n, n)
        Correlations of the n signals with each other, as of `correlate`.

    Attributes
    ----------
    members : list of int
        The signals that span the projection.
    condition : float
        Estimated condition number (1-norm) of the Gram matrix with its ridge; 1 where nothing spans anything.
    ridge : float
        Relative to the mean diagonal.
    doubtful : bool
        Whether `solve` can also answer with ten times the ridge.
    """

    def __init__(self, lags: Floats) -> None:
        self.n_lags, self.n = lags.shape[0], lags.shape[1]
        self.members = _spanning(lags[0])
        self.condition, self.ridge, self.doubtful = 1.0, RIDGE, False
        if self.members:
            self._factorise(lags[:, self.members][:, :, self.members])

    def solve(self, lags: Floats, *, stiffer: bool = False) -> Floats:
        """Filters ``(n_lags, n, m)`` from correlations ``(n_lags, n, m)`` of the n signals with m others.

        Parameters
        ----------
        stiffer : bool
            With ten times the ridge; only where `doubtful`.
        """
        filters = np.zeros(lags.shape)
        if self.members:
            right = lags[:, self.members].transpose(1, 0, 2).reshape(-1, lags.shape[2])
            factor, lower = (self._stiffer_factor, 0) if stiffer else (self._factor, 1)
            solution, _ = lapack.dpotrs(factor, right, lower=lower)
            filters[:, self.members] = solution.reshape(len(self.members), self.n_lags, -1).transpose(1, 0, 2)
        return filters

    @property
    def _factor(self) -> Floats:
        return self._store[:, :-1]

    @property
    def _stiffer_factor(self) -> Floats:
        return self._store[:, 1:]

    def _factorise(self, lags: Floats) -> None:
        size = len(self.members) * self.n_lags
        # One array holds both factors: the first in the lower triangle of all columns but the last, the second in the
        # upper triangle of all but the first.
        self._store = np.zeros((size, size + 1), order="F")
        scale = float(np.trace(lags[0])) / len(self.members)
        while not _cholesky(self._factor, lags, self.ridge * scale, lower=True):
            self.ridge *= 10
        norm = float((np.abs(lags).sum(axis=0) + np.abs(lags[1:]).sum(axis=0).T).sum(axis=0).max())
        reciprocal, _ = lapack.dpocon(self._factor, norm, uplo="L")
        self.condition = 1 / reciprocal if reciprocal > 0 else np.inf
        if self.condition > _WELL_CONDITIONED:
            self.doubtful = _cholesky(self._stiffer_factor, lags, 10 * self.ridge * scale, lower=False)


def _spanning(gram: Floats) -> list[int]:
    """Signals that are neither silent nor a copy of an earlier one up to gain, from their products ``(n, n)``."""
    members: list[int] = []
    for i in range(len(gram)):
        energy = gram[i, i]
        copies = (gram[i, j] ** 2 > (1 - _COLLINEAR) * energy * gram[j, j] for j in members)
        if energy > 0 and not any(copies):
            members.append(i)
    return members


def _cholesky(matrix: Floats, lags: Floats, ridge: float, *, lower: bool) -> bool:
    """Fill one triangle of a matrix with the Gram matrix and factorise it in place; False where it is indefinite."""
    n_lags, n, _ = lags.shape
    for i in range(n):
        for j in range(i + 1) if lower else range(i, n):
            rows, columns = slice(i * n_lags, (i + 1) * n_lags), slice(j * n_lags, (j + 1) * n_lags)
            if i == j:
                _fill_diagonal(matrix[rows, columns], lags[:, i, i], ridge, lower=lower)
            else:
                matrix[rows, columns] = _toeplitz(lags[:, i, j], lags[:, j, i])
    _, failed = lapack.dpotrf(matrix, lower=int(lower), clean=0, overwrite_a=1)
    return not failed


def _fill_diagonal(block: Floats, lags: Floats, ridge: float, *, lower: bool) -> None:
    for i in range(len(block)):  # one triangle alone: the other may hold another factor
        if lower:
            block[i:, i] = lags[: len(lags) - i]
        else:
            block[: i + 1, i] = lags[i::-1]
        block[i, i] += ridge


def _toeplitz(column: Floats, row: Floats) -> NDArray[np.float64]:
    """Matrix with ``column`` going down and ``row`` going right, as a view."""
    values = np.concatenate([column[::-1], row[1:]])
    return np.lib.stride_tricks.sliding_window_view(values, len(row))[::-1]
