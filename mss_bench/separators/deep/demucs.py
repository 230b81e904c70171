"""Demucs checkpoints (Demucs, Hybrid Demucs, HTDemucs) from local files, for the package demucs 4.1.

The call::

    mss-bench run -s model:manifest=htdemucs/manifest.yaml,device=cuda

The manifest, for a single model::

    kind: demucs
    weights: {955717e8-8726e21a.th: <sha256>}      # or a .safetensors of the Hugging Face repositories
    sample_rate: 44100
    channels: 2
    stems: [drums, bass, other, vocals]            # in the order of the model
    trained_on: [musdb18hq/train, 800 songs of Meta's own]
    options: {shifts: 0}                           # more: the mean over random shifts, slower and slightly better
    overlap: 0.25                                  # of a segment; the library's default

and for a bag of models, whose YAML file is that of the library's local repository::

    weights:
      htdemucs_ft.yaml: <sha256>                   # models: [f7e0c4bc, d12395a8, ...], weights: [...]
      f7e0c4bc-ba3fe64a.th: <sha256>
      d12395a8-e57c48e6.th: <sha256>               # and so on

``chunk`` (samples) is the length of a segment, the model's own where it is left out; HTDemucs takes none that is
longer. As in ``demucs.api.Separator`` the mixture is normalised by the mean and deviation of its mono sum. The shifts
are drawn from the run's seed.

A ``.th`` file is a pickle, which the library opens without any check: code in it would run. Here only the three
classes of models, fractions and tensors are let through, and a ``.safetensors`` file that names another class is
refused, too. Quantised models (``mdx_q``, ``mdx_extra_q``) are not taken.

Demucs is under the MIT licence, and so are the weights that Meta published; some of those were trained on data that may
not be redistributed. Install it with ``pip install 'mss-bench[demucs]'``.

References
----------
.. [1] S. Rouard, F. Massa and A. Défossez, "Hybrid transformers for music source separation", Proc. ICASSP, 2023.
.. [2] A. Défossez, "Hybrid spectrogram and waveform source separation", Proc. MDX Workshop, 2021.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core.config import load_yaml
from mss_bench.core.parameters import Parameterized, param
from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.deep.adapter import Torch, in_short, load_checkpoint, require_package
from mss_bench.separators.deep.manifest import Manifest

__all__ = ["DemucsManifest"]

_CLASSES = {"HTDemucs": "demucs.htdemucs", "HDemucs": "demucs.hdemucs", "Demucs": "demucs.demucs"}


class DemucsOptions(Parameterized):
    """Arguments of the library's `apply_model`."""

    shifts: int = param(
        0, at_least=0, doc="Random shifts of the mixture whose stems are averaged: slower and slightly better."
    )


class DemucsManifest(Manifest):
    """The manifest of a Demucs checkpoint or a bag of them."""

    self_described = True
    overlap = 0.25  # the library's default
    options: DemucsOptions = param(DemucsOptions(), doc="Arguments of the library.")

    def setup(self) -> None:
        super().setup()
        self.random = self.options.shifts > 0

    def load(self, device: str = "cpu", precision: str = "float32", batch: int = 0) -> Demucs:
        torch = Torch(device, precision, "demucs")
        apply = require_package("demucs.apply", "demucs")
        bags = [file for file in self.files if file.suffix in (".yaml", ".yml")]
        models = {_signature(file): file for file in self.files if file not in bags}
        twice = len(models) + len(bags) < len(self.files)
        if len(bags) > 1 or twice or not models or (not bags and len(models) > 1):
            self.refuse_files("one model, or a bag's YAML and its models")
        model = _bag(torch.library, apply, bags[0], models) if bags else _model(torch.library, *models.values())
        self.require_equal(
            "the model's is",
            {"stems": tuple(model.sources), "sample_rate": model.samplerate, "channels": model.audio_channels},
        )
        return Demucs(self, torch, apply, model.eval().to(torch.place))


class Demucs:
    """The library's models, as an adapter."""

    def __init__(self, manifest: DemucsManifest, torch: Torch, apply: Any, model: Any) -> None:
        self.manifest, self.device = manifest, torch.device
        self._torch, self._apply, self._model = torch, apply.apply_model, model
        self._segment = _segment(manifest, apply, model)

    def separate(self, mixture: Audio, seed: int = 0) -> Stems:
        """Separate a mixture; `seed` is that of the random shifts."""
        with self._torch.inference(), _seeded(seed):
            wave = self._torch.library.from_numpy(np.array(mixture, dtype=np.float32))
            mono = wave.mean(0)
            mean, deviation = mono.mean(), mono.std() + 1e-8  # the library's own guard against silence
            # Of a long song every copy counts: none is kept, and the rest is done in place.
            del mono
            output = self._apply(
                self._model,
                wave.sub_(mean).div_(deviation)[None],
                shifts=self.manifest.options.shifts,
                overlap=self.manifest.overlap,
                segment=self._segment,
                device=self._torch.place,
            )
            stems = output[0].float().mul_(deviation).add_(mean).cpu().numpy()
        return dict(zip(self.manifest.stems, stems, strict=True))


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed Python's global generator, from which the library draws its shifts, and give it back as it was."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _signature(file: Path) -> str:
    """Return what a bag calls a model: its name without the checksum."""
    return file.stem.rsplit("-", 1)[0] if file.suffix == ".th" else file.stem


def _bag(torch: Any, apply: Any, file: Path, files: Mapping[str, Path]) -> Any:
    raw = load_yaml(file)
    names = raw.get("models")
    if not isinstance(names, list) or sorted(set(map(str, names))) != sorted(files):
        raw.fail(f"models is {names!r}, expected the models among the manifest's weights: {', '.join(files)}", "models")
    loaded = {name: _model(torch, path) for name, path in files.items()}
    try:
        return apply.BagOfModels([loaded[str(name)] for name in names], raw.get("weights"), raw.get("segment"))
    except (AssertionError, TypeError) as error:
        raise ConfigError(
            f"{file}: the models do not fit together, or weights is no list of a number a stem for each model"
        ) from error


def _model(torch: Any, file: Path) -> Any:
    try:
        if file.suffix == ".th":
            return require_package("demucs.states", "demucs").load_model(_package(torch, file))
        if file.suffix == ".safetensors":
            _check_tensors(file)
            return require_package("demucs.hf", "demucs").load_safetensors_model(file)
    except ConfigError:
        raise
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{file} is no checkpoint of Demucs: {in_short(error)}; expected the keys of its class"
        ) from error
    raise ConfigError(f"{file} is no checkpoint of Demucs; expected a name that ends in .th or .safetensors")


def _package(torch: Any, file: Path) -> dict[str, Any]:
    """Return the content of a ``.th`` file that names nothing but the models' classes, fractions and tensors."""
    classes = [getattr(require_package(module, "demucs"), name) for name, module in _CLASSES.items()]
    # The class and the length of a segment, a fraction, are all that a checkpoint names beside tensors.
    holds = "a checkpoint of Demucs names its class and holds tensors"
    package = load_checkpoint(torch, file, holds, [*classes, Fraction])
    if not isinstance(package, dict) or package.get("klass") not in classes:
        raise ConfigError(f"{file} is no checkpoint of Demucs; expected a class, its arguments and a state")
    if isinstance(package.get("state"), dict) and package["state"].get("__quantized"):
        raise ConfigError(f"{file} is quantised, which is not taken; use the model's safetensors, or another model")
    checked: dict[str, Any] = package
    return checked


def _check_tensors(file: Path) -> None:
    """Refuse a safetensors file whose metadata name another class: the library would import and call it."""
    safetensors = require_package("safetensors", "demucs")
    try:
        with safetensors.safe_open(str(file), framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        raise ConfigError(f"{file} is no safetensors file: {error}") from error
    known = [f"{module}.{name}" for name, module in _CLASSES.items()]
    if metadata.get("klass") not in known:
        raise ConfigError(
            f"{file} is refused: it names the class {metadata.get('klass')!r}, expected {' or '.join(known)}"
        )
    if "structure" in metadata:
        raise ConfigError(
            f"{file} is refused: it is quantised, or names classes in its structure; expected plain tensors"
        )


def _segment(manifest: Manifest, apply: Any, model: Any) -> float | None:
    """Return the seconds of a segment, None for the model's own."""
    if not manifest.chunk:
        return None
    seconds = manifest.chunk / manifest.sample_rate
    if isinstance(model, apply.BagOfModels):
        longest = float(model.max_allowed_segment)
    else:
        # Its transformer knows no positions beyond the length that it was trained with.
        longest = float(model.segment) if type(model).__name__ == "HTDemucs" else float("inf")
    if seconds > longest:
        most = int(longest * manifest.sample_rate)
        raise ConfigError(f"{manifest.path}: chunk is {manifest.chunk} samples; expected at most {most}")
    return seconds
