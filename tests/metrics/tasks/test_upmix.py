"""Upmixing: the channels' errors are those of channels that are really made by the rule."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.metrics.tasks.upmix import Upmix

RATE = 16000
STEMS = ("vocals", "drums", "bass", "other")


@pytest.fixture(scope="module")
def stems():
    """Four stereo noises of 3 s, independent."""
    rng = np.random.default_rng(0)
    made = {}
    for index, name in enumerate(STEMS):
        mono, wide = rng.standard_normal((1, 3 * RATE)), rng.standard_normal((2, 3 * RATE))
        made[name] = 0.05 * (np.array([[1.0], [0.6 + 0.1 * index]]) * mono + 0.3 * wide)
    return made


@pytest.fixture(scope="module")
def estimates(stems):
    rng = np.random.default_rng(1)
    return {name: 0.9 * s + 0.01 * rng.standard_normal(s.shape) for name, s in stems.items()}


def upmix(stems, estimates):
    metric = Upmix()
    state = metric.prepare(TrackAudio(dict(stems), sum(stems.values()), RATE), TargetGroup("g", tuple(stems)))
    return {(s.target, s.quantity.removeprefix("Upmix-")): s for s in metric.score(state, dict(estimates))}


def channels(stems):
    """The rule of the documentation, as audio."""
    mid = {name: s.mean(axis=0) for name, s in stems.items()}
    side = {name: (s[0] - s[1]) / 2 for name, s in stems.items()}
    ambience = side["vocals"] + side["other"]
    low = sosfilt(butter(4, 120, fs=RATE, output="sos"), mid["drums"] + mid["bass"])
    return {
        "centre": np.sqrt(2) * mid["vocals"][None],
        "front": stems["drums"] + stems["bass"] + mid["other"],
        "rear": np.stack([ambience, -ambience]),
        "LFE": np.sqrt(2) * low[None],
    }


def test_errors_are_those_of_the_channels(stems, estimates):
    found, true, made = upmix(stems, estimates), channels(stems), channels(estimates)
    for name, channel in true.items():
        expected = 10 * np.log10(np.sum((made[name] - channel) ** 2) / np.sum(channel**2))
        # of the few bins of the LFE the windows of the spectrogram let some of the neighbours in
        assert found["vocals", name].value == pytest.approx(expected, abs=0.5 if name == "LFE" else 0.05), name


def test_a_downmix_gives_the_stereo_mixture_back(stems):
    made = channels(stems)
    np.testing.assert_allclose(made["front"] + made["centre"] / np.sqrt(2) + made["rear"], sum(stems.values()))


def test_numbers_are_joint(stems, estimates):
    found = upmix(stems, estimates)
    for quantity in ("centre", "front", "rear", "LFE", "crosstalk"):
        assert len({found[stem, quantity].value for stem in STEMS}) == 1


def test_crosstalk_is_a_stem_in_the_wrong_channel(stems):
    leak = 0.2
    leaking = dict(stems) | {"vocals": stems["vocals"] + leak * stems["drums"]}
    found, true = upmix(stems, leaking), channels(stems)
    foreign = leak**2 * 2 * sum(np.sum(x**2) for x in _mid_side(stems["drums"]))
    expected = 10 * np.log10(foreign / sum(np.sum(true[name] ** 2) for name in ("centre", "front", "rear")))
    assert found["vocals", "crosstalk"].value == pytest.approx(expected, abs=0.5)
    assert found["vocals", "front"].value == pytest.approx(-120)


def _mid_side(stereo):
    return (stereo[0] + stereo[1]) / 2, (stereo[0] - stereo[1]) / 2


def test_what_is_missing_has_a_reason(stems, estimates):
    lacking = {name: estimates[name] for name in ("vocals", "bass")}
    assert upmix(stems, lacking)["vocals", "centre"].reason.endswith("there is no estimate of drums, other")
    mono = {name: np.repeat(s[:1], 2, axis=0) for name, s in stems.items()}
    assert "silent" in upmix(mono, mono)["drums", "rear"].reason
    assert upmix(mono, mono)["drums", "centre"].value == pytest.approx(-120)
    two = {"vocals": stems["vocals"], "accompaniment": stems["other"]}
    assert "silent" in upmix(two, two)["vocals", "LFE"].reason
    assert upmix(two, two)["vocals", "front"].value == pytest.approx(-120)


def test_what_the_mixture_gives_is_undefined(stems):
    """Without drums and bass the rear is the side of the mixture: estimates that add up have it right."""
    two = {"vocals": stems["vocals"], "accompaniment": stems["drums"] + stems["bass"] + stems["other"]}
    mixture = sum(two.values())
    found = upmix(two, dict.fromkeys(two, mixture / 2))
    assert np.isnan(found["vocals", "rear"].value)
    assert "part of the mixture" in found["vocals", "rear"].reason
    assert found["vocals", "centre"].value > -10
    assert np.isfinite(found["vocals", "crosstalk"].value)
    low = {name: stems[name] for name in ("drums", "bass")}  # all of it is front, and its mid the LFE
    lonely = upmix(low, dict.fromkeys(low, sum(low.values()) / 2))
    assert all("part of the mixture" in lonely["drums", name].reason for name in ("front", "LFE"))
    assert "every stem belongs in every channel" in lonely["drums", "crosstalk"].reason
