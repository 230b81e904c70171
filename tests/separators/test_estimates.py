"""The separator that reads finished estimates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import Stems, Targets, TrackId
from mss_bench.errors import AudioError, ConfigError, MssBenchError
from mss_bench.separators import separators
from mss_bench.separators.estimates import Estimates

TARGETS = Targets(("vocals", "drums", "bass", "other"), {"accompaniment": ("drums", "bass", "other")})
RATE = 8000
TRACK = TrackId("data", "test", "A Song")
MIXTURE = np.zeros((2, 4000), np.float32)


def noise(seed: int, samples: int = 4000, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (channels, samples)).astype(np.float32)


def separate(separator: Estimates, track: TrackId | None = TRACK) -> Stems:
    separator.track = track
    return separator.separate(MIXTURE, RATE, targets=TARGETS, rng=np.random.default_rng(0))


def test_returns_what_is_there_in_the_data_sets_order(tmp_path: Path) -> None:
    audio.write(tmp_path / "A Song" / "no_vocals.wav", noise(1), RATE)
    audio.write(tmp_path / "A Song" / "vocals.wav", noise(2), RATE)
    audio.write(tmp_path / "B" / "drums.wav", noise(3), RATE)
    separator = Estimates(dir=str(tmp_path))
    estimates = separate(separator)
    assert list(estimates) == ["vocals", "accompaniment"]
    np.testing.assert_array_equal(estimates["vocals"], noise(2))
    np.testing.assert_array_equal(estimates["accompaniment"], noise(1))
    assert sorted(p.name for p in separator.files(TRACK)) == ["no_vocals.wav", "vocals.wav"]
    assert separator.files(TrackId("data", "test", "C")) == []


def test_is_built_from_the_command_lines_form(tmp_path: Path) -> None:
    audio.write(tmp_path / "x-A Song-bass.wav", noise(1), RATE)
    spec = Spec.parse(f"estimates:dir={tmp_path},pattern=x-{{track}}-{{target}}.wav,as=mine")
    separator, *_ = build(separators, spec)
    assert isinstance(separator, Estimates)
    assert list(separate(separator)) == ["bass"]


def test_every_track_is_expected_to_have_what_any_track_has(tmp_path: Path) -> None:
    audio.write(tmp_path / "A Song" / "no_vocals.wav", noise(1), RATE)
    audio.write(tmp_path / "B" / "vocals.wav", noise(2), RATE)
    separator = Estimates(dir=str(tmp_path))
    separator.tracks = tuple(TrackId("data", "test", name) for name in ("A Song", "B", "C"))
    for track in separator.tracks:
        assert separator.produces(TARGETS, track) == ("vocals", "accompaniment")
    assert [len(separator.files(t)) for t in separator.tracks] == [1, 1, 0]


def test_a_folder_without_any_estimate_of_the_run_is_refused_with_the_pairing(tmp_path: Path) -> None:
    audio.write(tmp_path / "A Sogn" / "vocals.wav", noise(1), RATE)
    with pytest.raises(ConfigError, match=r"no track has a file[\s\S]*did you mean 'A Song'"):
        Estimates(dir=str(tmp_path)).produces(TARGETS, TRACK)


def test_a_file_of_another_track_of_the_run_is_not_taken(tmp_path: Path) -> None:
    audio.write(tmp_path / "1_Song_(Vocals).wav", noise(1), RATE)
    song, numbered = TrackId("data", "test", "Song"), TrackId("data", "test", "1_Song")
    separator = Estimates(dir=str(tmp_path))
    assert list(separate(separator, song)) == ["vocals"], "a number before the name, as UVR writes it"
    separator.tracks = (song, numbered)
    assert list(separate(separator, numbered)) == ["vocals"]
    with pytest.raises(ConfigError, match="no estimate of track 'Song'"):
        separate(separator, song)


@pytest.mark.parametrize("samples", [3000, 5000])
def test_the_length_is_left_as_it_is(tmp_path: Path, samples: int) -> None:
    audio.write(tmp_path / "A Song" / "bass.wav", noise(1, samples), RATE)
    assert separate(Estimates(dir=str(tmp_path)))["bass"].shape == (2, samples)


def test_an_excerpt_is_read_from_where_the_track_is_cut(tmp_path: Path) -> None:
    audio.write(tmp_path / "A Song" / "bass.wav", noise(1, 16000), RATE)
    separator = Estimates(dir=str(tmp_path))
    separator.start, separator.duration = 0.25, 0.5
    np.testing.assert_array_equal(separate(separator)["bass"], noise(1, 16000)[:, 2000:6000])


def test_another_rate_is_an_error(tmp_path: Path) -> None:
    audio.write(tmp_path / "A Song" / "bass.wav", noise(1), 44100)
    with pytest.raises(AudioError, match=r"bass.wav has a sample rate of 44100 Hz, expected 8000 Hz"):
        separate(Estimates(dir=str(tmp_path)))


def test_a_mono_estimate_of_a_stereo_mixture_is_an_error(tmp_path: Path) -> None:
    audio.write(tmp_path / "A Song" / "bass.wav", noise(1, channels=1), RATE)
    with pytest.raises(AudioError, match=r"bass.wav has 1 channel\(s\), expected 2"):
        separate(Estimates(dir=str(tmp_path)))


def test_an_absent_track_is_an_error_that_says_what_was_expected(tmp_path: Path) -> None:
    audio.write(tmp_path / "B" / "bass.wav", noise(1), RATE)
    with pytest.raises(ConfigError, match=r"no estimate of track 'A Song'.* expected e.g. A Song/vocals.wav"):
        separate(Estimates(dir=str(tmp_path)))


def test_two_files_for_one_target_are_an_error_that_names_both(tmp_path: Path) -> None:
    audio.write(tmp_path / "A Song" / "bass.wav", noise(1), RATE)
    audio.write(tmp_path / "m" / "A Song" / "bass.flac", noise(1) / 2, RATE, "PCM_16")
    with pytest.raises(ConfigError, match=r"2 files for bass: .*bass.wav, .*bass.flac"):
        separate(Estimates(dir=str(tmp_path)))


def test_what_cannot_be_read_is_an_error_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "A Song").mkdir()
    (tmp_path / "A Song" / "bass.wav").write_bytes(b"not audio")
    with pytest.raises(AudioError, match="cannot be read"):
        separate(Estimates(dir=str(tmp_path)))
    with pytest.raises(MssBenchError, match="is not a folder"):
        separate(Estimates(dir=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match="does not know which track"):
        separate(Estimates(dir=str(tmp_path)), None)
    with pytest.raises(ConfigError, match="leaves the folder"):
        Estimates(dir=str(tmp_path), pattern="../{track}/{target}")
