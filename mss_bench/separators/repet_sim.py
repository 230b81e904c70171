"""REPET-SIM: what is found again, anywhere in the song, is accompaniment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import param
from mss_bench.dsp.median import median_of_rows
from mss_bench.separators.base import as_published
from mss_bench.separators.repet import RepeatingBackground

__all__ = ["REPETSIM"]

# Frames whose similarities to all others are held at a time: memory grows with the song, not with its square.
_BLOCK = 256


class REPETSIM(RepeatingBackground):
    """Take what is found again anywhere in the song for the accompaniment: REPET with the similarity matrix.

    Where REPET needs one period, this looks for similar frames wherever they are. The similarity of two frames is the
    cosine between their magnitudes (averaged over the channels); the neighbours J(t) of a frame are the local maxima of
    its similarity over +-`min_gap`, the most similar `max_neighbours` of them, itself always included:

        W(t, f) = min(V(t, f), median_{j in J(t)} V(j, f)),  M = W / V,

    and the accompaniment is the mixture under M. Below `high_pass` all is accompaniment. Frames have 40 ms, rounded up
    to a power of two, with half overlap. W and V - W are models of two magnitudes, and `mask` may choose another filter
    than these shares. A song shorter than some 15 s has few neighbours, and one shorter than
    `min_gap` none: all of it is accompaniment.

    References
    ----------
    .. [1] Z. Rafii and B. Pardo, "Music/voice separation using the similarity matrix", Proc. ISMIR, 2012.
    """

    name = "repet_sim"
    citation = "Z. Rafii and B. Pardo, Music/voice separation using the similarity matrix, ISMIR 2012"
    presets = as_published()
    assumption = "Each moment of the accompaniment is heard again, often enough; the voice over it differs each time."

    min_gap: float = param(1.0, above=0, unit="s", doc="Least time between neighbours.")
    max_neighbours: int = param(
        100, at_least=1, doc="Greatest number of neighbours, of which the most similar are taken."
    )
    min_similarity: float = param(0.0, at_least=0, at_most=1, doc="Similarity that neighbours exceed.")

    def model(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[Any]:
        gap = max(1, round(self.min_gap * frame_rate))
        directions = _directions(magnitude)
        out = np.empty_like(magnitude)
        for first in range(0, len(directions), _BLOCK):
            neighbours = self._neighbours(directions[first : first + _BLOCK] @ directions.T, first, gap)
            for v, model in zip(magnitude, out, strict=True):
                for frame, similar in enumerate(neighbours, start=first):
                    model[frame] = median_of_rows(v[similar])
        return out

    def _neighbours(self, similarity: NDArray[Any], first: int, gap: int) -> list[NDArray[np.intp]]:
        """Return the similar frames of each frame.

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
        neighbours = [np.flatnonzero(row) for row in is_neighbour]
        for index, (row, candidates) in enumerate(zip(similarity, neighbours, strict=True)):
            if len(candidates) > self.max_neighbours:
                best = np.argsort(-row[candidates], kind="stable")[: self.max_neighbours]
                neighbours[index] = np.sort(candidates[best])
        return neighbours


def _directions(magnitude: NDArray[Any]) -> NDArray[Any]:
    """Return the frames of the channels' mean magnitude, each divided by its norm; silent ones stay zero."""
    mean: NDArray[Any] = magnitude.mean(axis=0)
    largest = mean.max(axis=-1, keepdims=True)
    np.divide(mean, largest, out=mean, where=largest > 0)  # the squares of small float32 magnitudes would vanish
    norm = np.linalg.norm(mean, axis=-1, keepdims=True)
    return np.asarray(np.divide(mean, norm, out=mean, where=norm > 0))
