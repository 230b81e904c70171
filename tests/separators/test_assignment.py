"""Naming what blind methods find."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest

from mss_bench.core.tracks import Targets, TrackId
from mss_bench.datasets.demo import render
from mss_bench.errors import ConfigError, RunError
from mss_bench.separators.assignment import BAND_STEMS, VOCALS_ACCOMPANIMENT, by_references, by_rules
from mss_bench.separators.blind import BlindMaskSeparator
from mss_bench.separators.contract import check_separator

RATE = 44100


class Bands(BlindMaskSeparator):
    """Equal bands of the spectrum: sources without names."""

    name = "bands"

    def find_sources(self, mixture, sample_rate, *, count, rng):
        x = np.fft.rfft(mixture, axis=-1)
        edges = np.linspace(0, x.shape[-1], count + 1).astype(int)
        parts = []
        for low, high in pairwise(edges):
            part = np.zeros_like(x)
            part[:, low:high] = x[:, low:high]
            parts.append(np.fft.irfft(part, n=mixture.shape[-1], axis=-1).astype(mixture.dtype))
        return parts


@pytest.fixture(scope="module")
def song():
    return {name: stem[:, : 6 * RATE] for name, stem in render("test", 0).stems.items()}


def test_rules_name_true_stems(song) -> None:
    parts = [song[name] for name in ("other", "vocals", "drums", "bass")]
    named = by_rules(parts, RATE, BAND_STEMS)
    assert list(named) == list(BAND_STEMS)
    for name in BAND_STEMS:
        np.testing.assert_array_equal(named[name], song[name])


def test_rules_name_most_stems_of_other_songs() -> None:
    right = 0
    for index in (1, 2, 3):
        stems = {name: stem[:, : 6 * RATE] for name, stem in render("test", index).stems.items()}
        named = by_rules([stems[name] for name in ("drums", "other", "bass", "vocals")], RATE, BAND_STEMS)
        right += sum(np.array_equal(named[name], stems[name]) for name in BAND_STEMS)
    assert right >= 10  # of 12


def test_a_plucked_bass_is_no_drum_and_a_kick_drum_no_bass() -> None:
    rng, time = np.random.default_rng(0), np.arange(4 * RATE) / RATE
    stroke = np.exp(-30 * (time % 0.5))
    parts = {
        "bass": np.sin(2 * np.pi * 60 * time) * np.exp(-4 * (time % 0.5)),
        "drums": stroke * (np.sin(2 * np.pi * 50 * time) + 0.1 * rng.standard_normal(time.size)),
        "vocals": sum(np.sin(2 * np.pi * k * (220 * time + np.sin(11 * time))) / k for k in range(1, 9)),
        "other": sum(np.sin(2 * np.pi * f * time) for f in (5262.0, 5330.0, 6392.0)),
    }
    stems = {name: np.stack([part, part]).astype(np.float32) for name, part in parts.items()}
    named = by_rules([stems[name] for name in ("other", "vocals", "bass", "drums")], RATE, BAND_STEMS)
    for name in BAND_STEMS:
        np.testing.assert_array_equal(named[name], stems[name])


def test_rules_for_two_stems_put_the_rest_into_the_accompaniment(song) -> None:
    named = by_rules([song["drums"], song["vocals"], song["bass"]], RATE, VOCALS_ACCOMPANIMENT)
    np.testing.assert_array_equal(named["vocals"], song["vocals"])
    np.testing.assert_allclose(named["accompaniment"], song["drums"] + song["bass"], atol=1e-6)


def test_references_undo_any_order(song) -> None:
    names = list(song)
    for order in list(permutations(range(4)))[::5]:
        found = by_references([song[names[k]] for k in order], song)
        for name in names:
            np.testing.assert_array_equal(found[name], song[name])


def test_components_beyond_the_stems_join_theirs(song) -> None:
    half = {name: 0.5 * stem for name, stem in song.items()}
    found = by_references([*half.values(), *half.values()], song)
    for name, stem in song.items():
        np.testing.assert_allclose(found[name], stem, atol=1e-6)


def test_silent_components_are_named_without_complaint() -> None:
    silence = [np.zeros((2, 8000), dtype=np.float32)] * 5
    assert set(by_rules(silence, RATE, BAND_STEMS)) == set(BAND_STEMS)
    assert set(by_references(silence, {"a": silence[0], "b": silence[0]})) == {"a", "b"}


@pytest.mark.parametrize("assignment", ["rules", "oracle"])
@pytest.mark.parametrize("sources", [0, 2, 6])
def test_a_blind_method_keeps_the_contract(assignment: str, sources: int) -> None:
    failed = [r for r in check_separator(Bands(sources=sources, assignment=assignment)) if not r.passed]
    assert not failed


def test_what_a_blind_method_delivers_follows_from_its_parameters() -> None:
    targets, numbered = Targets(BAND_STEMS, {"accompaniment": BAND_STEMS[1:]}), Targets(("source_1", "source_2"))
    track = TrackId("numbered", "test", "song")
    assert Bands().produces(targets, track) == BAND_STEMS
    assert Bands(sources=2).produces(targets, track) == VOCALS_ACCOMPANIMENT
    assert not Bands().needs_references
    assert Bands(assignment="oracle").needs_references
    assert Bands(assignment="oracle").produces(numbered, track) == ("source_1", "source_2")
    with pytest.raises(RunError, match="numbered has source_1, source_2; name them by the true stems"):
        Bands().produces(numbered, track)


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(ConfigError, match="sources is 1, expected 0 or a whole number of at least 2"):
        Bands(sources=1)
    with pytest.raises(ConfigError, match="assignment is 'best', expected rules or oracle"):
        Bands(assignment="best")
