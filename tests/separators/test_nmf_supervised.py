"""Supervised factorisation: spectra learned from other songs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.core.tracks import Stems, Targets, Track, TrackId
from mss_bench.datasets.catalog import load_catalog
from mss_bench.datasets.demo import render
from mss_bench.errors import ConfigError
from mss_bench.registry import import_file
from mss_bench.separators.nmf import NMF
from mss_bench.separators.nmf_supervised import DEMO, Dictionary, SupervisedNMF, learn

NAMES = ("vocals", "drums", "bass", "other")
SMALL = {"n_fft": 1024, "hop": 256, "components": 10}


@pytest.fixture
def track(tmp_path: Path) -> Callable[..., Track]:
    """Write stems as a track of a train split."""
    numbers = count()

    def write(stems: Stems, rate: int, dataset: str = "made_up") -> Track:
        folder = tmp_path / f"song {next(numbers)}"
        for name, stem in stems.items():
            audio.write(folder / f"{name}.wav", 0.1 * stem, rate)
        files = {name: (folder / f"{name}.wav",) for name in stems}
        return Track(TrackId(dataset, "train", folder.name), rate, files)

    return write


def _song(signals: ModuleType, other: str, seed: int) -> Stems:
    rng = np.random.default_rng(seed)
    low = signals.notes(rng, signals.LOW_NOTES)
    return {
        "low": low,
        "other": signals.clicks(rng) if other == "clicks" else signals.notes(rng, getattr(signals, other)),
    }


def _gains(dictionary: Path, song: Stems, gains: Callable[..., list[float]], rate: int) -> list[float]:
    mixture = np.asarray(sum(song.values()), dtype=np.float32)
    method = SupervisedNMF(dictionary=str(dictionary))
    found = method.separate(mixture, rate, targets=Targets(tuple(song)), rng=np.random.default_rng(0))
    return gains(song, found, mixture)


@pytest.mark.parametrize(("other", "mean", "least"), [("HIGH_NOTES", 11, 10), ("clicks", 14, 13)])
def test_new_melodies_of_known_notes_are_separated(
    other: str,
    mean: float,
    least: float,
    track: Callable[..., Track],
    tmp_path: Path,
    gains: Callable[..., list[float]],
    factor_signals: ModuleType,
) -> None:
    found = []
    for seed in range(3):
        learned = learn([track(_song(factor_signals, other, 100 + seed), factor_signals.RATE)], seed=seed, **SMALL)
        learned.save(tmp_path / "dictionary.npz")
        found += _gains(tmp_path / "dictionary.npz", _song(factor_signals, other, seed), gains, factor_signals.RATE)
    assert np.mean(found) > mean
    assert min(found) > least


def test_sources_with_the_same_notes_stay_together(
    track: Callable[..., Track], tmp_path: Path, gains: Callable[..., list[float]], factor_signals: ModuleType
) -> None:
    learn([track(_song(factor_signals, "LOW_NOTES", 100), factor_signals.RATE)], **SMALL).save(tmp_path / "same.npz")
    song = _song(factor_signals, "LOW_NOTES", 0)
    assert np.mean(_gains(tmp_path / "same.npz", song, gains, factor_signals.RATE)) < 4


@pytest.mark.slow
def test_the_shipped_dictionary_is_that_of_the_demo(tmp_path: Path) -> None:
    maker = import_file(Path(__file__).parents[1] / "data" / "make_nmf_demo.py")
    learned = learn(load_catalog()["demo"].tracks("train")[: maker.SONGS])
    shipped = Dictionary.read(DEMO)
    assert shipped.trained_on == learned.trained_on == SupervisedNMF.trained_on
    assert tuple(shipped.spectra) == NAMES
    for name, spectra in learned.spectra.items():
        # Rounding differs between machines, and hundreds of updates make more of it.
        distance = np.linalg.norm(shipped.spectra[name] - spectra) / np.linalg.norm(spectra)
        assert distance < 0.05, name


def test_on_the_demo_it_is_far_above_blind_methods() -> None:
    gained = []
    for index in range(2):
        song = render("test", index)
        stems = {name: stem[:, : 6 * 44100] for name, stem in song.stems.items()}
        mixture = np.asarray(sum(stems.values()), dtype=np.float32)
        rng, targets = np.random.default_rng(0), Targets(NAMES)
        known = SupervisedNMF().separate(mixture, 44100, targets=targets, rng=rng)
        blind = NMF(assignment="oracle").separate(mixture, 44100, targets=targets, rng=rng, references=stems)
        gained.append([_snr(stems[n], known[n]) - _snr(stems[n], blind[n]) for n in NAMES])
    assert np.mean(gained) > 1


def _snr(true: np.ndarray, found: np.ndarray) -> float:
    return 10 * float(np.log10(np.sum(true**2.0) / np.sum((found - true) ** 2.0)))


@pytest.mark.parametrize("rate", [16000, 22050, 48000])
def test_another_rate_gets_frames_of_the_same_duration(rate: int) -> None:
    song = render("test", 0)
    stems = {name: audio.resample(stem[:, : 5 * 44100], 44100, rate) for name, stem in song.stems.items()}
    mixture = np.asarray(sum(stems.values()), dtype=np.float32)
    found = SupervisedNMF().separate(mixture, rate, targets=Targets(NAMES), rng=np.random.default_rng(0))
    np.testing.assert_allclose(sum(found.values()), mixture, atol=1e-5)
    assert np.mean([_snr(stems[n], found[n]) - _snr(stems[n], mixture / 4) for n in NAMES]) > 0.5
    stft, spectra = Dictionary.read(DEMO).at(rate)
    assert stft.n_fft / rate == pytest.approx(4096 / 44100, rel=1e-3)
    assert spectra["bass"].shape[1] == stft.bins


@pytest.mark.parametrize("mask", ["binary", "soft", "wiener", "multichannel"])
@pytest.mark.parametrize("samples", [1, 5000])
def test_every_filter_and_length_adds_up(mask: str, samples: int) -> None:
    noise = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    found = SupervisedNMF(mask=mask, iterations=2).separate(
        noise, 44100, targets=Targets(NAMES), rng=np.random.default_rng(0)
    )
    np.testing.assert_allclose(sum(found.values()), noise, atol=1e-5)


@pytest.mark.parametrize("divergence", ["euclidean", "kl", "is"])
def test_a_dictionary_is_a_file_that_says_what_it_is_of(
    divergence: str, track: Callable[..., Track], tmp_path: Path, factor_signals: ModuleType
) -> None:
    tracks = [track(_song(factor_signals, "clicks", seed), factor_signals.RATE) for seed in range(2)]
    learned = learn(tracks, divergence=divergence, frames=200, iterations=5, **SMALL)
    learned.save(tmp_path / "own.npz")
    read = Dictionary.read(tmp_path / "own.npz")
    assert (read.sample_rate, read.n_fft, read.hop, read.divergence) == (factor_signals.RATE, 1024, 256, divergence)
    for name, spectra in learned.spectra.items():
        np.testing.assert_allclose(read.spectra[name], spectra, rtol=1e-3, atol=1e-5)
    method = SupervisedNMF(dictionary=str(tmp_path / "own.npz"))
    assert method.trained_on == ("made_up/train",)
    assert method.files(tracks[0].id) == [tmp_path / "own.npz"]
    assert method.produces(Targets(("low", "other", "voice")), tracks[0].id) == ("low", "other")


def test_files_that_are_no_dictionaries_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dictionary .*none\.npz does not exist; make one with learn"):
        SupervisedNMF(dictionary=str(tmp_path / "none.npz"))
    (tmp_path / "text.npz").write_text("spectra")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "objects.npz", names=np.array([{}], dtype=object))
    for name in ("text", "other", "objects"):
        with pytest.raises(ConfigError, match=rf"{name}\.npz is not a dictionary"):
            SupervisedNMF(dictionary=str(tmp_path / f"{name}.npz"))
    shipped = Dictionary.read(DEMO)
    Dictionary({n: s[:, :-1] for n, s in shipped.spectra.items()}, 44100, 4096, 1024, "kl", ()).save(
        tmp_path / "cut.npz"
    )
    with pytest.raises(ConfigError, match=r"spectra of vocals have the shape \(24, 2048\)"):
        SupervisedNMF(dictionary=str(tmp_path / "cut.npz"))


def test_tracks_that_cannot_be_learned_from_are_named(track: Callable[..., Track]) -> None:
    noise, silence = np.random.default_rng(0).standard_normal((1, 8000)), np.zeros((1, 8000))
    with pytest.raises(ConfigError, match="learn: no tracks"):
        learn([])
    with pytest.raises(ConfigError, match="learn: b is silent in all of the 1 tracks"):
        learn([track({"a": noise, "b": silence}, 8000)], **SMALL)
    with pytest.raises(ConfigError, match="tracks of 8000, 16000 Hz; expected one sample rate"):
        learn([track({"a": noise}, 8000), track({"a": noise}, 16000)])
    with pytest.raises(ConfigError, match=r"has the stems \['b'\], expected \['a'\]"):
        learn([track({"a": noise}, 8000), track({"b": noise}, 8000)])
