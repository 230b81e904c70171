"""A trained model as a separator: in a run, without its package, given what it cannot take."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mss_bench.cli.main import main
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.errors import AudioError, ConfigError, MissingDependencyError
from mss_bench.separators.deep.model import Model

KEYS: dict[str, Any] = {"kind": "onnx", "output": "sources"}


def test_a_run_records_the_model(
    tiny: Path,
    tmp_path: Path,
    onnx_file: Callable[..., Path],
    manifest: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    facts = {"licence": "CC0", "citation": "A. Author, 2026", "trained_on": ["tiny/train", "tiny/test"]}
    path = manifest(onnx_file().name, **KEYS, **facts)
    run = tmp_path / "run"
    command = [
        "run",
        "--datasets",
        str(tiny),
        "--dataset",
        "tiny",
        "-s",
        f"model:manifest={path},as=mine",
        "--jobs",
        "1",
    ]
    command += ["--metrics", "usdr", "--max-tracks", "1", "--out", str(run), "--device", "auto"]
    assert main(command) == 0
    assert "trained_on" not in capsys.readouterr().err
    costs = pd.read_parquet(run / "costs.parquet").set_index("separator")
    assert costs.loc["mine", "device"] == "cpu"
    assert costs.loc["mixture", "device"] == ""
    methods = {each["label"]: each for each in json.loads((run / "run.json").read_text())["separators"]}
    assert {key: methods["mine"][key] for key in facts} == facts
    assert "manifest" not in methods["mine"]["params"]
    before = costs.loc["mine", "estimate_key"]

    # Other weights or another manifest are another model, another folder is not.
    onnx_file(activation="Tanh")
    manifest(
        onnx_file(activation="Tanh").name, **KEYS, **facts | {"trained_on": ["tinny/train", "unknown", "our songs"]}
    )
    assert main(command) == 0
    assert "mine: trained_on names tinny/train, which is no data set" in (told := capsys.readouterr().err)
    assert "did you mean tiny?" in told
    changed = pd.read_parquet(run / "costs.parquet").set_index("separator").loc["mine", "estimate_key"]
    assert changed != before


def test_files_of_the_key_are_the_manifest_and_the_weights(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path]
) -> None:
    file = onnx_file()
    model = Model(manifest=str(manifest(file.name, **KEYS, trained_on=["musdb18/train"])))
    assert model.files(TrackId("a", "b", "c")) == [file.with_name("manifest.yaml"), file]
    assert model.trained_on == ("musdb18/train",)
    assert model.channels == (2,)
    assert model.produces(Targets(("vocals", "rest")), TrackId("a", "b", "c")) == ("vocals",)


@pytest.mark.parametrize(
    ("kind", "package", "extra"),
    [
        ("onnx", "onnxruntime", "onnx"),
        ("pt2", "torch", "torch"),
        ("openunmix", "torch", "openunmix"),
        ("demucs", "torch", "demucs"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    kind: str, package: str, extra: str, manifest: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    model = Model(
        manifest=str(manifest("weights.onnx", kind=kind, **({"output": "sources"} if kind in ("onnx", "pt2") else {})))
    )
    with pytest.raises(MissingDependencyError, match=rf"needs the package {package}, .* 'mss-bench\[{extra}\]'"):
        model.load()


def test_nothing_is_imported_before_it_is_used() -> None:
    code = "import sys, mss_bench.separators.deep.model; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "onnxruntime", "onnx", "demucs", "openunmix", "safetensors"} & set(done.stdout.split())


def test_altered_weights_are_not_loaded(onnx_file: Callable[..., Path], manifest: Callable[..., Path]) -> None:
    model = Model(manifest=str(manifest(onnx_file().name, **KEYS)))
    onnx_file(activation="Tanh")
    with pytest.raises(ConfigError, match="the file is damaged or another one"):
        model.load()


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({"device": "gpu"}, "device='gpu'; expected auto, cpu, cuda or cuda:n"),
        ({"batch": -1}, "batch is -1, expected a whole number"),
        ({"precision": "half"}, "precision is 'half', expected float32 or mixed"),
    ],
)
def test_wrong_parameters_are_said(
    parameters: dict[str, Any], wanted: str, manifest: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "weights.onnx").write_bytes(b"")
    with pytest.raises(ConfigError, match=wanted):
        Model(manifest=str(manifest("weights.onnx", **KEYS)), **parameters)


def test_channels_and_silence(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    path = manifest(onnx_file().name, **KEYS)
    with pytest.raises(AudioError, match="has 1 channel, expected 2"):
        estimate(path, mixture[:1])
    for stem in estimate(path, np.zeros_like(mixture)).values():
        assert not stem.any()
    with pytest.raises(AudioError, match="mono: double in the manifest, or mono=double"):
        estimate(path, mixture[:1])
    twice = estimate(path, np.repeat(mixture[:1], 2, axis=0))
    said = manifest(onnx_file().name, **KEYS, mono="double")
    for doubled in (estimate(path, mixture[:1], mono="double"), estimate(said, mixture[:1])):
        np.testing.assert_allclose(doubled["vocals"][0], twice["vocals"].mean(axis=0), atol=1e-7)
        assert doubled["vocals"].shape == (1, mixture.shape[1])
