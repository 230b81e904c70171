"""The layout of the built-in demo: songs that are rendered into the user's cache when they are first used."""

from __future__ import annotations

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Track
from mss_bench.datasets.base import Dataset
from mss_bench.datasets.stems import tracks_in

__all__ = ["DemoSongs"]


class DemoSongs(Dataset):
    """Songs of the built-in synthesis, see `mss_bench.datasets.demo`."""

    layout = "demo"
    has_root = False

    n_songs: int = param(6, at_least=1, doc="Songs in each subset.")
    variant: str = param("default", doc="default, limiter, two_voices, two_guitars or sources:N.")

    def setup(self) -> None:
        super().setup()
        if self.variant != "default":  # the entry declares the stems of that one
            from mss_bench.datasets.demo import stems_of

            stems = tuple(stems_of(self.variant))
            if stems != self.targets.stems:
                self.set_stems(stems, {}, {})

    def where(self) -> str:
        """Return where it lies, in words."""
        return "built in"

    def find(self, subset: str) -> list[Track]:
        """Return the songs of a split."""
        from mss_bench.datasets.demo import materialise, song_names

        folder = materialise(subset, self.n_songs, self.variant) / subset
        names = set(song_names(subset, self.n_songs, self.variant))
        return [t for t in tracks_in(self, subset, folder, folder) if t.name in names]
