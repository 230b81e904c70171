"""Every public data set of the catalog, on a small tree that lies as its files do."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.core.config import load_yaml
from mss_bench.datasets.catalog import get_dataset
from mss_bench.datasets.doctor import examine
from mss_bench.errors import DatasetError

SECONDS = 0.25


def _noise(seed, channels=2, rate=44100, lost=0):
    samples = int(SECONDS * rate) - lost
    return np.float32(0.05 * np.random.default_rng(seed).standard_normal((channels, samples)))


def _write(file, array, rate=44100):
    audio.write(file, array, rate, *(["PCM_24"] if file.suffix == ".flac" else []))
    return array


def _check(dataset, **expected):
    """Compare the stems of the only track with arrays, and the mixture with their sum where it has no file."""
    (track,) = dataset
    loaded = track.load()
    assert set(loaded.references) == set(expected)
    for stem, array in expected.items():
        np.testing.assert_allclose(loaded.references[stem], array, atol=1e-6, err_msg=stem)
    np.testing.assert_allclose(loaded.mixture, sum(loaded.references.values()), atol=1e-6)
    return track, loaded


@pytest.fixture
def moisesdb(tmp_path):
    """Two songs: of the first, files differ in length, channels and rate; the second has no piano."""
    arrays = {}

    def song(uuid, rows):
        folder, stems = tmp_path / "moisesdb_v0.1" / uuid, {}
        for number, (stem, array, rate, bleeds) in enumerate(rows):
            _write(folder / stem / f"{uuid}-{number}.wav", array, rate)
            about = {"id": f"{uuid}-{number}", "extension": "wav", "trackType": stem, "has_bleed": bleeds}
            stems.setdefault(stem, []).append(about)
        content = {"song": uuid, "stems": [{"stemName": s, "tracks": tracks} for s, tracks in stems.items()]}
        (folder / "data.json").write_text(json.dumps(content))
        arrays[uuid] = [(stem, array) for stem, array, _, _ in rows]

    tone = np.sin(2 * np.pi * 440 * np.arange(int(SECONDS * 48000)) / 48000)
    song("a", [
        ("vocals", _noise(1), 44100, False), ("vocals", _noise(2, lost=25), 44100, False),
        ("drums", _noise(3), 44100, True), ("bass", _noise(4, channels=1), 44100, False),
        ("guitar", np.float32([tone, tone]), 48000, False), ("piano", _noise(5), 44100, False),
        ("percussion", _noise(6), 44100, False), ("other_keys", _noise(7), 44100, False),
    ])  # fmt: skip
    song("b", [(s, _noise(20 + i), 44100, False) for i, s in enumerate(("vocals", "drums", "bass", "guitar", "wind"))])
    return tmp_path, arrays


def test_moisesdb_is_as_its_authors_define_it(moisesdb):
    root, arrays = moisesdb
    length = arrays["a"][1][1].shape[1]
    one = {stem: array[:, :length] for stem, array in arrays["a"] if stem not in ("vocals", "guitar")}
    vocals = arrays["a"][0][1][:, :length] + arrays["a"][1][1]
    tone = np.sin(2 * np.pi * 440 * np.arange(length) / 44100)
    for name, singles in (("moisesdb", ()), ("moisesdb5", ("guitar",)), ("moisesdb6", ("guitar", "piano"))):
        for folder in (root, root / "moisesdb_v0.1"):
            dataset = get_dataset(name, root=folder)
            tracks = dataset.tracks()
            assert [t.name for t in tracks] == (["a"] if "piano" in singles else ["a", "b"])
        first = tracks[0].load()
        rest = one["percussion"] + one["other_keys"] + (0 if "piano" in singles else one["piano"])
        np.testing.assert_allclose(first.references["vocals"], vocals, atol=1e-6)
        np.testing.assert_allclose(first.references["drums"], one["drums"], atol=1e-6)
        np.testing.assert_allclose(first.references["bass"], np.repeat(one["bass"], 2, axis=0), atol=1e-6)
        inner = slice(400, -400)  # where the resampler has what it needs on both sides
        guitar = first.references["other"] - rest if not singles else first.references["guitar"]
        np.testing.assert_allclose(guitar[:, inner], np.array([tone, tone])[:, inner], atol=1e-4)
        assert first.flags == ("fitted:mono", "fitted:resample", "fitted:trim")
        assert tracks[0].erratum == "has_bleed: drums"
    assert dataset.notices == [
        "data set moisesdb6: 1 of 2 tracks that lack a stem are left out: b (piano); complete=false keeps them"
    ]
    kept = get_dataset("moisesdb6", root=root, complete=False).tracks()[1].load()
    assert not kept.references["piano"].any()
    report = examine(get_dataset("moisesdb", root=root), get_dataset("moisesdb", root=root).tracks())
    assert report.errors == 0
    assert any("loses 0.00 s" in f.message for f in report.findings)


def test_without_its_options_the_differences_of_moisesdb_are_refused(moisesdb):
    strict = get_dataset("moisesdb6", root=moisesdb[0], trim=False, mono="refuse", resample=None)
    report = examine(strict, strict.tracks())
    messages = [f.message for f in report.findings if f.severity == "error"]
    assert any("option trim=true" in m for m in messages)
    assert any("resample: 44100 (score --fit resample)" in m for m in messages)
    assert any("option mono=double" in m for m in messages)
    with pytest.raises(DatasetError, match=r"has only tracks that lack a stem: b \(piano\); complete=false keeps them"):
        strict.tracks(names=["b"])


def _opened(name, root, subset=None, faults=0, **options):
    """Return the tracks of a data set that lies there, in whose folders the doctor finds so many errors."""
    dataset = get_dataset(name, root=root, **options)
    tracks = dataset.tracks(subset)
    report = examine(dataset, tracks)
    assert report.errors == faults, report.findings
    assert not any(f.message.startswith("not read") and f.severity != "note" for f in report.findings), report.findings
    return dataset, tracks


def _slakh(root, name, stems, unrendered=()):
    folder = root / "test" / name
    arrays = {key: _noise(i, 1) for i, key in enumerate(stems) if key not in unrendered}
    for key, array in arrays.items():
        _write(folder / "stems" / f"{key}.flac", array)
    _write(folder / "mix.flac", sum(arrays.values()))
    lines = [
        f"  {key}:\n    audio_rendered: {str(key in arrays).lower()}\n    is_drum: {str(p == 128).lower()}\n"
        f"    inst_class: X\n    program_num: {p}\n"
        for key, p in stems.items()
    ]
    (folder / "metadata.yaml").write_text(f"UUID: 1a81\naudio_dir: stems\noverall_gain: 0.18\nstems:\n{''.join(lines)}")
    return arrays


def test_slakh_stems_follow_from_midi_programs(tmp_path):
    programs = {"S00": 0, "S01": 25, "S02": 32, "S03": 128, "S04": 48, "S05": 30, "S06": 7, "S07": 39, "S08": 8}
    arrays = _slakh(tmp_path, "Track00001", programs, unrendered=["S01"])
    _slakh(tmp_path, "Track00002", {"S00": 0, "S01": 24, "S02": 33, "S03": 128})
    _, (first, second) = _opened("slakh2100", tmp_path)
    parts = {
        "piano": ("S00", "S06"),
        "guitar": ("S05",),
        "bass": ("S02", "S07"),
        "drums": ("S03",),
        "other": ("S04", "S08"),
    }
    loaded = first.load()
    for stem, keys in parts.items():
        np.testing.assert_allclose(loaded.references[stem], sum(arrays[k] for k in keys), atol=1e-6, err_msg=stem)
    np.testing.assert_allclose(loaded.mixture, sum(arrays.values()), atol=1e-6)
    assert not second.load().references["other"].any()


def test_metadata_that_is_wrong_spoils_its_own_track_and_says_why(tmp_path):
    _slakh(tmp_path, "Track00001", {"S00": 0, "S01": 25})
    _slakh(tmp_path, "Track00002", {"S00": 0, "S01": 25})
    file = tmp_path / "test" / "Track00001" / "metadata.yaml"
    for harm, message in (
        (lambda text: text.replace("stems:", "tracks:"), r"yaml: stems\[\] leads nowhere: no 'stems' in it; there"),
        (lambda text: text.replace("S01:", "S00:"), r"metadata.yaml:\d+: key 'S00' stands here a second time"),
        (lambda text: text.replace("S01:", "../../x:"), r"yaml: 'stems/../../x.flac' leaves the track's folder"),
        (lambda text: None, r"metadata.yaml cannot be read: No such file"),
    ):  # fmt: skip
        kept, harmed = file.read_text(), harm(file.read_text())
        file.unlink() if harmed is None else file.write_text(harmed)
        _, (spoiled, sound) = _opened("slakh2100", tmp_path, faults=1)
        with pytest.raises(DatasetError, match=f"track 'Track00001': .*{message}"):
            spoiled.load()
        sound.load()
        file.write_text(kept)
    (tmp_path / "test" / "notes").mkdir()  # neither metadata nor audio: no track
    strict = get_dataset("slakh2100", root=tmp_path, missing_stems="error")
    assert len(strict.tracks()) == 2
    with pytest.raises(
        DatasetError, match=r"'moisesdb': no folder in .* has data\.json; expected one folder a track, each"
    ):
        get_dataset("moisesdb", root=tmp_path / "test").tracks()
    with pytest.raises(DatasetError, match=r"'mir1k': no file in .* fits \*\.wav; expected one file a track"):
        get_dataset("mir1k", root=tmp_path / "test").tracks()
    with pytest.raises(DatasetError, match=r"metadata\.yaml names no source of bass, drums, other"):
        strict.tracks()[0].load()
    narrow = get_dataset("slakh2100", root=tmp_path, stems={"piano": ("0-7",)}, groups={})
    with pytest.raises(DatasetError, match="source S01 has the program_num 25, which no stem takes; add it to one, or"):
        narrow.tracks()[0].load()
    double = get_dataset("slakh2100", root=tmp_path, stems={"piano": ("0-7",), "keys": ("0",)}, groups={})
    with pytest.raises(DatasetError, match="has the program_num 0, which belongs to several stems: piano, keys; leave"):
        double.tracks()[0].load()
    nameless = get_dataset("slakh2100", root=tmp_path, file="{stem_dir}/{key}.flac")
    with pytest.raises(DatasetError, match="source S00 has no field 'stem_dir'; there is UUID, audio_dir,"):
        nameless.tracks()[0].load()


def test_medleydb_stems_follow_from_instruments(tmp_path):
    def song(name, instruments, bleed="no", beside=True):
        folder = tmp_path / "Audio" / name
        lines = [f"has_bleed: '{bleed}'", f"stem_dir: {name}_STEMS", "stems:"]
        for i, instrument in enumerate(instruments, 1):
            _write(folder / f"{name}_STEMS" / f"{name}_STEM_{i:02}.wav", _noise(i))
            raw = f"    raw: {{R01: {{filename: {name}_RAW_{i:02}_01.wav, instrument: main system}}}}"
            lines += [f"  S{i:02}:", f"    filename: {name}_STEM_{i:02}.wav", f"    instrument: {instrument}", raw]
            _write(folder / f"{name}_RAW" / f"{name}_RAW_{i:02}_01.wav", _noise(100 + i))
        _write(folder / f"{name}_MIX.wav", _noise(50))
        place = folder if beside else tmp_path / "Metadata"
        place.mkdir(exist_ok=True)
        (place / f"{name}_METADATA.yaml").write_text("\n".join(lines))

    song("A_One", ["[male singer, vocalists]", "drum set", "electric bass", "piano", "female rapper", "tambourine"])
    song("B_Two", ["drum set", "clean electric guitar"], bleed="yes", beside=False)
    song("C_Three", ["[female speaker, drum set]", "piano"])
    _, (first, second, third) = _opened("medleydb", tmp_path, faults=1)
    loaded = first.load()
    for stem, numbers in {"vocals": (1, 5), "drums": (2,), "bass": (3,), "other": (4, 6)}.items():
        np.testing.assert_allclose(loaded.references[stem], sum(map(_noise, numbers)), atol=1e-6, err_msg=stem)
    np.testing.assert_allclose(loaded.mixture, sum(map(_noise, range(1, 7))), atol=1e-6)
    assert (first.erratum, second.erratum) == ("", "has_bleed: the song")
    np.testing.assert_allclose(second.load().references["other"], _noise(2), atol=1e-6)
    with pytest.raises(DatasetError, match=r"source S01 has the instrument female speaker, drum set, which belongs"):
        third.load()


def test_divide_and_remaster(tmp_path):
    for name, rate, folder, mixture in (("dnr2", 44100, "tt", "mix"), ("dnr3", 48000, "test", "mixture")):
        stems = {s: _noise(i, 1, rate) for i, s in enumerate(("music", "speech", "sfx"))}
        own = tmp_path / name / folder / "0001"
        for stem, array in stems.items():
            _write(own / f"{stem}.wav", array, rate)
        _write(own / f"{mixture}.wav", sum(stems.values()), rate)
        if name == "dnr3":
            _write(own / "sfx_bg.wav", _noise(9, 1, rate), rate)
        dataset, tracks = _opened(name, tmp_path / name)
        _check(tracks, **stems)
        assert (dataset.sample_rate, dataset.groups[0].name) == (rate, "3stem")


def test_urmp_instruments_are_in_the_names(tmp_path):
    folder, number = tmp_path / "Dataset" / "12_Spring_vn_vn_vc", 0
    for number, instrument in enumerate(("vn", "vn", "vc"), 1):
        _write(folder / f"AuSep_{number}_{instrument}_12_Spring.wav", _noise(number, 1, 48000), 48000)
    _write(folder / "AuMix_12_Spring_vn_vn_vc.wav", sum(_noise(n, 1, 48000) for n in (1, 2, 3)), 48000)
    _, (track,) = _opened("urmp", tmp_path)
    loaded = track.load()
    np.testing.assert_allclose(loaded.references["violin"], _noise(1, 1, 48000) + _noise(2, 1, 48000), atol=1e-6)
    np.testing.assert_allclose(loaded.references["cello"], _noise(3, 1, 48000), atol=1e-6)
    assert [s for s, array in loaded.references.items() if array.any()] == ["violin", "cello"]


def test_synthsod_joins_instruments_and_takes_its_splits_from_lists(tmp_path):
    sources = ("Violin_1", "Violin_2", "Flute", "Piccolo", "Oboe", "coranglais", "untunedpercussion")
    for song in ("one", "two"):
        for i, source in enumerate(sources):
            _write(tmp_path / "SynthSOD_data" / song / "Tree" / f"{source}.flac", _noise(i))
    for split, songs in (("train", ["one", "three"]), ("test", ["two"])):
        content = {"songs": {str(i): {"song_name": name, "duration": 1.0} for i, name in enumerate(songs)}}
        (tmp_path / f"SynthSOD_metadata_{split}.json").write_text(json.dumps(content))
    for root in (tmp_path, tmp_path / "SynthSOD_data"):
        dataset, (track,) = _opened("synthsod", root)
        assert track.name == "two"
        assert dataset.present_subsets() == ["train", "test"]
    loaded = track.load()
    for stem, numbers in {"violin": (0, 1), "flute": (2, 3), "oboe": (4, 5), "percussion": (6,)}.items():
        np.testing.assert_allclose(loaded.references[stem], sum(map(_noise, numbers)), atol=1e-6, err_msg=stem)
    assert [t.name for t in dataset.tracks("train")] == ["one"]
    assert "1 of the 2 tracks of 'train' are not in" in dataset.notices[0]
    (tmp_path / "SynthSOD_metadata_test.json").write_text("{")
    with pytest.raises(DatasetError, match=r"SynthSOD_metadata_test\.json:1: not valid JSON"):
        dataset.tracks("test")


def test_songs_of_jacappella_that_lack_a_voice_are_left_out_and_said(tmp_path):
    voices = {v: _noise(i, 1, 48000) for i, v in enumerate(("lead_vocal", "soprano", "alto", "tenor", "bass"))}
    voices["vocal_percussion"] = _noise(9, 1, 48000)
    for song in ("a", "b"):
        for voice, array in ({"mixture": sum(voices.values())} | voices).items():
            _write(tmp_path / "test" / song / f"{voice}.wav", array, 48000)
    (tmp_path / "test" / "b" / "alto.wav").unlink()
    dataset, tracks = _opened("jacappella", tmp_path)
    _check(tracks, **voices)
    (notice,) = dict.fromkeys(dataset.notices)
    assert "1 of 2 tracks that lack a stem are left out: b (alto)" in notice


def test_stems_in_channels(tmp_path):
    for name, rate in (("mir1k", 16000), ("ikala", 44100)):
        array = _write(tmp_path / name / "Wavfile" / "abjones_1_01.wav", _noise(1, 2, rate), rate)
        for root in (tmp_path / name, tmp_path / name / "Wavfile"):
            _, tracks = _opened(name, root)
            track, _ = _check(tracks, accompaniment=array[:1], vocals=array[1:])
            assert track.name == "abjones_1_01"


def test_the_valid_subset_is_the_one_of_musdb():
    spec = importlib.util.find_spec("musdb")  # to import it takes ffmpeg
    if spec is None or spec.origin is None:
        pytest.skip("musdb is not installed: pip install musdb")
    config = load_yaml(Path(spec.origin).with_name("configs") / "mus.yaml")
    for name in ("musdb18", "musdb18hq"):
        assert sorted(get_dataset(name).members["valid"]) == sorted(config["validation_tracks"])


def test_musdb_has_a_valid_subset_and_errata(tmp_path, song):
    for subset, name in (("train", "Leaf - Wicked"), ("train", "Leaf - Summerghost"), ("test", "PR - Oh No")):
        song(tmp_path / subset / name, rate=44100, seconds=SECONDS)
    dataset = get_dataset("musdb18hq", root=tmp_path)
    assert [t.name for t in dataset.tracks("valid")] == ["Leaf - Summerghost"]
    assert [(t.id.subset, t.name) for t in dataset.tracks("all")] == [
        ("train", "Leaf - Summerghost"), ("train", "Leaf - Wicked"), ("test", "PR - Oh No"),
    ]  # fmt: skip
    assert [t.erratum for t in dataset.tracks("train")] == ["", "guitar in drums (2:20, 3:02)"]
    dataset.notices.clear()
    assert [t.name for t in dataset.tracks("train", without_errata=True)] == ["Leaf - Summerghost"]
    assert dataset.notices == [
        "data set musdb18hq: 1 of 2 tracks with errata are left out: Leaf - Wicked (guitar in drums (2:20, 3:02))"
    ]
    _opened("musdbxl", tmp_path)
