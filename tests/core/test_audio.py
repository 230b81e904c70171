import shutil
import struct
import subprocess

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


needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    """A second of two tones, by ffmpeg in several codecs."""
    folder = tmp_path_factory.mktemp("compressed")
    time = np.arange(44100) / 44100
    array = 0.4 * np.stack([np.sin(2 * np.pi * 440 * time), np.sin(2 * np.pi * 660 * time)]).astype(np.float32)
    audio.write(folder / "x.wav", array, 44100)
    for name in ("x.mp3", "x.m4a", "x.ogg"):
        subprocess.run(["ffmpeg", "-v", "error", "-i", folder / "x.wav", folder / name], check=True)
    return folder, array


@needs_ffmpeg
@pytest.mark.parametrize(("name", "rate"), [("x.mp3", 44100), ("x.m4a", 44100)])
def test_compressed_files_are_decoded_aligned(compressed, name, rate):
    folder, array = compressed
    decoded = audio.read(folder / name, rate)
    header = audio.info(folder / name)
    assert (header.sample_rate, header.channels) == (rate, 2)
    assert abs(header.frames - rate) <= 0.06 * rate
    assert decoded.shape == array.shape
    middle = slice(5000, 40000)
    difference = decoded[:, middle] - array[:, middle]
    assert np.linalg.norm(difference) < 0.1 * np.linalg.norm(array[:, middle]), "a delay of the codec is left"
    part = audio.read(folder / name, start=0.25, duration=0.5)
    np.testing.assert_array_equal(part, decoded[:, rate // 4 : 3 * rate // 4])


@needs_ffmpeg
@pytest.mark.parametrize(
    ("source", "name", "kind"),
    [
        ("x.mp3", "vocals.wav", r"MP3, whatever its name says; rename it to vocals\.mp3"),
        ("x.mp3", "vocals.flac", "MP3"),
        ("x.ogg", "vocals.wav", "Ogg"),
        ("x.m4a", "vocals.WAV", "MPEG-4"),
    ],
)
def test_compressed_audio_under_another_name_is_found_out(compressed, tmp_path, source, name, kind):
    shutil.copy(compressed[0] / source, tmp_path / name)
    for read in (audio.info, audio.read):
        with pytest.raises(AudioError, match=f"{name} holds {kind}"):
            read(tmp_path / name)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.mp3", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nx.wav\n", "cannot be decoded by ffprobe"),
        ("x.mp3", b"", "cannot be decoded by ffprobe"),
        ("x.m4a", b"plain text, no audio", "cannot be decoded by ffprobe"),
        ("x.mp3", None, "does not exist; expected an audio file$"),
    ],
)
def test_what_is_no_compressed_audio_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError, match=rf"x\.m\w+ {message}"):
        audio.read(tmp_path / name)


@needs_ffmpeg
def test_a_truncated_mp3_is_an_error(compressed, tmp_path):
    content = (compressed[0] / "x.mp3").read_bytes()
    (tmp_path / "x.mp3").write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=r"x.mp3 is truncated: 0\.\d+ s are there, its header declares 1\.\d+ s"):
        audio.read(tmp_path / "x.mp3")


def test_without_ffmpeg_the_reason_is_told(tmp_path, monkeypatch):
    (tmp_path / "x.mp3").write_bytes(b"ID3")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match=r"x\.mp3 cannot be read: \.mp3 needs ffmpeg, which is not there; install"):
        audio.read(tmp_path / "x.mp3")


def test_any_decoder_serves_where_no_scores_are_made(tmp_path, noise, monkeypatch):
    soundfile.write(tmp_path / "x.ogg", noise.T, 44100)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert audio.read(tmp_path / "x.ogg", any_decoder=True).shape == (2, 1000)
    with pytest.raises(AudioError, match="needs ffmpeg"):
        audio.read(tmp_path / "x.ogg")


def test_a_missing_file_is_told_with_what_is_there_instead(tmp_path):
    (tmp_path / "drums.wav").symlink_to(tmp_path / "annex" / "key")
    (tmp_path / "vocals.mp3").touch()
    with pytest.raises(AudioError, match=r"vocals\.wav does not exist; .* there is .*vocals\.mp3"):
        audio.read(tmp_path / "vocals.wav")
    with pytest.raises(AudioError, match=r"drums\.wav is a link to .*key, which is not there; mount that disk, or get"):
        audio.read(tmp_path / "drums.wav")
