"""The layout ``demo``: songs of the built-in synthesis, rendered into the user's cache when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mss_bench.core.tracks import Track
from mss_bench.datasets.stems import tracks_in

if TYPE_CHECKING:
    from mss_bench.datasets.catalog import Dataset

__all__ = ["find_tracks"]


def find_tracks(dataset: Dataset, subset: str) -> list[Track]:
    """Tracks of the layout ``demo``."""
    from mss_bench.datasets.demo import materialise, song_names

    folder = materialise(subset, dataset.n_songs, dataset.variant) / subset
    wanted = set(song_names(subset, dataset.n_songs, dataset.variant))
    return [t for t in tracks_in(dataset, subset, folder, folder) if t.name in wanted]
