"""What can be wrong with a checkpoint: one clear line each. Ensembles have theirs in tests/running/test_ensemble.py."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mss_bench.core.tracks import Targets, TrackId
from mss_bench.errors import ConfigError
from mss_bench.running.delivery import Delivery
from mss_bench.separators.deep.model import Model

from .msst_models import CONFIGS, written

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

TARGETS = Targets(("vocals", "drums", "bass", "other"))
ONNX = {"kind": "onnx", "output": "sources"}


class _Code:
    def __reduce__(self) -> Any:
        return print, ("code ran",)


def _missing(folder: Path, onnx_file: Any, manifest: Any) -> Model:
    model = Model(manifest=str(manifest(onnx_file().name, **ONNX)))
    (folder / "model.onnx").unlink()
    return model


def _altered(folder: Path, onnx_file: Any, manifest: Any) -> Model:
    model = Model(manifest=str(manifest(onnx_file().name, **ONNX)))
    onnx_file(activation="Tanh")
    return model


def _of_another_type(folder: Path, onnx_file: Any, manifest: Any) -> Model:
    return Model(manifest=str(manifest(onnx_file("model.pt2").name, **ONNX | {"kind": "pt2"})))


def _onnx_of_another_type(folder: Path, onnx_file: Any, manifest: Any) -> Model:
    np.save(folder / "model.npy", np.zeros(3))
    (folder / "model.npy").rename(folder / "model.onnx")
    return Model(manifest=str(manifest("model.onnx", **ONNX)))


def _with_code(folder: Path, onnx_file: Any, manifest: Any) -> Model:
    return _msst(folder, pickle.dumps({"state": _Code()}, 2))


def _with_code_in_a_newer_pickle(folder: Path, onnx_file: Any, manifest: Any) -> Model:
    return _msst(folder, pickle.dumps({"state": _Code()}, 4))


def _onnx_as_checkpoint(folder: Path, onnx_file: Any, manifest: Any) -> Model:
    return _msst(folder, onnx_file().read_bytes())


def _not_of_the_configuration(folder: Path, onnx_file: Any, manifest: Any) -> Model:
    pytest.importorskip("pymss_core", reason="pymss-core is not installed")
    import torch

    torch.save({"layer.weight": torch.zeros(2, 2)}, folder / "other.ckpt")
    return _msst(folder, (folder / "other.ckpt").read_bytes())


def _msst(folder: Path, content: bytes) -> Model:
    pytest.importorskip("pymss_core", reason="pymss-core is not installed")
    (folder / "config.yaml").write_text(written(CONFIGS["scnet"]))
    (folder / "model.ckpt").write_bytes(content)
    return Model(msst=str(folder / "config.yaml"), weights=str(folder / "model.ckpt"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_missing, r"weights .*model\.onnx cannot be read: No such file"),
        (_altered, r"model\.onnx have the SHA-256 \w+, expected \w+: the file is damaged or another one"),
        (_of_another_type, r"model\.pt2.*(is no|cannot be loaded by torch|is damaged)"),
        (_onnx_of_another_type, r"model\.onnx cannot be loaded by ONNX Runtime"),
        (_with_code, r"model\.ckpt is refused: a checkpoint of MSST holds tensors, .* could run code"),
        (
            _with_code_in_a_newer_pickle,
            r"model\.ckpt is refused: .* could run code .* \(torch does not read it as data: \w+ ",
        ),
        (_onnx_as_checkpoint, r"model\.ckpt is damaged or no checkpoint; .* \(it is an ONNX model, which a manifest"),
        (
            _not_of_the_configuration,
            r"model\.ckpt does not belong to .*config\.yaml, read as scnet: (\d+) of \1 weights are missing, e\.g\. .*"
            r", 1 are not its own, e\.g\. layer\.weight; config and checkpoint do not belong together$",
        ),
    ],
)
def test_weights_that_are_not_what_is_said_are_refused(
    make: Callable[..., Model], message: str, tmp_path: Path, onnx_file: Any, manifest: Any, capfd: Any
) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        make(tmp_path, onnx_file, manifest).load()
    assert "\n" not in str(refused.value)
    assert "weights_only" not in str(refused.value)
    assert "code ran" not in capfd.readouterr().out


def test_instruments_that_map_to_nothing_are_named(onnx_file: Any, manifest: Any) -> None:
    model = Model(manifest=str(manifest(onnx_file().name, **ONNX | {"stems": ["kazoo", "sitar", "gong", "drone"]})))
    delivery = Delivery.of(model, TARGETS, TrackId("a", "b", "c"), given=False)
    assert delivery.targets == ()
    assert delivery.notices[0].startswith("kazoo, sitar, gong, drone are delivered and not scored: no target of the")
