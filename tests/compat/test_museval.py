"""`mss_bench.compat.museval` gives what museval gives, array for array, and differs only where it says so."""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest

from mss_bench.compat import museval as ours
from mss_bench.errors import MssBenchError, RunError

NAMES = ("vocals", "accompaniment", "drums")


@pytest.fixture(scope="module")
def museval():
    """The real one, which needs ffmpeg to be imported."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not on PATH, without which museval cannot be imported")
    return pytest.importorskip("museval")


def signals(n_sources=2, samples=5000, channels=2, seed=0):
    """References and estimates ``(sources, samples, channels)``, 16-bit values."""
    rng = np.random.default_rng(seed)
    references = rng.integers(-8000, 8001, (n_sources, samples, channels)) / 32768
    noise = rng.integers(-900, 901, references.shape) / 32768
    return references, 0.8 * references + 0.15 * np.roll(references, 2, axis=1) + 0.2 * references[::-1] + noise


def assert_same(found, expected, tolerance=1e-6):
    """The same shapes, NaN and infinities, and values within a tolerance in dB below 100 dB."""
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(theirs))
        np.testing.assert_array_equal(np.isposinf(mine), np.isposinf(theirs))
        low = theirs < 100
        np.testing.assert_allclose(mine[low], theirs[low], rtol=0, atol=tolerance)


@pytest.mark.parametrize("mode", ["v4", "v3"])
@pytest.mark.parametrize("window", [{"win": 2500, "hop": 2500}, {"win": np.inf, "hop": np.inf}])
def test_evaluate_on_noise(museval, mode, window):
    references, estimates = signals()
    found = ours.evaluate(references, estimates, mode=mode, **window)
    assert_same(found, museval.evaluate(references, estimates, mode=mode, **window))


@pytest.mark.parametrize("length", [4000, 5600])
def test_estimates_of_another_length_are_cut_or_padded(museval, length):
    references, estimates = signals(channels=1)
    estimates = np.pad(estimates, [(0, 0), (0, 600), (0, 0)])[:, :length]
    assert_same(ours.evaluate(references, estimates, 2000, 1500), museval.evaluate(references, estimates, 2000, 1500))
    with pytest.raises(ValueError, match="shape of estimated sources"):
        ours.evaluate(references, estimates, padding=False)


def test_mono_without_an_axis_of_channels(museval):
    references, estimates = (x[..., 0] for x in signals(channels=1))
    assert_same(ours.evaluate(references, estimates, 2000, 2000), museval.evaluate(references, estimates, 2000, 2000))


def test_one_source_has_infinite_sir(museval):
    references, estimates = signals(1)
    found = ours.evaluate(references, estimates, 2500, 2500)
    assert np.isposinf(found.sir).all()
    assert_same(found, museval.evaluate(references, estimates, 2500, 2500))


@pytest.mark.parametrize("options", [{}, {"framewise_filters": True}])
@pytest.mark.parametrize("sources", [False, True])
def test_bss_eval_in_its_best_order_with_a_silent_window(museval, options, sources):
    references, estimates = signals(3)
    estimates = estimates[[2, 0, 1]]
    if sources and not options:
        with pytest.raises(ValueError, match="needs framewise_filters"):
            ours.bss_eval(references, estimates, 2500, 2500, bsseval_sources_version=True)
        return
    arguments = {"window": 1000, "hop": 500, "filters_len": 24, "bsseval_sources_version": sources} | options
    found = ours.bss_eval(references, estimates, compute_permutation=True, **arguments)
    assert np.all(found.perm == np.array([[1], [2], [0]]))
    assert_same(found, museval.metrics.bss_eval(references, estimates, compute_permutation=True, **arguments))
    # an antiphase window is silent, too
    references[1, 1000:3000, 1] = -references[1, 1000:3000, 0]
    found = ours.bss_eval(references, estimates, compute_permutation=True, **arguments)
    assert np.isnan(found.sdr).sum() == 3 * 3
    assert_same(found, museval.metrics.bss_eval(references, estimates, compute_permutation=True, **arguments))


def test_silent_sources_raise_what_museval_raises(museval):
    references, estimates = signals()
    for broken in ((np.zeros_like(references), estimates), (references, np.zeros_like(estimates))):
        with pytest.raises(ValueError) as theirs:
            museval.evaluate(*broken)
        with pytest.raises(ValueError) as found:
            ours.evaluate(*broken)
        assert isinstance(found.value, MssBenchError)
        assert str(found.value).startswith(str(theirs.value).split(" (Otherwise")[0].split("0s")[0])
        assert str(found.value).endswith("source 0")


def test_nan_spoils_its_own_estimate_only():
    references, estimates = signals()
    clean = ours.evaluate(references, estimates, 2500, 2500)
    estimates[1, 7, 0] = np.nan
    found = ours.evaluate(references, estimates, 2500, 2500)
    for mine, whole in zip(found, clean, strict=True):
        assert np.isnan(mine[1]).all()
        assert mine[0] == pytest.approx(whole[0], abs=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, e: (r, e[:1], {}), "reference_sources.shape"),
        (lambda r, e: (r[None], e[None], {}), "number of dimensions"),
        (lambda r, e: (r[:, :0], e[:, :0], {}), "empty"),
        (lambda r, e: (np.where(r == r[0, 3, 1], np.nan, r), e, {}), "reference source 0 holds nan at channel"),
        (lambda r, e: (r, e, {"win": 0}), "window is 0"),
        (lambda r, e: (r, e, {"hop": 1000.5}), "hop is 1000.5"),
        (lambda r, e: (r, e, {"mode": "v5"}), "mode is 'v5'"),
        (lambda r, e: (r.astype(object), e, {}), "of object"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    references, estimates, options = change(*signals())
    with pytest.raises(ours.MusevalError, match=message):
        ours.evaluate(references, estimates, **options)


def test_whole_numbers_are_taken_as_museval_takes_them():
    references, estimates = signals()
    whole = [np.round(32768 * x).astype(np.int32) for x in (references, estimates)]
    floats = [x.astype(np.float64) for x in whole]
    assert_same(ours.evaluate(*whole, 2500, 2500), ours.evaluate(*floats, 2500, 2500), 1e-12)


def track(names=NAMES, rate=2500, samples=5000, seed=0):
    """What `eval_mus_track` looks at of a musdb track, and estimates of its targets."""
    references, estimates = signals(len(names), samples, seed=seed)
    targets = OrderedDict((n, SimpleNamespace(audio=a)) for n, a in zip(names, references, strict=True))
    song = SimpleNamespace(targets=targets, rate=rate, name="A - Song", subset="test")
    return song, dict(zip(names, estimates, strict=True))


def assert_same_tables(mine, theirs):
    keys = ["track", "target", "metric", "time"]
    mine, theirs = (t.astype({"score": float}).set_index(keys)["score"].sort_index() for t in (mine, theirs))
    assert mine.index.equals(theirs.index)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1.1e-5)  # both are rounded to 1e-5


def test_a_track_with_vocals_and_accompaniment(museval, tmp_path):
    song, estimates = track(NAMES[:2])
    found = ours.eval_mus_track(song, estimates | {"nonsense": np.zeros((5000, 2))}, output_dir=tmp_path)
    theirs = museval.eval_mus_track(song, estimates)
    assert_same_tables(found.df, theirs.df)
    assert list(found.df.columns) == ["time", "target", "metric", "score", "track"]
    assert repr(found) == repr(theirs)
    json.loads((tmp_path / "test" / "A - Song.json").read_text(), parse_constant=pytest.fail)
    store = museval.EvalStore()
    store.add_eval_dir(tmp_path)
    assert_same_tables(store.df, theirs.df)


def test_vocals_come_from_their_pair_and_the_others_from_the_rest(museval):
    song, estimates = track(samples=3000, rate=3000)
    assert_same_tables(ours.eval_mus_track(song, estimates).df, museval.eval_mus_track(song, estimates).df)


def test_too_few_targets_warn_and_give_nothing():
    song, estimates = track(NAMES[:1])
    with pytest.warns(UserWarning, match="at least two estimates"):
        assert ours.eval_mus_track(song, estimates).scores["targets"] == []


def test_infinite_and_missing_scores_are_null_and_print():
    store = ours.TrackStore("song", win=2, hop=1, frames_agg="mean")
    store.add_target("vocals", {"SDR": [1.0, 3.0], "SIR": [np.inf, np.nan], "SAR": [0.0, 0.0], "ISR": [1.0, np.nan]})
    assert json.loads(store.json)["targets"][0]["frames"][1] == {
        "time": 1.0, "duration": 2.0, "metrics": {"SDR": 3.0, "SIR": None, "SAR": 0.0, "ISR": None},
    }  # fmt: skip
    assert repr(store) == "vocals          ==> SDR:   2.000  SIR:     nan  ISR:   1.000  SAR:   0.000  \n"


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(RunError, match="cannot be written"):
        ours.TrackStore("song").save(tmp_path / "taken" / "song.json")


def write_wavs(folder, arrays, rate=2500):
    import soundfile

    folder.mkdir(parents=True)
    for name, array in arrays.items():
        soundfile.write(folder / f"{name}.wav", array, rate, subtype="FLOAT")


@pytest.fixture
def folders(tmp_path):
    """References and estimates of three stems as files, and museval's reading of the same."""
    references, estimates = signals(3)
    write_wavs(tmp_path / "song", dict(zip("bca", references, strict=True)))
    write_wavs(tmp_path / "method", dict(zip("bca", estimates, strict=True)))
    return tmp_path / "song", tmp_path / "method"


def test_two_folders(museval, folders, tmp_path, monkeypatch):
    import glob

    found = ours.eval_dir(*folders, output_dir=tmp_path / "out", win=0.5)
    listed = glob.glob
    monkeypatch.setattr(glob, "glob", lambda pattern: sorted(listed(pattern)))  # else its pairs are a matter of luck
    theirs = museval.eval_dir(*map(str, folders), win=0.5)
    assert_same_tables(found.df, theirs.df)
    assert repr(found) == repr(theirs)
    assert json.loads((tmp_path / "out" / "song.json").read_text()) == found.scores


def test_folders_that_do_not_match_are_refused(folders, tmp_path):
    reference, estimate = folders
    (estimate / "a.wav").unlink()
    with pytest.raises(ours.MusevalError, match=r"holds b\.wav, c\.wav, expected .*a\.wav, b\.wav, c\.wav"):
        ours.eval_dir(reference, estimate)
    with pytest.raises(ours.MusevalError, match="contains no wav files"):
        ours.eval_dir(tmp_path, estimate)
    write_wavs(tmp_path / "slow", {"a": np.ones((9, 2)), "b": np.ones((9, 2)), "c": np.ones((9, 2))}, rate=2000)
    with pytest.raises(MssBenchError, match="sample rate of 2000 Hz, expected 2500 Hz"):
        ours.eval_dir(reference, tmp_path / "slow")


def test_a_folder_of_tracks(museval, tmp_path):
    """Tracks without estimates are left out; the files are those that the stores read."""
    song, estimates = track(NAMES[:2])
    other, _ = track(NAMES[:2])
    other.name = "B - Not there"
    write_wavs(tmp_path / "estimates" / "test" / song.name, estimates)
    assert ours.eval_mus_dir([song, other], tmp_path / "estimates", tmp_path / "out") is None
    assert [p.name for p in (tmp_path / "out").rglob("*.json")] == [f"{song.name}.json"]
    store = ours.EvalStore()
    store.add_eval_dir(tmp_path / "out")
    assert_same_tables(store.df, museval.eval_mus_track(song, estimates).df)


@pytest.mark.parametrize("how", [{}, {"frames_agg": "mean"}, {"tracks_agg": "mean"}])
def test_stores_aggregate_as_museval_does(museval, tmp_path, how):
    stores = [module.EvalStore(**how) for module in (museval, ours)]
    for seed in range(3):
        song, estimates = track(NAMES[:2], seed=seed)
        song.name = f"song {seed}"
        data = ours.eval_mus_track(song, estimates, output_dir=tmp_path / "method")
        for store in stores:
            store.add_track(data.df)
    theirs, mine = stores
    import pandas as pd

    pd.testing.assert_series_equal(mine.agg_frames_scores(), theirs.agg_frames_scores())
    pd.testing.assert_series_equal(mine.agg_frames_tracks_scores(), theirs.agg_frames_tracks_scores())
    assert repr(mine) == repr(theirs)
    methods = [module.MethodStore(**how) for module in (museval, ours)]
    for method, store in zip(methods, stores, strict=True):
        method.add_evalstore(store, "one")
        method.add_eval_dir(tmp_path / "method")
    theirs, mine = methods
    pd.testing.assert_series_equal(mine.agg_frames_scores(), theirs.agg_frames_scores())
    pd.testing.assert_series_equal(mine.agg_frames_tracks_scores(), theirs.agg_frames_tracks_scores())
    assert "method" not in stores[1].df


def test_stores_that_hold_nothing(tmp_path):
    store = ours.EvalStore()
    with pytest.raises(MssBenchError, match="the EvalStore holds no scores yet"):
        store.agg_frames_tracks_scores()
    with pytest.raises(MssBenchError, match="holds no JSON file"):
        store.add_eval_dir(tmp_path)
    with pytest.raises(MssBenchError, match="tracks_agg is 'max'"):
        ours.MethodStore(tracks_agg="max")
    assert len(repr(store).splitlines()) == 1


class TestIllConditioned:
    def low_passed(self):
        references, estimates = signals(3)
        spectra = np.fft.rfft(references, axis=1)
        spectra[:, 300:] = 0
        references = np.fft.irfft(spectra, n=references.shape[1], axis=1)
        return references, estimates

    @pytest.mark.parametrize("mode", ["v4", "v3"])
    def test_is_said_in_a_warning(self, mode):
        with pytest.warns(ours.IllConditionedWarning, match=r"SAR of source 0, 1.* number of \de\+1\d"):
            ours.evaluate(*self.low_passed(), 2500, 2500, mode=mode)

    def test_is_not_said_of_good_references(self, recwarn):
        ours.evaluate(*signals(3), 2500, 2500)
        assert not recwarn


def test_real_music(museval, excerpt):
    import soundfile

    folder = next((excerpt / "train").iterdir())
    read = {n: soundfile.read(folder / f"{n}.wav", stop=66150)[0] for n in ("vocals", "drums", "mixture")}
    references = np.stack([read["vocals"], read["drums"]])
    estimates = 0.8 * references + 0.1 * read["mixture"]
    for mode in ("v4", "v3"):
        found = ours.evaluate(references, estimates, mode=mode)
        assert_same(found, museval.evaluate(references, estimates, mode=mode), 1e-3)
