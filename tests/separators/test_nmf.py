"""Blind factorisation: components, then sources."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mss_bench.core.tracks import Stems, Targets
from mss_bench.dsp.nmf import Factors
from mss_bench.errors import ConfigError
from mss_bench.separators.clustering import cluster, mel_cepstrum, mel_filters, suddenness
from mss_bench.separators.common_fate import CommonFate
from mss_bench.separators.nmf import NMF

SMALL = {"n_fft": 1024, "hop": 256, "components": 20, "assignment": "oracle"}


def _gains(method: NMF, song: Stems, gains: Callable[..., list[float]], rate: int) -> list[float]:
    mixture = np.asarray(sum(song.values()), dtype=np.float32)
    found = method.separate(mixture, rate, targets=Targets(tuple(song)), rng=np.random.default_rng(0), references=song)
    return gains(song, found, mixture)


@pytest.mark.parametrize(("divergence", "mean", "least"), [("kl", 14, 13), ("is", 10, 8), ("euclidean", 10, 8)])
def test_notes_and_clicks_are_separated(
    divergence: str, mean: float, least: float, gains: Callable[..., list[float]], factor_signals: ModuleType
) -> None:
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        song = {"notes": factor_signals.notes(rng, factor_signals.LOW_NOTES), "clicks": factor_signals.clicks(rng)}
        found += _gains(NMF(divergence=divergence, **SMALL), song, gains, factor_signals.RATE)
    assert np.mean(found) > mean
    assert min(found) > least


def test_sources_are_counted_by_the_silhouettes(factor_signals: ModuleType) -> None:
    rng = np.random.default_rng(0)
    song = {"notes": factor_signals.notes(rng, factor_signals.LOW_NOTES), "clicks": factor_signals.clicks(rng)}
    mixture = np.asarray(sum(song.values()), dtype=np.float32)
    method = NMF(sources="auto", iterations=30, **SMALL)
    assert method.estimated_sources(mixture, factor_signals.RATE, np.random.default_rng(0)) == 2
    by_rules = NMF(sources="auto", iterations=5, n_fft=1024, hop=512, components=8)
    found = by_rules.separate(
        mixture,
        factor_signals.RATE,
        targets=Targets(("vocals", "drums", "bass", "other")),
        rng=np.random.default_rng(0),
    )
    assert set(found) == {"vocals", "drums", "bass", "other"}  # fewer sources than names: some are silent
    np.testing.assert_allclose(sum(found.values()), mixture, atol=1e-4)


def test_methods_that_cannot_count_their_sources_say_so() -> None:
    with pytest.raises(ConfigError, match="common_fate: sources is 'auto', expected a number, since"):
        CommonFate(sources="auto")
    with pytest.raises(ConfigError, match="nmf: sources is 'many', expected a whole number of at least 0, or auto"):
        NMF(sources="many")


def test_two_melodies_of_one_instrument_stay_together(
    gains: Callable[..., list[float]], factor_signals: ModuleType
) -> None:
    rng = np.random.default_rng(0)
    song = {name: factor_signals.notes(rng, factor_signals.LOW_NOTES) for name in ("one", "two")}
    assert np.mean(_gains(NMF(**SMALL), song, gains, factor_signals.RATE)) < 4


def test_the_result_depends_on_nothing_but_the_generator(factor_signals: ModuleType) -> None:
    rng = np.random.default_rng(0)
    mixture = (factor_signals.chords(rng) + factor_signals.clicks(rng)).astype(np.float32)
    method = NMF(components=8, iterations=5, n_fft=1024, hop=512)
    one, two, other = (
        method.find_sources(mixture, factor_signals.RATE, count=2, rng=np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("mask", ["binary", "soft", "wiener", "multichannel"])
@pytest.mark.parametrize("samples", [1, 5000])
@pytest.mark.parametrize("divergence", ["kl", "is"])
def test_every_filter_and_length_adds_up(mask: str, samples: int, divergence: str) -> None:
    noise = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    method = NMF(mask=mask, divergence=divergence, iterations=2, components=3)
    parts = method.find_sources(noise, 16000, count=5, rng=np.random.default_rng(0))  # more sources than components
    assert len(parts) == 5
    np.testing.assert_allclose(sum(parts), noise, atol=1e-5)


def test_impossible_parameters_are_named() -> None:
    with pytest.raises(ConfigError, match="nmf: divergence is 'l1', expected euclidean, kl or is"):
        NMF(divergence="l1")
    with pytest.raises(ConfigError, match="nmf: components is 1, expected a whole number of at least 2"):
        NMF(components=1)


def _factors(centres: list[float], decay: list[float], gains: list[tuple[float, float]]) -> Factors:
    """Components with a bell of a spectrum around a bin and strokes that decay."""
    bins, frames = np.arange(513), np.arange(200)
    w = np.stack([np.exp(-(((bins - c) / 20) ** 2)) + 1e-4 for c in centres])
    h = np.stack([np.exp(-(frames % 50) / d) + 1e-4 for d in decay], axis=1)
    return Factors(w.astype(np.float32), h.astype(np.float32), np.array(gains, dtype=np.float32))


FREQUENCIES = np.arange(513) * 16000 / 1024


@pytest.mark.parametrize(
    "factors",
    [
        _factors([20, 300, 25, 310], [10] * 4, [(1, 1)] * 4),  # by spectrum
        _factors([100] * 4, [1, 40, 1.2, 45], [(1, 1)] * 4),  # by movement
        _factors([100, 101, 102, 103], [10] * 4, [(1, 0.1), (0.1, 1), (1, 0.12), (0.12, 1)]),  # by place
    ],
)
def test_components_of_one_source_are_found_by_what_they_have_in_common(factors: Factors) -> None:
    parts = cluster(factors, FREQUENCIES, 2, np.random.default_rng(0))
    assert sorted(tuple(part.tolist()) for part in parts) == [(0, 2), (1, 3)]


def test_fewer_components_than_sources_leave_some_without() -> None:
    parts = cluster(_factors([100] * 3, [10] * 3, [(1, 1)] * 3), FREQUENCIES, 4, np.random.default_rng(0))
    assert sorted(np.concatenate(parts).tolist()) == [0, 1, 2]
    assert len(parts) == 4


def test_suddenness_tells_strokes_from_sustained_sounds() -> None:
    stroke, held = np.full(100, 1e-6), np.ones(100)
    stroke[50] = 1
    found = suddenness(np.stack([stroke, held], axis=1))
    assert found[0] == pytest.approx(0.0, abs=1e-3)
    assert found[1] == pytest.approx(np.log(1 / 100))


def test_the_cepstrum_does_not_depend_on_the_level() -> None:
    spectra = np.random.default_rng(0).random((3, 513))
    assert mel_filters(FREQUENCIES).shape == (40, 513)
    np.testing.assert_allclose(mel_cepstrum(1e-6 * spectra, FREQUENCIES), mel_cepstrum(spectra, FREQUENCIES))
