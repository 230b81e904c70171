"""Multichannel factorisation: sources of one sound at two places."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems, Targets
from mss_bench.dsp.nmf import DIVERGENCES
from mss_bench.separators.nmf import NMF
from mss_bench.separators.nmf_multichannel import MultichannelNMF


def _gains(method: NMF, song: Stems, gains: Callable[..., list[float]], rate: int) -> list[float]:
    mixture = np.asarray(sum(song.values()), dtype=np.float32)
    found = method.separate(mixture, rate, targets=Targets(tuple(song)), rng=np.random.default_rng(0), references=song)
    return gains(song, found, mixture)


def _song(signals: ModuleType, degrees: tuple[float, ...], seed: int) -> Stems:
    """Melodies of one instrument on the same notes, each panned to its place."""
    rng = np.random.default_rng(seed)
    places = [np.array([[np.cos(np.radians(d))], [np.sin(np.radians(d))]]) for d in degrees]
    pitches = signals.LOW_NOTES + signals.HIGH_NOTES
    return {f"source_{k}": place * signals.notes(rng, pitches[k::3]) for k, place in enumerate(places)}


SMALL = {"mask": "multichannel", "n_fft": 1024, "hop": 256, "components": 20, "assignment": "oracle"}


@pytest.mark.parametrize(("degrees", "mean", "least"), [((25.0, 65.0), 12, 10), ((15.0, 45.0, 75.0), 8, 6)])
def test_place_tells_what_sound_does_not(
    degrees: tuple[float, ...], mean: float, least: float, gains: Callable[..., list[float]], factor_signals: ModuleType
) -> None:
    found, blind = [], []
    for seed in range(3):
        song = _song(factor_signals, degrees, seed)
        found += _gains(MultichannelNMF(**SMALL), song, gains, factor_signals.RATE)
        blind += _gains(NMF(**{**SMALL, "mask": "soft"}), song, gains, factor_signals.RATE)
    assert np.mean(found) > mean
    assert min(found) > least
    assert np.mean(found) > np.mean(blind) + 4


def test_at_one_place_nothing_is_gained(gains: Callable[..., list[float]], factor_signals: ModuleType) -> None:
    song = _song(factor_signals, (45.0, 45.0), 0)
    assert np.mean(_gains(MultichannelNMF(**SMALL), song, gains, factor_signals.RATE)) < 5


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_any_channels_add_up(divergence: str, channels: int) -> None:
    noise = np.random.default_rng(0).standard_normal((channels, 20000)).astype(np.float32)
    method = MultichannelNMF(divergence=divergence, iterations=5, components=6)
    parts = method.find_sources(noise, 16000, count=2, rng=np.random.default_rng(0))
    np.testing.assert_allclose(sum(parts), noise, atol=1e-5)


def test_a_mono_mixture_is_factorised_as_by_plain_nmf() -> None:
    noise = np.random.default_rng(0).standard_normal((1, 20000)).astype(np.float32)
    parts = [
        cls(iterations=10).find_sources(noise, 16000, count=2, rng=np.random.default_rng(0))
        for cls in (NMF, MultichannelNMF)
    ]
    np.testing.assert_allclose(parts[0], parts[1], atol=1e-4)
