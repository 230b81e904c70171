"""Checkpoints of Music-Source-Separation-Training (MSST): a configuration and its weights, for the package pymss-core.

The call, without a manifest::

    mss-bench run -s model:msst=config_musdb18_bs_roformer.yaml,weights=model.ckpt,device=cuda

The manifest, which adds what the two files do not say::

    kind: msst
    weights:                                  # left empty, a hash is told by the check
      config_musdb18_bs_roformer.yaml: <sha256>  # the configuration, known by its ending
      model.ckpt: <sha256>                    # the checkpoint
    trained_on: [musdb18hq/train]
    options: {type: bs_roformer, tta: true}   # each optional
    batch: 4                                  # in place of inference.batch_size

Types: ``bs_roformer``, ``mel_band_roformer``, ``mdx23c``, ``scnet`` and ``htdemucs``, found from the configuration
unless told. Sample rate, channels and stems are the configuration's, and a manifest that names others is refused.

Inference is that of MSST, step by step:

- Chunks are ``inference.chunk_size``, else ``audio.chunk_size`` long, and ``inference.num_overlap`` of them lie over
  each sample. The track is mirrored by a chunk less a step at both ends where it is long enough. Chunks are faded over
  a tenth of their length, not the first and the last; those two are known by their *batch*, so that the result depends
  on ``inference.batch_size``, as it does there.
- ``htdemucs`` has chunks of ``training.segment`` seconds, a plain mean and no mirrored ends.
- ``inference.normalize`` takes the mean and deviation of the mono mixture away and puts them back.
- With ``tta`` the stems are the mean over the mixture, the mixture with its channels swapped and with its polarity
  inverted.

A model with one ``target_instrument`` delivers it, and what is left of the mixture where the configuration names a
second instrument or the target is the vocals. The ``other`` of a model with two instruments is everything but the
first: ``accompaniment`` beside vocals, ``no_drums`` beside drums. On a GPU MSST computes with half of the bits where
``training.use_amp`` says nothing else; here that is ``precision=mixed``.

MSST is told the type on its command line, and variants that share a type's weights, such as ``scnet_masked`` or an
``mdx23c`` with another transform, do not show in the files: they are not read rightly.

Nothing in the files is executed: the configuration is plain data and Python's tuples, and a checkpoint that holds more
than tensors is refused, as are missing and unexpected weights. Install the package with
``pip install 'mss-bench[msst]'``.

References
----------
.. [1] R. Solovyev, A. Stempkovskiy and T. Habruseva, "Benchmarks and leaderboards for sound demixing tasks",
   arXiv:2305.07489, 2023.
.. [2] W.-T. Lu, J.-C. Wang, Q. Kong and Y.-N. Hung, "Music source separation with band-split RoPE transformer",
   Proc. ICASSP, 2024.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mss_bench.core.config import ConfigMap, load_yaml
from mss_bench.core.names import known_stem, spelling_key
from mss_bench.core.parameters import Parameterized, check, param
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import ConfigError
from mss_bench.separators.deep.adapter import Torch, in_short, load_checkpoint, require_package
from mss_bench.separators.deep.manifest import Manifest

__all__ = ["TYPES", "MsstManifest", "msst_manifest"]

# Where pymss-core has the class of each type; None: it is given the whole configuration.
_CLASSES: dict[str, tuple[str, str, str | None]] = {
    "bs_roformer": ("bs_roformer", "BSRoformer", "model"),
    "mel_band_roformer": ("bs_roformer", "MelBandRoformer", "model"),
    "mdx23c": ("mdx23c_tfc_tdf_v3", "TFC_TDF_net", None),
    "htdemucs": ("demucs4ht", "get_model", None),
    "scnet": ("scnet", "SCNet", "model"),
}
TYPES = tuple(_CLASSES)
"""Types of models that are read."""

_CONTAINERS = ("state", "state_dict", "model_state_dict")


class MsstOptions(Parameterized):
    """What of MSST's own command line and configuration may be said anew."""

    type: str = param("", choices=("", *TYPES), doc="Type of the model; found from the configuration unless told.")
    tta: bool = param(False, doc="Mean over the mixture, its channels swapped and its polarity inverted.")


class MsstManifest(Manifest):
    """The manifest of a checkpoint of MSST; what is left out is the configuration's."""

    self_described = True
    sample_rate: int = param(0, at_least=0, unit="Hz", doc="Sample rate of the model.")
    channels: int = param(0, at_least=0, doc="Channels that it is given.")
    overlap = 0.0
    stems: tuple[str, ...] = param((), expects="a list of names", doc="What it returns.")
    options: MsstOptions = param(MsstOptions(), doc="What may be said anew.")

    config: ConfigMap
    model_type: str

    @check("stems")
    def _stems_name_files(self) -> None:
        if self.stems:  # else the configuration's
            super()._stems_name_files()

    @check("map", "stems", "residual")
    def _map_of_stems(self) -> None:
        if self.stems:
            super()._map_of_stems()

    @check("chunk", "overlap")
    def _chunks_of_the_configuration(self) -> None:
        if self.chunk or self.overlap:
            raise ConfigError(
                "chunk and overlap are for other kinds, expected chunk_size and num_overlap in MSST's file"
            )

    def complete(self) -> None:
        """Take sample rate, channels and stems from the configuration.

        Raises
        ------
        ConfigError
            It is missing or not that of a model which is read, or the manifest says something else.
        """
        configs = [file for file in self.files if file.suffix.lower() in (".yaml", ".yml")]
        if len(self.files) != 2 or len(configs) != 1:
            self.refuse_files("a configuration (.yaml) and a checkpoint")
        (file,) = configs
        self.config = load_yaml(file, tuples=True)
        self.model_type = self.options.type or _found_type(self.config)
        facts = self._facts()
        self.require_equal(f"{file.name} says", {name: v for name, v in facts.items() if getattr(self, name)})
        for name, value in facts.items():
            setattr(self, name, value)
        instruments = _names(self.config, "training", "instruments")
        if len(self.stems) < len(instruments):  # one target
            others = [name for name in instruments if name not in self.stems]
            vocals = known_stem(self.stems[0]) == "vocals"
            self.residual = others[0] if len(instruments) == 2 else "accompaniment" if vocals else ""
        if not self.map and not self.map.declined:
            self.map = _usual_names(instruments, self.delivers)
        for each in (self._stems_name_files, self._residual_is_new, self._map_of_stems):
            each()

    def _facts(self) -> dict[str, Any]:
        config = self.config
        stems = _stems(config)
        if self.model_type == "htdemucs":
            rate, channels = _whole(config, "training", "samplerate"), _whole(config, "training", "channels")
        else:
            rate = _whole(config, "audio", "sample_rate", 44100)
            stereo = _read(config, "model", "stereo", otherwise=None)
            channels = _whole(config, "audio", "num_channels", 2) if stereo is None else 1 + bool(stereo)
        return {"sample_rate": rate, "channels": channels, "stems": stems}

    def load(self, device: str = "cpu", precision: str = "float32", batch: int = 0) -> Msst:
        torch = Torch(device, precision, "msst")
        (weights,) = (file for file in self.files if file.suffix.lower() not in (".yaml", ".yml"))
        state = load_checkpoint(torch.library, weights, "a checkpoint of MSST holds tensors")
        for name in _CONTAINERS:
            if isinstance(state, dict) and isinstance(state.get(name), dict):
                state = state[name]
        if not isinstance(state, dict) or not all(torch.library.is_tensor(value) for value in state.values()):
            raise ConfigError(
                f"{weights} is no checkpoint of MSST; expected weights by name, or under {_CONTAINERS[0]}"
            )
        network = _network(self, state)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise ConfigError(
                f"{weights} does not belong to {self.config.source}, read as {self.model_type}: "
                f"{_misfit(network.state_dict(), state) or in_short(error)}; config and checkpoint do not belong "
                "together"
            ) from error
        return Msst(self, torch, network.eval().to(torch.place), batch)


def msst_manifest(config: str, weights: str, tta: bool = False) -> MsstManifest:
    """Return the manifest of a configuration and a checkpoint that have none.

    Raises
    ------
    ConfigError
        As `mss_bench.separators.deep.manifest.read_manifest`.
    """
    files = {Path(file).expanduser().absolute(): "" for file in (config, weights)}
    names = {file.name: "" for file in files}
    manifest = MsstManifest(kind="msst", weights=names, trained_on="unknown", options=MsstOptions(tta=tta))
    manifest.path, manifest.files = next(iter(files)), files
    manifest.complete()
    return manifest


class Msst:
    """A network with the inference of MSST around it."""

    def __init__(self, manifest: MsstManifest, torch: Torch, network: Any, batch: int) -> None:
        config = manifest.config
        self.manifest, self.device, self._torch, self._network = manifest, torch.device, torch, network
        self._tta = manifest.options.tta
        self._normalises = _read(config, "inference", "normalize", otherwise=False) is True
        self._batch = batch or _whole(config, "inference", "batch_size", 1)
        self._faded = manifest.model_type != "htdemucs"
        if self._faded:
            where = "inference" if "chunk_size" in config.get("inference", ()) else "audio"
            self._chunk = _whole(config, where, "chunk_size")
            if manifest.model_type == "mdx23c":
                _require_whole_scales(config, where, self._chunk)
        else:
            self._chunk = int(manifest.sample_rate * float(_read(config, "training", "segment")))
        self._step = self._chunk // _whole(config, "inference", "num_overlap")
        if self._step < 1:
            config.fail(f"num_overlap leaves no step of a chunk of {self._chunk} samples", "inference")

    def separate(self, mixture: Audio, seed: int = 0) -> Stems:
        """Separate a mixture; nothing here is random."""
        shift, scale = np.float32(0), np.float32(1)
        given = mixture
        if self._normalises:
            mono = mixture.mean(0)
            shift, scale = mono.mean(), mono.std() or np.float32(1)
            given = (mixture - shift) / scale
        output = self._stems(given)
        if self._tta:
            output += self._stems(np.ascontiguousarray(given[::-1]))[:, ::-1]
            output -= self._stems(-given)
            output /= 3
        if self._normalises:
            output *= scale
            output += shift
        return dict(zip(self.manifest.stems, output, strict=True))

    def _stems(self, mixture: Audio) -> Audio:
        """Return the stems ``(stems, channels, samples)`` of a normalised mixture."""
        torch = self._torch.library
        signal = torch.from_numpy(np.ascontiguousarray(mixture, dtype=np.float32))
        border = self._chunk - self._step if self._faded else 0
        if not 0 < 2 * border < signal.shape[-1]:
            border = 0
        if border:
            signal = torch.nn.functional.pad(signal, (border, border), mode="reflect")
        total = torch.zeros((len(self.manifest.stems), *signal.shape))
        weight = torch.zeros(signal.shape[-1])
        starts = range(0, signal.shape[-1], self._step)
        with self._torch.inference(), warnings.catch_warnings():
            # SCNet's transform has no window, of which torch warns; it was trained so.
            warnings.filterwarnings("ignore", "A window was not provided", UserWarning)
            for first in range(0, len(starts), self._batch):
                batch = starts[first : first + self._batch]
                output = self._network(torch.stack([self._cut(signal, start) for start in batch]))
                window = self._window(len(batch) == 1 and not first, batch[-1] + self._step >= signal.shape[-1])
                for start, stems in zip(batch, output, strict=True):
                    span = slice(start, start + self._chunk)
                    length = weight[span].shape[0]
                    total[..., span] += stems[..., :length].cpu() * window[:length]
                    weight[span] += window[:length]
        total /= weight
        total[..., weight == 0] = 0  # under the very end of a fade, and nothing else
        return np.asarray(total[..., border : total.shape[-1] - border].numpy())

    def _cut(self, signal: Any, start: int) -> Any:
        """Return the chunk from a sample on, filled up to its length: mirrored where more than half is there."""
        part = signal[:, start : start + self._chunk].to(self._torch.place)
        missing = self._chunk - part.shape[-1]
        mirrored = self._faded and part.shape[-1] > self._chunk // 2
        return self._torch.library.nn.functional.pad(part, (0, missing), mode="reflect" if mirrored else "constant")

    def _window(self, first: bool, last: bool) -> Any:
        torch = self._torch.library
        window = torch.ones(self._chunk)
        fade = self._chunk // 10 if self._faded else 0
        if fade and not first:
            window[:fade] = torch.linspace(0, 1, fade)
        if fade and (first or not last):  # as there: a first chunk that is the last as well fades out
            window[-fade:] = torch.linspace(1, 0, fade)
        return window


def _require_whole_scales(config: ConfigMap, where: str, chunk: int) -> None:
    """Refuse a chunk whose frames the scales of an MDX23C do not divide, so that it could not join them again."""
    scale, count = _read(config, "model", "scale"), _whole(config, "model", "num_scales")
    frames, unit = chunk // _whole(config, "audio", "hop_length") + 1, int(scale[0]) ** count
    if frames % unit:
        _read(config, where).fail(
            f"{where}.chunk_size is {chunk}, which is {frames} frames of audio.hop_length; expected a multiple of "
            f"{unit} frames for the {count} scales of an mdx23c: chunk_size and hop_length as it was trained with",
            "chunk_size",
        )


def _found_type(config: ConfigMap) -> str:
    core = require_package("pymss_core", "msst")
    told = f"options: {{type: {'|'.join(TYPES)}}} in a manifest says which it is"
    try:
        found = str(core.detect_model_type(config))
    except core.ModelTypeDetectionError as error:
        raise ConfigError(f"{config.source}: the type of the model does not show ({error}); {told}") from error
    if found not in _CLASSES:
        raise ConfigError(f"{config.source} is a model of type {found}; expected {', '.join(TYPES)}")
    return found


def _network(manifest: MsstManifest, state: Mapping[str, Any]) -> Any:
    """Return the network of a configuration with random weights."""
    core = require_package("pymss_core", "msst")
    place, name, section = _CLASSES[manifest.model_type]
    config = manifest.config
    make = getattr(importlib.import_module(f"pymss_core.modules.{place}"), name)
    try:
        if section is None:
            return make(core.to_attrdict(dict(config)))
        arguments = {k: v for k, v in _read(config, section).items() if k not in ("type", "model_type", "architecture")}
        if manifest.model_type == "bs_roformer":
            arguments.setdefault("zero_dc", True)  # MSST's default, not the package's
        if manifest.model_type == "mel_band_roformer":
            # Of mask_estimator_depth MSST counts hidden layers, the package all: the weights tell. Between are Tanh.
            layer = re.compile(r"mask_estimators\.0\.to_freqs\.0\.0\.(\d+)\.weight")
            arguments["mlp_hidden_layers"] = max(
                (int(m[1]) // 2 for key in state if (m := layer.fullmatch(key))), default=0
            )
        return make(**arguments)
    except (TypeError, ValueError, AttributeError, KeyError, AssertionError, RuntimeError) as error:
        raise ConfigError(
            f"{config.source}: no {manifest.model_type} can be made of it ({in_short(error)}); expected the "
            "configuration that belongs to the checkpoint"
        ) from error


def _misfit(network: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    """Return how the weights of a checkpoint differ from those of a network."""
    missing = [name for name in network if name not in state]
    unknown = [name for name in state if name not in network]
    reshaped = [name for name in network if name in state and network[name].shape != state[name].shape]
    n = len(network)
    cases = (
        (missing, f"of {n} weights are missing"),
        (reshaped, f"of {n} weights have another shape"),
        (unknown, "are not its own"),
    )
    return ", ".join(f"{len(names)} {what}, e.g. {', '.join(names[:2])}" for names, what in cases if names)


def _stems(config: ConfigMap) -> tuple[str, ...]:
    """Return the instruments that a model returns: all, or its target, as the list of instruments spells it."""
    instruments = _names(config, "training", "instruments")
    target = _read(config, "training", "target_instrument", otherwise=None)
    if not target:
        return instruments
    same = [name for name in instruments if name == target]
    alike = same or [name for name in instruments if _meaning(name) == _meaning(str(target))]
    if len(alike) != 1:
        _read(config, "training").fail(
            f"training.target_instrument is {target!r}, expected one of training.instruments: {', '.join(instruments)}",
            "target_instrument",
        )
    return (alike[0],)


def _meaning(name: str) -> str:
    return known_stem(name) or spelling_key(name)


def _usual_names(instruments: tuple[str, ...], delivered: tuple[str, ...]) -> StemMap:
    """Return what the names of delivered stems mean: of two instruments, the second is everything but the first."""
    usual = {name: known_stem(name) or name for name in instruments}
    if len(instruments) == 2:
        for name, other in (instruments, instruments[::-1]):
            if usual[name] in ("other", "accompaniment"):
                usual[name] = "accompaniment" if usual[other] == "vocals" else f"no_{usual[other]}"
    renamed = {meaning: name for name, meaning in usual.items() if name != meaning and name in delivered}
    return StemMap.from_parameter(renamed) if renamed else StemMap()


_REQUIRED = object()


def _read(config: ConfigMap, section: str, key: str = "", otherwise: Any = _REQUIRED) -> Any:
    """Return a section of the configuration, or a value in it."""
    found = config.get(section)
    if not isinstance(found, ConfigMap):
        if key and otherwise is not _REQUIRED:
            return otherwise
        config.fail(f"{section} is missing or no mapping; expected a configuration of MSST", section)
    if not key:
        return found
    if found.get(key) is None:
        if otherwise is _REQUIRED:
            found.fail(f"{section}.{key} is missing; expected a configuration of MSST")
        return otherwise
    return found[key]


def _whole(config: ConfigMap, section: str, key: str, otherwise: Any = _REQUIRED) -> int:
    value = _read(config, section, key, otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        _read(config, section).fail(f"{section}.{key} is {value!r}, expected a whole number from 1", key)
    return int(value)


def _names(config: ConfigMap, section: str, key: str) -> tuple[str, ...]:
    value = _read(config, section, key)
    if not isinstance(value, list | tuple) or not value or not all(isinstance(name, str) for name in value):
        _read(config, section).fail(f"{section}.{key} is {value!r}, expected a list of names", key)
    return tuple(value)
