"""Every public data set of the catalog, on a small tree that lies as its files do."""

import json

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.datasets.catalog import get_dataset
from mss_bench.datasets.doctor import examine
from mss_bench.errors import DatasetError

SECONDS = 0.25


def _noise(seed, channels=2, rate=44100, lost=0):
    samples = int(SECONDS * rate) - lost
    return np.float32(0.1 * np.random.default_rng(seed).standard_normal((channels, samples)))


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
    assert any("option resample=44100" in m for m in messages)
    assert any("option mono=double" in m for m in messages)
    with pytest.raises(DatasetError, match=r"has only tracks that lack a stem: b \(piano\); complete=false keeps them"):
        strict.tracks(names=["b"])
