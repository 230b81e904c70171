"""A bare folder of references: which file is the mixture and which are stems, by names and by what adds up."""

import numpy as np
import pandas as pd
import pytest
import soundfile

import mss_bench
from mss_bench.cli.main import main
from mss_bench.datasets.leftovers import leftovers, notices
from mss_bench.datasets.references import from_references
from mss_bench.errors import DatasetError
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare

RATE = 8000
STEMS = ("vocals", "drums", "bass", "other")


def sounds(song=0):
    """Return stems, the mixture, the accompaniment, and other signals."""
    rng = np.random.default_rng(song)
    audio = {stem: 0.1 * rng.standard_normal((800, 2)) for stem in (*STEMS, "choir", "click")}
    audio["mixture"] = sum(audio[stem] for stem in STEMS)
    audio["accompaniment"] = audio["mixture"] - audio["vocals"]
    audio["rhythm"] = audio["drums"] + audio["bass"]
    audio["mastered"] = np.tanh(4 * audio["mixture"])
    return audio


def write(root, files, songs=1):
    """Write files named after what they hold: name to sound."""
    for song in range(songs):
        folder = root / f"Song {song}"
        for name, sound in files.items():
            path = folder / (name if "." in name else f"{name}.wav")
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, sounds(song)[sound], RATE, subtype="PCM_24")
    return root


def four(**more):
    return {stem: stem for stem in STEMS} | more


def holds(root):
    """Return what every target and the mixture of the first track are made of, by their samples."""
    data = from_references(root)
    audio = data.tracks()[0].load()
    known = sounds()

    def name(array):
        return next(k for k, v in known.items() if np.allclose(array, v.T, atol=1e-5))

    return {stem: name(array) for stem, array in audio.references.items()} | {"mixture": name(audio.mixture)}, data


@pytest.mark.parametrize(
    "mixture", ["mixture", "mix", "Mixture", "MIX", "linear_mixture", "original", "Original", "song", None]
)
@pytest.mark.parametrize("accompaniment", ["accompaniment", "instrumental", "no_vocals", "Karaoke", "backing", None])
def test_mixture_and_accompaniment_are_known_by_any_name(tmp_path, mixture, accompaniment):
    more = {name: part for name, part in ((mixture, "mixture"), (accompaniment, "accompaniment")) if name}
    parts, data = holds(write(tmp_path, four(**more), songs=2))
    assert parts == {stem: stem for stem in STEMS} | {"mixture": "mixture"}
    assert {group.name for group in data.groups} == {"4stem", "vocals_acc"}
    assert set(data.targets["accompaniment"]) == {"drums", "bass", "other"}
    told = [x.message for x in leftovers(data, data.tracks())]
    assert told == ([] if accompaniment is None else ["the sum of bass, drums, other, which are read"] * 2)


@pytest.mark.parametrize(
    ("mixture", "accompaniment"),
    [
        ("mixture", "accompaniment"), ("linear_mixture", "instrumental"), ("original", "no_vocals"),
        ("mix", "backing"), (None, "Background"),
    ],
)  # fmt: skip
def test_two_stems_are_vocals_and_accompaniment(tmp_path, mixture, accompaniment):
    files = {"Vocals": "vocals", accompaniment: "accompaniment"} | ({mixture: "mixture"} if mixture else {})
    parts, data = holds(write(tmp_path, files))
    assert parts == {"vocals": "vocals", "accompaniment": "accompaniment", "mixture": "mixture"}
    assert [group.name for group in data.groups] == ["vocals_acc"]


def test_backing_vocals_are_a_stem_where_the_mixture_holds_them(tmp_path):
    audio = sounds()
    root = write(tmp_path, four(backing="choir"))
    soundfile.write(root / "Song 0" / "mixture.wav", audio["mixture"] + audio["choir"], RATE, subtype="PCM_24")
    data = from_references(root)
    assert set(data.targets.stems) == {*STEMS, "backing"}
    assert leftovers(data, data.tracks()) == []


def test_an_original_that_is_a_take_is_a_stem(tmp_path):
    parts, data = holds(write(tmp_path, four(original="choir", mixture="mixture") | {"x": "click"}))
    assert set(parts) == {*STEMS, "mixture"}
    assert {x.part for x in leftovers(data, data.tracks())} == {"original.wav", "x.wav"}
    for line in notices(data, data.tracks()):
        assert "no part of the mixture, which bass, drums, other, vocals add up to" in line


def test_what_holds_other_stems_is_left_out_with_and_without_a_mixture(tmp_path):
    for name, more in (("with", {"mixture": "mixture"}), ("without", {})):
        parts, data = holds(write(tmp_path / name, four(rhythm="rhythm", voice="vocals", **more)))
        assert set(parts) == {*STEMS, "mixture"}
        assert {x.part for x in leftovers(data, data.tracks())} == {"rhythm.wav", "voice.wav"}


def test_of_two_mixtures_the_one_that_adds_up_is_read(tmp_path):
    parts, data = holds(write(tmp_path, four(mixture="mastered", linear_mixture="mixture")))
    assert parts["mixture"] == "mixture"
    assert "mixture.wav: another mixture; linear_mixture is read" in notices(data, data.tracks())[0]


def test_a_mastered_mixture_goes_by_its_name_and_is_told(tmp_path):
    parts, data = holds(write(tmp_path, four(mix="mastered", instrumental="accompaniment")))
    assert parts == {stem: stem for stem in STEMS} | {"mixture": "mastered"}
    assert "the stems differ from the mixture by" in data.notices[0]


def test_an_accompaniment_that_is_no_sum_is_asked_about(tmp_path):
    write(tmp_path, {"vocals": "vocals", "drums": "drums", "instrumental": "accompaniment"})
    with pytest.raises(DatasetError, match="accompaniment stands beside drums, and it is not known what it holds"):
        from_references(tmp_path)


def test_a_silent_stem_is_one(tmp_path):
    root = write(tmp_path, four(mixture="mixture"))
    soundfile.write(root / "Song 0" / "piano.wav", np.zeros((800, 2)), RATE)
    assert set(from_references(root).targets.stems) == {*STEMS, "piano"}


def test_other_instruments_are_stems_and_capitals_make_no_difference(tmp_path):
    write(tmp_path, {"Guitar": "vocals", "Kazoo": "drums"})
    write(tmp_path / "more", {"guitar": "vocals", "kazoo.FLAC": "drums"})
    (tmp_path / "more" / "Song 0").rename(tmp_path / "Song 1")
    (tmp_path / "more").rmdir()
    assert [set(track.stems) for track in from_references(tmp_path).tracks()] == [{"guitar", "Kazoo"}] * 2


def test_a_stray_file_in_the_root_leaves_the_tracks_as_they_are(tmp_path):
    write(tmp_path, four(mixture="mixture"), songs=2)
    for stray in ("preview.wav", "vocals.flac"):
        soundfile.write(tmp_path / stray, sounds()["click"], RATE)
    data = from_references(tmp_path)
    assert [track.name for track in data.tracks()] == ["Song 0", "Song 1"]
    assert [line.split(": ", 2)[2] for line in notices(data, data.tracks())] == [
        "preview.wav and 1 more: belongs to no track; move it away"
    ]


def test_the_folder_of_one_track_may_hold_folders(tmp_path):
    root = write(tmp_path, four()) / "Song 0"
    (root / "previews").mkdir()
    soundfile.write(root / "previews" / "take.wav", sounds()["click"], RATE)
    data = from_references(root)
    assert [track.name for track in data.tracks()] == ["Song 0"]
    assert [x.part for x in leftovers(data, data.tracks())] == ["previews/take.wav"]


def test_stems_in_the_root_and_in_folders_are_asked_about(tmp_path):
    root = write(tmp_path, four()) / "Song 0"
    write(root / "old", four())
    (root / "old" / "Song 0").rename(root / "take 1")
    with pytest.raises(DatasetError, match=r"holds stems itself \(bass.wav, .*\) and in its folders \(take 1\)"):
        from_references(root)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "holds no references; expected <track>/<stem>.wav"),
        (["notes.txt", "._vocals.wav"], "holds no references"),
        (["A_vocals.wav", "B_vocals.wav"], "has one stem per track, e.g. A_vocals.wav"),
        (["a/b/c/d/x.wav"], "no naming scheme fits its files, e.g. a/b/c/d/x.wav"),
        (
            ["A/vocals.wav", "A/kazoo.wav", "B/vocals.wav", "B/bass.wav"],
            "track 'A' in .* has kazoo, which others, e.g. 'B'",
        ),
        (["A/mixture.wav"], "has a mixture and no stem"),
    ],
)
def test_what_is_no_set_of_references_is_told(tmp_path, files, message):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        if file.endswith(".wav"):
            soundfile.write(tmp_path / file, sounds()["click"], RATE)
    with pytest.raises(DatasetError, match=message):
        from_references(tmp_path)


def test_links_are_followed(tmp_path):
    write(tmp_path / "disk", four())
    root = tmp_path / "refs"
    (root / "B").mkdir(parents=True)
    (root / "A").symlink_to(tmp_path / "disk" / "Song 0")
    for stem in STEMS:
        (root / "B" / f"{stem}.wav").symlink_to(tmp_path / "disk" / "Song 0" / f"{stem}.wav")
    (root / "B" / "loop").symlink_to(root)
    assert [track.name for track in from_references(root).tracks()] == ["A", "B"]


def test_a_song_named_alone_beside_its_stems_is_the_mixture(tmp_path):
    for name, sound in {"A": "mixture", "A (Vocals)": "vocals", "A (Instrumental)": "accompaniment"}.items():
        soundfile.write(tmp_path / f"{name}.wav", sounds()[sound], RATE, subtype="PCM_24")
    parts, _ = holds(tmp_path)
    assert parts == {"vocals": "vocals", "accompaniment": "accompaniment", "mixture": "mixture"}


@pytest.fixture(scope="module")
def standard(tmp_path_factory):
    """Return the table of estimates scored against references with the standard names."""
    root = tmp_path_factory.mktemp("standard")
    return table(write(root / "references", four(mixture="mixture")), estimates(root / "estimates", "{}/{}.wav"), root)


def estimates(root, scheme):
    for stem in STEMS:
        path = root / scheme.format("Song 0", stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.9 * sounds()[stem] + 0.1 * sounds()["mixture"], RATE, subtype="PCM_24")
    return root


def table(references, folder, out):
    arguments = ["score", folder, "--references", references, "-m", "usdr", "--name", "E", "-o", out / "run", "-j", "1"]
    assert main([*map(str, arguments), "--no-doctor", "-q"]) == 0
    rows = mss_bench.load(out / "run").tracks
    return rows.set_index(["separator", "group", "target", "metric"]).value.sort_index()


def test_scores_do_not_depend_on_what_files_are_called(tmp_path, standard):
    references = write(tmp_path / "r", {"VOX.WAV": "vocals", "Drum.flac": "drums", "bass": "bass", "Others": "other"})
    write(references, {"Original": "mixture", "karaoke": "accompaniment"})
    told = table(references, estimates(tmp_path / "e", "1_{}_({})_model.wav"), tmp_path)
    pd.testing.assert_series_equal(told, standard, check_exact=False, rtol=1e-6)
    assert len(told) == 12


def test_a_run_names_estimates_that_it_does_not_read(tmp_path):
    references = write(tmp_path / "r", four(), songs=2)
    folder = estimates(tmp_path / "e", "{}/{}.wav")
    (folder / "Sonng 1_bass.wav").touch()
    (folder / "Song 1").mkdir()
    (folder / "Song 1" / "theremin.wav").touch()
    options = RunOptions(
        dataset=f"references:dir={references}", separators=(f"estimates:dir={folder}",), metrics=("usdr",), max_tracks=1
    )
    (notice,) = prepare(options).plan.notices
    assert "not read: Song 1/theremin.wav: 'theremin' is no target of the data set" in notice
    assert "Sonng 1_bass.wav: names no track; did you mean 'Song 1'?" in notice


def test_a_song_may_lack_stems_of_usual_names(tmp_path):
    root = write(tmp_path, four(), songs=3)
    (root / "Song 0" / "bass.wav").unlink()
    data = from_references(root)
    tracks = {track.name: track for track in data.tracks()}
    assert {name: track.absent for name, track in tracks.items()} == {"Song 0": ("bass",), "Song 1": (), "Song 2": ()}
    assert np.allclose(tracks["Song 0"].load().mixture, (sounds()["mixture"] - sounds()["bass"]).T, atol=1e-5)
    assert "bass in 2 of 3" in data.notices[-1]
    soundfile.write(root / "Song 1" / "kazoo.wav", sounds()["click"], RATE)
    with pytest.raises(DatasetError, match=r"track 'Song 1' in .* has kazoo, which others, e.g. 'Song .', do"):
        from_references(root)


def test_a_file_below_a_track_of_references_is_named_without_talk_of_patterns(tmp_path):
    root = write(tmp_path, four(**{"takes/vocals": "click"}))
    data = from_references(root)
    assert [x.message for x in leftovers(data, data.tracks())] == [
        "not where the stems of its track lie; move it away, or to them"
    ]


@pytest.mark.parametrize("mixture", [np.zeros((800, 2)), np.zeros((700, 2))])
def test_a_mixture_that_cannot_be_compared_goes_by_its_name(tmp_path, mixture):
    soundfile.write(write(tmp_path, four()) / "Song 0" / "mix.wav", mixture, RATE)
    assert set(from_references(tmp_path).targets.stems) == set(STEMS)


@pytest.mark.parametrize("mixture", [{"mixture": "mixture"}, {}])
@pytest.mark.parametrize("twin", ["vocals.flac", "Vocals.wav"])
def test_two_files_for_one_stem_are_refused(tmp_path, twin, mixture):
    root = write(tmp_path, four(**mixture, **{twin: "click"}), songs=2)
    pair = ", ".join(f"Song 0/{name}" for name in sorted([twin, "vocals.wav"]))
    with pytest.raises(DatasetError, match=rf"2 files are one stem: {pair} \(and 1 more such stems\); keep the right"):
        from_references(root)


def test_two_names_of_one_stem_are_refused_unless_a_mixture_decides(tmp_path):
    root = write(tmp_path, four(vox="click"))
    with pytest.raises(DatasetError, match="vocals and vox both mean vocals, and differ; take the wrong one away"):
        from_references(root)
    parts, _ = holds(write(root, {"mixture": "mixture"}))
    assert set(parts) == {*STEMS, "mixture"}


def test_estimates_of_which_nothing_is_scored_are_refused(tmp_path, capsys):
    references = write(tmp_path / "r", {"Kazoo": "vocals", "Flute": "drums"})
    folder = estimates(tmp_path / "e", "{}/{}.wav")
    assert main(["score", str(folder), "--references", str(references), "-m", "usdr", "-o", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert "e: delivers vocals, drums, bass, other, none of which is a target of r (Flute, Kazoo)" in told
    assert "--map says what names mean" in told
