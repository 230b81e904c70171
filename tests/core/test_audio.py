import struct

import numpy as np
import pytest
import soundfile

from mss_bench.core import audio
from mss_bench.errors import AudioError


@pytest.fixture
def noise():
    return (0.3 * np.random.default_rng(0).standard_normal((2, 1000))).astype(np.float32)


def test_what_is_written_is_read(tmp_path, noise):
    audio.write(tmp_path / "a" / "x.wav", 3 * noise, 44100)  # float files may exceed full scale
    np.testing.assert_array_equal(audio.read(tmp_path / "a" / "x.wav", 44100), 3 * noise)
    np.testing.assert_array_equal(audio.read(tmp_path / "a/x.wav", start=0.01, duration=0.005), 3 * noise[:, 441:661])
    assert [f.name for f in (tmp_path / "a").iterdir()] == ["x.wav"]


def test_integer_formats_refuse_to_clip(tmp_path, noise):
    with pytest.raises(AudioError, match=r"a peak of \d+\.\d+ would clip as PCM_16"):
        audio.write(tmp_path / "x.wav", 10 * noise, 44100, "PCM_16")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_truncated_files_are_errors(tmp_path, noise, suffix):
    file = tmp_path / f"x.{suffix}"
    soundfile.write(file, noise.T, 44100, subtype="PCM_16")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"x\.\w+ (is truncated|cannot be read)"):
        audio.read(file)


def test_a_header_without_length_is_not_called_truncated(tmp_path, noise):
    file = tmp_path / "streamed.wav"
    soundfile.write(file, np.clip(noise, -1, 1).T, 44100, subtype="PCM_16")
    data = bytearray(file.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    file.write_bytes(data)
    assert audio.read(file).shape == (2, 1000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist; expected an audio file"),
        (b"", "cannot be read as audio"),
        (b"RIFF....WAVEjunk", "cannot be read as audio"),
        (b"plain text, no audio", "cannot be read as audio"),
    ],
)
def test_what_is_no_audio_is_named(tmp_path, content, message):
    file = tmp_path / "x.wav"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AudioError) as error:
        audio.read(file)
    assert message in str(error.value)
    assert "x.wav" in str(error.value)


def test_other_rates_nan_and_empty_files_are_errors(tmp_path, noise):
    audio.write(tmp_path / "rate.wav", noise, 48000)
    with pytest.raises(AudioError, match="has a sample rate of 48000 Hz, expected 44100 Hz"):
        audio.read(tmp_path / "rate.wav", 44100)
    noise[1, 17] = np.nan
    audio.write(tmp_path / "nan.wav", noise, 44100)
    with pytest.raises(AudioError, match="nan at channel 1, sample 17"):
        audio.read(tmp_path / "nan.wav")
    audio.write(tmp_path / "empty.wav", noise[:, :0], 44100)
    with pytest.raises(AudioError, match="has no samples"):
        audio.read(tmp_path / "empty.wav")


def test_an_unwritable_place_is_an_error(tmp_path, noise):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AudioError, match="cannot be written"):
        audio.write(tmp_path / "file" / "x.wav", noise, 44100)


@pytest.mark.parametrize(("rates", "length"), [((44100, 48000), 1089), ((48000, 44100), 919), ((44100, 44100), 1000)])
def test_resampling_keeps_length_and_level(rates, length):
    time = np.arange(1000) / rates[0]
    tone = np.sin(2 * np.pi * 1000 * time)[None].astype(np.float32)
    out = audio.resample(tone, *rates)
    assert out.shape == (1, length)
    expected = np.sin(2 * np.pi * 1000 * np.arange(length) / rates[1])
    np.testing.assert_allclose(out[0, 200:-200], expected[200:-200], atol=2e-3)
