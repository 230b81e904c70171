"""`mss_bench.separate` on arrays and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mss_bench
from mss_bench.core import audio
from mss_bench.errors import AudioError, ConfigError, InvalidOutputError
from mss_bench.separators import Separator

MUSIC = (0.1 * np.random.default_rng(0).standard_normal((2, 8000))).astype(np.float32)


class _Returns(Separator):
    """Returns what it is told to."""

    name = "returns"

    def __init__(self, gains: Any = None) -> None:
        self.gains, self.closed = gains, False

    def close(self) -> None:
        self.closed = True

    def separate(self, mixture: Any, sample_rate: int, **kwargs: Any) -> Any:
        return {name: np.asarray(gain * mixture) for name, gain in self.gains.items()}


def _total(stems: dict[str, np.ndarray]) -> np.ndarray:
    return np.sum(list(stems.values()), axis=0)


def test_an_array_becomes_stems_of_its_shape() -> None:
    before = MUSIC.copy()
    stems = mss_bench.separate(MUSIC, {"name": "hpss", "power": 3}, 8000)
    assert set(stems) == {"drums", "bass", "other"}
    assert {s.dtype for s in stems.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(_total(stems), MUSIC, atol=1e-6)
    np.testing.assert_array_equal(MUSIC, before)
    assert mss_bench.separate(MUSIC[0].astype(np.float64), "hpss", 8000)["drums"].shape == (1, 8000)


def test_a_file_is_separated_at_its_own_rate(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", MUSIC, 8000)
    stems = mss_bench.separate(tmp_path / "a.wav", "repet")
    np.testing.assert_array_equal(stems["vocals"], mss_bench.separate(MUSIC, "repet", 8000)["vocals"])
    with pytest.raises(AudioError, match="sample rate of 8000 Hz, expected 44100 Hz"):
        mss_bench.separate(str(tmp_path / "a.wav"), "repet", 44100)


@pytest.mark.parametrize(
    ("gains", "names"),
    [
        ({"vocals": 0.5}, {"vocals", "rest"}),
        ({"vocals": 0.5, "accompaniment": 0.5}, {"vocals", "accompaniment"}),
        ({"vocals": 0.5, "drums": 0.5, "accompaniment": 0.5}, {"vocals", "drums"}),
        ({"vocals": 0.5, "drums": 0.2, "bass": 0.2, "other": 0.2}, {"vocals", "drums", "bass", "other", "rest"}),
    ],
)
def test_a_rest_is_what_makes_them_add_up(gains: dict[str, float], names: set[str]) -> None:
    separator = _Returns(gains)
    stems = mss_bench.separate(MUSIC, separator, 8000)
    assert set(stems) == names
    np.testing.assert_allclose(_total(stems), MUSIC, atol=1e-6)
    assert separator.closed


def test_targets_of_a_separator_s_own_are_asked_for() -> None:
    class Guitars(_Returns):
        target_sets = (("guitar", "piano"),)

    assert set(mss_bench.separate(MUSIC, Guitars({"guitar": 0.5, "piano": 0.5}), 8000)) == {"guitar", "piano"}


def test_stems_beside_the_usual_are_stems_too() -> None:
    class Six(_Returns):
        target_sets = (("vocals", "drums", "bass", "other", "guitar", "piano"),)

    assert set(mss_bench.separate(MUSIC, Six(dict.fromkeys(Six.target_sets[0], 1 / 6)), 8000)) == {*Six.target_sets[0]}


def test_what_is_no_stem_is_refused() -> None:
    with pytest.raises(InvalidOutputError, match="returned the target 'piano'"):
        mss_bench.separate(MUSIC, _Returns({"piano": 1.0}), 8000)
    with np.errstate(invalid="ignore"), pytest.raises(InvalidOutputError, match="nan at channel 0"):
        mss_bench.separate(MUSIC, _Returns({"vocals": np.nan, "drums": 1.0}), 8000)


def test_a_seed_makes_random_methods_repeatable() -> None:
    class Random(_Returns):
        def separate(self, mixture: Any, sample_rate: int, *, rng: Any, **kwargs: Any) -> Any:
            return {"vocals": mixture * np.float32(rng.random())}

    first, again, other = (mss_bench.separate(MUSIC, Random(), 8000, seed=s)["vocals"] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("array", "rate", "error", "message"),
    [
        (MUSIC, None, ConfigError, "sample_rate is None; an array needs it"),
        (MUSIC, 44100.5, ConfigError, "sample_rate is 44100.5"),
        (MUSIC.T, 8000, AudioError, "transpose it"),
        (MUSIC[None], 8000, AudioError, "expected floats"),
        ((MUSIC * 32767).astype(np.int16), 8000, AudioError, "int16"),
        (MUSIC[:, :0], 8000, AudioError, "expected floats"),
        (np.where(np.arange(8000) == 7, np.nan, MUSIC), 8000, AudioError, "nan at channel 0, sample 7"),
        (MUSIC[:1], 8000, AudioError, "centre: the mixture has 1 channel, expected 2"),
    ],
)
def test_wrong_arrays_are_refused(array: Any, rate: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        mss_bench.separate(array, "centre", rate)


def test_oracles_are_refused() -> None:
    with pytest.raises(ConfigError, match="irm is an oracle"):
        mss_bench.separate(MUSIC, "irm", 8000)
