"""What the doctors find stands beside the scores of a run; a wrong name is asked about before anything is scored."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mss_bench
from mss_bench.core import audio
from mss_bench.errors import ConfigError
from tests.conftest import CATALOG, write_song

SONGS = ("Song A", "Song B")


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Two songs of 4 s in a catalog of their own."""
    for i, name in enumerate(SONGS):
        write_song(tmp_path / "tiny" / "test" / name, seed=i, seconds=4.0)
    (tmp_path / "catalog.yaml").write_text(CATALOG.format(root=tmp_path / "tiny"))
    return tmp_path


@pytest.fixture
def two_stems(songs: Path) -> Path:
    """Vocals, and everything but the vocals under the name of other."""
    rng = np.random.default_rng(0)
    for name in SONGS:
        folder = songs / "tiny" / "test" / name
        vocals, mixture = (audio.read(folder / f"{stem}.wav") for stem in ("vocals", "mixture"))
        vocals = vocals + np.float32(0.1 * vocals.std()) * rng.standard_normal(vocals.shape).astype(np.float32)
        audio.write(songs / "est" / name / "vocals.wav", vocals, 8000)
        audio.write(songs / "est" / name / "other.wav", mixture - vocals, 8000)
    return songs


def _run(root: Path, capsys: pytest.CaptureFixture[str], **options: object) -> tuple[pd.DataFrame, str]:
    separators = options.pop("separators", [{"name": "estimates", "dir": str(root / "est"), "as": "mine"}])
    results = mss_bench.run(
        "tiny", separators, ["usdr"],
        catalogs=[str(root / "catalog.yaml")], out=root / "run", jobs=1, quiet=True, **options,
    )  # fmt: skip
    tracks = results.tracks
    return tracks[tracks.separator == "mine"], capsys.readouterr().err


def test_everything_but_the_vocals_called_other_is_asked_about(two_stems: Path, capsys) -> None:
    with pytest.raises(ConfigError) as error:
        _run(two_stems, capsys)
    assert "Song A: other: it is accompaniment (drums + bass + other) rather than other" in str(error.value)
    assert '--map "accompaniment=other"' in str(error.value)
    assert not (two_stems / "run").exists()


def test_with_the_map_that_was_asked_for_the_accompaniment_is_scored(two_stems: Path, capsys) -> None:
    scored, told = _run(two_stems, capsys, map="accompaniment=other")
    assert set(scored.target) == {"vocals", "accompaniment"}
    assert scored[scored.target == "accompaniment"].value.min() > 15
    assert "rather than" not in told


def test_a_program_with_two_stems_fails_for_other_until_its_names_are_said(two_stems: Path, capsys) -> None:
    """Its estimates come after the run has begun."""
    for song in SONGS[1:]:
        shutil.rmtree(two_stems / "tiny" / "test" / song)
    tool = two_stems / "tool"
    tool.write_text(f'#!/bin/sh\ncp "{two_stems}/est/Song A"/*.wav "$2"\n')
    tool.chmod(0o755)
    program = {
        "name": "command",
        "command": f"{tool} {{input}} {{output_dir}}",
        "targets": "vocals+other",
        "as": "mine",
    }
    scored, _ = _run(two_stems, capsys, separators=[program])
    (other,) = scored[scored.target == "other"].itertuples()
    assert other.status == "invalid_output"
    assert 'pass --map "accompaniment=other", or --map none' in other.reason
    assert scored[scored.target == "vocals"].status.eq("ok").all()
    scored, _ = _run(two_stems, capsys, separators=[program], map="none")
    assert scored[scored.target == "other"].status.eq("ok").all()


@pytest.mark.parametrize("options", [{"map": "none"}, {"doctor": False}])
def test_declined_it_is_scored_under_its_name(two_stems: Path, capsys, options: dict[str, object]) -> None:
    scored, told = _run(two_stems, capsys, **options)
    assert scored[scored.target == "other"].value.max() < 3
    assert ("rather than other" in told) == (options.get("doctor", True))


def test_a_run_tells_the_faults_of_estimates(two_stems: Path, capsys) -> None:
    for name in SONGS:
        file = two_stems / "est" / name / "vocals.wav"
        audio.write(file, np.roll(audio.read(file), 100, axis=1), 8000)
    _, told = _run(two_stems, capsys, map="accompaniment=other")
    assert "error: Song A: vocals: 100 samples (12.5 ms) too late" in told
    assert "The scores of mine mean little until this is fixed" in told


def test_a_run_tells_that_drums_and_mixture_are_exchanged_in_the_references(two_stems: Path, capsys) -> None:
    folder = two_stems / "tiny" / "test" / "Song A"
    (folder / "drums.wav").rename(folder / "away.wav")
    (folder / "mixture.wav").rename(folder / "drums.wav")
    (folder / "away.wav").rename(folder / "mixture.wav")
    _, told = _run(two_stems, capsys, map="accompaniment=other")
    assert "error: Song A: drums: it is the mixture, and the mixture's file holds drums" in told
