"""Trained models as separators: ``model:manifest=PATH``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mss_bench.core import audio
from mss_bench.core.devices import check_device
from mss_bench.core.parameters import check, param
from mss_bench.core.processes import keep_freed_memory
from mss_bench.core.tracks import Audio, Stems, TrackId
from mss_bench.errors import AudioError, ConfigError, InvalidOutputError
from mss_bench.separators.base import MappedSeparator, Separator
from mss_bench.separators.deep.adapter import PRECISIONS, Adapter
from mss_bench.separators.deep.manifest import Manifest, read_manifest
from mss_bench.separators.deep.msst import msst_manifest

__all__ = ["Model", "TrainedModel"]


class TrainedModel(Separator):
    """Base of the separators that run what a manifest describes; `setup` of a subclass calls `use`."""

    family = "deep"
    foreign_code = True
    precision: str | None = None
    mono: str | None = None
    resample: bool | None = None

    device: str = param(
        "",
        doc="``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:n``; empty for the run's ``--device``.",
    )
    batch: int = param(
        0,
        at_least=0,
        doc="Chunks that go through the model at once; 0 for what the manifest or an MSST configuration says, or one. "
        "The result depends on it with MSST alone, as it does there. Demucs and open-unmix take no notice.",
    )

    described: Manifest

    def use(self, manifest: Manifest) -> None:
        """Take over what a manifest says."""
        if self.device:
            check_device(self.device)
        manifest.require_present()
        precision = self.precision or manifest.precision
        if manifest.kind == "onnx" and precision != "float32":
            raise ConfigError(f"{manifest.path}: precision={precision}: the precision of an ONNX model is its file's")
        self.described = manifest
        self.target_sets = (manifest.delivers,)
        self.random = manifest.random
        self.channels = () if manifest.channels == 1 else (manifest.channels,)
        if manifest.channels == 2 and (self.mono or manifest.mono) == "double":
            self.channels = (1, 2)
        self._adapter: Adapter | None = None

    def refuses(self, channels: int, what: str = "the mixture") -> str:
        reason = super().refuses(channels, what)
        hint = "; mono: double in the manifest, or mono=double, gives it the one channel twice"
        return reason + hint * bool(reason and channels == 1 and self.described.channels == 2)

    def files(self, track: TrackId) -> list[Path]:
        return list(dict.fromkeys([self.described.path, *self.described.files]))

    def load(self, device: str = "cpu") -> None:
        """Check the weights and load them.

        Raises
        ------
        ConfigError
            Weights that are missing, altered or not what the manifest says; a GPU that is not there.
        MissingDependencyError
            The package for this kind of model is not installed.
        """
        self.described.require_weights()
        keep_freed_memory()
        described = self.described
        precision, batch = self.precision or described.precision, self.batch or described.batch
        self._adapter = described.load(check_device(self.device or device), precision, batch)
        self.used_device = self._adapter.device

    def close(self) -> None:
        self._adapter = None

    def separate(self, mixture: Audio, sample_rate: int, *, rng: np.random.Generator, **_: Any) -> Stems:
        described = self.described
        resamples = described.resample if self.resample is None else self.resample
        if sample_rate != described.sample_rate and not resamples:
            raise AudioError(
                f"{described.path}: the model is for {described.sample_rate} Hz, the mixture has {sample_rate} Hz; "
                "resample=true behind the model, or resample: true in a manifest, has it resampled"
            )
        if self._adapter is None:
            self.load()
        assert self._adapter is not None
        if not mixture.any():  # normalisations divide by the level, and networks make something of nothing
            return {name: np.zeros_like(mixture) for name in described.delivers}
        given = audio.resample(mixture, sample_rate, described.sample_rate)
        twice = len(given) < described.channels
        if twice:
            given = np.repeat(given, 2, axis=0)
        stems = self._adapter.separate(given, int(rng.integers(2**31)))
        stems = {name: self._checked(name, stem, given) for name, stem in stems.items()}
        if twice:
            stems = {name: stem.mean(axis=0, keepdims=True) for name, stem in stems.items()}
        if sample_rate != described.sample_rate:
            # Both ways round the length up, so that there may be too many samples, never too few.
            back = {n: audio.resample(stem, described.sample_rate, sample_rate) for n, stem in stems.items()}
            stems = {name: stem[:, : mixture.shape[-1]] for name, stem in back.items()}
        if described.residual and described.residual not in stems:
            rest = mixture.copy()
            for stem in stems.values():
                rest -= stem
            stems[described.residual] = rest
        return stems

    def _checked(self, name: str, stem: Audio, given: Audio) -> Audio:
        if stem.shape != given.shape:
            raise InvalidOutputError(
                f"{self.described.path}: the model returned {name} of the shape {stem.shape}, expected {given.shape}"
            )
        if not np.isfinite(stem).all():
            count = np.count_nonzero(~np.isfinite(stem))
            raise InvalidOutputError(
                f"{self.described.path}: the model returned {count} NaN or infinite samples of {name}"
            )
        return np.asarray(stem, dtype=np.float32)


class Model(TrainedModel, MappedSeparator):
    """Separate with a trained model that a manifest describes.

    The manifest is a YAML file beside the weights; see `mss_bench.separators.deep.manifest` for its keys, and the
    adapters `onnx`, `exported` (``.pt2``), `openunmix`, `demucs` and `msst` beside it for each kind of checkpoint. A
    checkpoint of Music-Source-Separation-Training needs none: ``model:msst=CONFIG.yaml,weights=MODEL.ckpt``.
    ``mss-bench separators check MANIFEST`` says what is wrong with it. Nothing is downloaded, and no checkpoint that
    could run code is opened.
    """

    name = "model"
    path_parameters: ClassVar[tuple[str, ...]] = ("manifest", "msst", "weights")
    assumption = "The mixture is like what the model was trained on."

    manifest: str = param("", doc="The YAML file.")
    msst: str = param(
        "", doc="In place of a manifest: the configuration (.yaml) of Music-Source-Separation-Training, with `weights`."
    )
    weights: str = param("", doc="The checkpoint that belongs to `msst`.")
    tta: bool = param(
        False, doc="With `msst`: the mean over the mixture, its channels swapped and its polarity inverted."
    )
    mono: str | None = param(
        None,
        choices=("refuse", "double"),
        doc="``double`` gives a model of two channels a mixture of one twice; by default what the manifest says.",
    )
    resample: bool | None = param(
        None,
        doc="Resample a mixture of another sample rate, and the stems back; by default what the manifest says.",
    )
    precision: str | None = param(
        None,
        choices=PRECISIONS,
        doc="``mixed`` uses half of the bits where torch deems it safe, which changes the estimates slightly; by "
        "default what the manifest says.",
    )

    @check("manifest", "msst", "weights")
    def _one_description(self) -> None:
        if bool(self.manifest) == bool(self.msst):
            raise ConfigError("model needs manifest=FILE, or msst=CONFIG.yaml with weights=CHECKPOINT")
        if bool(self.msst) != bool(self.weights):
            raise ConfigError("msst=CONFIG.yaml and weights=CHECKPOINT go together; a manifest names its own weights")

    @check("tta", "msst")
    def _augmentation_of_msst(self) -> None:
        if self.tta and not self.msst:
            self.refuse("tta", "false: it belongs to msst=; a manifest of kind msst has options: {tta: true}")

    def setup(self) -> None:
        self.use(read_manifest(self.manifest) if self.manifest else msst_manifest(self.msst, self.weights, self.tta))
        self.stem_map = self.map if self.map or self.map.declined else self.described.map
        self.trained_on = self.described.trained_on
        self.licence, self.citation = self.described.licence, self.described.citation
