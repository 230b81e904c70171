"""Centre extraction and karaoke: right where the voice alone is in the centre, wrong where it is not."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.errors import AudioError, ConfigError
from mss_bench.separators.centre import Centre, Karaoke

TIME = np.arange(4 * 44100) / 44100
INNER = slice(4410, -4410)  # a tone's beginning and end are clicks, with energy outside any band


def _song(seed: int, voice_pan: float = 0.5) -> Stems:
    """Make a voice with vibrato at `voice_pan` (0 left, 1 right) over chords panned hard or half to either side."""
    rng = np.random.default_rng(seed)
    wobble = 220 * TIME + 0.7 * np.sin(2 * np.pi * 5.5 * TIME)
    voice = sum(np.sin(2 * np.pi * k * wobble) / k for k in range(1, 15))
    place = np.array([[np.cos(voice_pan * np.pi / 2)], [np.sin(voice_pan * np.pi / 2)]])
    rest = np.zeros((2, TIME.size))
    for pan in (0.05, 0.2, 0.8, 0.95):
        note = sum(np.sin(2 * np.pi * f * TIME + 7 * f) for f in rng.uniform(200, 4000, 6))
        rest += np.array([[np.cos(pan * np.pi / 2)], [np.sin(pan * np.pi / 2)]]) * note
    rest *= np.linalg.norm(place * voice) / np.linalg.norm(rest)
    return {"vocals": place * voice, "accompaniment": rest}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_centre_takes_a_centred_voice(
    seed: int, separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    song = _song(seed)
    mixture = sum(song.values())
    assert min(gains(song, separate(Centre(), mixture), mixture)) > 8


def test_centre_takes_nothing_from_a_voice_at_the_side(separate: Callable[..., Stems]) -> None:
    voice = _song(0, voice_pan=0.2)["vocals"]
    estimate = separate(Centre(), voice)["vocals"]
    assert np.linalg.norm(estimate) < 0.05 * np.linalg.norm(voice)


def test_centre_takes_everything_in_its_band_from_equal_channels(separate: Callable[..., Stems]) -> None:
    tone = np.sin(2 * np.pi * 1000 * TIME)
    both = np.stack([tone, tone])
    np.testing.assert_allclose(separate(Centre(), both)["vocals"][:, INNER], both[:, INNER], atol=1e-3)
    np.testing.assert_allclose(separate(Centre(low=2000.0), both)["vocals"][:, INNER], 0.0, atol=0.01)


@pytest.mark.parametrize("method", [Centre(), Karaoke()])
def test_opposite_phase_is_not_the_centre(method: Centre | Karaoke, separate: Callable[..., Stems]) -> None:
    tone = np.sin(2 * np.pi * 1000 * TIME)
    assert np.abs(separate(method, np.stack([tone, -tone]))["vocals"]).max() < 1e-4


def test_karaoke_removes_a_centred_voice_whole_and_keeps_a_centred_bass(separate: Callable[..., Stems]) -> None:
    voice, bass = np.sin(2 * np.pi * 1000 * TIME), np.sin(2 * np.pi * 50 * TIME)
    accompaniment = separate(Karaoke(), np.stack([voice + bass] * 2))["accompaniment"]
    np.testing.assert_allclose(accompaniment[0, INNER], bass[INNER], atol=0.01)
    without = separate(Karaoke(bass_cutoff=0), np.stack([voice + bass] * 2))
    np.testing.assert_allclose(without["accompaniment"], 0.0, atol=1e-6)


def test_karaoke_gains_on_the_accompaniment_but_less_than_centre_extraction(
    separate: Callable[..., Stems], gains: Callable[..., list[float]]
) -> None:
    song = _song(3)
    mixture = sum(song.values())
    karaoke, centre = (min(gains(song, separate(method, mixture), mixture)) for method in (Karaoke(), Centre()))
    assert 1 < karaoke < centre


@pytest.mark.parametrize("method", [Centre(), Karaoke()])
def test_a_mono_mixture_is_refused_by_name(method: Centre | Karaoke, separate: Callable[..., Stems]) -> None:
    with pytest.raises(AudioError, match=f"{method.name}: the mixture has 1 channel, expected 2"):
        separate(method, np.zeros((1, 100)))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"width": 0.0}, "width is 0.0, expected a number above 0"),
        ({"low": 900.0, "high": 800.0}, "high is 800.0, expected a number above low=900 (in Hz)"),
        ({"n_fft": "big"}, "n_fft is 'big', expected a whole number of at least 2"),
        ({"hop": 3000}, "hop=3000"),
        ({"width": float("nan")}, "width is nan"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        Centre(**parameters)
