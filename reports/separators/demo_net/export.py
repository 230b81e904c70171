"""Write the files that are shipped from a trained network: ``demo_net.onnx`` and its manifest ``demo_net.yaml``.

The graph is written node by node: sixty of them, where PyTorch's exporter makes four hundred in ten seconds. That it
computes the same is tested.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mss_bench.core.audio import hash_file
from mss_bench.datasets.demo import SAMPLE_RATE
from reports.separators.demo_net.bands import BANDS, POOLING, TRANSFORM
from reports.separators.demo_net.data import STEMS
from reports.separators.demo_net.network import BORDER, MAPS, DemoNet, OverBins

if TYPE_CHECKING:
    import onnx

__all__ = ["rounded", "write_model"]

_CHUNK = 512  # frames, 24 s: a song of the demo at once, and a long track in little memory
_OPSET, _IR = 17, 8  # of 2022: any ONNX Runtime reads them

_MANIFEST = """\
# The network that reports/separators/demo_net/train.py has trained.
kind: onnx
weights: {{demo_net.onnx: {sha256}}}
sample_rate: {sample_rate}
channels: 2
stems: [{stems}]
trained_on: [demo/train]
input: magnitude
output: masks
layout: {{input: batch channels bins frames, output: batch stems channels bins frames}}
stft: {{n_fft: {n_fft}, hop: {hop}, window: sqrt_hann, centre: false}}
normalisation: rms
chunk: {chunk}
border: {border}
overlap: 0
padding: zeros
resample: true
licence: MIT
citation: The mss_bench authors, demo_net, a small network trained on the demo songs, 2026
"""


def rounded(network: DemoNet) -> OverBins:
    """Return the network as it is shipped: in use, not in training, and with weights of 16 bits."""
    own = copy.deepcopy(network).eval()
    with torch.no_grad():
        for parameter in own.parameters():
            if parameter.ndim > 1:
                parameter.copy_(parameter.half().float())
    return OverBins(own).eval()


def write_model(network: DemoNet, folder: Path) -> Path:
    """Export a network.

    Parameters
    ----------
    network : DemoNet
    folder : Path
        For ``demo_net.onnx`` and ``demo_net.yaml``.

    Returns
    -------
    Path
        The manifest.
    """
    path = folder / "demo_net.onnx"
    path.write_bytes(_Graph().model(rounded(network).network).SerializeToString())
    manifest = folder / "demo_net.yaml"
    manifest.write_text(
        _MANIFEST.format(
            sha256=hash_file(path), sample_rate=SAMPLE_RATE, stems=", ".join(STEMS), n_fft=TRANSFORM.n_fft,
            hop=TRANSFORM.hop, chunk=_CHUNK, border=BORDER,
        ),
        encoding="utf-8",
    )  # fmt: skip
    return manifest


class _Graph:
    """An ONNX graph under construction; every method appends nodes and returns the name of their output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def model(self, network: DemoNet) -> onnx.ModelProto:
        """Return the whole network with bins at both ends."""
        import onnx
        from onnx import TensorProto, helper

        masks = self.masks(network, self.pooled("magnitude"))
        self.add("Reshape", self.unpooled(masks), self.integers(0, len(STEMS), 2, TRANSFORM.bins, -1))
        self.nodes[-1].output[0] = "masks"  # instead of a numbered name
        given = helper.make_tensor_value_info("magnitude", TensorProto.FLOAT, ["batch", 2, TRANSFORM.bins, "frames"])
        shape: list[str | int | None] = ["batch", len(STEMS), 2, TRANSFORM.bins, "frames"]
        masks = helper.make_tensor_value_info("masks", TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "demo_net", [given], [masks], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        onnx.checker.check_model(model, full_check=True)
        return model

    def masks(self, network: DemoNet, mixture: str) -> str:
        """Append ``DemoNet.forward``: ``(batch, channels, bands, frames)`` to ``(batch, masks, bands, frames)``."""
        x = self.add("Log", self.add("Add", mixture, self.numbers(np.ones(1))))
        x = self.affine(network.scale, x, (1, -1, 1))
        y = self.layers([network.enter], self.add("Reshape", x, self.integers(0, 2 * BANDS, -1)))
        for block in network.trunk:
            y = self.add("Add", y, self.layers(block.layers, y))  # type: ignore[arg-type]
        maps = self.add("Reshape", self.layers(network.leave, y), self.integers(0, MAPS, BANDS, -1))
        drawn = self.layers(network.draw, self.add("Concat", x, maps, axis=1))
        logits = self.add("Add", drawn, self.numbers(network.place[None]))
        shared = self.add("Softmax", self.add("Reshape", logits, self.integers(0, len(STEMS), 2, BANDS, -1)), axis=1)
        return self.add("Reshape", shared, self.integers(0, 2 * len(STEMS), BANDS, -1))

    def pooled(self, name: str) -> str:
        parts, first = [], 0
        for count, width in POOLING:
            part = self.rows(name, first, first + count * width)
            parts.append(self.add("AveragePool", part, kernel_shape=[width, 1], strides=[width, 1]))
            first += count * width
        return self.add("Concat", *parts, axis=2)

    def unpooled(self, name: str) -> str:
        parts, first = [], 0
        for count, width in POOLING:
            # Nearest neighbours, rounded down, repeat each band `width` times.
            scales = self.numbers(np.array([1, 1, width, 1]))
            nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            parts.append(self.add("Resize", self.rows(name, first, first + count), "", scales, **nearest))
            first += count
        return self.add("Concat", *parts, self.rows(name, BANDS - 1, BANDS), axis=2)

    def rows(self, name: str, first: int, last: int) -> str:
        """Slice the third axis."""
        return self.add("Slice", name, self.integers(first), self.integers(last), self.integers(2))

    def layers(self, layers: nn.Sequential | list[nn.Conv1d], name: str) -> str:
        for layer in layers:
            if isinstance(layer, nn.Sequential):
                name = self.layers(layer, name)
            elif isinstance(layer, nn.ReLU):
                name = self.add("Relu", name)
            elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                name = self.affine(layer, name, (-1, 1) if isinstance(layer, nn.BatchNorm1d) else (-1, 1, 1))
            elif isinstance(layer, nn.Conv1d | nn.Conv2d):
                bias = () if layer.bias is None else (self.numbers(layer.bias),)
                pads = [int(pad) for pad in layer.padding] * 2
                name = self.add(
                    "Conv", name, self.numbers(layer.weight), *bias, pads=pads, dilations=list(layer.dilation),
                    group=layer.groups,
                )  # fmt: skip
            else:
                raise TypeError(f"{type(layer).__name__} has no node; write one beside the others")
        return name

    def affine(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, name: str, shape: tuple[int, ...]) -> str:
        """Apply a trained normalisation, which is a factor and an offset."""
        assert norm.running_var is not None
        assert norm.running_mean is not None
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        offset = norm.bias - norm.running_mean * factor
        scaled = self.add("Mul", name, self.exact(factor.detach().numpy().reshape(shape)))
        return self.add("Add", scaled, self.exact(offset.detach().numpy().reshape(shape)))

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def numbers(self, values: torch.Tensor | NDArray[Any]) -> str:
        """Add weights; those of more than one axis in 16 bits, cast back by the graph, which halves the file."""
        from onnx import TensorProto

        array = values.detach().numpy() if isinstance(values, torch.Tensor) else values
        if array.ndim < 2:
            return self.exact(array)
        return self.add("Cast", self.constant(array.astype(np.float16)), to=TensorProto.FLOAT)

    def exact(self, values: NDArray[Any]) -> str:
        return self.constant(values.astype(np.float32))

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name
