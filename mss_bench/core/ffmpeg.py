"""Compressed audio, decoded by the programs ffmpeg and ffprobe."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.names import COMPRESSED
from mss_bench.errors import AudioError

__all__ = ["Stream", "compressed_kind", "decode", "duration", "is_compressed", "missing_decoder", "probe"]

_DEMUXERS = "aac,asf,flac,matroska,mov,mp3,ogg,wav"
_TOLERATED = 0.1
"""Seconds by which a file may be shorter than its header says: encoders pad, and count differently."""
# The first bytes of what is often given another name.
_KINDS = ((0, b"ID3", "MP3"), (0, b"OggS", "Ogg"), (4, b"ftyp", "MPEG-4"), (0, b"0&\xb2u", "WMA"))
_USUAL = {"MP3": ".mp3", "Ogg": ".ogg", "MPEG-4": ".m4a", "WMA": ".wma", "AAC": ".aac"}


@dataclass(frozen=True)
class Stream:
    """The audio stream of a file."""

    sample_rate: int
    channels: int
    seconds: float
    frames: int | None
    """Frames that the header declares, where it counts in frames."""
    codec: str


def is_compressed(path: str | Path) -> bool:
    """Return whether a file is called like one that ffmpeg decodes."""
    return Path(path).suffix.lower() in COMPRESSED


def missing_decoder(path: str | Path) -> str:
    """Return why a file of this name cannot be decoded here; empty where it can."""
    if not is_compressed(path) or (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        return ""
    kind = Path(path).suffix.lower()
    return f"{kind} needs ffmpeg, which is not there; install it (apt-get install ffmpeg) or convert the file to .wav"


def compressed_kind(path: Path, libsndfile_format: str = "") -> str:
    """Return what a file really holds that is called .wav or the like, with the extension it should have; else ""."""
    with path.open("rb") as file:
        start = file.read(12)
    kind = {"MP3": "MP3", "MPEG": "MP3", "OGG": "Ogg"}.get(libsndfile_format, "")
    kind = kind or next((name for at, magic, name in _KINDS if start[at:].startswith(magic)), "")
    if not kind and len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0:
        kind = "MP3" if start[1] & 0x06 else "AAC"
    return f"{kind}, whatever its name says; rename it to {path.stem}{_USUAL[kind]}" if kind else ""


def probe(path: Path) -> Stream:
    """Return what a file's header says.

    Raises
    ------
    AudioError
        ffmpeg is not there, it cannot read the file, or the file does not hold exactly one audio stream.
    """
    told = _run("ffprobe", path, "-show_streams", "-show_format", "-select_streams", "a", "-of", "json")
    answer = json.loads(told or b"{}")
    streams = answer.get("streams", [])
    if len(streams) != 1:
        hint = "; a stem file of Native Instruments is read by --dataset musdb18 --root DIR" if len(streams) > 1 else ""
        raise AudioError(f"{path} holds {len(streams)} audio streams, expected one{hint}")
    (stream,) = streams
    seconds = float(stream.get("duration") or answer.get("format", {}).get("duration") or 0.0)
    rate = int(stream["sample_rate"])
    frames = int(stream.get("duration_ts", 0)) if stream.get("time_base") == f"1/{rate}" else 0
    return Stream(rate, int(stream["channels"]), seconds, frames or None, str(stream.get("codec_name", "")))


def duration(path: Path) -> float:
    """Return the seconds that a container declares, whatever streams it holds.

    Raises
    ------
    AudioError
        ffmpeg is not there, or it cannot read the file.
    """
    told = json.loads(_run("ffprobe", path, "-show_format", "-of", "json") or b"{}")
    return float(told.get("format", {}).get("duration") or 0.0)


def decode(path: Path) -> tuple[NDArray[np.float32], int]:
    """Decode a file as a whole: a part of it would not start at an exact sample.

    Returns
    -------
    (channels, samples) float32
    int
        Hz.

    Raises
    ------
    AudioError
        As `probe`, and where less can be decoded than the header says.
    """
    stream = probe(path)
    raw = _run("ffmpeg", path, "-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "f32le", "-")
    array = np.frombuffer(raw, dtype="<f4").reshape(-1, stream.channels).T.astype(np.float32)
    seconds = array.shape[1] / stream.sample_rate
    # MPEG-4 declares its length without the padding of the last block, and ffmpeg decodes that, too.
    array = array[:, : stream.frames]
    if seconds < stream.seconds - _TOLERATED:
        raise AudioError(f"{path} is truncated: {seconds:.2f} s are there, its header declares {stream.seconds:.2f} s")
    return array, stream.sample_rate


def _run(program: str, path: Path, *arguments: str) -> bytes:
    if reason := missing_decoder(path):
        raise AudioError(f"{path} cannot be read: {reason}")
    # A file may be a playlist of other files and addresses under the name of an MP3: only containers are opened.
    words = [program, "-v", "error", "-protocol_whitelist", "file,pipe", "-format_whitelist", _DEMUXERS]
    words += ["-nostdin"] if program == "ffmpeg" else []
    done = subprocess.run(
        [*words, "-i", f"file:{path}", *arguments], capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise AudioError(f"{path} cannot be decoded by {program}: {reason.replace(f'file:{path}: ', '')}")
    return done.stdout
