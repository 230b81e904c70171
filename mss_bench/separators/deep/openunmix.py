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

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.deep.adapter import pickle_reason, require_package, torch_context, torch_device
from mss_bench.separators.deep.manifest import Manifest
from mss_bench.separators.deep.overlap_add import overlap_add

__all__ = ["load"]

_HARMLESS = {"sample_rate", "stft.window", "transform.0.window"}
"""Buffers of the transform in checkpoints of open-unmix before 1.0, which the separator makes anew."""


def load(manifest: Manifest, device: str = "cpu", precision: str = "float32", batch: int = 1) -> OpenUnmix:
    """The separator of a manifest of kind ``openunmix``.

    Raises
    ------
    ConfigError
        Files that are missing in the manifest, keys that are missing or unexpected, other rates or channels than the
        manifest's; a GPU that is not there.
    MissingDependencyError
        Open-unmix, or torchaudio, is not installed or cannot be imported.
    """
    torch = require_package("torch", "openunmix")
    models = require_package("openunmix.model", "openunmix")
    place, named = torch_device(device, "openunmix")
    description = _json(_file(manifest, "separator.json"))
    _compare(manifest, description)
    separator = models.Separator(
        {stem: _network(torch, models, manifest, stem) for stem in manifest.stems},
        niter=manifest.options["iterations"],
        softmask=manifest.options["softmask"],
        residual=bool(manifest.residual),
        sample_rate=float(description["sample_rate"]),
        n_fft=description["nfft"],
        n_hop=description["nhop"],
        nb_channels=description["nb_channels"],
        wiener_win_len=manifest.options["window"] or None,
    )
    separator.freeze()
    return OpenUnmix(manifest, separator.to(place), place, named, precision, batch)


class OpenUnmix:
    """The library's separator, as an adapter."""

    def __init__(self, manifest: Manifest, separator: Any, place: Any, device: str, precision: str, batch: int) -> None:
        self.manifest, self.device = manifest, device
        self._separator, self._place, self._precision, self._batch = separator, place, precision, batch

    def separate(self, mixture: Audio, seed: int = 0) -> Stems:
        """The stems of a mixture and, where there is one, the residual; `seed` is not used."""
        parts = mixture[:, None] if self.manifest.channels == 1 else [mixture]
        found = np.concatenate(
            [overlap_add(part, self._call, self.manifest.chunks, self._batch) for part in parts], axis=1
        )
        return {name: found[k] for k, name in enumerate(self.manifest.delivers)}

    def _call(self, batch: NDArray[Any]) -> NDArray[Any]:
        import torch

        with torch_context(self._place, self._precision):
            found = self._separator(torch.from_numpy(np.ascontiguousarray(batch)).to(self._place))
            return np.asarray(found.float().cpu().numpy())


def _network(torch: Any, models: Any, manifest: Manifest, stem: str) -> Any:
    file = _file(manifest, f"{stem}.pth")
    try:
        arguments = _json(_file(manifest, f"{stem}.json"))["args"]
        state = torch.load(file, map_location="cpu", weights_only=True)
        network = models.OpenUnmix(
            nb_bins=arguments["nfft"] // 2 + 1,
            nb_channels=arguments["nb_channels"],
            hidden_size=arguments["hidden_size"],
            unidirectional=arguments.get("unidirectional", False),
            max_bin=state["input_mean"].shape[0],
        )
        missing, unexpected = network.load_state_dict(state, strict=False)
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"{file} is refused: a checkpoint of open-unmix holds tensors alone, this one holds more, or is damaged, "
            f"and could run code when it is opened ({pickle_reason(error)})"
        ) from error
    except (KeyError, TypeError, AttributeError, RuntimeError, OSError, EOFError) as error:
        first = str(error).strip().replace("\n", " ")
        raise ConfigError(
            f"{file} is no checkpoint of open-unmix as {stem}.json describes it: {type(error).__name__}: {first:.300}"
        ) from error
    unexpected = [key for key in unexpected if key not in _HARMLESS]
    if missing or unexpected:
        raise ConfigError(f"{file}: missing keys: {_listed(missing)}; unexpected keys: {_listed(unexpected)}")
    return network


def _compare(manifest: Manifest, description: dict[str, Any]) -> None:
    for field, key in (("sample_rate", "sample_rate"), ("channels", "nb_channels")):
        said, found = getattr(manifest, field), description.get(key)
        if said != found:
            raise ConfigError(f"{manifest.path}: {field} is {said}, but separator.json says {found}; mend the manifest")
    for key in ("nfft", "nhop"):
        if not isinstance(description.get(key), int):
            raise ConfigError(f"{manifest.path}: separator.json has {key}={description.get(key)!r}; expected samples")


def _file(manifest: Manifest, name: str) -> Path:
    """A file of weights by its name, which may have a part of its hash before the ending, as published ones have."""
    stem, ending = name.rsplit(".", 1)
    pattern = rf"{re.escape(stem)}(-[0-9a-f]{{8,}})?\.{ending}"
    found = [file for file in manifest.weights if re.fullmatch(pattern, file.name)]
    if len(found) != 1:
        names = ", ".join(file.name for file in manifest.weights)
        raise ConfigError(f"{manifest.path}: weights are {names}; expected one file {name}, found {len(found)}")
    return found[0]


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{file} holds {type(value).__name__}, expected a mapping")
    return value


def _listed(keys: list[str]) -> str:
    return ", ".join(sorted(keys)[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "") or "none"
