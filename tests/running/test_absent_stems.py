"""A stem that a song does not have leaves its row out, is counted, and takes nothing from the other stems."""

from __future__ import annotations

import numpy as np
import pytest

import mss_bench
from mss_bench.core import audio
from mss_bench.core.stem_map import StemMap

RATE = 8000
STEMS = ("vocals", "drums", "bass", "other")
CATALOG = """own:
  layout: stems
  root: data
  sample_rate: 8000
  stems: [vocals, drums, bass, other]
  mixture: sum
  targets: {accompaniment: [drums, bass, other]}
  groups: {4stem: [vocals, drums, bass, other], vocals_acc: [vocals, accompaniment]}
"""
METRICS = ["csdr:window=0.25,hop=0.25", "usdr"]


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Three songs of half a second: one whole, one without bass, one without vocals; and their arrays."""
    folder, rng = tmp_path_factory.mktemp("absent"), np.random.default_rng(0)
    arrays = {}
    for song, lacks in (("Full", ""), ("No bass", "bass"), ("No vocals", "vocals")):
        arrays[song] = {s: (0.1 * rng.standard_normal((2, RATE // 2))).astype(np.float32) for s in STEMS if s != lacks}
        for stem, array in arrays[song].items():
            audio.write(folder / "data" / song / f"{stem}.wav", array, RATE)
            estimate = array + 0.01 * rng.standard_normal(array.shape).astype(np.float32)
            audio.write(folder / "estimates" / song / f"{stem}.wav", estimate, RATE)
    (folder / "own.yaml").write_text(CATALOG)
    return folder, arrays


@pytest.fixture(scope="module")
def run(songs):
    def make(metrics=METRICS, **options):
        folder, _ = songs
        out = folder / f"run-{options.get('missing_stems')}"
        spec = {"name": "estimates", "dir": str(folder / "estimates"), "as": "mine"}
        return mss_bench.run("own", [spec, "irm"], metrics, catalogs=[folder / "own.yaml"], out=out, jobs=1, **options)

    return make


@pytest.fixture(scope="module")
def usual(run):
    return run()


def ratio(reference, error):
    return 10 * np.log10((np.sum(reference.astype(float) ** 2) + 1e-7) / (np.sum(error.astype(float) ** 2) + 1e-7))


def test_the_row_has_no_value_but_the_reason_and_the_others_have_theirs(songs, usual):
    arrays = songs[1]["No bass"]
    rows = usual.tracks.query("track == 'No bass' and separator == 'mixture' and group == '4stem' and metric == 'uSDR'")
    rows = rows.set_index("target")
    assert (rows["status"]["bass"], rows["reason"]["bass"]) == ("ok", "the song has no bass")
    assert np.isnan(rows["value"]["bass"])
    mixture = sum(arrays.values())
    for stem, array in arrays.items():
        assert rows["value"][stem] == pytest.approx(ratio(array, mixture / 4 - array), abs=1e-4)
    frames = usual.tracks.query("track == 'No bass' and metric == 'cSDR' and group == '4stem' and target != 'bass'")
    assert (frames["n_valid"] == 2).all()  # also of the oracle, whose bass is exactly silent


def test_a_sum_needs_no_estimate_of_what_the_song_does_not_have(songs, usual):
    arrays = songs[1]["No bass"]
    rows = usual.tracks.query("separator == 'mine' and group == 'vocals_acc' and metric == 'uSDR'")
    assert (rows["status"] == "ok").all()
    assert len(rows) == 6
    value = rows.query("track == 'No bass' and target == 'accompaniment'")["value"].item()
    noise = np.sum([arrays["drums"].astype(float) ** 2, arrays["other"].astype(float) ** 2])
    assert value == pytest.approx(10 * np.log10(noise / (2 * arrays["drums"].size * 0.01**2)), abs=0.2)
    assert usual.failures.empty


def test_the_songs_that_count_are_counted(usual):
    table = usual.aggregate().query("separator == 'mine' and group == '4stem' and metric == 'uSDR'").set_index("target")
    assert dict(table["n_tracks"]) == {"vocals": 2, "drums": 3, "bass": 2, "other": 3}
    assert (table["n_imputed"] == 0).all()
    assert "refused file): vocals, bass (2 of 3 songs)" in " ".join(str(usual.summary()).split())


def test_silence_by_choice_is_undefined_as_any_silent_reference(run):
    rows = run(["uSDR"], missing_stems="silent", tracks=["No bass"]).tracks
    assert set(rows.query("target == 'bass'")["reason"]) == {"reference 'bass' is silent throughout"}
    assert set(rows.query("target == 'bass'")["separator"]) == {"mixture", "irm"}
    assert np.isfinite(rows.query("separator == 'irm' and target == 'drums'")["value"]).all()


def test_a_song_that_lost_part_of_a_stem_or_all_of_them_is_refused(songs, tmp_path):
    for name in ("a.wav", "c.wav"):
        audio.write(tmp_path / "data" / "Song" / name, np.ones((1, 80), np.float32), RATE)
    audio.write(tmp_path / "data" / "Empty" / "mixture.wav", np.ones((1, 80), np.float32), RATE)
    (tmp_path / "own.yaml").write_text(
        "own:\n  layout: stems\n  root: data\n  sample_rate: 8000\n  mixture: c.wav\n"
        "  stems: {x: [a.wav, b.wav], y: d.wav}\n"
    )
    from mss_bench.datasets.catalog import get_dataset

    empty, song = get_dataset("own", [tmp_path / "own.yaml"]).tracks()
    assert song.absent == ("y",)
    with pytest.raises(mss_bench.MssBenchError, match=r"b\.wav does not exist"):
        song.load()
    assert empty.absent == ()
    with pytest.raises(mss_bench.MssBenchError, match="does not exist"):
        empty.load()


def test_a_mapped_stem_is_absent_where_all_its_parts_are():
    names = ("vocals", "guitar", "piano", "other")
    stem_map = StemMap.from_parameter({"other": ["guitar", "piano", "other"], "lead": "vocals"})
    assert stem_map.absent(names, ["guitar", "other"]) == ()
    assert stem_map.absent(names, ["guitar", "piano", "other", "vocals"]) == ("other", "lead")
    rest = StemMap.from_parameter({"accompaniment": "mixture - vocals"})
    assert rest.absent(("vocals", "accompaniment"), ["vocals", "accompaniment"]) == ("vocals",)
