"""REPET-SIM: what is found again, anywhere in the song, is accompaniment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.median import median_of_rows
from mss_bench.separators.base import Separator
from mss_bench.separators.checks import require_number, require_whole
from mss_bench.separators.repet import background_mask, frame_of_40_ms
from mss_bench.tracks import Audio, Stems, Targets

__all__ = ["REPETSIM"]

_BLOCK = 256
"""Frames whose similarities to all others are held at a time: memory grows with the song, not with its square."""


class REPETSIM(Separator):
    """REPET with the similarity matrix.

    Where REPET needs one period, this looks for similar frames wherever they are. The similarity of two frames is the
    cosine between their magnitudes (averaged over the channels); the neighbours J(t) of a frame are the local maxima of
    its similarity over +-`min_gap`, the most similar `max_neighbours` of them, itself always included:

        W(t, f) = min(V(t, f), median_{j in J(t)} V(j, f)),  M = W / V,

    and the accompaniment is the mixture under M. Below `high_pass` all is accompaniment. Frames have 40 ms, rounded up
    to a power of two, with half overlap. A song shorter than some 15 s has few neighbours, and one shorter than
    `min_gap` none: all of it is accompaniment.

    Parameters
    ----------
    min_gap : float
        Least time between neighbours in seconds; above 0.
    max_neighbours : int
        At least 1.
    min_similarity : float
        Neighbours are more similar than this; 0 to 1.
    high_pass : float
        Hz; 0 for none.

    References
    ----------
    .. [1] Z. Rafii and B. Pardo, "Music/voice separation using the similarity matrix", Proc. ISMIR, 2012.
    """

    name = "repet_sim"
    target_sets = (("vocals", "accompaniment"),)
    adds_up = True
    scale_equivariant = True
    channel_equivariant = True
    licence = "MIT"
    citation = "Z. Rafii and B. Pardo, Music/voice separation using the similarity matrix, ISMIR 2012"
    assumption = "Each moment of the accompaniment is heard again, often enough; the voice over it differs each time."

    def __init__(
        self, min_gap: float = 1.0, max_neighbours: int = 100, min_similarity: float = 0.0, high_pass: float = 100.0
    ) -> None:
        require_number(self, "min_gap", min_gap, above=0, unit="s")
        require_whole(self, "max_neighbours", max_neighbours, low=1)
        require_number(self, "min_similarity", min_similarity, low=0, high=1)
        require_number(self, "high_pass", high_pass, low=0, unit="Hz")
        self.min_gap, self.max_neighbours = min_gap, max_neighbours
        self.min_similarity, self.high_pass = min_similarity, high_pass

    def separate(
        self,
        mixture: Audio,
        sample_rate: int,
        *,
        targets: Targets,
        rng: np.random.Generator,
        references: Stems | None = None,
    ) -> Stems:
        stft = frame_of_40_ms(sample_rate)
        x = stft.forward(mixture)
        magnitude = np.abs(x)
        voiced = stft.frequencies(sample_rate) > self.high_pass
        gap = max(1, round(self.min_gap * sample_rate / stft.hop))
        directions = _directions(magnitude)
        for first in range(0, len(directions), _BLOCK):
            part = slice(first, first + _BLOCK)
            neighbours = self._neighbours(directions[part] @ directions.T, first, gap)
            for channel, v in enumerate(magnitude):
                model = np.stack([median_of_rows(v[found]) for found in neighbours])
                x[channel, part] *= background_mask(v[part], model, voiced)
        accompaniment = stft.inverse(x, mixture.shape[-1])
        return {"vocals": mixture - accompaniment, "accompaniment": accompaniment}

    def _neighbours(self, similarity: NDArray[Any], first: int, gap: int) -> list[NDArray[np.intp]]:
        """Similar frames of each frame.

        Parameters
        ----------
        similarity : (frames of the block, all frames)
        first : int
            Index of the block's first frame.
        gap : int
            Frames to either side over which a neighbour is the maximum.
        """
        from scipy.ndimage import maximum_filter1d

        own = np.arange(len(similarity))
        similarity[own, first + own] = 2.0  # above every cosine, so that a frame is its own neighbour whatever comes
        greatest = maximum_filter1d(similarity, 2 * gap + 1, axis=-1, mode="nearest")
        is_neighbour = (similarity == greatest) & (similarity > self.min_similarity)
        found = [np.flatnonzero(row) for row in is_neighbour]
        for index, (row, candidates) in enumerate(zip(similarity, found, strict=True)):
            if len(candidates) > self.max_neighbours:
                best = np.argsort(-row[candidates], kind="stable")[: self.max_neighbours]
                found[index] = np.sort(candidates[best])
        return found


def _directions(magnitude: NDArray[Any]) -> NDArray[Any]:
    """Frames of the channels' mean magnitude, each divided by its norm; a silent frame stays zero: similar to none."""
    mean: NDArray[Any] = magnitude.mean(axis=0)
    largest = mean.max(axis=-1, keepdims=True)
    np.divide(mean, largest, out=mean, where=largest > 0)  # the squares of small float32 magnitudes would vanish
    norm = np.linalg.norm(mean, axis=-1, keepdims=True)
    return np.asarray(np.divide(mean, norm, out=mean, where=norm > 0))
