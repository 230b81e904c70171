"""Models in ONNX, run by ONNX Runtime.

The call::

    mss-bench run -s model:manifest=my_model/manifest.yaml           # or device=cuda, with onnxruntime-gpu

The manifest, for a network that takes magnitudes ``(batch, channels, bins, frames)`` and returns a mask for each stem,
``(batch, stems, channels, bins, frames)``, of any number of frames::

    kind: onnx
    weights: {model.onnx: <sha256>}
    sample_rate: 44100
    channels: 2
    stems: [vocals, drums, bass, other]
    trained_on: [musdb18/train]
    input: magnitude
    output: masks
    stft: {n_fft: 4096, hop: 1024}

Several files that end in ``.onnx`` are one for each stem, in the order of ``stems``. UVR's MDX-Net models are such
networks, of complex spectrograms, each for one stem. This manifest is ready for the family, with what UVR's
``model_data.json`` says of the model: ``mdx_n_fft_scale_set`` is ``n_fft``, ``mdx_dim_f_set`` is ``bins``, 2 to the
power of ``mdx_dim_t_set`` is ``chunk``; the ``primary_stem`` Instrumental is ``accompaniment``, its residual
``vocals``::

    kind: onnx
    weights: {UVR-MDX-NET-Voc_FT.onnx: <sha256>}
    sample_rate: 44100
    channels: 2
    stems: [vocals]
    residual: accompaniment
    trained_on: [unknown]
    input: complex
    output: spectrograms
    layout:
      input: batch (channels complex) bins frames
      output: batch (stems channels complex) bins frames
    stft: {n_fft: 7680, hop: 1024, bins: 3072, zeroed: 3}
    chunk: 256
    overlap: 0
    border: 3
    padding: zeros
    compensate: 1.021
    denoise: true

A network with a fixed length gets it as ``chunk``. The model has one input and one output, of 16, 32 or 64 bits.
From PyTorch, with ``pip install onnx onnxscript``::

    example = torch.rand(1, 2, 2049, 64)                     # axes as in `layout`; 64 frames, or `chunk` of them
    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames")
    torch.onnx.export(
        model.eval(), (example,), "model.onnx", dynamo=True,
        dynamic_shapes=({0: batch, 3: frames},),             # leave it out, and set `chunk`, for a fixed length
        external_data=False,                                 # one file; needed above 2 GB to leave it out
    )

Without ``external_data=False`` the weights lie beside the model, and both are files of the manifest::

    weights:
      model.onnx: <sha256>
      model.onnx.data: <sha256>

`reports/real_networks` has an export of a network that people use.

An ONNX file is data, not code: nothing in it can reach outside the network. ``precision=mixed`` is refused, since the
precision is part of the file. ONNX Runtime is under the MIT licence; install it with
``pip install 'mss-bench[onnx]'``, or ``onnxruntime-gpu`` in its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.devices import check_device
from mss_bench.dsp.onnx import onnx_session
from mss_bench.errors import ConfigError
from mss_bench.separators.deep.adapter import require_package
from mss_bench.separators.deep.network import Network, NetworkManifest

__all__ = ["OnnxManifest"]

# What ONNX calls a type, and NumPy.
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class OnnxManifest(NetworkManifest):
    """The manifest of a network in an ONNX file."""

    models: list[Path]

    def complete(self) -> None:
        self.models = [file for file in self.files if file.suffix == ".onnx"]
        if len(self.models) not in (1, len(self.stems)):
            self.refuse_files(f"one that ends in .onnx, or one for each of {', '.join(self.stems)}")

    def load(self, device: str = "cpu", precision: str = "float32", batch: int = 0) -> Network:
        runtime = require_package("onnxruntime", "onnx")
        provider, named = _provider(runtime, check_device(device))
        sessions = _sessions(runtime, self, provider)
        if sessions[0].get_providers()[0] != provider[0]:
            raise ConfigError(f"device={device}: ONNX Runtime could not use {provider[0]}; choose device=cpu")
        return Network(self, [_call(session, self) for session in sessions], named, batch)


def _provider(runtime: Any, device: str) -> tuple[tuple[str, dict[str, int]], str]:
    there = "CUDAExecutionProvider" in runtime.get_available_providers()
    if device == "cpu" or (device == "auto" and not there):
        return ("CPUExecutionProvider", {}), "cpu"
    if not there:
        raise ConfigError(
            f"device={device}: this build of ONNX Runtime ({runtime.__version__}) has no CUDA; choose device=cpu or "
            "auto, or install onnxruntime-gpu in its place"
        )
    number = int(device.partition(":")[2] or 0)
    return ("CUDAExecutionProvider", {"device_id": number}), f"cuda:{number}"


def _sessions(runtime: Any, manifest: OnnxManifest, provider: Any) -> list[Any]:
    beside = {file: file.read_bytes() for file in manifest.files if file not in manifest.models}
    return [
        onnx_session(
            runtime,
            m,
            {Path(os.path.relpath(f, m.parent)).as_posix(): content for f, content in beside.items()},
            provider,
        )
        for m in manifest.models
    ]


def _call(session: Any, manifest: NetworkManifest) -> Callable[[NDArray[Any]], NDArray[Any]]:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type not in _TYPES:
        described = "; ".join(
            f"{what} {', '.join(f'{port.name} {port.type}' for port in ports)}"
            for what, ports in (("inputs", inputs), ("outputs", outputs))
        )
        raise ConfigError(f"{manifest.path}: the model has the {described}; expected one of floats each")
    name, kind, shape = inputs[0].name, _TYPES[inputs[0].type], inputs[0].shape

    def call(array: NDArray[Any]) -> NDArray[Any]:
        fixed = [size if isinstance(size, int) else given for size, given in zip(shape, array.shape, strict=False)]
        if shape and (len(shape) != array.ndim or tuple(fixed) != array.shape):
            raise ConfigError(
                f"{manifest.path}: the model takes {tuple(shape)}, the manifest makes it {array.shape} "
                f"({manifest.input_layout.text}); mend layout, chunk, channels or stft, or the batch size"
            )
        output: NDArray[Any] = session.run(None, {name: array.astype(kind, copy=False)})[0]
        return output

    return call
