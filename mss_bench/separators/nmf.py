"""Non-negative matrix factorisation without training: components first, then sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio
from mss_bench.dsp.blocks import filter_in_blocks
from mss_bench.dsp.filters import MASKS
from mss_bench.dsp.nmf import DIVERGENCES, Factors, factorise, normalised, random_factors
from mss_bench.dsp.stft import STFT, Spectrogram
from mss_bench.separators.blind import BlindSeparator
from mss_bench.separators.checks import require_choice, require_number, require_whole
from mss_bench.separators.clustering import cluster

__all__ = ["NMF"]


class NMF(BlindSeparator):
    """Non-negative matrix factorisation, blind.

    A spectrogram of music repeats itself: the same notes and strokes come back, louder or softer. It is therefore
    modelled as a sum of a few spectra, each with an activation over time, and the spectra that sound alike are taken
    together as one source:

        V[t, f] ~ sum_k H[t, k] W[k, f],         minimising the beta divergence of V from H W,
        H <- H * ((V / Lambda^(2 - beta)) W') / (Lambda^(beta - 1) W'),   W likewise,   Lambda = H W,
        S_j[t, f] = sum_{k in source j} H[t, k] W[k, f].

    V is the mean magnitude of the channels for the Euclidean distance (beta = 2) and Kullback-Leibler (1), the power
    for Itakura-Saito (0). The components are clustered by the shape of their spectra, their centroid and the suddenness
    of their activations (`mss_bench.separators.clustering`), and the sources are named by their sound. Where sources
    play the same notes with the same sound nothing tells them apart. The frames are twice as long as in the
    literature (2048), in which neighbouring bass notes share their bins.

    Parameters
    ----------
    sources : int
        0 for as many as the data set has stems.
    components : int
        Spectra, K; at least 2.
    divergence : str
        ``euclidean``, ``kl`` or ``is``.
    iterations : int
        Of the updates; at least 1.
    mask : str
        ``binary``, ``soft``, ``wiener`` or ``multichannel``.
    power : float
        Exponent of the soft mask; above 0.
    n_fft, hop : int
        Samples.
    assignment : str
        ``rules`` or ``oracle``.

    References
    ----------
    .. [1] P. Smaragdis and J. C. Brown, "Non-negative matrix factorization for polyphonic music transcription", Proc.
       WASPAA, 2003.
    .. [2] T. Virtanen, "Monaural sound source separation by nonnegative matrix factorization with temporal continuity
       and sparseness criteria", IEEE Trans. Audio, Speech, and Language Processing 15(3), 2007.
    .. [3] C. Févotte, N. Bertin and J.-L. Durrieu, "Nonnegative matrix factorization with the Itakura-Saito
       divergence", Neural Computation 21(3), 2009.
    """

    name = "nmf"
    family = "factorisation"
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = (
        "T. Virtanen, Monaural sound source separation by nonnegative matrix factorization, IEEE TASLP 15(3) 2007"
    )
    assumption = "Each source is made of a few sounds that come back, and sounds unlike those of the others."

    def __init__(
        self,
        sources: int = 0,
        components: int = 40,
        divergence: str = "kl",
        iterations: int = 100,
        mask: str = "soft",
        power: float = 1.0,
        n_fft: int = 4096,
        hop: int = 1024,
        assignment: str = "rules",
    ) -> None:
        super().__init__(sources, assignment)
        require_whole(self, "components", components, low=2)
        require_choice(self, "divergence", divergence, tuple(DIVERGENCES))
        require_whole(self, "iterations", iterations, low=1)
        require_choice(self, "mask", mask, MASKS)
        require_number(self, "power", power, above=0)
        self.n_components, self.divergence, self.iterations = components, divergence, iterations
        self.mask, self.power, self.n_fft, self.hop = mask, power, n_fft, hop
        self._stft = STFT(n_fft, hop)

    def components(self, mixture: Audio, sample_rate: int, *, count: int, rng: np.random.Generator) -> Sequence[Audio]:
        if not mixture.any():
            return [np.zeros_like(mixture) for _ in range(count)]
        x = self._stft.forward(mixture)
        beta = DIVERGENCES[self.divergence]
        factors = self._factorise(x, beta, rng)
        parts = cluster(factors, self._stft.frequencies(sample_rate), count, rng)
        return filter_in_blocks(
            self._stft,
            x,
            mixture.shape[-1],
            lambda _, frames: [magnitudes(factors, part, frames, beta) for part in parts],
            self.mask,
            self.power,
        )

    def _factorise(self, x: Spectrogram, beta: int, rng: np.random.Generator) -> Factors:
        """The factors of the mean over the channels."""
        v = normalised(np.abs(x).mean(axis=0, keepdims=True), beta)
        factors = random_factors(v, self.n_components, rng)
        factorise(v, factors, beta, self.iterations)
        return factors


def magnitudes(factors: Factors, part: NDArray[np.intp], frames: slice, beta: int) -> NDArray[Any]:
    """Modelled magnitudes ``(channels, frames, bins)`` of the sum of some components in some frames."""
    model = Factors(factors.w[part], factors.h[frames, part], factors.q[part]).model()
    return np.sqrt(model) if beta == 0 else model
