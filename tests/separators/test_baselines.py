"""The mixture and the band split: what they deliver is known exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mss_bench.core.tracks import Stems, Targets
from mss_bench.errors import ConfigError
from mss_bench.separators.baselines import BandSplit, Mixture, MixtureUnscaled

NOISE = np.random.default_rng(0).standard_normal((2, 44100)).astype(np.float32)


def test_the_floor_shares_the_mixture_equally(separate: Callable[..., Stems], targets: Targets) -> None:
    estimates = separate(Mixture(), NOISE)
    assert tuple(estimates) == targets.stems
    for estimate in estimates.values():
        np.testing.assert_array_equal(estimate, NOISE / 4)
    np.testing.assert_allclose(targets.resolve(estimates)["accompaniment"], 0.75 * NOISE, rtol=1e-6)


def test_the_unscaled_mixture_stands_for_derived_targets_too(separate: Callable[..., Stems], targets: Targets) -> None:
    estimates = targets.resolve(separate(MixtureUnscaled(), NOISE))
    assert list(estimates) == list(targets)
    for estimate in estimates.values():
        np.testing.assert_array_equal(estimate, NOISE)


def test_estimates_are_arrays_of_their_own(separate: Callable[..., Stems]) -> None:
    for separator in (Mixture(), MixtureUnscaled()):
        mixture = NOISE.copy()
        estimates = separate(separator, mixture)
        estimates["vocals"][:] = 0.0
        assert np.array_equal(mixture, NOISE)
        assert estimates["drums"].any()


@pytest.mark.parametrize("order", [1, 2, 4])
def test_band_split_parts_tones_at_the_cutoff(separate: Callable[..., Stems], order: int) -> None:
    time = np.arange(2 * 44100) / 44100
    estimates = {}
    for frequency in (50.0, 200.0, 800.0):
        tone = np.sin(2 * np.pi * frequency * time)[None]
        low = separate(BandSplit(cutoff=200.0, order=order), tone)["accompaniment"]
        inner = slice(22050, -22050)  # a tone's beginning and end are heard on both sides of any cutoff
        estimates[frequency] = np.linalg.norm(low[:, inner]) / np.linalg.norm(tone[:, inner])
    for frequency, gain in estimates.items():
        assert gain == pytest.approx(1 / (1 + (frequency / 200.0) ** (2 * order)), rel=0.02, abs=5e-4)


def test_band_split_adds_no_delay(separate: Callable[..., Stems]) -> None:
    click = np.zeros((1, 44101))
    click[0, 22050] = 1.0
    estimates = separate(BandSplit(), click)
    for estimate in estimates.values():
        assert np.argmax(np.abs(estimate)) == 22050
        np.testing.assert_allclose(estimate, estimate[:, ::-1], atol=1e-5)


@pytest.mark.parametrize(("parameters", "named"), [({"cutoff": 0}, "cutoff is 0"), ({"order": 2.5}, "order is 2.5")])
def test_impossible_parameters_are_named(parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=f"bandsplit: {named}, expected a"):
        BandSplit(**parameters)


def test_a_cutoff_beyond_the_sample_rate_is_refused(separate: Callable[..., Stems]) -> None:
    with pytest.raises(ConfigError, match="half of the sample rate of 8000 Hz"):
        separate(BandSplit(cutoff=5000.0), NOISE, rate=8000)
