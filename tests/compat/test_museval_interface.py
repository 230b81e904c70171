"""What museval's own tests state of its interface holds of `mss_bench.compat.museval`, and wrong use is one line.

Not stated here: museval returns empty arrays for empty input, with a warning; that is an error here.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from mss_bench.compat import museval as ours
from mss_bench.compat.museval import cli
from mss_bench.errors import MssBenchError

RATE = 2000
QUANTITIES = ("SDR", "SIR", "SAR", "ISR")
FRAME = {quantity: [1.0] for quantity in QUANTITIES}


def pair(samples=RATE, channels=2, sources=2):
    rng = np.random.default_rng(3)
    shape = (sources, samples, channels) if channels else (sources, samples)
    references = rng.standard_normal(shape)
    return references, references + 0.3 * rng.standard_normal(shape)


@pytest.fixture(scope="module")
def museval():
    return pytest.importorskip("museval", exc_type=(ImportError, RuntimeError))


def own_names(module):
    """The public functions, classes and constants of a module of museval's, not what it imports from elsewhere."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (name == "MAX_SOURCES" or getattr(value, "__module__", "").startswith("museval") or name == "metrics")
    }


def parameters(function):
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("module", ["", ".metrics", ".aggregate", ".cli"])
def test_every_public_name_of_museval_is_there_with_its_signature(museval, module):
    mine = importlib.import_module(f"mss_bench.compat.museval{module}")
    theirs = own_names(importlib.import_module(f"museval{module}"))
    assert len(theirs) >= 2
    for name, value in theirs.items():
        if module == ".cli" and name.startswith("eval_"):  # imported there
            continue
        own = getattr(mine, name)
        if inspect.isclass(value):
            assert parameters(own) == parameters(value), name
            for member in (m for m in vars(value) if not m.startswith("_")):
                counterpart = inspect.getattr_static(own, member)
                if callable(vars(value)[member]):
                    assert parameters(counterpart) == parameters(vars(value)[member]), f"{name}.{member}"
                else:
                    assert isinstance(counterpart, property), f"{name}.{member}"
        elif callable(value):
            assert parameters(own) == parameters(value), name
        else:
            assert inspect.ismodule(value) or own == value, name


def test_what_is_returned_is_of_the_types_that_museval_returns(museval):
    track = song()
    arrays = pair()
    theirs, mine = (module.eval_mus_track(track, estimates_of(track)) for module in (museval, ours))
    pd.testing.assert_frame_equal(mine.df, theirs.df.reset_index(drop=True), atol=1.1e-5, rtol=0)
    assert isinstance(mine.json, str)
    results = {}
    for name, module in (("theirs", museval), ("mine", ours)):
        store, methods = module.EvalStore("mean", tracks_agg="median"), module.MethodStore()
        store.add_track(module.eval_mus_track(track, estimates_of(track)))
        methods.add_evalstore(store, name="one")
        frames = list(module.metrics.Framing(10, 4, 23)), list(module.metrics.Framing(np.inf, np.inf, 23))
        results[name] = frames, methods, store
        assert isinstance(module.evaluate(*arrays, RATE, RATE), tuple)
        assert isinstance(module.metrics.bss_eval(*arrays, RATE, RATE), tuple)
    assert results["mine"][0] == results["theirs"][0]
    for mine, theirs in zip(results["mine"][1:], results["theirs"][1:], strict=True):
        for name in ("agg_frames_scores", "agg_frames_tracks_scores"):
            pd.testing.assert_series_equal(getattr(mine, name)(), getattr(theirs, name)(), atol=1.1e-5, rtol=0)
    assert repr(results["mine"][2]) == repr(results["theirs"][2])


@pytest.mark.parametrize("channels", [0, 2])
@pytest.mark.parametrize(
    ("name", "results"),
    [
        ("bss_eval_sources", 4),
        ("bss_eval_images", 5),
        ("bss_eval_sources_framewise", 4),
        ("bss_eval_images_framewise", 5),
    ],
)
def test_the_wrappers_give_what_those_of_museval_give(museval, name, results, channels):
    references, estimates = pair(channels=channels)
    given = (references, estimates[::-1])
    mine, theirs = getattr(ours.metrics, name)(*given), getattr(museval.metrics, name)(*given)
    assert len(mine) == len(theirs) == results
    for own, other in zip(mine, theirs, strict=True):
        if not np.isnan(own).all():  # ISR of sources, which the wrapper drops
            np.testing.assert_allclose(own, other, atol=1e-6)
    assert mine[-1].ravel().tolist() == ([0, 1] if "framewise" in name else [1, 0])


@pytest.mark.parametrize("framewise", [True, False])
@pytest.mark.parametrize("sources", [True, False])
def test_silent_estimates_are_refused_in_every_mode(framewise, sources):
    references, _ = pair()
    options = {"framewise_filters": framewise, "bsseval_sources_version": sources, "window": RATE, "hop": RATE}
    with pytest.raises(ValueError, match="non-silent"):
        ours.metrics.bss_eval(references, np.zeros_like(references), **options)
    with pytest.raises(ValueError, match="non-silent"):
        ours.metrics.validate(references, np.zeros_like(references))


@pytest.mark.parametrize("difference", [-10, 0, 10])
def test_pad_or_truncate_changes_the_estimates_alone(difference):
    references, estimates = pair(1000)[0], pair(1000 + difference)[1]
    same, fitted = ours.pad_or_truncate(references, estimates)
    assert same is references
    assert fitted.shape == references.shape
    shared = min(1000, 1000 + difference)
    np.testing.assert_array_equal(fitted[:, :shared], estimates[:, :shared])
    assert not fitted[:, shared:].any()


def test_lists_arrays_and_their_layouts_in_memory_have_the_same_scores_to_the_last_bit():
    references, estimates = pair(3 * RATE)
    want = ours.evaluate(references, estimates, RATE, RATE)
    one_by_one = [list(references), [estimates[0], np.concatenate([estimates[1], estimates[1][:7]])]]
    fortran = [np.asfortranarray(x) for x in (references, estimates)]
    for given in (one_by_one, fortran):
        for found, wanted in zip(ours.evaluate(*given, RATE, RATE), want, strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, e: (r.swapaxes(1, 2), e.swapaxes(1, 2)), r"2 samples and 2000 channels.*swapaxes\(1, 2\)"),
        (lambda r, e: (r, e.swapaxes(1, 2)), "the estimate sources have 2 samples and 2000 channels"),
        (lambda r, e: (r[0], e[0]), "the reference sources are 2000, expected at most 100"),
        (lambda r, e: (np.ones((200, 300, 2)), np.ones((200, 300, 2))), "200, expected at most 100.*MAX_SOURCES"),
        (lambda r, e: (np.ones((90, 90, 90)), np.ones((90, 90, 90))), "4147200 unknowns, 137,594 GB.*this machine has"),
        (lambda r, e: ([r[0], r[1][:9]], e), r"reference sources have \[9, 2000\] samples"),
        (lambda r, e: ([r[0], r[1][:, :1]], e), "differ in channels: 2 and 1"),
        (lambda r, e: ([[1.0, 2.0], [3.0]], e), "parts differ in length"),
        (lambda r, e: (r, "estimates"), "of <U9, expected numbers"),
        (lambda r, e: (r, None), "of object, expected numbers"),
        (lambda r, e: (r > 0, e), "of bool"),
        (lambda r, e: (np.ma.masked_greater(r, 2), e), "the reference sources are a masked array"),
    ],
)
def test_arrays_that_are_no_sources_are_named_before_anything_is_computed(change, message):
    with pytest.raises(ours.MusevalError, match=message):
        ours.evaluate(*change(*pair()))


def test_more_sources_are_allowed_by_the_constant(monkeypatch):
    sources = np.random.default_rng(0).standard_normal((3, 200, 1))
    monkeypatch.setattr(ours.metrics, "MAX_SOURCES", 2)
    with pytest.raises(ours.MusevalError, match="at most 2"):
        ours.evaluate(sources, sources + 0.1)
    monkeypatch.setattr(ours.metrics, "MAX_SOURCES", 3)
    ours.metrics.validate(sources, sources)


@pytest.mark.parametrize("value", ["a", None, True, [1000], float("nan"), 0, -5, 1j])
def test_windows_and_taps_that_are_no_numbers_are_named(value):
    references, estimates = pair()
    for call in (
        lambda: ours.evaluate(references, estimates, win=value),
        lambda: ours.evaluate(references, estimates, hop=value),
        lambda: ours.bss_eval(references, estimates, filters_len=value if value is not True else 2.5),
        lambda: ours.eval_mus_track(song(), estimates_of(song()), win=value),
    ):
        with pytest.raises(ours.MusevalError, match=r"^(window|win|hop|filters_len) is .*, expected"):
            call()


def song(name="A - Song", seconds=2):
    references, _ = pair(seconds * RATE)
    targets = {n: SimpleNamespace(audio=a) for n, a in zip(("vocals", "accompaniment"), references, strict=True)}
    return SimpleNamespace(targets=targets, rate=RATE, name=name, subset="test")


def estimates_of(track, noise=0.1):
    rng = np.random.default_rng(1)
    return {n: t.audio + noise * rng.standard_normal(t.audio.shape) for n, t in track.targets.items()}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ours.eval_mus_track(None, {}), "the track is None without name, rate, targets"),
        (lambda: ours.eval_mus_track(song(), None), "the estimates are None, expected a mapping"),
        (lambda: ours.eval_mus_track(song(None), {}), "the name of the track is None"),
        (lambda: ours.eval_mus_track(altered(rate="44.1k"), {}), "the rate of the track is '44.1k', expected Hz"),
        (lambda: ours.eval_mus_track(altered(subset="../up"), {}, output_dir="out"), "subset of the track is '../up'"),
        (lambda: ours.eval_mus_dir(None, "."), "the dataset is None, expected a musdb.DB"),
        (lambda: ours.eval_mus_dir([], None), "None is not a folder"),
        (lambda: ours.eval_dir(None, "."), "`reference_dir` is 'None', which is not a folder"),
        (lambda: ours.TrackStore(None), "track_name is None"),
        (lambda: ours.TrackStore("x").add_target("v", None), "a target is given as 'v' and None"),
        (lambda: ours.MethodStore().add_evalstore(None, "x"), "NoneType was given"),
        (lambda: ours.EvalStore().load(None), "path is None"),
    ],
)
def test_what_is_no_track_no_folder_and_no_store_is_named(call, message):
    with pytest.raises(MssBenchError, match=re.escape(message)):
        call()


def altered(**attributes):
    return SimpleNamespace(**vars(song()) | attributes)


def test_a_track_store_is_validated_and_saved(tmp_path):
    store = ours.eval_mus_track(song(), estimates_of(song()), hop=np.inf, win=np.inf)
    assert store.validate() is None
    assert [(f["time"], f["duration"]) for f in store.scores["targets"][0]["frames"]] == [(0, 2)]
    store.save(tmp_path / "song.json")
    assert json.loads((tmp_path / "song.json").read_text()) == store.scores
    pd.testing.assert_frame_equal(ours.json2df(store.scores, store.track_name), store.df)
    store.scores["targets"][0]["frames"][0]["metrics"]["SDR"] = "loud"
    for refused in (store.validate, lambda: store.save(tmp_path / "song.json")):
        with pytest.raises(MssBenchError, match="scores of 'A - Song': SDR in frame 0 of 'vocals' is 'loud'"):
            refused()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"SDR": [1.0]}, "lacks SIR, SAR, ISR"),
        (FRAME | {"SIR": [1.0, 2.0]}, "differ in"),
        ({q: ["loud"] for q in QUANTITIES}, r"SDR of 'v' is \['loud'\], expected a number a frame"),
        (dict.fromkeys(QUANTITIES, 1.0), "SDR of 'v' is 1.0"),
    ],
)
def test_values_that_are_no_frames_are_named(values, message):
    with pytest.raises(MssBenchError, match=message):
        ours.TrackStore("x").add_target("v", values)


def test_wrong_use_of_the_stores_is_named():
    store = ours.TrackStore("x")
    store.add_target("v", FRAME)
    for call, message in (
        (lambda: store.add_target("v", FRAME), "'v' of 'x' is there already"),
        (lambda: ours.TrackStore("x", frames_agg="max"), "frames_agg is 'max'"),
        (lambda: ours.TrackStore("x", win="a"), "win is 'a'"),
        (lambda: ours.EvalStore().add_track("x"), "the str given lacks time"),
        (lambda: ours.MethodStore().add_sisec18(), "pickle.*add_eval_dir"),
        (lambda: ours.EvalStore().save("x"), "holds no scores yet"),
    ):
        with pytest.raises(MssBenchError, match=message):
            call()


def stores():
    track = ours.eval_mus_track(song(), estimates_of(song()))
    one = ours.EvalStore()
    one.add_track(track)
    several = ours.MethodStore()
    several.add_evalstore(one, "mine")
    return one, several


@pytest.mark.parametrize("which", [0, 1])
def test_stores_are_saved_as_parquet_and_loaded(tmp_path, which):
    store = stores()[which]
    store.save(tmp_path / "new" / "scores.parquet")
    again = type(store)()
    again.load(tmp_path / "new" / "scores.parquet")
    pd.testing.assert_frame_equal(again.df, store.df)
    pd.testing.assert_series_equal(again.agg_frames_tracks_scores(), store.agg_frames_tracks_scores())
    assert pd.read_parquet(tmp_path / "new" / "scores.parquet").shape == store.df.shape


@pytest.mark.parametrize("name", ["scores.pandas", "scores.pkl.gz", "it's.pkl"])
def test_a_pickle_is_refused_with_the_line_that_converts_it(museval, tmp_path, name):
    """The line is run as it stands."""
    theirs = museval.EvalStore()
    theirs.add_track(stores()[0].df)
    theirs.save(tmp_path / name)
    mine = ours.EvalStore()
    with pytest.raises(MssBenchError, match="is a pickle, as museval saves its stores") as refused:
        mine.load(tmp_path / name)
    exec(str(refused.value).partition("in Python: ")[2], {})
    (converted,) = tmp_path.glob("*.parquet")
    mine.load(converted)
    pd.testing.assert_series_equal(mine.agg_frames_scores(), theirs.agg_frames_scores())


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "text").write_text("time,target\n")
    pd.DataFrame({"time": [1.0]}).to_parquet(tmp_path / "other")
    stores()[0].save(tmp_path / "one")
    for name, message in (("text", "Parquet"), ("none", "does not exist"), ("other", "lacks the columns target")):
        with pytest.raises(MssBenchError, match=message):
            ours.EvalStore().load(tmp_path / name)
    with pytest.raises(MssBenchError, match="lacks the columns method"):
        ours.MethodStore().load(tmp_path / "one")
    stores()[1].save(tmp_path / "several")
    with pytest.raises(MssBenchError, match="is of several methods"):
        ours.EvalStore().load(tmp_path / "several")


def write_wavs(folder, arrays):
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        soundfile.write(folder / f"{name}.wav", array, RATE, subtype="FLOAT")


def test_two_folders_are_evaluated_on_the_command_line(tmp_path, capsys):
    references = {name: target.audio for name, target in song().targets.items()}
    write_wavs(tmp_path / "song", references)
    write_wavs(tmp_path / "mine", estimates_of(song()))
    write_wavs(tmp_path / "mono", {name: array[:, 0] for name, array in references.items()})
    folders = [str(tmp_path / "song"), str(tmp_path / "mine")]
    assert cli.bsseval([*folders, "--win", "0.5", "--hop", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0].removesuffix("==>") for line in printed.splitlines()] == ["accompaniment.wav", "vocals.wav"]
    assert len(json.loads((tmp_path / "mine" / "song.json").read_text())["targets"][0]["frames"]) == 4
    for arguments, message in (
        ([str(tmp_path / "no"), folders[1]], "`reference_dir` is"),
        ([folders[0], str(tmp_path / "no")], "`estimates_dir` is"),
        ([folders[0], str(tmp_path / "mono")], "accompaniment.wav has 1 channels and its reference 2"),
        ([str(tmp_path), folders[1]], "(its folders are not looked into: give the folder of one song)"),
        ([*folders, "--win", "0"], "win is 0.0, expected seconds"),
        ([*folders, "--hop", "nan"], "hop is nan"),
    ):
        assert cli.bsseval(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("mss-bsseval: ")
        assert message in error
        assert error.count("\n") == 1


def test_musdb_is_evaluated_on_the_command_line(museval, tmp_path, capsys):
    track, stems = song("Music Delta - Rock"), ("drums", "bass", "other", "vocals", "mixture")
    write_wavs(tmp_path / "musdb" / "test" / track.name, dict.fromkeys(stems, track.targets["vocals"].audio))
    write_wavs(tmp_path / "mine" / "test" / track.name, {"vocals": track.targets["vocals"].audio})
    arguments = [str(tmp_path / "mine"), "-o", str(tmp_path / "out"), "--musdb", str(tmp_path / "musdb")]
    with pytest.warns(UserWarning, match="at least two estimates"):
        assert cli.museval([*arguments, "--is-wav"]) == 0
    assert capsys.readouterr().out.startswith(track.name)
    assert (tmp_path / "out" / "test" / f"{track.name}.json").is_file()
    for wrong, message in (
        (arguments, "holds no track of MUSDB18; try with --is-wav"),
        ([*arguments[:3], "--musdb", str(tmp_path / "no")], "is not a folder"),
        ([str(tmp_path / "no"), *arguments[3:], "--is-wav"], "is not a folder"),
        (
            [str(tmp_path / "out"), *arguments[3:], "--is-wav"],
            f"expected <subset>/<track>/<target>.wav, as test/{track.name}/vocals.wav [mss-bench help audio]",
        ),
        ([str(tmp_path / "moved"), *arguments[3:], "--is-wav"], f"vocals.wav; it has train/{track.name} [mss-bench"),
    ):
        (tmp_path / "moved" / "train" / track.name).mkdir(parents=True, exist_ok=True)
        assert cli.museval(wrong) == 2
        assert message in capsys.readouterr().err


def test_a_name_of_255_bytes_is_kept_in_the_file(tmp_path):
    long, slash = "ü" * 127 + "x", "AC/DC"
    for name in (long, slash):
        ours.eval_mus_track(song(name), estimates_of(song()), output_dir=tmp_path / "method")
    store = ours.EvalStore()
    store.add_eval_dir(tmp_path / "method")
    assert set(store.df["track"]) == {long, slash}


def test_targets_without_frames_are_named_where_a_table_cannot_hold_them(tmp_path):
    store = ours.TrackStore("song")
    store.add_target("vocals", FRAME)
    store.add_target("drums", {q: [] for q in QUANTITIES})
    store.save(tmp_path / "mine" / "test" / "song.json")
    several = ours.MethodStore()
    with pytest.warns(UserWarning, match=r"song\.json has no frames of drums"):
        several.add_eval_dir(tmp_path / "mine")
    assert several.df["target"].unique().tolist() == ["vocals"]
