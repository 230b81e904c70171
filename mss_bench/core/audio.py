"""Strict reading and writing of audio.

One gate for every file: missing, unreadable, truncated, of another rate, with NaN or infinite samples: each is an
`AudioError` that names the file, what was found and what was expected. Arrays are ``(channels, samples)``, float32 as
read; nothing is resampled, mixed down or clipped without being asked.
"""

from __future__ import annotations

import glob
import hashlib
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.ffmpeg import compressed_kind, decode, is_compressed, missing_decoder, probe
from mss_bench.core.files import replacing
from mss_bench.core.listing import broken_link, matching
from mss_bench.errors import AudioError

__all__ = ["AudioInfo", "check_same_shape", "hash_file", "info", "missing_decoder", "read", "resample", "write"]


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says, and what is there.

    Parameters
    ----------
    frames : int
        Frames that can be read.
    declared_frames : int
        Frames that the header declares; more than `frames` means that the file is truncated.
    """

    path: Path
    sample_rate: int
    channels: int
    frames: int
    declared_frames: int
    subtype: str

    @property
    def seconds(self) -> float:
        """Return the length that can be read."""
        return self.frames / self.sample_rate


def info(path: str | Path, *, any_decoder: bool = False) -> AudioInfo:
    """Read the header of an audio file; of a compressed one the number of frames is what the header says, about.

    Parameters
    ----------
    path : str or Path
    any_decoder : bool
        Have libsndfile decode what it can where ffmpeg is missing. Scores would depend on the decoder.

    Raises
    ------
    AudioError
        When the file is missing, not an audio file that libsndfile reads or ffmpeg decodes, or compressed under the
        name of a file that is not.
    """
    import soundfile

    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path} is {broken_link(path)}" if path.is_symlink() else _absent(path))
    if _through_ffmpeg(path, any_decoder):
        stream = probe(path)
        frames = round(stream.seconds * stream.sample_rate)
        return AudioInfo(path, stream.sample_rate, stream.channels, frames, frames, stream.codec)
    try:
        header = soundfile.info(str(path))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = str(error).partition(": ")[2] or str(error)
        kind = compressed_kind(path)
        raise AudioError(f"{path} " + (f"holds {kind}" if kind else f"cannot be read as audio: {reason}")) from error
    if header.format in ("MP3", "MPEG", "OGG") and not is_compressed(path):
        # libsndfile would decode it, and nobody would know that the references are lossy.
        raise AudioError(f"{path} holds {compressed_kind(path, header.format)}")
    declared = _declared_wav_frames(path) if header.format in ("WAV", "WAVEX", "RF64") else None
    frames = int(header.frames)
    return AudioInfo(
        path, int(header.samplerate), int(header.channels), frames, max(frames, declared or 0), header.subtype
    )


def read(
    path: str | Path,
    sample_rate: int | None = None,
    *,
    start: float = 0.0,
    duration: float | None = None,
    finite: bool = True,
    any_decoder: bool = False,
) -> NDArray[np.float32]:
    """Read a file, strictly.

    Parameters
    ----------
    path : str or Path
    sample_rate : int, optional
        The expected rate in Hz; another one is an error.
    start, duration : float
        The part to read, in seconds; a duration beyond the end reads what is there.
    finite : bool
        Refuse NaN and infinite samples.
    any_decoder : bool
        As for `info`.

    Returns
    -------
    (channels, samples) float32

    Raises
    ------
    AudioError
        Missing, unreadable, truncated or empty file, wrong rate, NaN or infinite samples.
    """
    import soundfile

    header = info(path, any_decoder=any_decoder)
    if sample_rate is not None and header.sample_rate != sample_rate:
        raise AudioError(f"{path} has a sample rate of {header.sample_rate} Hz, expected {sample_rate} Hz")
    if _through_ffmpeg(path, any_decoder):
        return _cut(decode(Path(path)), path, start, duration, finite)
    if header.frames < header.declared_frames:
        raise AudioError(
            f"{path} is truncated: {header.frames} frames are there, its header declares {header.declared_frames}"
        )
    first = round(start * header.sample_rate)
    count = -1 if duration is None else round(duration * header.sample_rate)
    try:
        data, _ = soundfile.read(
            str(path), frames=count, start=min(first, header.frames), dtype="float32", always_2d=True
        )
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"{path} cannot be read to its end: {error}; the file is damaged or truncated") from error
    wanted = header.frames - first if count < 0 else min(count, header.frames - first)
    if len(data) < wanted:
        raise AudioError(f"{path} is truncated: {len(data)} frames could be read, its header declares {wanted}")
    if not len(data):
        raise AudioError(f"{path} has no samples from {start} s on, expected audio")
    array = np.ascontiguousarray(data.T)
    if finite and not header.subtype.startswith("PCM"):  # integers are finite
        check_finite(array, str(path))
    return array


def _through_ffmpeg(path: str | Path, any_decoder: bool) -> bool:
    return is_compressed(path) and not (any_decoder and missing_decoder(path))


def _cut(
    decoded: tuple[NDArray[np.float32], int], path: str | Path, start: float, duration: float | None, finite: bool
) -> NDArray[np.float32]:
    """Return a part of a decoded file, in seconds."""
    array, rate = decoded
    first = round(start * rate)
    array = np.ascontiguousarray(array[:, first : None if duration is None else first + round(duration * rate)])
    if not array.shape[1]:
        raise AudioError(f"{path} has no samples from {start} s on, expected audio")
    if finite:
        check_finite(array, str(path))
    return array


def _absent(path: Path) -> str:
    """Say that a file is not there, and what of its name is."""
    if path.is_dir():
        return f"{path} is a folder; expected an audio file"
    beside = sorted(p.name for p in matching(path.parent, f"{glob.escape(path.stem)}.*") if p.is_file())
    there = f"; there is {', '.join(beside[:3])}" if beside else ""
    return f"{path} does not exist; expected an audio file{there}"


def check_finite(array: NDArray[np.floating], name: str) -> None:
    """Refuse NaN and infinite samples, naming the first one.

    Raises
    ------
    AudioError
    """
    if not np.isfinite(array).all():
        channel, sample = np.argwhere(~np.isfinite(array))[0]
        raise AudioError(
            f"{name} holds {array[channel, sample]} at channel {channel}, sample {sample}; expected numbers"
        )


def check_same_shape(shapes: Mapping[str, tuple[int, ...]], what: str, describe: Callable[[str], str] = str) -> None:
    """Refuse parts of different channel counts or lengths, naming the odd one.

    Parameters
    ----------
    shapes : mapping of str to (channels, samples)
        The first is what the others are compared with.

    Raises
    ------
    AudioError
    """
    first, expected = next(iter(shapes.items()))
    for name, shape in shapes.items():
        if shape != expected:
            raise AudioError(
                f"{what}: {describe(name)} has {shape[0]} channels and {shape[1]} samples, expected {expected[0]} and "
                f"{expected[1]} as in {describe(first)}"
            )


def write(path: str | Path, array: NDArray[np.floating], sample_rate: int, subtype: str = "FLOAT") -> None:
    """Write a WAV or FLAC file whole or not at all.

    Parameters
    ----------
    array : (channels, samples)
    sample_rate : int
        Hz.
    subtype : str
        libsndfile's name: ``"FLOAT"``, ``"PCM_16"``, ``"PCM_24"``. An integer format refuses samples beyond full scale,
        because libsndfile would clip them without a word.

    Raises
    ------
    AudioError
        When samples would clip or the file cannot be written.
    """
    import soundfile
    from scipy.io import wavfile

    path = Path(path)
    if subtype.startswith("PCM") and (peak := float(np.max(np.abs(array), initial=0.0))) > 1.0:
        raise AudioError(f"{path}: a peak of {peak:.3f} would clip as {subtype}; write FLOAT or scale it first")
    try:
        # Not flushed to the disk: audio is large, and whoever keeps it keeps its hash as well.
        with replacing(path, sync=False) as temporary:
            if subtype == "FLOAT" and path.suffix == ".wav":
                # libsndfile puts the time of writing into float files; the same samples are to be the same bytes.
                wavfile.write(temporary, sample_rate, np.asarray(array, dtype=np.float32).T)
            else:
                form = path.suffix[1:].upper()
                soundfile.write(temporary, np.asarray(array).T, sample_rate, subtype=subtype, format=form)
    except (OSError, ValueError, soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"{path} cannot be written: {error}") from error


def resample(array: NDArray[np.floating], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Resample with soxr at very high quality; the length becomes ``ceil(samples * to_rate / from_rate)``."""
    if from_rate == to_rate:
        return np.asarray(array, dtype=np.float32)
    import soxr

    wanted = -(-array.shape[-1] * to_rate // from_rate)
    out = soxr.resample(np.asarray(array, dtype=np.float32).T, from_rate, to_rate, quality="VHQ").T
    if out.shape[-1] < wanted:
        # soxr may end a sample early.
        out = np.pad(out, ((0, 0), (0, wanted - out.shape[-1])))
    return np.ascontiguousarray(out[:, :wanted], dtype=np.float32)


def hash_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _declared_wav_frames(path: Path) -> int | None:
    """Return the frames that a RIFF header declares, or None; libsndfile reports only those present."""
    with path.open("rb") as file:
        start = file.read(12)
        if len(start) < 12 or start[:4] not in (b"RIFF", b"RF64") or start[8:] != b"WAVE":
            return None
        block_align, long_size = 0, None
        while len(head := file.read(8)) == 8:
            kind, size = head[:4], struct.unpack("<I", head[4:])[0]
            if kind == b"data":
                size = long_size if size == 0xFFFFFFFF and long_size is not None else size
                # 0 and 0xFFFFFFFF are what a writer leaves that could not seek back: the length is unknown then.
                return None if size in (0, 0xFFFFFFFF) or not block_align else size // block_align
            body = file.read(min(size, 64))
            if kind == b"fmt " and len(body) >= 14:
                block_align = struct.unpack("<H", body[12:14])[0]
            if kind == b"ds64" and len(body) >= 16:
                long_size = struct.unpack("<Q", body[8:16])[0]
            file.seek(size - len(body) + (size & 1), os.SEEK_CUR)
    return None
