"""The layout of data sets that a CSV file describes."""

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.datasets.catalog import get_dataset
from mss_bench.errors import AudioError, ConfigError, DatasetError
from mss_bench.running.options import RunOptions

ENTRY = """
mine:
  layout: table
  root: data
  sample_rate: 8000
  subsets: [train, test]
  stems: [vocals, rest]
  mixture: sum
"""


@pytest.fixture
def opened(tmp_path):
    noise = np.float32(0.1 * np.random.default_rng(0).standard_normal((3, 2, 8000)))
    for name, array in zip("abc", noise, strict=True):
        audio.write(tmp_path / "data" / "audio" / f"{name}.wav", array, 8000)

    def tracks(text, subset=None, entry=ENTRY):
        (tmp_path / "data" / "tracks.csv").write_text(text, encoding="utf-8")
        (tmp_path / "own.yaml").write_text(entry)
        return get_dataset("mine", [tmp_path / "own.yaml"]).tracks(subset)

    tracks.noise = noise
    return tracks


def test_a_table_says_what_every_file_is(opened):
    a, b, c = opened.noise
    text = (
        "\ufefftrack,subset,stem,path,channel,gain_db,start,stop\n"
        "Song,test,vocals,audio/a.wav,left,,,0.5\n"
        "Song,test,vocals,audio/b.wav,2,-6,0.25,0.75\n\n"
        'Song,test,rest,"audio/c.wav",right,,0.5,\n'
        "Another,train,vocals,audio/a.wav,,,,\nAnother,train,rest,audio/b.wav,,,,\n"
    )
    (song,) = opened(text, "test")
    loaded = song.load()
    vocals = a[:1, :4000] + b[1:, 2000:6000] * np.float32(10 ** (-6 / 20))
    np.testing.assert_array_equal(loaded.references["vocals"], vocals)
    np.testing.assert_array_equal(loaded.references["rest"], c[1:, 4000:])
    assert [(t.id.subset, t.name) for t in opened(text, "all")] == [("train", "Another"), ("test", "Song")]
    # Spreadsheets of some countries write semicolons.
    (other,) = opened(text.replace(",", ";"), "train")
    np.testing.assert_array_equal(other.load().mixture, a + b)


def test_a_mixture_is_a_stem_of_the_table(opened):
    text = "track,stem,path\nSong,vocals,audio/a.wav\nSong,rest,audio/b.wav\nSong,mixture,audio/c.wav\n"
    entry = ENTRY.replace("  subsets: [train, test]\n", "").replace("  mixture: sum\n", "")
    (song,) = opened(text, entry=entry)
    np.testing.assert_array_equal(song.load().mixture, opened.noise[2])
    (song,) = opened(text.replace("audio/b.wav", "audio/gone.wav"), entry=entry)
    with pytest.raises(AudioError, match=r"gone\.wav does not exist"):
        song.load()


def test_everything_that_is_wrong_with_a_table_is_told_with_its_lines(opened):
    text = (
        "track,subset,stem,path,channel,gain_db,start,stop\n"
        "Song,test,vocals,../a.wav,,,,\n"
        "Song,test,vocal,audio/a.wav,,,,\n"
        "Song,test,rest,audio/a.wav,third,,,\n"
        "Song,test,rest,audio/a.wav,,loud,,\n"
        "Song,test,rest,audio/a.wav,,,2,1\n"
        "Song,test,rest,audio/a.wav\n"
        ",test,rest,audio/a.wav,,,,\n"
        "Song,tset,rest,audio/a.wav,,,,\n"
        "Song,test,rest,audio/b.wav,,,,\n"
        "Song,test,rest,audio/b.wav,,,,\n"
        "Song,test,mixture,audio/b.wav,,,,\n"
        "Half,test,rest,audio/b.wav,,,,\n"
        "A/B,test,rest,audio/b.wav,,,,\n"
        "Song,test,rest,/tmp/b.wav,,nan,,\n"
    )
    with pytest.raises(ConfigError) as error:
        opened(text, "test", ENTRY + "  missing_stems: error\n")
    lines = [line.partition("tracks.csv:")[2] for line in str(error.value).splitlines()]
    expected = [
        "2: path is '../a.wav', expected a relative path with / that does not leave the table's folder",
        "3: unknown stem 'vocal'; did you mean 'vocals'?",
        "4: channel is 'third', expected left, right or a number from 1",
        "5: gain_db is 'loud', expected a number, as in -3.5",
        "6: start is 2 and stop 1, expected 0 <= start < stop, in seconds",
        "7: 4 cells, expected 8 as in the first line",
        "8: track is empty",
        "9: unknown subset 'tset'; did you mean 'test'?",
        "11: the same as line 10; the file would be summed twice",
        "12: the entry says mixture: sum, and this is a mixture; remove one of the two",
        "13: track 'Half' has no row of vocals",
        "14: 'A/B' cannot name a track",
        "15: path is '/tmp/b.wav', expected a relative path",
    ]
    assert len(lines) == len(expected), lines
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start)
    with pytest.raises(ConfigError, match=r"tracks\.csv:1: no column path; there is track, stem, file"):
        opened("track,stem,file\nSong,vocals,audio/a.wav\n")
    with pytest.raises(ConfigError, match=r"tracks\.csv:1: unknown column 'gain'; did you mean 'gain_db'"):
        opened("track,stem,path,gain\nSong,vocals,audio/a.wav,1\n")
    with pytest.raises(ConfigError, match=r"tracks\.csv: 5 more lines are wrong"):
        opened("track,subset,stem,path\n" + "Song,test,vocals,\n" * 25)
    with pytest.raises(ConfigError, match=r"tracks\.csv:1: no rows"):
        opened("track,stem,path\n")


def test_a_table_that_is_not_there_is_named(opened, tmp_path):
    opened("track,subset,stem,path\nSong,test,vocals,audio/a.wav\nSong,test,rest,audio/b.wav\n", "test")
    with pytest.raises(DatasetError, match=r"data/gone\.csv cannot be read: No such file"):
        get_dataset("mine", [tmp_path / "own.yaml"], table="gone.csv").tracks()
    with pytest.raises(ConfigError, match=r"table: '\.\./x\.csv' leaves the track's folder"):
        get_dataset("mine", [tmp_path / "own.yaml"], table="../x.csv")


def test_a_table_needs_no_entry(opened, tmp_path):
    text = "track,subset,stem,path\n" + "".join(
        f"Song,{subset},{stem},audio/{file}.wav\n"
        for subset in ("train", "test")
        for stem, file in (("vocals", "a"), ("drums", "b"), ("bass", "c"))
    )
    file = tmp_path / "data" / "tracks.csv"
    file.write_text(text)
    dataset = RunOptions(dataset=f"table:file={file}").open_dataset()
    assert (dataset.name, dataset.sample_rate, list(dataset.subsets)) == ("tracks", 8000, ["train", "test"])
    assert [group.targets for group in dataset.groups] == [("vocals", "drums", "bass"), ("vocals", "accompaniment")]
    (song,) = dataset.tracks()
    assert song.id.subset == "test"
    np.testing.assert_allclose(song.load().mixture, sum(opened.noise), atol=1e-6)
    (song,) = RunOptions(dataset=f"table:file={file},resample=16000").open_dataset().tracks()
    assert song.load().sample_rate == 16000
    with pytest.raises(ConfigError, match="data set table has no option 'fiel'; did you mean 'file'"):
        get_dataset("table", fiel=file)
