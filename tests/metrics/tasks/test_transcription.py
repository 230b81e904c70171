"""Transcriptions: scores are mir_eval's, truths are the reference's transcript or what was played."""

from __future__ import annotations

import json

import mir_eval
import numpy as np
import pytest

from mss_bench.core.annotations import Annotations
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.dsp.f0 import F0Track
from mss_bench.errors import ConfigError
from mss_bench.metrics import refuse_shared_quantities
from mss_bench.metrics.tasks.bass_notes import BassNotes, notes_of
from mss_bench.metrics.tasks.beats import Beats
from mss_bench.metrics.tasks.drum_onsets import DrumOnsets
from mss_bench.metrics.tasks.melody import Melody
from mss_bench.metrics.tasks.transcription import Transcript

RNG = np.random.default_rng(0)
TIMES = np.sort(RNG.uniform(0, 20, 40))
FOUND = np.sort(np.concatenate([TIMES[::2] + RNG.normal(0, 0.04, 20), RNG.uniform(0, 20, 10)]))
CLICKS = np.arange(0.4, 6, 0.5)


def played(tmp_path, content, **part):
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    return Annotations(tmp_path / "annotations.json", **part)


@pytest.fixture(scope="module")
def clicks():
    """Two targets of 6 s at 22.05 kHz: strokes every half second, and strokes in between."""
    noise = np.random.default_rng(0).standard_normal((2, 1, 6 * 22050)).astype(np.float32)
    time = np.arange(noise.shape[2]) / 22050
    drums, other = (
        np.sum([np.where(time >= t, np.exp(-(time - t) / 0.02), 0) for t in at], axis=0)
        for at in (CLICKS, CLICKS - 0.2)
    )
    return {"drums": 0.3 * noise[0] * drums, "other": 0.5 * noise[1] * other}


def scores(metric, references, estimate, annotations=None, mixture=None, rate=22050):
    track = TrackAudio(references, sum(references.values()) if mixture is None else mixture, rate, annotations)
    state = metric.prepare(track, TargetGroup("g", tuple(references)))
    return {s.quantity: s for s in metric.score(state, {metric.target: estimate})}


def test_onset_and_beat_scores_are_mir_evals():
    truth, found = Transcript(TIMES), Transcript(FOUND)
    assert DrumOnsets().compare(truth, found) == (mir_eval.onset.f_measure(TIMES, FOUND)[0],)
    expected = mir_eval.beat.evaluate(TIMES + 5, FOUND + 5)  # which leaves out the first five seconds
    assert Beats().compare(truth, found) == (expected["Any Metric Level Total"], expected["F-measure"])


def test_melody_scores_are_mir_evals():
    times = np.arange(300) * 0.0116
    hertz = np.where(np.arange(300) % 50 < 40, 220 * 2 ** (np.arange(300) // 50 / 12), 0.0)
    other = np.where(np.arange(300) % 37 < 30, hertz * 2 ** (RNG.normal(0, 0.4, 300) / 12), 0.0)
    expected = mir_eval.melody.evaluate(times, hertz, times, other)
    found = Melody().compare(Transcript(times, hertz), Transcript(times, other))
    assert found == tuple(expected[k] for k in ("Voicing Recall", "Raw Pitch Accuracy", "Overall Accuracy"))


def test_note_scores_are_mir_evals():
    hertz = 440 * 2 ** (RNG.integers(-40, -20, TIMES.size) / 12)
    late = TIMES + RNG.normal(0, 0.04, TIMES.size)
    other = hertz * 2 ** (RNG.normal(0, 0.4, TIMES.size) / 12)
    expected = mir_eval.transcription.evaluate(
        np.stack([TIMES, TIMES + 0.3], axis=1), hertz, np.stack([late, late + 0.2], axis=1), other
    )
    found = BassNotes().compare(Transcript(TIMES, hertz, TIMES + 0.3), Transcript(late, other, late + 0.2))
    assert found == (expected["F-measure_no_offset"],)


def test_a_frequency_is_cut_into_notes_where_semitone_voicing_or_stroke_change():
    hertz = np.repeat([0.0, 55.0, 0.0, 58.27, 61.74, 0.0], [10, 30, 5, 60, 20, 10])
    found = notes_of(F0Track(0.01, hertz), strokes=np.array([0.75]))
    np.testing.assert_allclose(found.times, [0.10, 0.45, 0.75, 1.05])
    np.testing.assert_allclose(found.offsets, [0.40, 0.75, 1.05, 1.25])
    np.testing.assert_allclose(found.hertz, [55.0, 58.27, 58.27, 61.74])


def test_short_runs_are_no_notes():
    hertz = np.repeat([0.0, 55.0, 0.0], [10, 4, 10])
    assert notes_of(F0Track(0.01, hertz), np.zeros(0)).times.size == 0


def test_the_share_of_the_gap_that_is_closed(clicks):
    mixture = clicks["drums"] + clicks["other"]
    metric = DrumOnsets()
    floor = scores(metric, clicks, mixture)["Onset-F"].value
    assert 0.5 < floor < 0.8  # as many false strokes as right ones
    half = clicks["drums"] + clicks["other"] * (np.arange(mixture.shape[1]) > mixture.shape[1] // 2)
    found = scores(metric, clicks, half)
    assert found["Onset-gap"].value == pytest.approx((found["Onset-F"].value - floor) / (1 - floor))
    assert 0.2 < found["Onset-gap"].value < 0.8
    assert scores(metric, clicks, clicks["drums"])["Onset-gap"].value == 1
    assert scores(metric, clicks, 0.1 * mixture)["Onset-gap"].value == 0


def test_where_the_mixture_is_as_good_there_is_no_gap(clicks):
    found = scores(DrumOnsets(), clicks, clicks["drums"], mixture=clicks["drums"])
    assert found["Onset-F"].value == 1
    assert "no gap" in found["Onset-gap"].reason


def test_what_was_played_is_the_truth_where_it_is_asked_for(clicks, tmp_path):
    hits = [{"onset": t, "drum": "snare"} for t in [*CLICKS, *(CLICKS + 0.01)]]  # those that fall together count once
    known = played(tmp_path, {"stems": {"drums": {"hits": hits}}, "beats": CLICKS.tolist()})
    metric = DrumOnsets(against="played")
    assert (metric.preset, metric.needs_annotations) == ("played", True)
    assert scores(metric, clicks, clicks["drums"], known)["Onset-F"].value == 1
    half = played(tmp_path, {"stems": {"drums": {"hits": hits[: len(CLICKS) // 2]}}})
    assert scores(metric, clicks, clicks["drums"], half)["Onset-F"].value == pytest.approx(2 / 3)
    beats = scores(Beats(against="played"), clicks, clicks["drums"], played(tmp_path, {"beats": CLICKS.tolist()}))
    assert beats["Beat-F"].value > 0.8


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "expected annotations.json"),
        ({"stems": {"drums": {}}}, "expected annotations.json"),
        ({"stems": {"drums": {"hits": []}}}, "no onsets of 'drums' were played"),
    ],
)
def test_without_notes_there_is_a_reason(clicks, tmp_path, content, reason):
    known = None if content is None else played(tmp_path, content)
    found = scores(DrumOnsets(against="played"), clicks, clicks["drums"], known)
    assert all(np.isnan(s.value) and reason in s.reason for s in found.values())


def test_silence_and_short_signals(clicks):
    silent = np.zeros_like(clicks["drums"])
    found = scores(DrumOnsets(), clicks, silent)
    assert found["Onset-F"].value == 0
    assert found["Onset-gap"].value < 0
    assert "silent throughout" in scores(DrumOnsets(), clicks | {"drums": silent}, silent)["Onset-F"].reason
    short = {name: array[:, 9000:14000] for name, array in clicks.items()}
    assert "too few" in scores(DrumOnsets(), short, short["drums"])["Onset-F"].reason


def test_channels_are_averaged_and_other_rates_resampled_and_flagged(clicks):
    wide = {name: np.repeat(array, 3, axis=0) for name, array in clicks.items()}
    found = scores(DrumOnsets(), wide, wide["drums"])["Onset-F"]
    assert (found.value, found.flags) == (1, ())
    assert scores(DrumOnsets(), clicks, clicks["drums"], rate=44100)["Onset-F"].flags == ("resampled:22050",)
    opposite = np.concatenate([clicks["drums"], -clicks["drums"]])
    stereo = {"drums": opposite, "other": np.repeat(clicks["other"], 2, axis=0)}
    assert "no onsets are found" in scores(DrumOnsets(), stereo, opposite)["Onset-F"].reason


def test_other_targets_go_by_another_preset(clicks):
    metric = DrumOnsets(target="other")
    assert (metric.preset, metric.targets) == ("default target=other", ("other",))
    assert scores(metric, clicks, clicks["other"])["Onset-F"].target == "other"
    with pytest.raises(ConfigError, match=r"scores the target 'vocals'.*drums, other.*melody:target=NAME"):
        scores(Melody(), clicks, clicks["drums"])
    with pytest.raises(ConfigError, match="expected reference or played"):
        Beats(against="score")


def test_each_transcriber_of_a_melody_is_named_and_has_a_floor_and_a_ceiling_of_its_own():
    both = [("melody", Melody()), ("melody:transcriber=swift_f0", Melody(transcriber="swift_f0"))]
    refuse_shared_quantities(both)  # one run may have both
    assert [metric.preset for _, metric in both] == ["pyin", "swift_f0"]
    assert Melody(transcriber="swift_f0", against="played").preset == "swift_f0 played"
    with pytest.raises(ConfigError, match="transcriber is 'crepe', expected pyin or swift_f0"):
        Melody(transcriber="crepe")


@pytest.mark.parametrize(("transcriber", "frame"), [("pyin", 256 / 22050), ("swift_f0", 256 / 16000)])
def test_the_transcribers_hear_what_was_played_on_the_demo(track, made, transcriber, frame):
    """The melody of the reference is right in nine frames of ten, of the mixture in less."""
    metric = Melody(against="played", transcriber=transcriber)
    times = metric._transcript(made["reference"]["vocals"], track.sample_rate).times
    assert np.diff(times) == pytest.approx(frame)
    state = metric.prepare(track, TargetGroup("4stem", tuple(made["reference"])))
    found = {s.quantity: s.value for s in metric.score(state, made["reference"])}
    assert found["Melody-RPA"] > 0.9
    assert found["Melody-gap"] == 1
    assert state.derived.floor < state.derived.best - 0.1
