"""ADRess: right where one source alone is at its azimuth, wrong where another is there, too."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.dsp.filters import MASKS
from mss_bench.errors import AudioError, ConfigError
from mss_bench.separators.adress import ADRess, azimuths
from mss_bench.separators.contract import check_separator

Separate = Callable[..., Stems]
Gains = Callable[..., list[float]]


def _found(method: ADRess, songs: list[Stems], separate: Separate, gains: Gains) -> list[float]:
    found = []
    for song in songs:
        mixture = sum(song.values())
        found += gains(song, separate(method, mixture), mixture)
    return found


@pytest.mark.parametrize(("width", "least"), [(0.3, (15.0, 12.0)), (0.6, (16.0, 12.0))])
def test_a_centred_voice_comes_out(
    width: float, least: tuple[float, float], position_signals: ModuleType, separate: Separate, gains: Gains
) -> None:
    songs = [position_signals.centre_and_rest(seed) for seed in range(3)]
    found = _found(ADRess(width=width), songs, separate, gains)
    assert np.mean(found) > least[0]
    assert min(found) > least[1]


@pytest.mark.parametrize("mask", MASKS)
def test_every_filter_separates(mask: str, position_signals: ModuleType, separate: Separate, gains: Gains) -> None:
    assert min(_found(ADRess(mask=mask), [position_signals.centre_and_rest(0)], separate, gains)) > 10


def test_a_voice_elsewhere_is_found_at_its_azimuth_only(
    position_signals: ModuleType, separate: Separate, gains: Gains
) -> None:
    song = position_signals.centre_and_rest(0, (0.0, 25.0, 60.0))
    at = np.tan(np.deg2rad(25.0)) - 1  # of the left half: the gain at which the right channel cancels, less 1
    assert min(_found(ADRess(azimuth=at), [song], separate, gains)) > 8
    assert min(_found(ADRess(), [song], separate, gains)) < 1


def test_what_else_is_in_the_centre_stays_with_the_voice(
    position_signals: ModuleType, separate: Separate, gains: Gains
) -> None:
    song = position_signals.centre_and_rest(0, (45.0, 45.0, 45.0))
    assert max(_found(ADRess(), [song], separate, gains)) < 1


@pytest.mark.parametrize(("pan", "expected"), [(0.0, -1.0), (0.25, -0.75), (1.0, 0.0)])
def test_the_azimuth_is_that_of_the_gains(pan: float, expected: float) -> None:
    rng = np.random.default_rng(0)
    tone = (rng.standard_normal((5, 9)) + 1j * rng.standard_normal((5, 9))).astype(np.complex64)
    for x, sign in ((np.stack([tone, pan * tone]), 1), (np.stack([pan * tone, tone]), -1)):
        azimuth, cancelled, greatest = azimuths(x)
        np.testing.assert_allclose(azimuth, sign * expected, atol=1e-5)
        np.testing.assert_allclose(cancelled, greatest, atol=2e-3 * np.abs(tone).max())


def test_the_closed_form_is_the_search_over_gains() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 6, 40)) + 1j * rng.standard_normal((2, 6, 40))
    strong, weak = np.where(np.abs(x[0]) > np.abs(x[1]), x, x[::-1])
    gains = np.linspace(0, 1, 5001)[:, None, None]
    plane = np.abs(weak - gains * strong)
    azimuth, cancelled, greatest = azimuths(x)
    left = np.abs(x[0]) > np.abs(x[1])
    found = gains[np.argmin(plane, axis=0), 0, 0]
    np.testing.assert_allclose(azimuth, np.where(left, found - 1, 1 - found), atol=2e-4)
    np.testing.assert_allclose(greatest, plane.max(axis=0), rtol=1e-12)
    np.testing.assert_allclose(cancelled, plane.max(axis=0) - plane.min(axis=0), atol=1e-6)
    # The other plane, which is not searched, never has the lower minimum.
    assert (np.abs(strong - gains * weak).min(axis=0) >= plane.min(axis=0) - 1e-6).all()


def test_outside_its_band_all_is_accompaniment(separate: Separate) -> None:
    time = np.arange(44100) / 44100
    for frequency in (50.0, 16000.0):
        tone = np.sin(2 * np.pi * frequency * time) * np.sin(np.pi * time) ** 2
        assert np.linalg.norm(separate(ADRess(), np.stack([tone, tone]))["vocals"]) < 0.02 * np.linalg.norm(tone)


@pytest.mark.parametrize("mask", [m for m in MASKS if m != "soft"])
def test_filters_keep_the_contract(mask: str) -> None:
    results = check_separator(ADRess(mask=mask))
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []


def test_a_mono_mixture_is_refused(separate: Separate) -> None:
    with pytest.raises(AudioError, match="adress: the mixture has 1 channel, expected 2"):
        separate(ADRess(), np.zeros((1, 100)))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"azimuth": 1.5}, "azimuth is 1.5, expected a number from -1 to 1"),
        ({"width": 0}, "width is 0, expected a number above 0"),
        ({"low": 900.0, "high": 800.0}, "high is 800.0, expected a number above low=900 (in Hz)"),
        ({"mask": "hard"}, "mask is 'hard', expected binary, soft"),
        ({"power": 0}, "power is 0, expected a number above 0"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        ADRess(**parameters)
