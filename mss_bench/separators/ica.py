"""Independent component analysis of the channels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio
from mss_bench.separators.base import as_published
from mss_bench.separators.blind import BlindSeparator

__all__ = ["ICA"]

# At most so many samples, evenly spread, are looked at for the directions: they are two numbers.
_SAMPLES = 1 << 20
# Least ratio of the smallest to the largest standard deviation of the directions: below it the channels are one.
_RANK = 1e-4


class ICA(BlindSeparator):
    """Turn the two channels until they are independent: independent component analysis.

    If two sources are mixed into two channels with fixed gains, a matrix brings them back, and it is the one whose
    outputs are as independent, which is to say as far from Gaussian, as can be. FastICA whitens the channels and then
    turns them until the outputs are:

        x(n) = A s(n),   s(n) = B K x(n),   K: the covariance of K x is the identity,
        B = argmax over rotations of sum_i (E{G(s_i)} - E{G(normal)})^2,   G(s) = log cosh s,
        source i in the channels:   y_i(n) = a_i s_i(n),   the columns a_i of A.

    This is the textbook's baseline, and what it cannot do is most of music. There are never more sources than channels,
    hence two, and a song has more. The gains must be the same at all frequencies: reverberation, delays between the
    channels and stereo effects break it. Sources at one place, or with a Gaussian distribution, stay together. The two
    outputs add up to the mixture; where the channels are equal up to a gain, the second is silent.

    References
    ----------
    .. [1] P. Comon, "Independent component analysis, a new concept?", Signal Processing 36(3), 1994.
    .. [2] A. Hyvärinen and E. Oja, "Independent component analysis: algorithms and applications", Neural Networks
       13(4-5), 2000.
    """

    name = "ica"
    family = "factorisation"
    random = True
    channels = (2,)
    adds_up = True
    scale_equivariant = True
    licence = "MIT"
    citation = "A. Hyvärinen and E. Oja, Independent component analysis, Neural Networks 13(4-5) 2000"
    presets = as_published()
    assumption = "Two independent sources, not Gaussian, mixed into two channels with gains alone."

    contrast: str = param("logcosh", choices=("logcosh", "exp", "cube"), doc="Function G, as scikit-learn calls it.")

    def find_sources(
        self, mixture: Audio, sample_rate: int, *, count: int, rng: np.random.Generator
    ) -> Sequence[Audio]:
        mixing = self._mixing(mixture[:, :: -(-mixture.shape[-1] // _SAMPLES)], rng)
        if mixing is None:
            return [mixture.copy(), np.zeros_like(mixture)]
        first = (mixing[:, :1] @ np.linalg.inv(mixing)[:1]).astype(np.float32) @ mixture
        return [first, mixture - first]

    def _mixing(self, samples: Audio, rng: np.random.Generator) -> NDArray[np.float64] | None:
        """Return A, or None where the two channels are one signal."""
        from sklearn.decomposition import FastICA
        from sklearn.exceptions import ConvergenceWarning

        x = samples.T.astype(np.float64)
        x -= x.mean(axis=0)
        spread = np.linalg.svd(x, compute_uv=False)
        if not spread[-1] > _RANK * spread[0]:
            return None
        # The tolerance of the iteration is absolute, the level of a song is not.
        x /= spread[0]
        seed = int(rng.integers(1 << 31))
        method = FastICA(
            2, whiten="unit-variance", fun=self.contrast, max_iter=1000, tol=1e-8, random_state=seed
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # nearly Gaussian outputs: no direction is better
            method.fit(x)
        return np.asarray(method.mixing_)
