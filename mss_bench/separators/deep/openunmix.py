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

The library gets the whole track, which needs much memory on long ones; with ``chunk`` (samples) it gets chunks that
overlap. A single stem needs a residual, or ``iterations: 0``. The library itself loads checkpoints with missing keys
without a word; here missing and unexpected keys are errors, but for the buffers of transforms that the published
checkpoints hold. Pickles that hold more than tensors are refused.

Open-unmix is under the MIT licence; the published weights of umxl are under CC BY-NC-SA 4.0, the others MIT. Install it
with ``pip install 'mss-bench[openunmix]'``; it imports torchaudio, which must be of the build of torch.

References
----------
.. [1] F.-R. Stöter, S. Uhlich, A. Liutkus and Y. Mitsufuji, "Open-Unmix: a reference implementation for music source
   separation", J. Open Source Software 4(41), 2019.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core.files import read_json
from mss_bench.core.parameters import Parameterized, check, param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.deep.adapter import Torch, in_short, load_checkpoint, require_package
from mss_bench.separators.deep.manifest import Manifest
from mss_bench.separators.deep.overlap_add import overlap_add

__all__ = ["OpenUnmixManifest"]

_HARMLESS = {"sample_rate", "stft.window", "transform.0.window"}
"""Buffers of the transform in checkpoints of open-unmix before 1.0, which the separator makes anew."""


class OpenUnmixOptions(Parameterized):
    """Arguments of the library's separator."""

    iterations: int = param(
        1, at_least=0, doc="Steps of expectation and maximisation of the Wiener filter, the library's niter."
    )
    window: int = param(300, at_least=0, unit="frames", doc="Length of the Wiener filter's windows; 0: all at once.")
    softmask: bool = param(False, doc="Begin from masks instead of magnitudes with the mixture's phase.")


class OpenUnmixManifest(Manifest):
    """The manifest of open-unmix checkpoints."""

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
        separator = models.Separator(
            {stem: _network(torch.library, models, self, stem) for stem in self.stems},
            niter=self.options.iterations,
            softmask=self.options.softmask,
            residual=bool(self.residual),
            sample_rate=float(description["sample_rate"]),
            n_fft=description["nfft"],
            n_hop=description["nhop"],
            nb_channels=description["nb_channels"],
            wiener_win_len=self.options.window or None,
        )
        separator.freeze()
        return OpenUnmix(self, torch, separator.to(torch.place), batch)


class OpenUnmix:
    """The library's separator, as an adapter."""

    def __init__(self, manifest: Manifest, torch: Torch, separator: Any, batch: int) -> None:
        self.manifest, self.device, self._batch = manifest, torch.device, batch or 1
        self._call = functools.partial(torch.call, separator)

    def separate(self, mixture: Audio, seed: int = 0) -> Stems:
        """Separate a mixture into the stems and, where there is one, the residual; `seed` is not used."""
        parts = mixture[:, None] if self.manifest.channels == 1 else [mixture]
        chunks = self.manifest.chunks
        stems = np.concatenate([overlap_add(part, self._call, chunks, self._batch) for part in parts], axis=1)
        return dict(zip(self.manifest.delivers, stems, strict=True))


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
