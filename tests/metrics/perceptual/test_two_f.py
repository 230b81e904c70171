"""The 2f-model: against P. Kabal's interpretation of the standard, along ladders of degradations, on bad input."""

from __future__ import annotations

import time

import numpy as np
import pytest

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import AudioError
from mss_bench.metrics.perceptual.degradations import LADDERS
from mss_bench.metrics.perceptual.two_f import TwoF, two_f_score

RATE = 48000


def score(reference, *estimates, rate=RATE):
    """Values of 2f, AvgModDiff1B and ADBB for each estimate, the reference prepared once."""
    metric = TwoF()
    state = metric.prepare(TrackAudio({"a": reference}, reference, rate), TargetGroup("g", ("a",)))
    found = [metric.score(state, {"a": estimate}) for estimate in estimates]
    return [[score.value for score in scores] for scores in found], found[0]


@pytest.fixture(scope="module")
def tones():
    """Stereo, 2 s at 48 kHz: a saw of 19 partials with tremolo, after a pause."""
    t = np.arange(2 * RATE) / RATE
    tone = 0.1 * (1 + 0.5 * np.sin(2 * np.pi * 4 * t)) * sum(np.sin(2 * np.pi * 220 * k * t) / k for k in range(1, 20))
    both = np.stack([tone, 0.5 * tone])
    both[:, :5000] = 0
    return both


# AvgModDiff1B and ADBB of a transcription, frame by frame and band by band, of P. Kabal's PQevalAudio (2003), whose
# bands were set to the closed form.
KABAL = {
    "gain": (1.3358550727209257, 2.2623113707032045),
    "clipped": (88.94307511212486, 2.886335777791178),
    "smoothed": (3.190652281412805, 2.232878677196687),
    "silent": (45.52342405594348, 3.3415880098747723),
    "right fainter": (0.29735620783216243, 1.2158124023524894),
}


def test_output_variables_are_those_of_kabal(tones):
    estimates = {
        "gain": 0.8 * tones,
        "clipped": np.clip(tones, -0.1, 0.1),
        "smoothed": np.stack([np.convolve(channel, np.ones(8) / 8, "same") for channel in tones]),
        "silent": 0 * tones,
        "right fainter": tones * np.array([[1.0], [0.9]]),
    }
    values, _ = score(tones, *estimates.values())
    for (grade, *variables), expected in zip(values, KABAL.values(), strict=True):
        np.testing.assert_allclose(variables, expected, rtol=1e-9)
        assert grade == pytest.approx(two_f_score(*expected))


def test_formula_by_hand():
    # 56.1345 / (1 + 1.9908^2) - 54.2902 + 86.3515
    assert two_f_score(40.0, 2.0) == pytest.approx(43.3712, abs=1e-4)
    assert two_f_score(0.0, 0.0) == 100
    assert two_f_score(50.0, 4.0) == 0


@pytest.mark.parametrize("rate", [44100, 48000])
def test_identical_signals_give_100(song, rate):
    values, scores = score(song["vocals"], song["vocals"], rate=rate)
    assert values == [[100.0, 0.0, 0.0]]
    assert {s.flags for s in scores} == ({("resampled:48000",)} if rate == 44100 else {()})


@pytest.mark.parametrize(
    "name", ["bleed", "low_pass", "musical_noise", "reverb", "gain", "delay", "clipping", "smear", "pan"]
)
@pytest.mark.parametrize("target", ["vocals", "drums"])
def test_grade_falls_along_every_ladder_that_it_claims(song, name, target):
    others = sum(song[stem] for stem in song if stem != target)
    ladder = LADDERS[name]
    steps = [ladder.apply(song[target], level, 44100, others=others) for level in ladder.levels]
    values, _ = score(song[target], song[target], *steps, rate=44100)
    grades = [grade for grade, *_ in values]
    assert grades == sorted(grades, reverse=True)
    assert grades[-1] < 60


def test_several_estimates_share_a_reference_and_change_nothing(tones):
    alone, _ = score(tones, 0.8 * tones)
    together, _ = score(tones, 0.5 * tones, 0.8 * tones)
    assert together[1] == alone[0]


def test_resampled_audio_is_judged_like_the_same_audio_at_48_kilohertz(tones):
    from mss_bench.metrics._signals import at_rate

    estimate = np.clip(tones, -0.2, 0.2)
    at_48, _ = score(tones, estimate)
    at_96, _ = score(at_rate(tones, RATE, 96000), at_rate(estimate, RATE, 96000), rate=96000)
    assert at_96[0][0] == pytest.approx(at_48[0][0], abs=0.5)


def test_mono_is_the_mean_of_two_equal_channels(tones):
    mono, _ = score(tones[:1], 0.7 * tones[:1])
    stereo, _ = score(np.repeat(tones[:1], 2, axis=0), 0.7 * np.repeat(tones[:1], 2, axis=0))
    np.testing.assert_allclose(mono, stereo)


def test_what_cannot_be_graded_says_why(tones):
    for reference, reason in (
        (0 * tones, "reference 'a' is silent throughout"),
        (tones[:, :20000], "20000 samples at 48 kHz"),
    ):
        values, scores = score(reference, reference)
        assert np.isnan(values).all()
        assert all(s.reason.startswith(reason) for s in scores)
    values, _ = score(tones, np.where(np.arange(tones.shape[1]) == 9, np.nan, tones))
    assert np.isnan(values).all()
    with pytest.raises(AudioError, match="mono and stereo, found 3 channels"):
        score(np.zeros((3, RATE)), np.zeros((3, RATE)))


def test_at_least_20_times_real_time_for_stereo():
    reference = 0.1 * np.random.default_rng(0).standard_normal((2, 20 * 44100)).astype(np.float32)
    score(reference[:, :44100], reference[:, :44100], rate=44100)
    started = time.process_time()
    score(reference, 0.9 * reference, rate=44100)
    assert 20 / (time.process_time() - started) > 20
