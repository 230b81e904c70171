"""The melody trackers: on glides, on the built-in songs whose f0 is known, and where there is no voice."""

from __future__ import annotations

import mir_eval.melody
import numpy as np
import pytest

from mss_bench.datasets.demo import Song, render
from mss_bench.dsp.f0 import F0_METHODS, F0Track, salience_f0, track_f0
from mss_bench.dsp.peaks import Peaks, find_peaks, link_peaks

RATE = 44100


def _glide(low: float, high: float, rate: int = RATE, seconds: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Make a harmonic tone that glides from one f0 to another and back, and its f0."""
    time = np.arange(int(seconds * rate)) / rate
    f0 = low * (high / low) ** (0.5 - 0.5 * np.cos(2 * np.pi * time / seconds))
    phase = 2 * np.pi * np.cumsum(f0) / rate
    return np.sum([np.sin(k * phase + k) / k for k in range(1, 20)], axis=0), f0


def _cents(track: F0Track, f0: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Errors in cents away from the ends; what is unvoiced is 1e4."""
    times = np.arange(0.15, f0.size / rate - 0.15, 0.01)
    found, true = track.at(times), f0[np.round(times * rate).astype(int)]
    return np.abs(1200 * np.log2(np.where(found > 0, found, 1.0) / true)) * (found > 0) + 1e4 * (found <= 0)


@pytest.mark.parametrize("method", F0_METHODS)
@pytest.mark.parametrize(("low", "high"), [(90.0, 130.0), (220.0, 330.0), (500.0, 760.0)])
def test_glides_are_followed(method: str, low: float, high: float) -> None:
    if method == "pyin":
        pytest.importorskip("librosa")
    signal, f0 = _glide(low, high)
    errors = _cents(track_f0(signal.astype(np.float32), RATE, method), f0)
    assert np.median(errors) < 10
    assert np.mean(errors < 50) > 0.97


@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000])
def test_the_sample_rate_makes_no_difference(rate: int) -> None:
    signal, f0 = _glide(200.0, 260.0, rate)
    assert np.mean(_cents(salience_f0(signal, rate), f0, rate) < 30) > 0.95


def test_the_level_makes_no_difference() -> None:
    signal = _glide(200.0, 300.0)[0].astype(np.float32)
    quiet, loud = salience_f0(np.float32(1e-4) * signal, RATE), salience_f0(np.float32(100) * signal, RATE)
    np.testing.assert_allclose(quiet.hertz, loud.hertz, rtol=1e-4)


@pytest.mark.parametrize("method", F0_METHODS)
@pytest.mark.parametrize("samples", [1, 300, RATE])
def test_silence_and_scraps_have_no_melody(method: str, samples: int) -> None:
    if method == "pyin":
        pytest.importorskip("librosa")
    track = track_f0(np.zeros(samples, dtype=np.float32), RATE, method)
    assert not track.hertz.any()
    assert np.isfinite(track_f0(np.ones(samples, dtype=np.float32), RATE, method).hertz).all()


def test_pauses_are_unvoiced() -> None:
    signal, _ = _glide(200.0, 300.0)
    noise = np.random.default_rng(0).standard_normal(signal.size)
    track = salience_f0(np.concatenate([signal, 0.01 * noise, signal]), RATE)
    assert not track.at(np.arange(2.3, 3.7, 0.01)).any()
    assert (track.at(np.arange(0.2, 1.8, 0.01)) > 0).all()


@pytest.fixture(scope="module")
def song() -> Song:
    return render("test", 0)


def _score(track: F0Track, song: Song) -> dict[str, float]:
    truth = song.annotations["stems"]["vocals"]["f0"]
    return dict(mir_eval.melody.evaluate(np.array(truth["times"]), np.array(truth["hertz"]), track.times, track.hertz))


def test_the_sung_line_of_a_song_is_found_alone_and_in_the_mixture(song: Song) -> None:
    alone = _score(salience_f0(song.stems["vocals"].mean(axis=0), RATE), song)
    mixed = _score(salience_f0(song.mixture.mean(axis=0), RATE), song)
    assert alone["Raw Pitch Accuracy"] > 0.88
    assert alone["Voicing False Alarm"] < 0.1
    assert mixed["Raw Pitch Accuracy"] > 0.88
    assert mixed["Overall Accuracy"] > 0.8


def test_pyin_finds_the_sung_line_alone(song: Song) -> None:
    pytest.importorskip("librosa")
    track = track_f0(song.stems["vocals"][:, 5 * RATE : 11 * RATE].mean(axis=0), RATE, "pyin")
    truth = song.annotations["stems"]["vocals"]["f0"]
    times = np.array(truth["times"])
    part = (times >= 5) & (times < 11)
    scores = mir_eval.melody.evaluate(times[part] - 5, np.array(truth["hertz"])[part], track.times, track.hertz)
    assert (np.array(truth["hertz"])[part] > 0).mean() > 0.3
    assert scores["Raw Pitch Accuracy"] > 0.9


def test_values_between_frames_and_at_the_edges_of_pauses() -> None:
    track = F0Track(0.1, np.array([100.0, 200.0, 0.0, 300.0]))
    np.testing.assert_allclose(
        track.at(np.array([0.0, 0.05, 0.14, 0.16, 0.2, 0.28, 5.0])), [100, 150, 200, 0, 0, 300, 300]
    )


def test_peaks_have_the_frequency_and_amplitude_of_the_sinusoids() -> None:
    time = np.arange(RATE) / RATE
    signal = 0.5 * np.sin(2 * np.pi * 441.7 * time) + 0.1 * np.sin(2 * np.pi * 1003.3 * time)
    peaks = find_peaks(signal, RATE, n_fft=4096, hop=1024, frames=5, first=4096, floor=25.0)
    assert (np.bincount(peaks.frame) == 2).all()
    np.testing.assert_allclose(peaks.hertz.reshape(5, 2), np.tile([441.7, 1003.3], (5, 1)), atol=0.5)
    np.testing.assert_allclose(peaks.amplitude.reshape(5, 2), np.tile([0.5, 0.1], (5, 1)), rtol=0.02)


def test_tracks_go_on_in_their_nearest_neighbour_and_end_in_gaps() -> None:
    frame = np.array([0, 0, 1, 1, 1, 2, 4])
    hertz = np.array([100.0, 200.0, 101.0, 199.0, 400.0, 102.0, 102.0])
    tracks = link_peaks(Peaks(frame, hertz, np.ones(7), 5))
    assert tracks[0] == tracks[2] == tracks[5]
    assert tracks[1] == tracks[3]
    assert len(set(tracks.tolist())) == 4  # 100 Hz, 200 Hz, 400 Hz alone, and 102 Hz after the gap
    far = link_peaks(Peaks(np.array([0, 1]), np.array([100.0, 110.0]), np.ones(2), 2))
    assert far[0] != far[1]
    assert not link_peaks(Peaks(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0), 3)).size
