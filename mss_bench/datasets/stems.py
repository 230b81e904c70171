"""Layouts of audio files in folders: one folder a track.

Annotations of what was played may lie beside a track's mixture (`mss_bench.core.annotations`).
"""

from __future__ import annotations

import functools
import glob
from functools import partial
from pathlib import Path

from mss_bench.core.annotations import FILE_NAME
from mss_bench.core.listing import Folders, audio_files, is_text, matching_any
from mss_bench.core.names import EXTENSIONS, is_hidden, is_system, without_extension
from mss_bench.core.tracks import Audio, Stems, Track, TrackId
from mss_bench.datasets.base import Dataset
from mss_bench.errors import DatasetError

__all__ = [
    "MUSDB18HQ", "StemFolders", "files_of", "mixture_of", "track_folders", "track_in", "tracks_in", "unreadable",
]  # fmt: skip

_MIXTURES = tuple(f"mixture{extension}" for extension in EXTENSIONS)


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
        The folder does not exist.
    """
    if not folder.is_dir():
        raise DatasetError(f"data set {name!r}: {folder} does not exist; expected a folder with one folder a track")
    # Folders left out for their names are reported where the whole data set is checked.
    tracks = sorted(f for f in folder.iterdir() if f.is_dir() and is_text(f.name))
    return [f for f in tracks if not is_hidden(f.name) or (not is_system(f.name) and audio_files(f).files)]


def tracks_in(dataset: Dataset, subset: str, mixtures: Path, sources: Path) -> list[Track]:
    """Return a track for every folder below `mixtures`, its stems below `sources`."""
    folders = track_folders(mixtures, dataset.name)
    return [track_in(dataset, subset, folder, sources / folder.name) for folder in folders]


def track_in(dataset: Dataset, subset: str, folder: Path, stem_folder: Path) -> Track:
    """Return the track whose mixture and stems lie in these folders; unreadable where two files are one stem."""
    identity, folders = TrackId(dataset.name, subset, folder.name), Folders()
    forms = {stem: _forms(stem_folder, patterns, folders) for stem, patterns in dataset.stems.items()}
    mixture = _forms(folder, _mixture_patterns(dataset), folders)
    for rivals in map(_rivals, (*forms.values(), mixture)):
        if rivals:
            names = " and ".join(file.name for file in rivals)
            reason = f"{names} in {rivals[0].parent} are one stem; keep one of them"
            return unreadable(identity, dataset.sample_rate, tuple(dataset.stems), reason, rivals[0])
    stems = {stem: _first(alike) for stem, alike in forms.items()}
    # A folder without any stem is not a song; one with half of the files of a stem has lost the others.
    may_lack = dataset.missing_stems == "leave_out" and any(stems.values())
    if dataset.missing_stems != "silent":
        for stem, wanted in dataset.stems.items():
            if may_lack and not stems[stem]:
                continue
            if stems[stem] and _formats(wanted) == [wanted]:  # nearly always: one name, in one of its formats
                continue
            # Paths that do not exist: reading this track will report which file is missing.
            stems[stem] += tuple(stem_folder / pattern for pattern in _missing_files(stem_folder, wanted, folders))
            stems[stem] = stems[stem] or (stem_folder / wanted[0],)
    played = folder / FILE_NAME
    annotations = played if played.is_file() else None
    return Track(identity, dataset.sample_rate, stems, _mixture(dataset, folder, mixture), annotations=annotations)


def unreadable(identity: TrackId, sample_rate: int, stems: tuple[str, ...], reason: str, file: Path) -> Track:
    """Return a track that cannot be read, for a reason found in a file; loading it raises that reason."""
    return Track(
        identity, sample_rate, dict.fromkeys(stems, ()), (file,), reader=partial(_refuse, reason),
        facts={"unreadable": reason},
    )  # fmt: skip


def _refuse(reason: str, track: Track) -> tuple[Stems, Audio, int]:
    raise DatasetError(f"track {track.name!r}: {reason}")


def mixture_of(dataset: Dataset, folder: Path) -> tuple[Path, ...]:
    """Return the file of a track's mixture, or a path that does not exist; nothing where it is the sum of the stems."""
    return _mixture(dataset, folder, _forms(folder, _mixture_patterns(dataset), Folders()))


def _mixture(dataset: Dataset, folder: Path, forms: list[tuple[Path, ...]]) -> tuple[Path, ...]:
    return _first(forms) or tuple(folder / pattern for pattern in _mixture_patterns(dataset)[:1])


def _mixture_patterns(dataset: Dataset) -> tuple[str, ...]:
    if dataset.mixture == "sum":
        return ()
    return _MIXTURES if dataset.mixture == "file" else (dataset.mixture,)


def files_of(folder: Path, patterns: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the files that match, one of each name, lest a.wav and a.flac be summed (see `_rivals`)."""
    return _first(_forms(folder, patterns, Folders()))


def _first(forms: list[tuple[Path, ...]]) -> tuple[Path, ...]:
    return tuple(alike[0] for alike in forms)


def _rivals(forms: list[tuple[Path, ...]]) -> tuple[Path, ...]:
    """Return the first files that differ in their extensions or capitals alone: one must be the wrong one."""
    return next((same for same in forms if len(same) > 1 and len({file.resolve() for file in same}) > 1), ())


def _forms(folder: Path, patterns: tuple[str, ...], folders: Folders) -> list[tuple[Path, ...]]:
    """Return the files that match, those of one name together."""
    files = matching_any(folder, patterns, folders)
    if len(files) == 1:  # nearly always
        return [(files[0],)]
    forms: dict[str, dict[Path, None]] = {}
    for file in files:
        forms.setdefault(without_extension(file.as_posix()).casefold(), {})[file] = None
    return [tuple(files) for files in forms.values()]


def _missing_files(folder: Path, patterns: tuple[str, ...], folders: Folders) -> tuple[str, ...]:
    """Return the patterns without wildcards that match no file in any format; a glob may match nothing."""
    return tuple(alike[0] for alike in _formats(patterns) if not matching_any(folder, alike, folders))


@functools.cache
def _formats(patterns: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the patterns without wildcards, those together that differ in the file's format alone."""
    forms: dict[str, list[str]] = {}
    for pattern in patterns:
        if glob.escape(pattern) == pattern:
            forms.setdefault(without_extension(pattern), []).append(pattern)
    return [tuple(alike) for alike in forms.values()]
