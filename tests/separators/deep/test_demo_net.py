"""The network that is shipped: what it reaches, and that its files belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mss_bench
from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.datasets.demo import render
from mss_bench.errors import ConfigError
from mss_bench.separators import separators
from mss_bench.separators.deep.demo_net.separator import MANIFEST, DemoNet
from mss_bench.separators.deep.manifest import read_manifest

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")
TARGETS = Targets(STEMS, {"accompaniment": ("drums", "bass", "other")})


def test_the_weights_are_those_of_the_manifest_and_small() -> None:
    manifest = read_manifest(MANIFEST)
    manifest.require_weights()
    assert [file.name for file in manifest.files] == ["demo_net.onnx"]
    assert sum(file.stat().st_size for file in manifest.files) <= 2_000_000
    assert (manifest.trained_on, manifest.licence, manifest.stems) == (("demo/train",), "MIT", STEMS)
    assert separators.load("demo_net").trained_on == ("demo/train",)  # what marks its rows, without reading a file


@pytest.fixture(scope="module")
def net() -> DemoNet:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    net = DemoNet()
    net.load()
    return net


@pytest.fixture(scope="module")
def song() -> Stems:
    """Six seconds of a test song whose voice is doubled and off the centre."""
    return {name: stem[:, 2 * RATE : 8 * RATE] for name, stem in render("test", 3).stems.items()}


def _usdr(separator: Any, song: Stems) -> dict[str, float]:
    mixture = np.sum(list(song.values()), axis=0)
    references = song if separator.needs_references else None
    found = separator.separate(mixture, RATE, targets=TARGETS, rng=np.random.default_rng(0), references=references)
    own = {name: found[name] for name in found if name in song}
    table = mss_bench.evaluate(song, own, RATE, ["usdr"]).aggregate
    return dict(zip(table["target"], table["value"], strict=True))


def test_it_lies_between_blind_methods_and_the_oracle(net: DemoNet, song: Stems) -> None:
    own = _usdr(net, song)
    mean = np.mean(list(own.values()))
    for blind in (separators.load("kam")(iterations=2), separators.load("spatial_clustering")(mask="soft")):
        assert mean >= np.mean(list(_usdr(blind, song).values())) + 2
    for vocals_alone in ("sinusoids", "repet_adaptive"):
        assert own["vocals"] >= _usdr(separators.load(vocals_alone)(), song)["vocals"] + 2
    oracle = _usdr(separators.load("irm")(), song)
    assert all(own[name] < oracle[name] for name in STEMS)


@pytest.mark.parametrize("mask", ["binary", "wiener", "multichannel"])
def test_other_filters_separate_and_add_up(net: DemoNet, song: Stems, mask: str) -> None:
    mixture = np.sum([stem[:, : 3 * RATE] for stem in song.values()], axis=0)
    soft = net.separate(mixture, RATE, targets=TARGETS, rng=np.random.default_rng(0))
    found = DemoNet(mask=mask).separate(mixture, RATE, targets=TARGETS, rng=np.random.default_rng(0))
    np.testing.assert_allclose(np.sum(list(found.values()), axis=0), mixture, atol=1e-5)
    difference = found["vocals"] - soft["vocals"]
    assert 0.01 < np.linalg.norm(difference) / np.linalg.norm(soft["vocals"]) < 0.7


def test_chunks_give_what_the_whole_song_gives(net: DemoNet, song: Stems) -> None:
    mixture = np.sum(list(song.values()), axis=0)
    whole, short = DemoNet(), DemoNet(batch=2)
    whole.described.chunk = 0
    short.described.chunk = 128
    expected, found = (s.separate(mixture, RATE, targets=TARGETS, rng=np.random.default_rng(0)) for s in (whole, short))
    for name in STEMS:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4)


def test_a_mixture_of_another_rate_is_taken_and_adds_up(net: DemoNet, song: Stems) -> None:
    mixture: Audio = np.sum(list(song.values()), axis=0)[:, : 48000 * 2]
    found = net.separate(mixture, 48000, targets=TARGETS, rng=np.random.default_rng(0))
    np.testing.assert_allclose(np.sum(list(found.values()), axis=0), mixture, atol=1e-5)


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(ConfigError, match="mask"):
        DemoNet(mask="sharp")
