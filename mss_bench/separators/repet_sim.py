"""REPET-SIM: what is found again, anywhere in the song, is accompaniment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.dsp.median import median_of_rows
from mss_bench.separators.checks import require_number, require_whole
from mss_bench.separators.repet import RepeatingBackground

__all__ = ["REPETSIM"]

_BLOCK = 256
"""Frames whose similarities to all others are held at a time: memory grows with the song, not with its square."""


class REPETSIM(RepeatingBackground):
    """REPET with the similarity matrix.

    Where REPET needs one period, this looks for similar frames wherever they are. The similarity of two frames is the
    cosine between their magnitudes (averaged over the channels); the neighbours J(t) of a frame are the local maxima of
    its similarity over +-`min_gap`, the most similar `max_neighbours` of them, itself always included:

        W(t, f) = min(V(t, f), median_{j in J(t)} V(j, f)),  M = W / V,

    and the accompaniment is the mixture under M. Below `high_pass` all is accompaniment. Frames have 40 ms, rounded up
    to a power of two, with half overlap. W and V - W are models of two magnitudes, and `mask` may choose another filter
    than these shares. A song shorter than some 15 s has few neighbours, and one shorter than
    `min_gap` none: all of it is accompaniment.

    Parameters
    ----------
    min_gap : float
        Least time between neighbours in seconds; above 0.
    max_neighbours : int
        At least 1.
    min_similarity : float
        Neighbours are more similar than this; 0 to 1.
    mask : str
        The filter, see `mss_bench.dsp.filters`: binary, soft, wiener or multichannel.
    power : float
        Exponent of ``soft``, above 0; with 1 the mask is W / V.
    high_pass : float
        Hz; 0 for none.

    References
    ----------
    .. [1] Z. Rafii and B. Pardo, "Music/voice separation using the similarity matrix", Proc. ISMIR, 2012.
    """

    name = "repet_sim"
    citation = "Z. Rafii and B. Pardo, Music/voice separation using the similarity matrix, ISMIR 2012"
    assumption = "Each moment of the accompaniment is heard again, often enough; the voice over it differs each time."

    def __init__(
        self,
        min_gap: float = 1.0,
        max_neighbours: int = 100,
        min_similarity: float = 0.0,
        mask: str = "soft",
        power: float = 1.0,
        high_pass: float = 100.0,
    ) -> None:
        super().__init__(mask, power, high_pass)
        require_number(self, "min_gap", min_gap, above=0, unit="s")
        require_whole(self, "max_neighbours", max_neighbours, low=1)
        require_number(self, "min_similarity", min_similarity, low=0, high=1)
        self.min_gap, self.max_neighbours, self.min_similarity = min_gap, max_neighbours, min_similarity

    def model(self, magnitude: NDArray[Any], frame_rate: float) -> NDArray[Any]:
        gap = max(1, round(self.min_gap * frame_rate))
        directions = _directions(magnitude)
        out = np.empty_like(magnitude)
        for first in range(0, len(directions), _BLOCK):
            neighbours = self._neighbours(directions[first : first + _BLOCK] @ directions.T, first, gap)
            for v, model in zip(magnitude, out, strict=True):
                for frame, found in enumerate(neighbours, start=first):
                    model[frame] = median_of_rows(v[found])
        return out

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
