"""The layout of DSD100: mixtures and sources in two folders."""

from __future__ import annotations

from pathlib import Path

from mss_bench.core.tracks import Track
from mss_bench.datasets.base import Dataset
from mss_bench.datasets.stems import tracks_in

__all__ = ["DSD100"]


class DSD100(Dataset):
    """``<root>/Mixtures/<subset>/<track>/mixture.wav`` and ``<root>/Sources/<subset>/<track>/<stem>.wav``."""

    layout = "dsd100"

    def folder(self, subset: str) -> Path:
        """Return the folder of a subset's mixtures."""
        folder = super().folder(subset)
        return folder.parent / "Mixtures" / folder.name if subset else folder / "Mixtures"

    def find(self, subset: str) -> list[Track]:
        """Return the tracks of a subset."""
        mixtures = self.folder(subset)
        return tracks_in(self, subset, mixtures, mixtures.parents[1] / "Sources" / mixtures.name)
