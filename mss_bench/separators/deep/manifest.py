"""The manifest of a trained model: a YAML file beside its weights.

A network whose input and output the manifest describes in full (``onnx``, ``pt2``)::

    kind: onnx                            # onnx | pt2 | openunmix | demucs
    weights: {model.onnx: 5f2c...}        # each file, relative to the manifest, and its SHA-256
    sample_rate: 44100
    channels: 2                           # 1: each channel of the mixture goes through the model alone
    stems: [vocals, drums, bass, other]   # in the order of the model's output
    trained_on: [musdb18/train]           # data set/subset; or in words: unknown, 500 songs of our own
    input: magnitude                      # waveform | magnitude | complex
    output: masks                         # sources (of a waveform) | masks | spectrograms (of magnitude or complex)
    layout:                               # order of the axes; (a b) merges two; what is not named has size 1
      input: batch channels bins frames   # default: batch channels [samples | bins frames | complex bins frames]
      output: batch stems channels bins frames
    stft: {n_fft: 4096, hop: 1024}        # needed unless the input is a waveform
    filter: wiener                        # default direct: a mask times the mixture, a magnitude with its phase
    chunk: 512                            # samples or frames that the model is given; default: the whole track
    overlap: 0.25                         # of a chunk, faded
    border: 32                            # at both ends of a chunk, thrown away
    licence: MIT
    citation: A. Author, A paper, 2026

Further keys, with their defaults:

``stft``
    ``window: hann`` (or ``sqrt_hann``, ``hamming``; periodic, before and after), ``centre: true`` (frame t is centred
    on sample t hop and the signal mirrored at its ends, as `torch.stft` does it; ``reflect: false`` for zeros instead.
    ``centre: false``: the first frame begins ``n_fft - hop`` before the first sample, with zeros),
    ``normalised: false`` (divided by the root of n_fft), ``bins`` (the model is given the lowest so many, and the
    others of its output are zero; default all, ``n_fft / 2 + 1``).
``padding: reflect``
    What stands before the first and after the last chunk; or ``zeros``.
``normalisation: none``
    Of the mixture before the model, undone on what comes out: ``mean_std`` (mean and deviation of the mean of the
    channels over the track), ``rms`` or ``peak`` (divided by it).
``filter: direct``
    ``binary``, ``soft`` (with ``power: 1``), ``wiener`` or ``multichannel``: the masks times the mixture, or the
    spectrograms, are magnitudes for `mss_bench.dsp.filters`. Needs two stems or more, and real values.
``residual``
    Name of a further stem: the mixture without all others. With ``openunmix`` it takes part in the Wiener filter.
``resample: false``
    Whether a mixture of another sample rate is resampled, and the stems back. Otherwise it is refused.
``options``
    Of a kind: see `mss_bench.separators.deep.openunmix` and `mss_bench.separators.deep.demucs`, which know themselves
    what the model is given and take of the keys above only ``chunk`` (samples), ``overlap``, ``residual``
    (openunmix), ``resample`` and what is said of the model.

Lengths are those of what the model is given: samples where that is a waveform, else frames. Every chunk has exactly the
length ``chunk``, so that a model of a fixed length can be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mss_bench.core.config import ConfigMap, load_yaml
from mss_bench.dsp.filters import MASKS
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.separators.deep import fields
from mss_bench.separators.deep.fields import choice, mapping, needed_names, number, text, whole
from mss_bench.separators.deep.layout import Layout
from mss_bench.separators.deep.overlap_add import Chunks
from mss_bench.separators.deep.stft import ModelSTFT

__all__ = ["GENERIC", "KINDS", "Manifest", "ManifestError", "read_manifest"]

GENERIC = ("onnx", "pt2")
"""Kinds whose input and output the manifest describes."""

KINDS = (*GENERIC, "openunmix", "demucs")

_INPUTS = {
    "waveform": ("channels", "samples"),
    "magnitude": ("channels", "bins", "frames"),
    "complex": ("channels", "complex", "bins", "frames"),
}
_OUTPUTS = {
    "waveform": ("sources",),
    "magnitude": ("masks", "spectrograms"),
    "complex": ("masks", "spectrograms"),
}
_NORMALISATIONS = ("none", "mean_std", "rms", "peak")
_COMMON = (
    "kind", "weights", "sample_rate", "channels", "stems", "trained_on", "chunk", "overlap", "resample", "licence",
    "citation",
)  # fmt: skip
_GENERIC_KEYS = (
    *_COMMON, "residual", "input", "output", "layout", "stft", "border", "padding", "normalisation", "filter", "power",
)  # fmt: skip
_KEYS = dict.fromkeys(GENERIC, _GENERIC_KEYS) | {
    "openunmix": (*_COMMON, "residual", "options"),
    "demucs": (*_COMMON, "options"),
}

T = TypeVar("T")


class ManifestError(ConfigError):
    """A manifest with something wrong in it.

    Attributes
    ----------
    problems : tuple of str
        One line each, with file and line.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class Manifest:
    """What is known of a trained model; the module's docstring says what each field means.

    Parameters
    ----------
    path : Path
        The YAML file.
    weights : dict of Path to str
        Absolute paths and the SHA-256 that their content is to have; in the order of the manifest.
    input_layout, output_layout : Layout
        Of `GENERIC` kinds.
    stft : ModelSTFT, optional
        None where the model is given a waveform.
    bins : int
        Frequencies that the model is given.
    options : dict
        Of other kinds, complete.
    """

    path: Path
    kind: str
    weights: Mapping[Path, str]
    sample_rate: int
    channels: int
    stems: tuple[str, ...]
    trained_on: tuple[str, ...]
    input: str = "waveform"
    output: str = "sources"
    input_layout: Layout = field(default_factory=lambda: Layout("batch channels samples"))
    output_layout: Layout = field(default_factory=lambda: Layout("batch stems channels samples"))
    stft: ModelSTFT | None = None
    bins: int = 0
    filter: str = "direct"
    power: float = 1.0
    chunks: Chunks = field(default_factory=Chunks)
    normalisation: str = "none"
    residual: str = ""
    resample: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    citation: str = ""

    @property
    def delivers(self) -> tuple[str, ...]:
        """The stems and, where there is one, the residual."""
        return (*self.stems, self.residual) if self.residual else self.stems

    @property
    def folder(self) -> Path:
        """Where the manifest lies."""
        return self.path.parent

    def require_weights(self) -> None:
        """Refuse weights that are missing or altered.

        Raises
        ------
        ManifestError
            One line for each file.
        """
        problems = _weight_problems(self.path, self.weights)
        if problems:
            raise ManifestError(problems)


def read_manifest(path: str | Path, *, check_weights: bool = False) -> Manifest:
    """Read a manifest.

    Parameters
    ----------
    path : str or Path
    check_weights : bool
        Compare the files of weights with their hashes, too; else that is for `Manifest.require_weights`.

    Raises
    ------
    ManifestError
        Everything that is wrong with it, one line each.
    ConfigError
        The file is missing, or no YAML.
    """
    raw = load_yaml(Path(path).expanduser())
    return _Reader(raw, Path(path).expanduser().absolute(), check_weights).manifest()


class _Reader:
    """Collects what is wrong instead of stopping at the first."""

    def __init__(self, raw: ConfigMap, path: Path, check_weights: bool) -> None:
        self.raw, self.path, self.check_weights, self.problems = raw, path, check_weights, list[str]()
        self.kind = self.take(lambda: choice(raw, "kind", KINDS), "")

    def take(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except ConfigError as error:
            self.problems.append(str(error))
            return otherwise

    def manifest(self) -> Manifest:
        raw, take = self.raw, self.take
        self.keys()
        nothing: tuple[str, ...] = ()
        made: dict[str, Any] = {
            "weights": self.weights(),
            "sample_rate": take(lambda: whole(raw, "sample_rate", 1, needed="Hz"), 0),
            "channels": take(lambda: whole(raw, "channels", 1, needed="1 or 2, say"), 0),
            "stems": take(lambda: fields.read_stems(raw), nothing),
            "trained_on": take(lambda: needed_names(raw, "trained_on", "data set/subset, or words: unknown"), nothing),
            "residual": take(lambda: text(raw, "residual"), ""),
            "resample": take(lambda: bool(raw.typed("resample", bool, "true or false", False)), False),
            "licence": take(lambda: text(raw, "licence"), ""),
            "citation": take(lambda: text(raw, "citation"), ""),
        }
        if made["residual"] in made["stems"]:
            self.problems.append(f"{self.where('residual')}: residual {made['residual']!r} is one of the stems already")
        made["chunks"] = take(lambda: fields.read_chunks(raw, self.kind), Chunks())
        made |= self.generic(made) if self.kind in GENERIC else self.library(made)
        if self.problems:
            raise ManifestError(self.problems)
        return Manifest(self.path, self.kind, **made)

    def weights(self) -> dict[Path, str]:
        files = self.take(lambda: fields.read_weights(self.raw), None)
        if files is None:
            return {}
        found = [self.take(partial(fields.read_weight, files, n, self.path.parent), None) for n in files]
        weights = dict(each for each in found if each is not None)
        if self.check_weights:
            self.problems += _weight_problems(self.path, weights)
        return weights

    def keys(self) -> None:
        known = _KEYS.get(self.kind, (*_GENERIC_KEYS, "options"))
        what = f"a manifest of kind {self.kind}" if self.kind else "a manifest"
        for key in self.raw:
            if key not in known:
                self.problems.append(f"{self.where(key)}: {UnknownNameError(f'key of {what}', key, known)}")

    def where(self, key: str) -> str:
        return f"{self.raw.source}:{self.raw.lines.get(key, self.raw.line)}"

    def library(self, made: Mapping[str, Any]) -> dict[str, Any]:
        known = fields.OPTIONS.get(self.kind, {})
        raw = self.take(lambda: mapping(self.raw, "options"), None) or ConfigMap({}, self.raw.source, self.raw.line, {})
        self.take(lambda: raw.only(known, f"options of {self.kind}"), None)
        values = {name: self.take(partial(fields.option, raw, self.kind, name), None) for name in known}
        if self.kind == "openunmix" and len(made["stems"]) == 1 and not made["residual"] and values["iterations"]:
            self.problems.append(
                f"{self.where('stems')}: a Wiener filter needs a second source, expected residual: NAME or options: "
                "{iterations: 0}"
            )
        return {"options": values}

    def generic(self, common: Mapping[str, Any]) -> dict[str, Any]:
        raw, take = self.raw, self.take
        given = take(lambda: choice(raw, "input", _INPUTS, "waveform"), "")
        output = take(lambda: choice(raw, "output", _OUTPUTS.get(given, ("sources", "masks", "spectrograms"))), "")
        made: dict[str, Any] = {"input": given, "output": output}
        made["normalisation"] = take(lambda: choice(raw, "normalisation", _NORMALISATIONS, "none"), "none")
        made["filter"] = take(lambda: choice(raw, "filter", ("direct", *MASKS), "direct"), "direct")
        made["power"] = take(lambda: number(raw, "power", 0.01, 100.0, 1.0), 1.0)
        if made["filter"] != "direct":
            self.check_filter(given, made["filter"], len(common["stems"]))
        axes = _INPUTS.get(given)
        if axes:
            made |= self.layouts(axes, output, common)
        if given in ("magnitude", "complex"):
            without: tuple[ModelSTFT | None, int] = (None, 0)
            made["stft"], made["bins"] = take(lambda: fields.read_stft(raw), without)
        elif "stft" in raw and given:
            self.problems.append(f"{self.where('stft')}: stft is for models that are given spectrograms, not {given}")
        return made

    def check_filter(self, given: str, name: str, stems: int) -> None:
        if given != "magnitude":
            self.problems.append(f"{self.where('filter')}: filter {name} needs magnitudes, expected input: magnitude")
        if stems < 2:
            self.problems.append(f"{self.where('filter')}: filter {name} needs at least two stems, found {stems}")

    def layouts(self, axes: tuple[str, ...], output: str, common: Mapping[str, Any]) -> dict[str, Any]:
        raw = self.take(lambda: mapping(self.raw, "layout"), None) or ConfigMap({}, self.raw.source, 1, {})
        self.take(lambda: raw.only(("input", "output"), "layout"), None)
        single = {"batch"} | ({"channels"} if common["channels"] == 1 else set())
        # A mask may be real where the spectrogram is complex.
        further = ({"stems"} if len(common["stems"]) == 1 else set()) | ({"complex"} if output == "masks" else set())
        made = {}
        for side, wanted, optional in (
            ("input", ("batch", *axes), single), ("output", ("batch", "stems", *axes), single | further),
        ):  # fmt: skip
            layout = self.take(partial(_layout, raw, side, wanted, optional), None)
            if layout is not None:
                made[f"{side}_layout"] = layout
        return made


def _weight_problems(path: Path, weights: Mapping[Path, str]) -> list[str]:
    found = [fields.weight_problem(file, sha) for file, sha in weights.items()]
    return [f"{path}: {problem}" for problem in found if problem]


def _layout(raw: ConfigMap, side: str, wanted: tuple[str, ...], optional: set[str]) -> Layout:
    try:
        layout = Layout(raw.typed(side, str, "the names of axes", " ".join(wanted)))
        layout.check(wanted, optional)
    except ConfigError as error:
        raw.fail(f"layout of the {side}: {error}", side)
    return layout
