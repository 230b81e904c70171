"""The layout of data sets whose tracks are single files with a stem in each channel."""

from __future__ import annotations

from mss_bench.core.listing import matching
from mss_bench.core.parameters import param
from mss_bench.core.tracks import Part, Track, TrackId
from mss_bench.datasets.base import Dataset
from mss_bench.errors import DatasetError

__all__ = ["Channels", "channel_number"]


class Channels(Dataset):
    """``<root>/<subset>/<track>.wav``, one file a track; ``stems`` maps each stem to its channel."""

    layout = "channels"

    mixture: str = param("sum", choices=("sum",), doc="sum: of all stems.")
    files: str = param("*.wav", doc="Which files are tracks; may hold globs.")

    def setup(self) -> None:
        super().setup()
        self._inside("files", self.files)
        for stem, channels in self.stems.items():
            if len(channels) != 1 or channel_number(channels[0]) is None:
                expected = "one channel: left, right or a number from 1"
                self._refuse("stems", f"stem {stem!r} is {', '.join(channels)}, expected {expected}", stem)

    def find(self, subset: str) -> list[Track]:
        """Return a track for every file of the subset.

        Raises
        ------
        DatasetError
            The folder does not exist, or no file in it is a track.
        """
        folder = self.folder(subset)
        if not folder.is_dir():
            raise DatasetError(f"data set {self.name!r}: {folder} does not exist; expected a folder with {self.files}")
        parts: dict[str, tuple[Part, ...]] = {
            stem: (Part(channel_number(channels[0])),) for stem, channels in self.stems.items()
        }
        files = matching(folder, self.files)
        if not files:
            raise DatasetError(
                f"data set {self.name!r}: no file in {folder} fits {self.files}; expected one file a track"
            )
        return [
            Track(
                TrackId(self.name, subset, file.stem), self.sample_rate, dict.fromkeys(self.stems, (file,)), parts=parts
            )
            for file in files
        ]


def channel_number(text: str) -> int | None:
    """Return the index of a channel, from 0, of ``left``, ``right`` or its number from 1; None for anything else."""
    names = {"left": 0, "right": 1}
    if text.strip().lower() in names:
        return names[text.strip().lower()]
    return int(text) - 1 if text.strip().isdecimal() and int(text) > 0 else None
