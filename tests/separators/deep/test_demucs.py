"""Demucs checkpoints: the adapter gives what the library gives, and no file that would run code is opened."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import ConfigError

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("demucs.apply", reason="demucs is not installed")

SOURCES = ["drums", "bass", "other", "vocals"]
KEYS = {"kind": "demucs", "stems": SOURCES}
ARGUMENTS = {
    "channels": 8, "dconv_comp": 4, "nfft": 256, "depth": 2, "t_layers": 1, "t_heads": 2, "samplerate": 8000,
    "segment": Fraction(1, 2),
}  # fmt: skip


def _package(seed: int = 0, **changed: Any) -> dict[str, Any]:
    """What Demucs writes for a model with random weights."""
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(seed)
    model = HTDemucs(SOURCES, **ARGUMENTS)
    state = {key: value.half() for key, value in model.state_dict().items()}
    return {"klass": HTDemucs, "args": (SOURCES,), "kwargs": ARGUMENTS, "state": state, "training_args": {}} | changed


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local repository: two models, a bag of both, and one of them as safetensors."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("demucs")
    for seed, name in enumerate(("aaaa", "bbbb")):
        torch.save(_package(seed), folder / f"{name}.th")
    (folder / "both.yaml").write_text("models: [aaaa, bbbb]\nweights: [[1, 1, 0, 1], [1, 0, 1, 1]]\n")
    package = _package(0)
    arguments = ARGUMENTS | {"segment": {"_type": "fraction", "numerator": 1, "denominator": 2}}
    metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": json.dumps([SOURCES]), "kwargs": json.dumps(arguments)}
    save_file({k: v.contiguous() for k, v in package["state"].items()}, folder / "aaaa.safetensors", metadata)
    return folder


@pytest.fixture
def save(tmp_path: Path, manifest: Callable[..., Path]) -> Callable[..., Path]:
    """Write a checkpoint and its manifest."""

    def write(package: Any, **keys: Any) -> Path:
        torch.save(package, tmp_path / "model.th")
        return manifest("model.th", **(KEYS | keys))

    return write


def _library(repository: Path, name: str, mixture: Audio) -> dict[str, np.ndarray]:
    api = pytest.importorskip("demucs.api", reason="demucs.api needs sphn and lameenc")
    # Of an old checkpoint format the library's own way to open it, which this package never takes.
    separator = api.Separator(model=name, repo=repository, device="cpu", shifts=0)
    found = separator.separate_tensor(torch.from_numpy(mixture.copy()), 8000)[1]
    return {stem: array.numpy() for stem, array in found.items()}


@pytest.mark.parametrize(("name", "files"), [("aaaa", ["aaaa.th"]), ("both", ["both.yaml", "aaaa.th", "bbbb.th"])])
def test_it_gives_what_the_library_gives(
    name: str, files: list[str], repository: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems],
    mixture: Audio,
) -> None:  # fmt: skip
    expected = _library(repository, name, mixture)
    before = mixture.copy()
    found = estimate(manifest(*files, folder=repository, **KEYS))
    assert list(found) == SOURCES
    for stem in SOURCES:
        np.testing.assert_allclose(found[stem], expected[stem], atol=1e-5)
    np.testing.assert_array_equal(mixture, before)


def test_safetensors_hold_the_same(
    repository: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    pickled = estimate(manifest("aaaa.th", folder=repository, **KEYS))
    tensors = estimate(manifest("aaaa.safetensors", folder=repository, **KEYS))
    for stem in SOURCES:
        np.testing.assert_array_equal(tensors[stem], pickled[stem])


def test_shifts_come_from_the_seed_alone(
    repository: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    path = manifest("aaaa.th", folder=repository, **KEYS, options={"shifts": 1})
    random.seed(1)
    state = random.getstate()
    first = estimate(path)
    assert random.getstate() == state
    random.seed(2)
    np.testing.assert_array_equal(estimate(path)["bass"], first["bass"])


def test_a_chunk_is_a_segment(repository: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]) -> None:
    short = estimate(manifest("aaaa.th", folder=repository, **KEYS, chunk=2000))
    assert np.isfinite(short["bass"]).all()
    with pytest.raises(ConfigError, match="chunk is 8000 samples; expected at most 4000"):
        estimate(manifest("aaaa.th", folder=repository, **KEYS, chunk=8000))


class _Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_is_refused(
    tmp_path: Path, save: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    harm = tmp_path / "harm"
    path = save(_package(training_args=_Malicious(harm)))
    with pytest.raises(ConfigError, match=r"model\.th is refused: .*could run code"):
        estimate(path)
    assert not harm.exists()
    torch.load(tmp_path / "model.th", weights_only=False)
    assert harm.exists(), "the file must be one that does harm"


def test_safetensors_that_name_another_class_are_refused(
    tmp_path: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    from safetensors.torch import save_file

    tensors = {"x": torch.zeros(1)}
    metadata = {"klass": "os.mkdir", "args": json.dumps([str(tmp_path / "harm")]), "kwargs": "{}"}
    save_file(tensors, tmp_path / "model.safetensors", metadata)
    with pytest.raises(ConfigError, match=r"names the class 'os\.mkdir'"):
        estimate(manifest("model.safetensors", **KEYS))
    metadata = {
        "klass": "demucs.htdemucs.HTDemucs",
        "structure": '{"_class": "os.mkdir"}',
        "args": "[]",
        "kwargs": "{}",
    }
    save_file(tensors, tmp_path / "model.safetensors", metadata)
    with pytest.raises(ConfigError, match="names classes in its structure"):
        estimate(manifest("model.safetensors", **KEYS))
    assert not (tmp_path / "harm").exists()


def test_missing_and_unexpected_keys_are_said(save: Callable[..., Path], estimate: Callable[..., Stems]) -> None:
    state = _package()["state"]
    key, value = state.popitem()
    with pytest.raises(ConfigError, match=f"Missing key.*{key}"):
        estimate(save(_package(state=state)))
    with pytest.raises(ConfigError, match=r"Unexpected key.*spare"):
        estimate(save(_package(state=state | {key: value, "spare": value})))


def test_what_the_manifest_says_is_compared_with_the_model(
    repository: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems], save: Callable[..., Path]
) -> None:
    with pytest.raises(ConfigError, match=r"stems is .*'vocals', 'drums'.*, but the model's is"):
        estimate(manifest("aaaa.th", folder=repository, kind="demucs"))
    with pytest.raises(ConfigError, match="sample_rate is 44100, but the model's is 8000"):
        estimate(manifest("aaaa.th", folder=repository, **KEYS, sample_rate=44100), rate=44100)
    with pytest.raises(ConfigError, match="expected one model, or a bag's YAML and its models"):
        estimate(manifest("aaaa.th", "bbbb.th", folder=repository, **KEYS))
    with pytest.raises(ConfigError, match="expected the models among the manifest's weights: aaaa"):
        estimate(manifest("both.yaml", "aaaa.th", folder=repository, **KEYS))
    with pytest.raises(ConfigError, match="expected a class, its arguments and a state"):
        estimate(save({"state": {}}))
    with pytest.raises(ConfigError, match="is quantised"):
        estimate(save(_package(state={"__quantized": True})))
