"""uSDR is the score of the demixing challenges, cSDR the SDR of BSS Eval v4."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics import metrics
from mss_bench.metrics.bss_eval import BSSEval
from mss_bench.metrics.energy import CSDR, USDR


def test_formula_of_the_challenge(evaluate, noise, blurred):
    references = noise("ab")
    estimates = blurred(references)
    scores = evaluate(USDR(), references, estimates)
    for name, s in references.items():
        expected = 10 * np.log10((np.sum(s**2) + 1e-7) / (np.sum((s - estimates[name]) ** 2) + 1e-7))
        assert scores[name, "uSDR"].values == pytest.approx([expected], abs=1e-9)
        assert scores[name, "uSDR"].scope == "track"


def test_known_values(evaluate):
    """SNR 16.1805 of a published example; with delta = 0 uSDR is the SNR."""
    scores = evaluate(USDR(delta=0), {"a": np.array([[3, -0.5, 2, 7]])}, {"a": np.array([[2.5, 0.0, 2, 8]])})
    assert scores["a", "uSDR"].values[0] == pytest.approx(16.1805, abs=1e-4)


def test_long_float32_songs_are_summed_in_float64(evaluate):
    reference = np.full((2, 300_001), 0.1, dtype=np.float32)
    scores = evaluate(USDR(delta=0), {"a": reference}, {"a": reference * np.float32(0.5)})
    assert scores["a", "uSDR"].values[0] == pytest.approx(20 * np.log10(2), abs=1e-6)


def test_silence_and_perfection(evaluate, noise):
    s = noise("a")["a"]
    silent = np.zeros_like(s)
    assert evaluate(USDR(), {"a": silent}, {"a": s})["a", "uSDR"].reason == "reference 'a' is silent throughout"
    for preset, delta in (("mdx21", 1e-7), ("demucs", 1e-7), ("zfturbo", 1e-8)):
        tool = USDR(preset=preset)
        assert evaluate(tool, {"a": silent}, {"a": silent})["a", "uSDR"].values[0] == 0
        leaked = 10 * np.log10(delta / (np.sum(s**2) + delta))
        assert evaluate(tool, {"a": silent}, {"a": s})["a", "uSDR"].values[0] == pytest.approx(leaked, abs=1e-4)
    assert evaluate(USDR(), {"a": s}, {"a": silent})["a", "uSDR"].values[0] == pytest.approx(0, abs=1e-6)
    ceiling = 10 * np.log10((np.sum(s**2) + 1e-7) / 1e-7)
    assert evaluate(USDR(), {"a": s}, {"a": s})["a", "uSDR"].values[0] == pytest.approx(ceiling)
    assert evaluate(USDR(delta=0), {"a": s}, {"a": s})["a", "uSDR"].values[0] == np.inf
    nothing = evaluate(USDR(delta=0, silent_reference="scored"), {"a": silent}, {"a": silent})["a", "uSDR"]
    assert np.isnan(nothing.values[0])
    assert nothing.reason == "reference and estimate are silent, and delta is 0"


class TestChallengePreset:
    """What the kit of the Music Demixing Challenge does: stack ``(stems, samples, channels)``, cast, sum in float32."""

    @staticmethod
    def kit(references, estimates):
        s, y = (np.stack([a.T for a in each.values()]).astype(np.float32) for each in (references, estimates))
        num, den = np.sum(np.square(s), axis=(1, 2)), np.sum(np.square(s - y), axis=(1, 2))
        num += 1e-7
        den += 1e-7
        return (10 * np.log10(num / den)).tolist()

    def test_to_the_bit(self, evaluate, noise, blurred):
        references = noise("abc", seconds=20.0)
        estimates = blurred(references)
        references["b"] *= 0  # silent stems
        references["c"] *= 0
        estimates["c"] *= 1e-6
        found = evaluate(USDR(preset="mdx21"), references, estimates)
        assert [found[name, "uSDR"].values[0] for name in "abc"] == self.kit(references, estimates)

    def test_the_cast_is_what_sets_it_apart_from_demucs(self, evaluate, noise):
        """An error below the last bit of float32 is lost in the kit and measured by Demucs in float64."""
        references = noise("a", seconds=20.0)
        estimates = {"a": references["a"] * (1 + 2.0**-26)}
        assert (
            evaluate(USDR(preset="mdx21"), references, estimates)["a", "uSDR"].values[0]
            == (self.kit(references, estimates)[0])
        )
        kit, demucs = (
            evaluate(USDR(preset=preset), references, estimates)["a", "uSDR"].values[0]
            for preset in ("mdx21", "demucs")
        )
        exact = np.sum(references["a"] ** 2)
        assert demucs == pytest.approx(10 * np.log10((exact + 1e-7) / (exact * 2.0**-52 + 1e-7)), abs=1e-9)
        assert abs(kit - demucs) > 1e-5

    def test_sums_differ_in_the_last_bits_of_float32(self, evaluate, noise, blurred):
        references = noise("a", seconds=20.0)
        estimates = blurred(references)
        kit, demucs = (
            evaluate(USDR(preset=preset), references, estimates)["a", "uSDR"].values[0]
            for preset in ("mdx21", "demucs")
        )
        assert kit != demucs
        assert kit == pytest.approx(demucs, abs=1e-4)

    def test_what_float32_cannot_hold_has_a_reason(self, evaluate, noise):
        references = {"a": 1e30 * noise("a")["a"]}
        score = evaluate(USDR(preset="mdx21"), references, {"a": 0.5 * references["a"]})["a", "uSDR"]
        assert np.isnan(score.values[0])
        assert score.reason == "the energies are beyond what float32 holds"


def test_nan_spoils_its_own_estimate_alone(evaluate, noise, blurred):
    references = noise("ab")
    estimates = blurred(references)
    estimates["a"][0, 5] = np.nan
    scores = evaluate(USDR(), references, estimates)
    assert np.isnan(scores["a", "uSDR"].values[0])
    assert "channel 0, sample 5" in scores["a", "uSDR"].reason
    assert np.isfinite(scores["b", "uSDR"].values[0])


def test_bad_input(evaluate, noise):
    references = noise("a")
    with pytest.raises(AudioError, match="estimate 'a' has 1 channels"):
        evaluate(USDR(), references, {"a": references["a"][:1]})
    with pytest.raises(ConfigError, match="delta"):
        USDR(delta=-1.0)
    with pytest.raises(ConfigError, match="precision is 'float16'"):
        USDR(precision="float16")


def test_registered():
    assert metrics.load("usdr") is USDR


class TestCSDR:
    def test_is_the_sdr_of_bss_eval(self, evaluate, noise, blurred):
        """Without its projections, in any window, and with silence of both kinds."""
        references = noise()
        estimates = blurred(references)
        references["b"][:, 4000:8000] = 0
        estimates["c"][:, 12000:16000] = 0
        for parameters in (
            {"window": 0.5, "hop": 0.5},
            {"window": 0.5, "hop": 0.3, "silence": "per_source"},
            {"window": 9.0, "hop": 1.0},
        ):
            ours = evaluate(CSDR(**parameters), references, estimates)
            theirs = evaluate(BSSEval(**parameters, filter_length=8), references, estimates)
            for name in references:
                np.testing.assert_allclose(ours[name, "cSDR"].values, theirs[name, "SDR"].values, rtol=0, atol=1e-9)
                assert ours[name, "cSDR"].window == parameters["window"]

    def test_perfect_frames_are_infinite_and_silence_has_a_reason(self, evaluate, noise):
        references = noise("ab")
        scores = evaluate(CSDR(), references, references)
        assert np.all(scores["a", "cSDR"].values == np.inf)
        silent = evaluate(CSDR(), references, references | {"b": np.zeros_like(references["b"])})
        assert np.isnan(silent["a", "cSDR"].values).all()
        assert silent["a", "cSDR"].reason == "estimate 'b' silent throughout (silence=joint)"
        own = evaluate(CSDR(silence="per_source"), references, references | {"b": np.zeros_like(references["b"])})
        assert np.all(own["a", "cSDR"].values == np.inf)

    @pytest.mark.parametrize("parameters", [{"window": 0.0}, {"hop": -1.0}, {"silence": "none"}])
    def test_bad_parameters(self, parameters):
        with pytest.raises(ConfigError, match=next(iter(parameters))):
            CSDR(**parameters)
