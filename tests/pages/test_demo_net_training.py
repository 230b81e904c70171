"""The training of the network that is shipped: it can be made anew."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mss_bench.core.tracks import Audio
from mss_bench.separators.deep.manifest import read_manifest
from reports.separators.demo_net import data
from reports.separators.demo_net.bands import BANDS, TRANSFORM, WIDTHS, band_sums
from reports.separators.demo_net.features import Features, features_of

RATE = 44100


def test_no_song_is_learned_from_that_it_is_judged_by(tmp_path: Path) -> None:
    training = pytest.importorskip("reports.separators.demo_net.train", reason="torch is not installed")
    assert training.Plan().songs <= data.VALIDATION.start
    vocals = np.load(data.prepare(tmp_path, [0])[0])[0]
    golden = json.loads((Path(__file__).parents[1] / "data" / "demo_sha256.json").read_text())["songs"]
    assert hashlib.sha256(vocals.T.astype("<i2").tobytes()).hexdigest() == golden["train/0/default"]["vocals"]


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
    from reports.separators.demo_net import train

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

    from reports.separators.demo_net.export import rounded

    first, again = (train.train(_plan(train), cache) for _ in range(2))
    other = train.train(_plan(train, seed=1, excerpts=2), cache)
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

    from reports.separators.demo_net.network import BORDER, DemoNet

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

    from reports.separators.demo_net.losses import sdr_of_spectrograms, to_tensors
    from reports.separators.demo_net.network import unpool

    spectra = np.stack([TRANSFORM.forward(stem)[:, 1:-1] for stem in stems[0]]).swapaxes(-1, -2)[..., :-1, :]
    masks = torch.rand(1, 4, 2, BANDS, spectra.shape[-1])
    estimates = unpool(masks)[0].numpy()[..., :-1, :] * spectra.sum(axis=0)
    error = np.sum(np.abs(estimates - spectra) ** 2, axis=(1, 2, 3))
    expected = 10 * np.log10(np.sum(np.abs(spectra) ** 2, axis=(1, 2, 3)) / error)
    found = sdr_of_spectrograms(masks, to_tensors(features_of(stems[0]).batch(slice(None))))
    np.testing.assert_allclose(found[0].numpy(), expected, atol=0.02)


def test_si_sdr_is_that_of_the_signals(train: Any, stems: Audio) -> None:
    import torch

    from reports.separators.demo_net.losses import LOSSES, Signals
    from reports.separators.demo_net.network import unpool

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

    from reports.separators.demo_net.losses import LOSSES, Signals, to_tensors

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
