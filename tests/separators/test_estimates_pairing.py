"""Which estimate file belongs to which track and target."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mss_bench.core.patterns import LAYOUTS, TargetNames, further_stems
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import Targets, TrackId
from mss_bench.errors import ConfigError
from mss_bench.separators.estimates.folder import pair
from mss_bench.separators.estimates.pairing import Pairing

TARGETS = Targets(("vocals", "drums", "bass", "other"), {"accompaniment": ("drums", "bass", "other")})
NAMES = ["Al - Song [live] v1.2", "Song", "Song 2", "Björk (Intro)", "A_B"]


def tracks(*names: str, subset: str = "test") -> list[TrackId]:
    return [TrackId("data", subset, name) for name in names]


def touch(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def paired(pairing: Pairing) -> dict[tuple[str, str], str]:
    return {
        (track.name, target): path.relative_to(pairing.directory).as_posix()
        for track, files in pairing.files.items()
        for target, path in files.items()
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("file", "target", "layout"),
    [
        ("{}/vocals.wav", "vocals", "museval"),
        ("test/{}/Bass.flac", "bass", "museval"),
        ("test/{}/accompaniment.WAV", "accompaniment", "museval"),
        ("htdemucs/{}/no_vocals.wav", "accompaniment", "Demucs"),
        ("htdemucs/test/{}/others.wav", "other", "Demucs"),
        ("htdemucs/{}.stem/drums.wav", "drums", "Demucs"),
        ("{} (Vocals).wav", "vocals", "flat"),
        ("{} (Instrumental).wav", "accompaniment", "flat"),
        ("{}_(Vocals)_UVR-MDX-NET_Main.flac", "vocals", "flat"),
        ("12_{}_(Instrumental).wav", "accompaniment", "flat"),
        ("out/{}_drum.wav", "drums", "flat"),
        ("{} - VOX.wav", "vocals", "flat"),
        ("{}/mixture_(Karaoke)_model.wav", "accompaniment", "flat"),
        ("singing/{}.wav", "vocals", "stem folders"),
        ("test/bass/{}.wav", "bass", "stem folders"),
    ],
)
def test_every_layout_is_recognised_for_every_name(
    tmp_path: Path, name: str, file: str, target: str, layout: str
) -> None:
    file = file.format(name)
    pairing = pair(touch(tmp_path, file), tracks(*NAMES), TARGETS)
    assert paired(pairing) == {(name, target): file}
    (found,) = (f for entry in pairing.found.values() for f in entry.values())
    assert found.layout == layout
    pairing.check()


def test_a_folder_named_after_a_target_holds_its_estimates(tmp_path: Path) -> None:
    pairing = pair(touch(tmp_path / "vocals", "Song.wav", "A_B.wav"), tracks("Song", "A_B"), TARGETS)
    assert set(paired(pairing)) == {("Song", "vocals"), ("A_B", "vocals")}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_composed_and_decomposed_names_are_the_same(tmp_path: Path, form: str, on_disk: str) -> None:
    name = "Motörhéad – Ça"
    file = unicodedata.normalize(on_disk, f"{name}/vocals.wav")
    pairing = pair(touch(tmp_path, file), tracks(unicodedata.normalize(form, name)), TARGETS)
    (path,) = (path for files in pairing.files.values() for path in files.values())
    assert path.is_file(), "the path is the one on the disk"


text = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="/\\"), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(name=text.filter(lambda n: not n.startswith(".") and n.isprintable()))
def test_any_name_that_a_folder_can_have_pairs_as_museval_writes_it(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = touch(tmp_path_factory.mktemp("e"), f"{name}/vocals.wav")
    assert pair(root, tracks(name, "zz other"), TARGETS).files == {
        tracks(name)[0]: {"vocals": root / name / "vocals.wav"}
    }


def test_a_folder_of_museval_pairs_with_references_that_have_no_subset(tmp_path: Path) -> None:
    pairing = pair(touch(tmp_path, "test/Song/vocals.wav"), tracks("Song", subset=""), TARGETS)
    assert paired(pairing) == {("Song", "vocals"): "test/Song/vocals.wav"}
    both = pair(touch(tmp_path, "train/Song/vocals.wav"), tracks("Song", subset=""), TARGETS)
    assert both.ambiguous  # the references do not say which is meant


def test_two_files_for_one_target_are_refused_with_both_named(tmp_path: Path) -> None:
    pairing = pair(touch(tmp_path, "Song/vocals.wav", "mdx/Song/vocals.flac", "Song/bass.wav"), tracks("Song"), TARGETS)
    assert set(paired(pairing)) == {("Song", "bass")}, "none of the two is taken"
    with pytest.raises(ConfigError) as error:
        pairing.check()
    assert "Song/vocals.wav" in str(error.value)
    assert "mdx/Song/vocals.flac" in str(error.value)


def test_synonyms_of_one_target_in_one_folder_are_two_files_for_it(tmp_path: Path) -> None:
    pairing = pair(touch(tmp_path, "Song/no_vocals.wav", "Song/instrumental.wav"), tracks("Song"), TARGETS)
    assert list(pairing.ambiguous) == [(tracks("Song")[0], "accompaniment")]
    assert pairing.unpaired_tracks == ()


def test_a_file_of_no_track_is_refused_with_the_near_name_suggested_and_never_paired(tmp_path: Path) -> None:
    pairing = pair(touch(tmp_path, "Sonng/vocals.wav", "A_B/vocals.wav"), tracks("Song", "A_B"), TARGETS)
    assert set(paired(pairing)) == {("A_B", "vocals")}
    with pytest.raises(ConfigError, match=r"Sonng/vocals.wav: names no track; did you mean 'Song'\?"):
        pairing.check()


def test_a_file_of_no_target_is_refused(tmp_path: Path) -> None:
    pairing = pair(touch(tmp_path, "Song/guitar.wav", "Song/bass.wav"), tracks("Song"), TARGETS)
    with pytest.raises(ConfigError, match="'guitar' is no target of the data set"):
        pairing.check()


def test_missing_tracks_and_targets_are_listed_but_not_refused(tmp_path: Path) -> None:
    pairing = pair(
        touch(tmp_path, "Song/vocals.wav", "Song/bass.wav", "A_B/bass.wav"), tracks("Song", "A_B", "C"), TARGETS
    )
    pairing.check()
    assert [t.name for t in pairing.unpaired_tracks] == ["C"]
    assert pairing.incomplete == {tracks("A_B")[0]: ("vocals",)}
    assert "test/C" in pairing.table()
    assert "test/A_B: no vocals" in pairing.table()


def test_nothing_paired_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no track has a file"):
        pair(tmp_path, tracks("Song"), TARGETS).check()
    with pytest.raises(ConfigError, match="is not a folder"):
        pair(tmp_path / "none", tracks("Song"), TARGETS)


def test_mixtures_and_complements_are_passed_over(tmp_path: Path) -> None:
    pairing = pair(touch(tmp_path, "Song/drums.wav", "Song/no_drums.wav", "Song/mixture.wav"), tracks("Song"), TARGETS)
    pairing.check()
    assert set(paired(pairing)) == {("Song", "drums")}
    assert len(pairing.ignored) == 2


def test_tracks_that_are_known_but_not_asked_for_are_passed_over(tmp_path: Path) -> None:
    root = touch(tmp_path, "test/Song/vocals.wav", "train/Song/vocals.wav")
    pairing = pair(root, tracks("Song"), TARGETS, known=tracks("Song", subset="train"))
    pairing.check()
    assert paired(pairing) == {("Song", "vocals"): "test/Song/vocals.wav"}


def test_a_name_that_two_subsets_have_needs_the_subset(tmp_path: Path) -> None:
    pairing = pair(touch(tmp_path, "Song/vocals.wav"), tracks("Song") + tracks("Song", subset="train"), TARGETS)
    assert pairing.files == {}
    with pytest.raises(ConfigError, match="put the file below its subset's name"):
        pairing.check()


def test_a_longer_name_is_not_split(tmp_path: Path) -> None:
    root = touch(tmp_path, "Song_vocals.wav", "Song_2_vocals.wav")
    assert paired(pair(root, tracks("Song", "Song_2"), TARGETS)) == {
        ("Song", "vocals"): "Song_vocals.wav",
        ("Song_2", "vocals"): "Song_2_vocals.wav",
    }


@pytest.mark.parametrize("pattern", ["*_{target}_{track}", "{model}_{target}_{track}", "**_{target}_{track}"])
def test_a_glob_does_not_eat_the_beginning_of_a_target(tmp_path: Path, pattern: str) -> None:
    pairing = pair(touch(tmp_path, "m_no_vocals_Song.wav"), tracks("Song"), TARGETS, pattern)
    assert set(paired(pairing)) == {("Song", "accompaniment")}


def test_a_pattern_reads_only_what_it_fits(tmp_path: Path) -> None:
    root = touch(tmp_path, "6s/A_B-vocals.wav", "6s/A_B-guitar.wav", "6s/A_B-bass.flac", "notes/A_B.wav")
    pairing = pair(root, tracks("A_B"), TARGETS, "{model}/{track}-{target:vocals|bass}.{wav|flac}")
    pairing.check()
    assert set(paired(pairing)) == {("A_B", "vocals"), ("A_B", "bass")}
    assert len(pairing.ignored) == 2


@pytest.mark.parametrize("pattern", ["**/{track}/x?_[0-9]_{target}", "*/*/{track}/*_{target}.wav"])
def test_patterns_take_globs(tmp_path: Path, pattern: str) -> None:
    root = touch(tmp_path, "a/b/Song [x]/x!_7_no_vocals.wav")
    assert set(paired(pair(root, tracks("Song [x]"), TARGETS, pattern))) == {("Song [x]", "accompaniment")}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("../{track}/{target}.wav", "leaves the folder"),
        ("/data/{track}/{target}.wav", "leaves the folder"),
        ("{track}/vocals.wav", "has no {target}"),
        ("{target}.wav", "has no {track}"),
        ("{track}/{stem}/{target}.wav", "{stem} is no placeholder"),
    ],
)
def test_a_wrong_pattern_is_refused(tmp_path: Path, pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("{", r"\{")):
        pair(tmp_path, tracks("Song"), TARGETS, pattern)


def test_links_are_followed_wherever_they_lead_and_loops_end(tmp_path: Path) -> None:
    outside = touch(tmp_path / "disk", "a1b2.wav", "model/Song/drums.wav")
    root = touch(tmp_path / "estimates", "Song/bass.wav")
    (root / "Song" / "vocals.wav").symlink_to(outside / "a1b2.wav")  # as in an annex
    (root / "htdemucs").symlink_to(outside / "model")
    (root / "Song" / "back").symlink_to(root)
    (root / "again").symlink_to(root / "htdemucs")
    (root / "Song" / "other.wav").symlink_to(outside / "not fetched")
    pairing = pair(root, tracks("Song"), TARGETS)
    assert paired(pairing) == {
        ("Song", "bass"): "Song/bass.wav",
        ("Song", "vocals"): "Song/vocals.wav",
        ("Song", "drums"): "again/Song/drums.wav",
    }
    assert pairing.ignored == {
        root / "Song" / "back": "a link back to a folder that it lies in",
        root / "htdemucs": "a link to again",
    }
    assert list(pairing.unpaired_files) == [root / "Song" / "other.wav"]
    with pytest.raises(ConfigError, match="not fetched, which is not there; mount that disk"):
        pairing.check()


def test_links_to_one_file_are_no_two_files(tmp_path: Path) -> None:
    root = touch(tmp_path, "Song/vocals.wav")
    (root / "Song_vocals.wav").symlink_to(root / "Song" / "vocals.wav")
    pairing = pair(root, tracks("Song"), TARGETS)
    pairing.check()
    assert list(paired(pairing)) == [("Song", "vocals")]


def test_what_systems_leave_behind_is_no_estimate(tmp_path: Path) -> None:
    root = touch(
        tmp_path, "Song/vocals.wav", "Song/._vocals.wav", "__MACOSX/Song/bass.wav", "@eaDir/Song/drums.wav",
        ".@__thumb/Song/drums.wav", "$RECYCLE.BIN/Song_drums.wav", "lost+found/x.wav", "Song/.DS_Store",
        "System Volume Information/a.wav", ".Trash-1000/Song_bass.wav", "Song/desktop.ini", "._Song_vocals.wav",
    )  # fmt: skip
    pairing = pair(root, tracks("Song"), TARGETS)
    pairing.check()
    assert paired(pairing) == {("Song", "vocals"): "Song/vocals.wav"}
    assert not pairing.ignored


def test_compressed_estimates_pair_where_ffmpeg_is_and_are_named_where_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = touch(tmp_path, "Song/vocals.mp3", "Song_bass.m4a")
    assert set(paired(pair(root, tracks("Song"), TARGETS))) == {("Song", "vocals"), ("Song", "bass")}
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"Song/vocals.mp3: \.mp3 needs ffmpeg, which is not there; install it"):
        pair(root, tracks("Song"), TARGETS).check()


@pytest.mark.parametrize(
    ("pattern", "file"),
    [
        ("{track}.{target}", "Song.vocals.wav"),
        ("v1.0_{track}_{target}", "v1.0_Song_vocals.flac"),
        ("v1.0_{track}.{target}.wav", "v1.0_Song.vocals.WAV"),
        ("{track}.{target}.{wav|flac}", "Song.vocals.flac"),
        ("{track}_v2.1/{target:vocals|bass}", "Song_v2.1/vocals.wav"),
        ("out.d/{track}.{target}.*", "out.d/Song.vocals.flac"),
        ("{track} [{target}]", "Song [vocals].wav"),
    ],
)
def test_dots_and_brackets_in_a_pattern_are_what_they_are(tmp_path: Path, pattern: str, file: str) -> None:
    assert paired(pair(touch(tmp_path, file), tracks("Song"), TARGETS, pattern)) == {("Song", "vocals"): file}


def test_a_file_named_after_another_song_is_not_that_of_the_only_track(tmp_path: Path) -> None:
    names = ("mixture_(Vocals)_model.wav", "bass.wav", "(Drums).wav", "Other song_(Other)_model.wav")
    pairing = pair(touch(tmp_path, *names), tracks("Song"), TARGETS)
    assert paired(pairing) == {("Song", t): f for t, f in zip(("vocals", "bass", "drums"), names, strict=False)}


@pytest.mark.parametrize(
    ("names", "hints"),
    [
        (("vocals", "music"), ["accompaniment=music"]),
        (("vocals", "residual"), ["accompaniment=residual"]),
        (("Instrumental", "lead_vocals"), ["vocals=lead_vocals"]),
        (("lead_vocals", "music"), ["vocals=lead_vocals;accompaniment=music"]),
        (("lead-vocals", "backing vocals"), ["vocals=backing vocals + lead-vocals"]),
        (("vocals", "backing"), ["vocals=vocals+backing", "accompaniment=backing"]),
        (("lead", "backing", "bass"), ["vocals=lead+backing", "vocals=lead;accompaniment=backing"]),
        (("vocals", "drums", "kazoo"), []),
        (("vocals", "a=b"), []),
    ],
)
def test_names_of_no_target_are_refused_with_the_maps_that_may_be_meant(
    tmp_path: Path, names: tuple[str, ...], hints: list[str]
) -> None:
    root = touch(tmp_path, *(f"Song/{name}.wav" for name in names))
    with pytest.raises(ConfigError, match="by --map what their names mean") as error:
        pair(root, tracks("Song"), TARGETS).check()
    assert re.findall('--map "(.*?)"', str(error.value)) == hints
    for hint in hints:
        stem_map = StemMap.from_parameter(hint)
        pairing = pair(root, tracks("Song"), TARGETS, further=further_stems(TARGETS, stem_map.sources))
        stem_map.check_targets(TARGETS)
        stem_map.check_delivered(pairing.delivered)


@pytest.mark.parametrize("above", ["out/model/htdemucs/Song", "Song/stems"])
def test_a_track_in_folders_of_no_layout_is_refused_with_the_pattern_that_reads_it(tmp_path: Path, above: str) -> None:
    root = touch(tmp_path, f"{above}/vocals.wav", f"{above}/Drums.wav")
    with pytest.raises(
        ConfigError, match=f'--pattern "{above.replace("Song", "{track}")}/{{target}}.wav" reads it'
    ) as error:
        pair(root, tracks("Song"), TARGETS).check()
    (pattern,) = set(re.findall('--pattern "(.*?)"', str(error.value)))
    assert set(pair(root, tracks("Song"), TARGETS, pattern).delivered) == {"vocals", "drums"}


def test_the_table_is_short_where_all_is_well(tmp_path: Path) -> None:
    names = [f"Track {i}" for i in range(50)]
    root = touch(tmp_path, *(f"{n}/{t}.wav" for n in names for t in ("vocals", "no_vocals")))
    table = pair(root, tracks(*names), TARGETS).table(rows=5)
    assert "50 of 50 tracks" in table
    assert "and 45 more tracks with all of vocals, accompaniment" in table
    assert len(table.splitlines()) == 8
    assert "no_vocals" in table, "what the file is called can be seen"


def test_spellings_mean_only_targets_that_the_data_set_has() -> None:
    names = TargetNames(Targets(("singing", "guitar"), {}))
    assert names.resolve("Vocals") == "singing"
    assert names.resolve("no_guitar") == "singing", "what is left without the only other stem"
    assert names.resolve("instrumental") is None
    assert names.resolve("drums") is None
    assert not names.knows("drums")
    assert names.knows("Mixture")
    assert names.resolve("Mixture") is None


def test_layouts_stand_in_the_order_that_is_promised() -> None:
    assert list(dict.fromkeys(layout.name for layout in LAYOUTS)) == [
        "museval", "Demucs", "Open-Unmix", "flat", "stem folders",
    ]  # fmt: skip
