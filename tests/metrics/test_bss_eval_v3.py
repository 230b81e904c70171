"""BSS Eval v3 gives the numbers of the MATLAB toolbox and of mir_eval, and says so where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics import metrics
from mss_bench.metrics.bss_eval.assignment import best_order
from mss_bench.metrics.bss_eval.v3 import BSSEvalV3Images, BSSEvalV3Sources
from mss_bench.registry import import_file

METRICS = {"images": BSSEvalV3Images, "sources": BSSEvalV3Sources}
KEYS = {
    "SDR": "Source to Distortion", "ISR": "Image to Spatial", "SIR": "Source to Interference",
    "SAR": "Source to Artifact",
}  # fmt: skip
DATA = Path(__file__).parents[1] / "data"


def named(arrays):
    return {str(i): np.asarray(a, dtype=np.float64) for i, a in enumerate(arrays)}


def small(kind, **parameters):
    """The metric with filters that suit short signals at 8 kHz."""
    return METRICS[kind](**{"filter_length": 32} | parameters)


def values(scores, references, quantity):
    return np.array([scores[name, quantity].values for name in references])


@pytest.mark.parametrize("number", ["01", "02", "03", "05", "06", "07", "08", "09"])
@pytest.mark.parametrize("mode", ["Sources", "Framewise", "Images", "Images Framewise"])
def test_the_vectors_of_the_matlab_toolbox(test_data, evaluate, number, mode):
    import soundfile

    folder = test_data / "bss_eval_v3_vectors"
    expected = json.loads((folder / f"output{number}.json").read_text())[mode]
    channels = expected.get("nchan", 1)
    # the further channels are copies of the first, those of the estimates with a gain, which may be 0
    gains = {"ref": np.ones((channels, 1)), "est": np.ones((channels, 1))}
    gains["est"][1:] = expected.get("gain", 1.0)
    signals = {}
    for side, gain in gains.items():
        files = [soundfile.read(f, always_2d=True) for f in sorted((folder / f"{side}{number}").glob("*.wav"))]
        signals[side] = named(gain * audio.mean(axis=1) for audio, _ in files)
    rate = files[0][1]
    framewise = {"window": expected["win"] / rate, "hop": expected["hop"] / rate} if "win" in expected else {}
    metric = METRICS["images" if "Images" in mode else "sources"](**framewise, permute=not framewise)
    scores = evaluate(metric, signals["ref"], signals["est"], rate)
    for quantity in (q.name for q in metric.quantities):
        theirs = np.array(expected[KEYS[quantity]], dtype=float).reshape(len(signals["ref"]), -1)
        ours = values(scores, signals["ref"], quantity)
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, np.where(np.isinf(theirs), np.nan, theirs), rtol=0, atol=1e-3)
    moved = np.ravel(expected["Source permutation"]) != np.repeat(np.arange(len(theirs)), theirs.shape[1])
    assert any("permuted" in s.flags for s in scores.values()) == moved.any()


@pytest.mark.parametrize("kind", ["sources", "images"])
@pytest.mark.parametrize("mode", ["", "_framewise"])
def test_golden_numbers_of_mir_eval(evaluate, kind, mode):
    made = import_file(DATA / "make_bss_eval_v3.py")
    golden = json.loads((DATA / "bss_eval_v3.json").read_text())["modes"][kind + mode]
    references, estimates = map(named, made.CASES[kind])
    framewise = {"window": made.WINDOW / 8000, "hop": made.HOP / 8000} if mode else {}
    metric = METRICS[kind](permute=True, **framewise)
    scores = evaluate(metric, references, estimates)
    for quantity in (q.name for q in metric.quantities):
        np.testing.assert_allclose(values(scores, references, quantity), golden[quantity], rtol=0, atol=1e-6)
        assert {s.flags for s in scores.values()} == {("permuted",)}


class TestMirEvalPresets:
    """The numbers that mir_eval itself gives with its defaults; at 100 Hz its 30 s are 3000 samples."""

    RATE = 100

    @pytest.fixture(params=["images", "sources"])
    def kind(self, request):
        return request.param

    @pytest.fixture
    def tool(self):
        separation = pytest.importorskip("mir_eval.separation")

        def run(function, references, estimates, **options):
            stacked = [np.stack([a.T.squeeze() for a in each.values()]) for each in (references, estimates)]
            with pytest.warns(FutureWarning, match="Deprecated"):
                *values, order = getattr(separation, function)(*stacked, **options)
            names = ("SDR", "ISR", "SIR", "SAR") if "images" in function else ("SDR", "SIR", "SAR")
            return dict(zip(names, values, strict=True)), order

        return run

    @pytest.fixture
    def turned(self, noise, blurred, kind):
        """60 s of two sources, the estimates in the wrong order."""
        references = noise("ab", seconds=0.75, channels=2 if kind == "images" else 1)
        estimates = blurred(references)
        return references, {"a": estimates["b"], "b": estimates["a"]}

    def test_whole_signal_in_the_best_order(self, evaluate, tool, kind, turned):
        theirs, order = tool(f"bss_eval_{kind}", *turned)
        assert list(order) == [1, 0]
        scores = evaluate(METRICS[kind](preset="mir_eval"), *turned, self.RATE)
        for quantity, column in theirs.items():
            np.testing.assert_allclose(values(scores, "ab", quantity)[:, 0], column, rtol=0, atol=1e-6)

    def test_framewise_in_the_given_order_with_a_silent_window(self, evaluate, tool, kind, turned):
        references, estimates = turned
        references["a"][:, :3000] = 0
        theirs, _ = tool(f"bss_eval_{kind}_framewise", references, estimates, window=3000, hop=1500)
        scores = evaluate(METRICS[kind](preset="mir_eval_framewise"), references, estimates, self.RATE)
        assert np.isnan(theirs["SDR"]).sum() == 2
        for quantity, expected in theirs.items():
            if quantity == "ISR":
                expected[:, 0] = np.nan  # there it is memory that was never written
            np.testing.assert_allclose(values(scores, "ab", quantity), expected, rtol=0, atol=1e-6)

    def test_a_short_track_is_one_window(self, evaluate, tool, kind, turned):
        short = [{n: a[:, :4000] for n, a in each.items()} for each in turned]
        theirs, _ = tool(f"bss_eval_{kind}_framewise", *short, window=3000, hop=1500)
        scores = evaluate(METRICS[kind](preset="mir_eval_framewise"), *short, self.RATE)
        np.testing.assert_allclose(values(scores, "ab", "SIR"), theirs["SIR"], rtol=0, atol=1e-6)

    def test_delivered_references_alone_span_the_projections(self, evaluate, tool, kind, noise, blurred):
        references = noise("abc", seconds=0.4, channels=1)
        estimates = {n: y for n, y in blurred(references).items() if n != "b"}
        theirs, _ = tool(f"bss_eval_{kind}", {n: references[n] for n in "ac"}, estimates)
        found = evaluate(METRICS[kind](preset="mir_eval"), references, estimates)
        np.testing.assert_allclose(values(found, "ac", "SIR")[:, 0], theirs["SIR"], rtol=0, atol=1e-6)
        whole = evaluate(METRICS[kind](permute=True), references, estimates)
        assert np.abs(values(whole, "ac", "SIR")[:, 0] - theirs["SIR"]).min() > 0.01

    def test_names(self, kind):
        found = {METRICS[kind](preset=name).preset for name in ("v3", "mir_eval", "mir_eval_framewise")}
        assert found == {f"v3 {kind}", f"mir_eval {kind}", f"mir_eval_framewise {kind}"}
        assert METRICS[kind](preset="mir_eval_framewise", window=20.0).hop == 10
        with pytest.raises(ConfigError, match="references is 'some'"):
            METRICS[kind](references="some")


def test_sdr_of_sources_is_the_ratio_that_it_is_said_to_be(evaluate, noise, blurred):
    # the definition itself: project on the delayed channels of one reference by least squares
    references, taps = noise("ab", seconds=0.1, channels=1), 8
    estimates = blurred(references)
    scores = evaluate(small("sources", filter_length=taps), references, estimates)
    for name, s in references.items():
        delayed = np.stack([np.pad(s[0], (lag, taps - 1 - lag)) for lag in range(taps)], axis=1)
        y = np.pad(estimates[name][0], (0, taps - 1))
        target = delayed @ np.linalg.lstsq(delayed, y, rcond=None)[0]
        expected = 10 * np.log10(np.sum(target**2) / np.sum((y - target) ** 2))
        assert scores[name, "SDR"].values[0] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("kind", ["sources", "images"])
def test_a_window_is_scored_as_if_there_were_nothing_else(evaluate, noise, blurred, kind):
    references = noise(seconds=1.5)
    estimates = blurred(references)
    framed = evaluate(small(kind, window=0.5), references, estimates)
    score = framed["a", "SDR"]
    assert (score.scope, score.window, score.hop, len(score.values)) == ("frame", 0.5, 0.25, 5)
    second = [{n: a[:, 2000:6000] for n, a in x.items()} for x in (references, estimates)]
    alone = evaluate(small(kind), *second)
    assert alone["a", "SDR"].scope == "track"
    for key, one in alone.items():
        assert framed[key].values[1] == pytest.approx(one.values[0], abs=1e-9)


def test_a_track_of_less_than_two_windows_is_one_window(evaluate, noise, blurred):
    references = noise(seconds=0.9)
    estimates = blurred(references)
    framed = evaluate(small("images", window=0.5, hop=0.5), references, estimates)["a", "SIR"]
    whole = evaluate(small("images"), references, estimates)["a", "SIR"]
    assert framed.values == pytest.approx(whole.values)
    assert framed.window == pytest.approx(0.9)


# the fixtures are functions without state
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(4)), st.floats(0.1, 10))
def test_neither_order_nor_gain_changes_the_scores_of_sources(evaluate, noise, blurred, order, gain):
    references = noise("abcd", seconds=0.3, channels=1)
    estimates = blurred(references)
    names = list(references)
    shuffled = {name: gain * estimates[names[order[i]]] for i, name in enumerate(names)}
    before = evaluate(small("sources"), references, estimates)
    after = evaluate(small("sources", permute=True), references, shuffled)
    for (name, quantity), score in before.items():
        found = after[name, quantity]
        assert found.values == pytest.approx(score.values, abs=1e-7)
        assert ("permuted" in found.flags) == (order[names.index(name)] != names.index(name))


@pytest.mark.parametrize(
    ("sir", "order"),
    [
        ([[1.0, 9.0], [8.0, 2.0]], [1, 0]),
        ([[np.inf, 9.0], [8.0, 2.0]], [0, 1]),
        ([[1.0, 9.0], [np.nan, 2.0]], [0, 1]),
        ([[-np.inf, 9.0], [8.0, 50.0]], [1, 0]),
    ],
)
def test_the_order_of_greatest_mean_sir(sir, order):
    assert list(best_order(np.array(sir))) == order


def test_many_sources_are_ordered_at_once(evaluate, noise, blurred):
    # 12! orders could not be tried
    names = "abcdefghijkl"
    references = noise(names, seconds=0.2, channels=1)
    estimates = blurred(references)
    turned = {name: estimates[names[i - 1]] for i, name in enumerate(names)}
    scores = evaluate(small("sources", filter_length=4, permute=True), references, turned)
    plain = evaluate(small("sources", filter_length=4), references, estimates)
    assert values(scores, references, "SIR") == pytest.approx(values(plain, references, "SIR"), abs=1e-7)


def test_silent_windows_are_undefined_and_leave_the_others_alone(evaluate, noise, blurred):
    references = noise(seconds=1.0)
    estimates = blurred(references)
    references["b"][:, 4000:] = 0
    joint = evaluate(small("images", window=0.5, hop=0.5), references, estimates)
    own = evaluate(small("images", window=0.5, hop=0.5, silence="per_source"), references, estimates)
    for name in references:
        assert list(np.isnan(joint[name, "SDR"].values)) == [False, True]
        assert list(np.isnan(own[name, "SDR"].values)) == [False, name == "b"]
    references["b"][:] = 0
    without = evaluate(small("sources"), *({n: x[n] for n in "ac"} for x in (references, estimates)))
    found = evaluate(small("sources"), references, estimates)
    assert found["b", "SDR"].reason == "reference 'b' is silent throughout"
    assert values(found, "ac", "SIR") == pytest.approx(values(without, "ac", "SIR"), abs=1e-9)
    theirs = evaluate(small("sources", silence="channel_sum"), references, estimates)
    assert theirs["a", "SDR"].reason == "reference 'b' silent throughout (silence=channel_sum)"


def test_the_worst_condition_number_of_any_window(evaluate, noise, blurred):
    references = noise("ab", seconds=1.0, channels=1)
    for array in references.values():
        array[:, 4000:] = np.cumsum(np.cumsum(array[:, 4000:], axis=1), axis=1)  # very dull
    estimates = blurred(references)
    framed = evaluate(small("images", window=0.5, hop=0.5), references, estimates)
    each = [
        evaluate(small("images"), *({n: a[:, part] for n, a in x.items()} for x in (references, estimates)))
        for part in (slice(0, 4000), slice(4000, 8000))
    ]
    conditions = [scores["a", "SIR"].condition for scores in each]
    assert conditions[1] > 100 * conditions[0]
    assert framed["a", "SIR"].condition == max(conditions)
    assert np.isnan(framed["a", "SDR"].condition)


def test_a_lone_reference_has_no_sir(evaluate, noise, blurred):
    references = noise("a", seconds=0.3)
    scores = evaluate(small("sources"), references, blurred(references))
    assert np.isnan(scores["a", "SIR"].values).all()
    assert scores["a", "SIR"].reason == "SIR is undefined: there is no other reference"
    assert scores["a", "SDR"].values == pytest.approx(scores["a", "SAR"].values)


def test_a_perfect_estimate_is_infinitely_good(evaluate, noise):
    references = noise(seconds=0.3)
    for kind in METRICS:
        scores = evaluate(small(kind), references, references)
        assert np.isposinf(scores["a", "SDR"].values).all()


def test_nan_spoils_its_own_estimate_only(evaluate, noise, blurred):
    references = noise(seconds=0.3)
    estimates = blurred(references)
    clean = evaluate(small("images"), references, {n: estimates[n] for n in "ac"})
    estimates["b"][1, 7] = np.nan
    scores = evaluate(small("images"), references, estimates)
    assert scores["b", "SDR"].reason == "estimate 'b' holds nan at channel 1, sample 7"
    for key, one in clean.items():
        assert scores[key].values == pytest.approx(one.values, abs=1e-9)


def test_left_equals_right_is_no_trouble(evaluate, noise, blurred):
    mono = noise(seconds=0.5, channels=1)
    estimates = blurred(mono)
    twice = [{n: np.concatenate([a, a]) for n, a in x.items()} for x in (mono, estimates)]
    for kind in METRICS:
        one, two = evaluate(small(kind), mono, estimates), evaluate(small(kind), *twice)
        for key in one:
            assert two[key].values == pytest.approx(one[key].values, abs=1e-6)
            assert not two[key].flags


def test_windows_beyond_what_is_kept_score_the_same(evaluate, noise, blurred, monkeypatch):
    references = noise(seconds=1.0)
    estimates = blurred(references)
    before = evaluate(small("images", window=0.25), references, estimates)
    monkeypatch.setattr("mss_bench.metrics.bss_eval.v3._KEPT_BYTES", 0)
    after = evaluate(small("images", window=0.25), references, estimates)
    for key in before:
        np.testing.assert_array_equal(before[key].values, after[key].values)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"window": 0.0}, r"window is 0.0, expected a number above 0 \(in s\)"),
        ({"hop": 1.0}, "hop is 1.0, expected a window beside it"),
        ({"window": 1.0, "hop": -1.0}, "hop is -1.0"),
        ({"filter_length": 0}, "filter_length is 0"),
        ({"silence": "none"}, "silence is 'none'"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ConfigError, match=message):
        BSSEvalV3Images(**parameters)


def test_wrong_shapes_are_named(evaluate, noise):
    references = noise(seconds=0.3)
    with pytest.raises(AudioError, match="estimate 'a' has 1 channels"):
        evaluate(small("images"), references, {"a": references["a"][:1]})


def test_presets_tell_the_settings_apart():
    found = [BSSEvalV3Images(), BSSEvalV3Sources(), BSSEvalV3Images(window=30), BSSEvalV3Images(permute=True)]
    assert len({m.preset for m in found}) == len(found)
    assert {"bss_eval_v3_images", "bss_eval_v3_sources"} <= set(metrics.names())
