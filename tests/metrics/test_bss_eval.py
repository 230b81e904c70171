"""BSS Eval v4 gives museval's numbers, and says so where there are none."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics import metrics
from mss_bench.metrics.bss_eval import BSSEval, decomposition

QUANTITIES = ("SDR", "ISR", "SIR", "SAR")
RATE = 44100
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on PATH")


def small(**parameters):
    """The metric with parameters that suit short signals at 8 kHz."""
    return BSSEval(**{"window": 0.5, "hop": 0.5, "filter_length": 32} | parameters)


def museval_values(references, estimates, window, hop, filter_length):
    """SDR, ISR, SIR, SAR ``(4, sources, frames)`` of museval."""
    from museval.metrics import bss_eval

    stacked = [np.stack([np.asarray(a, dtype=np.float64).T for a in x.values()]) for x in (references, estimates)]
    return bss_eval(*stacked, window=window, hop=hop, filters_len=filter_length)[:4]


def values(scores, references):
    return np.array([[scores[name, q].values for name in references] for q in QUANTITIES])


def assert_agrees(ours, theirs, tolerance):
    """Equal within a tolerance in dB wherever the other value is below 100 dB, and NaN in the same places."""
    assert ours.shape == np.shape(theirs)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    compared = np.asarray(theirs) < 100
    assert compared.any()
    np.testing.assert_allclose(ours[compared], np.asarray(theirs)[compared], rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def music(excerpt):
    """Three seconds of a real song: stems and mixture, 16 bit."""
    import soundfile

    folder = next((excerpt / "train").iterdir())
    names = ("vocals", "drums", "bass", "other", "mixture")
    stems = {n: soundfile.read(folder / f"{n}.wav", dtype="float32", stop=3 * RATE)[0].T for n in names}
    return {n: stems[n] for n in names[:4]}, stems["mixture"]


class TestAgreement:
    def test_golden_values_of_museval(self, evaluate, noise, blurred):
        """tests/data/bss_eval_v4.json holds what museval 0.4.1 gives for these signals."""
        golden = json.loads((Path(__file__).parents[1] / "data" / "bss_eval_v4.json").read_text())
        references = noise()
        scores = evaluate(BSSEval(window=0.5, hop=0.5), references, blurred(references))
        assert_agrees(values(scores, references), np.array(golden["values"]), 1e-6)

    @needs_ffmpeg
    @pytest.mark.parametrize(
        ("window", "hop"),
        [(4000, 4000), (4000, 1000), (4000, 3000), (1000, 2000), (20, 4000), (20000, 4000), (99999, 50)],
    )
    def test_any_window_and_hop(self, evaluate, noise, blurred, window, hop):
        references = noise("ab")
        estimates = blurred(references)
        scores = evaluate(small(window=window / 8000, hop=hop / 8000), references, estimates)
        assert_agrees(values(scores, references), museval_values(references, estimates, window, hop, 32), 1e-6)

    @needs_ffmpeg
    @pytest.mark.parametrize(("channels", "names"), [(1, "ab"), (1, "abcde"), (3, "ab")])
    def test_any_number_of_channels_and_sources(self, evaluate, noise, blurred, channels, names):
        references = noise(names, 1.0, channels)
        estimates = blurred(references)
        scores = evaluate(small(filter_length=17), references, estimates)
        assert_agrees(values(scores, references), museval_values(references, estimates, 4000, 4000, 17), 1e-6)

    @needs_ffmpeg
    def test_silent_frames_are_those_of_museval(self, evaluate, noise, blurred):
        references = noise("ab")
        estimates = blurred(references)
        references["a"][:, :4000] = 0
        references["b"][1, 8000:12000] = -references["b"][0, 8000:12000]  # antiphase counts as silent
        estimates["b"][:, 16000:] = 0
        scores = evaluate(small(preset="museval"), references, estimates)
        theirs = museval_values(references, estimates, 4000, 4000, 32)
        assert np.isnan(theirs[0]).sum() == 6
        assert_agrees(values(scores, references), theirs, 1e-6)

    @needs_ffmpeg
    @pytest.mark.parametrize("mono_vocals", [False, True])
    def test_live_museval_on_music(self, evaluate, music, mono_vocals):
        """With L = R a plain Cholesky factorisation fails."""
        stems, mixture = dict(music[0]), music[1]
        rng = np.random.default_rng(0)
        if mono_vocals:
            stems["vocals"] = np.repeat(np.round(stems["vocals"][:1] * 32768) / 32768, 2, axis=0)
            references = {n: stems[n] for n in ("vocals", "drums")} | {"rest": stems["bass"] + stems["other"]}
        else:
            references = {"vocals": stems["vocals"], "accompaniment": mixture - stems["vocals"]}
        estimates = {
            n: s + 0.1 * mixture + 0.001 * rng.standard_normal(s.shape).astype(np.float32)
            for n, s in references.items()
        }
        scores = evaluate(BSSEval(), references, estimates, RATE)
        assert_agrees(values(scores, references), museval_values(references, estimates, RATE, RATE, 512), 1e-3)
        assert not any(s.flags for s in scores.values())

    @needs_ffmpeg
    def test_regression_values_of_museval(self, evaluate, test_data):
        folder = test_data / "musdb18_excerpt"
        container = next((folder / "stems" / "train").glob("*.stem.mp4"))
        streams = []
        for index in range(5):
            command = ["ffmpeg", "-v", "error", "-i", str(container), "-map", f"0:{index}", "-f", "s16le", "-"]
            pcm = subprocess.run(command, capture_output=True, check=True).stdout
            streams.append(np.frombuffer(pcm, dtype="<i2").reshape(-1, 2).T / 32768)
        _, drums, bass, other, vocals = streams
        draws = np.random.RandomState(0)
        estimates = {n: draws.random_sample((vocals.shape[1], 2)).T for n in ("vocals", "accompaniment")}
        references = {"vocals": vocals, "accompaniment": drums + bass + other}
        scores = evaluate(BSSEval(), references, estimates, RATE)
        for target in json.loads((folder / "museval_regression.json").read_text())["targets"]:
            for quantity in QUANTITIES:
                expected = [frame["metrics"][quantity] for frame in target["frames"]]
                np.testing.assert_allclose(scores[target["name"], quantity].values, expected, rtol=0, atol=1e-4)


class TestProperties:
    @settings(max_examples=10, deadline=None)
    @given(gain=st.floats(-40, 40), seed=st.integers(0, 99))
    def test_common_gain_changes_nothing(self, gain, seed):
        rng = np.random.default_rng(seed)
        references = {n: rng.standard_normal((2, 4000)) for n in "ab"}
        estimates = {n: s + 0.3 * rng.standard_normal(s.shape) for n, s in references.items()}
        factor = 10 ** (gain / 20)
        plain, scaled = (
            _values(small(), {n: f * s for n, s in references.items()}, {n: f * y for n, y in estimates.items()})
            for f in (1.0, factor)
        )
        np.testing.assert_allclose(scaled, plain, rtol=0, atol=1e-7)

    @settings(max_examples=10, deadline=None)
    @given(gain=st.floats(0.01, 100).filter(lambda g: abs(g - 1) > 0.01))
    def test_gain_of_an_estimate_leaves_sir_and_sar(self, gain):
        rng = np.random.default_rng(7)
        references = {n: rng.standard_normal((2, 4000)) for n in "ab"}
        estimates = {n: s + 0.3 * rng.standard_normal(s.shape) for n, s in references.items()}
        plain, scaled = (_values(small(), references, {n: g * y for n, y in estimates.items()}) for g in (1.0, gain))
        np.testing.assert_allclose(scaled[2:], plain[2:], rtol=0, atol=1e-6)
        assert np.abs(scaled[0] - plain[0]).min() > 1e-3

    def test_swapped_channels_change_nothing(self, evaluate, noise, blurred):
        references = noise()
        estimates = blurred(references)
        plain = evaluate(small(), references, estimates)
        swapped = evaluate(
            small(), {n: s[::-1] for n, s in references.items()}, {n: y[::-1] for n, y in estimates.items()}
        )
        np.testing.assert_allclose(values(swapped, references), values(plain, references), rtol=0, atol=1e-9)

    def test_order_of_sources_changes_nothing(self, evaluate, noise, blurred):
        references = noise()
        estimates = blurred(references)
        plain = evaluate(small(), references, estimates)
        turned = evaluate(small(), {n: references[n] for n in "cab"}, estimates)
        np.testing.assert_allclose(values(turned, references), values(plain, references), rtol=0, atol=1e-9)

    def test_silent_tail_adds_frames_without_values(self, evaluate, noise, blurred):
        references = noise(seconds=2.0)
        estimates = blurred(references)
        tail = np.zeros((2, 6000))
        plain = values(evaluate(small(), references, estimates), references)
        longer = evaluate(
            small(),
            {n: np.hstack([s, tail]) for n, s in references.items()},
            {n: np.hstack([y, tail]) for n, y in estimates.items()},
        )
        longer = values(longer, references)
        assert longer.shape[2] == plain.shape[2] + 1
        assert np.isnan(longer[:, :, -1]).all()
        np.testing.assert_allclose(longer[:, :, :-1], plain, rtol=0, atol=1e-8)

    def test_deterministic_to_the_bit(self, evaluate, noise, blurred):
        references = noise()
        estimates = blurred(references)
        first, second = (values(evaluate(BSSEval(), references, estimates), references) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_inputs_are_left_alone(self, evaluate, noise, blurred):
        references = noise()
        estimates = blurred(references)
        before = [a.copy() for a in (*references.values(), *estimates.values())]
        evaluate(small(), references, estimates)
        for array, copy in zip((*references.values(), *estimates.values()), before, strict=True):
            np.testing.assert_array_equal(array, copy)

    def test_a_subset_is_scored_against_all_references(self, evaluate, noise, blurred):
        references = noise()
        estimates = blurred(references)
        whole = evaluate(small(), references, estimates)
        alone = evaluate(small(), references, {"b": estimates["b"]})
        assert {target for target, _ in alone} == {"b"}
        for quantity in QUANTITIES:
            np.testing.assert_allclose(alone["b", quantity].values, whole["b", quantity].values, rtol=0, atol=1e-9)

    def test_prepared_references_serve_many_estimates(self, noise, blurred):
        references = noise()
        metric = small()
        state = metric.prepare(TrackAudio(references, None, 8000), TargetGroup("group", tuple(references)))
        first = metric.score(state, blurred(references, 1))
        metric.score(state, blurred(references, 2))
        for a, b in zip(first, metric.score(state, blurred(references, 1)), strict=True):
            np.testing.assert_array_equal(a.values, b.values)

    @pytest.mark.parametrize("hop", [0.5, 0.1, 0.003])
    def test_frames_in_parts(self, evaluate, noise, blurred, monkeypatch, hop):
        """Where the correlations of all frames would take too much memory they are made some frames at a time."""
        references = noise()
        estimates = blurred(references)
        references["a"][:, 4000:9000] = 0
        whole = evaluate(small(hop=hop), references, estimates)
        monkeypatch.setattr(decomposition, "_KEPT_BYTES", 8 * 32 * 36 * 3)  # three frames
        parts = evaluate(small(hop=hop), references, estimates)
        np.testing.assert_allclose(values(parts, references), values(whole, references), rtol=0, atol=1e-9)
        assert {k: s.flags for k, s in parts.items()} == {k: s.flags for k, s in whole.items()}


class TestPerfection:
    def test_perfect_estimates_are_infinite(self, evaluate, noise):
        references = noise()
        scores = evaluate(small(), references, references)
        assert np.all(values(scores, references) == np.inf)

    @pytest.mark.parametrize("noise_db", [-70.0, -90.0])
    def test_mixture_with_faint_noise_keeps_its_digits(self, evaluate, noise, noise_db):
        """The noise alone is artifact: a difference of energies would lose it in rounding."""
        references = noise()
        rng = np.random.default_rng(5)
        mixture = sum(references.values())
        dither = rng.standard_normal(mixture.shape) * 10 ** (noise_db / 20) * mixture.std()
        scores = evaluate(small(filter_length=8), references, {"a": mixture + dither})
        frames = [slice(i, i + 4000) for i in range(0, mixture.shape[1], 4000)]
        expected = [10 * np.log10((mixture[:, f] ** 2).sum() / (dither[:, f] ** 2).sum()) for f in frames]
        np.testing.assert_allclose(scores["a", "SAR"].values, expected, rtol=0, atol=0.05)

    def test_exact_mixture_has_hardly_any_artifacts(self, evaluate, noise):
        references = noise()
        scores = evaluate(small(), references, {"a": sum(references.values()) / 3})
        assert scores["a", "SAR"].values.min() > 200
        assert scores["a", "SDR"].values.max() < 10


class TestSilence:
    def test_joint_mask_takes_every_source(self, evaluate, noise, blurred):
        references = noise()
        estimates = blurred(references)
        references["c"][:, 4000:8000] = 0
        scores = evaluate(small(), references, estimates)
        missing = np.isnan(values(scores, references))
        assert missing[:, :, 1].all()
        assert missing.sum() == 12

    def test_per_source_mask_takes_the_silent_source_alone(self, evaluate, noise, blurred):
        references = noise()
        estimates = blurred(references)
        references["c"][:, 4000:8000] = 0
        estimates["a"][:, :4000] = 0
        scores = evaluate(small(silence="per_source"), references, estimates)
        missing = np.isnan(values(scores, references))
        assert missing[:, 2, 1].all()
        assert missing[:, 0, 0].all()
        assert missing.sum() == 8

    @pytest.mark.parametrize("kind", ["reference", "estimate"])
    def test_wholly_silent_source(self, evaluate, noise, blurred, kind):
        references = noise()
        estimates = blurred(references)
        (references if kind == "reference" else estimates)["b"][:] = 0
        for metric in (small(silence="channel_sum"), *[small()] * (kind == "estimate")):
            joint = evaluate(metric, references, estimates)
            assert np.isnan(values(joint, references)).all()
            assert all(f"{kind} 'b' " in s.reason and "silent throughout" in s.reason for s in joint.values())
        own = evaluate(small(silence="per_source"), references, estimates)
        for (target, _), score in own.items():
            assert bool(score.reason) == (target == "b")
            assert np.isnan(score.values).all() == (target == "b")

    def test_no_common_sounding_frame(self, evaluate, noise, blurred):
        references = noise("ab", 1.0)
        estimates = blurred(references)
        references["a"][:, :4000] = 0
        references["b"][:, 4000:] = 0
        scores = evaluate(small(), references, estimates)
        assert all("in every frame" in s.reason and np.isnan(s.values).all() for s in scores.values())

    def test_silent_reference_leaves_the_others_as_without_it(self, evaluate, noise, blurred):
        references = noise()
        estimates = blurred(references)
        references["c"][:] = 0
        estimates["c"][:, :8000] = 0  # what is held there decides nothing
        for silence in ("joint", "per_source"):
            with_it = evaluate(small(silence=silence), references, estimates)
            without = evaluate(small(silence=silence), *({n: x[n] for n in "ab"} for x in (references, estimates)))
            np.testing.assert_allclose(values(with_it, "ab"), values(without, "ab"), rtol=0, atol=1e-9)


class TestHardReferences:
    def test_copied_stem(self, evaluate, noise, blurred):
        """A stem that is a scaled copy of another: nothing can interfere between the two."""
        references = noise("ab")
        references["b"] = 0.5 * references["a"]
        scores = evaluate(small(), references, blurred(references))
        for target in "ab":
            assert np.isfinite(scores[target, "SDR"].values).all()
            assert np.isfinite(scores[target, "SAR"].values).all()
            assert "SIR is undefined" in scores[target, "SIR"].reason

    def test_mono_stem_is_scored_as_with_one_channel(self, evaluate, noise, blurred):
        references = {n: np.repeat(s, 2, axis=0) for n, s in noise("ab", channels=1).items()}
        estimates = {n: np.repeat(y, 2, axis=0) for n, y in blurred(noise("ab", channels=1)).items()}
        stereo = evaluate(small(), references, estimates)
        mono = evaluate(small(), {n: s[:1] for n, s in references.items()}, {n: y[:1] for n, y in estimates.items()})
        np.testing.assert_allclose(values(stereo, "ab"), values(mono, "ab"), rtol=0, atol=1e-7)

    def test_band_limited_references_are_flagged(self, evaluate, noise, blurred):
        """Nothing above 1 kHz: which filter fits there is a matter of the last bits."""
        references = {n: _low_passed(s, 0.125) for n, s in noise("ab").items()}
        scores = evaluate(small(filter_length=128), references, blurred(references))
        assert np.isfinite(values(scores, "ab")).all()
        assert not scores["a", "SDR"].flags
        assert any("ill_conditioned" in scores["a", q].flags for q in ("ISR", "SIR", "SAR"))

    def test_well_conditioned_references_are_not_flagged(self, evaluate, noise, blurred):
        references = noise()
        assert not any(s.flags for s in evaluate(small(), references, blurred(references)).values())

    def test_condition_number_stands_beside_what_hangs_on_it(self, evaluate, noise, blurred):
        """That of the Gram matrix of delayed references, its diagonal scaled to 1, in the 1-norm."""
        references = noise("ab")
        scores = evaluate(small(), references, blurred(references))
        delayed = [np.pad(c, (lag, 31 - lag)) for s in references.values() for c in s for lag in range(32)]
        gram = np.corrcoef(delayed)
        expected = np.linalg.cond(gram, 1)
        for (_, quantity), score in scores.items():
            assert np.isnan(score.condition) if quantity == "SDR" else expected / 5 < score.condition < 5 * expected
        narrow = {n: _low_passed(s, 0.125) for n, s in references.items()}
        assert evaluate(small(), narrow, blurred(narrow))["a", "SIR"].condition > 1e10

    @pytest.mark.parametrize("samples", [1, 2, 31, 32, 33, 700])
    def test_tracks_shorter_than_filter_and_window(self, evaluate, noise, blurred, samples):
        references = {n: s[:, :samples] for n, s in noise("ab").items()}
        estimates = {n: y[:, :samples] for n, y in blurred(noise("ab")).items()}
        scores = evaluate(small(), references, estimates)
        assert all(s.values.shape == (1,) for s in scores.values())
        expected = 10 * np.log10((references["a"] ** 2).sum() / ((estimates["a"] - references["a"]) ** 2).sum())
        assert scores["a", "SDR"].values[0] == pytest.approx(expected, abs=1e-9)
        assert all(np.isfinite(s.values).all() or s.reason for s in scores.values())


class TestInput:
    def test_one_reference_has_no_sir(self, evaluate, noise, blurred):
        references = noise("a")
        scores = evaluate(small(), references, blurred(references))
        assert np.isnan(scores["a", "SIR"].values).all()
        assert scores["a", "SIR"].reason == "SIR is undefined: there is no other reference"
        assert all(np.isfinite(scores["a", q].values).all() for q in ("SDR", "ISR", "SAR"))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_nan_spoils_its_own_estimate_alone(self, evaluate, noise, blurred, bad):
        references = noise()
        estimates = blurred(references)
        plain = evaluate(small(), references, estimates)
        estimates["b"][1, 4321] = bad
        scores = evaluate(small(), references, estimates)
        for (target, quantity), score in scores.items():
            if target == "b":
                assert np.isnan(score.values).all()
                assert score.reason == f"estimate 'b' holds {bad} at channel 1, sample 4321"
            else:
                np.testing.assert_allclose(score.values, plain[target, quantity].values, rtol=0, atol=1e-9)

    def test_bad_arrays_are_named(self, evaluate, noise, blurred):
        references = noise()
        estimates = blurred(references)
        holed = dict(references, b=references["b"].copy())
        holed["b"][0, 7] = np.nan
        cases = [
            (holed, estimates, r"reference 'b' holds nan at channel 0, sample 7"),
            (dict(references, b=references["b"][:, :-1]), estimates, r"reference 'b' has 2 channels and 19999 samples"),
            (references, dict(estimates, c=estimates["c"][:1]), r"estimate 'c' has 1 channels .* expected 2 and 20000"),
            (references, dict(estimates, c=(estimates["c"] * 9e3).astype(np.int16)), r"estimate 'c' is of int16"),
            (references, dict(estimates, c=estimates["c"][0]), r"estimate 'c' has shape \(20000,\)"),
            (references, dict(estimates, x=estimates["c"]), r"estimates of \['x'\] were given"),
            (references, {}, r"estimates of nothing were given"),
            ({n: s[:, :0] for n, s in references.items()}, estimates, r"reference 'a' has 2 channels and 0 samples"),
        ]
        for given_references, given_estimates, message in cases:
            with pytest.raises(AudioError, match=message):
                evaluate(small(), given_references, given_estimates)

    @pytest.mark.parametrize(
        "parameters",
        [
            {"window": 0},
            {"hop": -1.0},
            {"filter_length": 0},
            {"filter_length": 1.5},
            {"silence": "never"},
            {"hop": np.nan},
        ],
    )
    def test_bad_parameters(self, parameters):
        with pytest.raises(ConfigError, match=next(iter(parameters))):
            BSSEval(**parameters)

    def test_registered(self):
        assert metrics.load("bss_eval") is BSSEval


def _values(metric, references, estimates):
    state = metric.prepare(TrackAudio(references, None, 8000), TargetGroup("group", tuple(references)))
    scores = {(s.target, s.quantity): s for s in metric.score(state, estimates)}
    return values(scores, references)


def _low_passed(signal, cutoff):
    spectrum = np.fft.rfft(signal, axis=1)
    spectrum[:, round(2 * cutoff * spectrum.shape[1]) :] = 0
    return np.fft.irfft(spectrum, n=signal.shape[1], axis=1)


class TestMusevalPreset:
    def test_perfect_frames_are_dropped_and_said(self, evaluate, noise, blurred):
        references = noise()
        estimates = blurred(references)
        estimates["a"][:, :4000] = references["a"][:, :4000]  # the first frame
        plain = evaluate(small(), references, estimates)["a", "SDR"]
        dropped = evaluate(small(preset="museval"), references, estimates)["a", "SDR"]
        assert (plain.n_inf, plain.n_valid) == (1, 5)
        assert (dropped.n_inf, dropped.n_valid) == (0, 4)
        assert dropped.flags == ("perfect_dropped:1",)
        assert BSSEval(preset="museval").preset == "museval"

    def test_delivered_references_alone_span_the_projections(self, evaluate, noise, blurred):
        references = noise()
        estimates = {t: e for t, e in blurred(references).items() if t != "c"}
        subset = {t: references[t] for t in estimates}
        alone = evaluate(small(), subset, estimates)
        found = evaluate(small(preset="museval"), references, estimates)
        full = evaluate(small(), references, estimates)
        for key, score in alone.items():
            np.testing.assert_allclose(found[key].values, score.values, atol=1e-9)
        assert np.abs(full["a", "SIR"].values - found["a", "SIR"].values).max() > 0.1

    def test_another_preset_is_refused(self):
        with pytest.raises(ConfigError, match="preset is 'v5', expected v4 or museval"):
            BSSEval(preset="v5")


def test_a_track_shorter_than_the_filters_is_flagged(evaluate, noise, blurred):
    """Three stereo sources and 512 taps have 3072 unknowns; 0.1 s at 8 kHz has 800 samples."""
    for seconds, flagged in ((0.1, True), (0.5, False)):
        references = noise(seconds=seconds)
        scores = evaluate(BSSEval(), references, blurred(references))
        for (_, quantity), score in scores.items():
            assert ("underdetermined" in score.flags) == (flagged and quantity != "SDR")
