"""Audio that nothing reads, and patterns that read nothing."""

import numpy as np
import pytest
import soundfile

from mss_bench.cli.main import main
from mss_bench.datasets.catalog import get_dataset
from mss_bench.datasets.leftovers import idle_patterns, leftovers, notices
from mss_bench.errors import AudioError
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare

RATE = 8000
NOISE = 0.1 * np.random.default_rng(0).standard_normal((800, 2))


def write(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, np.roll(NOISE, 37 * i, axis=0), RATE, subtype="PCM_24")


def dataset(root, text="stems: [vocals, drums]", more="mixture: sum"):
    catalog = root / "catalog.yaml"
    catalog.write_text(f"mine:\n  layout: stems\n  root: songs\n  sample_rate: {RATE}\n  {more}\n  {text}\n")
    return get_dataset("mine", [catalog])


def found(data):
    return {(x.severity, x.track, x.part): x.message for x in leftovers(data, data.tracks())}


def test_where_everything_is_read_nothing_is_said(tmp_path):
    write(tmp_path / "songs" / "A", "vocals.wav", "Drums.WAV", "._vocals.wav")
    data = dataset(tmp_path)
    assert found(data) == {}
    assert notices(data, data.tracks()) == []


def test_each_file_that_nothing_reads_is_named_with_what_may_be_meant(tmp_path):
    write(tmp_path / "songs" / "A", "vocals.wav", "drums.wav", "backing.flac", "guitar.wav", "mix.wav", "vocals.flac")
    write(tmp_path / "songs" / "A", "instrumental.wav", "notes/take 1.wav")
    write(tmp_path / "songs", "preview.wav")
    text = (
        "stems: {vocals: vocals.wav, drums: [drums.wav, 'backing*.wav']}\n  targets: {accompaniment: [drums]}\n"
        "  ignore: ['notes/*']"
    )
    data = dataset(tmp_path, text)
    told = found(data)
    assert told["error", "A", "backing.flac"] == (
        "'backing*.wav' of stem drums would match if its extension were .flac; add 'backing*.flac'"
    )
    assert told["error", "A", "guitar.wav"].startswith("no pattern matches it")
    assert told["warning", "A", "mix.wav"].startswith("a mixture, but")
    assert told["note", "A", "vocals.flac"] == "vocals.wav beside it is read"
    assert told["note", "A", "instrumental.wav"] == "accompaniment is the sum of drums"
    assert told["warning", "", "preview.wav"].startswith("belongs to no track")
    assert len(told) == 6
    assert idle_patterns(data, data.tracks()) == {"backing*.wav": "drums"}


def test_only_the_tracks_that_are_asked_for_are_looked_into_and_files_of_one_name_are_one_line(tmp_path):
    for name in "ABC":
        write(tmp_path / "songs" / name, "vocals.wav", "drums.wav", "guitar.wav")
    data = dataset(tmp_path)
    (line,) = notices(data, data.tracks())
    assert line.startswith("data set mine: not read: A/guitar.wav and 2 more: no pattern matches it")
    assert line.endswith("; an error: scores are of other stems than these files make")
    (line,) = notices(data, data.tracks(names=["B"]))
    assert line.startswith("data set mine: not read: B/guitar.wav: no pattern matches it")


def test_a_file_that_is_named_in_full_must_be_there_and_a_glob_need_not(tmp_path):
    write(tmp_path / "songs" / "A", "vocals.wav", "guitar.wav", "piano.flac")
    write(tmp_path / "songs" / "B", "vocals.wav", "guitar.wav")
    glob = dataset(tmp_path, "stems: {vocals: vocals.wav, other: [guitar.wav, 'piano*.flac']}")
    assert [len(track.stems["other"]) for track in glob.tracks()] == [2, 1]
    data = dataset(tmp_path, "stems: {vocals: vocals.wav, other: [guitar.wav, piano.wav, piano.flac]}")
    assert data.tracks()[0].load().references["other"].shape == (2, 800)
    with pytest.raises(AudioError, match=r"B/piano.wav does not exist"):
        data.tracks()[1].load()


@pytest.mark.parametrize("extension", [".wav", ".flac", ".aiff"])
def test_stems_are_found_in_any_capitals(tmp_path, extension):
    write(tmp_path / "songs" / "A", f"VOCALS{extension.upper()}", f"Drums{extension}", f"Mixture{extension}")
    data = dataset(tmp_path, more="mixture: file")
    np.testing.assert_allclose(data.tracks()[0].load().references["vocals"], NOISE.T, atol=1e-6)
    assert found(data) == {}


def test_a_link_to_what_was_not_fetched_is_an_error(tmp_path):
    write(tmp_path / "songs" / "A", "vocals.wav", "drums/1.wav")
    (tmp_path / "songs" / "A" / "drums" / "2.wav").symlink_to(tmp_path / ".git" / "annex" / "key")
    data = dataset(tmp_path, "stems: {vocals: vocals.wav, drums: 'drums/*.wav'}")
    with pytest.raises(AudioError, match=r"2.wav is a link to .*, which is not there; .* \(git annex get\)"):
        data.tracks()[0].load()


def test_linked_tracks_and_stems_are_read(tmp_path):
    write(tmp_path / "disk" / "A", "vocals.wav", "drums.wav")
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "A").symlink_to(tmp_path / "disk" / "A")
    (tmp_path / "songs" / "B").mkdir()
    for stem in ("vocals.wav", "drums.wav"):
        (tmp_path / "songs" / "B" / stem).symlink_to(tmp_path / "disk" / "A" / stem)
    tracks = dataset(tmp_path).tracks()
    np.testing.assert_array_equal(tracks[0].load().mixture, tracks[1].load().mixture)


def test_system_folders_are_no_tracks(tmp_path):
    for name in ("A", "__MACOSX", "@eaDir", ".@__thumb", "$RECYCLE.BIN", "lost+found", "System Volume Information"):
        write(tmp_path / "songs" / name, "vocals.wav", "drums.wav")
    data = dataset(tmp_path)
    assert [track.name for track in data.tracks()] == ["A"]
    assert found(data) == {}


def test_an_appledouble_beside_a_stem_file_is_no_track(tmp_path):
    (tmp_path / "Test").mkdir()
    for name in ("Song.stem.mp4", "._Song.stem.mp4", "Other.STEM.MP4"):
        (tmp_path / "Test" / name).touch()
    assert [t.name for t in get_dataset("musdb18", root=tmp_path).tracks("test")] == ["Other", "Song"]


def test_the_doctor_and_the_run_name_what_is_not_read(tmp_path, capsys):
    write(tmp_path / "songs" / "A", "vocals.wav", "drums.wav", "guitar.wav")
    dataset(tmp_path)
    catalog = tmp_path / "catalog.yaml"
    assert main(["datasets", "check", "mine", "--catalog", str(catalog)]) == 1
    assert "guitar.wav" in capsys.readouterr().out
    options = RunOptions(dataset="mine", catalogs=(catalog,), separators=("mixture",), metrics=("si_sdr",))
    assert "data set mine: not read: A/guitar.wav: no pattern matches it" in prepare(options).dataset.notices[0]


def test_a_file_beside_the_one_that_is_read_is_an_error_where_capitals_alone_differ(tmp_path):
    write(tmp_path / "songs" / "A", "vocals.wav", "Vocals.wav", "drums.wav")
    message = "vocals.wav beside it is read, which differs in capitals alone; keep the right one"
    assert found(dataset(tmp_path)) == {("error", "A", "Vocals.wav"): message}
