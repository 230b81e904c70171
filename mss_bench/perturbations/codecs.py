"""Lossy codecs: what a download or a stream has been through.

The signal is encoded and decoded again. libsndfile encodes MP3 (with LAME), Opus and Vorbis, ffmpeg AAC; each decoder
takes away the delay of its encoder, so that the result stands where the signal stood, to the sample. Rates that a codec
does not know are resampled to one that it does, and back. References stay clean: what a codec takes away is damage.

The bytes are the same on one machine. libsndfile 1.2.0 and 1.2.2 give the same samples; of other releases scores are to
agree within 0.01 dB as long as their encoders are of the same version.
"""

from __future__ import annotations

import functools
import inspect
import io
import shutil
import subprocess
import tempfile
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.core.ffmpeg import decode
from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio
from mss_bench.errors import AudioError
from mss_bench.perturbations.base import Perturbation, Transform

__all__ = ["AAC", "MP3", "Opus", "Vorbis"]

_MP3_KBPS = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
"""Rates of MPEG-1 Layer III from 64 on, the same at each of its sample rates; LAME would take the nearest."""
_VORBIS_KBPS = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)
"""Nominal rates of two channels at 44.1 kHz for the qualities 0 to 10."""


class _Codec(Perturbation):
    """Base of codecs."""

    strength = "rate"
    rates: ClassVar[tuple[int, ...]] = (32000, 44100, 48000)
    """Sample rates that it encodes, in Hz."""
    form: ClassVar[tuple[str, str]]
    """Format and subtype of libsndfile."""

    @classmethod
    def missing(cls) -> str:
        return _missing_form(*cls.form)

    def prepare(self, signal: Audio, sample_rate: int, rng: np.random.Generator) -> Transform:
        coded_at = min((rate for rate in self.rates if rate >= sample_rate), default=self.rates[-1])

        def transform(array: Audio) -> NDArray[np.floating]:
            if not 1 <= len(array) <= 2:
                raise AudioError(f"{self.name} takes one or two channels, got {len(array)}")
            # No more than full scale goes into a file; a codec is linear enough that the gain changes nothing else.
            peak = max(1.0, float(np.abs(array).max(initial=0.0)))
            coded = self.code(audio.resample(array / np.float32(peak), sample_rate, coded_at), coded_at)
            coded = audio.resample(coded, coded_at, sample_rate)[:, : array.shape[1]]
            # A decoder may end some samples early.
            return np.pad(coded, ((0, 0), (0, array.shape[1] - coded.shape[1]))) * np.float32(peak)

        return transform

    @abstractmethod
    def code(self, array: Audio, sample_rate: int) -> Audio:
        """Return an array with a peak of no more than 1 as it is decoded."""


class MP3(_Codec):
    """Encode as MP3 at a constant rate (LAME) and decode."""

    name = "mp3"
    form = ("MP3", "MPEG_LAYER_III")
    ladder = (192, 96, 64)

    # Below 64 kbit/s no frame has room for the tag by which the decoder knows the encoder's delay.
    rate: int = param(
        128, at_least=_MP3_KBPS[0], at_most=_MP3_KBPS[-1], unit="kbit/s",
        doc=f"Bit rate that MPEG-1 Layer III has: {', '.join(map(str, _MP3_KBPS))}.",
    )  # fmt: skip

    def setup(self) -> None:
        super().setup()
        if self.rate not in _MP3_KBPS:
            self.refuse("rate", f"one that MPEG-1 Layer III has: {', '.join(map(str, _MP3_KBPS))}")

    def code(self, array: Audio, sample_rate: int) -> Audio:
        return _through_libsndfile(array, sample_rate, *self.form, (320 - self.rate) / 288, "CONSTANT")


class Opus(_Codec):
    """Encode as Opus at 48 kHz with a variable rate (libopus) and decode."""

    name = "opus"
    form = ("OGG", "OPUS")
    ladder = (96, 48, 24)
    rates = (48000,)

    rate: int = param(96, at_least=16, at_most=256, unit="kbit/s", doc="Bit rate that is aimed at, of all channels.")

    def code(self, array: Audio, sample_rate: int) -> Audio:
        level = (256 - min(self.rate / len(array), 256)) / 250  # libsndfile: 6 to 256 kbit/s a channel
        return _through_libsndfile(array, sample_rate, *self.form, level)


class Vorbis(_Codec):
    """Encode as Ogg Vorbis with a variable rate (libvorbis) and decode."""

    name = "vorbis"
    form = ("OGG", "VORBIS")
    ladder = (192, 96, 64)

    rate: int = param(
        128, at_least=_VORBIS_KBPS[0], at_most=_VORBIS_KBPS[-1], unit="kbit/s",
        doc="Nominal bit rate of two channels at 44.1 kHz; a signal that is easy to encode takes less.",
    )  # fmt: skip

    def code(self, array: Audio, sample_rate: int) -> Audio:
        quality = np.interp(self.rate, _VORBIS_KBPS, np.arange(len(_VORBIS_KBPS)))
        return _through_libsndfile(array, sample_rate, *self.form, 1 - float(quality) / 10)


class AAC(_Codec):
    """Encode as AAC (low complexity, the encoder of ffmpeg) and decode."""

    name = "aac"
    ladder = (192, 96, 48)

    rate: int = param(128, at_least=32, at_most=320, unit="kbit/s", doc="Bit rate.")

    @classmethod
    def missing(cls) -> str:
        return _missing_aac()

    def code(self, array: Audio, sample_rate: int) -> Audio:
        with tempfile.TemporaryDirectory(prefix="mss_bench-") as folder:
            coded = Path(folder) / "coded.m4a"
            words = [
                "ffmpeg",
                "-v",
                "error",
                "-f",
                "f32le",
                "-ar",
                f"{sample_rate}",
                "-ac",
                f"{len(array)}",
                "-i",
                "pipe:0",
            ]
            words += [
                "-c:a",
                "aac",
                "-b:a",
                f"{self.rate}k",
                "-fflags",
                "+bitexact",
                "-flags:a",
                "+bitexact",
                f"{coded}",
            ]
            raw = np.ascontiguousarray(array.T, dtype="<f4").tobytes()
            done = subprocess.run(words, input=raw, capture_output=True, check=False)
            if done.returncode:
                reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
                raise AudioError(f"aac:rate={self.rate} cannot be encoded by ffmpeg: {reason}")
            return decode(coded)[0]


@functools.cache
def _missing_form(form: str, subtype: str) -> str:
    import soundfile

    if subtype not in soundfile.available_subtypes(form):
        return f"this libsndfile ({soundfile.__libsndfile_version__}) has no {subtype}; install soundfile from PyPI"
    if "compression_level" not in inspect.signature(soundfile.SoundFile).parameters:
        return f"soundfile {soundfile.__version__} cannot set a rate; install soundfile 0.13 or later"
    return ""


@functools.cache
def _missing_aac() -> str:
    if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        return "AAC needs ffmpeg, which is not there; install it (apt-get install ffmpeg), or leave aac out"
    listed = subprocess.run(["ffmpeg", "-v", "error", "-encoders"], capture_output=True, check=False, text=True).stdout
    known = any(line.split()[1:2] == ["aac"] for line in listed.splitlines())
    return "" if known else "this ffmpeg has no encoder aac; install one that has it, or leave aac out"


def _through_libsndfile(
    array: Audio, sample_rate: int, form: str, subtype: str, level: float, mode: str | None = None
) -> Audio:
    """Return an array that libsndfile has encoded and decoded."""
    import soundfile

    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", sample_rate, len(array), subtype, format=form, compression_level=level, bitrate_mode=mode
    ) as encoder:
        # libvorbis keeps what it is given at once on the stack, which minutes of music overflow.
        for start in range(0, array.shape[1], sample_rate):
            encoder.write(np.ascontiguousarray(array[:, start : start + sample_rate].T))
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32", always_2d=True)
    return np.ascontiguousarray(decoded.T)
