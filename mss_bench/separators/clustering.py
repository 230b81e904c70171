"""Cluster the components of a factorisation by the source that they belong to.

A component is a spectrum, an activation and the gains of the channels. Those of one instrument have in common

- the shape of their spectra: the mel-frequency cepstral coefficients 1 to 13 of each [1]_, and where it lies: the
  logarithm of its centroid;
- how they move: how much of an activation is sudden rise, which is much for drums;
- where they come from: the direction of their gains, where these differ.

Each of the first three has unit variance over the components; the gains, as unit vectors, count in steps of
`_POSITION_STEP`, so that a difference in position of some ten degrees decides, and a small one leaves it to the sound.
Components are then clustered by k-means, each weighing as much as it is loud.

References
----------
.. [1] M. Spiertz and V. Gnann, "Source-filter based clustering for monaural blind source separation", Proc. DAFx, 2009.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.nmf import Factors

__all__ = ["cluster", "likely_clusters", "mel_cepstrum", "mel_filters", "suddenness"]

_COEFFICIENTS = 13
_BANDS = 40
_LOWEST, _HIGHEST = 40.0, 16000.0
_POSITION_STEP = 0.15  # of unit vectors of gains, some ten degrees
_STARTS = 20  # of k-means, which ends in local minima


def cluster(
    factors: Factors, frequencies: NDArray[np.float64], count: int, rng: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Cluster the components of each source.

    Parameters
    ----------
    factors : Factors
    frequencies : (bins,)
        Hz.
    count : int
        Sources.
    rng : numpy.random.Generator
        For the starts of k-means.

    Returns
    -------
    list of `count` arrays of indices
        Some are empty where there are fewer components than sources, or where they are all alike.
    """
    labels = _labels(factors, _features(factors, frequencies), count, rng)
    return [np.flatnonzero(labels == source) for source in range(count)]


def likely_clusters(factors: Factors, frequencies: NDArray[np.float64], most: int, rng: np.random.Generator) -> int:
    """Return from 2 to `most`, the number of clusters with the greatest mean silhouette."""
    from sklearn.metrics import silhouette_score

    features = _features(factors, frequencies)
    scores = {}
    for count in range(2, min(most, len(features) - 1) + 1):
        labels = _labels(factors, features, count, rng)
        if len(set(labels.tolist())) > 1:  # components that are all alike make one cluster
            scores[count] = float(silhouette_score(features, labels))
    return max(scores, key=lambda count: scores[count], default=2)


def _labels(factors: Factors, features: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the cluster of each component."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    loudness = factors.h.sum(axis=0) * factors.w.sum(axis=1) * factors.q.sum(axis=1)
    method = KMeans(min(count, len(features)), n_init=_STARTS, random_state=int(rng.integers(1 << 31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different components than sources
        return np.asarray(method.fit_predict(features, sample_weight=loudness / loudness.max()), dtype=np.intp)


def _features(factors: Factors, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    spectra = factors.w.astype(np.float64)
    centroid = np.log(np.maximum(spectra @ frequencies / spectra.sum(axis=1), 1.0))
    cepstrum = mel_cepstrum(spectra, frequencies)
    gains = factors.q.astype(np.float64)
    gains /= np.linalg.norm(gains, axis=1, keepdims=True)
    return np.concatenate(
        [
            _standardised(cepstrum) / np.sqrt(cepstrum.shape[1]),
            _standardised(centroid[:, None]),
            _standardised(suddenness(factors.h)[:, None]),
            gains / _POSITION_STEP,
        ],
        axis=1,
    )


def suddenness(activations: NDArray[Any]) -> NDArray[np.float64]:
    """Return the logarithm of the share of each activation that is rise from one frame to the next.

    Parameters
    ----------
    activations : (frames, components)
        Above zero.

    Returns
    -------
    (components,) float64
        0 where all energy comes at once and goes, far below where a component just stays.
    """
    rise = np.maximum(np.diff(activations, axis=0, prepend=0), 0).sum(axis=0, dtype=np.float64)
    return np.asarray(np.log(rise / activations.sum(axis=0, dtype=np.float64)))


def mel_cepstrum(spectra: NDArray[np.float64], frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mel-frequency cepstral coefficients 1 to 13, without 0, the level.

    Parameters
    ----------
    spectra : (components, bins)
    frequencies : (bins,)
        Hz.
    """
    from scipy.fft import dct

    bands = spectra @ mel_filters(frequencies).T
    level = np.maximum(bands.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return np.asarray(dct(np.log(bands / level + 1e-3), axis=1, norm="ortho")[:, 1 : _COEFFICIENTS + 1])


def mel_filters(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return triangles of equal width in mel, ``(bands, bins)``, up to 16 kHz or the highest frequency."""
    lowest, highest = 2595 * np.log10(1 + np.array([_LOWEST, min(_HIGHEST, frequencies[-1])]) / 700)
    mel = np.linspace(lowest, highest, _BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    return np.maximum(0.0, np.minimum(rise, fall))


def _standardised(features: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0))
