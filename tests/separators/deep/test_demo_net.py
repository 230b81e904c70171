"""The network that is shipped: what it reaches, that its files belong together, and that it can be made anew."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mss_bench
from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.datasets.demo import render
from mss_bench.errors import ConfigError
from mss_bench.separators import separators
from mss_bench.separators.deep.demo_net import data
from mss_bench.separators.deep.demo_net.bands import BANDS, TRANSFORM, WIDTHS, band_sums
from mss_bench.separators.deep.demo_net.features import Features, features_of
from mss_bench.separators.deep.demo_net.separator import MANIFEST, DemoNet
from mss_bench.separators.deep.manifest import read_manifest

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")
TARGETS = Targets(STEMS, {"accompaniment": ("drums", "bass", "other")})


def test_the_weights_are_those_of_the_manifest_and_small() -> None:
    manifest = read_manifest(MANIFEST)
    manifest.require_weights()
    assert [file.name for file in manifest.weights] == ["demo_net.onnx"]
    assert sum(file.stat().st_size for file in manifest.weights) <= 2_000_000
    assert (manifest.trained_on, manifest.licence, manifest.stems) == (("demo/train",), "MIT", STEMS)
    assert separators.load("demo_net").trained_on == ("demo/train",)  # what marks its rows, without reading a file


def test_no_song_is_learned_from_that_it_is_judged_by(tmp_path: Path) -> None:
    training = pytest.importorskip("mss_bench.separators.deep.demo_net.train", reason="torch is not installed")
    assert training.Plan().songs <= data.VALIDATION.start
    song = np.load(data.prepare(tmp_path, [0])[0])
    assert np.array_equal(song[0], render("train", 0).stems_pcm["vocals"])


@pytest.fixture(scope="module")
def net() -> DemoNet:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    net = DemoNet()
    net.load()
    return net


@pytest.fixture(scope="module")
def song() -> Stems:
    """Ten seconds of a test song whose voice is doubled and off the centre."""
    return {name: stem[:, 2 * RATE : 12 * RATE] for name, stem in render("test", 3).stems.items()}


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
    whole.described = replace(whole.described, chunks=replace(whole.described.chunks, length=0))
    short.described = replace(short.described, chunks=replace(short.described.chunks, length=128))
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


def test_bands_cover_every_bin_but_the_last() -> None:
    assert WIDTHS.sum() == TRANSFORM.bins - 1
    assert len(WIDTHS) == BANDS
    assert np.all(np.diff(WIDTHS) >= 0)
    ones = np.ones((3, TRANSFORM.bins, 2))
    np.testing.assert_array_equal(band_sums(ones), np.repeat(2 * WIDTHS[:, None], 3, axis=1))


@pytest.fixture(scope="module")
def train() -> Any:
    for name in ("torch", "onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} is not installed: no network can be trained and exported")
    from mss_bench.separators.deep.demo_net import train

    return train


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs to learn from and one to be watched on, of two seconds of noise each."""
    folder = tmp_path_factory.mktemp("cache")
    rng = np.random.default_rng(0)
    for index in (0, 1, data.VALIDATION.start):
        song = (3000 * rng.standard_normal((4, 2, 4 * RATE))).astype(np.int16)
        np.save(folder / f"demo-1-train-{index:05d}.npy", song)
    return folder


@pytest.fixture(scope="module")
def stems(cache: Path) -> Audio:
    return data.Excerpts(data.prepare(cache, [0, 1]), 0).batch(np.array([3]))


def _plan(train: Any, **changes: Any) -> Any:
    few = {"steps": 2, "batch": 2, "songs": 2, "excerpts": 3, "validation": 1, "every": 1}
    return train.Plan(**few | changes)


def test_the_same_seed_gives_the_same_network_and_file(train: Any, cache: Path, tmp_path: Path) -> None:
    import onnxruntime
    import torch

    from mss_bench.separators.deep.demo_net.export import rounded

    first, again = (train.train(_plan(train), cache, say=str) for _ in range(2))
    other = train.train(_plan(train, seed=1, excerpts=2), cache, say=str)
    assert first.curve == again.curve != other.curve
    assert [row["step"] for row in first.curve] == [1, 2]
    train.write(first, tmp_path)
    assert (tmp_path / "curve.csv").read_text().startswith("step,cost,SDR,vocals,drums,bass,other\n1,")
    read_manifest(tmp_path / "demo_net.yaml").require_weights()
    session = onnxruntime.InferenceSession(tmp_path / "demo_net.onnx")
    for batch, frames in ((1, 5), (2, 41)):
        magnitude = np.random.default_rng(0).random((batch, 2, TRANSFORM.bins, frames), dtype=np.float32)
        (masks,) = session.run(None, {"magnitude": magnitude})
        with torch.no_grad():
            expected = rounded(first.network)(torch.from_numpy(magnitude)).numpy()
        assert masks.shape == (batch, 4, 2, TRANSFORM.bins, frames)
        np.testing.assert_allclose(masks, expected, atol=1e-5)
        np.testing.assert_allclose(masks.sum(axis=1), 1, atol=1e-5)


def test_a_mask_depends_on_frames_within_the_border_alone(train: Any) -> None:
    import torch

    from mss_bench.separators.deep.demo_net.network import BORDER, DemoNet

    torch.manual_seed(0)
    net = DemoNet().eval()
    magnitude = torch.rand(1, 2, BANDS, 2 * BORDER + 11)
    changed = magnitude.clone()
    changed[..., 0] += 5
    with torch.no_grad():
        difference = (net(magnitude) - net(changed)).abs().amax(dim=(0, 1, 2, 3))
    assert difference[: BORDER + 1].min() > 0
    assert difference[BORDER + 1 :].max() < 1e-6


def test_features_hold_all_that_squared_errors_need(train: Any, stems: Audio) -> None:
    import torch

    from mss_bench.separators.deep.demo_net.losses import sdr_of_spectrograms, to_tensors
    from mss_bench.separators.deep.demo_net.network import unpool

    spectra = np.stack([TRANSFORM.forward(stem)[:, 1:-1] for stem in stems[0]]).swapaxes(-1, -2)[..., :-1, :]
    masks = torch.rand(1, 4, 2, BANDS, spectra.shape[-1])
    estimates = unpool(masks)[0].numpy()[..., :-1, :] * spectra.sum(axis=0)
    error = np.sum(np.abs(estimates - spectra) ** 2, axis=(1, 2, 3))
    expected = 10 * np.log10(np.sum(np.abs(spectra) ** 2, axis=(1, 2, 3)) / error)
    found = sdr_of_spectrograms(masks, to_tensors(features_of(stems[0]).batch(slice(None))))
    np.testing.assert_allclose(found[0].numpy(), expected, atol=0.02)


def test_si_sdr_is_that_of_the_signals(train: Any, stems: Audio) -> None:
    import torch

    from mss_bench.separators.deep.demo_net.losses import LOSSES, Signals
    from mss_bench.separators.deep.demo_net.network import unpool

    masks = torch.rand(1, 4, 2, BANDS, data.FRAMES)
    mixture = TRANSFORM.forward(stems[0].sum(axis=0))
    mixture[:, [0, -1]] = 0
    inner = slice(TRANSFORM.hop, TRANSFORM.hop * data.FRAMES)
    found = []
    for stem, mask in zip(stems[0], unpool(masks)[0].numpy(), strict=True):
        whole = np.pad(mask.swapaxes(-1, -2), ((0, 0), (1, 1), (0, 0))) * mixture
        estimate = TRANSFORM.inverse(whole, stem.shape[-1])[:, inner].ravel().astype(np.float64)
        target = stem[:, inner].ravel().astype(np.float64)
        wanted = estimate @ target / (target @ target) * target
        found.append(10 * np.log10(np.sum((estimate - wanted) ** 2) / np.sum(wanted**2)))
    features: Any = None
    value = LOSSES["si_sdr"].value(masks, features, Signals.of(stems))
    np.testing.assert_allclose(float(value), np.mean(found), atol=0.02)


def test_costs_are_least_for_the_best_masks(train: Any, cache: Path) -> None:
    """Stems in bands of their own, so that the ideal masks are 0 and 1."""
    import torch

    from mss_bench.separators.deep.demo_net.losses import LOSSES, Signals, to_tensors

    rng = np.random.default_rng(0)
    x = TRANSFORM.forward(rng.standard_normal((2, 129 * TRANSFORM.hop)).astype(np.float32))
    edges = (0, 20, 60, 140, TRANSFORM.bins)
    parts = [np.where((np.arange(TRANSFORM.bins) >= a) & (np.arange(TRANSFORM.bins) < b), x, 0)
             for a, b in pairwise(edges)]  # fmt: skip
    stems = np.stack([TRANSFORM.inverse(part, 129 * TRANSFORM.hop) for part in parts]).astype(np.float32)
    features: Features = to_tensors(features_of(stems).batch(slice(None)))
    signals = Signals.of(stems[None])
    ideal = torch.zeros(1, 4, 2, BANDS, data.FRAMES)
    for k, (a, b) in enumerate(pairwise(edges)):
        ideal[:, k, :, a:b] = 1
    equal = torch.full_like(ideal, 0.25)
    for name, loss in LOSSES.items():
        good, middle, bad = (float(loss.value(mask, features, signals)) for mask in (ideal, (ideal + equal) / 2, equal))
        assert good < middle < bad, name
