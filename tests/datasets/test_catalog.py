import shutil

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.datasets import layouts
from mss_bench.datasets.catalog import default_file, get_dataset, load_catalog
from mss_bench.errors import AudioError, ConfigError, DatasetError, MissingDependencyError, UnknownNameError
from mss_bench.running.keys import HashCache
from mss_bench.running.options import RunOptions

ENTRY = """
mine:
  layout: stems
  root: {root}
  sample_rate: 8000
  stems:
    vocals: "voc*.wav"
    rest: ["drums.wav", "keys/*.flac"]
  mixture: sum
"""


@pytest.fixture
def catalog(tmp_path):
    def write(text):
        file = tmp_path / "own.yaml"
        file.write_text(text)
        return file

    return write


def _refused(catalog, text, message):
    with pytest.raises(ConfigError) as error:
        load_catalog([catalog(text)])
    assert message in str(error.value)


def test_the_shipped_catalog_is_valid_and_complete():
    shipped = load_catalog()
    assert {"demo", "musdb18hq", "musdb18", "dsd100"} <= set(shipped)
    for dataset in shipped.values():
        assert dataset.licence
        assert dataset.description
        assert all(f"{len(g.targets)}stem" == g.name or g.name == "vocals_acc" for g in dataset.groups)
    assert default_file().name == "datasets.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x:\n  layuot: stems\n", "own.yaml:2: data set 'x' has no key 'layuot'; did you mean 'layout'"),
        ("x:\n  layout: stem\n", "own.yaml:2: unknown layout 'stem'; did you mean 'stems'"),
        ("x:\n  layout: stems\n  layout: demo\n", "own.yaml:3: key 'layout' stands here a second time; see line 2"),
        ("x:\n  root: /tmp\n", "own.yaml:2: data set 'x' has no layout"),
        (
            "x:\n  layout: stems\n  stems: [a]\n  map:\n    b: c\n",
            "own.yaml:4: map 'b=c': there is no stem 'c'; there are a",
        ),
        (
            "x:\n  layout: stems\n  stems: [a, b]\n  map: {c: mixture - a}\n",
            "own.yaml:4: map 'c=mixture-a': the rest holds b, delivered",
        ),
        (
            "x:\n  layout: stems\n  stems: [a]\n  mixture: sum\n  map: {c: mixture - a}\n",
            "a rest needs a file of the mixture",
        ),
        ("x: 3\n", "data set 'x' is 3, expected a mapping"),
        ("x:\n  layout: stems\n  stems:\n    a: ../../etc/passwd\n", "own.yaml:4: a: '../../etc/passwd' leaves"),
        ("x:\n  layout: stems\n  stems:\n    a: /etc/passwd\n", "own.yaml:4: a: '/etc/passwd' leaves"),
        ("x:\n  layout: stems\n  stems: [a]\n  subsets: [../b]\n", "own.yaml:4: subsets: '../b' leaves"),
        ("x:\n  layout: stems\n  stems: [a]\n  mixture: ../m.wav\n", "own.yaml:4: mixture: '../m.wav' leaves"),
        ("x:\n  layout: stems\n", "own.yaml:2: stems is missing in data set 'x', expected a list of names"),
        ("x:\n  layout: stems\n  stems: [a, a]\n", "own.yaml:3: stems names 'a' twice"),
        ("x:\n  layout: stems\n  stems: [[a]]\n", "own.yaml:3: stems is [['a']], expected a list of names"),
        ("x:\n  layout: stems\n  stems: [mixture]\n", "'mixture' cannot name a stem"),
        ("x:\n  layout: stems\n  stems: [a]\n  sample_rate: fast\n", "own.yaml:4: sample_rate is 'fast'"),
        ("x:\n  layout: stems\n  stems: [a]\n  sample_rate: 44\n", "own.yaml:4: sample_rate is 44, expected a whole"),
        ("x:\n  layout: stems\n  stems: [a]\n  missing_stems: maybe\n", "own.yaml:4: missing_stems is 'maybe'"),
        ("x:\n  layout: stems\n  stems: [a, b]\n  targets:\n    c: [a, d]\n", "own.yaml:5: target 'c' sums ['a', 'd']"),
        ("x:\n  layout: stems\n  stems: [a, b]\n  groups:\n    g: [a]\n", "own.yaml:5: group 'g' sums ['a']; expected"),
        ("x:\n  layout: stems\n  stems: [a, b]\n  groups:\n    g: [a, bb]\n", "own.yaml:5: unknown target in group"),
        ("x:\n  layout: stems\n  stems: [a]\n  subsets: [p]\n  default_subset: q\n", "own.yaml:5: unknown subset 'q'"),
        ("x:\n  layout: stems\n  stems: [a]\n  n_songs: 3\n", "own.yaml:4: data set 'x' has no key 'n_songs'"),
    ],
)  # fmt: skip
def test_wrong_entries_are_refused_with_the_line(catalog, text, message):
    _refused(catalog, text, message)


LAYOUT = """
from mss_bench.core.parameters import param
from mss_bench.datasets import Dataset


class Numbered(Dataset):
    layout = "numbered"
    count: int = param(3, at_least=1, doc="Songs.")

    def find(self, subset):
        return [f"{subset}/{i}" for i in range(self.count)]
"""


def test_a_layout_is_a_plugin_with_keys_of_its_own(catalog, tmp_path):
    (tmp_path / "own_layout.py").write_text(LAYOUT)
    assert layouts.add_file(tmp_path / "own_layout.py") == ["numbered"]
    file = catalog("x:\n  layout: numbered\n  stems: [a]\n  subsets: [p, q]\n  count: 2\n")
    assert get_dataset("x", [file]).find("q") == ["q/0", "q/1"]
    assert get_dataset("x", [file], count=1).find("p") == ["p/0"]
    with pytest.raises(UnknownNameError, match="data set x has no option 'cuont'; did you mean 'count'"):
        get_dataset("x", [file], cuont=1)
    _refused(catalog, file.read_text().replace("2", "0"), "own.yaml:5: count is 0, expected a whole number of at least")
    layouts.use_files([])


def test_an_own_entry_adds_and_overrides(catalog):
    found = load_catalog([catalog("demo:\n  layout: stems\n  stems: [a]\nmine:\n  layout: stems\n  stems: [a]\n")])
    assert found["demo"].layout == "stems"
    assert "mine" in found
    assert "musdb18hq" in found


def test_roots_come_from_the_environment_or_say_which_variable_is_missing(monkeypatch, tmp_path):
    monkeypatch.delenv("MUSDB18HQ_ROOT", raising=False)
    with pytest.raises(DatasetError, match="the environment variable MUSDB18HQ_ROOT is not set"):
        get_dataset("musdb18hq").tracks()
    monkeypatch.setenv("MUSDB18HQ_ROOT", str(tmp_path))
    assert get_dataset("musdb18hq").root == tmp_path


def test_a_relative_root_starts_at_the_file(catalog, tmp_path):
    file = catalog("x:\n  layout: stems\n  stems: [a]\n  root: data\n")
    assert get_dataset("x", [file]).root == tmp_path / "data"


def test_any_number_of_files_sums_to_a_stem(catalog, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {n: (0.1 * rng.standard_normal((2, 800))).astype(np.float32) for n in "abcd"}
    folder = tmp_path / "data" / "Song"
    audio.write(folder / "voc_lead.wav", arrays["a"], 8000)
    audio.write(folder / "voc_back.wav", arrays["b"], 8000)
    audio.write(folder / "drums.wav", arrays["c"], 8000)
    audio.write(folder / "keys" / "piano.flac", arrays["d"], 8000, "PCM_24")
    (track,) = get_dataset("mine", [catalog(ENTRY.format(root=tmp_path / "data"))]).tracks()
    loaded = track.load()
    np.testing.assert_allclose(loaded.references["vocals"], arrays["a"] + arrays["b"], atol=1e-6)
    np.testing.assert_allclose(loaded.references["rest"], arrays["c"] + arrays["d"], atol=1e-6)
    np.testing.assert_allclose(loaded.mixture, sum(arrays.values()), atol=1e-6)
    assert track.id.subset == ""


def test_a_missing_stem_is_left_out_or_an_error_or_silent_as_declared(catalog, tmp_path):
    audio.write(tmp_path / "data" / "Song" / "voc.wav", np.ones((2, 800), np.float32) / 2, 8000)
    text = ENTRY.format(root=tmp_path / "data")
    usual = get_dataset("mine", [catalog(text)])
    (track,), again = usual.tracks(), usual.tracks()
    assert again == [track]
    assert track.absent == ("rest",)
    (notice,) = usual.notices
    assert "rest in 0 of 1 songs" in notice
    (strict,) = get_dataset("mine", [catalog(text + "  missing_stems: error\n")]).tracks()
    with pytest.raises(AudioError, match=r"drums\.wav does not exist"):
        strict.load()
    (lenient,) = get_dataset("mine", [catalog(text + "  missing_stems: silent\n")]).tracks()
    assert lenient.absent == ()
    assert not lenient.load().references["rest"].any()


def test_a_map_sums_renames_and_subtracts_the_stems_on_disk(catalog, tmp_path):
    rng = np.random.default_rng(0)
    stems = {name: rng.uniform(-1, 1, (2, 800)).astype(np.float32) for name in ("lead", "drums", "guitar", "other")}
    mixture = np.sum(list(stems.values()), axis=0)
    for name, array in (stems | {"mixture": mixture}).items():
        audio.write(tmp_path / "data" / "Song" / f"{name}.wav", array, 8000)
    entry = "x:\n  layout: stems\n  root: data\n  sample_rate: 8000\n  stems: [{stems}]\n  map: {{{lines}}}\n"
    stems_of = {
        "lead, drums, guitar, other": "vocals: lead, other: [guitar, other]",
        "lead": "vocals: lead, accompaniment: mixture - vocals",
    }
    summed, rest = (
        get_dataset("x", [catalog(entry.format(stems=names, lines=lines))]) for names, lines in stems_of.items()
    )
    assert summed.groups[0].targets == ("drums", "vocals", "other")
    references = summed.tracks()[0].load().references
    np.testing.assert_array_equal(references["other"], stems["guitar"] + stems["other"])
    np.testing.assert_array_equal(references["vocals"], stems["lead"])
    references = rest.tracks()[0].load().references
    assert list(references) == ["vocals", "accompaniment"]
    np.testing.assert_array_equal(references["accompaniment"], mixture - stems["lead"])
    bare = get_dataset("references", dir=tmp_path / "data", map="vocals=lead;other=guitar+other")
    assert [group.targets for group in bare.groups] == [("drums", "vocals", "other"), ("vocals", "accompaniment")]
    assert bare.targets["accompaniment"] == ("drums", "other")
    with pytest.raises(ConfigError, match="there is no stem 'gitar'; did you mean 'guitar'"):
        get_dataset("references", dir=tmp_path / "data", map="other=gitar")
    hashes = HashCache()
    keys = [hashes.references(dataset.tracks()[0]) for dataset in (rest, get_dataset("x", [tmp_path / "own.yaml"]))]
    assert keys[0] == keys[1]
    assert keys[0]["map"] == "vocals=lead;accompaniment=mixture-vocals", "part of the score key"


@pytest.mark.parametrize("names", [("a.wav", "a.flac"), ("A.wav", "a.WAV")])
def test_a_track_with_two_files_for_one_stem_is_refused(catalog, tmp_path, names):
    for name, level in zip(names, (0.5, 0.25), strict=True):
        audio.write(tmp_path / "data" / "Song" / name, np.full((2, 800), level, np.float32), 8000, "PCM_16")
    audio.write(tmp_path / "data" / "Sound" / "a.flac", np.full((2, 800), 0.5, np.float32), 8000, "PCM_16")
    (tmp_path / "data" / "Sound" / "a.wav").symlink_to("a.flac")
    file = catalog(
        f"x:\n  layout: stems\n  root: {tmp_path / 'data'}\n  sample_rate: 8000\n  stems: [a]\n  mixture: sum\n"
    )
    refused, sound = get_dataset("x", [file]).tracks()
    with pytest.raises(DatasetError, match=r"track 'Song': .* are one stem; keep one of them"):
        refused.load()
    assert sound.load().references["a"].max() == 0.5


def test_an_absent_default_subset_is_replaced_with_a_notice(tiny):
    dataset = get_dataset("tiny", [tiny])
    (dataset.root / "test").rename(dataset.root / "gone")
    assert [t.name for t in dataset.tracks()] == ["Song C"]
    assert "the default subset 'test' is not in" in dataset.notices[0]
    assert "using 'train'" in dataset.notices[0]
    with pytest.raises(DatasetError, match="test does not exist"):
        dataset.tracks("test")


def test_all_subsets_and_cuts(tiny):
    dataset = get_dataset("tiny", [tiny])
    assert [t.name for t in dataset.tracks("all")] == ["Song C", "Song A", "Song B (live)"]
    (track,) = dataset.tracks(max_tracks=1, duration=0.5)
    assert track.load().mixture.shape == (2, 4000)
    with pytest.raises(UnknownNameError, match="unknown subset of tiny 'tets'; did you mean 'test'"):
        dataset.tracks("tets")


def test_dsd100_reads_mixtures_and_sources(tmp_path, song):
    song(tmp_path / "Mixtures" / "Test" / "Song", rate=44100, seconds=0.1)
    for stem in ("vocals", "drums", "bass", "other"):
        (tmp_path / "Sources" / "Test" / "Song").mkdir(parents=True, exist_ok=True)
        (tmp_path / "Mixtures" / "Test" / "Song" / f"{stem}.wav").rename(
            tmp_path / "Sources" / "Test" / "Song" / f"{stem}.wav"
        )
    (track,) = get_dataset("dsd100", root=tmp_path).tracks()
    loaded = track.load()
    np.testing.assert_allclose(sum(loaded.references.values()), loaded.mixture, atol=1e-6)


def test_a_stem_file_equals_the_wav_folder(test_data):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    (wav,) = get_dataset("musdb18hq", root=test_data / "musdb18_excerpt" / "hq").tracks("train")
    (mp4,) = get_dataset("musdb18", root=test_data / "musdb18_excerpt" / "stems").tracks("train")
    assert wav.name == mp4.name
    one, two = wav.load(), mp4.load()
    np.testing.assert_array_equal(one.mixture, two.mixture)
    for stem, array in one.references.items():
        np.testing.assert_array_equal(array, two.references[stem])


def test_stem_files_need_ffmpeg_and_say_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        MissingDependencyError, match=r"ffmpeg, which is not installed; install it with: apt-get install ffmpeg"
    ):
        get_dataset("musdb18", root=tmp_path).tracks()


def test_a_damaged_stem_file_is_named(tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "x.stem.mp4").write_bytes(b"no stem file")
    (track,) = get_dataset("musdb18", root=tmp_path).tracks("train")
    with pytest.raises(AudioError, match=r"x\.stem\.mp4 cannot be decoded by ffmpeg; it is damaged"):
        track.load()


def test_the_root_may_stand_among_the_options_of_a_data_set(tmp_path, tiny):
    def opened(dataset, **options):
        return RunOptions(dataset=dataset, **options).open_dataset()

    for dataset in (f"musdb18hq:root={tmp_path}", {"name": "musdb18hq", "root": str(tmp_path)}):
        assert opened(dataset).root == tmp_path
        described = RunOptions(dataset=dataset).describe()
        assert (described["dataset"], described["root"]) == ("musdb18hq", str(tmp_path))
    root = load_catalog([tiny])["tiny"].folder("test")
    assert opened(f"references:root={root}").root == opened(f"references:dir={root}").root
    with pytest.raises(ConfigError, match="has the root /a and the option root /b; expected one of them"):
        opened("musdb18hq:root=/a", root="/b")


@pytest.mark.parametrize(
    ("dataset", "root", "message"),
    [
        ("demo:name=foo", None, "data set demo has no option 'name'"),
        ("demo:files=foo", None, "data set demo has no option 'files'"),
        ("demo:as=foo", None, "data set demo takes no as, got 'foo'"),
        ("references:name=x", None, "data set references has no option 'name'; known: dir"),
        ("references:dir=ds,foo=1", None, "data set references has no option 'foo'; known: dir"),
        ("references", None, "references needs dir, expected a path: references:dir=PATH"),
        ("references:dir=ds", "x", "references has dir=ds and the root x; expected one of them"),
        ("demo", "x", "data set 'demo' is generated by the package, so the root x does not apply; leave it out"),
    ],
)
def test_what_no_data_set_takes_is_refused(dataset, root, message):
    with pytest.raises(ConfigError, match=message):
        RunOptions(dataset=dataset, root=root).open_dataset()


def test_files_of_another_rate_name_the_key_that_says_theirs(tiny):
    text = tiny.read_text().replace("sample_rate: 8000", "sample_rate: 44100")
    (own := tiny.with_name("own.yaml")).write_text(text)
    (track,) = get_dataset("tiny", [own]).tracks(max_tracks=1)
    with pytest.raises(AudioError, match="sample_rate: 8000 in the data set's entry says that its files have"):
        track.load()
