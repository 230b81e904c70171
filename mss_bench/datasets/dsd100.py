"""The layout of DSD100: mixtures and sources in two folders."""

from __future__ import annotations

from pathlib import Path

from mss_bench.core.listing import as_on_disk
from mss_bench.core.tracks import Track
from mss_bench.datasets.base import Dataset
from mss_bench.datasets.stems import tracks_in

__all__ = ["DSD100"]


class DSD100(Dataset):
    """``<root>/Mixtures/<subset>/<track>/mixture.wav`` and ``<root>/Sources/<subset>/<track>/<stem>.wav``."""

    layout = "dsd100"

    def folder(self, subset: str) -> Path:
        """Return the folder of a subset's mixtures."""
        return self._below("Mixtures", subset)

    def roots(self, subset: str) -> tuple[Path, ...]:
        """Return the folders of a subset's mixtures and sources."""
        return self.folder(subset), self._below("Sources", subset)

    def find(self, subset: str) -> list[Track]:
        """Return the tracks of a subset."""
        return tracks_in(self, subset, *self.roots(subset))

    def _below(self, kind: str, subset: str) -> Path:
        folder = super().folder(subset)
        top = as_on_disk((folder.parent if subset else folder) / kind)
        return as_on_disk(top / folder.name) if subset else top
