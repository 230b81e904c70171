"""The layout ``musdb18``: ``<root>/<subset>/<track>.stem.mp4``, read through `musdb`, which needs ffmpeg."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.audio import check_finite
from mss_bench.core.tracks import Audio, Stems, Track, TrackId
from mss_bench.errors import AudioError, DatasetError, MissingDependencyError

if TYPE_CHECKING:
    from mss_bench.datasets.catalog import Dataset

__all__ = ["find_tracks", "read_stem_file"]

# MUSDB18's order of streams in a stem file.
_STREAMS = {"drums": 1, "bass": 2, "other": 3, "vocals": 4}


def find_tracks(dataset: Dataset, subset: str) -> list[Track]:
    """Tracks of the layout ``musdb18``.

    Raises
    ------
    MissingDependencyError
        Where ffmpeg or ffprobe is not on the path.
    DatasetError
        Where the folder does not exist.
    """
    _require_ffmpeg(dataset.name)
    folder = dataset.folder(subset)
    if not folder.is_dir():
        raise DatasetError(f"data set {dataset.name!r}: {folder} does not exist; expected a folder of .stem.mp4 files")
    if set(dataset.targets.stems) != set(_STREAMS):
        raise DatasetError(
            f"data set {dataset.name!r} declares the stems {list(dataset.targets.stems)}; a MUSDB18 stem file holds "
            f"{sorted(_STREAMS)}"
        )
    tracks = []
    for file in sorted(folder.glob("*.stem.mp4")):
        name = file.name.removesuffix(".stem.mp4")
        stems: dict[str, tuple[Path, ...]] = dict.fromkeys(dataset.stems, (file,))
        facts = {"decoder": "stempeg, 16 bit"}
        tracks.append(
            Track(TrackId(dataset.name, subset, name), dataset.sample_rate, stems, (file,), reader=read_stem_file,
                  facts=facts)
        )  # fmt: skip
    return tracks


def read_stem_file(track: Track) -> tuple[Stems, Audio]:
    """Stems and mixture of a ``.stem.mp4``.

    Decoded to 16 bit: museval's numbers were made so, and decoding the lossy streams to float leaves the references
    nearly dependent, which moves ISR, SIR and SAR by up to 28 dB.

    Raises
    ------
    AudioError
        When the file cannot be decoded, has another rate or lacks streams.
    """
    _require_ffmpeg(track.id.dataset)
    import musdb

    file = track.mixture[0]
    streams, rate = _decode(musdb, str(file))
    if rate != track.sample_rate:
        raise AudioError(f"{file} has a sample rate of {rate} Hz, expected {track.sample_rate} Hz")
    if streams.ndim != 3 or streams.shape[0] != 1 + len(_STREAMS):
        raise AudioError(f"{file} holds audio of shape {streams.shape}, expected five streams: mixture and four stems")
    arrays = {name: np.ascontiguousarray(streams[i].T) for name, i in ({"mixture": 0} | _STREAMS).items()}
    for name, array in arrays.items():
        check_finite(array, f"{file}, stream {name}")
    mixture = arrays.pop("mixture")
    return {stem: arrays[stem] for stem in track.stems}, mixture


def _decode(musdb: Any, file: str) -> tuple[Any, int]:
    """The streams ``(5, samples, channels)``, in steps of 1/32768 (musdb asks ffmpeg for 16 bit), and their rate."""
    try:
        track = musdb.MultiTrack(path=file, name=file, stem_id=0, is_wav=False)
        return np.asarray(track.stems, dtype=np.float32), int(track.rate)
    except Exception as error:  # whatever ffmpeg's failure leads to inside stempeg
        raise AudioError(
            f"{file} cannot be decoded by ffmpeg; it is damaged, cut off or no stem file "
            f"({type(error).__name__}: {error})"
        ) from error


def _require_ffmpeg(name: str) -> None:
    for program in ("ffmpeg", "ffprobe"):
        if shutil.which(program) is None:
            raise MissingDependencyError(
                program, f"data set {name!r} (.stem.mp4 files)", "apt-get install ffmpeg (or conda install ffmpeg)"
            )
