"""Exported programs: the adapter gives what torch gives, and no file that would run code is opened."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import ConfigError, InvalidOutputError

torch = pytest.importorskip("torch", reason="torch is not installed")

KEYS = {"kind": "pt2", "input": "waveform", "output": "sources"}


class _Net(torch.nn.Module):
    """Two convolutions; receptive field of 33 samples."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Conv1d(2, 6, 17, padding=8), torch.nn.Conv1d(6, 8, 17, padding=8)

    def forward(self, x: Any) -> Any:
        y = self.second(torch.tanh(self.first(x)))
        return y.reshape(x.shape[0], 4, 2, x.shape[-1])


class _OnlyNaN(_Net):
    def forward(self, x: Any) -> Any:
        return super().forward(x) * float("nan")


def _export(module: Any, path: Path) -> Any:
    dynamic = torch.export.Dim.DYNAMIC
    module = module.eval()
    program = torch.export.export(module, (torch.zeros(3, 2, 1000),), dynamic_shapes=({0: dynamic, 2: dynamic},))
    torch.export.save(program, path)
    return module


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("exported") / "model.pt2"
    return path, _export(_Net(), path)


@pytest.fixture
def file(exported: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of the exported network beside which a manifest can be written."""
    path = tmp_path / "model.pt2"
    path.write_bytes(exported[0].read_bytes())
    return path


def _changed(file: Path, change: Callable[[str, bytes], bytes | None], more: dict[str, bytes] | None = None) -> Path:
    """The file with members changed or, below its folder, added."""
    path = file.with_name("changed.pt2")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(path, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            found = change(name, old.read(name))
            if found is not None:
                new.writestr(name, found)
        for name, content in (more or {}).items():
            new.writestr(f"{root}/{name}", content)
    return path


class _Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_it_gives_what_torch_gives(
    exported: tuple[Path, Any], file: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems],
    mixture: Audio,
) -> None:  # fmt: skip
    with torch.inference_mode():
        expected = exported[1](torch.from_numpy(mixture)[None])[0].numpy()
    found = estimate(manifest(file.name, **KEYS))
    np.testing.assert_allclose(np.stack(list(found.values())), expected, atol=1e-5)


def test_chunks_are_the_whole_away_from_the_ends(
    file: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    whole = estimate(manifest(file.name, **KEYS))
    path = manifest(file.name, **KEYS, chunk=900, border=16, overlap=0.2)
    for batch in (1, 4):
        for name, stem in estimate(path, batch=batch).items():
            np.testing.assert_allclose(stem[:, 16:-16], whole[name][:, 16:-16], atol=1e-4 * np.abs(whole[name]).max())


def test_mixed_precision_only_where_it_is_asked_for(
    file: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    path = manifest(file.name, **KEYS)
    exact, mixed = estimate(path)["bass"], estimate(path, precision="mixed")["bass"]
    said = path.with_name("mixed.yaml")
    said.write_text(path.read_text() + "precision: mixed\n")
    np.testing.assert_array_equal(estimate(said)["bass"], mixed)
    difference = np.abs(exact - mixed).max() / np.abs(exact).max()
    assert 1e-5 < difference < 0.05


def test_a_gpu_that_is_not_there_is_said(
    file: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    with pytest.raises(ConfigError, match=r"device=cuda:7: torch .* sees .* CUDA device"):
        estimate(manifest(file.name, **KEYS), device="cuda:7")


def test_another_shape_is_said(
    file: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems], tmp_path: Path
) -> None:
    with pytest.raises(InvalidOutputError, match="stems 2"):
        estimate(manifest(file.name, **KEYS, stems=["vocals", "drums"]))
    with pytest.raises(ConfigError, match=r"refuses \(1, 1, 8000\)"):
        estimate(manifest(file.name, **KEYS, channels=1))
    torch.manual_seed(0)
    _export(_OnlyNaN(), tmp_path / "nan.pt2")
    with pytest.raises(InvalidOutputError, match="NaN or infinity"):
        estimate(manifest("nan.pt2", **KEYS))


@pytest.mark.parametrize(
    "place", ["data/sample_inputs/model.pt", "data/constants/opaque_obj_0", "data/weights/model.pt"]
)
def test_a_pickle_that_would_run_code_is_refused(
    place: str, file: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems], tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    torch.save(_Malicious(tmp_path / "harm"), buffer)
    bad = _changed(file, lambda name, content: None if name.endswith(place) else content, {place: buffer.getvalue()})
    with pytest.raises(ConfigError, match=r"changed\.pt2 is refused, since opening it could run code"):
        estimate(manifest(bad.name, **KEYS))
    assert not (tmp_path / "harm").exists()
    torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
    assert (tmp_path / "harm").exists(), "the file must be one that does harm"


def test_a_pickled_tensor_is_refused(
    file: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems], tmp_path: Path
) -> None:
    def pickled(name: str, content: bytes) -> bytes:
        if name.endswith("weight_0"):
            return pickle.dumps(_Malicious(tmp_path / "harm"))
        if not name.endswith("weights_config.json"):
            return content
        config = json.loads(content)
        for entry in config["config"].values():
            entry["use_pickle"] = True
        return json.dumps(config).encode()

    with pytest.raises(ConfigError, match="says that tensors are pickled"):
        estimate(manifest(_changed(file, pickled).name, **KEYS))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("Symbol('s", "__import__('os').getcwd() or Symbol('s", "a size in it is"),
        ("torch.ops.aten.conv1d.default", "torch.hub.load", r"calls torch\.hub\.load"),
    ],
)
def test_code_in_the_graph_is_refused(
    old: str, new: str, why: str, file: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    def replaced(name: str, content: bytes) -> bytes:
        return content.replace(old.encode(), new.encode()) if name.endswith("models/model.json") else content

    with pytest.raises(ConfigError, match=why):
        estimate(manifest(_changed(file, replaced).name, **KEYS))


def test_what_is_no_program_is_said(
    tmp_path: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    (tmp_path / "model.pt2").write_bytes(b"not a zip")
    with pytest.raises(ConfigError, match="is not an exported program"):
        estimate(manifest("model.pt2", **KEYS))
    torch.save(_Net().state_dict(), tmp_path / "state.pt2")
    with pytest.raises(ConfigError, match="not part of a plain exported network"):
        estimate(manifest("state.pt2", **KEYS))
