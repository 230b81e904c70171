"""Stems of different songs, mixed anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import mss_bench
from mss_bench.core import audio
from mss_bench.datasets.catalog import get_dataset
from mss_bench.errors import ConfigError, DatasetError, UnknownNameError
from mss_bench.report.leakage import overlap
from mss_bench.running.options import RunOptions
from mss_bench.running.start import prepare

BEATS = {"Song A": 0.5, "Song B": 0.51, "Song C": 0.75, "Song D": 0.25, "Song E": 0.6, "Song F": 0.7}
"""Seconds between beats. B is as fast as A, and D twice as fast."""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory, catalog_text, write_song) -> Path:
    root = tmp_path_factory.mktemp("mixes")
    for index, (name, period) in enumerate(BEATS.items()):
        write_song(root / "test" / name, index, seconds=2.5)
        beats = np.arange(0, 2.5, period).tolist()
        pitches = [60, 64, 67, 72] if index < 2 else [61, 66, 70, 68]
        notes = [{"onset": 0.1 * i, "offset": 0.1 * i + 0.1, "pitch": p} for i, p in enumerate(4 * pitches)]
        text = json.dumps({"beats": beats, "stems": {"bass": {"notes": notes}}})
        (root / "test" / name / "annotations.json").write_text(text)
    write_song(root / "train" / "Alone")
    (root / "catalog.yaml").write_text(catalog_text.format(root=root))
    return root / "catalog.yaml"


def mixes(catalog: Path, **options):
    return get_dataset("random_mix", [catalog], **({"of": "tiny", "n": 3, "seconds": 1.0} | options)).tracks()


def songs(track) -> list[str]:
    return [part[1] for part in json.loads(track.facts["random_mix"])[1:]]


def test_stems_come_from_different_songs_and_add_up(catalog):
    for track in mixes(catalog):
        assert len(set(songs(track))) == 4
        mix = track.load()
        assert mix.mixture.shape == (2, 8000)
        np.testing.assert_allclose(np.sum([*mix.references.values()], axis=0), mix.mixture, atol=1e-6)


def test_a_stem_is_what_was_drawn(catalog):
    track = mixes(catalog, n=1)[0]
    _, (stem, song, start, _, db, *_), *_ = json.loads(track.facts["random_mix"])
    whole = audio.read(catalog.parent / "test" / song / f"{stem}.wav")
    first = round(start * 8000)
    expected = whole[:, first : first + 8000] * np.float32(10 ** (db / 20))
    np.testing.assert_allclose(track.load().references[stem], expected, atol=1e-6)
    assert abs(db) <= 6


def test_panning_keeps_the_energy(catalog):
    centred, moved = (mixes(catalog, n=1, panning=p, gain=0)[0].load().references["bass"] for p in (0, 1))
    energy = [float(np.square(array, dtype=np.float64).sum()) for array in (centred, moved)]
    assert energy[1] == pytest.approx(energy[0], rel=0.05)
    sides = np.square(moved, dtype=np.float64).sum(axis=1)
    assert max(sides) > 1.2 * min(sides)


def test_draws_follow_from_seed_and_number_alone(catalog):
    few, many = mixes(catalog, n=2), mixes(catalog, n=4)
    assert [t.facts for t in few] == [t.facts for t in many[:2]]
    assert few[0].load().mixture.tobytes() == many[0].load().mixture.tobytes()
    assert mixes(catalog, n=2, seed=1)[0].facts != few[0].facts
    assert few[0].facts != few[1].facts


def test_any_number_is_planned_without_reading_audio(catalog):
    tracks = mixes(catalog, n=300)
    assert len({track.facts["random_mix"] for track in tracks}) == 300


def test_songs_of_one_tempo_or_key_are_mixed_where_they_are_known(catalog):
    for track in mixes(catalog, n=8, alike="tempo"):
        first, second = songs(track)[:2]
        if first == "Song A":
            assert second in ("Song B", "Song D")
        starts = [part[2] for part in json.loads(track.facts["random_mix"])[1:]]
        periods = [BEATS[name] for name in songs(track)]
        assert all(s / p == pytest.approx(round(s / p), abs=1e-6) for s, p in zip(starts, periods, strict=True))
    seconds = {first: second for first, second, *_ in map(songs, mixes(catalog, n=30, alike="key"))}
    assert seconds.keys() == BEATS.keys()
    for first, second in seconds.items():  # C to F are in one key; A's two nearest are B and another
        assert first in ("Song A", "Song B") or second not in ("Song A", "Song B")


def test_single_stems_and_the_bus_may_be_perturbed(catalog):
    plain, changed = mixes(catalog, n=1)[0].load(), mixes(catalog, n=1, perturb=["gain:db=-20,stems=bass", "mono"])[0]
    mix = changed.load()
    bass = plain.references["bass"] * np.float32(0.1)
    np.testing.assert_allclose(mix.references["bass"], np.repeat(bass.mean(axis=0)[None], 2, axis=0), atol=1e-6)
    np.testing.assert_allclose(np.sum([*mix.references.values()], axis=0), mix.mixture, atol=1e-5)


def test_a_run_calls_it_what_it_is_and_keeps_what_it_computed(catalog, tmp_path):
    options = {"catalogs": [catalog], "jobs": 1, "quiet": True, "out": tmp_path / "run"}
    data = "random_mix:of=tiny,n=2,seconds=1,perturb=polarity"
    results = mss_bench.run(data, ["bandsplit"], ["usdr"], **options)
    assert set(results.tracks["dataset"]) == {"random_mix(tiny, seconds=1) [polarity]"}
    assert results.tracks["value"].notna().all()
    assert "random_mix(tiny, seconds=1) [polarity] test, 4stem" in results.summary()
    more = RunOptions(
        dataset=data.replace("n=2", "n=3"), separators=("bandsplit",), metrics=("usdr",), catalogs=(catalog,),
        out=tmp_path / "run",
    )  # fmt: skip
    prepared = prepare(more)
    prepared.refuse_other_run()
    assert {task.cell.track.name for task in prepared.tasks()} == {"mix 00002"}
    with pytest.raises(ConfigError, match="perturbs its songs itself"):
        prepare(more.with_values(perturbations=("mono",)))


def test_leaks_of_the_songs_are_found():
    assert overlap(["tiny/train"], "random_mix(tiny) [mono]", "train") == ["tiny/train"]
    assert overlap(["tiny/train"], "random_mix(tiny, seed=3, alike=key) [mono]", "train") == ["tiny/train"]
    assert overlap(["tiny/train"], "random_mix(tiny)", "test") == []


def test_tables_name_how_songs_were_drawn_and_options_that_the_songs_do_not_allow_are_said(catalog, tmp_path):
    data = get_dataset("random_mix", [catalog], of="tiny", n=1, seconds=9999, alike="tempo", panning=0.5, seed=3)
    assert data.name == "random_mix(tiny, seed=3, seconds=9999, panning=0.5, alike=tempo)"
    assert data.tracks()[0].load().mixture.shape == (2, 20000)
    songs = "6 of the 6 songs that random_mix(tiny, "
    assert data.notices[0].startswith(songs)
    assert data.notices[0].endswith(
        "are shorter than seconds=9999, and so are mixes that hold them; the longest song has 2.5 s"
    )
    for name in BEATS:
        without = shutil.ignore_patterns("annotations.json")
        shutil.copytree(catalog.parent / "test" / name, tmp_path / "tiny" / "test" / name, ignore=without)
    bare = get_dataset("random_mix", [catalog], root=tmp_path / "tiny", of="tiny", n=1, seconds=1.0, alike="tempo")
    bare.tracks()
    assert bare.notices[-1].endswith("have no annotations that tell their tempo; they are mixed with any")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"of": "tinny"}, UnknownNameError, "did you mean 'tiny'"),
        ({"nn": 3}, UnknownNameError, "data set random_mix has no option 'nn'; did you mean 'n'"),
        ({"n": 0}, ConfigError, "n is 0, expected"),
        ({"perturb": "mp33"}, UnknownNameError, "did you mean 'mp3'"),
        ({"perturb": "mono:stems=vocal"}, UnknownNameError, "did you mean 'vocals'"),
    ],
)
def test_what_is_wrong_is_said(catalog, options, error, message):
    with pytest.raises(error, match=message):
        mixes(catalog, **options)


def test_a_single_song_is_too_few(catalog):
    with pytest.raises(DatasetError, match="has 1 song in train; a random mix takes two"):
        get_dataset("random_mix", [catalog], of="tiny").tracks("train")
    with pytest.raises(ConfigError, match="random_mix needs of"):
        get_dataset("random_mix", [catalog])
    with pytest.raises(ConfigError, match="random_mix cannot be of random_mix"):
        get_dataset("random_mix", [catalog], of="random_mix")
