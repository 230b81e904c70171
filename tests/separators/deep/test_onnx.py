"""ONNX models: the adapter gives what ONNX Runtime gives, and every way in which a model can be wrong is said."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mss_bench.core.audio import hash_file
from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.errors import ConfigError, InvalidOutputError
from mss_bench.separators.deep import onnx as onnx_manifest
from mss_bench.separators.deep.model import Model
from mss_bench.separators.deep.stft import ModelSTFT

runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

WAVEFORM = {"kind": "onnx", "input": "waveform", "output": "sources"}
MASKS = {"kind": "onnx", "input": "magnitude", "output": "masks", "stft": {"n_fft": 512, "hop": 128}}
TWO_D = {"kernel": (3, 3), "shape": (4, 2, 257, -1), "rest": (257, "frames")}
STEMS = ("vocals", "drums", "bass", "other")


def _direct(file: Path, array: np.ndarray) -> np.ndarray:
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": array[None].astype(np.float32)})[0][0])


def test_a_waveform_model_gives_what_the_runtime_gives(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    file = onnx_file()
    expected = _direct(file, mixture)
    for length in (len(mixture[0]), 3001):
        found = estimate(manifest(file.name, **WAVEFORM), mixture[:, :length])
        assert list(found) == list(STEMS)
        for k, name in enumerate(STEMS):
            np.testing.assert_allclose(found[name][:, : length - 4], expected[k, :, : length - 4], atol=1e-5)


def test_masks_of_magnitudes_of_a_dynamic_length(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    file = onnx_file(**TWO_D)
    stft = ModelSTFT(n_fft=512, hop=128)
    x = stft.forward(mixture)
    masks = _direct(file, np.abs(x).transpose(0, 2, 1)).transpose(0, 1, 3, 2)
    found = estimate(manifest(file.name, **MASKS))
    for k, name in enumerate(STEMS):
        np.testing.assert_allclose(found[name], stft.inverse(x * masks[k], mixture.shape[1]), atol=1e-5)


def test_complex_input_and_merged_axes(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    # One channel of the mixture: real and imaginary part are the two inputs of the network.
    file = onnx_file(kernel=(3, 3), shape=(4, 2, 200, -1), rest=(200, "frames"), activation="Tanh")
    layout = {"input": "batch (channels complex) bins frames", "output": "batch stems (channels complex) bins frames"}
    stft = {"n_fft": 512, "hop": 128, "bins": 200}
    keys = {"input": "complex", "output": "spectrograms", "layout": layout, "stft": stft, "channels": 1}
    found = estimate(manifest(file.name, **(MASKS | keys)))
    transform = ModelSTFT(n_fft=512, hop=128)
    for channel in range(2):
        x = transform.forward(mixture[channel : channel + 1])[0, :, :200].T
        y = _direct(file, np.stack([x.real, x.imag]))
        for k, name in enumerate(STEMS):
            expected = transform.inverse((y[k, 0] + 1j * y[k, 1]).T[None], mixture.shape[1])
            np.testing.assert_allclose(found[name][channel], expected[0], atol=1e-5)


@pytest.mark.parametrize("name", ["soft", "wiener", "multichannel"])
def test_filters_make_the_stems_add_up(
    name: str, onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems],
    mixture: Audio,
) -> None:  # fmt: skip
    found = estimate(manifest(onnx_file(**TWO_D).name, **MASKS, filter=name))
    np.testing.assert_allclose(sum(found.values()), mixture, atol=1e-6)


def test_a_residual_is_what_the_stems_leave(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    file = onnx_file(shape=(1, 2, -1))
    found = estimate(manifest(file.name, **WAVEFORM, stems=["vocals"], residual="accompaniment"))
    assert list(found) == ["vocals", "accompaniment"]
    np.testing.assert_allclose(found["vocals"] + found["accompaniment"], mixture, atol=1e-6)


def test_chunks_and_batches_change_nothing(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    for file, keys, chunk in ((onnx_file(), WAVEFORM, 1000), (onnx_file("masks.onnx", **TWO_D), MASKS, 16)):
        whole = estimate(manifest(file.name, **keys, border=4))
        chunked = manifest(file.name, **keys, border=4, chunk=chunk)
        one, many = estimate(chunked), estimate(chunked, batch=5)
        for name in STEMS:
            np.testing.assert_allclose(one[name], whole[name], atol=1e-4 * np.abs(whole[name]).max())
            np.testing.assert_allclose(many[name], one[name], atol=1e-6)


def test_normalisation_is_undone(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    file = onnx_file(activation="Tanh")
    for how in ("rms", "peak", "mean_std"):
        path = manifest(file.name, **WAVEFORM, normalisation=how)
        quiet, loud = estimate(path), estimate(path, 10 * mixture)
        for name in STEMS:
            np.testing.assert_allclose(loud[name], 10 * quiet[name], atol=1e-5)


def test_another_rate_is_resampled_only_where_the_manifest_says_so(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    file = onnx_file()
    with pytest.raises(ConfigError.__base__, match="resample: true"):
        estimate(manifest(file.name, **WAVEFORM), rate=11025)
    found = estimate(manifest(file.name, **WAVEFORM, resample=True), rate=11025)
    asked = estimate(manifest(file.name, **WAVEFORM), rate=11025, resample=True)
    np.testing.assert_array_equal(asked["vocals"], found["vocals"])
    with pytest.raises(ConfigError.__base__, match="resample=true behind the model"):
        estimate(manifest(file.name, **WAVEFORM, resample=True), rate=11025, resample=False)
    assert all(stem.shape == mixture.shape for stem in found.values())


def test_weights_beside_the_model_are_read_only_where_they_are_named(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    expected = estimate(manifest(onnx_file("inside.onnx").name, **WAVEFORM))
    file = onnx_file("outside.onnx", external="outside.data")
    found = estimate(manifest(file.name, "outside.data", **WAVEFORM))
    for name in STEMS:
        np.testing.assert_array_equal(found[name], expected[name])


def test_weights_that_the_manifest_does_not_name_are_not_read(
    onnx_file: Callable[..., Path],
    manifest: Callable[..., Path],
    estimate: Callable[..., Stems],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = onnx_file("outside.onnx", external="outside.data")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    weights = (file.parent / "outside.data").read_bytes()
    (elsewhere / "outside.data").write_bytes(bytes(len(weights)))  # other weights of that name
    monkeypatch.chdir(elsewhere)
    with pytest.raises(ConfigError, match=r"outside\.onnx cannot be loaded .*outside\.data.* must be named"):
        estimate(manifest(file.name, **WAVEFORM))


def test_nan_is_said(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    with pytest.raises(InvalidOutputError, match="NaN or infinity"):
        estimate(manifest(onnx_file(activation="Log").name, **WAVEFORM))


def test_another_number_of_stems_is_said(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    path = manifest(onnx_file().name, **WAVEFORM, stems=["vocals", "drums"])
    with pytest.raises(InvalidOutputError, match=r"\(1, 4, 2, 8000\), expected \(1, 2, 2, 8000\): .*stems 2"):
        estimate(path)


def test_another_length_is_said(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    path = manifest(onnx_file(shape=(4, 1, -1)).name, **WAVEFORM, stems=["vocals", "drums"])
    with pytest.raises(InvalidOutputError, match="expected"):
        estimate(path)


def test_a_fixed_length_needs_a_chunk(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    file = onnx_file(rest=(1500,), batch=1)
    with pytest.raises(ConfigError, match=r"takes \(1, 2, 1500\), the manifest makes it \(1, 2, 8000\)"):
        estimate(manifest(file.name, **WAVEFORM))
    found = estimate(manifest(file.name, **WAVEFORM, chunk=1500))
    assert found["vocals"].shape == mixture.shape
    with pytest.raises(ConfigError, match="or the batch size"):
        estimate(manifest(file.name, **WAVEFORM, chunk=1500), batch=2)


def test_what_is_no_model_is_said(
    tmp_path: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ConfigError, match="cannot be loaded by ONNX Runtime"):
        estimate(manifest("model.onnx", **WAVEFORM))


def test_a_gpu_that_is_not_there_is_said(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    if "CUDAExecutionProvider" in runtime.get_available_providers():
        pytest.skip("this build of ONNX Runtime has CUDA")
    path = manifest(onnx_file().name, **WAVEFORM)
    with pytest.raises(ConfigError, match=r"device=cuda:1: this build of ONNX Runtime .* has no CUDA"):
        estimate(path, device="cuda:1")
    with pytest.raises(ConfigError, match="precision of an ONNX model"):
        estimate(path, precision="mixed")
    assert estimate(path, device="auto")


def test_one_file_a_stem_as_mdx_net_has_them(
    onnx_file: Callable[..., Path], manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    shape = {"kernel": (3, 3), "shape": (1, 2, 200, -1), "rest": (200, "frames")}
    files = [onnx_file(f"{n}.onnx", activation=n, **shape) for n in ("Sigmoid", "Softplus")]
    layout = {"input": "batch (channels complex) bins frames", "output": "batch stems (channels complex) bins frames"}
    stft = {"n_fft": 512, "hop": 128, "bins": 200, "zeroed": 3}
    keys = {"input": "complex", "output": "spectrograms", "layout": layout, "stft": stft, "channels": 1}
    keys |= {"stems": ["vocals", "bass"], "denoise": True, "compensate": 1.5, "residual": "other"}
    found = estimate(manifest(*(file.name for file in files), **(MASKS | keys)))
    transform = ModelSTFT(n_fft=512, hop=128)
    for name, file in zip(("vocals", "bass"), files, strict=True):
        x = transform.forward(mixture[:1])[0, :, :200].T
        x = np.where(np.arange(200)[:, None] < 3, 0, x)
        given = np.stack([x.real, x.imag])
        y = (_direct(file, given) - _direct(file, -given))[0] / 2
        expected = 1.5 * transform.inverse((y[0] + 1j * y[1]).T[None], mixture.shape[1])
        np.testing.assert_allclose(found[name][0], expected[0], atol=1e-5)
    np.testing.assert_allclose(sum(found.values()), mixture, atol=1e-6)
    with pytest.raises(ConfigError, match=r"one that ends in \.onnx, or one for each of vocals, bass, other"):
        estimate(
            manifest(
                *(file.name for file in files),
                **(MASKS | keys | {"stems": ["vocals", "bass", "other"], "residual": None}),
            )
        )


@pytest.mark.parametrize(
    "keys", [WAVEFORM | {"chunk": 8000}, MASKS | {"chunk": 64, "filter": "soft", "normalisation": "rms"}]
)
def test_memory_does_not_grow_with_the_song_beyond_its_estimates(
    keys: dict[str, Any], onnx_file: Callable[..., Path], manifest: Callable[..., Path]
) -> None:
    model = Model(manifest=str(manifest(onnx_file(**(TWO_D if "stft" in keys else {})).name, **keys)))
    beyond = []
    for seconds in (10, 40):
        music = np.random.default_rng(0).standard_normal((2, 8000 * seconds)).astype(np.float32)
        tracemalloc.start()
        found = model.separate(music, 8000, targets=Targets(STEMS), rng=np.random.default_rng(0))
        beyond.append(tracemalloc.get_traced_memory()[1] - sum(stem.nbytes for stem in found.values()))
        tracemalloc.stop()
    assert beyond[1] - beyond[0] < 0.1 * music.nbytes


def test_the_manifest_of_the_mdx_net_family_is_ready(
    tmp_path: Path, onnx_file: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    text = next(t for t in re.findall(r"(?:^    .*\n)+", onnx_manifest.__doc__ or "", re.M) if "compensate" in t)
    name = "UVR-MDX-NET-Voc_FT.onnx"
    file = onnx_file(name, inputs=4, kernel=(1, 1), shape=(4, 3072, 256), rest=(3072, 256), batch=1, activation="Tanh")
    (tmp_path / "mdx.yaml").write_text(text.replace("<sha256>", hash_file(file)))
    music = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 44100)).astype(np.float32)
    found = estimate(tmp_path / "mdx.yaml", music, 44100)
    assert list(found) == ["vocals", "accompaniment"]
    np.testing.assert_allclose(found["vocals"] + found["accompaniment"], music, atol=1e-6)
    assert 0.01 < np.std(found["vocals"]) < 1
