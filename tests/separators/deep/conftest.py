"""What the tests of trained models share: manifests with real files, small networks, music."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.separators.deep.model import Model

RATE = 8000
STEMS = ["vocals", "drums", "bass", "other"]
TARGETS = Targets(tuple(STEMS), {"accompaniment": ("drums", "bass", "other")})


@pytest.fixture(scope="session")
def mixture() -> Audio:
    """A second of stereo noise at 8 kHz, louder in the middle."""
    rng = np.random.default_rng(0)
    return (0.1 * np.hanning(RATE) * rng.standard_normal((2, RATE))).astype(np.float32)


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., Path]:
    """Write a manifest beside its weights, whose hashes are filled in."""

    def write(*files: str, folder: Path = tmp_path, **keys: Any) -> Path:
        shas = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
        common = {"weights": shas, "sample_rate": RATE, "channels": 2, "stems": STEMS, "trained_on": "unknown"}
        path = folder / "manifest.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in (common | keys).items() if v is not None}))
        return path

    return write


@pytest.fixture
def estimate(mixture: Audio) -> Callable[..., Stems]:
    """Load a model and separate as the runner does."""

    def call(manifest: Path, signal: Audio = mixture, rate: int = RATE, **parameters: Any) -> Stems:
        model = Model(manifest=str(manifest), **parameters)
        model.load()
        return model.separate(signal, rate, targets=TARGETS, rng=np.random.default_rng(0))

    return call


@pytest.fixture
def onnx_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a network of one convolution and what follows it, of any batch and length."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: no model can be written")

    def write(
        name: str = "model.onnx",
        *,
        inputs: int = 2,
        kernel: tuple[int, ...] = (9,),
        shape: tuple[int, ...] = (4, 2, -1),
        rest: tuple[int | str, ...] = ("length",),
        activation: str = "Sigmoid",
        batch: int | str = "batch",
        external: str = "",
    ) -> Path:
        rng = np.random.default_rng(1)
        outputs = shape[0] if inputs > 2 else int(np.prod([n for n in shape if n > 0][:2]))
        weights = (rng.standard_normal((outputs, inputs, *kernel)) / np.prod(kernel)).astype(np.float32)
        constants = [onnx.numpy_helper.from_array(weights, "w")]
        constants.append(onnx.numpy_helper.from_array(np.array([0, *shape], dtype=np.int64), "shape"))
        pads = [k // 2 for k in kernel] * 2
        nodes = [
            onnx.helper.make_node("Conv", ["x", "w"], ["convolved"], pads=pads),
            onnx.helper.make_node(activation, ["convolved"], ["active"]),
            onnx.helper.make_node("Reshape", ["active", "shape"], ["y"]),
        ]
        float32 = onnx.TensorProto.FLOAT
        given = onnx.helper.make_tensor_value_info("x", float32, [batch, inputs, *rest])
        found = onnx.helper.make_tensor_value_info("y", float32, None)
        graph = onnx.helper.make_graph(nodes, "net", [given], [found], constants)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
        path = tmp_path / name
        options = {"save_as_external_data": True, "location": external, "size_threshold": 256} if external else {}
        onnx.save(model, path, **options)
        return path

    return write
