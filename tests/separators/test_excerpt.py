"""The methods on real music: the oracles' known figures, and additive, finite, repeatable results."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mss_bench.core import audio
from mss_bench.core.tracks import Audio, Stems
from mss_bench.separators import separators
from mss_bench.separators.baselines import Mixture
from mss_bench.separators.oracles import IBM, IRM, MWF

STEMS = ("vocals", "drums", "bass", "other")


@cache
def _load(folder: Path) -> tuple[Audio, Stems]:
    (track,) = (folder / "train").iterdir()
    return audio.read(track / "mixture.wav"), {name: audio.read(track / f"{name}.wav") for name in STEMS}


def _sdr(reference: Audio, estimate: Audio) -> float:
    error = reference.astype(np.float64) - estimate
    return 10 * float(np.log10(np.sum(reference.astype(np.float64) ** 2) / np.sum(error**2)))


@pytest.mark.parametrize(
    ("oracle", "expected"),
    [
        # Whole-file ratios of energies of an independent prototype (square-root Hann window both ways).
        (IBM(), (12.81, 9.83, 7.44, 7.92)),
        (IRM(exponent=1.0), (12.90, 10.23, 8.02, 8.36)),
        (IRM(), (14.43, 11.47, 9.41, 9.51)),
        (MWF(), (14.34, 11.46, 9.41, 9.39)),
        (IBM(n_fft=4096), (14.22, 11.61, 9.25, 9.24)),
        (IRM(exponent=1.0, n_fft=4096), (13.88, 11.21, 9.27, 9.18)),
        (IRM(n_fft=4096), (15.41, 12.56, 10.68, 10.38)),
        (MWF(n_fft=4096), (15.31, 12.56, 10.72, 10.24)),
    ],
)
def test_oracles_reach_their_known_figures(
    oracle: IBM | IRM | MWF, expected: tuple[float, ...], excerpt: Path, separate: Callable[..., Stems]
) -> None:
    mixture, stems = _load(excerpt)
    estimates = separate(oracle, mixture, stems)
    np.testing.assert_allclose([_sdr(stems[n], estimates[n]) for n in STEMS], expected, atol=0.02)
    floor = separate(Mixture(), mixture)
    assert min(_sdr(stems[n], estimates[n]) - _sdr(stems[n], floor[n]) for n in STEMS) > 4


@pytest.mark.parametrize(
    "name",
    [
        *("hpss", "hpss_vocals", "hpr", "repet", "repet_adaptive", "repet_segmented", "repet_sim", "twodft", "kam"),
        *("centre", "karaoke", "bandsplit"),
    ],
)
def test_blind_methods_are_finite_repeatable_and_add_up(
    name: str, excerpt: Path, separate: Callable[..., Stems]
) -> None:
    mixture, _ = _load(excerpt)
    estimates, again = (separate(separators.load(name)(), mixture) for _ in range(2))
    for target, estimate in estimates.items():
        assert np.isfinite(estimate).all()
        np.testing.assert_array_equal(estimate, again[target])
    for names in separators.load(name).target_sets:
        residual = np.linalg.norm(sum(estimates[n] for n in names) - mixture) / np.linalg.norm(mixture)
        assert 20 * np.log10(residual + 1e-30) < -80
    # A method that only passed the mixture on, or nothing, would add up too.
    assert all(0.05 < np.linalg.norm(e) / np.linalg.norm(mixture) < 0.999 for e in estimates.values())
