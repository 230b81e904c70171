"""Robust principal component analysis: an accompaniment of low rank under a sparse voice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.dsp.blocks import filter_in_blocks
from mss_bench.dsp.filters import MASKS
from mss_bench.dsp.stft import STFT
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_choice, require_number, require_whole

__all__ = ["RPCA", "low_rank_and_sparse"]

_FIRST_PENALTY, _GROWTH = 1.25, 1.5
"""mu and rho of the inexact augmented Lagrangian, mu relative to the largest singular value."""


class RPCA(Separator):
    """Robust principal component analysis.

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
    the default, a Wiener filter of E and L, is 1 dB better. A voice that holds a note long is of low rank, and drums
    that come rarely are sparse: both go to the wrong side.

    Parameters
    ----------
    sparsity : float
        Above 0; more puts less into the voice.
    gain : float
        Above 0; more puts less into the voice.
    high_pass : float
        Hz; 0 for none.
    chunk : float
        Seconds; above 0.
    tolerance : float
        The remainder |V - L - E| / |V| at which it ends; above 0.
    iterations : int
        At most so many; at least 1.
    mask : str
        ``binary``, ``soft``, ``wiener`` or ``multichannel``, of |E| and gain |L|.
    power : float
        Exponent of the soft mask; above 0.
    n_fft, hop : int
        Samples.

    References
    ----------
    .. [1] P.-S. Huang, S. D. Chen, P. Smaragdis and M. Hasegawa-Johnson, "Singing-voice separation from monaural
       recordings using robust principal component analysis", Proc. ICASSP, 2012.
    .. [2] Z. Lin, M. Chen and Y. Ma, "The augmented Lagrange multiplier method for exact recovery of corrupted low-rank
       matrices", arXiv:1009.5055, 2010.
    """

    name = "rpca"
    family = "factorisation"
    target_sets = (("vocals", "accompaniment"),)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "P.-S. Huang et al., Singing-voice separation using robust principal component analysis, ICASSP 2012"
    assumption = "The accompaniment consists of few spectra that come back; the voice fills few bins and keeps moving."

    def __init__(
        self,
        sparsity: float = 1.0,
        gain: float = 1.0,
        high_pass: float = 100.0,
        chunk: float = 30.0,
        tolerance: float = 1e-5,
        iterations: int = 100,
        mask: str = "wiener",
        power: float = 1.0,
        n_fft: int = 2048,
        hop: int = 1024,
    ) -> None:
        require_number(self, "sparsity", sparsity, above=0)
        require_number(self, "gain", gain, above=0)
        require_number(self, "high_pass", high_pass, low=0, unit="Hz")
        require_number(self, "chunk", chunk, above=0, unit="s")
        require_number(self, "tolerance", tolerance, above=0)
        require_whole(self, "iterations", iterations, low=1)
        require_choice(self, "mask", mask, MASKS)
        require_number(self, "power", power, above=0)
        self.sparsity, self.gain, self.high_pass, self.chunk = sparsity, gain, high_pass, chunk
        self.tolerance, self.iterations, self.mask, self.power = tolerance, iterations, mask, power
        self.n_fft, self.hop = n_fft, hop
        self._stft = STFT(n_fft, hop)

    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
    ) -> Stems:
        x = self._stft.forward(mixture)
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
        deep = self._stft.frequencies(sample_rate) <= self.high_pass
        voice[:, deep], backing[:, deep] = 0.0, 1.0
        found, _ = filter_in_blocks(
            self._stft,
            x,
            mixture.shape[-1],
            lambda _, rows: (backing[None, rows], voice[None, rows]),  # where both are silent, `binary` takes the first
            self.mask,
            self.power,
        )
        return {"vocals": mixture - found, "accompaniment": found}


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
    """Singular values less the threshold, none below zero.

    With M'M = U s^2 U' it is M U max(0, 1 - threshold / s) U'.
    """
    from scipy.linalg import eigh

    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    squares, vectors = eigh(tall.T @ tall, driver="evd", check_finite=False, overwrite_a=True)
    kept = squares > threshold**2
    vectors = vectors[:, kept]
    shrunk = vectors * (1 - np.float32(threshold) / np.sqrt(squares[kept]))
    found: NDArray[Any] = (tall @ shrunk) @ vectors.T
    return found if tall is matrix else found.T


def _spectral_norm(matrix: NDArray[np.float32]) -> float:
    """The largest singular value."""
    from scipy.linalg import eigh

    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    last = tall.shape[1] - 1
    (square,) = eigh(tall.T @ tall, eigvals_only=True, subset_by_index=(last, last), check_finite=False)
    return float(np.sqrt(square))
