"""Every built-in metric keeps its declarations, and the suite catches those that do not."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from mss_bench.core.parameters import parameters
from mss_bench.errors import AudioError
from mss_bench.metrics import Metric, Quantity, Score, metrics
from mss_bench.metrics.base import Framewise
from mss_bench.metrics.contract import check_metric

OURS = [name for name in metrics.names() if metrics.origin(name) == "mss_bench"]
BUILT_IN = [name for name in OURS if not metrics.load(name).module]  # the others have tests of their own

# Short filters, so that the suite stays quick; two frames at least are needed for a pause beside sound.
SMALL = {
    "bss_eval": {"window": 0.25, "hop": 0.25, "filter_length": 16},
    "bss_eval_v3_images": {"filter_length": 16},
    "bss_eval_v3_sources": {"filter_length": 16},
    "silence": {"window": 0.25, "hop": 0.25},
    "csdr": {"window": 0.25, "hop": 0.25},
    "artifacts": {"treble": 1000.0, "dominance": -np.inf},
}


def failures(metric):
    return {
        result.name: result.detail
        for result in check_metric(metric, seconds=1.5, sample_rate=8000)
        if not result.passed
    }


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_metrics_keep_their_declarations(name):
    results = check_metric(metrics.load(name)(**SMALL.get(name, {})), seconds=1.5, sample_rate=8000)
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []
    assert len(results) == 20


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("snr", {"preset": "auraloss"}),
        ("snr", {"per_channel": False, "zero_mean": True}),
        ("si_sdr", {"preset": "zfturbo"}),
        ("si_sdr", {"preset": "torchmetrics", "zero_mean": True}),
        ("sd_sdr", {"per_channel": False}),
        ("sa_sdr", {"preset": "torchmetrics"}),
        ("sa_sdr", {"scale_invariant": False}),
        ("si_bss_eval", {"preset": "fast_bss_eval"}),
        ("si_bss_eval", {"per_channel": False, "zero_mean": True}),
        ("usdr", {"delta": 0.0}),
        ("csdr", {"window": 0.25, "hop": 0.125, "silence": "per_source"}),
        ("csdr", {"window": 0.25, "hop": 0.25, "preset": "museval"}),
        ("usdr", {"preset": "zfturbo"}),
        ("mr_stft", {"preset": "auraloss"}),
        ("log_wmse", {"gate": -np.inf}),
    ],
)
def test_other_parameters_keep_the_declarations_too(name, parameters):
    assert failures(metrics.load(name)(**parameters)) == {}


def test_every_built_in_metric_has_a_citation_with_a_year():
    for name in OURS:
        cls = metrics.load(name)
        assert cls.name == name
        assert re.search(r"\b(19|20)\d\d\b", cls.citation), f"{name}: no year in the citation {cls.citation!r}"
        assert ("Parameters\n" in cls.__doc__) == bool(parameters(cls)), name


class _Honest(Metric):
    """Greatest difference of two samples, with nothing of the base class; the subclasses break a promise each."""

    name = "distance"
    quantities = (Quantity("Distance", "", False, "max |y - s|"),)
    citation = "none, 2026"

    def prepare(self, track, group):
        return track.references

    def score(self, state, estimates):
        values = {
            t: np.array([self.value(state[t], y) if state[t].any() else np.nan], dtype=np.float64)
            for t, y in estimates.items()
        }
        return [
            Score(t, "Distance", v, reason="NaN sample or silence" if np.isnan(v[0]) else "") for t, v in values.items()
        ]

    def value(self, s, y):
        return np.abs(y - s).max()


class _NoReason(_Honest):
    def score(self, state, estimates):
        return [Score(s.target, s.quantity, s.values) for s in super().score(state, estimates)]


class _OtherQuantity(_Honest):
    def score(self, state, estimates):
        return [Score(t, "Distanz", np.array([1.0])) for t in estimates]


class _ThrowsAwayNaN(_Honest):
    def value(self, s, y):
        return np.nanmax(np.abs(y - s))


class _WrongDirection(_Honest):
    quantities = (Quantity("Distance", "", True, "max |y - s|"),)


class _Blind(_Honest):
    def value(self, s, y):
        return 0.0 * y.max()


class _WritesIntoInput(_Honest):
    def value(self, s, y):
        y -= s
        return np.abs(y).max()


class _Remembers(_Honest):
    def value(self, s, y):
        s += 0.01
        return np.abs(y - s).max()


class _Draws(_Honest):
    rng = np.random.default_rng(0)

    def value(self, s, y):
        return np.abs(y - s).max() * (1 + 0.1 * self.rng.random())


class _NeedsASecond(_Honest):
    def value(self, s, y):
        return np.abs(y - s)[:, 4000:].max()


class _StereoOnly(_Honest):
    def value(self, s, y):
        if len(y) != 2:
            raise AudioError("only stereo")
        return super().value(s, y)


class _SpoilsOthers(_Honest):
    def score(self, state, estimates):
        holed = any(np.isnan(y).any() for y in estimates.values())
        return [
            Score(s.target, s.quantity, np.array([np.nan]), reason="a NaN sample somewhere") if holed else s
            for s in super().score(state, estimates)
        ]


class _ScoresSilence(_Honest):
    def score(self, state, estimates):
        values = {t: np.array([self.value(state[t], y)], dtype=np.float64) for t, y in estimates.items()}
        return [Score(t, "Distance", v, reason="NaN" if np.isnan(v[0]) else "") for t, v in values.items()]


class _SilenceVoidsAll(_Honest):
    def score(self, state, estimates):
        void = not all(s.any() for s in state.values())
        return [
            Score(s.target, s.quantity, np.array([np.nan]), reason="silence somewhere") if void else s
            for s in super().score(state, estimates)
        ]


class _SilenceHelps(_Honest):
    def score(self, state, estimates):
        gain = 1.0 if all(y.any() for y in estimates.values()) else 0.5
        return [Score(s.target, s.quantity, gain * s.values, reason=s.reason) for s in super().score(state, estimates)]


class _Framed(Framewise):
    """Greatest difference in each frame; the base class leaves out the frames that do not count."""

    name = "distances"
    quantities = (Quantity("Distances", "", False, "max |y - s|"),)
    citation = "none, 2026"
    window = hop = 0.25

    def measure(self, track, target, estimate):
        spans = self.frames(track.samples, track.sample_rate).spans
        return np.array([np.abs(estimate - track.references[target])[:, a:b].max() for a, b in spans])


class _CountsPauses(_Framed):
    def measure_all(self, track, estimates):
        return {t: self.measure(track, t, y) for t, y in estimates.items()}


class _SumsChannels(_Framed):
    def measure(self, track, target, estimate):
        spans = self.frames(track.samples, track.sample_rate).spans
        heard = [track.references[target].sum(axis=0)[a:b].any() for a, b in spans]
        return np.where(heard, super().measure(track, target, estimate), np.nan)


class _Nameless(_Honest):
    citation = ""


class _BareParameter(_Honest):
    def __init__(self, gain=1.0):
        self.gain = gain


@pytest.mark.parametrize(
    ("broken", "check", "detail"),
    [
        (_NoReason, "NaN", "Distance of vocals with a NaN sample is [nan], expected NaN"),
        (_OtherQuantity, "names and shapes", "('vocals', 'Distanz')"),
        (_ThrowsAwayNaN, "NaN", "expected NaN"),
        (_WrongDirection, "direction", "for the reference itself; expected less"),
        (_Blind, "direction", "Distance is no worse with noise, leakage, loss"),
        (_WritesIntoInput, "input unchanged", "estimates vocals"),
        (_Remembers, "deterministic, state unchanged", "Distance of vocals is another"),
        (_Draws, "deterministic, state unchanged", "Distance of vocals is another"),
        (_NeedsASecond, "0.1 s", "raised ValueError: zero-size array"),
        (_SpoilsOthers, "NaN", "changes Distance of drums"),
        (_ScoresSilence, "silent reference", "where its reference is silent throughout; expected NaN with a reason"),
        (_SilenceVoidsAll, "silent reference", "has 0 of 1 values beside the silent reference of drums; expected 1"),
        (_SilenceHelps, "silent estimate", "when the estimate of drums is silent; expected nothing better"),
        (_CountsPauses, "pauses", "in which reference drums is silent; expected NaN"),
        (_SumsChannels, "channels that cancel", "of 6 values beside vocals with channels that cancel; expected 2"),
        (_Nameless, "declarations", "citation"),
        (_BareParameter, "parameters", "'gain' lacks an annotation"),
    ],
)
def test_a_broken_promise_is_found_and_explained(broken, check, detail):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert detail in failures(broken())[check]


def test_what_keeps_its_promises_passes_and_a_refusal_in_words_is_none_of_the_failures():
    assert failures(_Honest()) == {}
    assert failures(_StereoOnly()) == {}
    assert failures(_Framed()) == {}
    details = {r.name: r.detail for r in check_metric(_StereoOnly(), seconds=0.3, sample_rate=8000)}
    assert details["mono"] == "refused: only stereo"
