"""``mss-bench separate`` on files as users have them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mss_bench.cli.main import main
from mss_bench.cli.separate import _Progress
from mss_bench.core import audio

FORMATS = {
    "pcm16.wav": ("WAV", "PCM_16", 44100, 2),
    "pcm24.wav": ("WAV", "PCM_24", 48000, 1),
    "float.wav": ("WAV", "FLOAT", 22050, 2),
    "song.flac": ("FLAC", "PCM_16", 96000, 2),
    "song.ogg": ("OGG", "VORBIS", 32000, 2),
    "mono.ogg": ("OGG", "OPUS", 48000, 1),
    "song.mp3": ("MP3", "MPEG_LAYER_III", 44100, 2),
    "mono.mp3": ("MP3", "MPEG_LAYER_III", 22050, 1),
    "song.aiff": ("AIFF", "PCM_16", 8000, 1),
}


def write(path: Path, container: str, subtype: str, rate: int, channels: int, seconds: float = 1.0) -> Path:
    """A tone and some strokes, the channels not alike."""
    when = np.arange(int(seconds * rate)) / rate
    strokes = np.random.default_rng(0).standard_normal(when.size) * np.exp(-30 * (when % 0.25))
    tone = np.sum([np.sin(2 * np.pi * 220 * k * when) / k for k in range(1, 8)], axis=0)
    data = np.stack([0.2 * tone + (0.1 + 0.05 * c) * strokes for c in range(channels)], axis=1)
    soundfile.write(path, data, rate, format=container, subtype=subtype)
    return path


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return write(tmp_path / "song.wav", "WAV", "PCM_16", 22050, 2)


def stems_of(folder: Path) -> dict[str, np.ndarray]:
    return {file.stem: audio.read(file) for file in sorted(folder.glob("*.wav"))}


def residual_db(folder: Path, file: Path) -> float:
    """What the stems lack of the file, in dB of the file."""
    mixture = audio.read(file)
    rest = sum(stems_of(folder).values()) - mixture
    return 10 * float(np.log10(np.sum(rest**2.0) / np.sum(mixture**2.0) + 1e-20))


@pytest.mark.parametrize("name", FORMATS)
def test_stems_of_any_format_add_up_to_the_file(name: str, tmp_path: Path) -> None:
    container, subtype, rate, channels = FORMATS[name]
    file = write(tmp_path / name, container, subtype, rate, channels)
    assert main(["separate", str(file), "-s", "hpss", "-s", "harmonic_mask", "--out", str(tmp_path / "out")]) == 0
    for method, stems in {"hpss": {"drums", "bass", "other"}, "harmonic_mask": {"vocals", "accompaniment"}}.items():
        folder = tmp_path / "out" / method / file.stem
        assert set(stems_of(folder)) == stems
        assert residual_db(folder, file) < -80
        for stem in folder.glob("*.wav"):
            info = audio.info(stem)
            assert (info.sample_rate, info.channels, info.subtype) == (rate, channels, "FLOAT")
            assert info.frames == audio.read(file).shape[1]
    note = json.loads((tmp_path / "out" / "hpss" / file.stem / "separation.json").read_text())
    assert (note["file"], note["separator"], note["stems"]) == (name, "hpss", ["drums.wav", "bass.wav", "other.wav"])


def test_the_default_folder_and_what_is_shown(wav: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mss_bench", "separate", wav.name, "-s", "hpss:power=3"],
        cwd=wav.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (method,) = (wav.parent / "separated").iterdir()
    assert method.name.startswith("hpss_power=3")
    files = sorted((method / "song").glob("*.wav"))
    assert sorted(done.stdout.split()) == [str(f.relative_to(wav.parent)) for f in files]
    assert "[1/1] song.wav · hpss:power=3 (1.0 s) ..." in done.stderr
    assert "x real time" in done.stderr


def test_several_files_and_separators(wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = write(tmp_path / "other.flac", "FLAC", "PCM_16", 44100, 2)
    assert (
        main(["separate", str(wav), str(second), "-s", "hpss", "-s", "centre", "-o", str(tmp_path / "out"), "-q"]) == 0
    )
    assert len(list((tmp_path / "out").rglob("separation.json"))) == 4
    assert capsys.readouterr().err == ""


def test_what_a_method_leaves_over_is_written_beside_with_a_note(
    wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["separate", str(wav), "-s", "mixture_unscaled", "-o", str(tmp_path)]) == 0
    folder = tmp_path / "mixture_unscaled" / "song"
    assert set(stems_of(folder)) == {"vocals", "drums", "bass", "other", "rest"}
    assert residual_db(folder, wav) < -80
    assert "rest holds what is left over, at 9.5 dB of the file" in capsys.readouterr().err
    assert "rest holds" in json.loads((folder / "separation.json").read_text())["notes"][0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.wav", "-s", "hpss"], "absent.wav does not exist; expected an audio file"),
        (["text.wav", "-s", "hpss"], "text.wav cannot be read as audio"),
        (["mono.wav", "-s", "centre"], "centre: mono.wav has 1 channel, expected 2; choose another separator or file"),
        (["mono.wav", "-s", "irm"], "irm is an oracle: it separates by the true stems"),
        (["mono.wav", "-s", "estimates:dir=."], "estimates reads finished estimates"),
        (["mono.wav", "-s", "hpsss"], "unknown separator 'hpsss'; did you mean 'hpss'"),
        (["mono.wav", "-s", "hpss:power=0"], "hpss: power is 0, expected a number above 0"),
        (["mono.wav", "sub/mono.wav", "-s", "hpss"], "mono.wav and sub/mono.wav would both be separated into"),
        (["mono.wav", "-s", "hpss", "-o", "text.wav"], "text.wav is a file, expected a folder"),
    ],
)
def test_wrong_use_is_one_line_before_anything_is_computed(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.wav").write_text("no audio")
    Path("sub").mkdir()
    for name in ("mono.wav", "sub/mono.wav"):
        write(Path(name), "WAV", "PCM_16", 8000, 1)
    assert main(["separate", *words]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not Path("separated").exists()


def test_an_existing_folder_is_kept_unless_it_is_to_be_replaced(
    wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["separate", str(wav), "-s", "mixture_unscaled:as=x", "-o", str(tmp_path), "-q"]
    assert main(words) == 0
    (folder,) = (p.parent for p in tmp_path.rglob("separation.json"))
    (folder / "mine.txt").write_text("kept")
    assert main(words) == 2
    assert "exists and is not empty; pass --overwrite" in capsys.readouterr().err
    note = json.loads((folder / "separation.json").read_text())
    (folder / "separation.json").write_text(json.dumps(note | {"stems": [*note["stems"], "../song.wav", "old.wav"]}))
    (folder / "old.wav").write_bytes(b"of an earlier separation")
    assert main([*words, "--overwrite"]) == 0
    assert (folder / "mine.txt").read_text() == "kept"
    assert not (folder / "old.wav").exists()
    assert residual_db(folder, wav) < -80


def test_a_damaged_file_and_a_failing_method_cost_themselves_only(
    wav: Path, tmp_path: Path, plugin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(wav.read_bytes()[:-1000])
    words = ["-s", "raises", "-s", "hpss", "--plugin", plugin, "-o", str(tmp_path / "out")]
    assert main(["separate", str(damaged), str(wav), *words]) == 1
    captured = capsys.readouterr()
    assert "damaged.wav is truncated" in captured.err
    assert f"{wav}: raises: " in captured.err
    assert residual_db(tmp_path / "out" / "hpss" / "song", wav) < -80
    assert [p.parent.name for p in (tmp_path / "out").rglob("separation.json")] == ["song"]


@pytest.fixture
def full_disk(tmp_path: Path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root and a kernel that allows it")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_told_and_nothing_half_written_stays(
    wav: Path, full_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["separate", str(wav), "-s", "hpss", "-o", str(full_disk)]) == 1
    assert "song cannot be written: No space left on device" in capsys.readouterr().err
    assert not [p for p in full_disk.rglob("*") if p.is_file()]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_line_moves() -> None:
    stream = _Terminal()
    with _Progress("[1/1] song.wav · hpss", 180.0, quiet=False, stream=stream) as progress:
        while len(seen := re.findall(r"\[1/1\] song\.wav · hpss \(3 min 0 s\), ([\d.]+) s", stream.getvalue())) < 2:
            time.sleep(0.05)
        progress.done = True
    text = stream.getvalue()
    assert float(seen[0]) < float(seen[1])
    assert text.splitlines()[-1].endswith("x real time")
