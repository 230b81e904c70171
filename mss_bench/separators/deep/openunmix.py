"""Open-unmix checkpoints from a local folder.

The call::

    mss-bench run -s model:manifest=umxhq/manifest.yaml

The manifest, beside the files of a training of open-unmix, all of which are named::

    kind: openunmix
    weights:
      separator.json: <sha256>         # {sample_rate, nfft, nhop, nb_channels}
      vocals.json: <sha256>            # the training's log, with its arguments
      vocals.pth: <sha256>             # or vocals-<8 digits>.pth, as published
      drums.json: <sha256>             # and so on
      drums.pth: <sha256>
    sample_rate: 44100
    channels: 2
    stems: [vocals, drums]             # the targets
    residual: other                    # optional: all else, as a further source of the Wiener filter
    trained_on: [musdb18hq/train]
    options: {iterations: 1, window: 300, softmask: false}   # the library's niter, wiener_win_len and softmask

The networks hear the whole track, as with the library, but little of it is held at a time: beside the stems, memory
grows by some kilobytes a frame and network, where the library's own separator holds the spectrograms of all stems. Only
``window: 0`` needs those, too. With ``chunk`` (samples) the networks hear chunks that overlap.

A single stem needs a residual, or ``iterations: 0``. The library itself loads checkpoints with missing keys without a
word; here missing and unexpected keys are errors, but for the buffers of transforms that the published checkpoints
hold. Pickles that hold more than tensors are refused.

Open-unmix is under the MIT licence; the published weights of umxl are under CC BY-NC-SA 4.0, the others MIT. Install it
with ``pip install 'mss-bench[openunmix]'``; it imports torchaudio, which must be of the build of torch.

References
----------
.. [1] F.-R. Stöter, S. Uhlich, A. Liutkus and Y. Mitsufuji, "Open-Unmix: a reference implementation for music source
   separation", J. Open Source Software 4(41), 2019.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.files import read_json
from mss_bench.core.parameters import Parameterized, check, param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.deep.adapter import Torch, in_short, load_checkpoint, require_package
from mss_bench.separators.deep.manifest import Manifest
from mss_bench.separators.deep.overlap_add import overlap_add
from mss_bench.separators.deep.stft import ModelSTFT

__all__ = ["OpenUnmixManifest"]

_HARMLESS = {"sample_rate", "stft.window", "transform.0.window"}
"""Buffers of the transform in checkpoints of open-unmix before 1.0, which the separator makes anew."""

_BLOCK = 512  # frames that are encoded at a time


class OpenUnmixOptions(Parameterized):
    """Arguments of the library's separator."""

    iterations: int = param(
        1, at_least=0, doc="Steps of expectation and maximisation of the Wiener filter, the library's niter."
    )
    window: int = param(300, at_least=0, unit="frames", doc="Length of the Wiener filter's windows; 0: all at once.")
    softmask: bool = param(False, doc="Begin from masks instead of magnitudes with the mixture's phase.")


class OpenUnmixManifest(Manifest):
    """The manifest of open-unmix checkpoints."""

    self_described = True
    residual: str = param("", doc="Name of a further stem, all else: a further source of the Wiener filter.")
    options: OpenUnmixOptions = param(OpenUnmixOptions(), doc="Arguments of the library's separator.")

    @check("stems", "residual", "options")
    def _wiener_filter_has_rivals(self) -> None:
        if len(self.stems) == 1 and not self.residual and self.options.iterations:
            raise ConfigError(
                "a Wiener filter needs a second source, expected residual: NAME or options: {iterations: 0}"
            )

    def load(self, device: str = "cpu", precision: str = "float32", batch: int = 0) -> OpenUnmix:
        torch = Torch(device, precision, "openunmix")
        models = require_package("openunmix.model", "openunmix")
        description = _json(_file(self, "separator.json"))
        self.require_equal(
            "separator.json says",
            {"sample_rate": description.get("sample_rate"), "channels": description.get("nb_channels")},
        )
        for key in ("nfft", "nhop"):
            if not isinstance(description.get(key), int):
                raise ConfigError(f"{self.path}: separator.json has {key}={description.get(key)!r}; expected samples")
        package = require_package("torch", "openunmix")
        networks = [_network(package, models, self, stem).eval().to(torch.place) for stem in self.stems]
        wiener = require_package("openunmix.filtering", "openunmix").wiener
        return OpenUnmix(self, torch, networks, wiener, ModelSTFT(n_fft=description["nfft"], hop=description["nhop"]))


class OpenUnmix:
    """The library's networks and Wiener filter, as an adapter: its separator, block by block."""

    def __init__(
        self, manifest: OpenUnmixManifest, torch: Torch, networks: Sequence[Any], wiener: Any, stft: ModelSTFT
    ) -> None:
        self.manifest, self.device = manifest, torch.device
        self._package = require_package("torch", "openunmix")
        self._torch, self._networks, self._wiener, self._stft = torch, tuple(networks), wiener, stft

    def separate(self, mixture: Audio, seed: int = 0) -> Stems:
        """Separate a mixture into the stems and, where there is one, the residual; `seed` is not used."""
        parts = mixture[:, None] if self.manifest.channels == 1 else [mixture]
        with self._torch.inference():
            stems = [
                overlap_add(part, lambda batch: self._stems(batch[0])[None], self.manifest.chunks) for part in parts
            ]
        return dict(zip(self.manifest.delivers, stems[0] if len(stems) == 1 else np.hstack(stems), strict=True))

    def _stems(self, mixture: Audio) -> NDArray[np.float32]:
        """Return the stems ``(stems, channels, samples)`` of a mixture.

        Only the recurrent layers look from frame to frame, and the filter within its windows.
        """
        stft, frames, options = self._stft, self._stft.frames(mixture.shape[-1]), self.manifest.options
        # One network after the other: transforming the mixture anew costs less than holding what all four encode.
        hidden = [_hidden(network, self._codes(network, mixture, frames)) for network in self._networks]
        stems = np.zeros((len(self.manifest.delivers), *mixture.shape), dtype=np.float32)
        window = options.window or frames
        for first in range(0, frames, window):
            part = self._spectrogram(mixture, first, min(first + window, frames))
            found = self._filtered(part, [h[first : first + window] for h in hidden])
            for stem, estimate in zip(stems, found, strict=True):
                stft.add(stem, estimate, first)
        for stem in stems:
            stft.finish(stem)
        return stems

    def _codes(self, network: Any, mixture: Audio, frames: int) -> Any:
        """Return what a network encodes of each frame of a mixture, ``(frames, values)``."""
        parts = (
            _encoded(network, self._spectrogram(mixture, first, min(first + _BLOCK, frames)).abs())
            for first in range(0, frames, _BLOCK)
        )
        codes = self._package.empty((frames, network.hidden_size), device=self._torch.place)
        for first, part in zip(range(0, frames, _BLOCK), parts, strict=True):
            codes[first : first + _BLOCK] = part
        return codes

    def _spectrogram(self, mixture: Audio, first: int, stop: int) -> Any:
        """Return frames of the mixture, ``(frames, channels, bins)``."""
        frames = self._stft.forward(mixture, first, stop).transpose(1, 0, 2)
        return self._package.from_numpy(frames).to(self._torch.place)

    def _filtered(self, mixture: Any, hidden: Sequence[Any]) -> NDArray[np.complex64]:
        """Return the stems ``(stems, channels, frames, bins)`` of frames of the mixture."""
        torch, options = self._package, self.manifest.options
        size = mixture.abs()
        magnitudes = [_decoded(network, h, size) for network, h in zip(self._networks, hidden, strict=True)]
        found = self._wiener(
            torch.stack(magnitudes, dim=-1).float().transpose(1, 2),
            torch.view_as_real(mixture.transpose(1, 2)),
            options.iterations,
            softmask=options.softmask,
            residual=bool(self.manifest.residual),
        )  # (frames, bins, channels, 2, stems)
        stems = torch.view_as_complex(found.permute(4, 2, 0, 1, 3).contiguous())
        return np.asarray(stems.cpu().numpy())


# What the library's `OpenUnmix.forward` does, in three parts; the one in the middle alone looks from frame to frame.


def _encoded(network: Any, magnitude: Any) -> Any:
    scaled = (magnitude[..., : network.nb_bins] + network.input_mean) * network.input_scale
    return network.bn1(network.fc1(scaled.flatten(1))).tanh()


def _hidden(network: Any, codes: Any) -> Any:
    # Beside each other, without a third copy of both.
    both = codes.new_empty((len(codes), 2 * codes.shape[1]))
    both[:, : codes.shape[1]], both[:, codes.shape[1] :] = codes, network.lstm(codes[:, None])[0][:, 0]
    return network.bn2(network.fc2(both)).relu()


def _decoded(network: Any, hidden: Any, magnitude: Any) -> Any:
    gain = network.bn3(network.fc3(hidden)).reshape(magnitude.shape)
    return (gain * network.output_scale + network.output_mean).relu() * magnitude


def _network(torch: Any, models: Any, manifest: Manifest, stem: str) -> Any:
    file = _file(manifest, f"{stem}.pth")
    try:
        arguments = _json(_file(manifest, f"{stem}.json"))["args"]
        state = load_checkpoint(torch, file, "a checkpoint of open-unmix holds tensors alone")
        network = models.OpenUnmix(
            nb_bins=arguments["nfft"] // 2 + 1,
            nb_channels=arguments["nb_channels"],
            hidden_size=arguments["hidden_size"],
            unidirectional=arguments.get("unidirectional", False),
            max_bin=state["input_mean"].shape[0],  # trained up to 16 kHz, say; the log does not tell in bins
        )
        missing, unexpected = network.load_state_dict(state, strict=False)
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ConfigError(
            f"{file} is no checkpoint of open-unmix as {stem}.json describes it: {in_short(error)}"
        ) from error
    unexpected = [key for key in unexpected if key not in _HARMLESS]
    if missing or unexpected:
        raise ConfigError(f"{file}: missing keys: {_listed(missing)}; unexpected keys: {_listed(unexpected)}")
    return network


def _file(manifest: Manifest, name: str) -> Path:
    """Return a file of weights by its name; published ones have a part of their hash before the ending."""
    stem, ending = name.rsplit(".", 1)
    pattern = rf"{re.escape(stem)}(-[0-9a-f]{{8,}})?\.{ending}"
    files = [file for file in manifest.files if re.fullmatch(pattern, file.name)]
    if len(files) != 1:
        manifest.refuse_files(f"one file {name}, found {len(files)}")
    return files[0]


def _json(file: Path) -> dict[str, Any]:
    try:
        value = read_json(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{file} holds {type(value).__name__}, expected a mapping")
    return value


def _listed(keys: list[str]) -> str:
    return ", ".join(sorted(keys)[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "") or "none"
