"""Symmetric block-Toeplitz matrices: product, Cholesky factor, and the factor in a fraction of the time.

The Gram matrix of n signals delayed by 0 .. L-1 samples, ordered by delay, has the n x n blocks ``G_kl = T_(k-l)``
with the correlations ``T_l`` at lag l >= 0 and ``T_(-l) = T_l'``. Its leading blocks say everything, and the block
Schur algorithm makes its Cholesky factor from them in O(n^3 L^2) operations, where a dense factorisation needs
n^3 L^3 / 3.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from scipy.linalg import lapack

from mss_bench.core.arrays import Floats

__all__ = ["ToeplitzProduct", "cholesky", "norm", "schur"]


class ToeplitzProduct:
    """Multiplies with a block-Toeplitz matrix by FFT.

    Parameters
    ----------
    blocks : (n_lags, n, n)
        Its first block column.
    """

    def __init__(self, blocks: Floats) -> None:
        n_lags, n, _ = blocks.shape
        self._n_lags, self._n_fft = n_lags, scipy.fft.next_fast_len(2 * n_lags - 1, real=True)
        circulant = np.zeros((self._n_fft, n, n))
        circulant[:n_lags] = blocks
        circulant[self._n_fft - n_lags + 1 :] = blocks[:0:-1].transpose(0, 2, 1)
        self._spectrum = scipy.fft.rfft(circulant, axis=0, workers=1)

    def __call__(self, vectors: Floats) -> Floats:
        """Return the product with vectors ``(n_lags, n, m)``."""
        spectrum = self._spectrum @ scipy.fft.rfft(vectors, n=self._n_fft, axis=0, workers=1)
        product: Floats = scipy.fft.irfft(spectrum, n=self._n_fft, axis=0, workers=1)[: self._n_lags]
        return product


def norm(blocks: Floats) -> float:
    """Return the 1-norm of a block-Toeplitz matrix, or a little more."""
    return float((np.abs(blocks).sum(axis=0) + np.abs(blocks[1:]).sum(axis=0).T).sum(axis=0).max())


def cholesky(blocks: Floats) -> Floats | None:
    """Return the lower Cholesky factor, undefined above the diagonal; None if the matrix is not definite."""
    n_lags, n, _ = blocks.shape
    rows = np.ascontiguousarray(blocks.reshape(-1, n).T)
    matrix = np.empty((n * n_lags, n * n_lags))  # its transpose is what LAPACK reads
    for first in range(0, n * n_lags, n):
        matrix[first : first + n, first:] = rows[:, : n * n_lags - first]
    factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
    return None if failed else factor


def schur(blocks: Floats) -> Floats | None:
    """Return what `cholesky` does, by the block Schur algorithm, up to the signs of the columns.

    The rows of the factor's transpose are what is left of the generator ``(upper, lower)`` of the matrix after
    hyperbolic transformations, each of which clears the first block of `lower`. They are applied in mixed form,
    ``[upper; new lower] = Q [new upper; lower]`` with Q orthogonal to rounding, which keeps the backward error near
    1e-14 of the matrix (measured on music; of `cholesky`: 1e-16). For the mixed form see A. W. Bojanczyk, R. P. Brent,
    P. Van Dooren, F. R. de Hoog: A note on downdating the Cholesky factorization. SIAM J. Sci. Stat. Comput. 8 (1987).
    """
    n_lags, n, _ = blocks.shape
    factor = np.zeros((n * n_lags, n * n_lags))  # transposed
    try:
        corner = np.linalg.cholesky(blocks[0])
        factor[:n] = np.linalg.solve(corner, blocks.reshape(-1, n).T)
        factor[:n, :n] = corner.T
        lower = factor[:n, n:]
        for first in range(n, n * n_lags, n):
            upper = factor[first - n : first, first - n : -n]
            lower = _step(upper, lower, factor[first : first + n, first:])[:, n:]
    except np.linalg.LinAlgError:
        return None
    return factor.T


def _step(upper: Floats, lower: Floats, new_upper: Floats) -> Floats:
    """Clear the first block of `lower` and keep that of `new_upper` triangular; return the new lower part."""
    n = len(upper)
    reflection = np.linalg.solve(upper[:, :n].T, lower[:, :n].T)
    # [reflection; rest] are orthonormal columns by the choice of `rest`; `other` completes them to an orthogonal Q.
    rest = np.linalg.cholesky(np.eye(n) - reflection.T @ reflection).T
    other = np.linalg.qr(np.concatenate([reflection, rest]), mode="complete").Q[:, n:]
    remainder = upper - reflection @ lower
    # Any rotation of `other` will do: this one leaves the first block of `new_upper` triangular.
    turn = np.linalg.qr(np.linalg.solve(other[:n], remainder[:, :n])).Q
    other = other @ turn
    np.matmul(np.linalg.inv(other[:n]), remainder, out=new_upper)
    new_lower: Floats = rest @ lower
    new_lower += other[n:] @ new_upper
    return new_lower
