"""Models that do not load are refused before the first cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mss_bench.core.audio import hash_file
from mss_bench.errors import ConfigError
from mss_bench.running.options import RunOptions
from mss_bench.running.readiness import refuse_unready
from mss_bench.running.start import prepare

from ..separators.deep.msst_models import CONFIGS, written


def _refused(tiny: Path, separator: Any, match: str, between: Any = None) -> None:
    tasks = prepare(RunOptions(dataset="tiny", catalogs=(tiny,), separators=[separator], metrics="usdr")).tasks()
    if between is not None:
        between()
    with pytest.raises(ConfigError, match=match) as refused:
        refuse_unready(tasks, 1)
    assert "\n" not in str(refused.value)


def test_configuration_and_checkpoint_that_do_not_belong_together(tiny: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("pymss_core", reason="pymss-core is not installed")
    (tmp_path / "config.yaml").write_text(written(CONFIGS["scnet"]))
    torch.save({"layer.weight": torch.zeros(2, 2)}, tmp_path / "model.ckpt")
    model = {"name": "model", "msst": f"{tmp_path}/config.yaml", "weights": f"{tmp_path}/model.ckpt", "as": "mine"}
    _refused(tiny, model, r"^separator mine: .*model\.ckpt does not belong to .*config\.yaml, read as scnet: ")


def test_weights_that_change_or_go(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    file, manifest = tmp_path / "model.onnx", tmp_path / "manifest.yaml"
    file.write_bytes(b"network")
    manifest.write_text(
        f"{{kind: onnx, weights: {{model.onnx: {hash_file(file)}}}, sample_rate: 44100, channels: 2, stems: [vocals], "
        "trained_on: unknown, output: sources}"
    )
    model = {"name": "model", "manifest": str(manifest)}
    _refused(tiny, model, r"model\.onnx have the SHA-256 \w+, expected \w+", lambda: file.write_bytes(b"another"))
    _refused(tiny, model, r"model\.onnx have the SHA-256 \w+, expected \w+")
    file.write_bytes(b"network")
    _refused(tiny, model, r"model\.onnx cannot be read: No such file", file.unlink)


def test_stems_that_mean_nothing_and_weights_that_are_not_there(tiny: Path, tmp_path: Path) -> None:
    file, manifest = tmp_path / "model.onnx", tmp_path / "manifest.yaml"
    file.write_bytes(b"network")
    manifest.write_text(
        f"{{kind: onnx, weights: {{model.onnx: {hash_file(file)}}}, sample_rate: 44100, channels: 2, stems: [kazoo], "
        "trained_on: unknown, output: sources}"
    )
    model = {"name": "model", "manifest": str(manifest), "as": "mine"}
    options = RunOptions(dataset="tiny", catalogs=(tiny,), separators=[model], metrics="usdr")
    with pytest.raises(ConfigError, match=r"^mine: delivers kazoo, none of which is a target .*; map=\w+=kazoo says"):
        prepare(options)
    file.unlink()
    with pytest.raises(
        ConfigError, match=r"manifest\.yaml: the model's checkpoint .*model\.onnx cannot be read: No such file"
    ):
        prepare(options)
