"""Anchors meet their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.datasets.demo import render
from mss_bench.dsp.loudness import integrated_loudness
from mss_bench.errors import UnknownNameError
from mss_bench.listening.stimuli import ANCHORS, low_pass, make_anchor

RATE = 44100


@pytest.fixture(scope="module")
def excerpt():
    song = render("test", 0)
    part = slice(4 * RATE, 9 * RATE)
    return song.stems["vocals"][:, part], song.mixture[:, part]


def _make(name: str, excerpt, seed: int = 0):
    return make_anchor(name, *excerpt, RATE, np.random.default_rng(seed))


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("cutoff", [3500.0, 7000.0])
def test_low_pass_lies_within_the_mask_of_bs_1534(rate: int, cutoff: float) -> None:
    impulse = np.zeros((1, 16384))
    impulse[0, 8192] = 1
    out = low_pass(impulse, rate, cutoff)
    gain = 20 * np.log10(np.abs(np.fft.rfft(out[0])) + 1e-12)
    frequencies = np.fft.rfftfreq(16384, 1 / rate)
    assert np.abs(gain[frequencies <= cutoff]).max() < 0.1
    assert gain[frequencies >= cutoff + 500].max() < -25
    assert gain[frequencies >= cutoff + 1000].max() < -50
    assert np.argmax(np.abs(out[0])) == 8192  # no delay


@pytest.mark.parametrize("name", ANCHORS)
def test_every_anchor_is_seeded_finite_and_leaves_its_input(name: str, excerpt) -> None:
    before = [x.copy() for x in excerpt]
    first, again = _make(name, excerpt), _make(name, excerpt)
    np.testing.assert_array_equal(first, again)
    assert first.shape == excerpt[0].shape
    assert np.isfinite(first).all()
    for x, y in zip(excerpt, before, strict=True):
        np.testing.assert_array_equal(x, y)
    if name in ("distorted_target", "artifacts", "quality"):
        assert not np.array_equal(first, _make(name, excerpt, seed=1))


def test_interference_is_as_loud_as_the_target(excerpt) -> None:
    target, mixture = excerpt
    added = _make("interference", excerpt) - target
    assert integrated_loudness(added, RATE) == pytest.approx(integrated_loudness(target, RATE), abs=1e-6)
    other = (mixture - target).ravel()
    cosine = added.ravel() @ other / np.linalg.norm(added) / np.linalg.norm(other)
    assert cosine == pytest.approx(1, abs=1e-6)


def test_artifacts_are_as_loud_as_the_target_and_sparse(excerpt) -> None:
    target, _ = excerpt
    added = _make("artifacts", excerpt) - target
    assert integrated_loudness(added, RATE) == pytest.approx(integrated_loudness(target, RATE), abs=1e-6)


def test_distorted_target_has_no_treble_and_gaps(excerpt) -> None:
    out = _make("distorted_target", excerpt)
    spectrum = np.abs(np.fft.rfft(out, axis=-1)) ** 2
    frequencies = np.fft.rfftfreq(out.shape[-1], 1 / RATE)
    assert spectrum[:, frequencies > 4600].sum() < 1e-4 * spectrum.sum()
    low = low_pass(excerpt[0], RATE, 3500.0)
    missing = np.sum((out - low) ** 2) / np.sum(low**2)
    assert 0.05 < missing < 0.35  # about a fifth of the energy


def test_unknown_anchor_is_named(excerpt) -> None:
    with pytest.raises(UnknownNameError, match="unknown anchor 'lowpass_3000'; did you mean"):
        _make("lowpass_3000", excerpt)
