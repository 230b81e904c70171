"""The manifest of a trained model: a YAML file beside its weights.

A network whose input and output the manifest describes in full (``onnx``, ``pt2``)::

    kind: onnx                            # onnx | pt2 | openunmix | demucs | msst
    weights: {model.onnx: 5f2c...}        # each file, relative to the manifest, and its SHA-256
    sample_rate: 44100
    channels: 2                           # 1: each channel of the mixture goes through the model alone
    stems: [vocals, drums, bass, other]   # in the order of the model's output
    map: {accompaniment: other}           # where a name means something else, see mss_bench.core.stem_map
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

Every key, with its type, range and default, is declared in a class, and ``python -m mss_bench.separators.deep.manifest
onnx`` prints those of a kind: `mss_bench.separators.deep.network.NetworkManifest` for the above, the manifests of
`mss_bench.separators.deep.openunmix`, `mss_bench.separators.deep.demucs` and `mss_bench.separators.deep.msst` for
checkpoints of libraries, which know themselves what the model is given.

Lengths are those of what the model is given: samples where that is a waveform, else frames. Every chunk has exactly the
length ``chunk``, so that a model of a fixed length can be used.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from mss_bench.core.audio import hash_file
from mss_bench.core.config import ConfigMap, load_yaml, plain_name
from mss_bench.core.parameters import MappingError, Parameterized, RefusedError, check, param, parameters
from mss_bench.core.stem_map import StemMap
from mss_bench.errors import ConfigError
from mss_bench.separators.deep.adapter import PRECISIONS, Adapter
from mss_bench.separators.deep.overlap_add import Chunks

__all__ = ["KINDS", "Manifest", "keys", "read_manifest"]

# Imported when a manifest asks for them.
_CLASSES = {
    "onnx": "mss_bench.separators.deep.onnx:OnnxManifest",
    "pt2": "mss_bench.separators.deep.exported:ExportedManifest",
    "openunmix": "mss_bench.separators.deep.openunmix:OpenUnmixManifest",
    "demucs": "mss_bench.separators.deep.demucs:DemucsManifest",
    "msst": "mss_bench.separators.deep.msst:MsstManifest",
}

KINDS = tuple(_CLASSES)


class Manifest(Parameterized):
    """What every manifest says of a trained model; each kind has a class of its own.

    Attributes
    ----------
    path : Path
        The YAML file, absolute.
    files : dict of Path to str
        The files of `weights`, absolute, and the SHA-256 that their content is to have, empty for any; in the order of
        the manifest.
    """

    kind: str = param(choices=KINDS, doc="Kind of checkpoint.")
    weights: dict[str, Any] = param(
        doc="Each file, by its path below the manifest's folder, and its SHA-256; of MSST the configuration, known by "
        "its ending .yaml, and the checkpoint.",
        expects="each file and its SHA-256, e.g. {model.onnx: 5f2c...}",
    )
    sample_rate: int = param(at_least=1, unit="Hz", doc="Sample rate of the model.")
    channels: int = param(at_least=1, doc="Channels that it is given; with 1 each channel of a mixture goes alone.")
    stems: tuple[str, ...] = param(
        doc="What it returns, in the order of its output.", expects="a list of names in the order of the output"
    )
    map: StemMap = param(
        StemMap(),
        expects="a mapping like {other: [guitar, piano, other]} or {accompaniment: other}",
        doc="What the names mean: the other of a model with two stems is the accompaniment, a guitar belongs to other "
        "where a data set has four stems.",
    )
    trained_on: tuple[str, ...] = param(
        doc="What it learned from: data set/subset, or in words.",
        expects="a list of data set/subset, or words: unknown",
    )
    chunk: int = param(0, at_least=0, doc="Samples or frames that it is given at a time; 0 for the whole track.")
    overlap: float = param(0.1, at_least=0, below=1, doc="Part of a chunk that it shares with the next, faded.")
    resample: bool = param(
        False, doc="Resample a mixture of another sample rate, and the stems back; otherwise it is refused."
    )
    batch: int = param(0, at_least=0, doc="Chunks that go through it at once; 0 for one, or what MSST's file says.")
    precision: str = param(
        "float32", choices=PRECISIONS, doc="``mixed``: half of the bits where torch deems it safe; not with ONNX."
    )
    mono: str = param(
        "refuse", choices=("refuse", "double"),
        doc="``double`` gives a model of two channels a mixture of one twice, and takes the mean of what comes out.",
    )  # fmt: skip
    licence: str = param("", doc="Licence of the weights.")
    citation: str = param("", doc="The paper.")

    path: Path
    files: Mapping[Path, str]
    self_described: bool = False  # its files may contradict each other, which shows when it is loaded
    residual: str = ""  # a further stem where the kind has one
    random: bool = False  # it draws from the seed that it is given

    @check("weights")
    def _some_weights(self) -> None:
        if not self.weights:
            self.refuse("weights", "")

    @check("stems")
    def _stems_name_files(self) -> None:
        _require_names(self, "stems", self.stems)
        for name in self.stems:
            plain_name(name, "stem")

    @check("residual", "stems")
    def _residual_is_new(self) -> None:
        if self.residual in self.stems:
            raise ConfigError(f"residual {self.residual!r} is one of the stems already")

    @check("map", "stems", "residual")
    def _map_of_stems(self) -> None:
        try:
            self.map.check_delivered(self.delivers, ())
        except ConfigError as error:
            raise RefusedError("map", str(error)) from None

    @check("trained_on")
    def _trained_on_something(self) -> None:
        _require_names(self, "trained_on", self.trained_on)

    @property
    def delivers(self) -> tuple[str, ...]:
        """Return the stems and, where there is one, the residual."""
        return (*self.stems, self.residual) if self.residual else self.stems

    @property
    def chunks(self) -> Chunks:
        """Return how a track is cut."""
        return Chunks(self.chunk, self.overlap)

    def complete(self) -> None:
        """Take what the files themselves say; called when they are known."""

    def require_present(self) -> None:
        """Refuse weights that are missing, without reading them.

        Raises
        ------
        MappingError
            One line for each file.
        """
        missing = [file for file in self.files if not file.is_file()]
        if missing:
            said = "cannot be read: No such file; expected the file that weights names"
            raise MappingError([f"{self.path}: the model's checkpoint {file} {said}" for file in missing])

    def require_weights(self) -> None:
        """Refuse weights that are missing or altered.

        Raises
        ------
        MappingError
            One line for each file.
        """
        if problems := _altered(self.path, self.files):
            raise MappingError(problems)

    def load(self, device: str = "cpu", precision: str = "float32", batch: int = 0) -> Adapter:
        """Load the model.

        Parameters
        ----------
        device : str
            ``auto``, ``cpu``, ``cuda`` or ``cuda:n``.
        precision : str
            One of `mss_bench.separators.deep.adapter.PRECISIONS`.
        batch : int
            Chunks that go through the model at once; 0 for what the model's own configuration says, or one.

        Raises
        ------
        ConfigError
            The weights are not what the manifest says, or could run code; a GPU that is not there.
        MissingDependencyError
            The package for this kind of model is not installed.
        """
        raise NotImplementedError

    def require_equal(self, who: str, actual: Mapping[str, Any]) -> None:
        """Refuse a manifest that says something else than the checkpoint itself.

        Raises
        ------
        ConfigError
            With what `who`, e.g. ``"the model's is"``, in place of the manifest's value.
        """
        for key, value in actual.items():
            if getattr(self, key) != value:
                raise ConfigError(f"{self.path}: {key} is {getattr(self, key)}, but {who} {value}; mend the manifest")

    def refuse_files(self, expected: str) -> None:
        """Refuse the files of weights.

        Raises
        ------
        ConfigError
        """
        names = ", ".join(file.name for file in self.files)
        raise ConfigError(f"{self.path}: weights are {names}; expected {expected}")


def _require_names(manifest: Manifest, key: str, names: tuple[str, ...]) -> None:
    if not names or not all(names):
        manifest.refuse(key, "a name or a list of names")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{key} names {twice[0]!r} twice")


def read_manifest(path: str | Path, *, check_weights: bool = False) -> Manifest:
    """Read a manifest.

    Parameters
    ----------
    path : str or Path
    check_weights : bool
        Compare the files of weights with their hashes, too; else that is for `Manifest.require_weights`.

    Raises
    ------
    MappingError
        Everything that is wrong with it, one line each.
    ConfigError
        The file is missing, or no YAML.
    """
    raw = load_yaml(Path(path).expanduser())
    path = Path(path).expanduser().absolute()
    kind = _kind(raw)
    files, problems = _weight_files(raw.get("weights"), path.parent)
    if check_weights:
        problems += _altered(path, files)
    try:
        manifest = _class(kind).from_mapping(raw, f"a manifest of kind {kind}")
    except MappingError as error:
        raise MappingError([*error.problems, *problems]) from None
    if problems:
        raise MappingError(problems)
    manifest.path, manifest.files = path, files
    manifest.complete()
    return manifest


def _kind(raw: ConfigMap) -> str:
    """Return the kind, which must be right before anything else can be read."""
    try:
        if "kind" not in raw:
            raise ConfigError(f"kind is missing, expected {parameters(Manifest)['kind'].expected}")
        return str(parameters(Manifest)["kind"].convert(raw["kind"]))
    except ConfigError as error:
        raise MappingError([f"{raw.source}:{raw.lines.get('kind', raw.line)}: {error}"]) from None


def _class(kind: str) -> type[Manifest]:
    module, _, name = _CLASSES[kind].partition(":")
    found: type[Manifest] = getattr(importlib.import_module(module), name)
    return found


def _weight_files(weights: Any, folder: Path) -> tuple[dict[Path, str], list[str]]:
    """Return the files of weights with their hashes, and what is wrong with them."""
    files: dict[Path, str] = {}
    problems: list[str] = []
    left_open: list[str] = []
    for name, sha in weights.items() if isinstance(weights, ConfigMap) else ():
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts:
            problem = f"weights {name!r} leads out of the manifest's folder, expected a path below it"
        elif sha is None and (folder / inside).is_file():
            left_open.append(name)
            continue
        elif not isinstance(sha, str) or not re.fullmatch("[0-9a-fA-F]{64}", sha):
            file = folder / inside
            content = f"its content has {hash_file(file)}" if file.is_file() else "the file does not exist"
            problem = f"weights {name}: {sha!r} is not the 64 digits of a SHA-256; {content}"
        else:
            files[folder / inside] = sha.lower()
            continue
        problems.append(f"{weights.source}:{weights.lines[name]}: {problem}")
    if left_open:
        whole = {n: hash_file(folder / n) if n in left_open else sha for n, sha in weights.items()}
        text = yaml.safe_dump(whole, default_flow_style=True, sort_keys=False, width=float("inf")).strip()
        line = f"{weights.source}:{weights.lines[left_open[0]]}"
        problems.append(f"{line}: the SHA-256 of weights was left open; paste in place: weights: {text}")
    return files, problems


def _altered(path: Path, files: Mapping[Path, str]) -> list[str]:
    problems = []
    for file, expected in files.items():
        try:
            sha = hash_file(file)
        except OSError as error:
            problems.append(f"{path}: weights {file} cannot be read: {error.strerror or error}")
            continue
        if expected not in ("", sha):
            problems.append(
                f"{path}: weights {file} have the SHA-256 {sha}, expected {expected}: the file is damaged or another "
                "one"
            )
    return problems


def keys(kind: str) -> str:
    """Return the documentation of every key of a kind of manifest.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    """
    manifest = _class(kind)
    pages = [inspect.getdoc(manifest) or ""]
    for name, parameter in parameters(manifest).items():
        for inner in (parameter.kind, *getattr(parameter.kind, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, Parameterized):
                pages.append(f"The keys of {name}: {inspect.getdoc(inner)}")
    return "\n\n".join(pages)


if __name__ == "__main__":
    print("\n\n".join(map(keys, sys.argv[1:] or KINDS)))
