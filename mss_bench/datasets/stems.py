"""Layouts of audio files in folders: one folder a track.

What was played can stand beside a track's mixture (`mss_bench.core.annotations`).
"""

from __future__ import annotations

import os
from pathlib import Path

from mss_bench.core.annotations import FILE_NAME
from mss_bench.core.tracks import Track, TrackId
from mss_bench.datasets.base import Dataset
from mss_bench.errors import DatasetError

__all__ = ["MUSDB18HQ", "StemFolders", "files_of", "mixture_of", "track_folders", "track_in", "tracks_in"]


class StemFolders(Dataset):
    """``<root>/<subset>/<track>/<stem>.wav|flac``, or whatever patterns the entry maps to its stems."""

    layout = "stems"

    def find(self, subset: str) -> list[Track]:
        """Return a track for every folder of the subset."""
        folder = self.folder(subset)
        return tracks_in(self, subset, folder, folder)


class MUSDB18HQ(StemFolders):
    """The folders of MUSDB18-HQ, which are those of ``stems``."""

    layout = "musdb18hq"


def track_folders(folder: Path, name: str) -> list[Path]:
    """Return the folders of the tracks, sorted; a name with a leading dot is a track's only where audio lies in it.

    Raises
    ------
    DatasetError
        The folder does not exist, or a name is not valid UTF-8.
    """
    if not folder.is_dir():
        raise DatasetError(f"data set {name!r}: {folder} does not exist; expected a folder with one folder a track")
    tracks = sorted(f for f in folder.iterdir() if f.is_dir())
    for track in tracks:
        if any("\udc80" <= c <= "\udcff" for c in track.name):
            raise DatasetError(
                f"data set {name!r}: the folder name {os.fsencode(track)!r} is not valid UTF-8; rename it"
            )
    return [f for f in tracks if not f.name.startswith(".") or [*f.glob("*.wav"), *f.glob("*.flac")]]


def tracks_in(dataset: Dataset, subset: str, mixtures: Path, sources: Path) -> list[Track]:
    """Return a track for every folder below `mixtures`, its stems below `sources`."""
    folders = track_folders(mixtures, dataset.name)
    return [track_in(dataset, subset, folder, sources / folder.name) for folder in folders]


def track_in(dataset: Dataset, subset: str, folder: Path, stem_folder: Path) -> Track:
    """Return the track whose mixture and stems lie in these folders."""
    stems = {stem: files_of(stem_folder, patterns) for stem, patterns in dataset.stems.items()}
    for stem, files in stems.items():
        if not files and dataset.missing_stems == "error":
            # A path that does not exist: reading it says which file is missing, for this track alone.
            stems[stem] = (stem_folder / dataset.stems[stem][0],)
    track = TrackId(dataset.name, subset, folder.name)
    played = folder / FILE_NAME
    return Track(
        track, dataset.sample_rate, stems, mixture_of(dataset, folder), annotations=played if played.is_file() else None
    )


def mixture_of(dataset: Dataset, folder: Path) -> tuple[Path, ...]:
    """Return the file of a track's mixture, or a path that does not exist; nothing where it is the sum of the stems."""
    if dataset.mixture == "sum":
        return ()
    patterns = ("mixture.wav", "mixture.flac") if dataset.mixture == "file" else (dataset.mixture,)
    return files_of(folder, patterns) or (folder / patterns[0],)


def files_of(folder: Path, patterns: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the files that match; a WAV file wins over a FLAC file of its name, lest both be summed."""
    files: dict[Path, Path] = {}
    for pattern in patterns:
        for file in sorted(folder.glob(pattern)):
            if file.is_file() and not file.name.startswith("."):
                # One key for a.wav and a.flac, which hold the same.
                key = file.with_suffix("") if file.suffix.lower() in (".wav", ".flac") else file
                if key not in files or file.suffix.lower() == ".wav":
                    files[key] = file
    return tuple(files.values())
