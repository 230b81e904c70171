from dataclasses import replace

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.core.fit import Fit
from mss_bench.core.tracks import Part, TargetGroup, Targets, Track, TrackId
from mss_bench.errors import AudioError, DatasetError

STEMS = ("vocals", "drums", "bass")


def test_derived_targets_follow_from_their_stems():
    targets = Targets(STEMS, {"accompaniment": ("drums", "bass")})
    assert list(targets) == [*STEMS, "accompaniment"]
    one = np.ones((2, 4), np.float32)
    resolved = targets.resolve({"vocals": one, "drums": one, "bass": 2 * one})
    np.testing.assert_array_equal(resolved["accompaniment"], 3 * one)
    assert set(targets.resolve({"drums": one, "bass": one})) == {"drums", "bass"}  # the voice is in one of them
    own = targets.resolve({"drums": one, "bass": one, "accompaniment": 7 * one})
    np.testing.assert_array_equal(own["accompaniment"], 7 * one)


@pytest.mark.parametrize("derived", [{"x": ("drums", "piano")}, {"x": ()}, {"drums": ("vocals",)}])
def test_derived_targets_sum_stems_that_exist(derived):
    with pytest.raises(DatasetError):
        Targets(STEMS, derived)


def _track(folder, **parts):
    for name, array in parts.items():
        audio.write(folder / f"{name}.wav", array, 8000)
    stems = {name: (folder / f"{name}.wav",) for name in parts if name != "mixture"}
    mixture = (folder / "mixture.wav",) if "mixture" in parts else ()
    return Track(TrackId("set", "test", folder.name), 8000, stems, mixture)


def test_a_track_loads_lazily_and_cuts(tmp_path):
    array = np.random.default_rng(0).standard_normal((2, 8000)).astype(np.float32)
    track = _track(tmp_path / "song", a=array, b=2 * array)
    whole = track.load()
    np.testing.assert_allclose(whole.mixture, 3 * array, rtol=1e-6)  # no mixture file: the sum
    part = track.excerpt(0.25, 0.5).load()
    np.testing.assert_array_equal(part.references["b"], 2 * array[:, 4000:6000])
    references = TargetGroup("g", ("ab",)).references(whole.references, Targets(("a", "b"), {"ab": ("a", "b")}))
    np.testing.assert_allclose(references["ab"], whole.mixture)


def test_stems_of_another_shape_name_the_file(tmp_path):
    array = np.ones((2, 800), np.float32)
    with pytest.raises(AudioError, match=r"b\.wav has 2 channels and 790 samples, expected 2 and 800 as in .*mixture"):
        _track(tmp_path / "length", mixture=array, a=array, b=array[:, :790]).load()
    with pytest.raises(AudioError, match=r"a\.wav has 1 channels and 800 samples, expected 2"):
        _track(tmp_path / "mono", mixture=array, a=array[:1], b=array).load()


def _files(folder, **arrays):
    for name, (array, rate) in arrays.items():
        audio.write(folder / f"{name}.wav", np.asarray(array, np.float32), rate)
    return {name: (folder / f"{name}.wav",) for name in arrays}


def test_files_that_differ_are_refused_with_both_values_and_the_option_that_accepts_them(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 8000))
    files = _files(tmp_path, a=(noise, 8000), b=(noise[:, :-80], 8000), c=(noise[:1], 8000), d=(noise, 16000))
    track = Track(TrackId("set", "", "Song"), 8000, {"x": files["a"], "y": files["b"]})
    with pytest.raises(AudioError) as error:
        track.load()
    assert str(error.value) == (
        f"track 'Song': {tmp_path / 'b.wav'} has 2 channels and 7920 samples, expected 2 and 8000 as in "
        f"{tmp_path / 'a.wav'}; the data set's option trim=true (score --fit trim) cuts all files of a song to the "
        "shortest"
    )
    with pytest.raises(AudioError, match=r"c\.wav has 1 channels.* as in .*a\.wav; .*option mono=double .*--fit chan"):
        replace(track, stems={"x": files["a"] + files["c"]}).load()
    with pytest.raises(
        AudioError, match=r"'Song': .*d\.wav .*16000 Hz, expected 8000 Hz; .*resample: 8000 .*--fit resa"
    ):
        replace(track, stems={"x": files["d"]}).load()


def test_files_are_made_alike_as_allowed_and_it_is_flagged(tmp_path):
    rng = np.random.default_rng(0)
    a, b, c = (0.1 * rng.standard_normal(shape) for shape in ((2, 8000), (2, 7920), (1, 8000)))
    tone = np.array([np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)] * 2)
    files = _files(tmp_path, a=(a, 8000), b=(b, 8000), c=(c, 8000), d=(tone, 16000))
    stems = {"x": files["a"] + files["b"], "y": files["c"], "z": files["d"]}
    track = Track(TrackId("set", "", "Song"), 8000, stems, fit=Fit(trim=True, mono=True, resample=True))
    loaded = track.load()
    assert loaded.flags == ("fitted:mono", "fitted:resample", "fitted:trim")
    np.testing.assert_allclose(loaded.references["x"], (a[:, :7920] + b), atol=1e-6)
    np.testing.assert_allclose(loaded.references["y"], np.repeat(c, 2, axis=0)[:, :7920], atol=1e-6)
    inner = slice(200, 7700)  # the filter of the resampler has nothing to go on at the ends
    np.testing.assert_allclose(loaded.references["z"][:, inner], tone[:, ::2][:, inner], atol=1e-4)
    np.testing.assert_allclose(loaded.mixture, sum(loaded.references.values()), atol=1e-6)
    part = track.excerpt(0.25, 0.5).load()
    np.testing.assert_array_equal(part.mixture, loaded.mixture[:, 4000:6000])
    assert replace(track, stems={"x": files["a"]}).load().flags == ()


def test_a_stem_can_be_a_channel_a_gain_and_a_part_of_a_file(tmp_path):
    noise = np.float32(0.1 * np.random.default_rng(0).standard_normal((2, 8000)))
    file = _files(tmp_path, a=(noise, 8000))["a"]
    parts = {"left": (Part(channel=0, stop=0.5),), "right": (Part(1, gain_db=-6.0, start=0.5), Part(0, stop=0.5))}
    track = Track(TrackId("set", "", "Song"), 8000, {"left": file, "right": file * 2}, parts=parts)
    loaded = track.load()
    np.testing.assert_array_equal(loaded.references["left"], noise[:1, :4000])
    quieter = noise[1:, 4000:] * np.float32(10 ** (-6 / 20))
    np.testing.assert_array_equal(loaded.references["right"], quieter + noise[:1, :4000])
    np.testing.assert_array_equal(track.excerpt(0.1, 0.2).load().references["left"], noise[:1, 1600:2400])
    with pytest.raises(AudioError, match=r"track 'Song': .*a\.wav has 2 channel\(s\), expected at least 3"):
        replace(track, parts={"left": (Part(channel=2),)}).load()
    unequal = {"left": (Part(channel=0, stop=0.5),), "right": (Part(1, stop=0.25), Part(1, stop=0.25))}
    with pytest.raises(AudioError, match=r"a\.wav from 0 s to 0\.25 s has 1 channels and 2000 samples, expected 1 and"):
        replace(track, parts=unequal).load()
