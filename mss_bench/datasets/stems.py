"""Layouts of audio files in folders: one folder a track.

``stems``
    ``<root>/<subset>/<track>/<stem>.wav|flac``, or whatever patterns the entry maps to its stems.
``musdb18hq``
    the same with MUSDB18-HQ's names.
``dsd100``
    ``<root>/Mixtures/<subset>/<track>/mixture.wav`` and ``<root>/Sources/<subset>/<track>/<stem>.wav``.

What was played can stand beside a track's mixture (`mss_bench.core.annotations`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.core.annotations import FILE_NAME
from mss_bench.core.tracks import Track, TrackId
from mss_bench.errors import DatasetError

if TYPE_CHECKING:
    from mss_bench.datasets.catalog import Dataset

__all__ = ["find_dsd100", "find_musdb18hq", "find_references", "find_tracks", "track_folders", "tracks_in"]


def find_tracks(dataset: Dataset, subset: str) -> list[Track]:
    """Tracks of the layout ``stems``."""
    folder = dataset.folder(subset)
    return tracks_in(dataset, subset, folder, folder)


find_musdb18hq = find_tracks


def find_dsd100(dataset: Dataset, subset: str) -> list[Track]:
    """Tracks of the layout ``dsd100``."""
    mixtures = dataset.folder(subset)
    sources = mixtures.parents[1] / "Sources" / mixtures.name
    return tracks_in(dataset, subset, mixtures, sources)


def find_references(dataset: Dataset, subset: str) -> list[Track]:
    """Tracks of a bare folder of references: the folder itself where it holds stems, else its folders that do."""
    root = dataset.folder(subset)
    if any(_files(root, patterns) for patterns in dataset.stems.values()):
        return [_track(dataset, subset, root, root)]
    folders = track_folders(root, dataset.name)
    with_stems = [f for f in folders if any(_files(f, patterns) for patterns in dataset.stems.values())]
    return [_track(dataset, subset, folder, folder) for folder in with_stems]


def track_folders(folder: Path, name: str) -> list[Path]:
    """The folders of the tracks, sorted. A name with a leading dot is a track's only where audio lies in it.

    Raises
    ------
    DatasetError
        When the folder does not exist, or a name is no UTF-8.
    """
    if not folder.is_dir():
        raise DatasetError(f"data set {name!r}: {folder} does not exist; expected a folder with one folder a track")
    found = sorted(f for f in folder.iterdir() if f.is_dir())
    for track in found:
        if any("\udc80" <= c <= "\udcff" for c in track.name):
            raise DatasetError(f"data set {name!r}: the folder name {os.fsencode(track)!r} is no UTF-8; rename it")
    return [f for f in found if not f.name.startswith(".") or [*f.glob("*.wav"), *f.glob("*.flac")]]


def tracks_in(dataset: Dataset, subset: str, mixtures: Path, sources: Path) -> list[Track]:
    """One track for every folder below `mixtures`, its stems below `sources`."""
    folders = track_folders(mixtures, dataset.name)
    return [_track(dataset, subset, folder, sources / folder.name) for folder in folders]


def _track(dataset: Dataset, subset: str, folder: Path, stem_folder: Path) -> Track:
    stems = {stem: _files(stem_folder, patterns) for stem, patterns in dataset.stems.items()}
    for stem, files in stems.items():
        if not files and dataset.missing_stems == "error":
            # A path that does not exist: reading it says which file is missing, for this track alone.
            stems[stem] = (stem_folder / dataset.stems[stem][0],)
    track = TrackId(dataset.name, subset, folder.name)
    played = folder / FILE_NAME
    return Track(
        track, dataset.sample_rate, stems, _mixture(dataset, folder), annotations=played if played.is_file() else None
    )


def _mixture(dataset: Dataset, folder: Path) -> tuple[Path, ...]:
    if dataset.mixture == "sum":
        return ()
    patterns = ("mixture.wav", "mixture.flac") if dataset.mixture == "file" else (dataset.mixture,)
    found = _files(folder, patterns)
    return found or (folder / patterns[0],)


def _files(folder: Path, patterns: tuple[str, ...]) -> tuple[Path, ...]:
    """Files that match; of names that differ in wav or flac alone, wav wins, so that nothing is summed twice."""
    found: dict[Path, Path] = {}
    for pattern in patterns:
        for file in sorted(folder.glob(pattern)):
            if file.is_file() and not file.name.startswith("."):
                key = file.with_suffix("") if file.suffix.lower() in (".wav", ".flac") else file
                if key not in found or file.suffix.lower() == ".wav":
                    found[key] = file
    return tuple(found.values())
