"""PEASS' decomposition: its parts add up, and each error lands where it belongs."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics.perceptual.decomposition import decompose
from mss_bench.metrics.perceptual.subband_ratios import SubbandRatios
from mss_bench.metrics.perceptual.subbands import erb, filterbank

RATE = 44100


def decibels(part, whole):
    return 10 * np.log10(np.sum(np.square(part)) / np.sum(np.square(whole)))


@pytest.fixture(scope="module")
def stems(song):
    return {name: stem[:, : 3 * RATE].astype(np.float64) for name, stem in song.items()}


def shares(stems, target, estimate):
    """Energy of distortion, interference and artifacts, relative to the whole error."""
    others = {name: stem for name, stem in stems.items() if name != target}
    parts = decompose(stems[target], others, estimate, RATE)
    error = np.sum((estimate - stems[target]) ** 2)
    found = (parts.target_distortion, parts.interference, parts.artifacts)
    return parts, [np.sum(part**2) / error for part in found]


@pytest.mark.parametrize("target", ["vocals", "drums"])
def test_each_error_lands_in_its_component_and_all_add_up(stems, target):
    s, rng = stems[target], np.random.default_rng(0)
    others = sum(stem for name, stem in stems.items() if name != target)
    noise = 0.3 * s.std() * rng.standard_normal(s.shape)
    for index, estimate in enumerate([0.6 * s, s + 0.3 * others, s + noise]):
        parts, found = shares(stems, target, estimate)
        assert decibels(parts.estimate - estimate, estimate) < -100
        assert found[index] > 0.9, found
        assert sum(found) - found[index] < 0.1


def test_bleed_of_one_source_in_one_channel_is_interference(stems):
    bleed = stems["bass"] * np.array([[0.5], [0.0]])
    parts, (_, interference, _) = shares(stems, "drums", stems["drums"] + bleed)
    assert interference > 0.9
    assert not parts.interference[1].any()


def test_a_filter_that_changes_with_frequency_is_target_distortion(stems):
    s = stems["vocals"]
    filtered = s + 0.5 * np.pad(s[:, :-20], ((0, 0), (20, 0)))
    _, (distortion, interference, _) = shares(stems, "vocals", filtered)
    assert distortion > 0.9
    assert interference < 0.01


def test_the_target_itself_has_no_error(stems):
    parts = decompose(stems["bass"], {"drums": stems["drums"]}, stems["bass"], RATE)
    assert not parts.target_distortion.any()
    assert not parts.interference.any()
    assert not parts.artifacts.any()


def test_two_equal_sources_share_what_they_explain(stems):
    s = stems["drums"]
    parts = decompose(s, {"twin": s.copy()}, 0.5 * s, RATE)
    assert decibels(parts.artifacts, 0.5 * s) < -30
    assert np.isfinite(parts.estimate).all()


def test_long_signals_are_split_where_it_does_not_show():
    rng = np.random.default_rng(0)
    target, other = rng.standard_normal((2, 1, 65 * 2000))
    parts = decompose(target, {"other": other}, target + 0.3 * other, 2000)  # 65 s: two pieces
    assert decibels(parts.interference - 0.3 * other, 0.3 * other) < -40


@pytest.mark.parametrize("samples", [1, 100, 5000])
def test_short_silent_and_lone_signals_are_taken(samples):
    signal = np.random.default_rng(0).standard_normal((1, samples))
    for target, others in ((signal, {}), (signal, {"silent": 0 * signal}), (0 * signal, {"other": signal})):
        parts = decompose(target, others, signal + 0.1, 8000)
        np.testing.assert_allclose(parts.estimate, signal + 0.1, atol=1e-12)


def test_wrong_input_is_refused():
    signal = np.ones((2, 100))
    with pytest.raises(AudioError, match="the target has shape"):
        decompose(signal[0], {}, signal[0], RATE)
    with pytest.raises(AudioError, match="source 'bass' has shape"):
        decompose(signal, {"bass": signal[:1]}, signal, RATE)
    with pytest.raises(ConfigError, match="sample rate is 0"):
        decompose(signal, {}, signal, 0)


@pytest.mark.parametrize(("n", "rate"), [(44100, 44100), (24000, 8000), (1000, 48000), (96000, 96000)])
def test_the_filterbank_gives_back_the_signal(n, rate):
    signal = np.random.default_rng(0).standard_normal(n)
    spectrum, again = np.fft.rfft(signal), np.zeros(n // 2 + 1, dtype=complex)
    for band in filterbank(n, rate):
        again[band.bins] += band.synthesise(band.analyse(spectrum[None])[0])
    assert decibels(np.fft.irfft(again, n) - signal, signal) < -250


def test_filters_are_gammatones_of_one_erb():
    assert erb(1000.0) == pytest.approx(132.6, abs=0.1)
    frequency = np.fft.rfftfreq(RATE, 1 / RATE)
    for band in filterbank(RATE, RATE)[5:-2]:
        response = band.analysis / band.analysis.max()
        centre = frequency[band.bins][response.argmax()]
        # (1 + (ERB / (1.019 ERB))^2)^-2 = 0.2594 at one ERB from the centre, less the floor of 0.01
        at = np.interp(centre + erb(centre), frequency[band.bins], response)
        assert at == pytest.approx((0.2594 - 0.01) / 0.99, abs=0.02)


def ratios(references, estimates, rate=RATE):
    metric, first = SubbandRatios(), next(iter(references.values()))
    state = metric.prepare(TrackAudio(dict(references), first, rate), TargetGroup("g", tuple(references)))
    return {(s.target, s.quantity): s for s in metric.score(state, estimates)}


def test_ratios_tell_the_kinds_of_error_apart(stems):
    s = stems["vocals"]
    others = sum(stem for name, stem in stems.items() if name != "vocals")
    bleed = 10 ** (-12 / 20) * np.sqrt(np.sum(s**2) / np.sum(others**2)) * others
    found = ratios(stems, {"vocals": s + bleed})
    assert found["vocals", "SB-SIR"].value == pytest.approx(12, abs=0.1)
    assert found["vocals", "SB-ISR"].value > 30
    assert found["vocals", "SB-SAR"].value > 30
    gained = ratios(stems, {"vocals": 0.5 * s})
    assert gained["vocals", "SB-ISR"].value == pytest.approx(6.02, abs=0.1)
    assert all(np.isposinf(score.value) for score in ratios(stems, {"vocals": s}).values())


def test_a_silent_reference_has_no_ratios(stems):
    found = ratios({**stems, "vocals": 0 * stems["vocals"]}, {"vocals": stems["vocals"]})
    assert {score.reason for score in found.values()} == {"reference 'vocals' is silent throughout"}
    assert SubbandRatios.slow
