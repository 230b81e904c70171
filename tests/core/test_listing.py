"""Audio files below a folder."""

import os

import pytest

from mss_bench.core.listing import as_on_disk, audio_files, matching


def touch(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def test_audio_is_listed_in_any_capitals_and_nothing_else(tmp_path):
    root = touch(
        tmp_path, "b/x.WAV", "b/x.mp3", "notes.txt", "._x.wav", ".git/annex/y.wav", "b/__MACOSX/x.wav", "a.Flac"
    )
    assert audio_files(root).files == ("a.Flac", "b/x.WAV", "b/x.mp3")


def test_every_folder_is_listed_once_however_many_links_lead_to_it(tmp_path):
    root = touch(tmp_path / "root", "z/real.wav")
    touch(tmp_path / "disk", "far/away.wav")
    (root / "a").symlink_to(root / "z")
    (root / "z" / "up").symlink_to(root)
    (root / "z" / "far").symlink_to(tmp_path / "disk" / "far")
    (tmp_path / "disk" / "far" / "self").symlink_to(tmp_path / "disk" / "far")
    listing = audio_files(root)
    assert listing.files == ("z/far/away.wav", "z/real.wav"), "a real folder is read under its own name"
    assert set(listing.passed_over) == {"a", "z/up", "z/far/self"}
    assert not listing.refused


def test_a_name_that_is_no_text_is_refused(tmp_path):
    touch(tmp_path, "a.wav")
    with open(os.fsencode(tmp_path) + b"/caf\xe9.wav", "wb"):
        listing = audio_files(tmp_path)
    assert (listing.files, listing.refused) == (
        ("a.wav",),
        {"caf\\udce9.wav": "its name is not valid UTF-8; rename it"},
    )


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("vocals.wav", ["vocals.wav"]),  # the exact name wins
        ("bass.wav", ["BASS.Wav"]),
        ("d*.wav", ["Drums.WAV"]),
        ("other/*.wav", ["Other/1.wav", "Other/2.WAV"]),
        ("**/2.wav", ["Other/2.WAV"]),
        ("é.wav", ["e\u0301.wav"]),
        ("none*.wav", []),
        (".*", []),
    ],
)
def test_a_glob_finds_other_capitals_and_forms(tmp_path, pattern, files):
    touch(
        tmp_path, "vocals.wav", "Vocals.wav", "BASS.Wav", "Drums.WAV", "Other/1.wav", "Other/2.WAV", "e\u0301.wav",
        "._drums.wav",
    )  # fmt: skip
    assert [path.relative_to(tmp_path).as_posix() for path in matching(tmp_path, pattern)] == files


def test_a_deep_glob_follows_links_and_ends(tmp_path):
    root = touch(tmp_path / "root", "a/x.wav")
    touch(tmp_path / "disk", "y.wav")
    (root / "linked").symlink_to(tmp_path / "disk")
    (root / "a" / "loop").symlink_to(root)
    (root / "a" / "gone.wav").symlink_to(tmp_path / "nowhere")
    names = [path.relative_to(root).as_posix() for path in matching(root, "**/*.wav")]
    assert names == ["a/gone.wav", "a/x.wav", "linked/y.wav"], "a link to nothing is kept: reading it says so"


def test_a_folder_in_other_capitals_is_found_where_it_is_the_only_one(tmp_path):
    touch(tmp_path, "Train/x.wav", "TEST/x.wav", "Test/x.wav")
    assert as_on_disk(tmp_path / "train").name == "Train"
    assert as_on_disk(tmp_path / "Test").name == "Test"
    assert as_on_disk(tmp_path / "test").name == "test", "either could be meant"
