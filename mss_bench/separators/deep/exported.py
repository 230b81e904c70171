"""Models exported by ``torch.export`` (``.pt2``).

The call::

    mss-bench run -s model:manifest=my_model/manifest.yaml,device=cuda,batch=8

The manifest, for a network from waveforms ``(batch, channels, samples)`` to ``(batch, stems, channels, samples)``::

    kind: pt2
    weights: {model.pt2: <sha256>}
    sample_rate: 44100
    channels: 2
    stems: [vocals, accompaniment]
    trained_on: [musdb18/train]
    input: waveform
    output: sources
    chunk: 441000                # leave it out where the length is dynamic and the memory suffices
    normalisation: mean_std

The file is made by::

    batch, samples = torch.export.Dim("batch"), torch.export.Dim("samples", min=...)
    program = torch.export.export(model.eval(), (example,), dynamic_shapes=({0: batch, 2: samples},))
    torch.export.save(program, "model.pt2")

Files of the major formats before PyTorch 2.8, TorchScript and whole pickled modules are not taken: export again, or
export to ONNX. A ``.pt2`` file can hold pickles and compiled libraries, which would run as code: one that does is
refused (`mss_bench.separators.deep.archive`). PyTorch has a licence in the style of BSD; install it with
``pip install 'mss-bench[torch]'``.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from mss_bench.errors import ConfigError
from mss_bench.separators.deep.adapter import Torch, in_short
from mss_bench.separators.deep.archive import checked_archive
from mss_bench.separators.deep.network import Network, NetworkManifest

__all__ = ["ExportedManifest"]


class ExportedManifest(NetworkManifest):
    """The manifest of a network in a file of `torch.export`."""

    def complete(self) -> None:
        if len(self.files) != 1:
            self.refuse_files("one .pt2 file")

    def load(self, device: str = "cpu", precision: str = "float32", batch: int = 0) -> Network:
        torch = Torch(device, precision, "pt2")
        (file,) = self.files
        content = checked_archive(torch.library, file)
        try:
            program = torch.library.export.load(content)
            if torch.place.type != "cpu":
                from torch.export.passes import move_to_device_pass

                program = move_to_device_pass(program, torch.place)
            module = program.module()
        except Exception as error:  # whatever torch makes of a file that is damaged or of another version
            raise ConfigError(
                f"{file} cannot be loaded by torch {torch.library.__version__}: {in_short(error)}; export it again"
            ) from error

        def call(array: NDArray[Any]) -> NDArray[Any]:
            try:
                return torch.call(module, array)
            except AssertionError as error:  # a guard on the shape
                raise ConfigError(
                    f"{self.path}: the model refuses {array.shape} ({self.input_layout.text}): {error}; mend layout, "
                    "chunk, channels or stft, or the batch size"
                ) from error
            except TypeError as error:
                raise ConfigError(f"{self.path}: {error}") from error

        return Network(self, [call], torch.device, batch)
