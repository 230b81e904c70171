"""Robust principal component analysis: an accompaniment of low rank under a sparse voice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.separators.base import as_published
from mss_bench.separators.templates import VOICE_AND_REST, MaskSeparator, SpectrogramSeparator

__all__ = ["RPCA", "low_rank_and_sparse"]

# mu and rho of the inexact augmented Lagrangian, mu relative to the largest singular value.
_FIRST_PENALTY, _GROWTH = 1.25, 1.5


class RPCA(MaskSeparator, SpectrogramSeparator):
    """Split the spectrogram into a matrix of low rank and a sparse one: robust principal component analysis.

    An accompaniment that repeats itself has a magnitude spectrogram of low rank: few spectra, mixed anew in each frame.
    A voice moves all the time and fills few bins, so the spectrogram is split into a matrix L of low rank and a sparse
    one E:

        min |L|_* + lambda |E|_1   subject to   L + E = V,   lambda = sparsity / sqrt(max(frames, bins)),
        vocals = X |E|^2 / (|E|^2 + |gain L|^2),   none below high_pass;   accompaniment = X - vocals.

    |L|_* is the sum of the singular values. The problem is convex and solved by the inexact augmented Lagrangian
    method [2]_: alternately L takes the singular values of V - E + Y / mu less 1 / mu, E the values of V - L + Y / mu
    less lambda / mu, none below zero, and Y grows by mu (V - L - E), mu by a half. V is the mean magnitude of the
    channels, which share one mask, over chunks of about `chunk` seconds.

    The singular values come from the eigenvectors of V'V or V V', whichever is smaller, in single precision: a
    randomised decomposition gains nothing, since half of the values remain in the end. [1]_ goes on until the remainder
    is 1e-7; at 1e-5 the masks give the same to 0.01 dB in two thirds of the time. [1]_ has the binary mask; on the demo
    the default, a Wiener filter of E and L, is 0.7 dB better. A voice that holds a note long is of low rank, and drums
    that come rarely are sparse: both go to the wrong side.

    References
    ----------
    .. [1] P.-S. Huang, S. D. Chen, P. Smaragdis and M. Hasegawa-Johnson, "Singing-voice separation from monaural
       recordings using robust principal component analysis", Proc. ICASSP, 2012.
    .. [2] Z. Lin, M. Chen and Y. Ma, "The augmented Lagrange multiplier method for exact recovery of corrupted low-rank
       matrices", arXiv:1009.5055, 2010.
    """

    name = "rpca"
    family = "factorisation"
    target_sets = VOICE_AND_REST
    citation = "P.-S. Huang et al., Singing-voice separation using robust principal component analysis, ICASSP 2012"
    presets = as_published(mask="binary", tolerance=1e-7)
    unlike_paper = (
        "Frames of 46 ms with half overlap (paper: 64 ms, three quarters); channels share a mask of their mean "
        "magnitude; songs are split in chunks; single precision; voices begin at high_pass"
    )
    assumption = "The accompaniment consists of few spectra that come back; the voice fills few bins and keeps moving."

    sparsity: float = param(1.0, above=0, doc="Weight of |E|_1; more puts less into the voice.")
    gain: float = param(1.0, above=0, doc="Gain on the accompaniment before the filter; more puts less into the voice.")
    high_pass: float = param(
        100.0, at_least=0, unit="Hz", doc="Frequency up to which all is accompaniment; 0 for none."
    )
    chunk: float = param(30.0, above=0, unit="s", doc="Length of the parts that are split one after another.")
    tolerance: float = param(1e-5, above=0, doc="Remainder |V - L - E| / |V| at which the updates end.")
    iterations: int = param(100, at_least=1, doc="Greatest number of updates.")
    mask = "wiener"
    power = 1.0
    n_fft = 2048
    hop = 1024

    def separate(self, mixture: Audio, sample_rate: int, **_: Any) -> Stems:
        x = self.stft.forward(mixture)
        low_rank = np.abs(x).mean(axis=0)
        sparse = np.empty_like(low_rank)
        chunks = max(1, round(mixture.shape[-1] / sample_rate / self.chunk))
        for part in np.array_split(np.arange(len(low_rank)), chunks):
            rows = slice(part[0], part[-1] + 1)
            low_rank[rows], sparse[rows] = low_rank_and_sparse(
                low_rank[rows], self.sparsity, self.tolerance, self.iterations
            )
        voice = np.abs(sparse, out=sparse)
        backing = np.abs(low_rank, out=low_rank)
        backing *= np.float32(self.gain)
        deep = self.stft.frequencies(sample_rate) <= self.high_pass
        voice[:, deep], backing[:, deep] = 0.0, 1.0
        # The accompaniment comes first: where both are silent, `binary` gives all to the first.
        accompaniment, _vocals = self.estimates(
            self.stft, x, mixture.shape[-1], lambda _, rows: (backing[None, rows], voice[None, rows])
        )
        return {"vocals": mixture - accompaniment, "accompaniment": accompaniment}


def low_rank_and_sparse(
    matrix: NDArray[np.float32], sparsity: float = 1.0, tolerance: float = 1e-5, iterations: int = 100
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split a matrix into one of low rank and a sparse one.

    Parameters
    ----------
    matrix : (rows, columns) float32
        Left as it is.
    sparsity : float
        Lambda times the square root of the longer side.
    tolerance : float
        The norm of what is in neither, relative to that of the matrix, at which it ends.
    iterations : int
        At most so many.

    Returns
    -------
    low_rank, sparse : (rows, columns) float32
        Their sum is the matrix up to `tolerance`.
    """
    largest = float(np.abs(matrix).max(initial=0.0))
    if not largest:
        return np.zeros_like(matrix), np.zeros_like(matrix)
    v = matrix / np.float32(largest)
    weight = sparsity / np.sqrt(max(v.shape))
    spectral, total = _spectral_norm(v), float(np.linalg.norm(v))
    mu = _FIRST_PENALTY / spectral
    y = v / np.float32(max(spectral, 1.0 / weight))
    sparse = np.zeros_like(v)
    rest = np.empty_like(v)
    for _ in range(iterations):
        y *= np.float32(1 / mu)  # Y / mu from here to the end of the round
        low_rank = _shrink_singular_values(v - sparse + y, 1 / mu)
        np.subtract(v, low_rank, out=rest)
        np.add(rest, y, out=sparse)
        # Soft threshold: what lies within the threshold becomes zero, all else comes nearer to it.
        sparse -= np.clip(sparse, -weight / mu, weight / mu)
        rest -= sparse
        y += rest
        y *= np.float32(mu)
        if np.linalg.norm(rest) < tolerance * total:
            break
        mu *= _GROWTH
    low_rank *= np.float32(largest)
    sparse *= np.float32(largest)
    return low_rank, sparse


def _shrink_singular_values(matrix: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Return a matrix whose singular values are less by the threshold, but not below zero.

    With M'M = U s^2 U' it is M U max(0, 1 - threshold / s) U'.
    """
    from scipy.linalg import eigh

    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    squares, vectors = eigh(tall.T @ tall, driver="evd", check_finite=False, overwrite_a=True)
    kept = squares > threshold**2
    vectors = vectors[:, kept]
    shrunk = vectors * (1 - np.float32(threshold) / np.sqrt(squares[kept]))
    product: NDArray[Any] = (tall @ shrunk) @ vectors.T
    return product if tall is matrix else product.T


def _spectral_norm(matrix: NDArray[np.float32]) -> float:
    """Return the largest singular value."""
    from scipy.linalg import eigh

    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    last = tall.shape[1] - 1
    (square,) = eigh(tall.T @ tall, eigvals_only=True, subset_by_index=(last, last), check_finite=False)
    return float(np.sqrt(square))
