"""DUET: right where sources are sparse and apart in level or delay, wrong where they are at one place."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems, Targets
from mss_bench.datasets.demo import render
from mss_bench.dsp.filters import MASKS
from mss_bench.errors import AudioError, ConfigError
from mss_bench.separators.contract import check_separator
from mss_bench.separators.duet import DUET

Gains = Callable[..., list[float]]
DELAYS = (-1.3, 0.4, 2.2)  # samples, none of them on the histogram's grid of sources


def test_three_sparse_sources_come_apart(position_signals: ModuleType, oracle_gains: Gains) -> None:
    found = [g for seed in range(3) for g in oracle_gains(DUET(), position_signals.sparse_sources(seed))]
    assert np.mean(found) > 17.5
    assert min(found) > 14


@pytest.mark.parametrize("delays", [None, DELAYS], ids=["level", "delay alone"])
def test_as_published_it_is_as_good_as_binary_masks_can_be(
    delays: tuple[float, ...] | None, position_signals: ModuleType, oracle_gains: Gains, gains: Gains
) -> None:
    """The bound is the mask of the true magnitudes; the default filter, which is no binary mask, gains 20 dB."""
    degrees = position_signals.DEGREES if delays is None else (45.0, 45.0, 45.0)
    method = DUET(preset="paper")
    for rests, least in ((0.4, 18.0), (0.7, 25.0)):
        song = position_signals.sparse_sources(0, degrees, delays, rests=rests)
        mixture = np.asarray(sum(song.values()), dtype=np.float32)
        true = np.stack([np.abs(method.stft.forward(stem.astype(np.float32))).sum(axis=0) for stem in song.values()])
        x, loudest = method.stft.forward(mixture), true.argmax(axis=0)
        ideal = {n: method.stft.inverse(x * (loudest == k), mixture.shape[-1]) for k, n in enumerate(song)}
        reached, possible = np.mean(oracle_gains(method, song)), np.mean(gains(song, ideal, mixture))
        assert possible + 0.1 > reached > max(least, possible - 1.5)
        if delays is None:
            assert np.mean(oracle_gains(DUET(), song)) > 20


@pytest.mark.parametrize(("mask", "least"), list(zip(MASKS, (15, 16, 15.5, 17), strict=True)))
def test_every_filter_separates(mask: str, least: float, position_signals: ModuleType, oracle_gains: Gains) -> None:
    assert np.mean(oracle_gains(DUET(mask=mask), position_signals.sparse_sources(0))) > least


@pytest.mark.parametrize("mode", ["level", "level_delay"])
@pytest.mark.parametrize("degrees", [(40.0, 45.0, 50.0), (5.0, 45.0, 85.0), (0.0, 45.0, 90.0)])
def test_sources_near_each_other_or_at_the_very_sides_are_seen(
    mode: str, degrees: tuple[float, ...], position_signals: ModuleType, oracle_gains: Gains
) -> None:
    assert min(oracle_gains(DUET(mode=mode), position_signals.sparse_sources(1, degrees))) > 12


def test_delays_alone_tell_sources_apart_and_the_level_form_does_not_see_them(
    position_signals: ModuleType, oracle_gains: Gains
) -> None:
    song = position_signals.sparse_sources(0, (45.0, 45.0, 45.0), DELAYS)
    assert min(oracle_gains(DUET(mode="level_delay"), song)) > 12
    assert np.mean(oracle_gains(DUET(), song)) < 4


def test_what_is_at_one_place_stays_together(position_signals: ModuleType, oracle_gains: Gains) -> None:
    # A third of the mixture for each would gain 4.8 dB.
    for mode in ("level", "level_delay"):
        song = position_signals.sparse_sources(0, (45.0, 45.0, 45.0))
        assert np.mean(oracle_gains(DUET(mode=mode), song)) < 4


def test_peaks_lie_where_the_sources_are(position_signals: ModuleType) -> None:
    song = position_signals.sparse_sources(2, (15.0, 48.3, 80.0), DELAYS)
    method = DUET(mode="level_delay")
    spectrogram = method.stft.forward(np.asarray(sum(song.values()), dtype=np.float32))
    omega = 2 * np.pi * np.arange(1025) / 2048
    places = sorted(method._places(spectrogram, omega, 3))
    np.testing.assert_allclose(np.rad2deg([phi for phi, _ in places]), [15.0, 48.3, 80.0], atol=0.5)
    np.testing.assert_allclose([delay for _, delay in places], DELAYS, atol=0.1)


def test_sources_more_than_there_are_positions_get_next_to_nothing(separate: Callable[..., Stems]) -> None:
    tone = np.sin(0.1 * np.arange(44100))
    found = separate(DUET(sources=4), np.stack([tone, tone]))
    levels = sorted(float(np.linalg.norm(stem)) for stem in found.values())
    assert levels[2] < 1e-4 * levels[3]
    assert levels[3] == pytest.approx(np.linalg.norm(np.stack([tone, tone])), rel=1e-4)


def test_sources_that_share_a_peak_all_get_something(separate: Callable[..., Stems]) -> None:
    """Silent stems would leave BSS Eval's joint mask no frame to judge."""
    rng = np.random.default_rng(0)
    gains = np.array([[1.0, 1.0, 0.9, 0.8], [1.0, 0.93, 1.0, 1.0]])  # one broad peak around the centre
    mixture = gains @ rng.standard_normal((4, 44100))
    levels = [float(np.linalg.norm(stem)) for stem in separate(DUET(sources=4), mixture).values()]
    assert min(levels) > 0.003 * float(np.linalg.norm(mixture))


@pytest.mark.parametrize("mode", ["level", "level_delay"])
@pytest.mark.parametrize("mask", ["binary", "multichannel"])
def test_forms_and_filters_keep_the_contract(mode: str, mask: str) -> None:
    results = check_separator(DUET(mode=mode, mask=mask, assignment="oracle"))
    assert [f"{r.name}: {r.detail}" for r in results if not r.passed] == []


def test_more_sources_than_channels_are_all_found(position_signals: ModuleType, oracle_gains: Gains) -> None:
    degrees = (5.0, 25.0, 45.0, 65.0, 85.0)
    assert min(oracle_gains(DUET(), position_signals.sparse_sources(0, degrees))) > 9


@pytest.mark.parametrize("count", [2, 3, 4])
def test_sources_are_counted(count: int, position_signals: ModuleType) -> None:
    degrees = tuple(np.linspace(8, 82, count))
    song = position_signals.sparse_sources(0, degrees)
    mixture = np.asarray(sum(song.values()), dtype=np.float32)
    for method in (DUET(sources="auto"), DUET(sources="auto", mode="level_delay")):
        assert method.estimated_sources(mixture, 44100, np.random.default_rng(0)) == count
    method = DUET(sources="auto", assignment="oracle")
    targets = Targets(tuple(song))
    stems = method.separate(mixture, 44100, targets=targets, rng=np.random.default_rng(0), references=song)
    given = DUET(sources=count, assignment="oracle").separate(
        mixture, 44100, targets=targets, rng=np.random.default_rng(0), references=song
    )
    assert method.flags == (f"sources:{count}",)
    for name in song:
        np.testing.assert_array_equal(stems[name], given[name])


def test_delays_are_counted(position_signals: ModuleType) -> None:
    song = position_signals.sparse_sources(0, (45.0, 45.0, 45.0), DELAYS)
    mixture = np.asarray(sum(song.values()), dtype=np.float32)
    counted = DUET(sources="auto", mode="level_delay").estimated_sources(mixture, 44100, np.random.default_rng(0))
    assert counted == 3


def test_panned_instruments_come_apart_better_than_equal_shares(oracle_gains: Gains, gains: Gains) -> None:
    song = {name: stem[:, : 6 * 44100] for name, stem in render("test", 0, "sources:3").stems.items()}
    mixture = sum(song.values())
    shares = gains(song, dict.fromkeys(song, mixture / 3), mixture)
    assert np.mean(oracle_gains(DUET(), song)) > np.mean(shares) + 8


def test_a_mono_mixture_is_refused(separate: Callable[..., Stems]) -> None:
    with pytest.raises(AudioError, match="duet: the mixture has 1 channel, expected 2"):
        separate(DUET(), np.zeros((1, 100)))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"mode": "delay"}, "mode is 'delay', expected level or level_delay"),
        ({"mask": "hard"}, "mask is 'hard', expected binary, soft"),
        ({"max_delay": 0}, "max_delay is 0, expected a number above 0 (in samples)"),
        ({"min_gap": -1.0}, "min_gap is -1.0, expected a number above 0 (in degrees)"),
        ({"p": -1}, "p is -1, expected a number of at least 0"),
        ({"hop": 2048}, "hop=2048"),
    ],
)
def test_impossible_parameters_are_named(parameters: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(named)):
        DUET(**parameters)
