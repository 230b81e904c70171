"""Least-squares projection on the span of delayed signals, safe where they are nearly dependent.

The filters that bring the delayed signals x_i[t - l] closest to a signal solve ``(G + ridge I) h = d`` with the
block-Toeplitz Gram matrix G of the delayed signals. G is singular or nearly so for much real music (L = R, a copied
stem, nothing above a coder's cutoff), hence

- a signal that repeats an earlier one up to its gain (or is silent) adds nothing to the span and is left out;
- G is scaled to a unit diagonal, so that the gain of a signal is of no consequence;
- the ridge is 1e-14 of that diagonal and grows tenfold until the Cholesky factor exists;
- large matrices are factorised by the Schur algorithm, and steps of iterative refinement take back the digits that it
  loses; where the condition number is too large for that, a dense factorisation takes its place;
- with ten times the ridge the filters tell which results to distrust: to first order by `Projector.shifted`, exactly
  by `Projector.stiffer`.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from mss_bench.core.arrays import Floats
from mss_bench.metrics.bss_eval.toeplitz import ToeplitzProduct, cholesky, norm, schur

__all__ = ["Projector"]

RIDGE = 1e-14
"""First ridge, relative to the diagonal of the Gram matrix."""

_WELL_CONDITIONED = 1e9
"""Below this condition number a tenfold ridge cannot move an energy by 0.1 dB."""

_REFINABLE = 3e12
"""Up to this condition number steps of refinement make a factor of the Schur algorithm as good as a dense one."""

_ONE_STEP = 1e11
"""Up to this one step is enough, beyond it two."""

_LARGE = 1500
"""Rows from which the Schur algorithm is the faster one."""

_COLLINEAR = 1e-13
"""Squared sine of the angle between two signals under which the second counts as a copy of the first."""

_NEAR_RIDGE = 10
"""Multiple of the ridge below which the smallest eigenvalue may be the ridge's doing."""

_ITERATIONS = 4
"""Of inverse iteration: what a direction of 1e-12 leaves in the smallest is then below rounding."""


class Projector:
    """Solves for projection filters; one serves every estimate of a track.

    Parameters
    ----------
    lags : (n_lags, n, n)
        Correlations of the n signals with each other, as of `correlate`.
    ridge : float
        The first to try, relative to the diagonal of the Gram matrix.
    dense : bool
        Factorise densely, whatever the size.

    Attributes
    ----------
    members : list of int
        The signals that span the projection.
    copies : list of (int, int)
        Signals that were left out as copies, each with the one that it repeats.
    ridge : float
        The one that was used.
    condition : float
        Estimated condition number (1-norm) of the scaled Gram matrix with its ridge; 1 where there are no members.
    """

    def __init__(self, lags: Floats, ridge: float = RIDGE, *, dense: bool = False) -> None:
        self.members, self.copies = _spanning(lags[0])
        self.ridge, self.condition, self._smallest = ridge, 1.0, 1.0
        self._lags, self._dense = lags, dense
        self._product: ToeplitzProduct | None = None
        self._norms = np.sqrt(np.diagonal(lags[0])[self.members])
        if self.members:
            scaled = lags[:, self.members][:, :, self.members] / np.outer(self._norms, self._norms)
            # Rounding can leave a matrix that is nearly singular without a factor; a tenfold ridge mends it.
            while not self._factorise(_with_ridge(scaled, self.ridge)):
                self.ridge *= 10

    @property
    def doubtful(self) -> bool:
        """Return whether the condition number allows for results that depend on the ridge."""
        return self.condition > _WELL_CONDITIONED

    def solve(self, lags: Floats) -> Floats:
        """Return filters ``(n_lags, n, m)`` from correlations ``(n_lags, n, m)`` of the n signals with m others."""
        filters = np.zeros(lags.shape)
        if self.members:
            filters[:, self.members] = self._solve_scaled(lags[:, self.members] / self._norms[:, None])
            filters[:, self.members] /= self._norms[:, None]
        return filters

    def shifted(self, filters: Floats) -> Floats:
        """Return filters with ten times the ridge, to first order: they move at least as far as the exact ones."""
        moved = filters.copy()
        if self.members:
            scaled = filters[:, self.members] * self._norms[:, None]
            moved[:, self.members] -= 9 * self.ridge * self._solve_scaled(scaled) / self._norms[:, None]
        return moved

    def vanishing(self) -> Floats | None:
        """Return filters ``(n_lags, n, 1)`` under which the signals nearly cancel; None where none can.

        They are looked for where the smallest eigenvalue of the Gram matrix is near the ridge. Relative to the norms of
        the signals their norm is 1, so that the energy of the filtered sum is an eigenvalue of the matrix without its
        ridge, free of the rounding of the matrix.
        """
        if not self.members or self._smallest > _NEAR_RIDGE * self.ridge:
            return None
        n_lags, n, _ = self._lags.shape
        found = np.random.default_rng(0).standard_normal((n_lags, len(self.members), 1))
        for _ in range(_ITERATIONS):
            found = self._solve_scaled(found)
            found /= np.linalg.norm(found)
        filters = np.zeros((n_lags, n, 1))
        filters[:, self.members] = found / self._norms[:, None]
        return filters

    def shares(self, filters: Floats) -> Floats:
        """Return the energy ``(n,)`` of the filters of each signal, relative to its norm."""
        energies: Floats = (filters**2).sum(axis=(0, 2)) * np.diagonal(self._lags[0])
        return energies

    def stiffer(self) -> Projector:
        """Return the same with ten times the ridge, at the price of another factorisation."""
        return Projector(self._lags, 10 * self.ridge, dense=self._dense)

    def _factorise(self, blocks: Floats) -> bool:
        """Find a factor of a block-Toeplitz matrix that serves; False if there is none."""
        if blocks.shape[0] * blocks.shape[1] >= _LARGE and not self._dense:
            if self._keep(schur(blocks), blocks) and self.condition <= _REFINABLE:
                self._product = ToeplitzProduct(blocks)
                return True
            self._dense, self._factor = True, np.empty((0, 0))  # there is no room for two
        return self._keep(cholesky(blocks), blocks)

    def _keep(self, factor: Floats | None, blocks: Floats) -> bool:
        if factor is None:
            return False
        size = norm(blocks)
        reciprocal, _ = lapack.dpocon(factor, size, uplo="L")
        self._factor, self.condition = factor, 1 / reciprocal if reciprocal > 0 else np.inf
        self._smallest = size * reciprocal
        return True

    def _solve_scaled(self, right: Floats) -> Floats:
        solution = self._solve_once(right)
        if self._product is not None:
            for _ in range(1 if self.condition <= _ONE_STEP else 2):
                solution += self._solve_once(right - self._product(solution))
        return solution

    def _solve_once(self, right: Floats) -> Floats:
        solution: Floats = lapack.dpotrs(self._factor, right.reshape(-1, right.shape[2]), lower=1)[0]
        return solution.reshape(right.shape)


def _spanning(gram: Floats) -> tuple[list[int], list[tuple[int, int]]]:
    """Return which signals are neither silent nor copies, and the copies with their originals."""
    members: list[int] = []
    copies: list[tuple[int, int]] = []
    for i in np.flatnonzero(np.diagonal(gram) > 0).tolist():
        original = next((j for j in members if gram[i, j] ** 2 > (1 - _COLLINEAR) * gram[i, i] * gram[j, j]), None)
        if original is None:
            members.append(i)
        else:
            copies.append((i, original))
    return members, copies


def _with_ridge(blocks: Floats, ridge: float) -> Floats:
    blocks = blocks.copy()
    blocks[0] += ridge * np.eye(len(blocks[0]))
    return blocks
