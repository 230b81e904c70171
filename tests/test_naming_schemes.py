"""Names that people and tools give to files: each scheme, for references and for estimates, reads as the plain one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mss_bench.core.tracks import Targets, TrackId
from mss_bench.datasets.references import from_references
from mss_bench.separators.estimates.folder import pair

RATE = 8000
SONGS = ("Al - Song [live] v1.2", "Motörhead", "A_B")
STEMS = ("vocals", "drums", "bass", "other")
TARGETS = Targets(STEMS, {"accompaniment": STEMS[1:]})

SCHEMES = {
    "folders": "{song}/{stem}.wav",
    "FLAC": "{song}/{stem}.flac",
    "capital": "{song}/{Stem}.wav",
    "capital extension": "{song}/{stem}.WAV",
    "all capitals": "{song}/{STEM}.WAV",
    "hyphen": "{song}-{stem}.wav",
    "spaced hyphen": "{song} - {Stem}.wav",
    "underscore": "{song}_{stem}.wav",
    "dot": "{song}.{stem}.wav",
    "space": "{song} {stem}.wav",
    "brackets": "{song} [{stem}].wav",
    "parentheses": "{song} ({Stem}).wav",
    "stem first, underscore": "{stem}_{song}.wav",
    "stem first, hyphen": "{stem} - {song}.wav",
    "stem first, brackets": "[{stem}] {song}.wav",
    "audio-separator": "{song}_({Stem})_model_bs_roformer_ep_317_sdr_12.9755.wav",
    "UVR": "{number}_{song}_({Stem}).wav",
    "Demucs": "htdemucs/{song}/{stem}.wav",
    "model, then song": "scnet xl/{song}/{Stem}.wav",
    "stem folders": "{stem}/{song}.wav",
    "model and stem folders": "mdx/{Stem}/{song}.flac",
    "in a folder of the song": "{song}/{song}_{stem}.wav",
    "numbered, space": "{song}/0{number} {Stem}.wav",
    "numbered, underscore": "htdemucs/{song}/{number}_{stem}.wav",
}


def named(scheme: str, number: int, stem: str) -> str:
    return SCHEMES[scheme].format(
        song=SONGS[number], number=number + 1, stem=stem, Stem=stem.capitalize(), STEM=stem.upper()
    )


def sound(song: int, stem: int) -> np.ndarray:
    return 0.1 * np.random.default_rng([song, stem]).standard_normal((800, 2))


def write(root: Path, scheme: str) -> Path:
    """Write songs of four stems and a mixture."""
    for number in range(len(SONGS)):
        parts = {stem: sound(number, i) for i, stem in enumerate(STEMS)}
        for part, samples in (parts | {"mixture": sum(parts.values())}).items():
            file = root / named(scheme, number, part)
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, samples, RATE, subtype="PCM_24")
    return root


@pytest.mark.parametrize("scheme", SCHEMES)
def test_estimates_pair(tmp_path: Path, scheme: str) -> None:
    for i in range(len(SONGS)):
        for stem in (*STEMS, "mixture"):
            (tmp_path / named(scheme, i, stem)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / named(scheme, i, stem)).touch()
    tracks = [TrackId("data", "test", song) for song in SONGS]
    for songs in (len(SONGS), 1):
        pairing = pair(tmp_path, tracks[:songs], TARGETS, known=tracks)
        pairing.check()
        assert pairing.files == {
            tracks[i]: {stem: tmp_path / named(scheme, i, stem) for stem in STEMS} for i in range(songs)
        }
        assert pair(tmp_path, tracks[:songs], TARGETS).files == pairing.files, "a run knows its own tracks alone"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_references_are_found(tmp_path: Path, scheme: str) -> None:
    dataset = from_references(write(tmp_path / "mine", scheme))
    tracks = {track.name: track.load() for track in dataset.tracks()}
    number = (lambda i: f"{i + 1}_") if scheme == "UVR" else (lambda i: "")
    assert list(tracks) == sorted(number(i) + song for i, song in enumerate(SONGS))
    assert set(dataset.targets) == {*STEMS, "accompaniment"}
    for i, song in enumerate(SONGS):
        audio = tracks[number(i) + song]
        for k, stem in enumerate(STEMS):
            np.testing.assert_allclose(audio.references[stem], sound(i, k).T, atol=1e-6)
        np.testing.assert_allclose(audio.mixture, sum(sound(i, k) for k in range(4)).T, atol=1e-6)
