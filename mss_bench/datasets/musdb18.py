"""The layout of MUSDB18: Native Instruments stem files, one a track."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np

from mss_bench.core.audio import check_finite
from mss_bench.core.listing import matching
from mss_bench.core.tracks import Audio, Stems, Track, TrackId
from mss_bench.datasets.base import Dataset
from mss_bench.errors import AudioError, DatasetError, MissingDependencyError

__all__ = ["MUSDB18", "read_stem_file"]

_ENDING = ".stem.mp4"
# MUSDB18's order of streams in a stem file.
_STREAMS = {"drums": 1, "bass": 2, "other": 3, "vocals": 4}


class MUSDB18(Dataset):
    """``<root>/<subset>/<track>.stem.mp4``, decoded through `musdb`, which needs ffmpeg."""

    layout = "musdb18"

    def find(self, subset: str) -> list[Track]:
        """Return a track for every stem file of the subset.

        Raises
        ------
        MissingDependencyError
            ffmpeg or ffprobe is not on the path.
        DatasetError
            The folder does not exist.
        """
        _require_ffmpeg(self.name)
        folder = self.folder(subset)
        if not folder.is_dir():
            raise DatasetError(f"data set {self.name!r}: {folder} does not exist; expected a folder of .stem.mp4 files")
        if set(self.targets.stems) != set(_STREAMS):
            raise DatasetError(
                f"data set {self.name!r} declares the stems {list(self.targets.stems)}; a MUSDB18 stem file holds "
                f"{sorted(_STREAMS)}"
            )
        facts = {"decoder": "stempeg, 16 bit"}
        return [
            Track(
                TrackId(self.name, subset, file.name[: -len(_ENDING)]), self.sample_rate,
                dict.fromkeys(self.stems, (file,)), (file,), reader=read_stem_file, facts=facts,
            )
            for file in matching(folder, f"*{_ENDING}")
        ]  # fmt: skip


def read_stem_file(track: Track) -> tuple[Stems, Audio, int]:
    """Read stems, mixture and sample rate of a ``.stem.mp4``.

    Decoded to 16 bit: museval's numbers were made so, and decoding the lossy streams to float leaves the references
    nearly dependent, which moves ISR, SIR and SAR by up to 28 dB.

    Raises
    ------
    AudioError
        The file cannot be decoded or lacks streams.
    """
    _require_ffmpeg(track.id.dataset)
    import musdb

    file = track.mixture[0]
    streams, rate = _decode(musdb, str(file))
    if streams.ndim != 3 or streams.shape[0] != 1 + len(_STREAMS):
        raise AudioError(f"{file} holds audio of shape {streams.shape}, expected five streams: mixture and four stems")
    arrays = {name: np.ascontiguousarray(streams[i].T) for name, i in ({"mixture": 0} | _STREAMS).items()}
    for name, array in arrays.items():
        check_finite(array, f"{file}, stream {name}")
    mixture = arrays.pop("mixture")
    return {stem: arrays[stem] for stem in track.stems}, mixture, rate


def _decode(musdb: Any, file: str) -> tuple[Any, int]:
    """Return the streams ``(5, samples, channels)``, of 16 bit as musdb asks ffmpeg for, and their rate."""
    try:
        track = musdb.MultiTrack(path=file, name=file, stem_id=0, is_wav=False)
        return np.asarray(track.stems, dtype=np.float32), int(track.rate)
    except Exception as error:  # whatever ffmpeg's failure leads to inside stempeg
        raise AudioError(
            f"{file} cannot be decoded by ffmpeg; it is damaged, cut off or not a stem file "
            f"({type(error).__name__}: {error})"
        ) from error


def _require_ffmpeg(name: str) -> None:
    for program in ("ffmpeg", "ffprobe"):
        if shutil.which(program) is None:
            raise MissingDependencyError(
                program, f"data set {name!r} (.stem.mp4 files)", "apt-get install ffmpeg (or conda install ffmpeg)"
            )
