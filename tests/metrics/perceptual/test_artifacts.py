"""Measures of artifacts: each sees its own fault, and hardly any other."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import ConfigError
from mss_bench.metrics.perceptual.alignment import delayed_by
from mss_bench.metrics.perceptual.artifacts import Artifacts
from mss_bench.metrics.perceptual.degradations import LADDERS

OWN = {
    "LKR": "musical_noise",
    "Smearing": "smear",
    "HF-loss": "low_pass",
    "ILD-error": "pan",
    "ITD-error": "channel_delay",
    "Phase-error": "phase",
}
RATE = 44100


def measure(references, target, estimate, rate=RATE, **parameters):
    """Scores of one target by quantity."""
    metric, first = Artifacts(**parameters), next(iter(references.values()))
    state = metric.prepare(TrackAudio(dict(references), first, rate), TargetGroup("g", tuple(references)))
    return {score.quantity: score for score in metric.score(state, {target: estimate})}


@pytest.fixture(scope="module", params=["vocals", "drums"])
def reactions(request, song):
    """Values ``{ladder: {quantity: (steps,)}}`` for a stem of the demo; of foreign ladders the last step alone."""
    target = request.param
    others = sum(song[stem] for stem in song if stem != target)
    values = {}
    for name, ladder in LADDERS.items():
        levels = ladder.levels if name in OWN.values() else ladder.levels[-1:]
        steps = [measure(song, target, ladder.apply(song[target], x, RATE, others=others)) for x in levels]
        values[name] = {q: np.array([scores[q].value for scores in steps]) for q in OWN}
    return values


@pytest.mark.parametrize(("quantity", "own"), OWN.items())
def test_a_measure_reacts_five_times_as_strongly_to_its_own_fault_as_to_any_other(reactions, quantity, own):
    strongest = {name: np.nanmax(values[quantity]) for name, values in reactions.items()}
    others = {name: value for name, value in strongest.items() if name != own}
    worst = max(others, key=others.get)
    assert strongest[own] >= 5 * others[worst], f"{quantity}: {strongest[own]:.3g}, {worst}: {others[worst]:.3g}"


@pytest.mark.parametrize(("quantity", "own"), OWN.items())
def test_a_measure_grows_along_its_own_ladder(reactions, quantity, own):
    values = reactions[own][quantity]
    assert (np.diff(values) >= 0).all(), values
    assert values[-1] > 4 * values[1]


def test_image_errors_are_in_the_units_of_their_ladders(reactions):
    np.testing.assert_allclose(reactions["pan"]["ILD-error"], LADDERS["pan"].levels, rtol=0.01)
    np.testing.assert_allclose(reactions["channel_delay"]["ITD-error"], LADDERS["channel_delay"].levels, rtol=0.01)


def test_the_reference_itself_has_no_artifact(song):
    for score in measure(song, "drums", song["drums"]).values():
        assert score.value == pytest.approx(0, abs=1e-6)


def test_gain_and_delay_are_no_artifacts(song):
    estimate = np.roll(0.5 * song["drums"], 441, axis=1)
    values = {q: s.value for q, s in measure(song, "drums", estimate).items()}
    limits = {"LKR": 0.01, "Smearing": 0.05, "HF-loss": 0.1, "ILD-error": 0.01, "ITD-error": 1.0, "Phase-error": 0.01}
    assert all(values[q] < limit for q, limit in limits.items()), values


def test_the_delay_is_found_through_gain_polarity_and_bleed(song):
    drums, mixture = song["drums"].astype(np.float64), sum(song.values())
    assert delayed_by(drums, -0.3 * np.roll(drums, 700, axis=1), RATE) == 700
    assert delayed_by(drums, np.roll(drums, -123, axis=1) + 0.1 * mixture, RATE) == -123
    assert delayed_by(drums, 0 * drums, RATE) == 0


def test_long_tracks_are_measured_in_pieces(song):
    long = {name: np.tile(stem, (1, 9)) for name, stem in song.items()}  # 45 s: two pieces
    panned = LADDERS["pan"].apply(long["drums"], 4.0, RATE)
    assert measure(long, "drums", panned)["ILD-error"].value == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize("rate", [16000, 48000, 96000])
def test_other_rates_see_the_same_fault(song, rate):
    from mss_bench.metrics._signals import at_rate

    stems = {name: at_rate(stem, RATE, rate) for name, stem in song.items()}
    noisy = LADDERS["musical_noise"].apply(song["vocals"], 0.0, RATE)
    found = measure(stems, "vocals", at_rate(noisy, RATE, rate))
    assert found["LKR"].value > 0.4
    assert found["Smearing"].value < 1
    assert found["ILD-error"].value < 0.1
    assert found["Phase-error"].value < 0.05


def test_what_cannot_be_measured_says_why(song):
    mono = {name: stem[:1] for name, stem in song.items()}
    found = measure(mono, "drums", mono["drums"])
    assert "two channels, found 1" in found["ILD-error"].reason
    assert found["LKR"].value == 0
    three = {name: np.concatenate([stem, stem[:1]]) for name, stem in song.items()}
    assert "found 3" in measure(three, "drums", three["drums"])["ITD-error"].reason
    low = {name: stem[:, ::8] for name, stem in song.items()}
    assert "nothing above 4000 Hz at 5512 Hz" in measure(low, "drums", low["drums"], rate=5512)["HF-loss"].reason
    silent = {**song, "drums": 0 * song["drums"]}
    reasons = {
        "reference 'drums' is silent throughout": measure(silent, "drums", song["drums"]),
        "the estimate is silent": measure(song, "drums", 0 * song["drums"]),
        "9000 samples are too few": measure(
            {n: s[:, :9000] for n, s in song.items()}, "drums", song["drums"][:, :9000]
        ),
        "the reference dominates its mixture nowhere": measure(
            {"drums": song["drums"], "same": song["drums"]}, "drums", song["drums"]
        ),
    }
    for reason, scores in reasons.items():
        assert reason in scores["LKR"].reason
        assert np.isnan([score.value for score in scores.values()]).all()


def test_steady_noise_has_no_attacks():
    noise = np.random.default_rng(0).standard_normal((2, 2 * RATE))
    assert "no attacks" in measure({"a": noise}, "a", noise)["Smearing"].reason


def test_parameters_are_checked():
    with pytest.raises(ConfigError, match="treble is 0"):
        Artifacts(treble=0.0)
    with pytest.raises(ConfigError, match="dominance is nan"):
        Artifacts(dominance=np.nan)
    assert Artifacts().preset == "default"
    assert Artifacts(treble=8000.0).preset == "default treble=8000.0"
