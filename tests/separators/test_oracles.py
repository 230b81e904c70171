"""Oracles: their definitions on made-up stems, and the published order among them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mss_bench.core.tracks import Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.oracles import IBM, IRM, MWF

TIME = np.arange(2 * 44100) / 44100


def _tones() -> Stems:
    """Four stems that never meet in a bin."""
    frequencies = {"vocals": 3000.0, "drums": 6000.0, "bass": 100.0, "other": 1000.0}
    pan = np.array([[1.0], [0.6]])
    return {name: (pan * np.sin(2 * np.pi * f * TIME)).astype(np.float32) for name, f in frequencies.items()}


@pytest.mark.parametrize("oracle", [IBM(), IRM(), IRM(exponent=1.0), MWF(), IRM(n_fft=4096, hop=1024)])
def test_stems_that_never_meet_are_given_back(oracle: IBM, separate: Callable[..., Stems]) -> None:
    stems = _tones()
    estimates = separate(oracle, sum(stems.values()), stems)
    for name, stem in stems.items():
        error = np.linalg.norm(estimates[name] - stem) / np.linalg.norm(stem)
        assert error < 0.05, name


def test_ibm_gives_a_bin_to_whoever_holds_half_of_it(separate: Callable[..., Stems]) -> None:
    tone = np.sin(2 * np.pi * 1000 * TIME)[None].astype(np.float32)
    silent = np.zeros_like(tone)
    stems = {"vocals": 0.6 * tone, "drums": 0.55 * tone, "bass": -0.15 * tone, "other": silent}
    estimates = separate(IBM(), tone, stems)
    for name in ("vocals", "drums"):  # in one phase or another, the shares of a bin exceed one: both get it all
        np.testing.assert_allclose(estimates[name], tone, atol=1e-5)
    np.testing.assert_allclose(estimates["bass"], 0.0, atol=1e-5)
    none = separate(IBM(threshold=0.7), tone, stems)
    assert max(np.abs(estimate).max() for estimate in none.values()) < 1e-5
    powers = separate(IBM(exponent=2.0), tone, stems)  # 0.6^2 < 0.5
    assert max(np.abs(estimate).max() for estimate in powers.values()) < 1e-5


def test_irm_shares_a_bin_by_the_exponent(separate: Callable[..., Stems]) -> None:
    tone = np.sin(2 * np.pi * 1000 * TIME)[None].astype(np.float32)
    silent = np.zeros_like(tone)
    stems = {"vocals": 0.75 * tone, "drums": 0.25 * tone, "bass": silent, "other": silent}
    for exponent, share in ((1.0, 0.75), (2.0, 0.9)):
        estimates = separate(IRM(exponent=exponent), tone, stems)
        np.testing.assert_allclose(estimates["vocals"], share * tone, atol=1e-5)


def test_mwf_uses_direction_where_a_ratio_mask_cannot(separate: Callable[..., Stems]) -> None:
    rng = np.random.default_rng(0)
    places = {"vocals": (1.0, 0.1), "drums": (0.1, 1.0)}
    stems = {
        name: (np.array(p)[:, None] * rng.standard_normal(TIME.size)).astype(np.float32) for name, p in places.items()
    }
    stems |= {name: np.zeros((2, TIME.size), np.float32) for name in ("bass", "other")}
    mixture = sum(stems.values())

    def error(oracle: IRM | MWF) -> float:
        estimate = separate(oracle, mixture, stems)["vocals"]
        return 20 * float(np.log10(np.linalg.norm(estimate - stems["vocals"]) / np.linalg.norm(stems["vocals"])))

    assert error(MWF()) < -40 < -25 < error(IRM())


def test_mwf_of_one_channel_is_the_ratio_mask(separate: Callable[..., Stems]) -> None:
    rng = np.random.default_rng(0)
    stems = {n: rng.standard_normal((1, 20000)).astype(np.float32) for n in ("vocals", "drums", "bass", "other")}
    mixture = sum(stems.values())
    first, second = separate(MWF(), mixture, stems), separate(IRM(), mixture, stems)
    for name in stems:
        np.testing.assert_allclose(first[name], second[name], atol=1e-5)


def test_an_oracle_without_the_truth_says_what_is_missing(separate: Callable[..., Stems]) -> None:
    with pytest.raises(ConfigError, match="irm is an oracle and was not given the true drums, other"):
        separate(IRM(), np.zeros((2, 100)), {"vocals": np.zeros((2, 100)), "bass": np.zeros((2, 100))})
    with pytest.raises(ConfigError, match="vocals, drums, bass, other"):
        separate(MWF(), np.zeros((2, 100)))


@pytest.mark.parametrize(
    ("cls", "parameters", "named"),
    [
        (IBM, {"threshold": 1.5}, "ibm: threshold is 1.5, expected a number above 0 and at most 1"),
        (IRM, {"exponent": 0}, "irm: exponent is 0"),
        (MWF, {"n_fft": 2049}, "n_fft=2049"),
    ],
)
def test_impossible_parameters_are_named(cls: type[IBM], parameters: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        cls(**parameters)
