import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.core.tracks import TargetGroup, Targets, Track, TrackId
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
